//! Making, opening and starting a node.

use super::peers::signed::Signer;
use super::peers::{self, Listeners, Peers, Several, Signs, Surroundings};
use super::{Keys, Message, NodeError, NodeHandle, Options, REQUESTS_MAX, Shell};
use crate::clock::Clock;
use crate::core::Committed;
use crate::core::{Config, Node, RecoverError, Recovery, Standing, UNFINAL_MAX};
use crate::findings::{self, Findings};
use crate::record::{LogName, Record};
use crate::repair::{self, Suspects, Task};
use crate::scrub::{Scrub, Scrubbing};
use crate::store::{Disk, Folder, Store, StoreError};
use crate::tables::{Change, Tables};
use crate::threads::Threads;
use api::Finding;
use ledger::{Block, Genesis};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use units::Height;

use super::handle::Company;
use super::mend::Mender;
use super::rows::Rows;
use super::search::Searchers;

/// The file of the derived tables.
pub(crate) const TABLES_FILE: &str = "tables.sqlite";
/// Blocks, and their bytes, that are read ahead of the rules: enough for all cores, little beside the state.
const AHEAD_BLOCKS: usize = 256;
const AHEAD_BYTES: usize = 2 * Block::BYTES_MAX;
/// Blocks whose rows are derived in one transaction.
const ROWS_BATCH: usize = 256;

/// Makes a ledger's folder; durable on return.
///
/// # Errors
/// When there is a ledger in it already, or it cannot be written.
pub fn create(data_dir: &Path, genesis: &Genesis) -> Result<(), NodeError> {
    Store::create(Box::new(Folder::open(data_dir)?), &genesis.to_bytes())?;
    Ok(())
}

/// The genesis document of a folder, also while a node runs on it.
///
/// # Errors
/// When the folder holds no ledger, or a damaged one.
pub fn read_genesis(data_dir: &Path) -> Result<Genesis, NodeError> {
    genesis_of(&mut Store::open_for_reading(Box::new(Folder::open_for_reading(data_dir)))?)
}

pub(crate) fn genesis_of(store: &mut Store) -> Result<Genesis, NodeError> {
    let bytes = store.genesis()?;
    Ok(Genesis::from_bytes(&bytes).map_err(RecoverError::Genesis)?)
}

/// Repairs before a start: each finds a block that the one before did not, so more mean that something else is wrong.
const REPAIRS_MAX: usize = 16;

/// Opens a folder, reads everything stored through the checking path, and runs the node on a thread of its own. With other
/// nodes to fetch it from, what is damaged or rewritten is set aside first.
///
/// # Errors
/// When the folder is in use, holds no ledger or a damaged one, or contradicts what the log key signed.
pub fn start(options: Options, clock: Arc<dyn Clock>) -> Result<NodeHandle, NodeError> {
    // The folder is locked before anything in it is looked at.
    let mut folder = Folder::open(&options.data_dir)?;
    let noticed = findings::read(&options.data_dir).unwrap_or_default();
    let mut suspects = Suspects::default();
    let mut is_wrong = noticed.iter().any(Finding::is_open);
    for _ in 0..REPAIRS_MAX {
        if is_wrong && !options.peers.is_empty() {
            set_aside(&mut folder, &options, &suspects, &clock)?;
        }
        match start_on(Box::new(folder), options.clone(), Arc::clone(&clock)) {
            Err(error) if !options.peers.is_empty() && suspect(&error, &mut suspects) => tracing::error!("{error}"),
            other => return other,
        }
        folder = Folder::open(&options.data_dir)?;
        is_wrong = true;
    }
    start_on(Box::new(folder), options, clock)
}

/// Whether a start failed for something stored that another node may have; notes which block it is.
fn suspect(error: &NodeError, suspects: &mut Suspects) -> bool {
    match error {
        NodeError::Store(StoreError::Damaged { .. } | StoreError::Record { .. }) => true,
        NodeError::Recover(RecoverError::Block { height, .. } | RecoverError::RolledBack { height, .. }) => {
            suspects.heights.insert(*height)
        }
        _ => false,
    }
}

