//! Blocks, mining, checkpoints and restarts of the pure node.

use crate::community::{Community, minutes};
use crate::machine::{Machine, config, recover};
use api::Event;
use consensus::pow::Search;
use ledger::act::{Act, Upgrade};
use ledger::state::ApplyError;
use ledger::{Block, Checkpoint, SignedStatement, State};
use node::core::{Config, Input, RecoverError};
use node::record::Record;
use node::store::{Folder, Store};
use node::{Clock, NodeError, NodeHandle, Options};
use std::path::Path;
use std::sync::Arc;
use units::{Height, Millis, Timestamp};

#[test]
fn a_mined_block_checks_on_another_state() {
    let community = Community::new();
    let machine = Machine::founded(&community);
    let bytes = machine.stored.iter().find_map(|record| match record {
        Record::Block(bytes) => Some(bytes.clone()),
        _ => None,
    });
    let mut state = State::new(community.genesis()).unwrap();
    let block = Block::from_bytes(&bytes.unwrap()).unwrap();
    assert!(block.header.hash().to_string().starts_with('0'));
    let key_of = |account: &_| state.key_of(account);
    let checked = block.check(state.genesis(), state.head(), state.log(), state.next_difficulty(), &key_of).unwrap();
    state.apply(&checked).unwrap();
    assert_eq!(state.root(), machine.node.state().root());
}

#[test]
fn a_restart_replays_to_the_same_state_root_and_checkpoint() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    let chain = community.intervals(machine.binding("M-lee"), 3);
    machine.now = minutes(100);
    for interval in &chain[..2] {
        machine.submit(&interval.submission()).unwrap();
    }
    machine.tick();
    machine.submit(&chain[2].submission()).unwrap();
    let restarted = machine.restarted(&community);
    let (before, after) = (&machine.node, &restarted.node);
    assert_eq!(after.state().root(), before.state().root());
    assert_eq!(after.state().head(), before.state().head());
    assert_eq!(after.anchor(), before.anchor());
    assert_eq!(after.pool_size(), before.pool_size());
    assert_eq!(after.pool_size().0, 1);
}

#[test]
fn blocks_keep_their_distances_and_an_idle_ledger_makes_few() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    let height = |machine: &Machine| machine.node.state().head().height.number();
    assert_eq!(height(&machine), 1);
    let sale = |machine: &Machine, nonce| {
        community.transfer(&community.chen, community.lee.account(), 1, machine.now, nonce).leaf().to_vec()
    };
    machine.submit(&sale(&machine, 1)).unwrap();
    // Less than a minute after the first block.
    machine.now = machine.now + units::Millis::from_seconds(30);
    machine.step(Input::Tick);
    assert_eq!((height(&machine), machine.node.pool_size().0), (1, 1));
    machine.tick();
    assert_eq!((height(&machine), machine.node.pool_size().0), (2, 0));
    for _ in 0..599 {
        machine.tick();
    }
    assert_eq!(height(&machine), 2);
    machine.tick();
    assert_eq!(height(&machine), 3);
    // The clock goes back: nothing is mined until it is past the newest block again.
    machine.submit(&sale(&machine, 2)).unwrap();
    let ahead = machine.now;
    machine.now = minutes(5);
    machine.step(Input::Tick);
    assert_eq!((height(&machine), machine.node.pool_size().0), (3, 1));
    machine.now = ahead;
    machine.tick();
    assert_eq!((height(&machine), machine.node.pool_size().0), (4, 0));
}

#[test]
fn before_an_upgrade_that_it_does_not_know_a_node_stops_and_says_once_what_to_install() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    let first = Height::from_number(1 + 1 + Upgrade::NOTICE_BLOCKS);
    let act = Act::Upgrade(Upgrade { version: 2, height: first });
    machine.submit(community.sign(&community.operator, vec![act], machine.now, 9).leaf()).unwrap();
    machine.tick();
    while machine.node.state().head().height.next() < first {
        assert_eq!((machine.warnings.len(), machine.node.upgrade_needed()), (0, None));
        machine.now = machine.now + Millis::from_minutes(600);
        machine.step(Input::Tick);
    }
    for _ in 0..3 {
        machine.now = machine.now + Millis::from_minutes(600);
        machine.step(Input::Tick);
    }
    machine.step(Input::MineNow);
    assert_eq!(machine.node.state().head().height.next(), first);
    let [warning] = machine.warnings.as_slice() else { panic!("{:?}", machine.warnings) };
    assert!(warning.contains("speaks protocol version 2") && warning.contains("install a newer one"), "{warning}");
    let sale = community.transfer(&community.chen, community.lee.account(), 1, machine.now, 1);
    let refusal = machine.submit(sale.leaf()).unwrap_err();
    assert_eq!((refusal.name(), machine.node.pool_size().0), ("upgrade_needed", 0), "{refusal}");
    let needed = machine.restarted(&community).node.upgrade_needed();
    assert!(matches!(needed, Some(ApplyError::Upgrade { version: 2, height }) if height == first), "{needed:?}");
}

