//! What a meter counted, and what a member read.

use minicbor::{Decode, Encode};
use units::{BindingId, Current, Digest, Energy, Millis, Power, StatementId, Timestamp, Voltage};

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
    /// A counter reached its highest value and began at zero again; what it moved on the way is booked. The act says
    /// where that is ([`Readings::wraps_at`]).
    #[n(4)]
    Wrap,
}

/// Where an interval's counters come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ReadingSource {
    /// The meter's own bytes, in the attachment; signed by the binding's signer.
    #[n(0)]
    Meter,
    /// The display, read by eye; signed by the operator, without an attachment.
    #[n(1)]
    ByHand,
    /// A file of another system; signed by the operator, without an attachment.
    #[n(2)]
    Imported,
}

impl ReadingSource {
    /// Whether the operator vouches for it, because no meter's bytes do.
    #[must_use]
    pub const fn is_operators(self) -> bool {
        matches!(self, Self::ByHand | Self::Imported)
    }
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
    /// Whether the counter at the end was estimated, or read so long before it that it is not the end's.
    #[n(14)]
    pub estimated: bool,
    /// Salted SHA-256 of the attachment's columns ([`crate::attachment`]).
    #[n(15)]
    pub columns: Digest,
    /// RFC 9162 root over the attachment's raw frames.
    #[n(16)]
    pub frames: Digest,
    /// Where the counters come from.
    #[n(17)]
    pub source: ReadingSource,
    /// With [`Break::Wrap`], and only with it: the value that the counter's display or register never shows because it
    /// begins at zero there, such as 10,000 kWh of a meter that shows 9999.99. Whoever knows the meter's model can check
    /// it, and both counters stand in the raw frames.
    #[n(18)]
    pub wraps_at: Option<Energy>,
}

impl Readings {
    /// Events kept an interval; a flickering supply is told by the first ones and the extremes.
    pub const EVENTS_MAX: usize = 16;
    /// Longest interval of a gateway: a day, so that its statement never spans more than two months.
    pub const INTERVAL_MAX: Millis = Millis::from_minutes(24 * 60);
    /// Longest interval that the operator states: a quarter between two readings by eye.
    pub const INTERVAL_MAX_BY_HAND: Millis = Millis::from_minutes(92 * 24 * 60);
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
