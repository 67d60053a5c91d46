//! What an attacker would try, each with the layer that stops it.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]

use crate::foreign::Store;
use crate::support::{
    GATEWAY, MINER, OPERATOR, account, apply, at, check, community, genesis, judge, key, kwh, month, next_readings,
    payload, propose, revoke, rotate, seal, sign, sign_as,
};
use ledger::act::{Act, Note, Transfer};
use ledger::state::ApplyError;
use ledger::verify::{Layer, Outcome, Verdict, verify};
use ledger::{Block, BlockError, Genesis, SignedStatement, State, VerifiedStatement, bill, log};
use units::{BlockHash, Digest, Energy, Millis, Timestamp};

fn noon() -> Timestamp {
    at(7, 15, 12, 0)
}

fn sale(state: &State, nonce: u64, energy: Energy) -> VerifiedStatement {
    let act = Act::Transfer(Transfer { to: account("lee"), energy, month: month(7) });
    sign(&payload(state.genesis(), nonce, noon(), vec![act]), &key("chen"))
}

/// A community whose miner is paid out of a budget.
fn paid() -> State {
    let mut genesis = genesis();
    genesis.rewards.monthly_budget = Energy::from_kwh(9);
    crate::foreign::community(genesis).0
}

fn resealed(mut block: Block, change: impl FnOnce(&mut ledger::Header)) -> Block {
    change(&mut block.header);
    seal(block.header, block.statements, &key(MINER))
}

fn rule_of(state: &mut State, statements: &[VerifiedStatement]) -> (usize, &'static str) {
    let block = propose(state, noon(), statements);
    let checked = check(state, &block.to_bytes()).unwrap();
    match state.apply(&checked).unwrap_err() {
        ApplyError::Statement { index, violation } => (index, violation.name()),
        other => panic!("{other}"),
    }
}

#[test]
fn a_reward_that_a_miner_gives_itself_changes_the_root_and_is_refused() {
    let (mut honest, mut greedy) = (paid(), {
        let mut genesis = genesis();
        genesis.rewards.monthly_budget = Energy::from_kwh(900);
        genesis.rewards.by_level = [Energy::from_kwh(100); 5];
        crate::foreign::community(genesis).0
    });
    let note = |state: &State| {
        let note = Note { time: noon(), voltage: None, current: None, power: None, energy: Some(kwh("1")), text: None };
        sign(&payload(state.genesis(), 1, noon(), vec![Act::Note(note)]), &key("chen"))
    };
    let (true_note, greedy_note) = (note(&honest), note(&greedy));
    let stolen = propose(&mut greedy, noon(), &[greedy_note]).header.state_root;
    let block = propose(&mut honest, noon(), &[true_note]);
    let root = honest.root();
    let forged = resealed(block, |header| header.state_root = stolen);
    let checked = check(&honest, &forged.to_bytes()).unwrap();
    assert!(matches!(honest.apply(&checked).unwrap_err(), ApplyError::StateRoot { stated, .. } if stated == stolen));
    assert_eq!(honest.root(), root);
}

#[test]
fn a_rewritten_block_breaks_the_chain_behind_it() {
    let mut state = paid();
    let first_sale = sale(&state, 1, Energy::from_kwh(1));
    let first = propose(&mut state, noon(), &[first_sale]);
    let undo = apply(&mut state, &first).unwrap().undo;
    let second_sale = sale(&state, 2, Energy::from_kwh(2));
    let second = propose(&mut state, noon() + Millis::from_ms(5), &[second_sale]);
    state.undo(undo);
    let other_sale = sale(&state, 3, Energy::from_kwh(90));
    let rewritten = propose(&mut state, noon(), &[other_sale]);
    apply(&mut state, &rewritten).unwrap();
    assert_eq!(check(&state, &second.to_bytes()).unwrap_err(), BlockError::Previous);
}

