//! Accounts, their months and bills.

use crate::{ActRef, OpenOffer, OutsideView};
use serde::{Deserialize, Serialize};
use units::{
    AccountId, BindingId, Digest, Energy, EnergyBalance, Height, MeterId, Money, Month, StatementId, Timestamp,
};
use utoipa::ToSchema;

/// A role and from when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoleView {
    /// `operator`, `member`, `gateway`, `meter`, `miner`, `validator` or `auditor`.
    pub role: String,
    /// From when.
    #[schema(value_type = u64)]
    pub from_ms: Timestamp,
    /// From when no longer, once that is stated.
    #[schema(value_type = Option<u64>)]
    pub until_ms: Option<Timestamp>,
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPlace {
    /// Place of the statement in the log, from 0.
    pub log_index: u64,
    /// The block that it stands in.
    #[schema(value_type = u64)]
    pub height: Height,
}

/// A key of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// The COSE_Key in hexadecimal digits.
    pub key: String,
    /// The first statement that it may sign.
    pub since: LogPlace,
}

/// An account in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountSummary {
    /// The account.
    #[schema(value_type = String)]
    pub id: AccountId,
    /// What it may do.
    pub roles: Vec<RoleView>,
    /// Meters whose energy it is billed for at present.
    #[schema(value_type = Vec<String>)]
    pub meters: Vec<MeterId>,
    /// What remains of the present month; absent without a sheet.
    #[schema(value_type = Option<i64>)]
    pub remaining_mwh: Option<EnergyBalance>,
}

/// `GET /api/v1/accounts/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// The account.
    #[schema(value_type = String)]
    pub id: AccountId,
    /// Its present COSE_Key in hexadecimal digits.
    pub key: String,
    /// All its keys, the present one last.
    pub keys: Vec<KeyView>,
    /// The statement that revoked its key, after which it signs nothing.
    pub revoked: Option<LogPlace>,
    /// What it may, and might, do.
    pub roles: Vec<RoleView>,
    /// For a miner: who gains the rewards.
    #[schema(value_type = Option<String>)]
    pub beneficiary: Option<AccountId>,
    /// Meters whose energy it is billed for at present.
    #[schema(value_type = Vec<String>)]
    pub meters: Vec<MeterId>,
    /// Months in which it has a sheet, oldest first.
    #[schema(value_type = Vec<String>)]
    pub months: Vec<Month>,
    /// Bills that the ledger accepted, oldest first.
    pub bills: Vec<BillSummary>,
    /// Its open offers.
    pub offers: Vec<OpenOffer>,
    /// Intervals whose voltage was outside the limits and that may be claimed, newest first; at most
    /// [`crate::PAGE_ITEMS_MAX`].
    pub outside: Vec<OutsideView>,
}

/// A bill that the ledger accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BillSummary {
    /// Start of its span.
    #[schema(value_type = u64)]
    pub from_ms: Timestamp,
    /// End of its span, exclusive.
    #[schema(value_type = u64)]
    pub until_ms: Timestamp,
    /// Its total.
    #[schema(value_type = i64)]
    pub total_1e4: Money,
    /// The statement.
    #[schema(value_type = String)]
    pub statement: StatementId,
    /// The claim about it, if there is one.
    pub claim: Option<ActRef>,
}

/// Energy with the money for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PricedView {
    /// How much.
    #[schema(value_type = u64)]
    pub energy_mwh: Energy,
    /// Sum of the trades' amounts.
    #[schema(value_type = i64)]
    pub amount_1e4: Money,
}

/// The poster's formula (8), term by term, with the paper's (e1) and (e2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TermsView {
    /// Contract.
    #[schema(value_type = u64)]
    pub contract_mwh: Energy,
    /// Carried over from the month before.
    #[schema(value_type = u64)]
    pub carried_mwh: Energy,
    /// Generated.
    #[schema(value_type = u64)]
    pub generated_mwh: Energy,
    /// Gained in trades.
    #[schema(value_type = u64)]
    pub gained_mwh: Energy,
    /// Consumed.
    #[schema(value_type = u64)]
    pub consumed_mwh: Energy,
    /// Traded away.
    #[schema(value_type = u64)]
    pub traded_mwh: Energy,
    /// Fees.
    #[schema(value_type = u64)]
    pub fee_mwh: Energy,
    /// Rewards.
    #[schema(value_type = u64)]
    pub reward_mwh: Energy,
    /// What remains; below zero when more was used than there was.
    #[schema(value_type = i64)]
    pub remaining_mwh: EnergyBalance,
    /// The paper's (e1): gained less traded away.
    #[schema(value_type = i64)]
    pub e1_mwh: EnergyBalance,
    /// The paper's (e2): contract + (e1) - consumed.
    #[schema(value_type = i64)]
    pub e2_mwh: EnergyBalance,
}

