//! Checkpoints of the log key: what they make final, whom they bring over, and what contradicts them.

use crate::ledger_of_test::TestLedger;
use crate::machine::{Machine, asks, live, meet};
use consensus::peer::{Ask, PeerId};
use consensus::sync::{Contradiction, Input, Output, PeerState};
use ledger::Block;
use units::{Height, Millis};

const PEER: PeerId = PeerId(0);

fn contradictions(outputs: &[Output]) -> Vec<Contradiction> {
    let told = |output: &Output| match output {
        Output::Contradiction { contradiction, .. } => Some(contradiction.clone()),
        _ => None,
    };
    outputs.iter().filter_map(told).collect()
}

/// Two branches after two common blocks.
fn branches(ledger: &TestLedger, ours: usize, theirs: usize) -> (Vec<Block>, Vec<Block>) {
    let common = ledger.branch(&ledger.root, 2, 1);
    let on = |salt, count| [common.clone(), ledger.branch(&common[1].header, count, salt)].concat();
    (on(2, ours), on(3, theirs))
}

#[test]
fn an_anchor_makes_a_node_follow_its_branch_whatever_the_work() {
    let ledger = TestLedger::new();
    let (ours, theirs) = branches(&ledger, 9, 2);
    let mut node = Machine::new(&ledger, &ours);
    let mut peer = Machine::new(&ledger, &theirs);
    peer.sign(&ledger);
    meet(&mut node, PEER, |ask| peer.serve(ask));
    assert_eq!(node.head(), peer.head());
    assert_eq!((node.anchored(), node.undone.clone()), (Height::from_number(4), vec![9]));
    // The longer branch is nothing any more, whoever shows it.
    let longer = Machine::new(&ledger, &ours);
    let outputs = meet(&mut node, PeerId(1), |ask| longer.serve(ask));
    assert_eq!(node.head(), peer.head());
    assert_eq!(node.state(PeerId(1)), PeerState::OtherHistory);
    let common = Height::from_number(2);
    assert_eq!(contradictions(&outputs), [Contradiction::LeavesBelowAnchor { common }]);
}

#[test]
fn an_anchor_of_the_own_chain_is_taken_over_and_announced() {
    let ledger = TestLedger::new();
    let (ours, _) = branches(&ledger, 5, 0);
    let mut node = Machine::new(&ledger, &ours);
    let mut peer = Machine::new(&ledger, &ours[..4]);
    peer.sign(&ledger);
    let outputs = meet(&mut node, PEER, |ask| peer.serve(ask));
    assert_eq!(node.anchored(), Height::from_number(4));
    assert_eq!(node.sync.anchor().map(|anchor| anchor.checkpoint.height), Some(Height::from_number(4)));
    let announced = outputs.iter().any(|output| matches!(output, Output::Announce { head } if head.anchor.is_some()));
    assert!(announced, "{outputs:?}");
    assert_eq!(node.state(PEER), PeerState::Behind);
}

#[test]
fn two_histories_signed_by_one_log_key_are_evidence_and_neither_node_moves() {
    let ledger = TestLedger::new();
    for (ours_count, theirs_count) in [(1, 1), (1, 700), (3, 2)] {
        let (ours, theirs) = branches(&ledger, ours_count, theirs_count);
        let mut node = Machine::new(&ledger, &ours);
        node.sign(&ledger);
        let mut peer = Machine::new(&ledger, &theirs);
        peer.sign(&ledger);
        let outputs = meet(&mut node, PEER, |ask| peer.serve(ask));
        let expected =
            Contradiction::TwoHistories { ours: node.anchor.clone().unwrap(), theirs: peer.anchor.clone().unwrap() };
        assert!(contradictions(&outputs).contains(&expected), "{ours_count} and {theirs_count}: {outputs:?}");
        assert_eq!(node.head(), &ours.last().unwrap().header);
        // Told once, however often the peer comes back.
        let outputs = meet(&mut node, PeerId(1), |ask| peer.serve(ask));
        assert!(!contradictions(&outputs).contains(&expected));
    }
}

