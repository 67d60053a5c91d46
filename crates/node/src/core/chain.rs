//! The chain: the one path by which blocks come into it, and the way back for those that are not final.

use super::{Committed, Node, submission};
use api::Place;
use ledger::act::Act;
use ledger::state::{ApplyError, Entry, RecordKey, Undo};
use ledger::{Block, BlockError, CheckedBlock, Header, Means, SignedStatement, State};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use units::{AccountId, BindingId, BlockHash, Digest, Energy, Height, MeterId, StatementId};

/// Blocks that may be undone: as many as [`consensus::sync`] ever lets a node undo. An undo record holds what its block
/// replaced, some kilobytes a statement. A node with as many that are not final proposes nothing until the log key is
/// heard again.
pub const UNFINAL_MAX: u64 = consensus::sync::REORGANISATION_BLOCKS_MAX;

/// Why a block does not become part of the chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Structure, seal, work or a signature is wrong.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A rule is broken.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// It would take back what may not be taken back.
    #[error("it leaves the chain at block {fork}, below block {settled}, which is never undone")]
    Settled {
        /// Where it leaves the chain.
        fork: Height,
        /// The newest block that stays.
        settled: Height,
    },
}

/// Blocks in order and what is looked up in them.
#[derive(Debug)]
pub(super) struct Chain {
    /// Hash of every block by height.
    hashes: Vec<BlockHash>,
    heights: BTreeMap<BlockHash, Height>,
    /// Place of every statement, so that a duplicate is answered with the original's place for ever.
    places: BTreeMap<StatementId, Place>,
    /// Statements of each meter chain by their number.
    meters: BTreeMap<BindingId, Vec<StatementId>>,
    /// The newest block that is never undone, and its header; none for genesis.
    settled: Height,
    settled_header: Option<Header>,
    /// The blocks above it, oldest first.
    unsettled: VecDeque<Unsettled>,
}

/// A block with the way back.
#[derive(Debug)]
struct Unsettled {
    block: Arc<CheckedBlock>,
    undo: Undo,
}

impl Chain {
    pub(super) fn new(genesis: BlockHash) -> Self {
        Self {
            hashes: vec![genesis],
            heights: BTreeMap::from([(genesis, Height::GENESIS)]),
            places: BTreeMap::new(),
            meters: BTreeMap::new(),
            settled: Height::GENESIS,
            settled_header: None,
            unsettled: VecDeque::new(),
        }
    }

    pub(super) fn hash(&self, height: Height) -> Option<BlockHash> {
        usize::try_from(height.number()).ok().and_then(|height| self.hashes.get(height)).copied()
    }
    pub(super) fn height_of(&self, hash: &BlockHash) -> Option<Height> {
        self.heights.get(hash).copied()
    }
    pub(super) fn place(&self, id: &StatementId) -> Option<Place> {
        self.places.get(id).copied()
    }
    /// The statement with a number of a meter's chain.
    pub(super) fn at_sequence(&self, binding: &BindingId, seq: u64) -> Option<StatementId> {
        self.meters.get(binding)?.get(usize::try_from(seq).ok()?).copied()
    }
    pub(super) const fn settled(&self) -> Height {
        self.settled
    }
    pub(super) const fn settled_header(&self) -> Option<&Header> {
        self.settled_header.as_ref()
    }
    /// Whether no more blocks could be undone.
    pub(super) fn is_full(&self) -> bool {
        u64::try_from(self.unsettled.len()).is_ok_and(|unsettled| unsettled >= UNFINAL_MAX)
    }
    /// Header of a block that may yet be undone.
    pub(super) fn unsettled_header(&self, height: Height) -> Option<&Header> {
        let above = height.number().checked_sub(self.settled.number())?.checked_sub(1)?;
        self.unsettled.get(usize::try_from(above).ok()?).map(|unsettled| unsettled.block.header())
    }
    /// Headers of the blocks that may yet be undone, oldest first.
    pub(super) fn unsettled_headers(&self) -> impl Iterator<Item = &Header> {
        self.unsettled.iter().map(|unsettled| unsettled.block.header())
    }

    /// Blocks up to a height are never undone.
    pub(super) fn settle(&mut self, height: Height) {
        while let Some(oldest) = self.unsettled.pop_front_if(|oldest| oldest.block.header().height <= height) {
            self.settled_header = Some(oldest.block.header().clone());
        }
        self.settled = self.settled.max(height);
    }

    fn push(&mut self, block: Arc<CheckedBlock>, first_log_index: u64, undo: Undo) {
        let height = block.header().height;
        self.hashes.push(block.hash());
        self.heights.insert(block.hash(), height);
        for ((index, log_index), statement) in (0..).zip(first_log_index..).zip(block.statements()) {
            self.places.insert(statement.id(), Place { height, index, log_index });
            for readings in submission::readings_in(statement.signed()) {
                self.meters.entry(readings.binding).or_default().push(statement.id());
            }
        }
        if height <= self.settled {
            self.settled_header = Some(block.header().clone());
            return;
        }
        // Only other nodes' blocks come beyond the bound: of a chain that has long been theirs.
        if self.is_full() {
            self.settle(self.settled.next());
        }
        self.unsettled.push_back(Unsettled { block, undo });
    }