#[test]
fn headers_that_lie_are_refused() {
    let mut state = community();
    let trade = sale(&state, 1, Energy::from_kwh(1));
    let block = propose(&mut state, noon(), &[trade]);
    let refused =
        |change: fn(&mut ledger::Header)| check(&state, &resealed(block.clone(), change).to_bytes()).unwrap_err();
    assert_eq!(refused(|header| header.previous = BlockHash::from_bytes([7; 32])), BlockError::Previous);
    assert_eq!(refused(|header| header.log_root = Digest::from_bytes([7; 32])), BlockError::LogRoot);
    assert_eq!(refused(|header| header.log_size += 1), BlockError::LogRoot);
    assert!(matches!(refused(|header| header.version = 2), BlockError::Version(2)));
    let other = State::new(Genesis { name: "another".into(), ..genesis() }).unwrap().ledger();
    let foreign = resealed(block.clone(), |header| header.ledger = other);
    assert_eq!(check(&state, &foreign.to_bytes()).unwrap_err(), BlockError::Ledger(other));
    // A block of the future is no fault of the block: a node waits for its time.
    let ahead = propose(&mut state, at(7, 31, 0, 0), &[]);
    assert!(check(&state, &ahead.to_bytes()).is_ok());
}

#[test]
fn an_unsigned_statement_makes_the_block_invalid() {
    let mut state = community();
    let mut leaf = sale(&state, 1, Energy::from_kwh(1)).signed().leaf().to_vec();
    let end = leaf.len();
    leaf[end - 64..].fill(0);
    let unsigned = SignedStatement::from_leaf(&leaf).unwrap();
    let mut block = propose(&mut state, noon(), &[]);
    let (size, root) = state.log().extended(&[log::leaf_hash(&leaf)]);
    block.statements.push(unsigned);
    let block = resealed(block, |header| (header.log_size, header.log_root) = (size, root));
    assert!(matches!(check(&state, &block.to_bytes()).unwrap_err(), BlockError::Statement { index: 0, .. }));
}

#[test]
fn nothing_is_spent_or_said_twice() {
    let mut state = community();
    let (one, two) = (sale(&state, 1, Energy::from_kwh(150)), sale(&state, 2, Energy::from_kwh(150)));
    assert_eq!(rule_of(&mut state, &[one.clone(), two.clone()]), (1, "energy_used_up"));
    assert_eq!(rule_of(&mut state, &[one.clone(), one.clone()]), (1, "duplicate"));
    let block = propose(&mut state, noon() - Millis::from_ms(1), std::slice::from_ref(&one));
    apply(&mut state, &block).unwrap();
    assert_eq!(rule_of(&mut state, &[two]), (0, "energy_used_up"));
    assert_eq!(rule_of(&mut state, &[one]), (0, "duplicate"));
}

/// The bill is the very one that stands a minute later: only the time is wrong.
#[test]
fn a_bill_for_an_open_month_makes_the_block_invalid() {
    let mut state = community();
    let interval = next_readings(&state, "m-chen", ("0", "90"));
    let readings = payload(state.genesis(), 1, noon(), vec![Act::Readings(Box::new(interval))]);
    let block = propose(&mut state, noon(), &[sign(&readings, &key(GATEWAY))]);
    apply(&mut state, &block).unwrap();
    let (july, august) = state.genesis().month_span(month(7)).unwrap();
    let close = state.genesis().close_time(month(7)).unwrap();
    let mut closed = state.clone();
    let block = propose(&mut closed, close, &[]);
    apply(&mut closed, &block).unwrap();
    let bill = bill::of_state(&closed, account("chen"), july, august).unwrap();
    let issued = close - Millis::from_ms(2);
    let bill = payload(state.genesis(), 2, issued, vec![Act::Bill(Box::new(bill))]);
    let bill = sign(&bill, &key(OPERATOR));
    for (time, expected) in [(close - Millis::from_ms(1), Err("month_open")), (close, Ok(()))] {
        let block = propose(&mut state, time, std::slice::from_ref(&bill));
        let applied = apply(&mut state, &block).map(|_| ()).map_err(|error| match error {
            ApplyError::Statement { violation, .. } => violation.name(),
            other => panic!("{other}"),
        });
        assert_eq!(applied, expected);
    }
}

