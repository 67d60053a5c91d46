//! State records: what the state root commits to, each under its key.

use super::account::AccountRecord;
use super::claims::{ClaimRecord, LoadRecord, OutsideRecord};
use super::parameters::ParametersRecord;
use crate::act::{ActId, CounterPair, Offer, OfferId, Tariff, Utility};
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
    /// An open offer.
    #[n(8)]
    Offer(#[n(0)] OfferId),
    /// An interval whose voltage was outside the limits, by the month of its end.
    #[n(9)]
    Outside(#[n(0)] Month, #[n(1)] ActId),
    /// A claim.
    #[n(10)]
    Claim(#[n(0)] ActId),
    /// A meter's load, as it was switched last.
    #[n(11)]
    Load(#[n(0)] MeterId),
    /// What the operator changed of genesis' rules.
    #[n(12)]
    Parameters,
    /// A later key of an account, by its thumbprint.
    #[n(13)]
    Key(#[n(0)] AccountId),
    /// A utility's bill by start of its period.
    #[n(20)]
    Utility(#[n(0)] Timestamp),
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
    /// Under [`RecordKey::Offer`].
    #[n(8)]
    Offer(#[n(0)] OfferRecord),
    /// Under [`RecordKey::Outside`].
    #[n(9)]
    Outside(#[n(0)] OutsideRecord),
    /// Under [`RecordKey::Claim`].
    #[n(10)]
    Claim(#[n(0)] ClaimRecord),
    /// Under [`RecordKey::Load`].
    #[n(11)]
    Load(#[n(0)] LoadRecord),
    /// Under [`RecordKey::Parameters`].
    #[n(12)]
    Parameters(#[n(0)] ParametersRecord),
    /// Under [`RecordKey::Key`]: the account.
    #[n(13)]
    Key(#[n(0)] AccountId),
    /// Under [`RecordKey::Utility`].
    #[n(20)]
    Utility(#[n(0)] UtilityRecord),
}

impl Record {
    /// What the state tree holds of it: SHA-256 of its encoding.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(Sha256::digest(cbor::encode(self)).into())
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

/// Energy of a closed month whose readings came late; part of `consumed` here, at that month's tariff.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Correction {
    /// The closed month.
    #[n(0)]
    pub of: Month,
    /// First month of the tariff in force in it.
    #[n(1)]
    pub tariff: Month,
    /// How much came late.
    #[n(2)]
    pub late: DividedEnergy,
    /// What was known of the month before: a table with brackets prices the difference that the late energy makes.
    #[n(3)]
    pub before: DividedEnergy,
}

/// Energy, and the same by band of a tariff by time of day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct DividedEnergy {
    /// All of it.
    #[n(0)]
    pub energy: Energy,
    /// By band, in the table's order; empty for tables without bands.
    #[n(1)]
    pub bands: Vec<Energy>,
    /// Whether a change of band fell within an interval.
    #[n(2)]
    pub estimated: bool,
}

impl DividedEnergy {
    /// Adds to all and to each band. Sums stay at the bound of a term, which what they are part of has passed before.
    pub(crate) fn add(&mut self, more: &Self) {
        let sum = |a: Energy, b: Energy| a.checked_add(b).unwrap_or(Terms::TERM_MAX);
        self.energy = sum(self.energy, more.energy);
        if self.bands.len() < more.bands.len() {
            self.bands.resize(more.bands.len(), Energy::ZERO);
        }
        for (band, more) in self.bands.iter_mut().zip(&more.bands) {
            *band = sum(*band, *more);
        }
        self.estimated |= more.estimated;
    }
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
    /// Energy bought at a price; part of `gained`.
    #[n(5)]
    pub bought: Priced,
    /// Energy sold at a price; part of `traded`.
    #[n(6)]
    pub sold: Priced,
    /// What was used in the month itself, divided as its tariff says; late energy of other months is not in it.
    #[n(7)]
    pub regular: DividedEnergy,
}

/// Energy with the money for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct Priced {
    /// How much.
    #[n(0)]
    pub energy: Energy,
    /// Sum of the trades' amounts, each energy x price, half up to 1e-4.
    #[n(1)]
    pub amount: Money,
}

impl Default for SheetRecord {
    fn default() -> Self {
        Self {
            terms: Terms::default(),
            meters: Vec::new(),
            corrections: Vec::new(),
            entries: 0,
            entries_digest: Entry::NONE,
            bought: Priced::default(),
            sold: Priced::default(),
            regular: DividedEnergy::default(),
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
    /// Until when, once it is retired or a later binding has begun.
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
    /// Whether it is a main meter, which books to no sheet.
    #[n(8)]
    pub main: bool,
}

impl BindingRecord {
    /// Whether its chain can still grow.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.until.is_none_or(|until| self.head.end < until)
    }
}

/// A tariff and the statement that made it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
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
    /// Frozen, under the tariff that began with this month (none if none was in force).
    #[n(1)]
    Closed(#[n(0)] Option<Month>),
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
    /// The operator's side of priced trades: with all sheets' sold less bought it sums to zero.
    #[n(6)]
    pub money: Money,
    /// What the main meters counted in.
    #[n(7)]
    pub main_import: Energy,
    /// What the main meters counted out.
    #[n(8)]
    pub main_export: Energy,
}

impl MonthRecord {
    /// Energy that went in through the main meters, or was generated by the members, and that no member's meter counted;
    /// below zero where meters disagree, meaningless without a main meter.
    #[must_use]
    pub fn loss(&self) -> EnergyBalance {
        let main = i128::from(self.main_import.mwh()) - i128::from(self.main_export.mwh());
        let loss = main - i128::from(self.physical.mwh());
        EnergyBalance::from_mwh(i64::try_from(loss).unwrap_or(if loss > 0 { i64::MAX } else { i64::MIN }))
    }
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
    /// The claim about it, if there is one.
    #[n(3)]
    pub claim: Option<ActId>,
}

/// An open offer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OfferRecord {
    /// Who sells.
    #[n(0)]
    pub seller: AccountId,
    /// The offer.
    #[n(1)]
    pub offer: Offer,
}

/// A utility's bill, and what tenants have been charged against it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct UtilityRecord {
    /// As stated.
    #[n(0)]
    pub utility: Utility,
    /// The statement.
    #[n(1)]
    pub statement: StatementId,
    /// Charged so far.
    #[n(2)]
    pub charged: Money,
    /// For this energy.
    #[n(3)]
    pub charged_energy: Energy,
}
