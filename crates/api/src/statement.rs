//! Statements and their acts, as JSON shows them. The signed bytes are CBOR; this is a view.

use crate::{
    AnswerView, BillView, ClaimBillView, ClaimVoltageView, ControlView, LevelView, OfferAnswerView, OfferView,
    RetireMeterView, RetireRoleView, RevokeView, RotateView, TariffView, UpgradeView, UtilityView, VoltageLimitsView,
};
use serde::{Deserialize, Serialize};
use units::{
    AccountId, BindingId, Current, Digest, Energy, Height, LedgerId, MeterId, Month, Power, StatementId, Timestamp,
    Voltage,
};
use utoipa::ToSchema;

/// How far a statement has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatementState {
    /// Acknowledged, stored, in no block yet.
    Pending,
    /// In a block that could still be replaced.
    Committed,
    /// In a final block.
    Final,
}

/// Where a statement stands in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// The block.
    #[schema(value_type = u64)]
    pub height: Height,
    /// Its place in the block, from 0.
    pub index: u32,
    /// Its place in the log, from 0.
    pub log_index: u64,
}

/// `GET /api/v1/statements/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatementView {
    /// Its id: SHA-256 of the `Sig_structure` (RFC 9052 4.4).
    #[schema(value_type = String)]
    pub id: StatementId,
    /// Who signed.
    #[schema(value_type = String)]
    pub signer: AccountId,
    /// How far it has come.
    pub state: StatementState,
    /// Where it stands, once it is in a block.
    pub place: Option<Place>,
    /// The ledger that it is for.
    #[schema(value_type = String)]
    pub ledger: LedgerId,
    /// When it was made.
    #[schema(value_type = u64)]
    pub issued_ms: Timestamp,
    /// From when it is refused; absent for readings.
    #[schema(value_type = Option<u64>)]
    pub expires_ms: Option<Timestamp>,
    /// Bytes of its leaf form.
    pub size_bytes: u64,
    /// What is stated.
    pub acts: Vec<ActView>,
}

/// One act, told apart by `act`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum ActView {
    /// A key and its role.
    RegisterKey(RegisterKeyView),
    /// A meter, its signer and its member.
    RegisterMeter(RegisterMeterView),
    /// Contracted energy of a month.
    Contract(ContractView),
    /// One meter's interval.
    Readings(Box<ReadingsView>),
    /// A reading that a member states.
    Note(NoteView),
    /// Energy given away.
    Transfer(TransferView),
    /// Prices from a month on.
    Tariff(TariffView),
    /// An account's bill.
    Bill(BillView),
    /// The utility's bill.
    Utility(UtilityView),
    /// The end of a role.
    RetireRole(RetireRoleView),
    /// The end of a meter's binding.
    RetireMeter(RetireMeterView),
    /// A key that signs nothing any more.
    Revoke(RevokeView),
    /// A new key of the signer.
    Rotate(RotateView),
    /// Energy for sale.
    Offer(OfferView),
    /// The yes to an offer.
    Accept(OfferAnswerView),
    /// An offer taken back.
    Withdraw(OfferAnswerView),
    /// A claim about the voltage.
    ClaimVoltage(ClaimVoltageView),
    /// A claim about a bill.
    ClaimBill(ClaimBillView),
    /// The answer to a claim.
    Answer(AnswerView),
    /// A relay was switched.
    Control(ControlView),
    /// Another mining level.
    Level(LevelView),
    /// Other voltage limits.
    VoltageLimits(VoltageLimitsView),
    /// Another protocol version.
    Upgrade(UpgradeView),
}

/// A key bound to a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegisterKeyView {
    /// The account that the key is the first key of.
    #[schema(value_type = String)]
    pub account: AccountId,
    /// The COSE_Key in hexadecimal digits.
    pub key: String,
    /// `member`, `gateway`, `meter`, `miner`, `validator` or `auditor`.
    pub role: String,
    /// From when.
    #[schema(value_type = u64)]
    pub from_ms: Timestamp,
    /// For a miner: who gains the rewards.
    #[schema(value_type = Option<String>)]
    pub beneficiary: Option<AccountId>,
}

/// A meter bound to its signer and member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegisterMeterView {
    /// The number on the meter.
    #[schema(value_type = String)]
    pub meter: MeterId,
    /// Who signs its readings.
    #[schema(value_type = String)]
    pub signer: AccountId,
    /// Who is billed for it.
    #[schema(value_type = String)]
    pub member: AccountId,
    /// From when.
    #[schema(value_type = u64)]
    pub from_ms: Timestamp,
    /// The meter's profile.
    pub profile: String,
    /// What its counter is multiplied by.
    pub factor: u32,
    /// Whether it is a main meter, which books to no sheet.
    pub main: bool,
}

/// Contracted energy of a member for a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContractView {
    /// The member.
    #[schema(value_type = String)]
    pub account: AccountId,
    /// The month.
    #[schema(value_type = String)]
    pub month: Month,
    /// How much.
    #[schema(value_type = u64)]
    pub energy_mwh: Energy,
}

