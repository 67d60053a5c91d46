//! What ends or changes: roles, bindings of meters, keys.

use super::Role;
use crate::PublicKey;
use minicbor::{Decode, Encode};
use units::{AccountId, LedgerId, MeterId, Timestamp};

/// `[1, RetireRole]` or `[2, RetireMeter]`: ends what `register` began. What happened before still counts.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Retire {
    /// An account's role.
    #[n(1)]
    Role(#[n(0)] RetireRole),
    /// A meter's present binding.
    #[n(2)]
    Meter(#[n(0)] RetireMeter),
}

/// The end of an account's role.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RetireRole {
    /// The account.
    #[n(1)]
    pub account: AccountId,
    /// The role; every one but the operator's.
    #[n(2)]
    pub role: Role,
    /// From when it no longer holds. A gateway's intervals that ended by then are still admitted.
    #[n(3)]
    pub at: Timestamp,
}

/// The end of a meter's present binding.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RetireMeter {
    /// The number on the meter.
    #[n(1)]
    pub meter: MeterId,
    /// Its end: intervals up to it are still admitted, later ones refused.
    #[n(2)]
    pub at: Timestamp,
}

/// An account's key signs nothing from here on; what it signed before keeps counting.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Revoke {
    /// The account.
    #[n(1)]
    pub account: AccountId,
}

/// A new key for the signer's account, whose id stays. Signed with the present key, so that nobody else, the operator
/// included, can take an account over.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Rotate {
    /// The new key, which signs from the next statement on.
    #[n(1)]
    pub key: PublicKey,
    /// The new key's signature over [`Rotate::to_be_signed`]: whoever rotates has it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub possession: Vec<u8>,
}

impl Rotate {
    /// What the new key signs: a fixed prefix, the ledger, the account and the key itself.
    #[must_use]
    pub fn to_be_signed(ledger: &LedgerId, account: &AccountId, key: &PublicKey) -> Vec<u8> {
        let key = crate::cbor::encode(key);
        [b"wattproof rotate\0".as_slice(), ledger.as_bytes(), account.as_bytes(), &key].concat()
    }
}
