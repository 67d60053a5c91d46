//! What a node tells as it happens, at `/api/v1/events` (server-sent events).

use crate::{BlockSummary, FindingsStatus};
use serde::{Deserialize, Serialize};
use units::{Height, MeterId, Month, StatementId, Timestamp, Voltage};
use utoipa::ToSchema;

/// One event, told apart by `event`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A statement was stored and waits for a block.
    Accepted {
        /// Which.
        #[schema(value_type = String)]
        id: StatementId,
        /// The names of its acts.
        acts: Vec<String>,
    },
    /// A statement that waited no longer applies and was dropped.
    Dropped {
        /// Which.
        #[schema(value_type = String)]
        id: StatementId,
        /// Name of the rule that it breaks.
        rule: String,
        /// The rule in words.
        reason: String,
    },
    /// A new block.
    Block {
        /// The block.
        block: BlockSummary,
    },
    /// Blocks up to this one can no longer be replaced.
    Final {
        /// The newest final block.
        #[schema(value_type = u64)]
        height: Height,
        /// Statements in the log after it.
        log_size: u64,
    },
    /// A month was closed.
    MonthClosed {
        /// Which.
        #[schema(value_type = String)]
        month: Month,
    },
    /// A voltage outside the community's limits now stands in a committed statement.
    Voltage {
        /// The meter.
        #[schema(value_type = String)]
        meter: MeterId,
        /// `over_voltage` or `under_voltage`.
        kind: String,
        /// First reading outside the limit.
        #[schema(value_type = u64)]
        from_ms: Timestamp,
        /// The highest (or lowest) voltage.
        #[schema(value_type = u64)]
        extreme_mv: Voltage,
        /// The statement.
        #[schema(value_type = String)]
        statement: StatementId,
    },
    /// Automatic mining was switched.
    Mining {
        /// Whether it is on now.
        automatic: bool,
    },
    /// Something stored was found changed, or was put right. What and where is in `GET /api/v1/findings`.
    Finding {
        /// How many findings there are now.
        findings: FindingsStatus,
    },
}

impl Event {
    /// Its name, as in the JSON and the `event:` line of the stream.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Dropped { .. } => "dropped",
            Self::Block { .. } => "block",
            Self::Final { .. } => "final",
            Self::MonthClosed { .. } => "month_closed",
            Self::Voltage { .. } => "voltage",
            Self::Mining { .. } => "mining",
            Self::Finding { .. } => "finding",
        }
    }
}
