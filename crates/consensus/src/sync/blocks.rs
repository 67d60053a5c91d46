//! Bodies: which branch is to be the own chain, its blocks from all peers that have them, and the switch to it.
//!
//! Invariant: at most one switch is under way; none goes below the tree's root. A block that broke a rule is never asked
//! for again, nor what builds on it.

use super::conduct::Misdeed;
use super::peer::BLOCKS_PER_PEER_MAX;
use super::{Blame, Contradiction, Output, Refused, Sync, Turn};
use crate::peer::{Ask, PeerId};
use ledger::{Block, Checkpoint};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use units::{BlockHash, Height, Millis, Timestamp};

/// Blocks that a reorganisation undoes at most; whoever keeps what undoing takes keeps it for so many. A community that
/// makes a block a minute is without its log key for 17 hours before it stops.
pub const REORGANISATION_BLOCKS_MAX: u64 = 1_024;
/// Blocks that are asked for ahead of the chain: at a round trip of 100 ms, 640 blocks a second.
pub const BLOCKS_AHEAD_MAX: usize = 64;
/// Bytes of blocks that wait for the switch to them; beyond it no more are asked for.
pub const BLOCKS_BYTES_MAX: usize = 64 << 20;
/// Blocks in one switch: enough to look at signatures on all cores, few enough to hear other things in between.
pub const SWITCH_BLOCKS_MAX: usize = 64;
/// Blocks that wait before a chain that only grows goes on, unless time passes or there are no more.
const SWITCH_BLOCKS_MIN: usize = 16;
/// When a block that was asked of one peer is asked of another as well.
const OVERTAKE_AFTER: Millis = Millis::from_seconds(5);
/// Peers that are asked for one block at once.
const ASKERS_MAX: usize = 3;
/// Hashes of blocks that broke a rule; each cost its maker the work for it.
const BAD_MAX: usize = 1_024;

/// A block's wire form that waits, and who sent it.
#[derive(Debug)]
struct Body {
    bytes: Vec<u8>,
    from: PeerId,
}

/// The branch that the own chain is to go on with.
#[derive(Debug)]
struct Plan {
    /// Where it leaves the own chain.
    fork: Height,
    /// Its blocks above that, oldest first.
    path: VecDeque<BlockHash>,
    /// How many of them make it better than the own chain.
    needed: usize,
    /// How many of them each peer has shown.
    shown: BTreeMap<PeerId, usize>,
}

/// The branch and its blocks.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    plan: Option<Plan>,
    is_stale: bool,
    bodies: BTreeMap<BlockHash, Body>,
    bytes: usize,
    /// The largest block of late, as a guess at those under way.
    largest: usize,
    under_way: BTreeMap<BlockHash, Vec<(PeerId, Timestamp)>>,
    switching: Option<(Height, Vec<BlockHash>)>,
    bad: BTreeSet<BlockHash>,
    bad_order: VecDeque<BlockHash>,
}

impl Blocks {
    pub(super) const fn look_again(&mut self) {
        self.is_stale = true;
    }
    pub(super) fn is_bad(&self, hash: &BlockHash) -> bool {
        self.bad.contains(hash)
    }
    /// Bytes of blocks that wait.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
    /// Blocks ahead of the own chain on the branch that is being fetched.
    pub(super) fn ahead(&self) -> usize {
        self.plan.as_ref().map_or(0, |plan| plan.path.len())
    }
    pub(super) fn release(&mut self, hash: &BlockHash, id: PeerId) {
        if let Some(asked) = self.under_way.get_mut(hash) {
            asked.retain(|(peer, _)| *peer != id);
            if asked.is_empty() {
                self.under_way.remove(hash);
            }
        }
    }
    fn keep(&mut self, hash: BlockHash, body: Body) {
        self.largest = (self.largest / 2).max(body.bytes.len());
        self.bytes += body.bytes.len();
        self.bodies.insert(hash, body);
    }
    fn drop_body(&mut self, hash: &BlockHash) -> Option<Body> {
        let body = self.bodies.remove(hash)?;
        self.bytes = self.bytes.saturating_sub(body.bytes.len());
        Some(body)
    }
    fn remember_bad(&mut self, hash: BlockHash) {
        if self.bad.insert(hash) {
            self.bad_order.push_back(hash);
        }
        while self.bad_order.len() > BAD_MAX {
            let Some(oldest) = self.bad_order.pop_front() else { return };
            self.bad.remove(&oldest);
        }
    }
    /// Blocks at the path's beginning that are here.
    fn ready(&self, plan: &Plan) -> usize {
        plan.path
            .iter()
            .take(SWITCH_BLOCKS_MAX.max(plan.needed))
            .take_while(|hash| self.bodies.contains_key(hash))
            .count()
    }
    fn has_room(&self) -> bool {
        self.bytes + (self.under_way.len() + 1) * self.largest <= BLOCKS_BYTES_MAX || self.under_way.is_empty()
    }
}

