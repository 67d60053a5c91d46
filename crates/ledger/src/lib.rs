//! The ledger: signed statements in, accounts and bills out, and proofs of both.
//!
//! The log of signed statements is the ground state. Everything else is computed from it by [`State`], one
//! deterministic function that knows no clock, file or socket, so that whoever holds the log reaches the same state
//! root. Bytes become values once ([`SignedStatement`], [`Block`]), values become trusted once
//! ([`VerifiedStatement`], [`CheckedBlock`]), and only what is trusted changes state.
//!
//! Every signed or hashed byte is drawn in `docs/protocol.md`. Who orders blocks is not known here.

pub mod act;
pub mod attachment;
pub mod bill;
mod block;
pub mod bundle;
pub mod cbor;
mod checkpoint;
mod difficulty;
mod genesis;
pub mod jobs;
mod key;
pub mod log;
pub mod price;
mod receipt;
mod rule;
pub mod smt;
pub mod state;
mod statement;
mod terms;
pub mod verify;

pub use act::Act;
pub use block::{Block, BlockError, CheckedBlock, Engine, Header, Means};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use difficulty::{
    BLOCK_TIME_MAX, BlockTime, DIFFICULTY_MAX, HALF_LIFE_MAX, difficulty_of_level, level_of_difficulty, target,
};
pub use genesis::{Genesis, GenesisError, GenesisMiner, Offset, OrderRules, RewardRules, Surplus, VoltageLimits};
pub use jobs::{Jobs, OneByOne};
pub use key::{KeyError, PublicKey, SecretKey};
pub use receipt::{
    Growth, InclusionPlace, RECEIPT_BYTES_MAX, ReceiptError, TransparentStatement, issue_consistency_receipt,
    issue_receipt, receipt_signer, verify_consistency_receipt, verify_receipt,
};
pub use rule::RuleViolation;
pub use state::State;
pub use statement::{Payload, SignedStatement, StatementError, VerifiedStatement};
