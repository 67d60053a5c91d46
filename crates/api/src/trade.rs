//! Open offers, claims and what may be claimed: what stands in the ledger and waits for somebody.

use crate::{ActRef, OfferView};
use serde::{Deserialize, Serialize};
use units::{AccountId, MeterId, StatementId, Timestamp, Voltage};
use utoipa::ToSchema;

/// `GET /api/v1/offers`: an offer that can be accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenOffer {
    /// The seller's statement.
    #[schema(value_type = String)]
    pub statement: StatementId,
    /// Place of the act in it, from 0.
    pub act_index: u32,
    /// Who sells.
    #[schema(value_type = String)]
    pub seller: AccountId,
    /// The offer.
    #[serde(flatten)]
    pub offer: OfferView,
}

/// An interval whose voltage was outside the limits in force. An indication: the meters are not instruments of class A
/// (IEC 61000-4-30).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutsideView {
    /// The statement of the readings.
    #[schema(value_type = String)]
    pub statement: StatementId,
    /// Place of the act in it, from 0.
    pub act_index: u32,
    /// The meter; absent where its binding is unknown.
    #[schema(value_type = Option<String>)]
    pub meter: Option<MeterId>,
    /// Start of the interval.
    #[schema(value_type = u64)]
    pub start_ms: Timestamp,
    /// Its end, exclusive.
    #[schema(value_type = u64)]
    pub end_ms: Timestamp,
    /// Lowest voltage, as stated.
    #[schema(value_type = Option<u64>)]
    pub voltage_min_mv: Option<Voltage>,
    /// Highest voltage, as stated.
    #[schema(value_type = Option<u64>)]
    pub voltage_max_mv: Option<Voltage>,
    /// Lowest within the limits; absent once the interval is too old to be claimed.
    #[schema(value_type = Option<u64>)]
    pub limit_min_mv: Option<Voltage>,
    /// Highest within the limits.
    #[schema(value_type = Option<u64>)]
    pub limit_max_mv: Option<Voltage>,
    /// The claim about it, if there is one.
    pub claim: Option<ActRef>,
}

/// How a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimStatus {
    /// Nobody has answered yet.
    Open,
    /// The operator says it is right.
    Accepted,
    /// The operator says it is not.
    Declined,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimAnswer {
    /// The operator's statement.
    #[schema(value_type = String)]
    pub statement: StatementId,
    /// Place of the act in it, from 0.
    pub act_index: u32,
    /// When it was made.
    #[schema(value_type = u64)]
    pub time_ms: Timestamp,
    /// In the operator's words.
    pub text: String,
}

/// `GET /api/v1/claims`: a claim and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimView {
    /// The member's statement.
    #[schema(value_type = String)]
    pub statement: StatementId,
    /// Place of the act in it, from 0.
    pub act_index: u32,
    /// Who claims.
    #[schema(value_type = String)]
    pub member: AccountId,
    /// When it was made.
    #[schema(value_type = u64)]
    pub time_ms: Timestamp,
    /// For a claim about the voltage: the intervals.
    pub intervals: Vec<OutsideView>,
    /// For a claim about a bill: the start of its span.
    #[schema(value_type = Option<u64>)]
    pub bill_from_ms: Option<Timestamp>,
    /// In the claimant's words.
    pub text: String,
    /// How it stands.
    pub status: ClaimStatus,
    /// The answer, once there is one.
    pub answer: Option<ClaimAnswer>,
}
