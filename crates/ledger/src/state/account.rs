//! Accounts: which key counted when, and what the account might do.

use crate::PublicKey;
use crate::act::Role;
use minicbor::{Decode, Encode};
use units::{AccountId, Timestamp};

/// An account: its keys and what it may do, and from which place in the log on. A place in the log is not a height: it
/// does not depend on how the statements were cut into blocks, and the headers' log sizes give the height.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AccountRecord {
    /// Its keys in order, the present one last; at most [`AccountRecord::KEYS_MAX`]. The id is the thumbprint of the first.
    #[n(0)]
    pub keys: Vec<KeySpan>,
    /// Its roles, in the order they were registered; at most [`AccountRecord::ROLES_MAX`], and those of one role do not
    /// overlap.
    #[n(1)]
    pub roles: Vec<RoleSpan>,
    /// Bindings that name it as member and whose chain can still grow.
    #[n(2)]
    pub bindings: u32,
    /// Its open offers.
    #[n(3)]
    pub offers: u32,
    /// For a miner: who gains.
    #[n(4)]
    pub beneficiary: Option<AccountId>,
    /// Log index of the statement that revoked its key.
    #[n(5)]
    pub revoked: Option<u64>,
}

/// A key and from where it signs, until the next one does.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct KeySpan {
    /// The key.
    #[n(0)]
    pub key: PublicKey,
    /// Log index of the first statement that it may sign.
    #[n(1)]
    pub since: u64,
}

/// A role from when to when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct RoleSpan {
    /// The role.
    #[n(0)]
    pub role: Role,
    /// From when.
    #[n(1)]
    pub from: Timestamp,
    /// Log index of the statement that registered it; 0 for what genesis gives.
    #[n(2)]
    pub registered: u64,
    /// From when no longer.
    #[n(3)]
    pub until: Option<Timestamp>,
    /// Log index of the statement that retired it.
    #[n(4)]
    pub retired: Option<u64>,
}

impl RoleSpan {
    fn covers(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

impl AccountRecord {
    /// Keys of an account: whoever rotates every month has some years, and every bundle carries them.
    pub const KEYS_MAX: usize = 32;
    /// Spans of roles of an account: seven roles, and a tenant who comes back some times.
    pub const ROLES_MAX: usize = 32;

    /// An account with its first key, which signs from a log index on.
    #[must_use]
    pub fn new(key: PublicKey, since: u64) -> Self {
        let keys = vec![KeySpan { key, since }];
        Self { keys, roles: Vec::new(), bindings: 0, offers: 0, beneficiary: None, revoked: None }
    }

    /// Its present key. There always is one.
    #[must_use]
    pub fn key(&self) -> Option<&PublicKey> {
        self.keys.last().map(|span| &span.key)
    }

    /// The key that counts for a statement at a place in the log; none before the first, or once the account is revoked.
    #[must_use]
    pub fn key_at(&self, log_index: u64) -> Option<&PublicKey> {
        if self.revoked.is_some_and(|revoked| revoked < log_index) {
            return None;
        }
        self.keys.iter().rev().find(|span| span.since <= log_index).map(|span| &span.key)
    }

    /// Whether it has a role at a time.
    #[must_use]
    pub fn has(&self, role: Role, at: Timestamp) -> bool {
        self.roles.iter().any(|span| span.role == role && span.covers(at))
    }

    /// Whether it has a role at a time, and no end of it is stated.
    #[must_use]
    pub fn keeps(&self, role: Role, at: Timestamp) -> bool {
        self.roles.iter().any(|span| span.role == role && span.until.is_none() && span.from <= at)
    }

    /// Whether it is, or once was, a member.
    #[must_use]
    pub fn was_member(&self) -> bool {
        self.roles.iter().any(|span| span.role == Role::Member)
    }

    /// When its last time as a member ended; `None` if it goes on, or there was none.
    #[must_use]
    pub fn left_at(&self) -> Option<Timestamp> {
        let members = self.roles.iter().filter(|span| span.role == Role::Member);
        members.map(|span| span.until).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Whether it was a member, is none at a time, and nothing can move its sheets any more.
    #[must_use]
    pub fn has_left(&self, at: Timestamp) -> bool {
        self.bindings == 0 && self.left_at().is_some_and(|left| left <= at)
    }
}
