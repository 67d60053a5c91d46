//! What a disk or a hand changed in a node's folder is put right from another node.

use crate::running::Running;
use api::Finding;
use consensus::peer::{Answer, Ask, HEADERS_MAX, Head};
use ledger::Block;
use node::audit::audit;
use node::record::{LogName, Record};
use node::repair::{Source, repair};
use node::store::{Folder, Store, StoreError};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use units::Timestamp;

/// A node with a whole copy of the folder.
struct Copy {
    genesis: Vec<u8>,
    blocks: Vec<Vec<u8>>,
    attachments: BTreeMap<units::StatementId, Vec<u8>>,
    note: Option<String>,
    asked: u32,
}

impl Copy {
    fn of(folder: &Path) -> Self {
        let mut store = Store::open_for_reading(Box::new(Folder::open_for_reading(folder))).unwrap();
        let mut copy = Self {
            genesis: store.genesis().unwrap(),
            blocks: Vec::new(),
            attachments: BTreeMap::new(),
            note: None,
            asked: 0,
        };
        for log in LogName::ALL {
            store
                .replay(log, |record| -> Result<(), StoreError> {
                    match record {
                        Record::Block(bytes) => copy.blocks.push(bytes),
                        Record::Attachment { statement, bytes } => drop(copy.attachments.insert(statement, bytes)),
                        Record::Anchor(note) => copy.note = Some(note),
                        _ => {}
                    }
                    Ok(())
                })
                .unwrap();
        }
        copy
    }

    fn headers(&self) -> impl Iterator<Item = ledger::Header> + '_ {
        self.blocks.iter().map(|bytes| Block::from_bytes(bytes).unwrap().header)
    }
}

impl Source for Copy {
    fn ask(&mut self, ask: &Ask) -> Answer {
        self.asked += 1;
        match ask {
            Ask::Head => {
                let last = self.headers().last().unwrap();
                Answer::Head(Head { height: last.height, hash: last.hash(), anchor: self.note.clone() })
            }
            Ask::Headers { locator } => {
                let place = |hash: &units::BlockHash| self.headers().position(|header| header.previous == *hash);
                let after = locator.iter().find_map(place).unwrap_or(usize::MAX);
                Answer::Headers(self.headers().skip(after).take(HEADERS_MAX).collect())
            }
            Ask::Block(hash) => match self.headers().position(|header| header.hash() == *hash) {
                Some(index) => Answer::Block(self.blocks[index].clone()),
                None => Answer::Missing,
            },
            Ask::Attachment(id) => self.attachments.get(id).cloned().map_or(Answer::Missing, Answer::Attachment),
            _ => Answer::Missing,
        }
    }

    fn genesis(&mut self) -> Option<Vec<u8>> {
        Some(self.genesis.clone())
    }

    fn name(&self) -> String {
        "http://127.0.0.1:1".into()
    }
}

const NOW: Timestamp = Timestamp::from_ms(9);

fn repaired(folder: &Path, source: &mut Copy) -> Vec<Finding> {
    repair(&mut Folder::open(folder).unwrap(), NOW, source).unwrap()
}

fn audited(folder: &Path) -> Vec<String> {
    audit(folder).unwrap().findings.iter().map(ToString::to_string).collect()
}

fn segments(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = ["blocks", "attachments", "pool", "anchors"].map(|log| format!("{log}-00000000.seg"));
    names.map(|name| (name.clone(), fs::read(folder.join(&name)).unwrap())).to_vec()
}

