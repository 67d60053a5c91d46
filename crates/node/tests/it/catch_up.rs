//! A node far behind: blocks, signatures and rules of another's whole ledger, checked and stored, and how fast that is.

use crate::chain::start;
use crate::community::{Community, JULY};
use crate::machine::{Machine, config};
use consensus::peer::PeerId;
use ledger::act::{Act, Transfer};
use ledger::{Block, Payload, SignedStatement};
use node::audit::audit;
use node::core::{Config, Input, Node, Output};
use node::store::{Folder, Store};
use node::{Threads, serve};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use units::{Energy, Millis, Timestamp};

/// A hundred thousand statements with `WATTPROOF_LONG=1`.
fn count() -> u64 {
    if std::env::var_os("WATTPROOF_LONG").is_some() { 100_000 } else { 2_000 }
}

/// A sale of next to nothing; `number` tells it from the others.
fn sale(community: &Community, issued: Timestamp, number: u64) -> SignedStatement {
    let transfer = Transfer { to: community.lee.account(), energy: Energy::from_mwh(1), month: JULY };
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    let expires = Some(issued + Millis::from_minutes(60));
    let ledger = community.genesis().ledger();
    let payload = Payload { ledger, nonce, issued, expires, acts: vec![Act::Transfer(transfer)] };
    SignedStatement::sign(&payload, &community.chen).unwrap()
}

/// A ledger with so many sales, in blocks as full as they may be.
fn full(community: &Community, statements: u64) -> Machine {
    let mut machine = Machine::founded(community);
    for number in 0..statements {
        machine.submit(sale(community, machine.now, number).leaf()).unwrap();
        if machine.node.pool_size().0 == Block::STATEMENTS_MAX {
            machine.tick();
        }
    }
    machine.tick();
    assert_eq!(machine.node.pool_size().0, 0);
    machine
}

/// Lets a node in an empty folder ask another one for all that it has; what it shows waits for the disk.
fn catch_up(community: &Community, ahead: &Machine, folder: &Path) -> (Node, Duration) {
    let mut served = ahead.store();
    let disk = Box::new(Folder::open(folder).unwrap());
    let mut store = Store::create(disk, &community.genesis().to_bytes()).unwrap();
    let follower = Config { miner: None, log_key: None, automatic: false, ..config(community) };
    let mut node = Node::recover(follower, [], &|_| false).unwrap();
    node.use_jobs(Arc::new(Threads::all()));
    let begun = Instant::now();
    let mut inputs = VecDeque::from([Input::Connected { peer: PeerId(0) }]);
    while node.state().head() != ahead.node.state().head() || node.anchor() != ahead.node.anchor() {
        for output in node.step(ahead.now, inputs.pop_front().unwrap_or(Input::Tick)) {
            match output {
                Output::Store(record) => store.append(&record).unwrap(),
                Output::Ask { peer, id, ask } => {
                    store.sync().unwrap();
                    let answer = serve(&ahead.node, &mut served, &ask);
                    inputs.push_back(Input::Answered { peer, id, answer });
                }
                Output::Banned { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(600), "block {}", node.state().head().height);
    }
    store.sync().unwrap();
    (node, begun.elapsed())
}

#[test]
fn a_node_far_behind_comes_to_the_same_state_and_its_copy_audits_clean() {
    let community = Community::new();
    let ahead = full(&community, count());
    let folder = tempfile::tempdir().unwrap();
    let (node, caught_up) = catch_up(&community, &ahead, folder.path());
    assert_eq!(node.state().root(), ahead.node.state().root());
    assert_eq!(node.state().head().log_size, count() + 4);
    let timed = |work: &dyn Fn()| {
        let begun = Instant::now();
        work();
        begun.elapsed()
    };
    let started = timed(&|| start(folder.path(), &community).unwrap().shutdown());
    let audited = timed(&|| assert_eq!(audit(folder.path()).unwrap().findings, []));
    let rate = |time: Duration| f64::from(u32::try_from(count()).unwrap()) / time.as_secs_f64();
    println!(
        "{} statements: caught up at {:.0}/s; every signature checked again and rows derived at {:.0}/s; started, with \
         the checkpoint vouching for signatures and rows derived, at {:.0}/s",
        count(),
        rate(caught_up),
        rate(audited),
        rate(started)
    );
}