/// One meter's interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadingsView {
    /// The binding whose chain this continues.
    #[schema(value_type = String)]
    pub binding: BindingId,
    /// The number on the meter; absent while the binding is unknown.
    #[schema(value_type = Option<String>)]
    pub meter: Option<MeterId>,
    /// Place in the chain, from 0.
    pub seq: u64,
    /// The statement before in the chain.
    #[schema(value_type = String)]
    pub previous: StatementId,
    /// Start of the interval.
    #[schema(value_type = u64)]
    pub start_ms: Timestamp,
    /// End of the interval, exclusive.
    #[schema(value_type = u64)]
    pub end_ms: Timestamp,
    /// Import counter at the start.
    #[schema(value_type = u64)]
    pub import_start_mwh: Energy,
    /// Import counter at the end.
    #[schema(value_type = u64)]
    pub import_end_mwh: Energy,
    /// Export counter at the start, if the meter has one.
    #[schema(value_type = Option<u64>)]
    pub export_start_mwh: Option<Energy>,
    /// Export counter at the end.
    #[schema(value_type = Option<u64>)]
    pub export_end_mwh: Option<Energy>,
    /// Readings in the attachment.
    pub count: u32,
    /// Lowest voltage.
    #[schema(value_type = Option<u64>)]
    pub voltage_min_mv: Option<Voltage>,
    /// Highest voltage.
    #[schema(value_type = Option<u64>)]
    pub voltage_max_mv: Option<Voltage>,
    /// Mean voltage, rounded down.
    #[schema(value_type = Option<u64>)]
    pub voltage_mean_mv: Option<Voltage>,
    /// Highest current.
    #[schema(value_type = Option<u64>)]
    pub peak_current_ua: Option<Current>,
    /// Highest active power.
    #[schema(value_type = Option<i64>)]
    pub peak_power_mw: Option<Power>,
    /// `gap`, `reset`, `exchange` or `wrap`, when the interval does not continue the chain.
    pub broken: Option<String>,
    /// Voltage events.
    pub events: Vec<VoltageEventView>,
    /// Whether the counter at the end was estimated, or read so long before it that it is not the end's.
    pub estimated: bool,
    /// Where the counters come from: `meter`, `by_hand` (read by eye) or `imported` (from another system's file). The last
    /// two are signed by the operator and have no attachment.
    pub source: String,
    /// With a wrap: where the counter begins at zero again.
    #[schema(value_type = Option<u64>)]
    pub wraps_at_mwh: Option<Energy>,
    /// Salted SHA-256 of the attachment's columns.
    #[schema(value_type = String)]
    pub columns: Digest,
    /// RFC 9162 root over the attachment's raw frames.
    #[schema(value_type = String)]
    pub frames: Digest,
}

/// Voltage outside the community's limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoltageEventView {
    /// `over_voltage` or `under_voltage`.
    pub kind: String,
    /// First reading outside the limit.
    #[schema(value_type = u64)]
    pub from_ms: Timestamp,
    /// Last reading outside the limit.
    #[schema(value_type = u64)]
    pub until_ms: Timestamp,
    /// The highest (or lowest) voltage.
    #[schema(value_type = u64)]
    pub extreme_mv: Voltage,
}

/// A reading that a member states; it moves no counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoteView {
    /// When it was read.
    #[schema(value_type = u64)]
    pub time_ms: Timestamp,
    /// Voltage, if stated.
    #[schema(value_type = Option<u64>)]
    pub voltage_mv: Option<Voltage>,
    /// Current, if stated.
    #[schema(value_type = Option<u64>)]
    pub current_ua: Option<Current>,
    /// Active power, if stated.
    #[schema(value_type = Option<i64>)]
    pub active_power_mw: Option<Power>,
    /// The counter, if stated.
    #[schema(value_type = Option<u64>)]
    pub energy_mwh: Option<Energy>,
    /// A remark.
    pub text: Option<String>,
}

/// Energy given to the operator or a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransferView {
    /// Who gains it.
    #[schema(value_type = String)]
    pub to: AccountId,
    /// How much.
    #[schema(value_type = u64)]
    pub energy_mwh: Energy,
    /// The month whose sheets it moves between.
    #[schema(value_type = String)]
    pub month: Month,
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubmitState {
    /// Stored now; it waits for a block.
    Accepted,
    /// The same statement waits already.
    Pending,
    /// The same statement is in a block that could still be replaced.
    Committed,
    /// The same statement is in a final block.
    Final,
}

/// `POST /api/v1/statements`: the statement is stored. Posting it again is safe and answers where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubmitAnswer {
    /// Its id.
    #[schema(value_type = String)]
    pub id: StatementId,
    /// What became of it.
    pub state: SubmitState,
    /// Where the original stands, when it is in a block already.
    pub place: Option<Place>,
}