/// Removes what a repair put beside, and puts the files back as they were.
fn restore(folder: &Path, whole: &[(String, Vec<u8>)]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains(".damaged-at-") {
            fs::remove_file(path).unwrap();
        }
    }
    for (name, bytes) in whole {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// 200 places; 2,000 with `WATTPROOF_LONG=1`. A stride that has no factor with what is strided over, so that heads,
/// payloads, first and last records all come in.
fn places(total: usize) -> impl Iterator<Item = usize> {
    let count = if std::env::var_os("WATTPROOF_LONG").is_some() { 2_000 } else { 200 };
    let stride = total / count;
    (0..count).map(move |number| (number * stride + number % stride.max(1)) % total)
}

#[test]
fn a_flipped_bit_in_any_stored_byte_is_found_and_repaired_from_a_peer() {
    let running = Running::new();
    let (node, _) = running.billed();
    node.shutdown();
    let folder = running.path();
    let mut source = Copy::of(folder);
    assert_eq!(repaired(folder, &mut source), [], "nothing is wrong with a whole store");
    let whole = segments(folder);
    let total: usize = whole.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut flipped = 0;
    for place in places(total) {
        let (mut at, mut log) = (place, 0);
        while at >= whole[log].1.len() {
            at -= whole[log].1.len();
            log += 1;
        }
        let (name, bytes) = &whole[log];
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (place % 8);
        fs::write(folder.join(name), &damaged).unwrap();

        let found = repaired(folder, &mut source);
        assert_eq!(found.len(), 1, "byte {at} of {name}: {found:?}");
        assert!(found[0].place.starts_with(name.as_str()), "byte {at} of {name}: {found:?}");
        let kept = found[0].kept_in.clone().unwrap();
        assert!(fs::read(folder.join(kept)).unwrap() == damaged, "what was found is kept");
        if log < 2 {
            assert!(
                &fs::read(folder.join(name)).unwrap() == bytes,
                "byte {at} of {name} is not what it was: {found:?}"
            );
        }
        // What waited is nobody else's to give back; everything else is.
        assert_eq!(found[0].repaired.is_some(), !name.starts_with("pool"), "byte {at} of {name}: {found:?}");
        assert_eq!(audited(folder), Vec::<String>::new(), "byte {at} of {name}");
        assert_eq!(repaired(folder, &mut source), [], "byte {at} of {name}: repaired twice");
        restore(folder, &whole);
        flipped += 1;
    }
    println!("{flipped} bytes flipped, each found and repaired; {} questions to the peer", source.asked);
    let node = running.restarted();
    assert_eq!(node.status().unwrap().final_height.number(), 4);
    node.shutdown();
}

#[test]
fn several_damaged_places_and_lost_ends_of_files_are_repaired_at_once() {
    let running = Running::new();
    let (node, _) = running.billed();
    node.shutdown();
    let folder = running.path();
    let mut source = Copy::of(folder);
    let whole = segments(folder);
    for seed in 1..40usize {
        for (index, (name, bytes)) in whole.iter().enumerate().filter(|(_, (name, _))| !name.starts_with("pool")) {
            let mut damaged = bytes.clone();
            for hit in 1..4 {
                let at = seed * 7_919 * hit * (index + 1) % damaged.len();
                damaged[at] = !damaged[at];
            }
            if seed % 3 == 0 {
                damaged.truncate(damaged.len() - seed);
            }
            fs::write(folder.join(name), damaged).unwrap();
        }
        let found = repaired(folder, &mut source);
        assert!(found.len() >= 3, "seed {seed}: {found:?}");
        assert_eq!(audited(folder), Vec::<String>::new(), "seed {seed}: {found:?}");
        assert!(fs::read(folder.join(&whole[0].0)).unwrap() == whole[0].1, "seed {seed}: other blocks");
        restore(folder, &whole);
    }
}

#[test]
fn what_the_peer_lacks_is_named_and_nothing_false_is_put_in_its_place() {
    let running = Running::new();
    let (node, _) = running.billed();
    node.shutdown();
    let folder = running.path();
    let whole = segments(folder);
    let second = |bytes: &[u8]| bytes.len() / 2;
    for (log, name) in ["blocks", "attachments"].iter().enumerate() {
        let mut source = Copy::of(folder);
        let mut damaged = whole[log].1.clone();
        let at = second(&damaged);
        damaged[at] ^= 1;
        fs::write(folder.join(&whole[log].0), damaged).unwrap();
        // A peer that answers with other bytes.
        source.blocks.iter_mut().for_each(|bytes| bytes[40] ^= 1);
        source.attachments.values_mut().for_each(|bytes| bytes[40] ^= 1);
        let found = repaired(folder, &mut source);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert!(found[0].repaired.is_none() && found[0].lost.is_some(), "{name}: {found:?}");
        assert!(!audited(folder).is_empty(), "{name}: the audit says that something is missing");
        restore(folder, &whole);
    }
}

/// Copies a folder's files.
fn copied(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

/// Waits until something is remembered as found.
fn noticed(folder: &Path) -> Vec<Finding> {
    for _ in 0..400 {
        let found = node::findings::read(folder).unwrap();
        if !found.is_empty() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Vec::new()
}

/// Where no node answers: whoever has it as a peer goes on, and waits for it.
const AWAY: &str = "http://127.0.0.1:1";

#[test]
fn a_node_with_a_damaged_store_sets_it_aside_starts_and_builds_nothing_on_what_it_lost() {
    let running = Running::new();
    let (node, _) = running.billed();
    node.shutdown();
    let mut source = Copy::of(running.path());
    let whole = segments(running.path());
    // The place in hundredths of the file, whether the start notices it, and how many blocks are left.
    for (log, place, is_noticed, left) in [
        // Within a block; in the newest block, which a start takes for an interrupted write; in a checkpoint; in the head
        // of an attachment; in the pool.
        ("blocks", 50, true, 1),
        ("blocks", 99, false, 3),
        ("anchors", 40, true, 4),
        ("attachments", 0, true, 4),
        ("pool", 30, true, 4),
    ] {
        let folder = copied(running.path());
        let (name, bytes) = whole.iter().find(|(name, _)| name.starts_with(log)).unwrap();
        let mut damaged = bytes.clone();
        let at = damaged.len() * place / 100;
        damaged[at] ^= 4;
        fs::write(folder.path().join(name), &damaged).unwrap();
        if is_noticed {
            let alone = running.started_on(folder.path(), Vec::new()).map(|node| node.shutdown());
            assert!(
                alone.unwrap_err().to_string().contains("damaged at byte"),
                "{name}: alone it says where and stops"
            );
        }
        let node = running.started_on(folder.path(), vec![AWAY.into()]).unwrap();
        running.later();
        std::thread::sleep(std::time::Duration::from_millis(200));
        let status = node.status().unwrap();
        let reached = (status.height.number(), status.final_height.number());
        assert_eq!(
            reached.0,
            left + u64::from(left == 4),
            "{name} at byte {at}: it builds on what is whole, or not at all"
        );
        assert!(reached.1 <= reached.0 && (left < 4 || reached.1 >= 4 - u64::from(log == "anchors")), "{reached:?}");
        node.shutdown();
        let found = node::findings::read(folder.path()).unwrap();
        assert_eq!(found.len(), usize::from(is_noticed), "{name} at byte {at}: {found:?}");
        if is_noticed {
            let kept = found[0].kept_in.clone().unwrap();
            assert!(fs::read(folder.path().join(kept)).unwrap() == damaged, "{name} at byte {at}: kept as found");
        }
        repaired(folder.path(), &mut source);
        assert_eq!(audited(folder.path()), Vec::<String>::new(), "{name} at byte {at}");
        let node = running.started_on(folder.path(), Vec::new()).unwrap();
        assert!(node.status().unwrap().final_height.number() >= 4);
        node.shutdown();
    }
}

#[test]
fn a_record_that_changes_while_a_node_runs_is_noticed_and_set_aside_by_the_next_start() {
    let running = Running::new();
    let (node, _) = running.billed();
    node.shutdown();
    let mut source = Copy::of(running.path());
    let folder = copied(running.path());
    // Payloads of attachments are not read at a start.
    let name = "attachments-00000000.seg";
    let mut damaged = fs::read(folder.path().join(name)).unwrap();
    damaged[100] ^= 1;
    fs::write(folder.path().join(name), &damaged).unwrap();
    let node = running.started_on(folder.path(), Vec::new()).unwrap();
    let found = noticed(folder.path());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].place, "attachments-00000000.seg at byte 0");
    node.shutdown();
    running.started_on(folder.path(), vec![AWAY.into()]).unwrap().shutdown();
    let found = node::findings::read(folder.path()).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(fs::read(folder.path().join(found[0].kept_in.clone().unwrap())).unwrap() == damaged);
    assert_eq!(repaired(folder.path(), &mut source).len(), 1, "the attachment is missing, and a peer has it");
    assert_eq!(audited(folder.path()), Vec::<String>::new());
}

/// Lets time pass until a height is final and the audit of the running node finds nothing; gives what it found last.
fn settled(running: &Running, node: &node::NodeHandle, height: u64) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..600 {
        running.soon();
        std::thread::sleep(std::time::Duration::from_millis(20));
        if node.status().unwrap().final_height.number() >= height {
            found = node.audit().unwrap().findings.iter().map(ToString::to_string).collect();
            if found.is_empty() {
                return found;
            }
        }
    }
    found.push(format!("{:?}, {:?}", node.status().unwrap().final_height, node.peers().unwrap()));
    found
}

#[test]
fn a_running_node_fetches_from_its_peers_what_damage_took() {
    let running = Running::new();
    let (node, _) = running.billed();
    node.shutdown();
    let witness_folder = copied(running.path());
    let witness = running.witness_on(witness_folder.path());
    let address = crate::serving::served(&witness);
    let whole = segments(running.path());
    for (log, place) in [("blocks", 50), ("blocks", 99), ("anchors", 99), ("attachments", 0)] {
        let folder = copied(running.path());
        let (name, bytes) = whole.iter().find(|(name, _)| name.starts_with(log)).unwrap();
        let mut damaged = bytes.clone();
        let at = damaged.len() * place / 100;
        damaged[at] ^= 4;
        fs::write(folder.path().join(name), &damaged).unwrap();
        let node = running.started_on(folder.path(), vec![address.clone()]).unwrap();
        assert_eq!(settled(&running, &node, 4), Vec::<String>::new(), "{name} at byte {at}");
        node.shutdown();
        let mut source = Copy::of(running.path());
        assert_eq!(repaired(folder.path(), &mut source), [], "{name} at byte {at}: nothing is left to repair");
    }
    witness.shutdown();
}
