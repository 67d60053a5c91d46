//! Claims by members and the operator's answers.

use minicbor::{Decode, Encode};
use units::{StatementId, Timestamp};

/// Names an act: its statement and its index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct ActId {
    /// The statement.
    #[n(0)]
    pub statement: StatementId,
    /// Index of the act in it.
    #[n(1)]
    pub act: u32,
}

/// `[1, VoltageClaim]` or `[2, BillClaim]`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Claim {
    /// The voltage was outside the limits.
    #[n(1)]
    Voltage(#[n(0)] VoltageClaim),
    /// A bill is wrong.
    #[n(2)]
    Bill(#[n(0)] BillClaim),
}

/// A claim about intervals whose voltage the ledger found outside the limits in force. An indication: the meters are
/// not instruments of class A (IEC 61000-4-30).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct VoltageClaim {
    /// The `readings` acts, 1 to [`Claim::INTERVALS_MAX`].
    #[n(1)]
    pub intervals: Vec<ActId>,
    /// In words, at most [`Claim::TEXT_MAX`] bytes of UTF-8.
    #[n(2)]
    pub text: String,
}

/// A claim about an accepted bill of the claimant.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BillClaim {
    /// Start of the bill's span.
    #[n(1)]
    pub from: Timestamp,
    /// In words, at most [`Claim::TEXT_MAX`] bytes of UTF-8.
    #[n(2)]
    pub text: String,
}

impl Claim {
    /// Intervals of a claim: a day of hours with room, and what a person looks through.
    pub const INTERVALS_MAX: usize = 16;
    /// Longest text in bytes, as of a note: it is public forever.
    pub const TEXT_MAX: usize = 280;

    /// What the claimant says.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Voltage(claim) => &claim.text,
            Self::Bill(claim) => &claim.text,
        }
    }

    /// Whether its list and its text keep their bounds.
    pub(super) fn is_bounded(&self) -> bool {
        let intervals = match self {
            Self::Voltage(claim) => (1..=Self::INTERVALS_MAX).contains(&claim.intervals.len()),
            Self::Bill(_) => true,
        };
        intervals && self.text().len() <= Self::TEXT_MAX
    }
}

/// How the operator decides a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Decision {
    /// The claim is right.
    #[n(1)]
    Accepted,
    /// It is not.
    #[n(2)]
    Declined,
}

/// The operator's answer to a claim, once.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Answer {
    /// The claim.
    #[n(1)]
    pub claim: ActId,
    /// The decision.
    #[n(2)]
    pub decision: Decision,
    /// In words, at most [`Claim::TEXT_MAX`] bytes of UTF-8.
    #[n(3)]
    pub text: String,
}
