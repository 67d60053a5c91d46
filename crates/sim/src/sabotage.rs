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
    /// A node's disk gives back other bytes of a block than were written; noticed as [`crate::Violation::Replay`].
    ReadOtherBytes,
}