/// `GET /api/v1/accounts/{id}/months/{yyyy-mm}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SheetView {
    /// Whose sheet.
    #[schema(value_type = String)]
    pub account: AccountId,
    /// Of which month.
    #[schema(value_type = String)]
    pub month: Month,
    /// Start of the month.
    #[schema(value_type = u64)]
    pub from_ms: Timestamp,
    /// End of the month, exclusive.
    #[schema(value_type = u64)]
    pub until_ms: Timestamp,
    /// Earliest block time that closes it.
    #[schema(value_type = u64)]
    pub closes_ms: Timestamp,
    /// Whether it is closed.
    pub closed: bool,
    /// The formula's terms.
    pub terms: TermsView,
    /// 80 or 100 when that percentage of what the sheet allows (all terms but consumption) is consumed; else 0.
    pub used_percent_warning: u32,
    /// What was bought at a price; part of what was gained.
    pub bought: PricedView,
    /// What was sold at a price; part of what was traded away.
    pub sold: PricedView,
    /// The tariff in force (at the close, of a closed month).
    pub tariff: Option<TariffView>,
    /// Counters of its meters, in the order they were booked.
    pub meters: Vec<MeterMonthView>,
    /// Late energy of closed months, part of what was consumed here.
    pub corrections: Vec<CorrectionView>,
    /// What moved the sheet, in order.
    pub entries: Vec<EntryView>,
    /// Hash chain over the entries.
    #[schema(value_type = String)]
    pub entries_digest: Digest,
}

/// Counters of one meter within a month, without a break between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MeterMonthView {
    /// The number on the meter.
    #[schema(value_type = String)]
    pub meter: MeterId,
    /// Its binding.
    #[schema(value_type = String)]
    pub binding: BindingId,
    /// Factor.
    pub factor: u32,
    /// First import counter.
    #[schema(value_type = u64)]
    pub import_start_mwh: Energy,
    /// Last import counter.
    #[schema(value_type = u64)]
    pub import_end_mwh: Energy,
    /// First export counter.
    #[schema(value_type = Option<u64>)]
    pub export_start_mwh: Option<Energy>,
    /// Last export counter.
    #[schema(value_type = Option<u64>)]
    pub export_end_mwh: Option<Energy>,
    /// Whether an end was split by time or estimated.
    pub estimated: bool,
}

/// Energy of a closed month whose readings came late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CorrectionView {
    /// The closed month.
    #[schema(value_type = String)]
    pub of: Month,
    /// How much.
    #[schema(value_type = u64)]
    pub consumed_mwh: Energy,
}

/// What kind of entry moved a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// An act of a statement.
    Act,
    /// The reward of a block.
    Reward,
    /// What the month before left.
    Carried,
}

/// One entry of a sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntryView {
    /// What kind.
    pub kind: EntryKind,
    /// Name of the act (`readings`, `transfer`, ...), for an act.
    pub act: Option<String>,
    /// The statement, for an act.
    #[schema(value_type = Option<String>)]
    pub statement: Option<StatementId>,
    /// Place of the act in the statement, from 0.
    pub act_index: Option<u32>,
    /// The block that booked it.
    #[schema(value_type = u64)]
    pub height: Height,
    /// That block's time.
    #[schema(value_type = u64)]
    pub time_ms: Timestamp,
    /// The month that was carried over.
    #[schema(value_type = Option<String>)]
    pub carried_from: Option<Month>,
}

/// A price table and the statement that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TariffView {
    /// First month it is in force.
    #[schema(value_type = String)]
    pub from: Month,
    /// `flat`, `progressive`, `time_of_use` or `average` (of the utility's bill).
    pub table: String,
    /// The prices of a kWh: one, or by bracket, or by band; none for `average`.
    pub prices: Vec<PriceView>,
    /// What a month costs at least.
    #[schema(value_type = Option<i64>)]
    pub minimum_1e4: Option<Money>,
    /// Charged for every month, whatever is used.
    #[schema(value_type = Option<i64>)]
    pub fixed_1e4: Option<Money>,
    /// On top, for what a month uses above a limit.
    pub surcharge: Option<SurchargeView>,
    /// Price of a kWh beyond what the sheet covers; absent: as within it.
    #[schema(value_type = Option<i64>)]
    pub excess_price_1e4: Option<Money>,
    /// Totals are rounded half up to a multiple of this.
    #[schema(value_type = i64)]
    pub round_to_1e4: Money,
    /// First and last month of summer, 1 to 12.
    pub summer: Option<(u32, u32)>,
    /// `each_month`, or `together`: limits count once for each month of a bill.
    pub grouping: String,
    /// The statement; absent where the tariff is shown as that statement's own act.
    #[schema(value_type = Option<String>)]
    pub statement: Option<StatementId>,
}

