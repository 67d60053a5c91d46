//! Price tables and bills.

use crate::terms::Terms;
use minicbor::{Decode, Encode};
use units::{AccountId, Energy, MeterId, Money, Month, StatementId, Timestamp};

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
