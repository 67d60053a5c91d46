//! What waits in peers' pools, and attachments that are missing.

use crate::ledger_of_test::TestLedger;
use crate::machine::{Machine, asks, converse, live, meet};
use consensus::peer::{Answer, Ask, POOL_IDS_MAX, PeerId};
use consensus::sync::{Input, STATEMENTS_PER_PEER_MAX, WANTED_MAX};
use std::collections::BTreeMap;
use units::{Millis, StatementId};

fn id(number: u64) -> StatementId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    StatementId::from_bytes(bytes)
}

#[test]
fn what_waits_at_a_peer_is_fetched_once_and_not_what_is_known() {
    let ledger = TestLedger::new();
    let mut peer = Machine::new(&ledger, &[]);
    peer.pool = (0..50).map(id).collect();
    let mut node = Machine::new(&ledger, &[]);
    node.pool = (0..10).map(id).collect();
    let mut fetched: BTreeMap<StatementId, u32> = BTreeMap::new();
    for number in 0..3 {
        meet(&mut node, PeerId(number), |ask| {
            if let Ask::Waiting(id) = ask {
                *fetched.entry(*id).or_default() += 1;
            }
            peer.serve(ask)
        });
    }
    assert_eq!(node.pool, peer.pool);
    assert_eq!(fetched, (10..50).map(|number| (id(number), 1)).collect());
    // A statement that this node refused does not come back with every list.
    node.pool.clear();
    live(&mut node, Millis::from_minutes(1), |_, ask| peer.serve(ask));
    assert_eq!(node.pool.len(), 10, "only those that were never fetched");
}

#[test]
fn one_peer_is_asked_for_a_few_statements_at_a_time() {
    let ledger = TestLedger::new();
    let mut node = Machine::new(&ledger, &[]);
    let peer = Machine::new(&ledger, &[]);
    meet(&mut node, PeerId(0), |ask| peer.serve(ask));
    let outputs = node.step(Input::Offered { peer: PeerId(0), ids: (0..100).map(id).collect() });
    assert_eq!(asks(&outputs).len(), STATEMENTS_PER_PEER_MAX);
    let outputs = node.step(Input::Offered { peer: PeerId(0), ids: (0..).take(POOL_IDS_MAX + 1).map(id).collect() });
    assert_eq!((asks(&outputs).len(), node.view(PeerId(0)).score), (0, 50));
}

#[test]
fn a_missing_attachment_is_asked_of_one_peer_after_another_until_it_is_found() {
    let ledger = TestLedger::new();
    let mut node = Machine::new(&ledger, &[]);
    let mut peers: Vec<Machine> = (0..3).map(|_| Machine::new(&ledger, &[])).collect();
    for (number, peer) in (0..).zip(&peers) {
        meet(&mut node, PeerId(number), |ask| peer.serve(ask));
    }
    peers[2].attachments.insert(id(1));
    let mut asked = Vec::new();
    let outputs = node.step(Input::Wanted { statements: vec![id(1), id(2)] });
    converse(&mut node, outputs, |peer, ask| {
        if let Ask::Attachment(statement) = ask {
            asked.push((*statement, peer.0));
        }
        peers[usize::try_from(peer.0).unwrap()].serve(ask)
    });
    asked.sort_unstable();
    assert_eq!(asked, [(id(1), 0), (id(1), 1), (id(1), 2), (id(2), 0), (id(2), 1), (id(2), 2)]);
    assert_eq!((node.attachments.len(), node.sync.attachments_wanted()), (1, 1));
    // The other turns up days later; it is still looked for, ever more rarely.
    let mut questions = 0;
    live(&mut node, Millis::from_minutes(24 * 60), |peer, ask| {
        questions += u32::from(matches!(ask, Ask::Attachment(_)));
        peers[usize::try_from(peer.0).unwrap()].serve(ask)
    });
    // Three peers every half hour, and the shorter pauses before.
    assert!((140..200).contains(&questions), "{questions} questions in a day");
    peers[0].attachments.insert(id(2));
    live(&mut node, Millis::from_minutes(31), |peer, ask| peers[usize::try_from(peer.0).unwrap()].serve(ask));
    assert_eq!((node.attachments.len(), node.sync.attachments_wanted()), (2, 0));
}

#[test]
fn wishes_beyond_the_bound_are_left_to_the_caller() {
    let ledger = TestLedger::new();
    let mut node = Machine::new(&ledger, &[]);
    let statements = (0..).take(WANTED_MAX + 100).map(id).collect();
    node.step(Input::Wanted { statements });
    assert_eq!(node.sync.attachments_wanted(), WANTED_MAX);
    // With nobody to ask nothing is asked, and nothing forgotten.
    assert_eq!(asks(&node.wait(Millis::from_minutes(1))), Vec::new());
    let outputs = meet(&mut node, PeerId(0), |ask| match ask {
        Ask::Attachment(_) => Answer::Attachment(vec![1]),
        Ask::Pool => Answer::Pool(Vec::new()),
        _ => Machine::new(&ledger, &[]).serve(ask),
    });
    assert_eq!(outputs, Vec::new());
    assert_eq!((node.attachments.len(), node.sync.attachments_wanted()), (WANTED_MAX, 0));
}