impl Sync {
    /// Chooses the branch again, if anything happened that bears on it.
    pub(super) fn plan(&mut self, turn: &mut Turn<'_>) {
        if self.blocks.switching.is_some() || !std::mem::take(&mut self.blocks.is_stale) {
            return;
        }
        let plan = self.best_tip(turn).and_then(|tip| self.plan_for(turn, &tip));
        let wanted: BTreeSet<BlockHash> = plan.iter().flat_map(|plan| &plan.path).copied().collect();
        let dropped: Vec<_> = self.blocks.bodies.keys().filter(|hash| !wanted.contains(hash)).copied().collect();
        for hash in dropped {
            self.blocks.drop_body(&hash);
        }
        self.blocks.plan = plan;
    }

    /// Fork choice: the branch of the newest anchor, if it is known; among the rest the most work; of equal work, what was
    /// seen first. `None` when that is the own chain.
    fn best_tip(&self, turn: &Turn<'_>) -> Option<BlockHash> {
        let sought = self.anchors.sought.as_ref().map(|(_, anchor)| anchor.checkpoint);
        let sought = sought.filter(|anchor| self.tree.get(&anchor.block).is_some());
        let fits = |tip: &BlockHash| {
            sought.is_none_or(|Checkpoint { height, block, .. }| self.tree.holds(tip, height, &block))
        };
        let head = self.tree.head();
        let mut best = Some(head).filter(|head| fits(&head.hash));
        for peer in self.peers.values().filter(|peer| peer.is_connected && !peer.conduct.is_banned(turn.run)) {
            let Some(link) = peer.tip.and_then(|tip| self.tree.get(&tip)) else { continue };
            let is_better = best.is_none_or(|best| {
                link.work > best.work || (link.work == best.work && best.hash != head.hash && link.seen < best.seen)
            });
            if is_better && fits(&link.hash) && self.keeps_what_was_signed(link) {
                best = Some(link);
            }
        }
        best.map(|link| link.hash).filter(|hash| *hash != head.hash)
    }

    fn plan_for(&mut self, turn: &mut Turn<'_>, tip: &BlockHash) -> Option<Plan> {
        let (fork, path) = self.tree.path_from_own(tip)?;
        let head = self.tree.head();
        if path.is_empty() {
            return None;
        }
        let undone = head.header.height.number().saturating_sub(fork.number());
        if undone > REORGANISATION_BLOCKS_MAX {
            let who = self.peers.iter().find(|(_, peer)| peer.tip.as_ref() == Some(tip)).map(|(id, _)| *id)?;
            self.tell(turn, who, (fork, *tip), Contradiction::TooDeep { fork, undone });
            return None;
        }
        let sought = self.anchors.sought.as_ref().map(|(_, anchor)| anchor.checkpoint.block);
        let sought = sought.and_then(|block| path.iter().position(|hash| *hash == block));
        let heavier = path.iter().position(|hash| self.tree.get(hash).is_some_and(|link| link.work > head.work));
        let needed = match undone {
            0 => 1,
            // The shorter of the two is enough to be the right one to follow; without either there is nothing to gain.
            _ => [sought, heavier].into_iter().flatten().min()? + 1,
        };
        let shown = self.peers.iter().filter_map(|(id, peer)| Some((*id, self.shown_of(&path, &peer.tip?)?)));
        let shown = shown.collect();
        Some(Plan { fork, path: path.into(), needed, shown })
    }

