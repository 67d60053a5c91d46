//! Keeping up with other nodes: [`Sync::step`] takes the time and an input and gives a list of outputs. It asks peers for
//! headers first, computes the work itself, chooses a branch, fetches its blocks from all peers that have them, and tells
//! the caller when to switch; the caller applies blocks, stores, and carries questions and answers.
//!
//! Invariants: nothing a peer says is believed. No switch goes below the newest anchor, and a branch without it is never
//! chosen. Of two branches with it the one with more work is; of equal work, what was seen first stays. Whatever peers
//! do, memory stays within the named maxima, and a wrong clock neither bans an honest peer nor loses a branch: distances
//! in time are taken from the node's run, which a jump of the clock moves by [`JUMP_MAX`] at most.

mod anchor;
mod blocks;
mod conduct;
mod gossip;
mod header;
mod headers;
mod peer;
mod tree;
mod view;

pub use anchor::Anchor;
pub use blocks::{BLOCKS_AHEAD_MAX, BLOCKS_BYTES_MAX, REORGANISATION_BLOCKS_MAX, SWITCH_BLOCKS_MAX};
pub use conduct::{BAN_FIRST, BAN_MAX, Misdeed, SCORE_MAX};
pub use gossip::WANTED_MAX;
pub use header::{FUTURE_MAX, HeaderError};
pub use headers::HEADERS_AHEAD_MAX;
pub use peer::{BLOCKS_PER_PEER_MAX, PEERS_MAX, STATEMENTS_PER_PEER_MAX};
pub use view::{Counters, PeerState, PeerView};

use crate::peer::{Answer, Ask, AskId, Failed, Head, PeerId};
use anchor::Anchors;
use blocks::Blocks;
use gossip::Gossip;
use header::HeaderRules;
use ledger::{BlockError, Genesis, Header, PublicKey};
use peer::{Asked, HEAD_EVERY, Kind, LOST_AFTER, POOL_EVERY, Peer};
use std::collections::BTreeMap;
use tree::Tree;
use units::{BlockHash, Height, LedgerId, Millis, StatementId, Timestamp};

/// The most that one step moves the node's run on: a longer distance is a clock that was put right, or a machine that
/// slept, and no peer's fault.
pub const JUMP_MAX: Millis = Millis::from_minutes(1);

/// Stands for this node where a peer is named: what its own store says, no peer said.
pub const ITSELF: PeerId = PeerId(u32::MAX);

/// The node's own chain.
#[derive(Debug, Clone)]
pub struct Own {
    /// Hashes of the blocks below `root`, genesis first.
    pub below: Vec<BlockHash>,
    /// The newest final block; genesis before the first checkpoint.
    pub root: Header,
    /// The blocks above it, oldest first.
    pub above: Vec<Header>,
    /// The checkpoint that makes `root` final.
    pub anchor: Option<String>,
}

/// What happens to a node among its peers.
#[derive(Debug, Clone)]
pub enum Input {
    /// A peer may be asked from now on. Beyond [`PEERS_MAX`] it is not taken.
    Connected {
        /// Which.
        peer: PeerId,
    },
    /// A peer may not be asked any more. What is held against it is remembered.
    Disconnected {
        /// Which.
        peer: PeerId,
    },
    /// A connected peer announces where its chain ends.
    Heard {
        /// Which.
        peer: PeerId,
        /// Where.
        head: Head,
    },
    /// A connected peer announces statements that wait.
    Offered {
        /// Which.
        peer: PeerId,
        /// Their ids, without those that this node has.
        ids: Vec<StatementId>,
    },
    /// What came of an [`Output::Ask`]. In an [`Answer::Pool`] the caller leaves out the ids that this node has.
    Answered {
        /// Who was asked.
        peer: PeerId,
        /// Which question.
        id: AskId,
        /// The answer.
        answer: Answer,
    },
    /// The own chain grew by a block of this node's own.
    Extended {
        /// Its header.
        header: Header,
        /// What the own log key signed thereupon. Said together, so that nothing is planned in between that undoes it.
        anchor: Option<String>,
    },
    /// The own log key signed a block of the own chain.
    Anchored {
        /// The signed note.
        note: String,
    },
    /// What came of an [`Output::Switch`].
    Switched {
        /// Whether all blocks are part of the chain now.
        result: Result<(), Refused>,
        /// What the own log key signed thereupon.
        anchor: Option<String>,
    },
    /// The attachments of these statements are missing. May be said again; known wishes are not doubled.
    Wanted {
        /// The statements, those wanted soonest first.
        statements: Vec<StatementId>,
    },
    /// What a peer sent turned out worthless: a statement that nobody signed, an attachment that does not fit.
    Faulted {
        /// Who sent it.
        peer: PeerId,
        /// What is wrong with it, for the operator.
        reason: String,
    },
    /// Time has passed. Comes a few times a second.
    Tick,
}

