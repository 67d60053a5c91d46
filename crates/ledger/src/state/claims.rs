//! What members may claim, what they claimed, and the journal of their loads.

use crate::act::{ActId, Decision, LoadState};
use minicbor::{Decode, Encode};
use units::{AccountId, MeterId, StatementId, Timestamp, Voltage};

/// An interval whose voltage was outside the limits in force at its start. An indication: the meters are not instruments
/// of class A (IEC 61000-4-30).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OutsideRecord {
    /// Who was supplied.
    #[n(0)]
    pub member: AccountId,
    /// The meter.
    #[n(1)]
    pub meter: MeterId,
    /// Start of the interval.
    #[n(2)]
    pub start: Timestamp,
    /// Its end.
    #[n(3)]
    pub end: Timestamp,
    /// Lowest and highest voltage, as stated.
    #[n(4)]
    pub found: [Voltage; 2],
    /// Lowest and highest within the limits.
    #[n(5)]
    pub limits: [Voltage; 2],
    /// The claim about it, if there is one.
    #[n(6)]
    pub claim: Option<ActId>,
}

/// A claim and how it stands. Its words and what it is about are in its statement.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ClaimRecord {
    /// Who claims.
    #[n(0)]
    pub member: AccountId,
    /// The answer, once there is one.
    #[n(1)]
    pub answer: Option<AnswerRecord>,
}

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct AnswerRecord {
    /// How the operator decided.
    #[n(0)]
    pub decision: Decision,
    /// Where it was stated.
    #[n(1)]
    pub at: ActId,
}

/// A load as it was switched last.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LoadRecord {
    /// Its state afterwards.
    #[n(0)]
    pub state: LoadState,
    /// When.
    #[n(1)]
    pub time: Timestamp,
    /// The statement.
    #[n(2)]
    pub statement: StatementId,
}
