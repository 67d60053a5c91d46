//! A node's side of a run: its machine on the virtual disk, as its shell runs it. Records are appended at once; what is
//! shown waits until they are synced, several steps together.

mod checks;
mod life;
mod outputs;
mod peers;
mod questions;

pub(crate) use peers::Letter;

use crate::VirtualDisk;
use crate::check::Violation;
use consensus::peer::AskId;
use node::core::{Config, Node, Output};
use node::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use units::{BlockHash, Height, Millis, StatementId, Timestamp};

/// Between two ticks.
const TICK: Millis = Millis::from_seconds(2);

/// A node between two crashes.
pub(crate) struct Running {
    pub(crate) node: Node,
    pub(crate) store: Store,
    deferred: Vec<Output>,
    flush_planned: bool,
}

/// A node over all its lives.
pub(crate) struct NodeHost {
    config: Config,
    disk: VirtualDisk,
    pub(crate) running: Option<Running>,
    /// Counts its starts: what was begun before a crash is of no use after it.
    life: u64,
    /// How far its clock is ahead.
    pub(crate) clock_ahead_ms: i64,
    /// Until when it answers its peers late.
    pub(crate) slow_until: Timestamp,
    /// Whether it hears nothing of the others any more, for good.
    pub(crate) is_deaf: bool,
    /// Peers that it listens to, in which of their lives.
    connected: BTreeMap<usize, u64>,
    /// Questions that wait for an answer, and whom they were put to.
    asked: BTreeMap<AskId, usize>,
    /// What it acknowledged and what is not final yet on its chain.
    acknowledged: BTreeSet<StatementId>,
    /// What of that it gave up because it no longer applies.
    dropped: BTreeSet<StatementId>,
    /// By height - 1, what of its stored chain was looked at since its start.
    confirmed: Vec<BlockHash>,
    /// The newest block that it ever showed as final.
    shown_final: Height,
    /// Since a bit changed on its disk: the newest block that it held for final, and its newest one, until it has got as
    /// far again.
    damaged: Option<(Height, Height)>,
    pub(crate) starts: u64,
}

impl NodeHost {
    pub(crate) fn new(config: Config) -> Result<Self, Violation> {
        let disk = VirtualDisk::new();
        Store::create(Box::new(disk.clone()), &config.genesis.to_bytes())
            .map_err(|error| Violation::Broken(error.to_string()))?;
        Ok(Self {
            config,
            disk,
            running: None,
            life: 0,
            clock_ahead_ms: 0,
            slow_until: Timestamp::default(),
            is_deaf: false,
            connected: BTreeMap::new(),
            asked: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            dropped: BTreeSet::new(),
            confirmed: Vec::new(),
            shown_final: Height::GENESIS,
            damaged: None,
            starts: 0,
        })
    }

    /// The time by its own clock.
    pub(crate) fn time(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_ms(now.ms().saturating_add_signed(self.clock_ahead_ms))
    }

    /// Its machine, unless it is down.
    pub(crate) fn node(&self) -> Option<&Node> {
        self.running.as_ref().map(|running| &running.node)
    }
}

/// What nodes said in public, over all of them.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// What is final, from whichever node said so first.
    pub(crate) finals: BTreeMap<Height, BlockHash>,
    /// Rules by which statements were refused or dropped, where somebody heard of it.
    pub(crate) reasons: BTreeMap<StatementId, BTreeSet<String>>,
}
