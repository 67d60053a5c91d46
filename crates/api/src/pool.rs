//! Statements that wait for a block.

use crate::StatementView;
use serde::{Deserialize, Serialize};
use units::Timestamp;
use utoipa::ToSchema;

/// `GET /api/v1/pool`, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolView {
    /// Statements waiting.
    pub size: u64,
    /// Their bytes, attachments not counted.
    pub bytes: u64,
    /// How many may wait.
    pub size_max: u64,
    /// How many bytes may wait.
    pub bytes_max: u64,
    /// The oldest ones, at most [`crate::PAGE_ITEMS_MAX`].
    pub entries: Vec<PoolEntry>,
}

/// One that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolEntry {
    /// When it was acknowledged.
    #[schema(value_type = u64)]
    pub received_ms: Timestamp,
    /// The statement.
    pub statement: StatementView,
}
