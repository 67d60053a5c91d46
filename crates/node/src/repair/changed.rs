//! What of a block was changed: the first value that is not as it was, for the operator.

use ledger::{Block, Header, SignedStatement};
use units::Height;

/// Bytes that are shown of a place that cannot be read as a block any more.
const BYTES_SHOWN: usize = 16;

/// A changed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Changed {
    /// The block.
    pub(super) height: Height,
    /// Which value.
    pub(super) field: String,
    /// What stood there.
    pub(super) found: String,
    /// What belongs there.
    pub(super) right: String,
}

/// The first difference between the bytes that were found and the block that belongs there.
pub(super) fn between(found: &[u8], right: &[u8]) -> Option<Changed> {
    let block = Block::from_bytes(right).ok()?;
    let height = block.header.height;
    let of_value = |(field, found, right): (String, String, String)| Changed { height, field, found, right };
    match Block::from_bytes(found) {
        Ok(other) => of_blocks(&other, &block).map(of_value),
        Err(_) => of_bytes(found, right).map(of_value),
    }
}

type Values = (String, String, String);

fn of_blocks(found: &Block, right: &Block) -> Option<Values> {
    let in_header = header(&found.header).into_iter().zip(header(&right.header));
    let differing = in_header.into_iter().find(|((_, found), (_, right))| found != right);
    if let Some(((name, found), (_, right))) = differing {
        return Some((name.to_owned(), found, right));
    }
    if found.seal != right.seal {
        return Some(("seal".to_owned(), crate::view::hex(&found.seal), crate::view::hex(&right.seal)));
    }
    let count = |block: &Block| block.statements.len().to_string();
    if found.statements.len() != right.statements.len() {
        return Some(("number of statements".to_owned(), count(found), count(right)));
    }
    let mut pairs = found.statements.iter().zip(&right.statements);
    let (found, right) = pairs.find(|(found, right)| found.leaf() != right.leaf())?;
    Some(of_statements(found, right))
}

fn header(header: &Header) -> [(&'static str, String); 12] {
    [
        ("version", header.version.to_string()),
        ("ledger", header.ledger.to_string()),
        ("height", header.height.to_string()),
        ("time", format!("{} ms", header.time.ms())),
        ("previous", header.previous.to_string()),
        ("log size", header.log_size.to_string()),
        ("log root", header.log_root.to_string()),
        ("state root", header.state_root.to_string()),
        ("proposer", header.proposer.to_string()),
        ("difficulty", header.engine.difficulty.to_string()),
        ("extra nonce", header.engine.extra_nonce.to_string()),
        ("nonce", header.engine.nonce.to_string()),
    ]
}

fn of_statements(found: &SignedStatement, right: &SignedStatement) -> Values {
    let id = right.id();
    let written = |statement: &SignedStatement| format!("{:#?}", statement.payload());
    match of_texts(&written(found), &written(right)) {
        Some((field, found, right)) => (format!("statement {id} {field}"), found, right),
        None => {
            let tail = |statement: &SignedStatement| {
                let leaf = statement.leaf();
                crate::view::hex(leaf.get(leaf.len().saturating_sub(BYTES_SHOWN)..).unwrap_or(leaf))
            };
            (format!("statement {id} signature, its last bytes"), tail(found), tail(right))
        }
    }
}

/// The first line that differs between two indented texts, with the names of what it stands in.
fn of_texts(found: &str, right: &str) -> Option<Values> {
    let mut lines = found.lines().zip(right.lines()).enumerate();
    let (at, (found, right_line)) = lines.find(|(_, (found, right))| found != right)?;
    let indent = |line: &str| line.len() - line.trim_start().len();
    let (mut names, mut unit, mut inside) = (Vec::new(), None, indent(right_line) + 1);
    for line in right.lines().take(at + 1).collect::<Vec<_>>().into_iter().rev() {
        if indent(line) >= inside {
            continue;
        }
        inside = indent(line);
        let (name, rest) = line.trim().split_once(": ").unwrap_or(("", line.trim()));
        unit = unit.or_else(|| unit_of(rest));
        names.extend((!name.is_empty()).then(|| name.to_owned()));
    }
    names.reverse();
    let value = |line: &str| {
        let value = line.trim().trim_end_matches(',');
        let value = value.split_once(": ").map_or(value, |(_, value)| value);
        unit.map_or_else(|| value.to_owned(), |unit| format!("{value} {unit}"))
    };
    Some((names.join("."), value(found), value(right_line)))
}

/// The unit of a quantity by the name of its type.
fn unit_of(text: &str) -> Option<&'static str> {
    let (name, _) = text.split_once('(')?;
    Some(match name {
        "Energy" | "EnergyBalance" => "mWh",
        "Power" => "mW",
        "Voltage" => "mV",
        "Current" => "uA",
        "Timestamp" | "Millis" => "ms",
        _ => return None,
    })
}

fn of_bytes(found: &[u8], right: &[u8]) -> Option<Values> {
    let first = found.iter().zip(right).position(|(found, right)| found != right);
    let first = first.or((found.len() != right.len()).then(|| found.len().min(right.len())))?;
    let behind = |bytes: &[u8]| {
        let shown = bytes.get(first..).unwrap_or_default();
        crate::view::hex(shown.get(..BYTES_SHOWN).unwrap_or(shown))
    };
    Some((format!("bytes from {first} on"), behind(found), behind(right)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_that_differs_is_named_with_what_it_stands_in() {
        #[derive(Debug)]
        struct Voltage(#[allow(dead_code, reason = "it is written")] u64);
        #[derive(Debug)]
        #[allow(dead_code, reason = "they are written")]
        struct Payload {
            issued: u64,
            acts: Vec<Act>,
        }
        #[derive(Debug)]
        #[allow(dead_code, reason = "they are written")]
        enum Act {
            Readings { count: u64, max: Voltage },
        }
        let text = |count, max| {
            format!("{:#?}", Payload { issued: 5, acts: vec![Act::Readings { count, max: Voltage(max) }] })
        };
        let values = |found: &str, right: &str| Some(("acts.".to_owned(), found.to_owned(), right.to_owned()));
        let at = |name: &str, values: Option<Values>| values.map(|(path, a, b)| (path + name, a, b));
        assert_eq!(of_texts(&text(7, 110_000), &text(7, 110_000)), None);
        assert_eq!(of_texts(&text(8, 110_000), &text(7, 110_000)), at("count", values("8", "7")));
        assert_eq!(of_texts(&text(7, 250_000), &text(7, 110_000)), at("max", values("250000 mV", "110000 mV")));
        assert_eq!(
            of_bytes(&[1, 2, 3], &[1, 9, 3]),
            Some(("bytes from 1 on".to_owned(), "0203".to_owned(), "0903".to_owned()))
        );
        assert_eq!(of_bytes(&[1], &[1]), None);
    }
}
