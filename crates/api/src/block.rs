//! Blocks.

use crate::StatementView;
use serde::{Deserialize, Serialize};
use units::{AccountId, BlockHash, Digest, Energy, Height, LedgerId, Timestamp};
use utoipa::ToSchema;

/// A block in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockSummary {
    /// Its number.
    #[schema(value_type = u64)]
    pub height: Height,
    /// Its hash.
    #[schema(value_type = String)]
    pub hash: BlockHash,
    /// The hash of the block before.
    #[schema(value_type = String)]
    pub previous: BlockHash,
    /// When it was proposed.
    #[schema(value_type = u64)]
    pub time_ms: Timestamp,
    /// Statements in it.
    pub statements: u64,
    /// Statements in the log after it.
    pub log_size: u64,
    /// Who proposed it.
    #[schema(value_type = String)]
    pub proposer: AccountId,
    /// Expected attempts.
    pub difficulty: u64,
    /// The nonce found.
    pub nonce: u64,
    /// Bytes of its wire form; 0 for the genesis block, which is not sent.
    pub size_bytes: u64,
    /// Whether it can no longer be replaced.
    pub is_final: bool,
}

/// `GET /api/v1/blocks/{height|hash}`: every field of the header, and the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockDetail {
    /// Protocol version.
    pub version: u32,
    /// The ledger.
    #[schema(value_type = String)]
    pub ledger: LedgerId,
    /// Its number.
    #[schema(value_type = u64)]
    pub height: Height,
    /// When it was proposed.
    #[schema(value_type = u64)]
    pub time_ms: Timestamp,
    /// The hash of the block before.
    #[schema(value_type = String)]
    pub previous: BlockHash,
    /// Statements in the log after it.
    pub log_size: u64,
    /// Root of the log after it.
    #[schema(value_type = String)]
    pub log_root: Digest,
    /// Root of all state records after it.
    #[schema(value_type = String)]
    pub state_root: Digest,
    /// Who proposed it.
    #[schema(value_type = String)]
    pub proposer: AccountId,
    /// Expected attempts.
    pub difficulty: u64,
    /// Which of several searchers.
    pub extra_nonce: u64,
    /// The nonce found.
    pub nonce: u64,
    /// Its hash: SHA-256 of the header.
    #[schema(value_type = String)]
    pub hash: BlockHash,
    /// The header's 212 bytes in hexadecimal digits, so that the hash can be computed again by hand.
    pub header: String,
    /// The proposer's signature in hexadecimal digits; empty for the genesis block.
    pub seal: String,
    /// Bytes of its wire form; 0 for the genesis block.
    pub size_bytes: u64,
    /// Who gained the reward, if one was paid.
    #[schema(value_type = Option<String>)]
    pub beneficiary: Option<AccountId>,
    /// The reward paid.
    #[schema(value_type = u64)]
    pub reward_mwh: Energy,
    /// Whether it can no longer be replaced.
    pub is_final: bool,
    /// Its statements in order.
    pub statements: Vec<StatementView>,
}
