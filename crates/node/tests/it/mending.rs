//! What a hand changes in the files of a node that runs is noticed, told, and put right from its peers.

use crate::running::Running;
use api::{Event, Finding, FindingKind};
use ledger::{Block, SignedStatement};
use node::NodeHandle;
use node::audit::audit;
use node::record::{LogName, Record};
use node::store::{Folder, Store, StoreError};
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The files of a folder in another one.
fn copied(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

/// Rewrites a log of a node that runs, checks and all, as somebody does who knows the format.
fn rewritten(folder: &Path, log: LogName, change: &dyn Fn(&mut Record)) {
    let aside = copied(folder);
    let mut store = Store::open(Box::new(Folder::open(aside.path()).unwrap())).unwrap();
    let mut records = Vec::new();
    store
        .replay(log, |record| -> Result<(), StoreError> {
            records.push(record);
            Ok(())
        })
        .unwrap();
    let before = records.clone();
    records.iter_mut().for_each(change);
    assert_ne!(records, before, "nothing was changed");
    store.rewrite(log, &records).unwrap();
    let file = format!("{}-00000000.seg", log.name());
    fs::write(folder.join(&file), fs::read(aside.path().join(&file)).unwrap()).unwrap();
}

/// Puts another number in place of one, in the blocks' statements.
fn in_statements(number: u64, other: u64) -> Box<dyn Fn(&mut Record)> {
    let written = |number: u64| match u32::try_from(number) {
        Ok(number) => [&[0x1a][..], &number.to_be_bytes()].concat(),
        Err(_) => [&[0x1b][..], &number.to_be_bytes()].concat(),
    };
    let (number, other) = (written(number), written(other));
    Box::new(move |record| {
        let Record::Block(bytes) = record else { return };
        let mut block = Block::from_bytes(bytes).unwrap();
        for statement in &mut block.statements {
            let mut leaf = statement.leaf().to_vec();
            if let Some(at) = leaf.windows(number.len()).position(|window| window == number) {
                leaf[at..at + number.len()].copy_from_slice(&other);
                *statement = SignedStatement::from_leaf(&leaf).unwrap();
                break;
            }
        }
        *bytes = block.to_bytes();
    })
}

/// Changes the header of the second block.
fn in_header(change: fn(&mut ledger::Header)) -> Box<dyn Fn(&mut Record)> {
    Box::new(move |record| {
        let Record::Block(bytes) = record else { return };
        let mut block = Block::from_bytes(bytes).unwrap();
        if block.header.height.number() == 2 {
            change(&mut block.header);
        }
        *bytes = block.to_bytes();
    })
}

/// Waits until the node says that nothing is open and something was put right.
fn put_right(node: &NodeHandle, what: &str) -> Vec<Finding> {
    for _ in 0..600 {
        let view = node.findings(50).unwrap();
        if view.count > 0 && view.open == 0 {
            return view.findings;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what}: {:?}; {:?}", node.findings(50), node.stopped());
}

/// What is planted, and how it is told: kind, block, value, what was found and what is right.
type Case = (&'static str, Box<dyn Fn(&Path)>, FindingKind, Option<u64>, &'static str, &'static str, &'static str);

fn of_blocks(change: Box<dyn Fn(&mut Record)>) -> Box<dyn Fn(&Path)> {
    Box::new(move |folder| rewritten(folder, LogName::Blocks, &*change))
}

fn row(sql: &'static str) -> Box<dyn Fn(&Path)> {
    Box::new(move |folder| {
        let connection = Connection::open(folder.join("tables.sqlite")).unwrap();
        assert!(connection.execute(sql, []).unwrap() > 0, "{sql}");
    })
}

fn cases() -> Vec<Case> {
    use FindingKind::{Attachment, Block, Checkpoint, Row, Waiting};
    let byte = |file: &'static str, hundredths: usize| -> Box<dyn Fn(&Path)> {
        Box::new(move |folder| {
            let path = folder.join(file);
            let mut bytes = fs::read(&path).unwrap();
            let at = bytes.len() * hundredths / 100;
            bytes[at] ^= 1;
            fs::write(path, bytes).unwrap();
        })
    };
    let attachment: Box<dyn Fn(&Path)> = Box::new(|folder| {
        rewritten(folder, LogName::Attachments, &|record| {
            if let Record::Attachment { bytes, .. } = record {
                let last = bytes.len() - 9;
                bytes[last] ^= 1;
            }
        });
    });
    vec![
        ("a voltage", of_blocks(in_statements(110_000, 150_000)), Block, Some(2), "voltage", "150000 mV", "110000 mV"),
        (
            "a counter",
            of_blocks(in_statements(1_000_450_000, 1_000_400_000)),
            Block,
            Some(2),
            "import",
            "1000400000 mWh",
            "1000450000 mWh",
        ),
        (
            "traded energy",
            of_blocks(in_statements(20_000_000, 30_000_000)),
            Block,
            Some(2),
            "energy",
            "30000000 mWh",
            "20000000 mWh",
        ),
        ("a nonce", of_blocks(in_header(|header| header.engine.nonce += 1)), Block, Some(2), "nonce", "", ""),
        (
            "a hash",
            of_blocks(in_header(|header| header.previous = units::BlockHash::from_bytes([7; 32]))),
            Block,
            Some(2),
            "previous",
            "07070707",
            "",
        ),
        ("a byte of a block", byte("blocks-00000000.seg", 60), Block, Some(2), "", "", ""),
        ("a byte of a checkpoint", byte("anchors-00000000.seg", 90), Checkpoint, None, "", "", ""),
        ("a byte of the pool", byte("pool-00000000.seg", 50), Waiting, None, "", "", ""),
        ("a byte of readings", byte("attachments-00000000.seg", 30), Attachment, None, "", "", ""),
        ("readings with their check", attachment, Attachment, None, "", "", ""),
        (
            "a computed counter",
            row("UPDATE intervals SET import_end_mwh = import_end_mwh + 1000000 WHERE seq = 3"),
            Row,
            None,
            "import_end_mwh",
            "",
            "",
        ),
        ("a computed row too much", row("UPDATE entries SET number = 99 WHERE number = 1"), Row, None, "", "", ""),
        ("a computed row too few", row("DELETE FROM acts WHERE log_index = 2"), Row, None, "", "", ""),
        ("how far rows go", row("UPDATE meta SET value = 99 WHERE key = 'height'"), Row, None, "", "", ""),
    ]
}

#[test]
fn whatever_is_changed_under_a_running_node_is_told_and_put_right_from_its_peers_and_itself() {
    let running = Running::new();
    let node = running.traded();
    node.shutdown();
    let witness_folder = copied(running.path());
    let witness = running.witness_on(witness_folder.path());
    let address = crate::serving::served(&witness);
    for (what, plant, kind, height, field, found, right) in cases() {
        let folder = copied(running.path());
        let node = running.scrubbed_on(folder.path(), vec![address.clone()]);
        let events = node.subscribe().unwrap();
        let head = node.status().unwrap().hash;
        plant(folder.path());
        let told = put_right(&node, what);
        assert!(told.iter().all(|finding| finding.kind == kind), "{what}: {told:?}");
        let finding = told.last().unwrap();
        assert_eq!(finding.height.map(units::Height::number), height, "{what}: {told:?}");
        let value = |value: &Option<String>| value.clone().unwrap_or_default();
        assert!(value(&finding.field).contains(field), "{what}: {told:?}");
        assert!(value(&finding.found).starts_with(found), "{what}: {told:?}");
        assert!(value(&finding.expected).starts_with(right), "{what}: {told:?}");
        let repaired = finding.repaired.clone().unwrap();
        assert_eq!(
            repaired.from == "this node",
            !matches!(kind, FindingKind::Block | FindingKind::Attachment),
            "{what}"
        );
        assert!(events.try_iter().any(|event| matches!(event, Event::Finding { .. })), "{what}");
        let left: Vec<String> = audit(folder.path()).unwrap().findings.iter().map(ToString::to_string).collect();
        assert_eq!(left, Vec::<String>::new(), "{what}");
        assert_eq!(node.status().unwrap().hash, head, "{what}: the node goes on");
        node.shutdown();
        // What was put right is right for the next start too, without anybody's help.
        let again = running.started_on(folder.path(), Vec::new()).unwrap();
        assert_eq!(again.status().unwrap().final_height.number(), 3, "{what}");
        again.shutdown();
    }
    witness.shutdown();
}

#[test]
fn what_nobody_has_stays_open_and_is_put_right_when_somebody_comes_back() {
    let running = Running::new();
    let node = running.traded();
    node.shutdown();
    let witness_folder = copied(running.path());
    let folder = copied(running.path());
    let node = running.scrubbed_on(folder.path(), Vec::new());
    of_blocks(in_statements(20_000_000, 30_000_000))(folder.path());
    let planted = fs::read(folder.path().join("blocks-00000000.seg")).unwrap();
    for _ in 0..600 {
        if node.findings(1).unwrap().open > 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let view = node.findings(9).unwrap();
    assert_eq!((view.count, view.open), (1, 1), "{view:?}");
    assert_eq!(view.findings[0].place, "block 2");
    assert!(fs::read(folder.path().join("blocks-00000000.seg")).unwrap() == planted, "nothing is cut out meanwhile");
    node.shutdown();
    let witness = running.witness_on(witness_folder.path());
    let address = crate::serving::served(&witness);
    // With an open finding the start itself looks, and then the node that runs.
    let node = running.started_on(folder.path(), vec![address]).unwrap();
    assert!(node.status().unwrap().height.number() >= 3);
    assert_eq!(audit(folder.path()).unwrap().findings, []);
    node.shutdown();
    witness.shutdown();
}