    /// How many blocks of a path lie at or below a tip.
    fn shown_of(&self, path: &[BlockHash], tip: &BlockHash) -> Option<usize> {
        let mut link = self.tree.get(tip)?;
        let first = self.tree.get(path.first()?)?.header.height;
        loop {
            let above = link.header.height.number().checked_sub(first.number())?;
            let index = usize::try_from(above).ok()?;
            if path.get(index) == Some(&link.hash) {
                return Some(index + 1);
            }
            link = self.tree.get(&link.header.previous)?;
        }
    }

    /// Gives the switch out when enough blocks are here.
    pub(super) fn switch(&mut self, turn: &mut Turn<'_>, is_tick: bool) {
        if self.blocks.switching.is_some() {
            return;
        }
        let Some(plan) = &self.blocks.plan else { return };
        let ready = self.blocks.ready(plan);
        let grows = plan.fork == self.tree.head().header.height;
        let is_full = self.blocks.bytes >= BLOCKS_BYTES_MAX && ready > 0;
        let enough = match grows {
            true => ready >= SWITCH_BLOCKS_MIN.min(plan.path.len()) || (is_tick && ready > 0),
            false => ready >= plan.needed,
        };
        // Beyond the memory for blocks the branch is taken as far as it is here: its headers prove the work behind it.
        if !enough && !is_full {
            return;
        }
        let count = ready.min(SWITCH_BLOCKS_MAX.max(plan.needed));
        let hashes: Vec<BlockHash> = plan.path.iter().take(count).copied().collect();
        let bodies = hashes.iter().filter_map(|hash| self.blocks.bodies.get(hash));
        let blocks = bodies.map(|body| body.bytes.clone()).collect();
        turn.outputs.push(Output::Switch { fork: plan.fork, blocks });
        self.blocks.switching = Some((plan.fork, hashes));
    }

