//! State records: what the state root commits to, each under its key.

use crate::PublicKey;
use crate::act::{CounterPair, Role, Tariff};
use crate::cbor;
use crate::terms::Terms;
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};
use units::{
    AccountId, BindingId, Digest, Energy, EnergyBalance, Height, MeterId, Money, Month, StatementId, Timestamp,
};

/// Names a record: `[kind, ...]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(flat)]
pub enum RecordKey {
    /// An account.
    #[n(1)]
    Account(#[n(0)] AccountId),
    /// A member's sheet of a month.
    #[n(2)]
    Sheet(#[n(0)] Month, #[n(1)] AccountId),
    /// A meter: its present binding.
    #[n(3)]
    Meter(#[n(0)] MeterId),
    /// A binding and the head of its chain.
    #[n(4)]
    Binding(#[n(0)] BindingId),
    /// A tariff by the first month it is in force.
    #[n(5)]
    Tariff(#[n(0)] Month),
    /// The community's side of a month.
    #[n(6)]
    Month(#[n(0)] Month),
    /// A bill by account and start of its span.
    #[n(7)]
    Bill(#[n(0)] AccountId, #[n(1)] Timestamp),
}

impl RecordKey {
    /// Its place in the state tree: SHA-256 of its encoding.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(Sha256::digest(cbor::encode(self)).into())
    }
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Record {
    /// Under [`RecordKey::Account`].
    #[n(1)]
    Account(#[n(0)] AccountRecord),
    /// Under [`RecordKey::Sheet`].
    #[n(2)]
    Sheet(#[n(0)] SheetRecord),
    /// Under [`RecordKey::Meter`].
    #[n(3)]
    Meter(#[n(0)] BindingId),
    /// Under [`RecordKey::Binding`].
    #[n(4)]
    Binding(#[n(0)] BindingRecord),
    /// Under [`RecordKey::Tariff`].
    #[n(5)]
    Tariff(#[n(0)] TariffRecord),
    /// Under [`RecordKey::Month`].
    #[n(6)]
    Month(#[n(0)] MonthRecord),
    /// Under [`RecordKey::Bill`].
    #[n(7)]
    Bill(#[n(0)] BillRecord),
}

impl Record {
    /// What the state tree holds of it: SHA-256 of its encoding.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(Sha256::digest(cbor::encode(self)).into())
    }
}

/// An account: its key and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AccountRecord {
    /// Its key.
    #[n(0)]
    pub key: PublicKey,
    /// Its roles, each from when; at most one entry a role.
    #[n(1)]
    pub roles: Vec<RoleSince>,
    /// For a miner: who gains.
    #[n(2)]
    pub beneficiary: Option<AccountId>,
}

/// A role and from when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct RoleSince {
    /// The role.
    #[n(0)]
    pub role: Role,
    /// From when.
    #[n(1)]
    pub from: Timestamp,
}

impl AccountRecord {
    /// Whether it has a role at a time.
    #[must_use]
    pub fn has(&self, role: Role, at: Timestamp) -> bool {
        self.roles.iter().any(|since| since.role == role && since.from <= at)
    }
}

/// What moved a sheet, in order: every entry is hashed into [`SheetRecord::entries_digest`], so that a list of them can
/// be proven complete.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Entry {
    /// An act of a statement.
    #[n(1)]
    Act(#[n(0)] StatementId, #[n(1)] u32),
    /// The reward of a block.
    #[n(2)]
    Reward(#[n(0)] Height),
    /// What the month before left.
    #[n(3)]
    Carried(#[n(0)] Month),
}

impl Entry {
    /// The digest of a list with this entry appended.
    #[must_use]
    pub fn extend(&self, digest: &Digest) -> Digest {
        let bytes = [digest.as_bytes().as_slice(), &cbor::encode(self)].concat();
        Digest::from_bytes(Sha256::digest(bytes).into())
    }

    /// The digest of an empty list.
    pub const NONE: Digest = Digest::from_bytes([0; 32]);
}

/// Counters of one meter within a month, without a break between them: booked = (end - start) x factor.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MeterMonth {
    /// The meter.
    #[n(0)]
    pub meter: MeterId,
    /// Its binding.
    #[n(1)]
    pub binding: BindingId,
    /// Factor.
    #[n(2)]
    pub factor: u32,
    /// Import counter.
    #[n(3)]
    pub import: CounterPair,
    /// Export counter, if the meter has one.
    #[n(4)]
    pub export: Option<CounterPair>,
    /// Whether an end was split by time at a month's boundary, or stated as estimated.
    #[n(5)]
    pub estimated: bool,
}

/// Energy of a closed month whose readings came late; part of `consumed` here, at that month's price.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Correction {
    /// The closed month.
    #[n(0)]
    pub of: Month,
    /// How much.
    #[n(1)]
    pub consumed: Energy,
    /// That month's price of a kWh.
    #[n(2)]
    pub unit_price: Money,
}

/// A member's sheet of a month.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SheetRecord {
    /// The formula's terms.
    #[n(0)]
    pub terms: Terms,
    /// Counters, in the order they were booked; at most [`super::SEGMENTS_MAX`].
    #[n(1)]
    pub meters: Vec<MeterMonth>,
    /// Late energy of closed months.
    #[n(2)]
    pub corrections: Vec<Correction>,
    /// How many entries moved it.
    #[n(3)]
    pub entries: u64,
    /// Hash chain over them ([`Entry::extend`]).
    #[n(4)]
    pub entries_digest: Digest,
}

impl Default for SheetRecord {
    fn default() -> Self {
        Self {
            terms: Terms::default(),
            meters: Vec::new(),
            corrections: Vec::new(),
            entries: 0,
            entries_digest: Entry::NONE,
        }
    }
}

/// Where a meter's chain stands.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ChainHead {
    /// Number of the next statement.
    #[n(0)]
    pub next_seq: u64,
    /// The last statement; the binding's id as a statement id before the first.
    #[n(1)]
    pub previous: StatementId,
    /// End of the last interval; the binding's start before the first.
    #[n(2)]
    pub end: Timestamp,
    /// Import counter there, once one is known.
    #[n(3)]
    pub import: Option<Energy>,
    /// Export counter there, once one is known.
    #[n(4)]
    pub export: Option<Energy>,
}

/// A meter bound to signer and member.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BindingRecord {
    /// The meter.
    #[n(0)]
    pub meter: MeterId,
    /// Who signs.
    #[n(1)]
    pub signer: AccountId,
    /// Who is billed.
    #[n(2)]
    pub member: AccountId,
    /// From when.
    #[n(3)]
    pub from: Timestamp,
    /// Until when, once a later binding has begun.
    #[n(4)]
    pub until: Option<Timestamp>,
    /// Profile of the meter's model.
    #[n(5)]
    pub profile: String,
    /// Factor.
    #[n(6)]
    pub factor: u32,
    /// The chain's head.
    #[n(7)]
    pub head: ChainHead,
}

/// A tariff and the statement that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct TariffRecord {
    /// The prices.
    #[n(0)]
    pub tariff: Tariff,
    /// The statement.
    #[n(1)]
    pub statement: StatementId,
}

/// Open or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum MonthStatus {
    /// Readings, contracts and transfers book.
    #[n(0)]
    Open,
    /// Frozen, under this tariff (none if none was in force).
    #[n(1)]
    Closed(#[n(0)] Option<TariffRecord>),
}

/// The community's side of a month's double entry: supply + physical + budget + all sheets' remaining = 0.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MonthRecord {
    /// Open or closed.
    #[n(0)]
    pub status: MonthStatus,
    /// The operator's supply; below zero by what was issued from it.
    #[n(1)]
    pub supply: EnergyBalance,
    /// The physical side: consumed less generated.
    #[n(2)]
    pub physical: EnergyBalance,
    /// Budget left for rewards.
    #[n(3)]
    pub budget: EnergyBalance,
    /// Sum of contracts.
    #[n(4)]
    pub contracts: Energy,
    /// Sum of rewards paid.
    #[n(5)]
    pub rewards: Energy,
}

/// A bill that the ledger accepted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BillRecord {
    /// End of its span.
    #[n(0)]
    pub until: Timestamp,
    /// The statement.
    #[n(1)]
    pub statement: StatementId,
    /// Its total.
    #[n(2)]
    pub total: Money,
}
