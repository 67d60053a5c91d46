//! What holds for any sequence of statements and any bytes.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]

use crate::support::{
    GATEWAY, MINER, OPERATOR, account, apply, at, bind, community, key, month, next_readings, payload, propose,
    register, retire_meter, retire_role, revoke, rotate, sign, sign_as, tariff, voltage_claim,
};
use ledger::act::{Act, Break, Contract, CounterPair, Note, OfferId, Register, Role, Transfer};
use ledger::state::RecordKey;
use ledger::{Block, Genesis, Header, RuleViolation, SecretKey, SignedStatement, State, VerifiedStatement, bill};
use proptest::prelude::*;
use units::{Energy, Millis, Timestamp};

/// Something that somebody may try; many of these break a rule.
#[derive(Debug, Clone)]
enum Attempt {
    Transfer {
        from: usize,
        to: usize,
        kwh: u64,
        month: u32,
    },
    Contract {
        of: usize,
        kwh: u64,
        month: u32,
    },
    Readings {
        meter: usize,
        hours: u64,
        moved: u64,
        shift: u64,
        broken: Option<Break>,
    },
    Note {
        by: usize,
    },
    Member {
        name: usize,
    },
    Rebind {
        meter: usize,
        to: usize,
    },
    Tariff {
        from: u32,
    },
    Bill {
        of: usize,
        month: u32,
        off_by: i64,
    },
    Replay {
        which: usize,
    },
    Offer {
        from: usize,
        to: Option<usize>,
        kwh: u64,
        price: i64,
        hours: u64,
    },
    Accept {
        by: usize,
        withdraws: bool,
    },
    RetireMember {
        name: usize,
    },
    RetireMeter {
        meter: usize,
        hours: u64,
    },
    Revoke {
        name: usize,
    },
    Rotate {
        name: usize,
    },
    Claim {
        by: usize,
    },
    /// Time passes, so that months close and lives end.
    Wait {
        hours: u64,
    },
}

const NAMES: [&str; 5] = ["chen", "lee", OPERATOR, GATEWAY, "neighbour"];
const METERS: [&str; 2] = ["m-chen", "m-lee"];

fn attempt() -> impl Strategy<Value = Attempt> {
    let breaks = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Break::Gap)),
        1 => Just(Some(Break::Reset)),
        1 => Just(Some(Break::Exchange)),
    ];
    prop_oneof![
        4 => (0..5usize, 0..5usize, 0..90u64, 6..9u32).prop_map(|(from, to, kwh, month)| Attempt::Transfer { from, to, kwh, month }),
        2 => (0..5usize, 0..300u64, 6..10u32).prop_map(|(of, kwh, month)| Attempt::Contract { of, kwh, month }),
        6 => (0..2usize, 0..26u64, 0..90u64, 0..3u64, breaks)
            .prop_map(|(meter, hours, moved, shift, broken)| Attempt::Readings { meter, hours, moved, shift, broken }),
        1 => (0..5usize).prop_map(|by| Attempt::Note { by }),
        1 => (0..5usize).prop_map(|name| Attempt::Member { name }),
        1 => (0..2usize, 0..5usize).prop_map(|(meter, to)| Attempt::Rebind { meter, to }),
        1 => (6..10u32).prop_map(|from| Attempt::Tariff { from }),
        2 => (0..5usize, 7..9u32, -1..2i64).prop_map(|(of, month, off_by)| Attempt::Bill { of, month, off_by }),
        1 => any::<usize>().prop_map(|which| Attempt::Replay { which }),
        3 => (0..5usize, proptest::option::of(0..5usize), 0..90u64, -1..50_000i64, 0..50u64)
            .prop_map(|(from, to, kwh, price, hours)| Attempt::Offer { from, to, kwh, price, hours }),
        4 => (0..5usize, prop::bool::weighted(0.2)).prop_map(|(by, withdraws)| Attempt::Accept { by, withdraws }),
        1 => (0..5usize).prop_map(|name| Attempt::RetireMember { name }),
        1 => (0..2usize, 0..30u64).prop_map(|(meter, hours)| Attempt::RetireMeter { meter, hours }),
        1 => (0..50usize).prop_map(|name| Attempt::Revoke { name }),
        1 => (0..5usize).prop_map(|name| Attempt::Rotate { name }),
        1 => (0..5usize).prop_map(|by| Attempt::Claim { by }),
        2 => (1..400u64).prop_map(|hours| Attempt::Wait { hours }),
    ]
}

