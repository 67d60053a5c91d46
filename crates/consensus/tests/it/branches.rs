//! Fork choice by work, and how blocks are fetched.

use crate::ledger_of_test::TestLedger;
use crate::machine::{Machine, asks, converse, meet};
use consensus::peer::{Answer, Ask, Failed, PeerId};
use consensus::sync::{BLOCKS_PER_PEER_MAX, HEADERS_AHEAD_MAX, Input, PeerState, REORGANISATION_BLOCKS_MAX};
use ledger::{Engine, Header, difficulty_of_level};
use std::collections::BTreeMap;
use units::{Height, Millis};

const PEER: PeerId = PeerId(0);

#[test]
fn of_equal_work_what_was_seen_first_stays_and_one_block_more_wins() {
    let ledger = TestLedger::new();
    let common = ledger.branch(&ledger.root, 2, 1);
    let on = |salt, count| [common.clone(), ledger.branch(&common[1].header, count, salt)].concat();
    for (ours, theirs, follows) in [(2, 2, false), (2, 3, true), (3, 2, false), (0, 1, true)] {
        let mut node = Machine::new(&ledger, &on(2, ours));
        let peer = Machine::new(&ledger, &on(3, theirs));
        meet(&mut node, PEER, |ask| peer.serve(ask));
        assert_eq!(node.head() == peer.head(), follows, "{ours} own blocks against {theirs}");
        let undone: Vec<u64> = if follows && ours > 0 { vec![u64::try_from(ours).unwrap()] } else { Vec::new() };
        assert_eq!(node.undone, undone);
        assert_eq!(node.state(PEER), if follows { PeerState::Same } else { PeerState::Branch });
        assert_eq!(node.sync.counters().forks, u64::from(ours > 0));
    }
}

/// Work is the sum of proven difficulties, not the number of blocks.
#[test]
fn three_blocks_of_level_two_weigh_more_than_forty_of_level_one() {
    let ledger = TestLedger::new();
    let mut parent = ledger.root.clone();
    let mut heavy = Vec::new();
    for _ in 0..3 {
        let engine = Engine { difficulty: difficulty_of_level(2), ..Engine::default() };
        let block = ledger.mined(Header { engine, ..ledger.after(&parent, 8).header });
        parent = block.header.clone();
        heavy.push(block);
    }
    let heavy = Machine::new(&ledger, &heavy);
    let mut node = Machine::new(&ledger, &ledger.branch(&ledger.root, 40, 1));
    meet(&mut node, PEER, |ask| heavy.serve(ask));
    assert_eq!(node.head(), heavy.head());
    assert_eq!(node.undone, [40]);
}

#[test]
fn a_chain_far_ahead_is_fetched_in_windows_from_all_who_have_it() {
    let ledger = TestLedger::new();
    let far = Machine::new(&ledger, &ledger.branch(&ledger.root, 3_000, 1));
    let mut node = Machine::new(&ledger, &[]);
    let mut served = BTreeMap::new();
    let mut outputs = Vec::new();
    for peer in 0..3 {
        outputs.extend(node.step(Input::Connected { peer: PeerId(peer) }));
    }
    for _ in 0..10_000 {
        let questions = asks(&outputs);
        outputs = if questions.is_empty() { node.step(Input::Tick) } else { Vec::new() };
        for (peer, id, ask) in questions {
            if matches!(ask, Ask::Block(_)) {
                *served.entry(peer).or_insert(0usize) += 1;
            }
            outputs.extend(node.step(Input::Answered { peer, id, answer: far.serve(&ask) }));
            let (headers, _) = node.sync.held();
            assert!(headers as u64 <= node.height() + HEADERS_AHEAD_MAX + 1);
            // A head, headers and a pool besides blocks.
            let under_way = node.sync.peers().into_iter().map(|view| view.asked - view.answered).max();
            assert!(under_way <= Some(BLOCKS_PER_PEER_MAX as u64 + 3), "{under_way:?}");
        }
        if node.height() == 3_000 {
            break;
        }
    }
    assert_eq!(node.head(), far.head());
    assert_eq!(served.values().sum::<usize>(), 3_000, "each block is fetched once: {served:?}");
    assert!(served.values().all(|count| *count > 600), "all have their share: {served:?}");
}