    /// What came of the switch.
    pub(super) fn switched(&mut self, turn: &mut Turn<'_>, result: Result<(), Refused>) {
        let Some((fork, hashes)) = self.blocks.switching.take() else { return };
        let kept = match &result {
            Ok(()) => hashes.len(),
            Err(refused) => refused.kept.min(hashes.len()),
        };
        let head = self.tree.head().header.height;
        if kept > 0 {
            self.count_reorganisation(head, fork);
            self.tree.switch(fork, &hashes[..kept]);
            self.advance(fork < head, kept);
        }
        let senders = self.take_bodies(&hashes[..kept]);
        for id in senders {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.conduct.forgive(turn.run);
            }
        }
        if let Err(refused) = result {
            self.refuse(turn, &refused);
        }
        if kept > 0 && self.blocks.ahead() == 0 {
            self.announce(turn);
        }
    }

    fn count_reorganisation(&mut self, head: Height, fork: Height) {
        let undone = head.number().saturating_sub(fork.number());
        if undone > 0 {
            self.counters.reorganisations = self.counters.reorganisations.saturating_add(1);
            self.counters.deepest = self.counters.deepest.max(undone);
        }
    }

    /// The plan goes on behind the blocks that are own now.
    fn advance(&mut self, was_fork: bool, kept: usize) {
        let head = self.tree.head().header.height;
        let Some(plan) = &mut self.blocks.plan else { return };
        plan.path.drain(..kept.min(plan.path.len()));
        plan.fork = head;
        plan.needed = 1;
        plan.shown.values_mut().for_each(|shown| *shown = shown.saturating_sub(kept));
        if was_fork || plan.path.is_empty() {
            self.blocks.plan = None;
            self.blocks.look_again();
        }
    }

    fn take_bodies(&mut self, hashes: &[BlockHash]) -> BTreeSet<PeerId> {
        hashes.iter().filter_map(|hash| self.blocks.drop_body(hash)).map(|body| body.from).collect()
    }

    /// A block was refused: its body is fetched again from somebody else, or the block is bad for ever.
    fn refuse(&mut self, turn: &mut Turn<'_>, refused: &Refused) {
        self.blocks.look_again();
        let sender = self.blocks.drop_body(&refused.hash).map(|body| body.from);
        let height = self.tree.get(&refused.hash).map_or(Height::GENESIS, |link| link.header.height);
        let reason = refused.reason.clone();
        if refused.blame == Blame::Body {
            if let Some(id) = sender {
                self.blame(turn, id, &Misdeed::Body { height, reason });
            }
            return;
        }
        self.blocks.remember_bad(refused.hash);
        let gone = self.tree.remove(&refused.hash);
        let built_on: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(id, peer)| peer.tip.is_some_and(|tip| gone.contains(&tip)) || Some(**id) == sender)
            .map(|(id, _)| *id)
            .collect();
        for id in built_on {
            self.blame(turn, id, &Misdeed::Block(reason.clone()));
        }
        self.drop_lost_tips();
    }

    /// Asks for the blocks that are needed next, each of a peer that showed it.
    pub(super) fn ask_blocks(&mut self, turn: &mut Turn<'_>) {
        let Some(plan) = &self.blocks.plan else { return };
        let window = BLOCKS_AHEAD_MAX.max(plan.needed).min(plan.path.len());
        for index in 0..window {
            let Some(hash) = self.blocks.plan.as_ref().and_then(|plan| plan.path.get(index)).copied() else { return };
            if self.blocks.under_way.len() >= BLOCKS_AHEAD_MAX || !self.blocks.has_room() {
                return;
            }
            if self.blocks.bodies.contains_key(&hash) || !self.may_ask_for(turn, &hash) {
                continue;
            }
            if let Some(id) = self.peer_for(turn, index, &hash) {
                self.blocks.under_way.entry(hash).or_default().push((id, turn.run));
                self.ask(turn, id, Ask::Block(hash));
            }
        }
    }

    /// Whether a block is asked of nobody yet, or only of peers that are slow with it.
    fn may_ask_for(&self, turn: &Turn<'_>, hash: &BlockHash) -> bool {
        self.blocks.under_way.get(hash).is_none_or(|asked| {
            asked.len() < ASKERS_MAX && asked.iter().all(|(_, since)| turn.run.since(*since) >= OVERTAKE_AFTER)
        })
    }

    /// The peer with the least to do among those that have a block of the path and were not asked for it.
    fn peer_for(&self, turn: &Turn<'_>, index: usize, hash: &BlockHash) -> Option<PeerId> {
        let asked = self.blocks.under_way.get(hash);
        let was_asked = |id: PeerId| asked.is_some_and(|asked| asked.iter().any(|(peer, _)| *peer == id));
        let plan = self.blocks.plan.as_ref()?;
        let mut best = None;
        for (id, _) in plan.shown.iter().filter(|(id, shown)| **shown > index && !was_asked(**id)) {
            let Some(peer) = self.peers.get(id).filter(|peer| peer.is_useful(turn.run)) else { continue };
            let busy = peer.has_asked(|ask| matches!(ask, Ask::Block(_)));
            let rank = (busy, peer.conduct.score());
            if busy < BLOCKS_PER_PEER_MAX && best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, *id));
            }
        }
        best.map(|(_, id)| id)
    }

    /// A block's bytes came.
    pub(super) fn take_body(&mut self, turn: &mut Turn<'_>, id: PeerId, hash: BlockHash, bytes: Vec<u8>) {
        let Some(link) = self.tree.get(&hash) else { return };
        let height = link.header.height;
        let is_wanted = self.blocks.plan.as_ref().is_some_and(|plan| plan.path.contains(&hash));
        if let Err(reason) = is_body_of(&bytes, &hash) {
            return self.blame(turn, id, &Misdeed::Body { height, reason });
        }
        if is_wanted && !self.blocks.bodies.contains_key(&hash) {
            self.blocks.keep(hash, Body { bytes, from: id });
        }
    }

    /// A peer does not have a block that it showed: its chain is counted on only up to there.
    pub(super) fn lacks(&mut self, turn: &mut Turn<'_>, id: PeerId, hash: &BlockHash) {
        let Some(link) = self.tree.get(hash) else { return };
        let (height, parent) = (link.header.height, link.header.previous);
        self.set_tip(id, Some(parent).filter(|parent| self.tree.get(parent).is_some()));
        self.blame(turn, id, &Misdeed::Withheld(height));
    }
}

/// Whether bytes are a block of that hash. That the statements are those of the header is for the log's root to say.
fn is_body_of(bytes: &[u8], hash: &BlockHash) -> Result<(), String> {
    let block = Block::from_bytes(bytes).map_err(|error| error.to_string())?;
    let found = block.header.hash();
    if found == *hash { Ok(()) } else { Err(format!("it is block {found}")) }
}