/// A block that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its hash.
    pub hash: BlockHash,
    /// How many of the blocks before it, of the same switch, are part of the chain now. 0 when the chain was put back as
    /// it was before.
    pub kept: usize,
    /// Whether the block is bad, or only the bytes that came.
    pub blame: Blame,
    /// What is wrong with it, for the operator.
    pub reason: String,
}

/// What a refusal tells about a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The bytes are not those that belong to the hash, which covers neither the seal nor the form: whoever sent them
    /// lied, and others may have the right ones.
    Body,
    /// The block itself breaks a rule, whoever sends it.
    Block,
}

impl From<&BlockError> for Blame {
    fn from(error: &BlockError) -> Self {
        match error {
            // Looked at before the signatures are, so a statement that the log's root covers is the block's own.
            BlockError::Form(_)
            | BlockError::FieldLength
            | BlockError::TooLarge
            | BlockError::LogRoot
            | BlockError::Seal(_) => Self::Body,
            _ => Self::Block,
        }
    }
}

/// What a node wants done among its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Put a question to a peer; answered by [`Input::Answered`], always, if only with a failure.
    Ask {
        /// Whom.
        peer: PeerId,
        /// Names the question.
        id: AskId,
        /// The question.
        ask: Ask,
    },
    /// Undo the own chain down to `fork`, then apply these blocks. If one does not apply, those before it may stay when
    /// nothing was undone; otherwise the chain is put back as it was. Answered by [`Input::Switched`].
    Switch {
        /// The newest block that stays.
        fork: Height,
        /// The blocks' wire forms, oldest first; never empty. Their headers' hashes are those that were asked for.
        blocks: Vec<Vec<u8>>,
    },
    /// The log key signed a block of the own chain: it and all before it are final.
    Anchor {
        /// The signed note; its signature and the block are right.
        note: String,
    },
    /// An attachment that was wanted; that it fits its statement is for the caller to see.
    Attachment {
        /// Who sent it.
        peer: PeerId,
        /// The statement.
        statement: StatementId,
        /// The attachment.
        bytes: Vec<u8>,
    },
    /// A statement from a peer's pool, to be admitted like any other.
    Waiting {
        /// Who sent it.
        peer: PeerId,
        /// The statement that was asked for.
        statement: StatementId,
        /// Its submission form.
        bytes: Vec<u8>,
    },
    /// A peer is left alone for a while; nothing else is to be done.
    Ban {
        /// Which.
        peer: PeerId,
        /// Until when, by this node's clock.
        until: Timestamp,
        /// Why, for the operator.
        reason: String,
    },
    /// Tell the peers where the own chain ends now.
    Announce {
        /// Where.
        head: Head,
    },
    /// A peer shows what cannot be true together with what this node knows; told once of each.
    Contradiction {
        /// Who.
        peer: PeerId,
        /// What.
        contradiction: Contradiction,
    },
}

