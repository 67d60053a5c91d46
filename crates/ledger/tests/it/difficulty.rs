//! A chain whose difficulty follows its block time.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]

use crate::foreign::{Shelf, Store};
use crate::support::{MINER, account, apply, at, check, genesis, key, payload, propose, register, seal, sign};
use ledger::act::Role;
use ledger::{BlockError, BlockTime, Genesis, State, difficulty_of_level};
use units::{Energy, Millis};

/// Blocks of 10 s with a half-life of 60 s, from level 2 on.
fn timed() -> Genesis {
    let mut genesis = genesis();
    genesis.order.level = 2;
    genesis.order.block_time =
        Some(BlockTime { target: Millis::from_seconds(10), half_life: Millis::from_seconds(60) });
    genesis
}

/// A block so many seconds after the head's.
fn extend(state: &mut State, seconds: u64) -> ledger::state::Undo {
    let time = state.head().time + Millis::from_seconds(seconds);
    let block = propose(state, time, &[]);
    apply(state, &block).unwrap().undo
}

#[test]
fn the_chain_retargets_and_takes_it_back_with_its_blocks() {
    let mut state = State::new(timed()).unwrap();
    let mut way = Vec::new();
    // Seconds after the parent, and the difficulty of the block after it. Twelve hours before the first block do not
    // count; then blocks on time, six at once, an hour of silence, and a chain that makes up for the silence.
    for (seconds, next) in
        [(43_200, 256), (10, 256), (10, 256), (1, 284), (1, 315), (1, 349), (3_600, 1), (1, 1), (10, 1)]
    {
        let before = (state.next_difficulty(), state.root(), state.head().clone());
        let undo = extend(&mut state, seconds);
        assert_eq!(state.next_difficulty(), next, "after block {}", state.head().height);
        way.push((before, undo));
    }
    while let Some((before, undo)) = way.pop() {
        state.undo(undo);
        assert_eq!((state.next_difficulty(), state.root(), state.head().clone()), before);
    }
    // Another first block, another anchor.
    extend(&mut state, 100);
    assert_eq!(state.next_difficulty(), 256);
}

#[test]
fn reject_a_block_of_another_difficulty_than_its_time_gives() {
    let mut state = State::new(timed()).unwrap();
    extend(&mut state, 10);
    extend(&mut state, 1);
    assert_eq!(state.next_difficulty(), 284);
    let time = state.head().time + Millis::from_seconds(10);
    let right = propose(&mut state, time, &[]);
    for found in [0, 1, 256, 283, 285, u64::MAX] {
        let mut header = right.header.clone();
        header.engine.difficulty = found;
        // A search at the highest difficulty would never end; the difficulty is looked at before the work.
        let block = if found == u64::MAX {
            ledger::Block { header, ..right.clone() }
        } else {
            seal(header, Vec::new(), &key(MINER))
        };
        assert_eq!(check(&state, &block.to_bytes()), Err(BlockError::Difficulty { found, expected: 284 }));
    }
    assert!(check(&state, &right.to_bytes()).is_ok());
}

#[test]
fn a_miner_is_paid_for_the_level_that_its_block_had() {
    let mut rules = timed();
    rules.rewards.monthly_budget = Energy::from_kwh(100);
    let (mut state, mut store) = (State::new(rules).unwrap(), Store::default());
    let acts = vec![register("chen", Role::Member)];
    let statement = sign(&payload(state.genesis(), 1, at(1, 1, 0, 0), acts), &key("operator"));
    store.commit(&mut state, at(1, 1, 0, 1), &[statement]);
    let gained = |state: &State| state.sheet(crate::support::month(1), &account("chen")).unwrap().terms.reward;
    assert_eq!(gained(&state), Energy::from_kwh(4), "level 2 at the start");
    // Each block a second after the other gains 9 s; 27 of them four half-lives, which is 16 times as hard: level 3.
    for _ in 0..27 {
        let time = state.head().time + Millis::from_seconds(1);
        store.commit(&mut state, time, &[]);
    }
    assert!((difficulty_of_level(3)..difficulty_of_level(4)).contains(&state.next_difficulty()));
    let time = state.head().time + Millis::from_seconds(1);
    let note =
        ledger::act::Note { time, voltage: None, current: None, power: None, energy: None, text: Some("x".into()) };
    let statement = sign(&payload(state.genesis(), 2, time, vec![ledger::Act::Note(note)]), &key("chen"));
    store.commit(&mut state, time, &[statement]);
    assert_eq!(gained(&state), Energy::from_kwh(4 + 6));
    // An hour of silence, so that whoever checks the ledger meets the lowest difficulty too.
    for seconds in [3_600, 1, 10] {
        let time = state.head().time + Millis::from_seconds(seconds);
        store.commit(&mut state, time, &[]);
    }
    Shelf::emptied("difficulty").leave("a-chain-that-retargets", &state, &store);
}
