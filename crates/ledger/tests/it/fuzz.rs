//! Every decoder against damaged bytes: a value whose one encoding they are, or a typed error, never a panic.
//!
//! The corpus are sound encodings: the frozen ones and the files of a whole month. Random bytes would end at the first
//! byte of deterministic CBOR; a sound encoding with a few edits gets as far as the rules.
//!
//! `BOLERO_RANDOM_SEED` repeats a failure; `WATTPROOF_LONG=1` runs a hundred times as many edits.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]

use crate::bundle::july_files;
use crate::support::{GATEWAY, MINER, OPERATOR, account, at, community, key, payload};
use bolero::TypeGenerator;
use ledger::act::Act;
use ledger::attachment::Attachment;
use ledger::bundle::BillBundle;
use ledger::smt::SparseProof;
use ledger::state::{Entry, Record};
use ledger::verify::{LedgerExport, Verdict};
use ledger::{
    Block, Checkpoint, Genesis, Header, Payload, PublicKey, SecretKey, SignedStatement, TransparentStatement, cbor,
};
use minicbor::{Decode, Encode};
use std::fmt::Debug;

/// What a hand, a disk or a line does to bytes.
#[derive(Debug, Clone, TypeGenerator)]
enum Edit {
    Set { at: u16, byte: u8 },
    Flip { at: u16, bit: u8 },
    Add { at: u16, by: i8 },
    Cut { at: u16 },
    Drop { at: u16, count: u8 },
    Insert { at: u16, byte: u8 },
    Repeat { at: u16, count: u8 },
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let place = |at: u16| usize::from(at) % length.max(1);
        match *self {
            Self::Insert { at, byte } => bytes.insert(place(at), byte),
            _ if length == 0 => {}
            Self::Set { at, byte } => bytes[place(at)] = byte,
            Self::Flip { at, bit } => bytes[place(at)] ^= 1 << (bit % 8),
            Self::Add { at, by } => bytes[place(at)] = bytes[place(at)].wrapping_add_signed(by),
            Self::Cut { at } => bytes.truncate(place(at)),
            Self::Drop { at, count } => {
                let end = (place(at) + usize::from(count)).min(length);
                bytes.drain(place(at)..end);
            }
            Self::Repeat { at, count } => {
                let end = (place(at) + usize::from(count)).min(length);
                let piece = bytes[place(at)..end].to_vec();
                bytes.splice(end..end, piece);
            }
        }
    }
}

/// Edits of one input: with more of them nothing of the sample is left.
const EDITS_MAX: usize = 6;

/// Runs a decoder over edited samples; also over each sample as it is, which must be understood.
fn fuzz(samples: &[Vec<u8>], iterations: usize, decoder: impl Fn(&[u8]) -> bool + std::panic::RefUnwindSafe) {
    assert!(!samples.is_empty(), "a decoder without a corpus");
    for (number, sample) in samples.iter().enumerate() {
        assert!(decoder(sample), "sample {number} is not understood");
    }
    let long = if std::env::var_os("WATTPROOF_LONG").is_some() { 100 } else { 1 };
    bolero::check!().with_iterations(iterations * long).with_type::<(u16, Vec<Edit>)>().for_each(|(which, edits)| {
        let mut bytes = samples[usize::from(*which) % samples.len()].clone();
        edits.iter().take(EDITS_MAX).for_each(|edit| edit.apply(&mut bytes));
        decoder(&bytes);
    });
}

/// The frozen encodings whose names begin so.
fn frozen(prefix: &str) -> Vec<Vec<u8>> {
    let lines = include_str!("golden.txt").lines().filter_map(|line| line.split_once(' '));
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let decode = |hex: &str| hex.as_bytes().chunks(2).map(byte).collect();
    lines.filter(|(name, _)| name.starts_with(prefix)).map(|(_, hex)| decode(hex)).collect()
}

/// Those of them that are CBOR maps, and no hashes.
fn maps(prefix: &str) -> Vec<Vec<u8>> {
    frozen(prefix).into_iter().filter(|bytes| bytes.len() > 32 && bytes[0] >> 5 == 5).collect()
}

/// A file of the whole month.
fn file(name: &str) -> Vec<Vec<u8>> {
    july_files().into_iter().filter(|(known, _)| *known == name).map(|(_, bytes)| bytes).collect()
}

/// Whether bytes are understood; then they are the value's one encoding.
fn one_encoding<T>(bytes: &[u8]) -> bool
where
    T: for<'b> Decode<'b, ()> + Encode<()> + Debug,
{
    let value = cbor::decode::<T>(bytes);
    value.inspect(|value| assert_eq!(cbor::encode(value), bytes, "{value:?} has two encodings")).is_ok()
}

#[test]
fn edited_acts_keys_records_and_proofs_have_one_encoding_or_none() {
    fuzz(&frozen("act."), 20_000, one_encoding::<Act>);
    fuzz(&frozen("record.").iter().map(|pair| value_of(pair)).collect::<Vec<_>>(), 20_000, one_encoding::<Record>);
    fuzz(
        &frozen("entry.").into_iter().filter(|bytes| bytes.len() != 32).collect::<Vec<_>>(),
        4_000,
        one_encoding::<Entry>,
    );
    fuzz(&frozen("proof."), 4_000, one_encoding::<SparseProof>);
    fuzz(&maps("statement."), 20_000, one_encoding::<Payload>);
    fuzz(&maps("key."), 4_000, |bytes| {
        let key = cbor::decode::<PublicKey>(bytes);
        // What is no key signs nothing, and says so instead of failing.
        key.inspect(|key| assert!(key.verify(b"m", &[0; 64]).is_err())).is_ok()
    });
}

