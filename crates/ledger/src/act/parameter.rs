//! What the operator may change while the ledger runs, always from a named height or time in the future.

use crate::genesis::VoltageLimits;
use minicbor::{Decode, Encode};
use units::{Height, Timestamp};

/// `[1, NewLevel]` or `[2, NewLimits]`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Parameter {
    /// Another mining level, on ledgers of a fixed one.
    #[n(1)]
    Level(#[n(0)] NewLevel),
    /// Other voltage limits.
    #[n(2)]
    Limits(#[n(0)] NewLimits),
}

/// A mining level from a height on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct NewLevel {
    /// 1 to 5.
    #[n(1)]
    pub level: u8,
    /// The first block that it holds for.
    #[n(2)]
    pub height: Height,
}

/// Voltage limits from a time on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct NewLimits {
    /// The limits.
    #[n(1)]
    pub limits: VoltageLimits,
    /// Intervals that start from here on are held against them.
    #[n(2)]
    pub from: Timestamp,
}

/// Another protocol version from a height on; a program that does not know it stops there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Upgrade {
    /// The version.
    #[n(1)]
    pub version: u32,
    /// The first block whose header carries it.
    #[n(2)]
    pub height: Height,
}

impl Upgrade {
    /// Blocks between the statement and its height: time for everybody to install the new program.
    pub const NOTICE_BLOCKS: u64 = 100;
}
