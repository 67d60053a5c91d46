//! Who may do what, and which meter is whose.

use crate::PublicKey;
use minicbor::{Decode, Encode};
use units::{AccountId, MeterId, Timestamp};

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// Runs the community; bound in genesis.
    #[n(0)]
    Operator,
    /// Has a sheet, trades and is billed.
    #[n(1)]
    Member,
    /// Signs the readings of meters.
    #[n(2)]
    Gateway,
    /// A meter that signs for itself.
    #[n(3)]
    Meter,
    /// Proposes blocks.
    #[n(4)]
    Miner,
    /// Keeps and confirms a copy.
    #[n(5)]
    Validator,
    /// Reads everything, signs nothing that moves energy.
    #[n(6)]
    Auditor,
}

/// `[1, RegisterKey]` or `[2, RegisterMeter]`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Register {
    /// A key and its role.
    #[n(1)]
    Key(#[n(0)] RegisterKey),
    /// A meter, who signs for it and who is billed for it.
    #[n(2)]
    Meter(#[n(0)] RegisterMeter),
}

/// A key bound to a role from a point in time on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RegisterKey {
    /// The key; its thumbprint is the account.
    #[n(1)]
    pub key: PublicKey,
    /// The role.
    #[n(2)]
    pub role: Role,
    /// From when.
    #[n(3)]
    pub from: Timestamp,
    /// For a miner: the account that gains the rewards.
    #[n(4)]
    pub beneficiary: Option<AccountId>,
}

/// A meter bound to its signer and its member from a point in time on: the start of a meter chain.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RegisterMeter {
    /// The number on the meter.
    #[n(1)]
    pub meter: MeterId,
    /// The gateway's (or the meter's own) account.
    #[n(2)]
    pub signer: AccountId,
    /// The member who uses, or feeds in, what it counts; for a main meter the operator.
    #[n(3)]
    pub member: AccountId,
    /// From when.
    #[n(4)]
    pub from: Timestamp,
    /// The meter's profile (`im1281b`), which says how its raw frames read.
    #[n(5)]
    pub profile: String,
    /// What the counter is multiplied by (instrument transformers); 1 for most.
    #[n(6)]
    pub factor: u32,
    /// Whether it is a main meter: it books nothing to a sheet, but shows what is lost on the way to the members.
    #[n(7)]
    pub main: bool,
}
