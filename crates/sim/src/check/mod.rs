//! The checkers: what must hold after every step, as functions of plain values, so that each can be shown a planted bug.
//!
//! [`promises`] holds what nodes and gateways said against what is there, [`energy`] holds the books against the meters.

pub mod energy;
pub mod promises;
#[cfg(test)]
mod tests;

use units::{AccountId, BlockHash, Height, MeterId, Month, StatementId, Timestamp};

/// What was found wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A promise was broken.
    #[error("statement {0} was acknowledged, and is neither in the pool nor in the chain")]
    AcknowledgedLost(StatementId),
    /// Readings were taken, and then given up.
    #[error("the readings of statement {0} were acknowledged and then dropped")]
    ReadingsDropped(StatementId),
    /// Something final was replaced.
    #[error("block {height} was final as {was} and is {is:?} now")]
    FinalChanged {
        /// The height.
        height: Height,
        /// What was final.
        was: BlockHash,
        /// What is there now.
        is: Option<BlockHash>,
    },
    /// Two nodes hold different blocks for final.
    #[error("block {height} is final as {one} on one node and as {other} on another")]
    FinalForked {
        /// The height.
        height: Height,
        /// What was final first.
        one: BlockHash,
        /// What is final elsewhere.
        other: BlockHash,
    },
    /// The log key's signature stands on a block that the chain of the node that shows it does not have.
    #[error("the checkpoint of block {height} names {signed}, and the node's chain has {found:?} there")]
    AnchorOffChain {
        /// The height.
        height: Height,
        /// What was signed.
        signed: BlockHash,
        /// What the chain has.
        found: Option<BlockHash>,
    },
    /// Somebody was told that a statement is final, and it is not.
    #[error("statement {statement} was said to be final, but {reason}")]
    FalseReceipt {
        /// The statement.
        statement: StatementId,
        /// What is there instead.
        reason: String,
    },
    /// A statement stands in a chain more than once.
    #[error("statement {0} is in the chain twice")]
    BookedTwice(StatementId),
    /// An honest node was taken for a liar.
    #[error("node {node} leaves node {peer} alone, which did nothing wrong: {reason}")]
    HonestBanned {
        /// Who bans.
        node: usize,
        /// Who is banned.
        peer: usize,
        /// What is held against it.
        reason: String,
    },
    /// Two statements that exclude each other are both in the chain.
    #[error("the same energy was sold twice, by {0} and by {1}")]
    SoldTwice(StatementId, StatementId),
    /// A statement was given up and nobody was told why.
    #[error("statement {0} was dropped or refused, and nobody was told why")]
    NotTold(StatementId),
    /// The sheets hold another amount than the counter moved by.
    #[error("meter {meter}: its sheets booked {booked} mWh, its counter moved by {moved} mWh")]
    BookedOtherwise {
        /// The meter.
        meter: MeterId,
        /// Sum over all sheets.
        booked: i128,
        /// By the readings committed.
        moved: i128,
    },
    /// A reading stands in two intervals, or before an earlier one.
    #[error("meter {meter}: the reading of {} ms is committed twice or out of order", .time.ms())]
    ReadingTwice {
        /// The meter.
        meter: MeterId,
        /// The reading.
        time: Timestamp,
    },
    /// The ledger holds a reading that no meter gave.
    #[error("meter {meter}: the committed reading of {} ms is not the one that was stored", .time.ms())]
    ReadingInvented {
        /// The meter.
        meter: MeterId,
        /// The reading.
        time: Timestamp,
    },
    /// The gateway stored a reading and it never reached the ledger.
    #[error("meter {meter}: the stored reading of {} ms is in no committed interval", .time.ms())]
    ReadingNotCommitted {
        /// The meter.
        meter: MeterId,
        /// The reading.
        time: Timestamp,
    },
    /// The gateway's database forgot what it had taken.
    #[error("meter {meter}: the reading of {} ms was stored, and is gone after a power cut", .time.ms())]
    StoredReadingLost {
        /// The meter.
        meter: MeterId,
        /// The reading.
        time: Timestamp,
    },
    /// Committed readings without their evidence.
    #[error("the attachment of the committed statement {statement} is unusable: {reason}")]
    AttachmentLost {
        /// The statement.
        statement: StatementId,
        /// Why.
        reason: String,
    },
    /// Double entry.
    #[error("{month}: {what} is {found} mWh and should be {right} mWh")]
    Unbalanced {
        /// The month.
        month: Month,
        /// Which sum.
        what: &'static str,
        /// As it stands.
        found: i128,
        /// As the sheets say.
        right: i128,
    },
    /// A trade took more than there was.
    #[error("{account} traded away more than remained in {month}")]
    SoldBeyond {
        /// The seller.
        account: AccountId,
        /// The month.
        month: Month,
    },
    /// A statement that must be refused is in the chain.
    #[error("statement {0} gives more than anybody has, and is in the chain")]
    ForbiddenBooked(StatementId),
    /// The stored chain does not give what the node says.
    #[error("replaying the stored chain: {0}")]
    Replay(String),
    /// The node cannot go on from what it stored.
    #[error("the node does not start again: {0}")]
    WillNotStart(String),
    /// The node stopped because it found itself defective.
    #[error("the node halted: {0}")]
    Halted(String),
    /// With nothing in the way any more, something still does not come to its end.
    #[error("healed, but after {minutes} minutes {what}")]
    NotHealed {
        /// How long was waited.
        minutes: u64,
        /// What is missing.
        what: String,
    },
    /// The simulation itself is defective.
    #[error("the simulation: {0}")]
    Broken(String),
}
