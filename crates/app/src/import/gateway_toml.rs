//! The gateway's settings with meters added: text in, text out, so that what the operator wrote stays as it is.

use super::rooms::Room;
use std::fmt::Write as _;
use units::AccountId;

/// How often a meter is asked that nobody has said more of.
const POLL_SECONDS: u32 = 5;

/// A bus to be made when the settings have none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewBus<'a> {
    /// The serial device.
    pub(crate) serial: &'a str,
    /// Bits in a second.
    pub(crate) baud: u32,
}

/// Adds those meters that the settings do not have yet, each at the end of its bus.
///
/// # Errors
/// When a bus is not there, with what to do.
pub(crate) fn with_meters(
    text: &str,
    rooms: &[(&Room, AccountId)],
    new_bus: Option<NewBus<'_>>,
) -> Result<String, String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if buses(&lines).is_empty() {
        let NewBus { serial, baud } = new_bus.ok_or(
            "gateway.toml has no [[bus]] yet: write one with its port, or name it with --serial DEVICE --baud RATE",
        )?;
        let name = rooms.iter().find_map(|(room, _)| room.bus.clone()).unwrap_or_else(|| "first".to_owned());
        let block = format!("\n[[bus]]\nname = {}\nserial = {}\nbaud = {baud}", quoted(&name), quoted(serial));
        lines.extend(block.lines().map(str::to_owned));
    }
    for (room, account) in rooms {
        let number = room.meter.to_string();
        if lines.iter().any(|line| value(line, "number").as_ref() == Some(&number)) {
            continue;
        }
        let end = end_of_bus(&lines, room)?;
        let block = block(room, *account);
        lines.splice(end..end, block.lines().map(str::to_owned));
    }
    Ok(lines.join("\n") + "\n")
}

/// The text that a line gives a key, however it is spaced and whatever comment follows.
fn value(line: &str, key: &str) -> Option<String> {
    let line = line.trim().strip_prefix(key).filter(|rest| rest.trim_start().starts_with('='))?;
    let table: toml::Table = format!("value{line}").parse().ok()?;
    table.get("value")?.as_str().map(str::to_owned)
}

/// Whether a bus begins in a line.
fn is_bus(line: &str) -> bool {
    let header: String = line.split('#').next().unwrap_or_default().split_whitespace().collect();
    header == "[[bus]]"
}

/// Name and span of lines of each bus.
fn buses(lines: &[String]) -> Vec<(Option<String>, usize, usize)> {
    let starts: Vec<usize> = (0..lines.len()).filter(|at| is_bus(&lines[*at])).collect();
    let span = |(order, start): (usize, &usize)| {
        let end = starts.get(order + 1).copied().unwrap_or(lines.len());
        let name = lines[*start..end].iter().find_map(|line| value(line, "name"));
        (name, *start, end)
    };
    starts.iter().enumerate().map(span).collect()
}

/// The line before which a meter of the room's bus goes: behind the last line of its block that says something.
fn end_of_bus(lines: &[String], room: &Room) -> Result<usize, String> {
    let buses = buses(lines);
    let found = match (&room.bus, buses.as_slice()) {
        (Some(name), _) => buses.iter().find(|(known, ..)| known.as_ref() == Some(name)),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let (_, start, end) = found.ok_or_else(|| match &room.bus {
        Some(name) => {
            format!("line {}: gateway.toml has no bus named `{name}`; write its [[bus]] with its port", room.line)
        }
        None => format!("line {}: gateway.toml has several buses; say in the column bus which one it is", room.line),
    })?;
    let said = lines[*start..*end].iter().rposition(|line| !line.trim().is_empty() && !line.starts_with('#'));
    Ok(said.map_or(*end, |at| start + at + 1))
}

fn block(room: &Room, account: AccountId) -> String {
    let mut text = String::new();
    let address = match room.address.to_string() {
        // A Modbus address is a number in the settings, a DL/T 645 one a text of twelve digits.
        address if address.len() <= 3 => address,
        address => quoted(&address),
    };
    // Writing into a string cannot fail.
    let _ = write!(
        text,
        "\n# {}\n[[bus.meter]]\nnumber = \"{}\"\naddress = {address}\nprofile = \"{}\"\npoll_seconds = {POLL_SECONDS}\nmember = \"{account}\"",
        room.room.replace(['\n', '\r'], " "),
        room.meter,
        room.profile
    );
    text
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