/// What cannot be true together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// A peer's chain leaves the own one below the newest anchor. It may not have heard the anchor yet.
    #[error("its chain leaves this node's after block {common}, below the newest checkpoint; it is not followed")]
    LeavesBelowAnchor {
        /// The newest block that both have.
        common: Height,
    },
    /// The log key signed two histories: the proof that whoever holds it cheated, or lost it.
    #[error(
        "the log key signed two histories; keep both checkpoints, and ask whoever holds the log key.\n{ours}\n{theirs}"
    )]
    TwoHistories {
        /// The newest note for the own chain.
        ours: String,
        /// The note that contradicts it.
        theirs: String,
    },
    /// The log key signed a block that breaks a rule of this program.
    #[error("the log key signed a block that this program refuses; one of the two is defective.\n{note}")]
    BadBlock {
        /// The signed note.
        note: String,
    },
    /// The branch to follow leaves the own chain deeper than anything is undone.
    #[error(
        "its chain leaves this node's after block {fork}, {undone} blocks back; \
             this is more than a node undoes: begin again in a new folder, from that peer"
    )]
    TooDeep {
        /// The newest block that both have.
        fork: Height,
        /// Own blocks above it.
        undone: u64,
    },
}

/// Time as this node has run, which no wrong clock moves.
#[derive(Debug, Default)]
struct Clock {
    seen: Option<Timestamp>,
    run: Timestamp,
}

impl Clock {
    fn advance(&mut self, now: Timestamp) {
        let passed = self.seen.map_or(Millis::ZERO, |seen| now.since(seen).min(JUMP_MAX));
        self.run = self.run + passed;
        self.seen = Some(now);
    }
}

/// One step under way.
struct Turn<'a> {
    /// By the node's clock.
    now: Timestamp,
    /// By the node's run.
    run: Timestamp,
    outputs: &'a mut Vec<Output>,
}

/// The machine that keeps a node up with its peers.
#[derive(Debug)]
pub struct Sync {
    ledger: LedgerId,
    log_key: PublicKey,
    rules: HeaderRules,
    clock: Clock,
    tree: Tree,
    /// Whether the tree holds headers that nobody shows any more.
    is_unswept: bool,
    anchors: Anchors,
    peers: BTreeMap<PeerId, Peer>,
    asks: u64,
    blocks: Blocks,
    gossip: Gossip,
    counters: Counters,
}

impl Sync {
    /// For a node with this chain.
    #[must_use]
    pub fn new(genesis: &Genesis, own: Own) -> Self {
        let checkpoint = ledger::Checkpoint::for_header(&own.root);
        let newest = own.anchor.clone().map(|note| Anchor { checkpoint, note });
        Self {
            ledger: genesis.ledger(),
            log_key: genesis.log_key.clone(),
            rules: HeaderRules::new(genesis),
            clock: Clock::default(),
            tree: Tree::new(own),
            is_unswept: false,
            anchors: Anchors { newest, ..Anchors::default() },
            peers: BTreeMap::new(),
            asks: 0,
            blocks: Blocks::default(),
            gossip: Gossip::default(),
            counters: Counters::default(),
        }
    }

