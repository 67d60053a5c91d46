//! What nodes ask each other over HTTP, and how a node's peers are shown. Blocks, headers and waiting statements travel in
//! their own bytes; what is here is the JSON around them.

use serde::{Deserialize, Serialize};
use units::{AccountId, BlockHash, Height, LedgerId, StatementId, Timestamp};
use utoipa::ToSchema;

/// `GET /api/v1/peer/head`: where a node's chain ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerHead {
    /// The ledger: SHA-256 of its genesis document.
    #[schema(value_type = String)]
    pub ledger: LedgerId,
    /// Number of the newest block.
    #[schema(value_type = u64)]
    pub height: Height,
    /// Its hash.
    #[schema(value_type = String)]
    pub hash: BlockHash,
    /// The newest checkpoint that the node knows, a signed note (C2SP); absent before the first.
    pub checkpoint: Option<String>,
}

/// `GET /api/v1/peer/news?after=...`: what happened since the answer before. It waits some seconds for something to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerNews {
    /// What to ask with next, in `after`.
    pub next: String,
    /// A random name of this run of the node: tells whoever asks that he asks himself, or that the node was started anew.
    pub instance: String,
    /// Where its chain ends now.
    pub head: PeerHead,
    /// Statements that it has accepted since, oldest first; what is older than a thousand is left out and found in its pool.
    #[schema(value_type = Vec<String>)]
    pub statements: Vec<StatementId>,
}

/// `GET /api/v1/peer/identity?challenge=...`: who a node is, signed over the asker's challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerIdentity {
    /// The ledger.
    #[schema(value_type = String)]
    pub ledger: LedgerId,
    /// The account of the node's key.
    #[schema(value_type = String)]
    pub account: AccountId,
    /// The node's public key, a COSE_Key (RFC 9052 7) in hexadecimal digits.
    pub key: String,
    /// Its signature in hexadecimal digits; what it covers is in `docs/protocol.md`.
    pub signature: String,
}

/// How it goes with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// Not asked yet.
    New,
    /// It answers.
    Connected,
    /// It does not answer; it is asked again, less and less often.
    Unreachable,
    /// What is there is no node of this ledger; it is asked again now and then.
    Foreign,
    /// It is this node itself.
    Itself,
    /// Its chain leaves this node's below the newest checkpoint; it is not followed.
    OtherHistory,
    /// It keeps blocks of a protocol version that this program does not know.
    NewerProgram,
    /// It sent what no honest node sends, and is left alone for a while.
    Banned,
}

/// How a peer's chain stands to this node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// Its newest block is part of this node's chain.
    Agrees,
    /// Its newest block is not known here yet: it is ahead, or on another branch.
    Ahead,
    /// It has another block at a height that this node has.
    Differs,
}

/// A peer of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerView {
    /// Its address.
    pub address: String,
    /// How it goes with it.
    pub state: PeerState,
    /// The account of the key that it has shown.
    #[schema(value_type = Option<String>)]
    pub account: Option<AccountId>,
    /// Whether that account's key is registered in the ledger.
    pub is_registered: bool,
    /// Number of its newest block.
    #[schema(value_type = Option<u64>)]
    pub height: Option<Height>,
    /// Hash of its newest block.
    #[schema(value_type = Option<String>)]
    pub hash: Option<BlockHash>,
    /// Number of the newest block that it knows to be final.
    #[schema(value_type = Option<u64>)]
    pub final_height: Option<Height>,
    /// How its chain stands to this node's; absent as long as it has said nothing.
    pub agreement: Option<Agreement>,
    /// When it was last heard of.
    #[schema(value_type = Option<u64>)]
    pub heard_ms: Option<Timestamp>,
    /// What it has done wrong, in points; a ban comes at a hundred.
    pub score: u32,
    /// Until when it is left alone.
    #[schema(value_type = Option<u64>)]
    pub banned_until_ms: Option<Timestamp>,
    /// What went wrong last, in words.
    pub failure: Option<String>,
    /// Questions that it was asked.
    pub asked: u64,
    /// Questions that it answered.
    pub answered: u64,
}

/// A node among its peers, at a glance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeersStatus {
    /// Peers that it was told of.
    pub peers: u64,
    /// Those that answer.
    pub connected: u64,
    /// Branches seen beside its own chain, since it was started.
    pub forks_seen: u64,
    /// How often it left its branch for another, since it was started.
    pub reorganisations: u64,
}