/// The present key of a name: rotated keys are named by the name and how many there were before.
fn present_key(state: &State, name: &str) -> SecretKey {
    match state.account(&account(name)).map_or(0, |account| account.keys.len()) {
        0 | 1 => key(name),
        count => key(&format!("{name} {}", count - 1)),
    }
}

/// The act as the state stands, and who signs it.
fn act_of(attempt: &Attempt, state: &State) -> (usize, Act) {
    let energy = |kwh: &u64| Energy::from_kwh(*kwh);
    match attempt {
        Attempt::Transfer { from, to, kwh, month: of } => {
            (*from, Act::Transfer(Transfer { to: account(NAMES[*to]), energy: energy(kwh), month: month(*of) }))
        }
        Attempt::Contract { of, kwh, month: number } => {
            let account = account(NAMES[*of]);
            (2, Act::Contract(Contract { account, month: month(*number), energy: energy(kwh) }))
        }
        Attempt::Readings { meter, hours, moved, shift, broken } => {
            let head = state.meter(&METERS[*meter].parse().unwrap()).unwrap().1.head.import.unwrap_or_default();
            let mut readings = next_readings(state, METERS[*meter], ("0", "0"));
            readings.start = readings.start + Millis::from_minutes(60 * shift);
            readings.end = readings.start + Millis::from_minutes(60 * hours);
            let begin = if *broken == Some(Break::Reset) { Energy::ZERO } else { head };
            readings.import = CounterPair { start: begin, end: begin.checked_add(energy(moved)).unwrap() };
            readings.broken = *broken;
            // Some of them with a voltage outside the limits.
            let volts = units::Voltage::from_mv(100_000 + moved * 300);
            readings.voltage = Some(ledger::act::VoltageRange { min: volts, max: volts, mean: volts });
            (3, Act::Readings(Box::new(readings)))
        }
        Attempt::Member { name } => (2, register(NAMES[*name], Role::Member)),
        Attempt::Rebind { meter, to } => {
            let end = state.meter(&METERS[*meter].parse().unwrap()).unwrap().1.head.end;
            (2, Act::Register(Register::Meter(bind(METERS[*meter], NAMES[*to], end))))
        }
        Attempt::Tariff { from } => (2, tariff(*from, "4.2", "8.4", "0.5")),
        Attempt::Bill { of, month: number, off_by } => {
            let (from, until) = (at(*number, 1, 0, 0), at(*number + 1, 1, 0, 0));
            let nothing = ledger::act::Bill {
                account: account(NAMES[*of]),
                from,
                until,
                months: vec![],
                lines: vec![],
                total: units::Money::ZERO,
                utilities: vec![],
            };
            let mut bill = bill::of_state(state, account(NAMES[*of]), from, until).unwrap_or(nothing);
            bill.total = units::Money::from_1e4(bill.total.as_1e4() + off_by);
            (2, Act::Bill(Box::new(bill)))
        }
        Attempt::Note { by } => {
            let voltage = Some(units::Voltage::from_mv(130_000));
            let time = state.head().time;
            (*by, Act::Note(Note { time, voltage, current: None, power: None, energy: None, text: None }))
        }
        Attempt::Offer { from, to, kwh, price, hours } => {
            let until = state.head().time + Millis::from_minutes(60 * hours);
            let (to, price) = (to.map(|to| account(NAMES[to])), units::Money::from_1e4(*price));
            (*from, Act::Offer(ledger::act::Offer { to, energy: energy(kwh), price, month: month(7), until }))
        }
        Attempt::Accept { by, withdraws } => {
            let open =
                state.records().find_map(|(key, _)| if let RecordKey::Offer(id) = key { Some(*id) } else { None });
            let nowhere = OfferId { until: at(7, 1, 0, 0), statement: units::StatementId::from_bytes([0; 32]), act: 0 };
            let offer = open.unwrap_or(nowhere);
            let accept = Act::Accept(ledger::act::Accept { offer });
            (*by, if *withdraws { Act::Withdraw(ledger::act::Withdraw { offer }) } else { accept })
        }
        Attempt::RetireMember { name } => (2, retire_role(NAMES[*name], Role::Member, state.head().time)),
        Attempt::RetireMeter { meter, hours } => {
            let end = state.meter(&METERS[*meter].parse().unwrap()).unwrap().1.head.end;
            (2, retire_meter(METERS[*meter], end + Millis::from_minutes(60 * hours)))
        }
        // Most names are nobody's: a community with all keys revoked shows little.
        Attempt::Revoke { name } => (2, revoke(NAMES.get(*name).unwrap_or(&"nobody"))),
        Attempt::Rotate { name } => {
            let keys = state.account(&account(NAMES[*name])).map_or(0, |account| account.keys.len());
            (*name, rotate(state, NAMES[*name], &format!("{} {keys}", NAMES[*name])))
        }
        Attempt::Claim { by } => {
            let outside =
                state.records().find_map(|(key, _)| if let RecordKey::Outside(_, id) = key { Some(*id) } else { None });
            let nowhere = ledger::act::ActId { statement: units::StatementId::from_bytes([0; 32]), act: 0 };
            (*by, voltage_claim(&[outside.unwrap_or(nowhere)]))
        }
        Attempt::Replay { .. } | Attempt::Wait { .. } => unreachable!("no act"),
    }
}

