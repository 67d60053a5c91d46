//! The state of a node at a glance, and pages of lists.

use crate::act::VoltageLimitsView;
use crate::{FindingsStatus, PeersStatus};
use serde::{Deserialize, Serialize};
use units::{AccountId, BlockHash, Digest, Height, LedgerId, Month, Timestamp};
use utoipa::ToSchema;

/// `GET /api/v1/status`: where the ledger and this node stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The ledger: SHA-256 of its genesis document.
    #[schema(value_type = String)]
    pub ledger: LedgerId,
    /// The community's name.
    pub name: String,
    /// Protocol version of the newest block.
    pub version: u32,
    /// Number of the newest block.
    #[schema(value_type = u64)]
    pub height: Height,
    /// Its hash.
    #[schema(value_type = String)]
    pub hash: BlockHash,
    /// Its time.
    #[schema(value_type = u64)]
    pub head_time_ms: Timestamp,
    /// The community's clock now; signers take `issued` from it.
    #[schema(value_type = u64)]
    pub time_ms: Timestamp,
    /// Statements in the log.
    pub log_size: u64,
    /// Root of the log.
    #[schema(value_type = String)]
    pub log_root: Digest,
    /// Root of all state records.
    #[schema(value_type = String)]
    pub state_root: Digest,
    /// Number of the newest final block.
    #[schema(value_type = u64)]
    pub final_height: Height,
    /// Statements in the log after the newest final block.
    pub final_log_size: u64,
    /// Statements that wait for a block.
    pub pool_size: u64,
    /// This node's mining.
    pub mining: MiningStatus,
    /// This node among its peers.
    pub peers: PeersStatus,
    /// What was found changed in what this node stores.
    pub findings: FindingsStatus,
    /// The month that the community's clock lies in; absent outside the ledger's calendar.
    #[schema(value_type = Option<String>)]
    pub month: Option<Month>,
    /// The first month that is not closed.
    #[schema(value_type = String)]
    pub first_open_month: Month,
    /// ISO 4217 code of the currency.
    pub currency: String,
    /// IANA name of the community's time zone.
    pub time_zone: String,
    /// The operator's account.
    #[schema(value_type = String)]
    pub operator: AccountId,
    /// The log key, a COSE_Key (RFC 9052 7) in hexadecimal digits.
    pub log_key: String,
    /// Whether everybody may read the attachments of readings.
    pub public_readings: bool,
    /// The limits of the supply voltage that are in force, and those to come.
    pub voltage_limits: Vec<VoltageLimitsView>,
    /// Whether the ledger is for teaching.
    pub classroom: bool,
    /// Why nothing is written at the moment (a full disk, an upgrade to install); absent when all is well.
    pub read_only: Option<String>,
}

/// This node's mining since it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MiningStatus {
    /// Whether this node can propose blocks at all (it has a miner's key).
    pub miner: bool,
    /// Whether it does so by itself.
    pub automatic: bool,
    /// Whether it searches at this moment.
    pub searching: bool,
    /// Leading zero hexadecimal digits that a block's hash needs, 1 to 5.
    pub level: u8,
    /// Expected attempts for the next block; 16^level if the level is fixed.
    pub difficulty: u64,
    /// Attempts a second while searching; 0 before the first block.
    pub attempts_per_second: u64,
    /// Attempts, of all searches that found a block.
    pub attempts: u64,
    /// Blocks found.
    pub blocks: u64,
    /// Mean attempts for a block, rounded down; 0 before the first block.
    pub mean_attempts: u64,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items in the list's order.
    pub items: Vec<T>,
    /// What to ask with for the next page; absent on the last.
    pub next: Option<String>,
}