    /// One step. Outputs are to be carried out in order.
    #[must_use]
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        self.clock.advance(now);
        let mut outputs = Vec::new();
        let mut turn = Turn { now, run: self.clock.run, outputs: &mut outputs };
        let is_tick = matches!(input, Input::Tick);
        self.take(&mut turn, input);
        self.drive(&mut turn, is_tick);
        outputs
    }

    fn take(&mut self, turn: &mut Turn<'_>, input: Input) {
        match input {
            Input::Connected { peer } => self.connect(turn.run, peer),
            Input::Disconnected { peer } => self.disconnect(turn.run, peer),
            Input::Heard { peer, head } if self.is_heard(peer) => self.heard(turn, peer, head),
            Input::Offered { peer, ids } if self.is_heard(peer) => self.offered(turn, peer, &ids),
            Input::Heard { .. } | Input::Offered { .. } => {}
            Input::Answered { peer, id, answer } => self.answered(turn, peer, id, answer),
            Input::Extended { header, anchor } => {
                if self.tree.extend(&header) {
                    self.blocks.look_again();
                    self.announce(turn);
                }
                self.anchored(turn, anchor.as_deref());
            }
            Input::Anchored { note } => self.anchored(turn, Some(&note)),
            Input::Switched { result, anchor } => {
                self.switched(turn, result);
                self.anchored(turn, anchor.as_deref());
            }
            Input::Wanted { statements } => self.gossip.want(turn.run, statements),
            Input::Faulted { peer, reason } => self.blame(turn, peer, &Misdeed::Worthless(reason)),
            Input::Tick => self.expire(turn),
        }
    }

    /// What follows from what is known now.
    fn drive(&mut self, turn: &mut Turn<'_>, is_tick: bool) {
        if std::mem::take(&mut self.is_unswept) {
            self.tree.sweep(self.peers.values().filter_map(|peer| peer.tip));
        }
        self.settle_anchor(turn);
        self.plan(turn);
        self.switch(turn, is_tick);
        self.ask_chains(turn);
        self.ask_blocks(turn);
        self.ask_statements(turn);
    }

    fn is_heard(&self, id: PeerId) -> bool {
        self.peers.get(&id).is_some_and(|peer| peer.is_connected && !peer.conduct.is_banned(self.clock.run))
    }

    fn connect(&mut self, run: Timestamp, id: PeerId) {
        if !self.peers.contains_key(&id) && self.peers.len() >= PEERS_MAX {
            // Who is away makes room; of those the ones that nothing is held against.
            let away = self.peers.iter().filter(|(_, peer)| !peer.is_connected);
            let Some(id) = away.min_by_key(|(_, peer)| peer.conduct.score()).map(|(id, _)| *id) else { return };
            self.peers.remove(&id);
        }
        self.peers.entry(id).or_insert_with(|| Peer::new(run)).connect(run);
    }

    fn disconnect(&mut self, run: Timestamp, id: PeerId) {
        self.let_go(run, id);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.is_connected = false;
        }
    }

    /// Forgets what a peer was asked and what its chain looks like.
    fn let_go(&mut self, run: Timestamp, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let asks = std::mem::take(&mut peer.asks);
        peer.forget();
        for asked in asks.into_values() {
            self.release(run, id, &asked.ask);
        }
        self.is_unswept = true;
        self.blocks.look_again();
    }

    /// Holds a misdeed against a peer; when it is too much, the peer is left alone for a while.
    fn blame(&mut self, turn: &mut Turn<'_>, id: PeerId, misdeed: &Misdeed) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.failure = Some(misdeed.to_string());
        let Some(ban) = peer.conduct.blame(turn.run, misdeed) else { return };
        let (until, reason) = (turn.now + ban, misdeed.to_string());
        turn.outputs.push(Output::Ban { peer: id, until, reason });
        self.let_go(turn.run, id);
    }

    fn answered(&mut self, turn: &mut Turn<'_>, id: PeerId, ask: AskId, answer: Answer) {
        // An answer that was given up on is not looked at any more.
        let Some(asked) = self.peers.get_mut(&id).and_then(|peer| peer.asks.remove(&ask)) else { return };
        self.release(turn.run, id, &asked.ask);
        if let Answer::Failed(failed) = answer {
            return self.failed(turn, id, &failed);
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.reached();
        }
        match (asked.ask, answer) {
            (Ask::Head, Answer::Head(head)) => self.heard(turn, id, head),
            (Ask::Headers { .. }, Answer::Headers(headers)) => self.take_headers(turn, id, &headers),
            (Ask::Block(hash), Answer::Block(bytes)) => self.take_body(turn, id, hash, bytes),
            (Ask::Block(hash), Answer::Missing) => self.lacks(turn, id, &hash),
            (Ask::Attachment(statement), Answer::Attachment(bytes)) => self.take_attachment(turn, id, statement, bytes),
            (Ask::Pool, Answer::Pool(ids)) => self.offered(turn, id, &ids),
            (Ask::Waiting(statement), Answer::Waiting(bytes)) => self.take_waiting(turn, id, statement, bytes),
            // It went into a block meanwhile, or was erased.
            (Ask::Attachment(_) | Ask::Waiting(_), Answer::Missing) => {}
            _ => self.blame(turn, id, &Misdeed::WrongAnswer),
        }
    }

    fn failed(&mut self, turn: &mut Turn<'_>, id: PeerId, failed: &Failed) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let was_node = matches!(peer.kind, Kind::Node | Kind::NewerProgram);
        peer.failure = Some(failed.to_string());
        match failed {
            Failed::OtherLedger(_) => {
                peer.is_foreign(turn.run, Kind::OtherLedger);
                self.let_go(turn.run, id);
            }
            Failed::Malformed(_) if !was_node => peer.is_foreign(turn.run, Kind::NotANode),
            Failed::Malformed(reason) => self.blame(turn, id, &Misdeed::Malformed(reason.clone())),
            Failed::TooLong => self.blame(turn, id, &Misdeed::TooLong),
            // A lossy line looks like a silent peer, so neither is held against it: it is asked less often.
            Failed::TimedOut | Failed::Unreachable(_) => self.unreached(turn.run, id),
            Failed::Busy => drop(peer.pause(turn.run)),
        }
    }

    /// A peer that fails several times in a row is not counted on for its branch until it answers again.
    fn unreached(&mut self, run: Timestamp, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if !peer.pause(run) {
            self.set_tip(id, None);
        }
    }

    /// Tips whose links are gone are none.
    fn drop_lost_tips(&mut self) {
        for peer in self.peers.values_mut() {
            peer.tip = peer.tip.filter(|tip| self.tree.get(tip).is_some());
        }
    }

    /// Lets time pass: questions without an answer are given up, and old faults forgiven.
    fn expire(&mut self, turn: &mut Turn<'_>) {
        let run = turn.run;
        let mut lost = Vec::new();
        for (id, peer) in &mut self.peers {
            peer.conduct.forgive(run);
            let late = peer.asks.iter().filter(|(_, asked)| run.since(asked.since) >= LOST_AFTER);
            lost.extend(late.map(|(ask, _)| (*id, *ask)));
        }
        for (id, ask) in lost {
            self.answered(turn, id, ask, Answer::Failed(Failed::TimedOut));
        }
    }

    /// Asks for heads, headers and pools that are due.
    fn ask_chains(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<PeerId> = self.peers.keys().copied().collect();
        for id in ids {
            let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.is_ready(turn.run)) else { continue };
            if turn.run >= peer.head_due && peer.has_asked(|ask| *ask == Ask::Head) == 0 {
                peer.head_due = turn.run + HEAD_EVERY;
                self.ask(turn, id, Ask::Head);
            }
            let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.is_useful(turn.run)) else { continue };
            if turn.run >= peer.pool_due && peer.has_asked(|ask| *ask == Ask::Pool) == 0 {
                peer.pool_due = turn.run + POOL_EVERY;
                self.ask(turn, id, Ask::Pool);
            }
            if let Some(ask) = self.headers_ask(turn, id) {
                self.ask(turn, id, ask);
            }
        }
    }

    fn ask(&mut self, turn: &mut Turn<'_>, id: PeerId, ask: Ask) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        self.asks += 1;
        let name = AskId(self.asks);
        peer.asked = peer.asked.saturating_add(1);
        peer.asks.insert(name, Asked { ask: ask.clone(), since: turn.run });
        turn.outputs.push(Output::Ask { peer: id, id: name, ask });
    }

    fn announce(&self, turn: &mut Turn<'_>) {
        turn.outputs.push(Output::Announce { head: self.head() });
    }

    /// Where the own chain ends.
    #[must_use]
    pub fn head(&self) -> Head {
        let link = self.tree.head();
        let anchor = self.anchors.newest.as_ref().map(|anchor| anchor.note.clone());
        Head { height: link.header.height, hash: link.hash, anchor }
    }

    /// The newest checkpoint for a block of the own chain.
    #[must_use]
    pub const fn anchor(&self) -> Option<&Anchor> {
        self.anchors.newest.as_ref()
    }

    /// Hash of a block of the own chain; `None` above its head.
    #[must_use]
    pub fn hash(&self, height: Height) -> Option<BlockHash> {
        self.tree.own_hash(height)
    }

    /// Whether a newer checkpoint was heard of a block that the own chain does not have yet.
    #[must_use]
    pub const fn is_behind_anchor(&self) -> bool {
        self.anchors.sought.is_some()
    }
}
