//! Frozen bytes. A difference here is a change of the protocol: ledgers that exist could no longer be verified, so it
//! needs a new protocol version and a line in `docs/protocol.md`, or it is a mistake.
//!
//! To write `golden.txt` anew on purpose: `WATTPROOF_FREEZE=1 cargo test -p ledger --test it golden`, then read the diff.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]

use crate::support::{
    GATEWAY, MINER, OPERATOR, account, apply, at, bind, binding_of, community, genesis, key, kwh, month, next_readings,
    payload, propose, register, seal, sign, tariff,
};
use ledger::act::{Act, Break, Contract, CounterPair, Event, EventKind, Note, Register, Role, Transfer, VoltageRange};
use ledger::state::{Entry, Record, RecordKey};
use ledger::{Block, SecretKey, State, VerifiedStatement, bill, cbor};
use minicbor::Encode;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use units::{Current, Digest, Height, Month, Power, StatementId, Timestamp, Voltage};

#[test]
fn encodings_are_those_that_were_frozen() {
    let mut found = String::new();
    for (name, bytes) in samples() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(found, "{name} {hex}").unwrap();
    }
    if std::env::var_os("WATTPROOF_FREEZE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden.txt"), &found).unwrap();
        return;
    }
    let frozen = include_str!("golden.txt");
    for (found, frozen) in found.lines().zip(frozen.lines()) {
        assert_eq!(found, frozen, "the protocol has changed");
    }
    assert_eq!(found.lines().count(), frozen.lines().count());
}