#[test]
fn a_peer_that_withholds_blocks_is_overtaken_by_another() {
    let ledger = TestLedger::new();
    let far = Machine::new(&ledger, &ledger.branch(&ledger.root, 30, 1));
    let mut node = Machine::new(&ledger, &[]);
    let (silent, honest) = (PeerId(0), PeerId(1));
    let mut outputs = node.step(Input::Connected { peer: silent });
    outputs.extend(node.step(Input::Connected { peer: honest }));
    for _ in 0..60 {
        while !asks(&outputs).is_empty() {
            let questions = asks(&outputs);
            outputs = Vec::new();
            for (peer, id, ask) in questions {
                // It answers everything but blocks, for which it lets the asker wait.
                if peer == honest || !matches!(ask, Ask::Block(_)) {
                    outputs.extend(node.step(Input::Answered { peer, id, answer: far.serve(&ask) }));
                }
            }
        }
        outputs = node.wait(Millis::from_seconds(1));
    }
    assert_eq!(node.head(), far.head());
    assert!(!matches!(node.state(silent), PeerState::Banned(_)), "slowness is no lie");
}

#[test]
fn a_branch_whose_blocks_nobody_has_holds_up_no_other() {
    let ledger = TestLedger::new();
    let phantom = Machine::new(&ledger, &ledger.branch(&ledger.root, 30, 6));
    let honest = Machine::new(&ledger, &ledger.branch(&ledger.root, 20, 1));
    for answer in [Answer::Missing, Answer::Failed(Failed::TimedOut)] {
        let mut node = Machine::new(&ledger, &[]);
        let mut outputs = node.step(Input::Connected { peer: PeerId(0) });
        outputs.extend(node.step(Input::Connected { peer: PeerId(1) }));
        for _ in 0..60 {
            converse(&mut node, outputs, |peer, ask| match (peer, ask) {
                (PeerId(0), Ask::Block(_)) => answer.clone(),
                (PeerId(0), _) => phantom.serve(ask),
                _ => honest.serve(ask),
            });
            outputs = node.wait(Millis::from_seconds(1));
        }
        assert_eq!(node.head(), honest.head(), "{answer:?}");
    }
}

#[test]
fn a_body_with_a_false_seal_is_fetched_again_and_only_its_sender_banned() {
    let ledger = TestLedger::new();
    let far = Machine::new(&ledger, &ledger.branch(&ledger.root, 5, 1));
    let mut sync = Machine::new(&ledger, &[]).sync;
    let now = crate::ledger_of_test::seconds(100_000);
    let mut queue: Vec<_> = sync.step(now, Input::Connected { peer: PEER });
    queue.extend(sync.step(now, Input::Connected { peer: PeerId(1) }));
    let (mut refused, mut banned, mut applied) = (0, Vec::new(), 0);
    for _ in 0..1_000 {
        let outputs = std::mem::take(&mut queue);
        for output in outputs {
            match output {
                consensus::sync::Output::Ask { peer, id, ask } => {
                    let answer = far.serve(&ask);
                    queue.extend(sync.step(now, Input::Answered { peer, id, answer }));
                }
                consensus::sync::Output::Switch { blocks, .. } if refused == 0 => {
                    refused += 1;
                    let hash = ledger::Block::from_bytes(&blocks[0]).unwrap().header.hash();
                    let error = ledger::BlockError::LogRoot;
                    let reason = error.to_string();
                    let blame = consensus::sync::Blame::from(&error);
                    let result = Err(consensus::sync::Refused { hash, kept: 0, blame, reason });
                    queue.extend(sync.step(now, Input::Switched { result, anchor: None }));
                }
                consensus::sync::Output::Switch { blocks, .. } => {
                    applied += blocks.len();
                    queue.extend(sync.step(now, Input::Switched { result: Ok(()), anchor: None }));
                }
                consensus::sync::Output::Ban { peer, .. } => banned.push(peer),
                _ => {}
            }
        }
        queue.extend(sync.step(now, Input::Tick));
    }
    assert_eq!((refused, applied, banned.len()), (1, 5, 1));
    assert_eq!(sync.head().hash, far.head().hash());
}

#[test]
fn a_branch_that_leaves_deeper_than_anything_is_undone_is_not_followed() {
    let ledger = TestLedger::new();
    let deep = usize::try_from(REORGANISATION_BLOCKS_MAX).unwrap();
    let mut node = Machine::new(&ledger, &ledger.branch(&ledger.root, deep + 1, 1));
    let peer = Machine::new(&ledger, &ledger.branch(&ledger.root, deep + 50, 2));
    meet(&mut node, PEER, |ask| peer.serve(ask));
    assert_eq!(node.undone, Vec::<u64>::new());
    let mut node = Machine::new(&ledger, &ledger.branch(&ledger.root, deep, 1));
    meet(&mut node, PEER, |ask| peer.serve(ask));
    assert_eq!(node.undone, [REORGANISATION_BLOCKS_MAX]);
    assert_eq!(node.head(), peer.head());
    assert_eq!(node.sync.hash(Height::from_number(1)), Some(peer.chain[1].header.hash()));
}