    /// The way back from the newest block, newest first, down to a height.
    fn undos_above(&self, height: Height) -> impl Iterator<Item = &Undo> {
        let unsettled = self.unsettled.iter().rev().take_while(move |one| one.block.header().height > height);
        unsettled.map(|one| &one.undo)
    }

    fn pop(&mut self) -> Option<Unsettled> {
        let unsettled = self.unsettled.pop_back()?;
        if let Some(hash) = self.hashes.pop() {
            self.heights.remove(&hash);
        }
        for statement in unsettled.block.statements() {
            self.places.remove(&statement.id());
            for readings in submission::readings_in(statement.signed()) {
                if let Some(chain) = self.meters.get_mut(&readings.binding) {
                    chain.pop();
                }
            }
        }
        Some(unsettled)
    }
}

impl Node {
    /// The first half of the one path into the chain: structure, seal, work, signatures.
    pub(super) fn check(&self, block: Block, means: Means<'_>) -> Result<CheckedBlock, ChainError> {
        let key_of = |account: &AccountId| self.state.key_of(account);
        let difficulty = self.state.next_difficulty();
        Ok(block.check_by(self.state.genesis(), self.state.head(), self.state.log(), difficulty, &key_of, means)?)
    }

    /// Checks a block of whoever; the pool remembers the verdicts on its statements.
    pub(super) fn check_pooled(&self, block: Block) -> Result<CheckedBlock, ChainError> {
        let is_verified = |statement: &SignedStatement, key: &Digest| {
            let pooled = self.pool.get(&statement.id()).map(|pooled| &pooled.statement);
            pooled.is_some_and(|known| known.key() == *key && known.signed() == statement)
        };
        self.check(block, Means { jobs: &*self.jobs.0, is_verified: &is_verified })
    }

    /// The second half: the rules. `size` is that of the wire form. The pool is left as it is.
    pub(super) fn apply(&mut self, block: Arc<CheckedBlock>, size: usize) -> Result<Committed, ChainError> {
        let header = block.header();
        let first_log_index = self.state.log().size();
        let month = self.state.genesis().month_at(header.time);
        let rewards = |state: &State| month.and_then(|month| state.month(month)).map_or(0, |month| month.rewards.mwh());
        let before = rewards(&self.state);
        let drafted = self.state.apply(&block)?;
        let paid = Energy::from_mwh(rewards(&self.state).saturating_sub(before));
        let gained = drafted.entries.iter().find(|(.., entry)| *entry == Entry::Reward(header.height));
        let reward = gained.map(|(_, account, _)| (*account, paid));
        self.chain.push(Arc::clone(&block), first_log_index, drafted.undo);
        let (meters, size_bytes) = (self.meters_of(&block), u64::try_from(size).unwrap_or(u64::MAX));
        let (entries, closed) = (drafted.entries, drafted.closed);
        Ok(Committed { block, size_bytes, first_log_index, entries, closed, reward, meters })
    }

    /// A copy of the state after the newest final block, of which proofs are made; `None` when more blocks are not final
    /// than are kept with the way back.
    #[must_use]
    pub fn final_state(&self) -> Option<State> {
        let (mut state, height) = (self.state.clone(), self.final_height());
        self.chain.undos_above(height).for_each(|undo| state.undo(undo.clone()));
        (state.head().height == height).then_some(state)
    }

    /// Whether a record of the state stands as the newest final block left it. `false` also when that cannot be told,
    /// because more blocks are not final than are kept with the way back.
    #[must_use]
    pub fn is_final(&self, key: &RecordKey) -> bool {
        let height = self.final_height();
        self.chain.settled <= height && !self.chain.undos_above(height).any(|undo| undo.touches(key))
    }

    /// Takes blocks back down to a height; newest first in the result. Settled ones stay.
    pub(super) fn rewind(&mut self, to: Height) -> Vec<Arc<CheckedBlock>> {
        let mut undone = Vec::new();
        while self.state.head().height > to {
            let Some(Unsettled { block, undo }) = self.chain.pop() else { break };
            self.state.undo(undo);
            undone.push(block);
        }
        undone
    }

    /// What a block holds waits no more.
    pub(super) fn take_from_pool(&mut self, block: &CheckedBlock) {
        for statement in block.statements() {
            self.pool.remove(&statement.id());
        }
    }

    fn meters_of(&self, block: &CheckedBlock) -> BTreeMap<BindingId, MeterId> {
        let acts = block.statements().iter().flat_map(|statement| &statement.payload().acts);
        let bindings = acts.filter_map(|act| match act {
            Act::Readings(readings) => Some(readings.binding),
            _ => None,
        });
        bindings.filter_map(|id| self.state.binding(&id).map(|binding| (id, binding.meter.clone()))).collect()
    }
}