type Samples = Vec<(&'static str, Vec<u8>)>;

fn samples() -> Samples {
    let mut samples = Samples::new();
    keys(&mut samples);
    acts(&mut samples);
    statements(&mut samples);
    blocks(&mut samples);
    records(&mut samples);
    samples
}

fn encoded(value: &impl Encode<()>) -> Vec<u8> {
    cbor::encode(value)
}

fn keys(samples: &mut Samples) {
    let p256 = SecretKey::p256([1; 32]).unwrap();
    samples.push(("key.ed25519", encoded(&key("chen").public())));
    samples.push(("key.ed25519.account", account("chen").as_bytes().to_vec()));
    samples.push(("key.ed25519.printed", account("chen").to_string().into_bytes()));
    samples.push(("key.p256", encoded(&p256.public())));
    samples.push(("key.p256.account", p256.account().as_bytes().to_vec()));
    samples.push(("genesis", genesis().to_bytes()));
    samples.push(("genesis.ledger", genesis().ledger().as_bytes().to_vec()));
}

/// One of each, with everything optional in it.
fn one_of_each() -> Vec<(&'static str, Act)> {
    let state = community();
    let mut readings = next_readings(&state, "m-chen", ("19.79", "20.5"));
    readings.export = Some(CounterPair { start: kwh("1"), end: kwh("1.25") });
    let [min, max, mean] = [110_000, 130_500, 118_500].map(Voltage::from_mv);
    readings.voltage = Some(VoltageRange { min, max, mean });
    readings.peak_current = Some(Current::from_ua(54_000));
    readings.peak_power = Some(Power::from_mw(-6_000));
    readings.broken = Some(Break::Gap);
    let (from, until) = (readings.start, readings.end);
    readings.events = vec![Event { kind: EventKind::OverVoltage, from, until, extreme: max }];
    readings.estimated = true;
    let note = Note {
        time: at(7, 1, 12, 0),
        voltage: Some(Voltage::from_mv(130_000)),
        current: Some(Current::from_ua(54_000)),
        power: Some(Power::from_mw(6_000)),
        energy: Some(kwh("19.79")),
        text: Some("電壓過高".into()),
    };
    vec![
        ("act.register.key", register("neighbour", Role::Member)),
        ("act.register.key.miner", register("neighbour", Role::Miner)),
        ("act.register.meter", Act::Register(Register::Meter(bind("M-7", "chen", at(7, 1, 0, 0))))),
        ("act.contract", Act::Contract(Contract { account: account("chen"), month: month(7), energy: kwh("200") })),
        ("act.readings", Act::Readings(Box::new(readings))),
        ("act.readings.least", Act::Readings(Box::new(next_readings(&state, "m-lee", ("0", "1"))))),
        ("act.note", Act::Note(note)),
        ("act.transfer", Act::Transfer(Transfer { to: account("lee"), energy: kwh("20"), month: month(7) })),
        ("act.tariff", tariff(7, "3.5", "7", "1")),
        ("act.bill", Act::Bill(Box::new(bill::of_state(&billed(), account("chen"), JULY.0, JULY.1).unwrap()))),
    ]
}

/// July in Taipei.
const JULY: (Timestamp, Timestamp) = (Timestamp::from_ms(1_782_835_200_000), Timestamp::from_ms(1_785_513_600_000));

fn commit(state: &mut State, time: Timestamp, signer: &str, act: Act) -> VerifiedStatement {
    let statement = sign(&payload(state.genesis(), 9, time, vec![act]), &key(signer));
    let block = propose(state, time, std::slice::from_ref(&statement));
    apply(state, &block).unwrap();
    statement
}

/// The community after July: Chen used more than there was, and more came late.
fn billed() -> State {
    let mut state = community();
    let first = next_readings(&state, "m-chen", ("0", "210.5"));
    commit(&mut state, at(7, 2, 0, 0), GATEWAY, Act::Readings(Box::new(first)));
    let late = next_readings(&state, "m-chen", ("210.5", "212"));
    commit(&mut state, at(8, 1, 6, 0), GATEWAY, Act::Readings(Box::new(late)));
    state
}

fn acts(samples: &mut Samples) {
    samples.extend(one_of_each().into_iter().map(|(name, act)| (name, encoded(&act))));
}

fn statements(samples: &mut Samples) {
    let acts = one_of_each().into_iter().map(|(_, act)| act).collect();
    let statement = payload(&genesis(), 7, at(7, 1, 12, 0), acts);
    let p256 = SecretKey::p256([1; 32]).unwrap();
    let note = payload(&genesis(), 8, at(7, 1, 12, 0), vec![one_of_each().swap_remove(6).1]);
    for (names, payload, key) in [
        (["statement.payload", "statement.leaf", "statement.id"], statement, key("chen")),
        (["statement.p256.payload", "statement.p256.leaf", "statement.p256.id"], note, p256),
    ] {
        let signed = sign(&payload, &key);
        samples.push((names[0], encoded(&payload)));
        samples.push((names[1], signed.signed().leaf().to_vec()));
        samples.push((names[2], signed.id().as_bytes().to_vec()));
        if names[0] == "statement.p256.payload" {
            samples.push(("statement.submission", signed.signed().to_submission(Some(&[1, 2, 3]))));
        }
    }
}

fn blocks(samples: &mut Samples) {
    let state = State::new(genesis()).unwrap();
    samples.push(("block.genesis.header", state.head().to_bytes().to_vec()));
    samples.push(("block.genesis.hash", state.head().hash().as_bytes().to_vec()));
    let mut state = community();
    let transfer = Act::Transfer(Transfer { to: account("lee"), energy: kwh("20"), month: month(7) });
    let statement = sign(&payload(state.genesis(), 1, at(7, 1, 1, 0), vec![transfer]), &key("chen"));
    let block = propose(&mut state, at(7, 1, 1, 0), &[statement]);
    let Block { mut header, statements, .. } = block;
    header.engine.extra_nonce = 3;
    let block = seal(header, statements, &key(MINER));
    samples.push(("block.header", block.header.to_bytes().to_vec()));
    samples.push(("block.hash", block.header.hash().as_bytes().to_vec()));
    samples.push(("block.sealed", Block::sealed_bytes(&block.header.hash())));
    samples.push(("block.wire", block.to_bytes()));
    samples.push(("binding.id", binding_of(&state, "m-chen").as_bytes().to_vec()));
}

fn records(samples: &mut Samples) {
    let mut state = billed();
    let bill = bill::of_state(&state, account("chen"), JULY.0, JULY.1).unwrap();
    commit(&mut state, at(8, 1, 7, 0), OPERATOR, Act::Bill(Box::new(bill)));
    let july = month(7);
    let (chen, meter) = (account("chen"), RecordKey::Meter("m-chen".parse().unwrap()));
    for (name, key) in [
        ("record.account", RecordKey::Account(chen)),
        ("record.account.miner", RecordKey::Account(account(MINER))),
        ("record.sheet", RecordKey::Sheet(july, chen)),
        ("record.sheet.corrected", RecordKey::Sheet(july.plus(1), chen)),
        ("record.meter", meter),
        ("record.binding", RecordKey::Binding(binding_of(&state, "m-chen"))),
        ("record.binding.new", RecordKey::Binding(binding_of(&state, "m-lee"))),
        ("record.tariff", RecordKey::Tariff(july)),
        ("record.month.closed", RecordKey::Month(july)),
        ("record.month.open", RecordKey::Month(july.plus(1))),
        ("record.bill", RecordKey::Bill(chen, JULY.0)),
    ] {
        let record: &Record = state.record(&key).unwrap_or_else(|| panic!("{name}"));
        samples.push((name, [encoded(&key), encoded(record)].concat()));
    }
    for (name, entry) in [
        ("entry.act", Entry::Act(StatementId::from_bytes([1; 32]), 2)),
        ("entry.reward", Entry::Reward(Height::from_number(3))),
        ("entry.carried", Entry::Carried(july)),
    ] {
        samples.push((name, encoded(&entry)));
    }
    samples.push(("entry.list", Entry::Carried(july).extend(&Entry::NONE).as_bytes().to_vec()));
    samples.push(("proof.present", encoded(&state.prove(&RecordKey::Account(chen)))));
    samples.push(("proof.absent", encoded(&state.prove(&RecordKey::Month(Month::new(1999, 1).unwrap())))));
    samples.push(("state.root", state.root().as_bytes().to_vec()));
    samples.push(("log.root", Digest::as_bytes(&state.log().root()).to_vec()));
}

#[test]
fn the_protocol_names_every_rule() {
    let protocol = include_str!("../../../../docs/protocol.md");
    let rules = include_str!("../../src/rule.rs");
    let names: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.split_once("=> \"")?.1.split_once('"')).map(|(name, _)| name).collect();
    assert!(names.len() >= 40);
    for name in names {
        assert!(protocol.contains(&format!("| `{name}` |")), "docs/protocol.md has no row for `{name}`");
    }
}