#[test]
fn a_key_that_is_no_miners_proposes_nothing_and_its_owner_is_told_once() {
    let community = Community::new();
    let stranger = Some(community.stranger.clone());
    let mut machine = Machine::with(Config { miner: stranger, ..config(&community) });
    for statement in community.founding() {
        machine.submit(statement.leaf()).unwrap();
    }
    machine.tick();
    machine.tick();
    assert_eq!((machine.node.state().head().height, machine.node.pool_size().0), (Height::GENESIS, 4));
    let [warning] = machine.warnings.as_slice() else { panic!("{:?}", machine.warnings) };
    assert!(warning.contains("who is not registered as a miner"), "{warning}");
    assert_eq!(machine.node.upgrade_needed(), None);
}

#[test]
fn by_hand_a_block_is_mined_once_for_each_request() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    machine.step(Input::SetAutomatic(false));
    for nonce in [1, 2] {
        let sale = community.transfer(&community.chen, community.lee.account(), 1, machine.now, nonce);
        machine.submit(sale.leaf()).unwrap();
        machine.tick();
        machine.tick();
    }
    let height = |machine: &Machine| machine.node.state().head().height.number();
    assert_eq!((height(&machine), machine.node.pool_size().0), (1, 2));
    machine.step(Input::MineNow);
    assert_eq!((height(&machine), machine.node.pool_size().0), (2, 0));
    let statistics = *machine.node.mining();
    assert_eq!(statistics.blocks, 2);
    assert_eq!(u128::from(statistics.attempts), statistics.nonces + 2);
}

#[test]
fn a_nonce_of_a_replaced_search_or_one_that_does_not_satisfy_is_ignored() {
    let community = Community::new();
    let mut machine = Machine::new(&community);
    for statement in community.founding() {
        machine.submit(statement.leaf()).unwrap();
    }
    machine.now = minutes(1);
    let outputs = machine.node.step(machine.now, Input::Tick);
    let template = machine.node.searching().unwrap();
    assert_eq!(outputs.len(), 1);
    let other = node::core::TemplateId(template.0 + 1);
    let search = |nonce, template| Input::Mined { template, extra_nonce: 0, nonce, attempts: 1 };
    assert!(machine.node.step(machine.now, search(0, other)).is_empty());
    assert_eq!(machine.node.searching(), Some(template));
    let node::core::Output::Search { header, .. } = &outputs[0] else { panic!("{outputs:?}") };
    let found = consensus::pow::Search::new(header);
    let wrong = (0..).find(|nonce| found.run(*nonce, 1).is_none()).unwrap();
    assert!(machine.node.step(machine.now, search(wrong, template)).is_empty());
    assert_eq!(machine.node.state().head().height, Height::GENESIS);
    // It is searched for again.
    machine.tick();
    assert_eq!(machine.node.state().head().height.number(), 1);
}

#[test]
fn the_checkpoint_is_stored_before_it_is_told_and_names_the_newest_block() {
    let community = Community::new();
    let machine = Machine::founded(&community);
    let anchor = machine.node.anchor().unwrap();
    assert_eq!(anchor.checkpoint, Checkpoint::for_header(machine.node.state().head()));
    assert_eq!(Checkpoint::open(&anchor.note, &community.log_key.public()), Ok(anchor.checkpoint));
    assert_eq!(machine.stored.last(), Some(&Record::Anchor(anchor.note.clone())));
    let told = Event::Final { height: Height::from_number(1), log_size: 4 };
    assert_eq!(machine.events.iter().filter(|event| **event == told).count(), 1);
}

#[test]
fn a_chain_that_lacks_what_the_log_key_signed_is_refused_by_name() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    let sale = community.transfer(&community.chen, community.lee.account(), 1, machine.now, 1);
    machine.submit(sale.leaf()).unwrap();
    let old: Vec<Record> = machine.stored.clone();
    machine.tick();
    let (head, newest) = (machine.node.state().head().hash(), machine.stored.last().unwrap().clone());

    // The blocks of yesterday beside the checkpoint of today.
    let mut rolled_back = old.clone();
    rolled_back.push(newest.clone());
    let height = Height::from_number(2);
    let error = RecoverError::RolledBack { height, signed: head, found: None };
    assert_eq!(recover(config(&community), &rolled_back).unwrap_err(), error);

    // Another second block, without the sale.
    let mut other = machine.restarted(&community);
    other.node = recover(config(&community), &old).unwrap();
    other.stored = old;
    other.now = minutes(700);
    other.tick();
    let found = Some(other.node.state().head().hash());
    other.stored.push(newest);
    let error = RecoverError::RolledBack { height, signed: head, found };
    assert_eq!(recover(config(&community), &other.stored).unwrap_err(), error);
}

