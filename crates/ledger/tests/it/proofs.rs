//! Log, checkpoint and transparent statement against independent implementations.
//!
//! The sample that is written here is also checked by `tests/foreign/check_transparent.py` with a COSE library that knows
//! nothing of this crate.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]
use crate::foreign::{Shelf, checkpoint, community};
use crate::support::{account, at, genesis, key, payload, sign};
use ledger::act::{Act, Note};
use ledger::log::{self, Log};
use ledger::state::RecordKey;
use ledger::{
    Block, Checkpoint, Growth, InclusionPlace, Payload, PublicKey, SecretKey, SignedStatement, TransparentStatement,
    cbor, issue_consistency_receipt, issue_receipt, verify_consistency_receipt,
};
use minicbor::bytes::ByteVec as Bytes;
use std::path::Path;
use tlog_tiles::{Error, Hash, HashReader};
use units::{BlockHash, Digest, Height, LedgerId, Millis, Timestamp, Voltage};

/// The stored hashes of `tlog_tiles`, in its own order.
#[derive(Default)]
struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

fn foreign(digests: &[Digest]) -> Vec<Hash> {
    digests.iter().map(|digest| Hash(*digest.as_bytes())).collect()
}

#[test]
fn the_log_agrees_with_another_implementation() {
    let (mut ours, mut theirs) = (Log::new(), Stored::default());
    for size in 1..=130u64 {
        let leaf = format!("statement {size}");
        ours.append(log::leaf_hash(leaf.as_bytes()));
        theirs.0.extend(tlog_tiles::stored_hashes(size - 1, leaf.as_bytes(), &theirs).unwrap());
        let root = tlog_tiles::tree_hash(size, &theirs).unwrap();
        assert_eq!(ours.root().as_bytes(), &root.0, "{size} leaves");
        for index in 0..size {
            let path = ours.inclusion_path(index, size).unwrap();
            assert_eq!(
                foreign(&path),
                tlog_tiles::prove_record(size, index, &theirs).unwrap(),
                "leaf {index} of {size}"
            );
            let path = ours.consistency_path(index + 1, size).unwrap();
            assert_eq!(
                foreign(&path),
                tlog_tiles::prove_tree(size, index + 1, &theirs).unwrap(),
                "{index} + 1 to {size}"
            );
        }
    }
}

#[test]
fn another_implementation_reads_our_checkpoints_of_every_size() {
    for (size, height) in [(0, 0), (1, 1), (12, 3), (130, 1 << 20), (1 << 40, 9), (i64::MAX.cast_unsigned(), u64::MAX)]
    {
        let (root, block) = (Digest::from_bytes([8; 32]), BlockHash::from_bytes([9; 32]));
        let ledger = LedgerId::from_bytes([7; 32]);
        let checkpoint = Checkpoint { ledger, size, root, height: Height::from_number(height), block };
        let note = checkpoint.sign(&SecretKey::ed25519([1; 32])).unwrap();
        let (text, _) = note.split_once("\n\n").unwrap();
        let theirs = tlog_tiles::Checkpoint::from_bytes(format!("{text}\n").as_bytes()).unwrap();
        assert_eq!(theirs.origin(), checkpoint.origin());
        assert_eq!((theirs.size(), theirs.hash().0), (size, [8; 32]));
        assert!(theirs.extension().starts_with(&format!("height {height}\nblock ")), "{}", theirs.extension());
        let rebuilt = tlog_tiles::Checkpoint::new(theirs.origin(), size, Hash([8; 32]), theirs.extension()).unwrap();
        assert_eq!(rebuilt.to_bytes(), format!("{text}\n").as_bytes());
    }
}

fn member() -> SecretKey {
    SecretKey::ed25519([11; 32])
}

fn node() -> SecretKey {
    SecretKey::p256([12; 32]).unwrap()
}

fn note(time: Timestamp) -> Note {
    Note {
        time,
        voltage: Some(Voltage::from_mv(118_500)),
        current: None,
        power: None,
        energy: None,
        text: Some("read from the display".to_owned()),
    }
}