/// A price of a kWh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceView {
    /// The band's name.
    pub band: Option<String>,
    /// Upper limit of the bracket.
    #[schema(value_type = Option<u64>)]
    pub up_to_mwh: Option<Energy>,
    /// Outside summer.
    #[schema(value_type = Option<i64>)]
    pub other_1e4: Option<Money>,
    /// In summer; absent: as outside.
    #[schema(value_type = Option<i64>)]
    pub summer_1e4: Option<Money>,
}

/// A price on top, above a limit a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SurchargeView {
    /// Above this much.
    #[schema(value_type = u64)]
    pub above_mwh: Energy,
    /// Price of a kWh.
    #[schema(value_type = i64)]
    pub price_1e4: Money,
}

/// A bill of the utility, which bounds what tenants are charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UtilityView {
    /// Start of its period.
    #[schema(value_type = u64)]
    pub from_ms: Timestamp,
    /// End of its period, exclusive.
    #[schema(value_type = u64)]
    pub until_ms: Timestamp,
    /// Average price of a kWh, rounded down to 1e-4.
    #[schema(value_type = i64)]
    pub average_1e4: Money,
    /// Energy on it.
    #[schema(value_type = u64)]
    pub energy_mwh: Energy,
    /// Its total.
    #[schema(value_type = i64)]
    pub amount_1e4: Money,
    /// Whether common facilities are apportioned on it.
    pub common_facilities: bool,
}

/// A bill, digit by digit as the ledger computes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BillView {
    /// Who is billed.
    #[schema(value_type = String)]
    pub account: AccountId,
    /// Start of the span.
    #[schema(value_type = u64)]
    pub from_ms: Timestamp,
    /// End of the span, exclusive.
    #[schema(value_type = u64)]
    pub until_ms: Timestamp,
    /// Month by month.
    pub months: Vec<BillMonthView>,
    /// The amounts.
    pub lines: Vec<BillLineView>,
    /// On a tenancy ledger: the utility's bills that cover the span.
    pub utilities: Vec<UtilityView>,
    /// Sum of all lines, rounded as the last month's tariff says.
    #[schema(value_type = i64)]
    pub total_1e4: Money,
}

/// One month of a bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BillMonthView {
    /// The month.
    #[schema(value_type = String)]
    pub month: Month,
    /// The formula's terms.
    pub terms: TermsView,
    /// What the meters' displays say.
    pub meters: Vec<BillMeterView>,
    /// The statement of the tariff.
    #[schema(value_type = String)]
    pub tariff: StatementId,
    /// Use by band, in the order of the tariff's prices; empty for tables without bands.
    #[schema(value_type = Vec<u64>)]
    pub bands_mwh: Vec<Energy>,
    /// Whether a change of band fell within an interval, whose energy was then split by time.
    pub bands_estimated: bool,
}

/// What a meter's display said at the span's ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BillMeterView {
    /// The number on the meter.
    #[schema(value_type = String)]
    pub meter: MeterId,
    /// Previous counter.
    #[schema(value_type = u64)]
    pub previous_mwh: Energy,
    /// Present counter.
    #[schema(value_type = u64)]
    pub present_mwh: Energy,
    /// Factor.
    pub factor: u32,
    /// Energy used.
    #[schema(value_type = u64)]
    pub energy_mwh: Energy,
    /// Whether a counter was split by time or estimated.
    pub estimated: bool,
}

/// A line of a bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BillLineView {
    /// `energy`, `excess`, `correction`, `bracket`, `band`, `fixed`, `surcharge`, `minimum`, `bought` or `sold`.
    pub kind: String,
    /// The month that the energy was used in; the first one of several.
    #[schema(value_type = String)]
    pub month: Month,
    /// Over how many months.
    pub months: u32,
    /// The band's name.
    pub band: Option<String>,
    /// How much.
    #[schema(value_type = Option<u64>)]
    pub energy_mwh: Option<Energy>,
    /// Price of a kWh.
    #[schema(value_type = Option<i64>)]
    pub unit_price_1e4: Option<Money>,
    /// What it comes to; energy x price, rounded half up to 1e-4, where it has both.
    #[schema(value_type = i64)]
    pub amount_1e4: Money,
}
