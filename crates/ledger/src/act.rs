//! Acts: what a signer may state. The CBOR kind numbers and keys are drawn in `docs/protocol.md`.
//!
//! Kinds 2 to 4, 9, 10, 13 to 17 are reserved (retire, revoke, rotate, offer, accept, claim, answer, control,
//! parameter, upgrade).

use crate::PublicKey;
use crate::terms::Terms;
use minicbor::{Decode, Encode};
use units::{
    AccountId, BindingId, Current, Digest, Energy, MeterId, Millis, Money, Month, Power, StatementId, Timestamp,
    Voltage,
};

/// One act of a statement: `[kind, body]`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Act {
    /// Binds a key to a role, or a meter to its signer and member. By the operator.
    #[n(1)]
    Register(#[n(0)] Register),
    /// A member's contracted energy of a month. By the operator.
    #[n(5)]
    Contract(#[n(0)] Contract),
    /// One meter's interval. By the meter's signer.
    #[n(6)]
    Readings(#[n(0)] Box<Readings>),
    /// A reading typed or picked by a member: public, dated, moves no counter. By a member.
    #[n(7)]
    Note(#[n(0)] Note),
    /// Energy to the operator or another member. By the seller.
    #[n(8)]
    Transfer(#[n(0)] Transfer),
    /// A price table from a month on. By the operator.
    #[n(11)]
    Tariff(#[n(0)] Tariff),
    /// An account's bill. By the operator or the account.
    #[n(12)]
    Bill(#[n(0)] Box<Bill>),
}

impl Act {
    /// Its name in messages, JSON and scenarios.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::Contract(_) => "contract",
            Self::Readings(_) => "readings",
            Self::Note(_) => "note",
            Self::Transfer(_) => "transfer",
            Self::Tariff(_) => "tariff",
            Self::Bill(_) => "bill",
        }
    }
}

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
    /// The member who uses, or feeds in, what it counts.
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
}

/// E_con: contracted energy of a member for a month. In an open month it may only rise.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Contract {
    /// The member.
    #[n(1)]
    pub account: AccountId,
    /// The month.
    #[n(2)]
    pub month: Month,
    /// How much in that month.
    #[n(3)]
    pub energy: Energy,
}

/// A pair of counter values: at an interval's start and at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct CounterPair {
    /// At the start.
    #[n(0)]
    pub start: Energy,
    /// At the end.
    #[n(1)]
    pub end: Energy,
}

/// Lowest, highest and mean voltage of an interval; the mean rounds down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct VoltageRange {
    /// Lowest.
    #[n(0)]
    pub min: Voltage,
    /// Highest.
    #[n(1)]
    pub max: Voltage,
    /// Mean over the readings.
    #[n(2)]
    pub mean: Voltage,
}

/// Why an interval does not continue where the chain's head ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Break {
    /// No readings from the head's end to this start; the counter ran on and its difference is booked.
    #[n(1)]
    Gap,
    /// The counter was set back; nothing is booked for what it lost.
    #[n(2)]
    Reset,
    /// Another device stands in the meter's place; the counter begins anew.
    #[n(3)]
    Exchange,
}

/// What happened within an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum EventKind {
    /// Voltage above the community's upper limit.
    #[n(1)]
    OverVoltage,
    /// Voltage below the lower limit.
    #[n(2)]
    UnderVoltage,
}

/// An event with its extreme value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Event {
    /// What.
    #[n(0)]
    pub kind: EventKind,
    /// First reading outside the limit.
    #[n(1)]
    pub from: Timestamp,
    /// Last reading outside the limit.
    #[n(2)]
    pub until: Timestamp,
    /// The highest (or lowest) voltage.
    #[n(3)]
    pub extreme: Voltage,
}

/// One interval of one meter, in plain what rules and claims use; every reading is in the attachment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Readings {
    /// The binding whose chain this continues.
    #[n(1)]
    pub binding: BindingId,
    /// Place in the chain, from 0.
    #[n(2)]
    pub seq: u64,
    /// The statement before in the chain; for `seq` 0 the binding's id as a statement id.
    #[n(3)]
    pub previous: StatementId,
    /// Start of the interval.
    #[n(4)]
    pub start: Timestamp,
    /// End of the interval (exclusive; the next one's start).
    #[n(5)]
    pub end: Timestamp,
    /// Import counter at both.
    #[n(6)]
    pub import: CounterPair,
    /// Export counter at both, if the meter has one.
    #[n(7)]
    pub export: Option<CounterPair>,
    /// Readings in the attachment.
    #[n(8)]
    pub count: u32,
    /// Voltage over the readings.
    #[n(9)]
    pub voltage: Option<VoltageRange>,
    /// Highest current.
    #[n(10)]
    pub peak_current: Option<Current>,
    /// Highest active power.
    #[n(11)]
    pub peak_power: Option<Power>,
    /// Why start or counter do not continue the chain's head.
    #[n(12)]
    pub broken: Option<Break>,
    /// Voltage events, at most [`Readings::EVENTS_MAX`].
    #[n(13)]
    pub events: Vec<Event>,
    /// Whether the counters at the ends were estimated rather than read.
    #[n(14)]
    pub estimated: bool,
    /// Salted SHA-256 of the attachment's columns ([`crate::attachment`]).
    #[n(15)]
    pub columns: Digest,
    /// RFC 9162 root over the attachment's raw frames.
    #[n(16)]
    pub frames: Digest,
}