/// A frozen record stands behind its key.
fn value_of(pair: &[u8]) -> Vec<u8> {
    let mut decoder = minicbor::Decoder::new(pair);
    decoder.skip().unwrap();
    pair[decoder.position()..].to_vec()
}

#[test]
fn edited_statements_are_the_same_or_refused() {
    let signed = frozen("statement.").into_iter().filter(|bytes| bytes[0] == 0xd2).collect::<Vec<_>>();
    let leaves: Vec<_> = signed.iter().filter(|bytes| SignedStatement::from_leaf(bytes).is_ok()).cloned().collect();
    let signers = [key("chen").public(), SecretKey::p256([1; 32]).unwrap().public(), key(OPERATOR).public()];
    fuzz(&leaves, 20_000, |bytes| {
        let Ok(statement) = SignedStatement::from_leaf(bytes) else { return false };
        assert_eq!(statement.leaf(), bytes);
        let verified = signers.iter().any(|signer| statement.clone().verify(signer).is_ok());
        assert!(!verified || leaves.iter().any(|leaf| leaf == bytes), "an edited statement is still signed");
        verified || statement.payload().acts.len() > 1
    });
    fuzz(&signed, 20_000, |bytes| {
        let Ok((statement, attachment)) = SignedStatement::from_submission(bytes) else { return false };
        assert_eq!(statement.to_submission(attachment.as_deref()), bytes);
        true
    });
}

#[test]
fn edited_blocks_and_headers_have_one_encoding_or_none() {
    fuzz(&frozen("block.wire"), 20_000, |bytes| {
        Block::from_bytes(bytes).inspect(|block| assert_eq!(block.to_bytes(), bytes)).is_ok()
    });
    fuzz(&frozen("block.header"), 4_000, |bytes| {
        let header = <&[u8; Header::BYTES]>::try_from(bytes).map(Header::from_bytes);
        header.inspect(|header| assert_eq!(header.to_bytes().as_slice(), bytes)).is_ok()
    });
}

#[test]
fn an_edited_genesis_is_another_ledger_or_none() {
    let samples: Vec<_> = frozen("genesis").into_iter().filter(|bytes| bytes.len() > 32).collect();
    fuzz(&samples, 20_000, |bytes| {
        Genesis::from_bytes(bytes).inspect(|genesis| assert_eq!(genesis.to_bytes(), bytes)).is_ok()
    });
}

#[test]
fn edited_files_are_never_verified() {
    for name in ["bundle", "export"] {
        let (samples, genesis) = (file(name), community().genesis().clone());
        fuzz(&samples, 300, |bytes| {
            let read = |_: &str, _: &ledger::attachment::Frame| Err("not looked at here".to_owned());
            let report = ledger::verify::verify(bytes, Some(&genesis), &read);
            assert!(report.verdict() != Verdict::Verified || samples[0] == bytes, "an edited {name} is verified");
            match name {
                "bundle" => BillBundle::from_bytes(bytes).is_ok(),
                _ => LedgerExport::from_bytes(bytes).is_ok(),
            }
        });
    }
}

#[test]
fn edited_attachments_checkpoints_and_receipts_survive() {
    fuzz(&file("attachment"), 20_000, |bytes| {
        // Columns expand only to what they declare, and what is declared is bounded.
        Attachment::from_bytes(bytes).is_ok_and(|attachment| attachment.rows().is_ok())
    });
    let log_key = community().genesis().log_key.clone();
    let note = file("checkpoint");
    fuzz(&note, 20_000, |bytes| {
        let open = std::str::from_utf8(bytes).ok().and_then(|text| Checkpoint::open(text, &log_key).ok());
        assert!(open.is_none() || note[0] == bytes, "an edited checkpoint is still signed");
        open.is_some()
    });
    fuzz(&[crate::proofs::transparent().0.to_bytes()], 20_000, |bytes| {
        let Ok(transparent) = TransparentStatement::from_bytes(bytes) else { return false };
        assert_eq!(transparent.to_bytes(), bytes);
        true
    });
}

#[test]
fn private_key_texts_survive() {
    let pem = |key: SecretKey| key.to_pem().unwrap().as_bytes().to_vec();
    let samples = [pem(SecretKey::ed25519([7; 32])), pem(SecretKey::p256([7; 32]).unwrap())];
    fuzz(&samples, 4_000, |bytes| std::str::from_utf8(bytes).is_ok_and(|text| SecretKey::from_pem(text).is_ok()));
}

/// Whatever an act says, signed by whom it may be: it is booked and all balances hold, or it is refused and nothing moved.
#[test]
fn edited_acts_are_booked_in_balance_or_refused_without_a_trace() {
    let founded = community();
    let now = at(7, 20, 12, 0);
    fuzz(&frozen("act."), 4_000, |bytes| {
        let Ok(act) = cbor::decode::<Act>(bytes) else { return false };
        for signer in [OPERATOR, GATEWAY, "chen"] {
            let mut state = founded.clone();
            let acts = payload(state.genesis(), 99, now, vec![act.clone()]);
            let Ok(statement) = SignedStatement::sign(&acts, &key(signer)) else { return true };
            let statement = statement.verify(&key(signer).public()).unwrap();
            let mut draft = state.draft(now, account(MINER)).unwrap();
            let refused = draft.push(&statement).is_err();
            let records = draft.finish().unwrap().undo;
            state.check_balances().unwrap();
            if refused {
                state.undo(records);
                assert!(state.records().eq(founded.records()), "a refused act left a trace");
            }
        }
        true
    });
}