/// Copies what is damaged beside, puts back what a peer has and takes the rest out of the logs; what was found is
/// remembered.
fn set_aside(
    disk: &mut Folder,
    options: &Options,
    suspects: &Suspects,
    clock: &Arc<dyn Clock>,
) -> Result<(), NodeError> {
    let key = options.miner.as_ref().or(options.receipt_key.as_ref());
    let signs = key.map(|key| (key.clone(), Arc::clone(clock)));
    let task = Task { now: clock.now(), suspects, end: None, mark: repair::KEPT_MARK, may_cut: true };
    let found = match Several::connect(&options.peers, &signs) {
        Some(mut peers) => repair::repair_as(disk, &task, &mut peers)?,
        None => repair::repair_as(disk, &task, &mut repair::Nobody)?,
    };
    for finding in &found {
        tracing::error!("{}: {}", finding.place, finding.what);
    }
    findings::remember(&options.data_dir, &found).map_err(NodeError::Findings)
}

/// Runs a node on another disk than its folder; only the derived tables are then in the folder.
///
/// # Errors
/// As [`start`].
pub fn start_on(disk: Box<dyn Disk>, options: Options, clock: Arc<dyn Clock>) -> Result<NodeHandle, NodeError> {
    let mut store = Store::open(disk)?;
    for warning in store.warnings() {
        tracing::warn!("{warning}");
    }
    let genesis = genesis_of(&mut store)?;
    let mut tables = Tables::open(&options.data_dir.join(TABLES_FILE), genesis.ledger())?;
    let Options { miner, log_key, receipt_key, automatic, peers: addresses, .. } = options;
    let ledger = genesis.ledger();
    let config = Config { genesis, miner, log_key, automatic };
    let standing = standing(&options.data_dir, &addresses);
    let node = recover(&mut store, &mut tables, config.clone(), standing)?;
    let (sender, requests) = sync_channel(REQUESTS_MAX);
    let threads = if node.is_miner() { options.search_threads.max(1) } else { 0 };
    let searchers = Searchers::start(threads, &sender).map_err(NodeError::Thread)?;
    let keys = Keys::default();
    let (instance, listeners) = (peers::new_instance(), Listeners::default());
    let told = sender.clone();
    let tell = Arc::new(move |report| told.send(Message::Peer(report)).is_ok());
    let key = config.miner.as_ref().or(receipt_key.as_ref());
    let signs: Signs = key.map(|key| (key.clone(), Arc::clone(&clock)));
    let signer = signs.as_ref().map(|(key, clock)| Signer::new(key.clone(), ledger, Arc::clone(clock)));
    let around = Surroundings { ledger, tell, signer };
    let shell = Shell {
        keys: Arc::clone(&keys),
        peers: Peers::start(&addresses, &instance, listeners.clone(), &around)?,
        inbox: VecDeque::new(),
        standing,
        findings: Findings::of(&options.data_dir),
        node,
        store,
        rows: Rows::start(tables).map_err(NodeError::Thread)?,
        clock,
        config,
        receipt_key,
        searchers: Some(searchers),
        subscribers: Vec::new(),
        replies: BTreeMap::new(),
        next_reply: 0,
        deferred: Vec::new(),
        unavailable: None,
        block: None,
        search_time: Duration::ZERO,
        searched: 0,
    };
    let stopped = Arc::new(Mutex::new(None));
    let reason = Arc::clone(&stopped);
    let mender = Mender::new(sender.clone(), addresses, signs);
    scrub(&options.data_dir, options.scrubbing, Arc::clone(&shell.clock), Arc::clone(&stopped), mender)?;
    let thread = std::thread::Builder::new().name("node".into()).spawn(move || live(shell, requests, &reason));
    let company = Company { instance, listeners, seen: Arc::default() };
    Ok(NodeHandle::new((sender, keys, company), thread.map_err(NodeError::Thread)?, stopped, options.data_dir))
}

/// Reads again what is stored, on a thread of its own, until the node has stopped.
fn scrub(
    data_dir: &Path,
    scrubbing: Scrubbing,
    clock: Arc<dyn Clock>,
    stopped: Arc<Mutex<Option<String>>>,
    mender: Mender,
) -> Result<(), NodeError> {
    let is_over = move || stopped.lock().is_ok_and(|stopped| stopped.is_some());
    let scrub = Scrub::new(data_dir, scrubbing, clock, Box::new(is_over), mender);
    let thread = std::thread::Builder::new().name("scrub".into()).spawn(move || scrub.run());
    thread.map(drop).map_err(NodeError::Thread)
}

fn live(mut shell: Shell, requests: Receiver<Message>, stopped: &Mutex<Option<String>>) {
    let reason = shell.run(&requests);
    if let Ok(mut stopped) = stopped.lock() {
        *stopped = Some(reason);
    }
    // A searcher may be waiting to hand in what it found; without a receiver it gives up.
    drop(requests);
    if let Some(searchers) = shell.searchers.take() {
        searchers.stop();
    }
}