/// What was accepted, with the time of the block it was accepted in, one block a statement.
fn history(attempts: &[Attempt]) -> (State, Vec<(Timestamp, VerifiedStatement)>) {
    let mut state = community();
    let mut accepted: Vec<(Timestamp, VerifiedStatement)> = Vec::new();
    let mut clock = state.head().time + Millis::from_ms(100);
    for (nonce, attempt) in (1..).zip(attempts) {
        let statement = match attempt {
            Attempt::Wait { hours } => {
                clock = (clock + Millis::from_minutes(60 * hours)).min(at(12, 1, 0, 0));
                continue;
            }
            Attempt::Replay { which } if accepted.is_empty() => continue,
            Attempt::Replay { which } => accepted[which % accepted.len()].1.clone(),
            attempt => {
                let (signer, act) = act_of(attempt, &state);
                let (name, payload) = (NAMES[signer], payload(state.genesis(), nonce, clock, vec![act]));
                sign_as(name, &payload, &present_key(&state, name))
            }
        };
        let time = clock.max(state.head().time + Millis::from_ms(1));
        if verdict(&mut state, time, &statement).is_ok() {
            assert!(!matches!(attempt, Attempt::Replay { .. }), "a replay was accepted");
            let block = propose(&mut state, time, std::slice::from_ref(&statement));
            apply(&mut state, &block).unwrap();
            accepted.push((clock, statement));
        }
    }
    (state, accepted)
}

/// A stranger's signature is right, but the state knows no key; that refusal is the block's check, before the rules.
fn verdict(state: &mut State, time: Timestamp, statement: &VerifiedStatement) -> Result<(), Option<RuleViolation>> {
    state.key_of(&statement.signer()).ok_or(None)?;
    crate::support::judge(state, time, statement).map_err(Some)
}

/// The same statements in blocks cut elsewhere: only statements of one moment may share a block.
fn in_other_blocks(
    accepted: &[(Timestamp, VerifiedStatement)],
    cuts: &[bool],
) -> (State, Vec<(Block, ledger::state::Undo)>) {
    let mut state = community();
    let mut blocks = Vec::new();
    let mut cut = cuts.iter().cycle();
    for same_clock in accepted.chunk_by(|a, b| a.0 == b.0) {
        let mut rest: Vec<VerifiedStatement> = Vec::new();
        for (place, (clock, statement)) in same_clock.iter().enumerate() {
            rest.push(statement.clone());
            if place + 1 == same_clock.len() || *cut.next().unwrap_or(&true) {
                let time = (*clock).max(state.head().time + Millis::from_ms(1));
                let block = propose(&mut state, time, &std::mem::take(&mut rest));
                let undo = apply(&mut state, &block).unwrap().undo;
                blocks.push((block, undo));
            }
        }
    }
    (state, blocks)
}

