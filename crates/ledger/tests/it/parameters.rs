//! What the operator changed takes hold at its block, not before and not after, and on the way back as well.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]

use crate::support::{MINER, OPERATOR, apply, at, check, community, key, level, payload, propose, seal, sign};
use ledger::act::{Act, Upgrade};
use ledger::state::{ApplyError, Undo};
use ledger::{Block, BlockError, Header, State, VerifiedStatement, difficulty_of_level};
use units::{Height, Millis, Timestamp};

fn noon() -> Timestamp {
    at(7, 15, 12, 0)
}

fn by_operator(state: &State, act: Act) -> VerifiedStatement {
    sign(&payload(state.genesis(), 1, noon(), vec![act]), &key(OPERATOR))
}

/// A time for the block of a height, a second after the one before.
fn time_of(height: Height) -> Timestamp {
    noon() + Millis::from_seconds(height.number())
}

fn next(state: &mut State) -> Block {
    let time = time_of(state.head().height.next());
    propose(state, time, &[])
}

fn resealed(block: &Block, change: impl FnOnce(&mut Header)) -> Block {
    let mut header = block.header.clone();
    change(&mut header);
    seal(header, block.statements.clone(), &key(MINER))
}

/// An empty block on the head for which no draft is needed.
fn on_head(state: &State, last: &Block) -> Block {
    let parent = state.head();
    resealed(&Block { statements: Vec::new(), ..last.clone() }, |header| {
        (header.height, header.previous) = (parent.height.next(), parent.hash());
        header.time = time_of(header.height);
    })
}

#[test]
fn the_block_before_a_new_level_needs_the_old_difficulty_and_the_one_at_it_the_new() {
    let mut state = community();
    // Stated in block 2, and again in block 5 for the way back to the first level.
    let table = [(2, 1), (3, 1), (4, 2), (5, 2), (6, 2), (7, 1), (8, 1)];
    let mut undone: Vec<(Undo, Block)> = Vec::new();
    for (height, expected) in table {
        let acts = match height {
            2 => vec![by_operator(&state, level(2, 4))],
            5 => vec![by_operator(&state, level(1, 7))],
            _ => Vec::new(),
        };
        let block = propose(&mut state, time_of(Height::from_number(height)), &acts);
        let right = difficulty_of_level(expected);
        assert_eq!((block.header.height.number(), block.header.engine.difficulty), (height, right));
        let other = difficulty_of_level(3 - expected);
        let wrong = resealed(&block, |header| header.engine.difficulty = other);
        let refused = check(&state, &wrong.to_bytes()).unwrap_err();
        assert_eq!(refused, BlockError::Difficulty { found: other, expected: right }, "block {height}");
        assert_eq!(state.next_level(), expected);
        undone.push((apply(&mut state, &block).unwrap().undo, block));
    }
    let end = state.root();
    let mut redone = Vec::new();
    while let Some((undo, block)) = undone.pop() {
        state.undo(undo);
        assert_eq!(state.next_difficulty(), block.header.engine.difficulty, "undone to {}", block.header.height);
        redone.push(block);
    }
    for block in redone.iter().rev() {
        apply(&mut state, block).unwrap();
    }
    assert_eq!(state.root(), end);
}

#[test]
fn at_an_upgrades_height_no_block_is_taken_and_a_newer_program_is_asked_for() {
    let mut state = community();
    let notice = Height::from_number(2 + Upgrade::NOTICE_BLOCKS);
    let upgrade = by_operator(&state, Act::Upgrade(Upgrade { version: 2, height: notice }));
    let first = propose(&mut state, time_of(Height::from_number(2)), &[upgrade]);
    apply(&mut state, &first).unwrap();
    let mut last = None;
    while state.head().height.next() < notice {
        let block = next(&mut state);
        last = Some((apply(&mut state, &block).unwrap().undo, block));
    }
    let (undo, last) = last.unwrap();
    assert_eq!(last.header.height.number(), notice.number() - 1);
    let needed = ApplyError::Upgrade { version: 2, height: notice };
    assert!(needed.to_string().contains("install a newer one"), "{needed}");
    let root = state.root();
    let refusals = |state: &mut State| {
        let old = check(state, &on_head(state, &last).to_bytes()).unwrap();
        assert_eq!(state.draft(time_of(notice), last.header.proposer).err(), Some(needed.clone()));
        assert_eq!(state.check_proposer(time_of(notice), last.header.proposer), Err(needed.clone()));
        assert_eq!(state.apply(&old).unwrap_err(), needed);
        // The newer program's own block: this one cannot read it, and says what it can.
        let new = resealed(&on_head(state, &last), |header| header.version = 2);
        let error = check(state, &new.to_bytes()).unwrap_err();
        assert_eq!((error.clone(), error.to_string().contains("this program knows 1")), (BlockError::Version(2), true));
        assert_eq!(state.root(), root);
    };
    refusals(&mut state);
    state.undo(undo);
    assert_eq!(state.check_proposer(time_of(notice), last.header.proposer), Ok(()));
    apply(&mut state, &last).unwrap();
    refusals(&mut state);
}