impl Readings {
    /// Events kept an interval; a flickering supply is told by the first ones and the extremes.
    pub const EVENTS_MAX: usize = 16;
    /// Longest interval: a day, so that one statement never spans more than two months.
    pub const INTERVAL_MAX: Millis = Millis::from_minutes(24 * 60);
}

/// A reading that a member states, the paper's submission of energy data.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Note {
    /// When it was read.
    #[n(1)]
    pub time: Timestamp,
    /// Voltage, if stated.
    #[n(2)]
    pub voltage: Option<Voltage>,
    /// Current, if stated.
    #[n(3)]
    pub current: Option<Current>,
    /// Active power, if stated.
    #[n(4)]
    pub power: Option<Power>,
    /// The counter, if stated.
    #[n(5)]
    pub energy: Option<Energy>,
    /// A remark, at most [`Note::TEXT_MAX`] bytes of UTF-8.
    #[n(6)]
    pub text: Option<String>,
}

impl Note {
    /// Longest remark in bytes: it is public forever, and a ledger is no message board.
    pub const TEXT_MAX: usize = 280;
}

/// Energy given to the operator or a member, out of what remains of the signer's month.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Transfer {
    /// Who gains it.
    #[n(1)]
    pub to: AccountId,
    /// How much.
    #[n(2)]
    pub energy: Energy,
    /// The month whose sheets it moves between.
    #[n(3)]
    pub month: Month,
}

/// One flat price a kWh, and another for what exceeds the sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Tariff {
    /// First month it is in force.
    #[n(1)]
    pub from: Month,
    /// Price of a kWh used.
    #[n(2)]
    pub price: Money,
    /// Price of a kWh used beyond the sheet (what remains is below zero).
    #[n(3)]
    pub excess_price: Money,
    /// The total is rounded half up to a multiple of this (10,000: whole currency units).
    #[n(4)]
    pub round_to: Money,
}

/// A bill over whole months, as the ledger computes it ([`crate::bill`]).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Bill {
    /// Who is billed.
    #[n(1)]
    pub account: AccountId,
    /// Start of the span.
    #[n(2)]
    pub from: Timestamp,
    /// End of the span, exclusive.
    #[n(3)]
    pub until: Timestamp,
    /// Month by month.
    #[n(4)]
    pub months: Vec<BillMonth>,
    /// Sum of all lines, rounded as the last month's tariff says.
    #[n(5)]
    pub total: Money,
}

impl Bill {
    /// Months in a bill: a year.
    pub const MONTHS_MAX: usize = 12;
}

/// One month of a bill.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BillMonth {
    /// The month.
    #[n(1)]
    pub month: Month,
    /// The poster's formula (8), term by term.
    #[n(2)]
    pub terms: Terms,
    /// What the meters' own displays say.
    #[n(3)]
    pub meters: Vec<BillMeter>,
    /// The statement of the tariff in force.
    #[n(4)]
    pub tariff: StatementId,
    /// The amounts.
    #[n(5)]
    pub lines: Vec<BillLine>,
}

/// What a meter's display said at the span's ends.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BillMeter {
    /// The number on the meter.
    #[n(1)]
    pub meter: MeterId,
    /// Previous counter.
    #[n(2)]
    pub previous: Energy,
    /// Present counter.
    #[n(3)]
    pub present: Energy,
    /// Factor.
    #[n(4)]
    pub factor: u32,
    /// Energy used in the span, events accounted for.
    #[n(5)]
    pub energy: Energy,
    /// Whether a counter at an end of the span was split by time or otherwise estimated.
    #[n(6)]
    pub estimated: bool,
}

/// What a line of a bill charges for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum LineKind {
    /// Energy used, within what the sheet covers.
    #[n(1)]
    Energy,
    /// Energy used beyond it.
    #[n(2)]
    Excess,
    /// Energy of a closed month whose readings came late, at that month's price.
    #[n(3)]
    Correction,
}

/// A line of a bill: energy x unit price = amount, rounded half up to 1e-4.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BillLine {
    /// What for.
    #[n(1)]
    pub kind: LineKind,
    /// The month that the energy was used in.
    #[n(2)]
    pub month: Month,
    /// How much.
    #[n(3)]
    pub energy: Energy,
    /// Price of a kWh.
    #[n(4)]
    pub unit_price: Money,
    /// Energy x price.
    #[n(5)]
    pub amount: Money,
}
