//! Meters and their readings.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use units::{AccountId, BindingId, Energy, MeterId, StatementId, Timestamp};
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