fn assert_same_records(a: &State, b: &State) {
    for (a, b) in a.records().zip(b.records()) {
        assert_eq!(a, b);
    }
    assert_eq!(a.root(), b.root());
    assert_eq!(a.first_open(), b.first_open());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn records_do_not_depend_on_how_blocks_are_cut(
        attempts in proptest::collection::vec(attempt(), 1..50),
        cuts in proptest::collection::vec(any::<bool>(), 1..20),
    ) {
        let (one_each, accepted) = history(&attempts);
        let (other, blocks) = in_other_blocks(&accepted, &cuts);
        assert_same_records(&one_each, &other);
        prop_assert_eq!(one_each.log().root(), other.log().root());

        // All of them taken back is the beginning; applied again they end in the same place.
        let mut state = other;
        let end = (state.root(), state.head().clone());
        let mut again = Vec::new();
        for (block, undo) in blocks.into_iter().rev() {
            state.undo(undo);
            again.push(block);
        }
        assert_same_records(&state, &community());
        prop_assert_eq!(state.head().hash(), community().head().hash());
        for block in again.iter().rev() {
            apply(&mut state, block).unwrap();
        }
        prop_assert_eq!((state.root(), state.head().clone()), end);
    }

    #[test]
    fn a_refused_statement_leaves_no_trace_in_the_block(
        attempts in proptest::collection::vec(attempt(), 1..30),
        refused in attempt(),
    ) {
        let (mut state, _) = history(&attempts);
        prop_assume!(!matches!(refused, Attempt::Wait { .. } | Attempt::Replay { .. }));
        let (signer, act) = act_of(&refused, &state);
        let (root, time) = (state.root(), state.head().time + Millis::from_ms(1));
        // A good act first, so that there is something to take back within the statement.
        let acts = vec![register("trace", Role::Auditor), act, register("trace", Role::Auditor)];
        let payload = payload(state.genesis(), 9_999, time, acts);
        let statement = sign_as(NAMES[signer], &payload, &present_key(&state, NAMES[signer]));
        let mut draft = state.draft(time, account(MINER)).unwrap();
        prop_assert!(draft.push(&statement).is_err());
        let drafted = draft.finish().unwrap();
        prop_assert_eq!(drafted.state_root, root);
        prop_assert_eq!(drafted.entries, vec![]);
    }
}

/// Samples that mutations start from.
fn samples() -> Vec<Vec<u8>> {
    let mut state = community();
    let act = Act::Transfer(Transfer { to: account("lee"), energy: Energy::from_kwh(20), month: month(7) });
    let now = state.head().time + Millis::from_ms(1);
    let statement = sign(&payload(state.genesis(), 1, now, vec![act]), &key("chen"));
    let block = propose(&mut state, now, std::slice::from_ref(&statement));
    let submission = statement.signed().to_submission(Some(b"columns"));
    vec![statement.signed().leaf().to_vec(), submission, block.to_bytes(), state.genesis().to_bytes()]
}

/// Whatever is understood is the one encoding of what was understood.
fn decode_all(bytes: &[u8]) {
    if let Ok(statement) = SignedStatement::from_leaf(bytes) {
        assert_eq!(statement.leaf(), bytes);
    }
    if let Ok((statement, attachment)) = SignedStatement::from_submission(bytes) {
        assert_eq!(statement.to_submission(attachment.as_deref()), bytes);
    }
    if let Ok(block) = Block::from_bytes(bytes) {
        assert_eq!(block.to_bytes(), bytes);
    }
    if let Ok(genesis) = Genesis::from_bytes(bytes) {
        assert_eq!(genesis.to_bytes(), bytes);
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        decode_all(&bytes);
    }

    #[test]
    fn changed_bytes_decode_without_panic_and_to_themselves(
        sample in 0..4usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        thread_local!(static SAMPLES: Vec<Vec<u8>> = samples());
        let mut bytes = SAMPLES.with(|samples| samples[sample].clone());
        for (place, byte) in &changes {
            let place = place.index(bytes.len());
            bytes[place] ^= byte;
        }
        decode_all(&bytes);
        decode_all(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn a_header_is_its_bytes(bytes in proptest::collection::vec(any::<u8>(), Header::BYTES)) {
        let bytes: [u8; Header::BYTES] = bytes.try_into().unwrap();
        prop_assert_eq!(Header::from_bytes(&bytes).to_bytes(), bytes);
    }
}