#[test]
fn amounts_below_zero_do_not_decode_and_amounts_beyond_a_sheet_are_refused() {
    let mut state = community();
    let statement = sale(&state, 1, Energy::from_mwh(u64::MAX));
    let violation = judge(&mut state, noon(), &statement).unwrap_err();
    assert!(["amount_too_large", "energy_used_up"].contains(&violation.name()), "{violation}");
    // [8, {1: account, 2: -1, 3: month}]
    let mut act = vec![0x82, 0x08, 0xa3, 0x01, 0x58, 0x20];
    act.extend(account("lee").as_bytes());
    act.extend([0x02, 0x20, 0x03, 0x19, 0x5e, 0xfe]);
    assert!(ledger::cbor::decode::<Act>(&act).is_err());
    let amount = act.len() - 5;
    act[amount] = 0x01;
    assert!(ledger::cbor::decode::<Act>(&act).is_ok(), "the same with an amount above zero");
}

#[test]
fn a_revoked_or_replaced_key_is_refused_within_its_own_block() {
    let mut state = community();
    let trade = sale(&state, 1, Energy::from_kwh(1));
    let revocation = sign(&payload(state.genesis(), 2, noon(), vec![revoke("chen")]), &key(OPERATOR));
    assert_eq!(rule_of(&mut state, &[revocation, trade.clone()]), (1, "key_revoked"));

    let act = rotate(&state, "chen", "thief's guess");
    let rotation = sign(&payload(state.genesis(), 3, noon(), vec![act]), &key("chen"));
    let block = propose(&mut state, noon(), &[rotation.clone(), trade.clone()]);
    // Both statements are Chen's, and the old key is none of his any more.
    assert!(matches!(check(&state, &block.to_bytes()).unwrap_err(), BlockError::Statement { index: 1, .. }));
    let act = Act::Transfer(Transfer { to: account("lee"), energy: kwh("1"), month: month(7) });
    let new = sign_as("chen", &payload(state.genesis(), 4, noon(), vec![act]), &key("thief's guess"));
    let block = propose(&mut state, noon(), &[rotation, new]);
    apply(&mut state, &block).unwrap();
}

#[test]
fn a_declared_length_that_lies_costs_no_memory() {
    // A byte string, an array, a text and a map of 2^62 items.
    for head in [0x5b, 0x9b, 0x7b, 0xbb] {
        let bytes = [[head].as_slice(), &(1u64 << 62).to_be_bytes(), &[0; 16]].concat();
        assert!(Block::from_bytes(&bytes).is_err() && SignedStatement::from_leaf(&bytes).is_err());
        assert!(Genesis::from_bytes(&bytes).is_err());
        let block = [&[0x83, 0x58, 0xd4], [0; 212].as_slice(), &bytes].concat();
        assert!(Block::from_bytes(&block).is_err());
    }
}

#[test]
fn a_fabricated_genesis_document_is_never_the_trusted_one() {
    let forged = Genesis { operator: key("thief").public(), ..genesis() };
    let (state, store): (State, Store) = {
        let (mut state, mut store) = (State::new(forged).unwrap(), Store::default());
        store.commit(&mut state, noon(), &[]);
        (state, store)
    };
    let read_frame = |_: &str, _: &ledger::attachment::Frame| Err("no frames here".to_owned());
    let report = verify(&store.export(&state), Some(&genesis()), &read_frame);
    let origin = report.findings.iter().find(|finding| finding.layer == Layer::Origin).unwrap();
    assert_eq!((report.verdict(), origin.outcome), (Verdict::Failed, Outcome::Failed));
    assert_eq!(verify(&store.export(&state), None, &read_frame).verdict(), Verdict::OriginUnknown);
}
