//! Meters and their readings.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use units::{AccountId, BindingId, Current, Energy, MeterId, Power, StatementId, Timestamp, Voltage};
use utoipa::ToSchema;

/// `GET /api/v1/meters/{id}`: a meter's present binding and the head of its chain, which a gateway continues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MeterView {
    /// The number on the meter.
    #[schema(value_type = String)]
    pub meter: MeterId,
    /// Its present binding.
    #[schema(value_type = String)]
    pub binding: BindingId,
    /// Who signs.
    #[schema(value_type = String)]
    pub signer: AccountId,
    /// Who is billed.
    #[schema(value_type = String)]
    pub member: AccountId,
    /// Start of the binding.
    #[schema(value_type = u64)]
    pub from_ms: Timestamp,
    /// Its end, once that is stated.
    #[schema(value_type = Option<u64>)]
    pub until_ms: Option<Timestamp>,
    /// The meter's profile.
    pub profile: String,
    /// What its counter is multiplied by.
    pub factor: u32,
    /// Whether it is a main meter, which books to no sheet.
    pub main: bool,
    /// Where the chain stands in the ledger.
    pub head: ChainHeadView,
    /// Whether that is final: no block that may yet be undone has moved it.
    pub head_is_final: bool,
    /// Its load as it was switched last; absent until a switching is stated.
    pub load: Option<LoadView>,
}

/// A load as it was switched last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoadView {
    /// `on`, `off` or `unknown`.
    pub state: String,
    /// When it was switched.
    #[schema(value_type = u64)]
    pub time_ms: Timestamp,
    /// The statement.
    #[schema(value_type = String)]
    pub statement: StatementId,
}

/// Where a meter's chain stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChainHeadView {
    /// Number of the next statement.
    pub next_seq: u64,
    /// The last statement; the binding's id before the first.
    #[schema(value_type = String)]
    pub previous: StatementId,
    /// End of the last interval; the binding's start before the first.
    #[schema(value_type = u64)]
    pub end_ms: Timestamp,
    /// Import counter there, once one is known.
    #[schema(value_type = Option<u64>)]
    pub import_mwh: Option<Energy>,
    /// Export counter there, once one is known.
    #[schema(value_type = Option<u64>)]
    pub export_mwh: Option<Energy>,
}

/// What an interval of a meter comes to, as its statement says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IntervalView {
    /// The statement.
    #[schema(value_type = String)]
    pub statement: StatementId,
    /// Start.
    #[schema(value_type = u64)]
    pub start_ms: Timestamp,
    /// End, exclusive.
    #[schema(value_type = u64)]
    pub end_ms: Timestamp,
    /// Import counter at the start.
    #[schema(value_type = u64)]
    pub import_start_mwh: Energy,
    /// Import counter at the end.
    #[schema(value_type = u64)]
    pub import_end_mwh: Energy,
    /// Readings in it.
    pub count: u32,
    /// Lowest voltage.
    #[schema(value_type = Option<u64>)]
    pub voltage_min_mv: Option<Voltage>,
    /// Highest voltage.
    #[schema(value_type = Option<u64>)]
    pub voltage_max_mv: Option<Voltage>,
    /// Highest current.
    #[schema(value_type = Option<u64>)]
    pub peak_current_ua: Option<Current>,
    /// Highest active power.
    #[schema(value_type = Option<i64>)]
    pub peak_power_mw: Option<Power>,
}

/// One reading out of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadingRow {
    /// When it was taken.
    #[schema(value_type = u64)]
    pub time_ms: Timestamp,
    /// The statement that holds it.
    #[schema(value_type = String)]
    pub statement: StatementId,
    /// Each quantity under its name, which carries the unit: `voltage_mv`, `current_ua`, `active_power_mw`, ...
    #[serde(flatten)]
    pub values: BTreeMap<String, i64>,
}

/// `GET /api/v1/meters/{meter}/course`: what a meter read over a span, in steps short enough to draw and few enough to
/// send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CourseView {
    /// `reading`, `1m`, `15m`, `day`, or `interval`: as long as the ledger's intervals, or several of them together.
    pub step: String,
    /// Where the points are from: `ledger`, `gateway`, `archive`, or `several`.
    pub source: String,
    /// Whether points are missing because the archive that has them is away.
    pub is_away: bool,
    /// Start of the span.
    #[schema(value_type = u64)]
    pub from_ms: Timestamp,
    /// Its end, exclusive.
    #[schema(value_type = u64)]
    pub until_ms: Timestamp,
    /// The points, oldest first.
    pub points: Vec<CoursePoint>,
}

/// A reading, or what a step of time came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoursePoint {
    /// When it was read, or begins.
    #[schema(value_type = u64)]
    pub time_ms: Timestamp,
    /// When it ends; the same as `time_ms` for a reading.
    #[schema(value_type = u64)]
    pub end_ms: Timestamp,
    /// The voltage, or its mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voltage_mv: Option<i64>,
    /// The lowest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voltage_min_mv: Option<i64>,
    /// The highest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voltage_max_mv: Option<i64>,
    /// The current, or the highest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_ua: Option<i64>,
    /// The active power, or its mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_power_mw: Option<i64>,
    /// The highest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_power_max_mw: Option<i64>,
    /// What the counter showed; of a reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_import_mwh: Option<i64>,
    /// What was used; of a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_mwh: Option<i64>,
}
