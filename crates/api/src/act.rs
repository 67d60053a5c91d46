//! Acts beside readings, contracts and bills, as JSON shows them: what ends, what is offered, claimed and changed.

use serde::{Deserialize, Serialize};
use units::{AccountId, Energy, Height, MeterId, Money, Month, StatementId, Timestamp, Voltage};
use utoipa::ToSchema;

/// Names an act: its statement and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct ActRef {
    /// The statement.
    #[schema(value_type = String)]
    pub statement: StatementId,
    /// Place of the act in it, from 0.
    pub act_index: u32,
}

/// Names an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferRef {
    /// The seller's statement.
    #[schema(value_type = String)]
    pub statement: StatementId,
    /// Place of the act in it, from 0.
    pub act_index: u32,
    /// The offer's end; part of its name.
    #[schema(value_type = u64)]
    pub until_ms: Timestamp,
}

/// The end of an account's role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetireRoleView {
    /// The account.
    #[schema(value_type = String)]
    pub account: AccountId,
    /// `member`, `gateway`, `meter`, `miner`, `validator` or `auditor`.
    pub role: String,
    /// From when it no longer holds.
    #[schema(value_type = u64)]
    pub at_ms: Timestamp,
}

/// The end of a meter's present binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetireMeterView {
    /// The number on the meter.
    #[schema(value_type = String)]
    pub meter: MeterId,
    /// Its end: intervals up to it are still admitted.
    #[schema(value_type = u64)]
    pub at_ms: Timestamp,
}

/// An account's key signs nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevokeView {
    /// The account.
    #[schema(value_type = String)]
    pub account: AccountId,
}

/// A new key of the signer's account, whose id stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotateView {
    /// The new COSE_Key in hexadecimal digits.
    pub key: String,
}

/// Energy for sale, at a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferView {
    /// Who may accept; absent for everybody who may trade.
    #[schema(value_type = Option<String>)]
    pub to: Option<AccountId>,
    /// How much, as a whole.
    #[schema(value_type = u64)]
    pub energy_mwh: Energy,
    /// Price of a kWh.
    #[schema(value_type = i64)]
    pub price_1e4: Money,
    /// Energy x price, rounded half up to 1e-4; absent beyond what money can say.
    #[schema(value_type = Option<i64>)]
    pub amount_1e4: Option<Money>,
    /// The month whose sheets it moves between.
    #[schema(value_type = String)]
    pub month: Month,
    /// From when it can no longer be accepted.
    #[schema(value_type = u64)]
    pub until_ms: Timestamp,
}

/// The buyer's yes to an offer, or the seller's withdrawal of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferAnswerView {
    /// The offer.
    pub offer: OfferRef,
    /// Who sells; absent where the offer is not known.
    #[schema(value_type = Option<String>)]
    pub seller: Option<AccountId>,
    /// What was offered; absent where the offer is not known.
    pub terms: Option<OfferView>,
}

/// A claim about intervals whose voltage was outside the limits. An indication: the meters are not instruments of class A
/// (IEC 61000-4-30).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimVoltageView {
    /// The `readings` acts.
    pub intervals: Vec<ActRef>,
    /// In the claimant's words.
    pub text: String,
}

/// A claim about a bill of the signer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimBillView {
    /// Start of the bill's span.
    #[schema(value_type = u64)]
    pub bill_from_ms: Timestamp,
    /// In the claimant's words.
    pub text: String,
}

/// The operator's answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnswerView {
    /// The claim.
    pub claim: ActRef,
    /// `accepted` or `declined`.
    pub decision: String,
    /// In the operator's words.
    pub text: String,
}

/// A relay was switched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ControlView {
    /// The meter whose load it is.
    #[schema(value_type = String)]
    pub meter: MeterId,
    /// When.
    #[schema(value_type = u64)]
    pub time_ms: Timestamp,
    /// `person`, `protection` or `schedule`.
    pub by: String,
    /// Who asked for it.
    pub who: String,
    /// Why.
    pub why: String,
    /// `on`, `off` or `unknown`.
    pub before: String,
    /// `on`, `off` or `unknown`, as read back.
    pub after: String,
}

/// Another mining level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LevelView {
    /// 1 to 5.
    pub level: u8,
    /// The first block that it holds for.
    #[schema(value_type = u64)]
    pub from_height: Height,
}

/// Limits of the supply voltage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoltageLimitsView {
    /// Nominal.
    #[schema(value_type = u64)]
    pub nominal_mv: Voltage,
    /// Lowest within.
    #[schema(value_type = u64)]
    pub min_mv: Voltage,
    /// Highest within.
    #[schema(value_type = u64)]
    pub max_mv: Voltage,
    /// The standard that says so.
    pub source: String,
    /// Intervals that start from here on are held against them.
    #[schema(value_type = u64)]
    pub from_ms: Timestamp,
}

/// Another protocol version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UpgradeView {
    /// The version.
    pub version: u32,
    /// The first block whose header carries it.
    #[schema(value_type = u64)]
    pub from_height: Height,
}
