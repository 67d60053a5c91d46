//! One peer: what it said last, what it was asked, and when it is asked again.

use super::anchor::Anchor;
use super::conduct::Conduct;
use crate::peer::{Ask, AskId, Head};
use ledger::Header;
use std::collections::{BTreeMap, VecDeque};
use units::{BlockHash, Millis, StatementId, Timestamp};

/// Peers that are known at once: a community has tens of members, and each peer may hold headers in memory.
pub const PEERS_MAX: usize = 64;
/// Blocks that one peer is asked for at once: enough to hide a round trip, few enough to leave it to others as well.
pub const BLOCKS_PER_PEER_MAX: usize = 4;
/// Statements and attachments that one peer is asked for at once.
pub const STATEMENTS_PER_PEER_MAX: usize = 4;

/// How often a peer is asked for its head even if it announces nothing.
pub(super) const HEAD_EVERY: Millis = Millis::from_seconds(30);
/// How often a peer is asked what waits in its pool.
pub(super) const POOL_EVERY: Millis = Millis::from_seconds(15);
/// How soon headers are asked for again when the last answer brought none.
pub(super) const HEADERS_PAUSE: Millis = Millis::from_seconds(5);
/// The first pause after a peer was not reached; doubles up to [`REST_MAX`].
const REST_FIRST: Millis = Millis::from_seconds(1);
/// The longest pause: a peer that comes back is heard within a minute.
const REST_MAX: Millis = Millis::from_minutes(1);
/// How rarely an address is asked at which no node of this ledger is.
const REST_FOREIGN: Millis = Millis::from_minutes(10);
/// Failures in a row after which a peer's branch is no longer counted on.
const SILENT_MAX: u32 = 3;
/// When a question is given up whose answer never came; whoever carries questions gives up earlier.
pub(super) const LOST_AFTER: Millis = Millis::from_minutes(3);

/// What there is at a peer's address, as far as it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing was answered yet.
    Unknown,
    Node,
    NewerProgram,
    OtherLedger,
    NotANode,
}

/// A question under way.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) ask: Ask,
    pub(super) since: Timestamp,
}

/// A walk along a branch that leaves the own chain below the newest anchor: nothing of it is kept but its end.
#[derive(Debug, Clone)]
pub(super) struct Stray {
    pub(super) last: Header,
    pub(super) windows: u32,
}

/// A peer. Times are those of the node's run.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) is_connected: bool,
    pub(super) kind: Kind,
    pub(super) head: Option<Head>,
    pub(super) anchor: Option<Anchor>,
    /// The newest header of its chain that is in the tree.
    pub(super) tip: Option<BlockHash>,
    pub(super) stray: Option<Stray>,
    /// Whether it was told of this peer that it is on another history.
    pub(super) is_apart: bool,
    pub(super) asks: BTreeMap<AskId, Asked>,
    /// Statements in its pool that are to be fetched.
    pub(super) ids: VecDeque<StatementId>,
    pub(super) conduct: Conduct,
    pub(super) failure: Option<String>,
    pub(super) asked: u64,
    pub(super) answered: u64,
    pub(super) head_due: Timestamp,
    pub(super) headers_due: Timestamp,
    pub(super) pool_due: Timestamp,
    rest_until: Timestamp,
    rest: Millis,
    failures: u32,
}

impl Peer {
    pub(super) const fn new(run: Timestamp) -> Self {
        Self {
            is_connected: false,
            kind: Kind::Unknown,
            head: None,
            anchor: None,
            tip: None,
            stray: None,
            is_apart: false,
            asks: BTreeMap::new(),
            ids: VecDeque::new(),
            conduct: Conduct::new(run),
            failure: None,
            asked: 0,
            answered: 0,
            head_due: run,
            headers_due: run,
            pool_due: run,
            rest_until: run,
            rest: REST_FIRST,
            failures: 0,
        }
    }

    pub(super) fn connect(&mut self, run: Timestamp) {
        self.is_connected = true;
        (self.head_due, self.headers_due, self.pool_due) = (run, run, run);
        (self.rest_until, self.rest, self.failures) = (run, REST_FIRST, 0);
    }

    /// Forgets what was to be asked and what its chain looks like; what is held against it stays.
    pub(super) fn forget(&mut self) {
        self.tip = None;
        self.stray = None;
        self.is_apart = false;
        self.asks.clear();
        self.ids.clear();
    }

    /// Whether it may be asked at all now.
    pub(super) fn is_ready(&self, run: Timestamp) -> bool {
        self.is_connected && run >= self.rest_until && !self.conduct.is_banned(run)
    }

    /// Whether it may be asked about its chain and its statements: once it has shown itself a node.
    pub(super) fn is_useful(&self, run: Timestamp) -> bool {
        self.is_ready(run) && matches!(self.kind, Kind::Node | Kind::NewerProgram)
    }

    pub(super) fn has_asked(&self, matches: impl Fn(&Ask) -> bool) -> usize {
        self.asks.values().filter(|asked| matches(&asked.ask)).count()
    }

    pub(super) fn reached(&mut self) {
        self.answered = self.answered.saturating_add(1);
        (self.rest, self.failures) = (REST_FIRST, 0);
        if self.kind != Kind::NewerProgram {
            self.kind = Kind::Node;
        }
    }

    /// It was not reached, or has no time: a pause, longer each time. Whether its branch is still counted on.
    pub(super) fn pause(&mut self, run: Timestamp) -> bool {
        self.rest_until = run + self.rest;
        self.rest = Millis::from_ms(self.rest.ms().saturating_mul(2)).min(REST_MAX);
        self.failures = self.failures.saturating_add(1);
        self.head_due = self.head_due.min(self.rest_until);
        self.failures < SILENT_MAX
    }

    /// No node of this ledger answers there.
    pub(super) fn is_foreign(&mut self, run: Timestamp, kind: Kind) {
        self.kind = kind;
        self.rest_until = run + REST_FOREIGN;
        self.head_due = self.rest_until;
    }

    /// Whether it failed so often that it cannot be counted on.
    pub(super) const fn is_unreachable(&self) -> bool {
        self.failures >= SILENT_MAX
    }
}
