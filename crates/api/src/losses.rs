//! What upper meters counted against those below: losses on the way, theft, meters that are wired wrongly.

use serde::{Deserialize, Serialize};
use units::{Energy, EnergyBalance, MeterId, Month, Timestamp};
use utoipa::ToSchema;

/// `GET /api/v1/losses`: a month's losses, each upper meter by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LossesView {
    /// The month.
    #[schema(value_type = String)]
    pub month: Month,
    /// A loss of an interval up to this is none.
    #[schema(value_type = u64)]
    pub limit_mwh: Energy,
    /// Nor is one up to this part of the supply, in hundredths of a per cent.
    pub limit_percent_1e2: u32,
    /// Comparable intervals in a row before it is an alarm.
    pub alarm_after: u32,
    /// The upper meters.
    pub meters: Vec<LossView>,
}

/// An upper meter, or all main meters together, against the meters below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LossView {
    /// The upper meters.
    #[schema(value_type = Vec<String>)]
    pub upper: Vec<MeterId>,
    /// The meters below.
    #[schema(value_type = Vec<String>)]
    pub lower: Vec<MeterId>,
    /// What the upper ones counted, over the intervals that can be compared.
    #[schema(value_type = u64)]
    pub supplied_mwh: Energy,
    /// What the lower ones counted in the same.
    #[schema(value_type = u64)]
    pub used_mwh: Energy,
    /// The difference.
    #[schema(value_type = i64)]
    pub loss_mwh: EnergyBalance,
    /// Intervals of the month that can be compared.
    pub comparable: u64,
    /// Intervals that cannot, because a meter is missing.
    pub not_comparable: u64,
    /// Intervals with an alarm.
    pub alarms: u64,
    /// What is wrong with the month's sums: `loss` or `negative`; absent when they are within the limits.
    pub alarm: Option<String>,
    /// The newest intervals, newest first.
    pub intervals: Vec<LossIntervalView>,
}

/// An interval, compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LossIntervalView {
    /// Start.
    #[schema(value_type = u64)]
    pub start_ms: Timestamp,
    /// End, exclusive.
    #[schema(value_type = u64)]
    pub end_ms: Timestamp,
    /// What the upper meters counted; absent when the interval cannot be compared.
    #[schema(value_type = Option<u64>)]
    pub supplied_mwh: Option<Energy>,
    /// What the lower meters counted.
    #[schema(value_type = Option<u64>)]
    pub used_mwh: Option<Energy>,
    /// The difference.
    #[schema(value_type = Option<i64>)]
    pub loss_mwh: Option<EnergyBalance>,
    /// The difference as part of the supply, in hundredths of a per cent.
    pub loss_percent_1e2: Option<i64>,
    /// Meters without such an interval.
    #[schema(value_type = Vec<String>)]
    pub missing: Vec<MeterId>,
    /// `loss` or `negative`, when it is an alarm.
    pub alarm: Option<String>,
}