fn statement() -> SignedStatement {
    let issued = Timestamp::from_ms(1_782_000_000_000);
    let payload = Payload {
        ledger: LedgerId::from_bytes([7; 32]),
        nonce: [3; 16],
        issued,
        expires: Some(issued + Millis::from_minutes(60)),
        acts: vec![Act::Note(note(issued))],
    };
    SignedStatement::sign(&payload, &member()).unwrap()
}

/// The statement as the 100th of a log of 1,000, so that its path has left and right nodes and an incomplete edge.
pub(crate) fn transparent() -> (TransparentStatement, InclusionPlace) {
    let statement = statement();
    let mut log = Log::new();
    for index in 0..1_000u64 {
        let other = log::leaf_hash(&index.to_be_bytes());
        log.append(if index == 99 { log::leaf_hash(statement.leaf()) } else { other });
    }
    let place = InclusionPlace { index: 99, size: 1_000, root: log.root() };
    let path = log.inclusion_path(place.index, place.size).unwrap();
    let receipt = issue_receipt(&node(), place.index, place.size, &path, &place.root).unwrap();
    let mut keys = vec![member().public(), node().public()];
    keys.sort_by_key(PublicKey::account);
    (TransparentStatement { statement, receipts: vec![receipt], keys }, place)
}

#[test]
fn a_transparent_statement_survives_export_and_is_left_for_foreign_software() {
    let (transparent, place) = transparent();
    let bytes = transparent.to_bytes();
    let read = TransparentStatement::from_bytes(&bytes).unwrap();
    assert_eq!(read, transparent);
    let (verified, places) = read.check().unwrap();
    assert_eq!((verified.signed(), places), (&transparent.statement, vec![place]));

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("transparent");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("statement.cose"), bytes).unwrap();
}

/// Both stand on checkpoints: `[genesis, checkpoint, header, key, state proof]` and
/// `[genesis, earlier checkpoint, later checkpoint, receipt]`.
#[test]
fn what_the_state_does_not_hold_and_how_the_log_grew_are_left_for_foreign_software() {
    let (mut state, mut store) = community(genesis());
    let earlier = Block::from_bytes(store.blocks.last().unwrap()).unwrap().header;
    for (nonce, who) in (1..).zip(["chen", "lee", "chen"]) {
        let time = at(7, 2, 0, nonce);
        let note = sign(&payload(state.genesis(), nonce, time, vec![Act::Note(note(time))]), &key(who));
        store.commit(&mut state, time, &[note]);
    }
    let (document, head) = (Bytes::from(state.genesis().to_bytes()), state.head().clone());
    let shelf = Shelf::emptied("proofs");

    for (name, who, wanted) in [("stranger.absence", "a stranger", true), ("member.lie", "chen", false)] {
        let key = RecordKey::Account(account(who));
        let proof = state.prove(&key);
        assert_eq!(proof.verify(&key.digest(), None, &head.state_root), wanted, "{name}");
        let header = Bytes::from(head.to_bytes().to_vec());
        shelf.write(name, &cbor::encode(&(&document, checkpoint(&head), header, key, proof)));
    }

    let node = SecretKey::p256([1; 32]).unwrap();
    assert_eq!(state.genesis().receipt_keys, [node.public()]);
    let growth = Growth { old_size: earlier.log_size, new_size: head.log_size };
    let path = state.log().consistency_path(growth.old_size, growth.new_size).unwrap();
    let receipt = issue_consistency_receipt(&node, growth, &path, &head.log_root).unwrap();
    let checked = verify_consistency_receipt(&receipt, earlier.log_root, head.log_root, &node.public());
    assert_eq!(checked, Ok(growth));
    let receipt = Bytes::from(receipt);
    shelf.write("july.growth", &cbor::encode(&(&document, checkpoint(&earlier), checkpoint(&head), receipt)));
}
