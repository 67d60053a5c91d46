//! What nodes say to each other, whatever carries it. Each [`Ask`] has one [`Answer`]; nothing in an answer is believed.

use ledger::Header;
use units::{BlockHash, Height, StatementId};

/// Tells one peer from another on this node; never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerId(
    /// Counted up from 0.
    pub u32,
);

/// Tells one question from another; never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskId(
    /// Counted up from 1.
    pub u64,
);

/// Headers in one answer: 108 kB, so that a link of 1 Mbit/s carries it within a second.
pub const HEADERS_MAX: usize = 512;
/// Hashes in one locator: ten of the newest and then one for each doubling cover 2^54 blocks.
pub const LOCATOR_MAX: usize = 64;
/// Ids in one answer about a pool: 64 kB.
pub const POOL_IDS_MAX: usize = 2_048;

/// What a node asks another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Its newest block, and the newest checkpoint that it knows.
    Head,
    /// Headers of its chain after the first of these blocks that it has, oldest first, at most [`HEADERS_MAX`].
    Headers {
        /// Hashes of the asker's chain, newest first, with growing gaps, genesis last; at most [`LOCATOR_MAX`].
        locator: Vec<BlockHash>,
    },
    /// A block's wire form.
    Block(BlockHash),
    /// The attachment of a `readings` statement.
    Attachment(StatementId),
    /// Ids of what waits for a block, oldest first, at most [`POOL_IDS_MAX`].
    Pool,
    /// The submission form of a statement that waits, with its attachment.
    Waiting(StatementId),
}

/// What comes of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Ask::Head`].
    Head(Head),
    /// To [`Ask::Headers`]. Empty when the peer's chain ends at the block found.
    Headers(Vec<Header>),
    /// To [`Ask::Block`].
    Block(Vec<u8>),
    /// To [`Ask::Attachment`].
    Attachment(Vec<u8>),
    /// To [`Ask::Pool`].
    Pool(Vec<StatementId>),
    /// To [`Ask::Waiting`].
    Waiting(Vec<u8>),
    /// The peer says that it does not have what was asked for.
    Missing,
    /// Nothing usable came.
    Failed(Failed),
}

/// Where a peer says that its chain ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Height of its newest block.
    pub height: Height,
    /// Hash of its newest block.
    pub hash: BlockHash,
    /// The newest checkpoint that it knows, a signed note.
    pub anchor: Option<String>,
}

/// Why nothing usable came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// No connection, or it broke off.
    #[error("not reached: {0}")]
    Unreachable(String),
    /// The time for it was up.
    #[error("no answer in time")]
    TimedOut,
    /// The answer went on beyond the limit for its kind.
    #[error("the answer is longer than any such answer may be")]
    TooLong,
    /// What came is not of the form that a node sends.
    #[error("not a node's answer: {0}")]
    Malformed(String),
    /// The node there keeps another ledger.
    #[error("a node of another ledger, {0}")]
    OtherLedger(String),
    /// It has no time for this; asked again later.
    #[error("the peer is busy")]
    Busy,
}
