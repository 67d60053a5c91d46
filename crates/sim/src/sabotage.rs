//! Bugs that are put in on purpose. Each must be noticed by the checker named with it, or that checker is worth nothing.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// A node acknowledges before what it acknowledges is synced; noticed as [`crate::Violation::AcknowledgedLost`].
    AnswerBeforeSync,
    /// On a restart the gateway is not given its oldest open reading; noticed as [`crate::Violation::ReadingNotCommitted`].
    ForgetReading,
    /// The disk loses synced blocks; noticed as [`crate::Violation::WillNotStart`], because the log key signed them.
    LoseBlocks,
    /// The gateway's database acknowledges a reading before it is synced; noticed as
    /// [`crate::Violation::StoredReadingLost`].
    AcknowledgeUnsynced,
    /// A power cut leaves half of what one transaction of the gateway's database holds; noticed as
    /// [`crate::Violation::ReadingNotCommitted`].
    TearTransaction,
    /// The network swallows every statement of the gateways; noticed as [`crate::Violation::NotHealed`].
    SwallowDeliveries,
    /// A second node has the log key; noticed as [`crate::Violation::FinalForked`].
    SecondLogKey,
    /// A node says of what is only in a block that it is final; noticed as [`crate::Violation::FalseReceipt`].
    ReceiptTooEarly,
    /// A block is read as if it booked its first statement twice; noticed as [`crate::Violation::BookedTwice`].
    BookAgain,
    /// The nodes are never joined again after the first partition; noticed as [`crate::Violation::NotHealed`].
    StayCut,
    /// Nobody is told why a statement was given up; noticed as [`crate::Violation::NotTold`].
    DropSilently,
    /// A gateway's database alters a reading that it stores; noticed as [`crate::Violation::ReadingInvented`].
    AlterReading,
    /// An attachment is read as if it held its first reading twice; noticed as [`crate::Violation::ReadingTwice`].
    RepeatReading,
    /// An attachment is read as if the meter had counted one mWh more; noticed as [`crate::Violation::BookedOtherwise`].
    Miscount,
    /// The disk loses synced attachments; noticed as [`crate::Violation::AttachmentLost`].
    LoseAttachments,
    /// A node gives up readings that it acknowledged; noticed as [`crate::Violation::ReadingsDropped`].
    DropReadings,
    /// The books are read as if a month had a mWh more to reward miners with; noticed as
    /// [`crate::Violation::Unbalanced`].
    MisreadBudget,
    /// The books are read as if nobody had a contract; noticed as [`crate::Violation::SoldBeyond`].
    MisreadContracts,
    /// Contracts are ten times as large, so that what is sold twice is there twice; noticed as
    /// [`crate::Violation::SoldTwice`].
    ContractTenfold,
    /// Contracts are so large that what nobody should have is there; noticed as [`crate::Violation::ForbiddenBooked`].
    ContractBeyond,
    /// Blocks and checkpoints are put back as they were before; noticed as [`crate::Violation::FinalChanged`].
    RollBack,
    /// An honest node's answers are exchanged for garbage; noticed as [`crate::Violation::HonestBanned`].
    Impersonate,
    /// A node's disk gives back other bytes of a block than were written; noticed as [`crate::Violation::Replay`].
    ReadOtherBytes,
}