fn standing(data_dir: &Path, addresses: &[String]) -> Standing {
    let names = std::fs::read_dir(data_dir).into_iter().flatten().flatten();
    let is_unsure = names.into_iter().any(|entry| entry.file_name().to_str().is_some_and(repair::is_lost_checkpoint));
    Standing { has_peers: !addresses.is_empty(), is_unsure }
}

/// Reads everything stored through the checking path and derives the rows that are missing.
pub(super) fn recover(
    store: &mut Store,
    tables: &mut Tables,
    config: Config,
    standing: Standing,
) -> Result<Node, NodeError> {
    if !make_fit(store, tables)? {
        tracing::warn!("the derived tables do not fit the ledger and are made anew");
        tables.clear()?;
    }
    let threads = Threads::all();
    let mut recovery = Recovery::new(config, &threads)?;
    recovery.stand(standing, store.block_count());
    if standing.has_peers && standing.is_unsure {
        tracing::warn!(
            "checkpoints were lost to damage here: the log key signs nothing until another node has shown a checkpoint as new \
             as the newest that is left. If no other node ever had a newer one, remove the files anchors-*{}* to go on",
            repair::KEPT_MARK
        );
    }
    store.replay(LogName::Anchors, |record: Record| {
        recovery.take(record, &|_| false).map(drop).map_err(NodeError::from)
    })?;
    recovery.vouch()?;
    let mut rows = Vec::new();
    let behind = &mut *tables;
    replay_blocks(store, &mut recovery, |committed| {
        let is_new = committed.block.header().height > behind.height();
        rows.extend(is_new.then(|| Change::Derive(Box::new(committed))));
        if rows.len() >= ROWS_BATCH {
            behind.change(&rows)?;
            rows.clear();
        }
        Ok::<(), NodeError>(())
    })?;
    tables.change(&rows)?;
    let mut small = Vec::new();
    for log in [LogName::Pool, LogName::Evidence] {
        store.replay(log, |record: Record| {
            small.push(record);
            Ok::<(), StoreError>(())
        })?;
    }
    for record in small {
        recovery.take(record, &|id| store.has_attachment(id))?;
    }
    let mut node = recovery.finish()?;
    node.use_jobs(Arc::new(threads));
    Ok(node)
}

/// Reads the blocks of the present chain through the checking path, several ahead.
pub(crate) fn replay_blocks<E: From<StoreError> + From<RecoverError>>(
    store: &mut Store,
    recovery: &mut Recovery<'_>,
    mut visit: impl FnMut(Committed) -> Result<(), E>,
) -> Result<(), E> {
    recovery.take(Record::Genesis(store.genesis()?), &|_| false)?;
    let (mut ahead, mut bytes) = (Vec::new(), 0);
    let mut height = Height::GENESIS.next();
    loop {
        let read = store.block(height.number());
        let is_end = !matches!(read, Ok(Some(_)));
        let read = read.map(|block| {
            bytes += block.as_ref().map_or(0, Vec::len);
            ahead.extend(block);
        });
        height = height.next();
        // What was read before a damaged record is still good.
        if is_end || ahead.len() >= AHEAD_BLOCKS || bytes >= AHEAD_BYTES {
            bytes = 0;
            recovery.take_blocks(&std::mem::take(&mut ahead), &|id| store.has_attachment(id), &mut visit)?;
        }
        read?;
        if is_end {
            return Ok(());
        }
    }
}

/// Makes the tables fit the chain: rows of blocks that it has left are deleted. `false` when there is no telling how far
/// they fit, for example because an older copy of the ledger was put back.
fn make_fit(store: &mut Store, tables: &mut Tables) -> Result<bool, NodeError> {
    let mut height = tables.height();
    let lowest = height.number().saturating_sub(UNFINAL_MAX);
    while !has_rows_of(store, tables, height)? {
        match height.number().checked_sub(1).filter(|before| *before >= lowest) {
            Some(before) => height = Height::from_number(before),
            None => return Ok(false),
        }
    }
    if height < tables.height() {
        tables.change(&[Change::Delete { above: height }])?;
    }
    Ok(true)
}

/// Whether the rows of a height are those of the chain's block there.
fn has_rows_of(store: &mut Store, tables: &Tables, height: Height) -> Result<bool, NodeError> {
    if height == Height::GENESIS {
        return Ok(true);
    }
    let Some(bytes) = store.block(height.number())? else { return Ok(false) };
    let stored = Block::from_bytes(&bytes).ok().map(|block| block.header);
    Ok(stored.is_some() && stored == tables.header(height).ok().flatten().map(|(header, _)| header))
}