#[test]
fn a_stored_block_of_which_one_bit_was_changed_is_refused() {
    let community = Community::new();
    let machine = Machine::founded(&community);
    let place = machine.stored.iter().position(|record| matches!(record, Record::Block(_))).unwrap();
    let Record::Block(bytes) = &machine.stored[place] else { unreachable!() };
    for at in (0..bytes.len()).step_by(7) {
        let mut stored = machine.stored.clone();
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        stored[place] = Record::Block(changed);
        let error = recover(config(&community), &stored).unwrap_err();
        assert!(matches!(error, RecoverError::Block { height, .. } if height.number() == 1), "byte {at}: {error}");
    }
}

/// The stored chain with its last block's first statement signed by nobody, everything above it made to fit again as
/// the miner's key allows.
fn with_a_forged_signature(community: &Community, stored: &[Record], rewrite_header: bool) -> Vec<Record> {
    let mut records = stored.to_vec();
    let last = records.iter_mut().rev().find_map(|record| match record {
        Record::Block(bytes) => Some(bytes),
        _ => None,
    });
    let last = last.unwrap();
    let mut block = Block::from_bytes(last).unwrap();
    let mut leaf = block.statements[0].leaf().to_vec();
    *leaf.last_mut().unwrap() ^= 1;
    block.statements[0] = SignedStatement::from_leaf(&leaf).unwrap();
    if rewrite_header {
        let before = stored.iter().filter_map(|record| match record {
            Record::Block(bytes) => Some(Block::from_bytes(bytes).unwrap()),
            _ => None,
        });
        let mut log = ledger::log::Log::new();
        let leaves = before.filter(|other| other.header.height < block.header.height);
        leaves.flat_map(|other| other.statements).for_each(|statement| log.append(statement.leaf_hash()));
        block.statements.iter().for_each(|statement| log.append(statement.leaf_hash()));
        block.header.log_root = log.root();
        block.header.engine.nonce = Search::new(&block.header).run(0, u64::MAX).unwrap();
        block.seal = community.miner.sign_short(&Block::sealed_bytes(&block.header.hash())).unwrap();
    }
    *last = block.to_bytes();
    records
}

/// A start lets the newest checkpoint vouch for signatures, so a checkpoint must not be taken for more than it signs.
#[test]
fn reject_a_stored_signature_that_was_changed_whether_or_not_a_checkpoint_vouches() {
    let community = Community::new();
    let machine = Machine::founded(&community);
    for (rewrite_header, without_checkpoint, with_checkpoint) in [
        (false, "log size or root does not fit", "log size or root does not fit"),
        (true, "the signature does not fit", "the log key signed block"),
    ] {
        let records = with_a_forged_signature(&community, &machine.stored, rewrite_header);
        let error = recover(config(&community), &records).unwrap_err();
        assert!(error.to_string().contains(without_checkpoint), "{error}");
        let folder = tempfile::tempdir().unwrap();
        store_all(folder.path(), &community, &records);
        let error = start(folder.path(), &community).unwrap_err();
        assert!(error.to_string().contains(with_checkpoint), "{error}");
        assert!(!node::audit::audit(folder.path()).unwrap().is_clean());
        // A checkpoint that was changed vouches for nothing.
        let changed = records.iter().cloned().map(|record| match record {
            Record::Anchor(note) => Record::Anchor(note.replacen("height 1", "height 9", 1)),
            other => other,
        });
        let folder = tempfile::tempdir().unwrap();
        store_all(folder.path(), &community, &changed.collect::<Vec<_>>());
        let error = start(folder.path(), &community).unwrap_err();
        assert!(error.to_string().contains("checkpoint"), "{error}");
    }
    // As it was stored it starts.
    let folder = tempfile::tempdir().unwrap();
    store_all(folder.path(), &community, &machine.stored);
    start(folder.path(), &community).unwrap().shutdown();
}

pub(crate) fn store_all(folder: &Path, community: &Community, records: &[Record]) {
    let disk = Box::new(Folder::open(folder).unwrap());
    let mut store = Store::create(disk, &community.genesis().to_bytes()).unwrap();
    records.iter().for_each(|record| store.append(record).unwrap());
    store.sync().unwrap();
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        minutes(0)
    }
}

pub(crate) fn start(folder: &Path, community: &Community) -> Result<NodeHandle, NodeError> {
    let options = Options {
        data_dir: folder.to_owned(),
        miner: Some(community.miner.clone()),
        log_key: Some(community.log_key.clone()),
        receipt_key: None,
        automatic: false,
        peers: Vec::new(),
        search_threads: 1,
        scrubbing: node::Scrubbing::default(),
    };
    node::start(options, Arc::new(Stopped))
}
