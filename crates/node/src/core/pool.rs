//! The pool: statements that were acknowledged and wait for a block, oldest first.
//!
//! Bounded by count and bytes, so that a flood is refused instead of filling memory and disk.

use ledger::act::{Act, Readings, Register};
use ledger::state::AccountRecord;
use ledger::{PublicKey, VerifiedStatement};
use std::collections::BTreeMap;
use units::{AccountId, BindingId, Digest, StatementId, Timestamp};

/// Statements that may wait: eight full blocks.
pub const POOL_STATEMENTS_MAX: usize = 8 * ledger::Block::STATEMENTS_MAX;
/// Bytes that may wait: eight full blocks. Attachments are on disk and not counted.
pub const POOL_BYTES_MAX: usize = 8 * ledger::Block::BYTES_MAX;

/// A statement that waits.
#[derive(Debug, Clone)]
pub struct Pooled {
    /// When it was acknowledged; never before one that waits before it, whatever the clock says.
    pub received: Timestamp,
    /// The statement.
    pub statement: VerifiedStatement,
}

/// The statements that wait.
#[derive(Debug, Default)]
pub(super) struct Pool {
    by_arrival: BTreeMap<u64, Pooled>,
    arrivals: BTreeMap<StatementId, u64>,
    /// Keys that pooled statements register, with how many do.
    keys: BTreeMap<AccountId, (PublicKey, usize)>,
    /// Keys that pooled statements put in another's place, by the one that they replace.
    rotations: BTreeMap<(AccountId, Digest), (StatementId, PublicKey)>,
    /// Accounts that pooled statements revoke.
    revocations: BTreeMap<AccountId, StatementId>,
    /// Places in meter chains that pooled statements take.
    sequences: BTreeMap<(BindingId, u64), StatementId>,
    bytes: usize,
    next: u64,
    /// Counts changes.
    generation: u64,
}

impl Pool {
    pub(super) fn len(&self) -> usize {
        self.by_arrival.len()
    }
    pub(super) fn is_empty(&self) -> bool {
        self.by_arrival.is_empty()
    }
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }
    pub(super) fn get(&self, id: &StatementId) -> Option<&Pooled> {
        self.by_arrival.get(self.arrivals.get(id)?)
    }
    pub(super) fn contains(&self, id: &StatementId) -> bool {
        self.arrivals.contains_key(id)
    }
    pub(super) fn iter(&self) -> impl Iterator<Item = &Pooled> {
        self.by_arrival.values()
    }
    /// The key that an account has once everything pooled is in a block; `present` is the state's. Of rotations only those
    /// count that lead on from it: the others will be refused.
    pub(super) fn key_of(&self, account: &AccountId, present: Option<PublicKey>) -> Option<PublicKey> {
        let mut key = present.or_else(|| self.keys.get(account).map(|(key, _)| key.clone()))?;
        // Bounded, because rotations that only wait may lead in a circle; a state refuses them.
        for _ in 0..AccountRecord::KEYS_MAX {
            match self.rotations.get(&(*account, thumbprint(&key))) {
                Some((_, next)) => key = next.clone(),
                None => break,
            }
        }
        Some(key)
    }
    /// Whether a pooled statement revokes an account's key.
    pub(super) fn revokes(&self, account: &AccountId) -> bool {
        self.revocations.contains_key(account)
    }
    /// The pooled statement that takes a place in a meter's chain.
    pub(super) fn at_sequence(&self, binding: BindingId, seq: u64) -> Option<StatementId> {
        self.sequences.get(&(binding, seq)).copied()
    }
    /// Whether another statement of so many bytes may wait.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        self.len() < POOL_STATEMENTS_MAX && self.bytes.saturating_add(bytes) <= POOL_BYTES_MAX
    }

    pub(super) fn add(&mut self, pooled: Pooled) {
        let statement = &pooled.statement;
        self.bytes += statement.signed().leaf().len();
        for act in &statement.payload().acts {
            match act {
                Act::Register(Register::Key(register)) => {
                    self.keys.entry(register.key.account()).or_insert((register.key.clone(), 0)).1 += 1;
                }
                Act::Rotate(rotate) => {
                    let replaced = (statement.signer(), statement.key());
                    self.rotations.entry(replaced).or_insert((statement.id(), rotate.key.clone()));
                }
                Act::Revoke(revoke) => {
                    self.revocations.entry(revoke.account).or_insert(statement.id());
                }
                Act::Readings(readings) => {
                    self.sequences.entry(sequence(readings)).or_insert(statement.id());
                }
                _ => {}
            }
        }
        self.arrivals.insert(statement.id(), self.next);
        self.by_arrival.insert(self.next, pooled);
        self.next += 1;
        self.generation += 1;
    }

    /// Puts statements before all that wait.
    pub(super) fn put_first(&mut self, first: Vec<Pooled>) {
        let before = std::mem::take(self);
        (self.next, self.generation) = (before.next, before.generation);
        for pooled in first.into_iter().chain(before.by_arrival.into_values()) {
            if !self.contains(&pooled.statement.id()) {
                self.add(pooled);
            }
        }
    }

    /// When the statement that came last was acknowledged.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.by_arrival.last_key_value().map(|(_, pooled)| pooled.received)
    }

    pub(super) fn remove(&mut self, id: &StatementId) -> Option<Pooled> {
        let pooled = self.by_arrival.remove(&self.arrivals.remove(id)?)?;
        self.bytes -= pooled.statement.signed().leaf().len();
        for act in &pooled.statement.payload().acts {
            match act {
                Act::Register(Register::Key(register)) => self.forget_key(&register.key.account()),
                Act::Rotate(_) => {
                    let replaced = (pooled.statement.signer(), pooled.statement.key());
                    if self.rotations.get(&replaced).is_some_and(|(rotation, _)| rotation == id) {
                        self.rotations.remove(&replaced);
                    }
                }
                Act::Revoke(revoke) if self.revocations.get(&revoke.account) == Some(id) => {
                    self.revocations.remove(&revoke.account);
                }
                Act::Readings(readings) if self.sequences.get(&sequence(readings)) == Some(id) => {
                    self.sequences.remove(&sequence(readings));
                }
                _ => {}
            }
        }
        self.generation += 1;
        Some(pooled)
    }

    fn forget_key(&mut self, account: &AccountId) {
        if let Some((_, count)) = self.keys.get_mut(account) {
            *count -= 1;
            if *count == 0 {
                self.keys.remove(account);
            }
        }
    }
}

fn thumbprint(key: &PublicKey) -> Digest {
    Digest::from_bytes(*key.account().as_bytes())
}

fn sequence(readings: &Readings) -> (BindingId, u64) {
    (readings.binding, readings.seq)
}