#[test]
fn a_node_that_never_heard_the_anchor_comes_over_when_it_does() {
    let ledger = TestLedger::new();
    let (ours, theirs) = branches(&ledger, 3, 6);
    let mut operator = Machine::new(&ledger, &ours);
    operator.sign(&ledger);
    let mut lonely = Machine::new(&ledger, &theirs);
    // The operator's node is not impressed by six blocks, ...
    let outputs = meet(&mut operator, PEER, |ask| lonely.serve(ask));
    assert_eq!(contradictions(&outputs).len(), 1);
    assert_eq!(operator.state(PEER), PeerState::OtherHistory);
    // ... the lonely node comes over, and the operator's notices.
    meet(&mut lonely, PEER, |ask| operator.serve(ask));
    assert_eq!(lonely.head(), operator.head());
    let outputs = live(&mut operator, Millis::from_minutes(2), |_, ask| lonely.serve(ask));
    assert_eq!(contradictions(&outputs), []);
    assert_eq!(operator.state(PEER), PeerState::Same);
}

#[test]
fn an_anchored_block_that_breaks_a_rule_is_told_and_never_followed() {
    let ledger = TestLedger::new();
    let (ours, theirs) = branches(&ledger, 1, 4);
    let mut node = Machine::new(&ledger, &ours);
    node.bad.insert(theirs[5].header.hash());
    let mut peer = Machine::new(&ledger, &theirs);
    peer.sign(&ledger);
    let outputs = meet(&mut node, PEER, |ask| peer.serve(ask));
    let note = peer.anchor.clone().unwrap();
    assert_eq!(contradictions(&outputs), [Contradiction::BadBlock { note }]);
    assert!(!node.chain.iter().any(|block| block.header.hash() == theirs[5].header.hash()));
    assert_eq!(node.anchored(), Height::GENESIS);
}

#[test]
fn an_own_checkpoint_moves_what_is_final_and_prunes_what_leaves_below() {
    let ledger = TestLedger::new();
    let (ours, theirs) = branches(&ledger, 4, 3);
    let mut node = Machine::new(&ledger, &ours);
    let peer = Machine::new(&ledger, &theirs);
    meet(&mut node, PEER, |ask| peer.serve(ask));
    assert_eq!(node.sync.held().0, 1 + 6 + 3);
    node.sign(&ledger);
    assert_eq!(node.sync.held().0, 1);
    let more = node.step(Input::Tick);
    assert_eq!(contradictions(&more), []);
}

#[test]
fn nothing_is_undone_that_was_signed_in_the_moment_it_was_made() {
    // Whether the log key signs the own block, and how many blocks are undone for the peer's better branch then.
    for (is_signed, undone) in [(false, vec![1]), (true, vec![])] {
        let ledger = TestLedger::new();
        let common = ledger.branch(&ledger.root, 2, 1);
        let theirs = [common.clone(), ledger.branch(&common[1].header, 4, 3)].concat();
        let mut node = Machine::new(&ledger, &common);
        let peer = Machine::new(&ledger, &theirs);
        // The last block is still on its way, so that the others wait for it when the own block comes.
        let late = theirs[5].header.hash();
        let mut outputs = node.step(Input::Connected { peer: PEER });
        while !asks(&outputs).is_empty() {
            let answered = asks(&outputs).into_iter().filter(|(.., ask)| *ask != Ask::Block(late));
            let answers =
                answered.map(|(peer_id, id, ask)| Input::Answered { peer: peer_id, id, answer: peer.serve(&ask) });
            outputs = answers.flat_map(|answer| node.step(answer)).collect();
        }
        assert_eq!(node.height(), 2, "nothing was taken yet");
        let block = ledger.after(node.head(), 9);
        let header = block.header.clone();
        let anchor = is_signed.then(|| ledger.note(&header));
        node.chain.push(block);
        node.anchor.clone_from(&anchor);
        node.step(Input::Extended { header, anchor });
        assert_eq!(node.undone, undone, "signed: {is_signed}");
    }
}
