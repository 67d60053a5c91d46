//! The seam between what orders blocks and what they mean. An engine decides which block comes next; whoever implements
//! [`Order`] makes blocks, judges them and keeps them, and never learns how it was decided.
//!
//! With proof of work [`crate::sync::Sync`] and the search stand on the engine's side: a template that was searched is a
//! proposal, a switch that applied is a check, and a checkpoint of the log key is the certificate that decides a block and
//! all before it. What proof of work has besides, a chain that is undone before it is decided, stays on its side: nothing
//! here ever goes back. `docs/decisions/0013-one-seam-for-order.md` walks an engine with instant finality through it.

use ledger::{Block, Checkpoint, CheckpointError, Header, PublicKey};
use units::{BlockHash, Height, Timestamp};

/// Where a proposal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The block's number. Engines that count only views are told it by whoever adapts them, from the parent.
    pub height: Height,
    /// The attempt at deciding; several of one height may fail. 0 with proof of work.
    pub view: u64,
    /// The block that it follows; not yet decided, it may be.
    pub parent: BlockHash,
    /// When an answer comes too late to be of use.
    pub deadline: Timestamp,
}

/// What is thought of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It keeps every rule.
    Valid,
    /// It breaks a rule, now and for ever, on every node.
    Invalid(
        /// Which, for the operator.
        String,
    ),
    /// It cannot be told yet: the parent is missing, or the block is from the future. The engine asks again or abstains; to
    /// call such a block invalid would split nodes that merely know different things.
    Unknown,
}

/// What an engine needs of a node. Calls may be repeated after a crash of either side, with the same outcome.
pub trait Order {
    /// What shows that a block was decided. Never part of a hash, because two nodes may hold different ones of one block.
    type Certificate;
    /// Why something could not be kept.
    type Error;

    /// The block to propose. Asked again for the same slot it gives the same block, also after a restart, so that nobody
    /// ever signs two; `None` when there is nothing to propose.
    fn propose(&mut self, slot: &Slot) -> Option<Block>;

    /// Whether a block may be decided in a slot. Has no effects: the view may be dropped.
    fn check(&self, slot: &Slot, block: &Block) -> Verdict;

    /// A block was decided. Called in the order of heights, at least once for each; durable when it returns. A
    /// certificate for a later block decides all before it.
    ///
    /// # Errors
    /// When it cannot be made durable; the engine goes no further.
    fn decided(&mut self, block: &Block, certificate: &Self::Certificate) -> Result<(), Self::Error>;

    /// What shows that a block of this height, or a later one on top of it, was decided; for nodes that catch up.
    fn certificate(&self, height: Height) -> Option<Self::Certificate>;

    /// A block by its hash, decided or not; for nodes that catch up.
    fn block(&self, id: &BlockHash) -> Option<Block>;
}

/// Proof of work's certificate: whether a signed note of the log key decides the block of this header. Needs no state, so
/// that anybody can check it anywhere.
///
/// # Errors
/// When the note is not one of the log key.
pub fn certifies(note: &str, log_key: &PublicKey, header: &Header) -> Result<bool, CheckpointError> {
    Ok(Checkpoint::open(note, log_key)? == Checkpoint::for_header(header))
}
