//! Price tables and bills.

use crate::price::{self, Grouping, Season, Seasonal, Summer, Table};
use crate::terms::Terms;
use minicbor::{Decode, Encode};
use units::{AccountId, Energy, MeterId, Money, Month, StatementId, Timestamp};

/// What energy costs from a month on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Tariff {
    /// First month it is in force.
    #[n(1)]
    pub from: Month,
    /// The price table.
    #[n(2)]
    pub table: Table,
    /// Price of a kWh used beyond the sheet (what remains is below zero); absent: the table holds for all use.
    #[n(3)]
    pub excess_price: Option<Money>,
    /// The total is rounded half up to a multiple of this (10,000: whole currency units).
    #[n(4)]
    pub round_to: Money,
    /// The months of summer, if prices differ by season.
    #[n(5)]
    pub summer: Option<Summer>,
    /// How the months of a bill are set against limits.
    #[n(6)]
    pub grouping: Grouping,
}

impl Tariff {
    /// One price all year, and another for what exceeds the sheet.
    #[must_use]
    pub const fn flat(from: Month, price: Money, excess_price: Option<Money>, round_to: Money) -> Self {
        let table = Table::Flat(Seasonal::all_year(price));
        Self { from, table, excess_price, round_to, summer: None, grouping: Grouping::EachMonth }
    }

    /// The season of a month.
    #[must_use]
    pub fn season(&self, month: Month) -> Season {
        if self.summer.is_some_and(|summer| summer.contains(month)) { Season::Summer } else { Season::Other }
    }
}

/// The utility's own bill, which bounds what tenants are charged. Stated by the operator on a tenancy ledger.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Utility {
    /// Start of its period.
    #[n(1)]
    pub from: Timestamp,
    /// End of its period, exclusive.
    #[n(2)]
    pub until: Timestamp,
    /// What the utility charges.
    #[n(3)]
    pub amount: Money,
    /// For how much energy.
    #[n(4)]
    pub energy: Energy,
    /// Whether the utility apportions the electricity of common facilities on it.
    #[n(5)]
    pub common_facilities: bool,
}

impl Utility {
    /// The average price of a kWh, rounded down to 1e-4. `None` for a bill without energy.
    #[must_use]
    pub fn average(&self) -> Option<Money> {
        price::average(self.amount, self.energy)
    }
}

/// A bill over whole sheets, as the ledger computes it ([`crate::bill`]).
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
    /// The amounts.
    #[n(5)]
    pub lines: Vec<BillLine>,
    /// Sum of all lines, rounded as the last month's tariff says; below zero is a credit.
    #[n(6)]
    pub total: Money,
    /// On a tenancy ledger: the utility's bills that cover the span.
    #[n(7)]
    pub utilities: Vec<UtilityFigures>,
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
    /// Use by band, in the order of the tariff's table; empty for tables without bands.
    #[n(5)]
    pub bands: Vec<Energy>,
    /// Whether a change of band fell within an interval, whose energy was then split by time.
    #[n(6)]
    pub bands_estimated: bool,
}

/// The figures of a utility's bill that a tenant is entitled to see.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct UtilityFigures {
    /// Start of its period.
    #[n(1)]
    pub from: Timestamp,
    /// End of its period, exclusive.
    #[n(2)]
    pub until: Timestamp,
    /// The average price of a kWh, rounded down to 1e-4.
    #[n(3)]
    pub average: Money,
    /// Energy on it.
    #[n(4)]
    pub energy: Energy,
    /// Its total.
    #[n(5)]
    pub amount: Money,
    /// Whether common facilities are apportioned on it.
    #[n(6)]
    pub common_facilities: bool,
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
    /// Energy of a closed month whose readings came late, at that month's tariff.
    #[n(3)]
    Correction,
    /// Energy of a bracket.
    #[n(4)]
    Bracket,
    /// Energy of a band by time of day.
    #[n(5)]
    Band,
    /// Charged for the month, whatever is used.
    #[n(6)]
    Fixed,
    /// On top, for what is above a month's limit.
    #[n(7)]
    Surcharge,
    /// What was missing to the minimum charge.
    #[n(8)]
    Minimum,
    /// Energy bought in priced trades.
    #[n(9)]
    Bought,
    /// Energy sold in priced trades; the amount is below zero.
    #[n(10)]
    Sold,
}

impl LineKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Energy,
        Self::Excess,
        Self::Correction,
        Self::Bracket,
        Self::Band,
        Self::Fixed,
        Self::Surcharge,
        Self::Minimum,
        Self::Bought,
        Self::Sold,
    ];

    /// Its name in JSON and scenarios.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Energy => "energy",
            Self::Excess => "excess",
            Self::Correction => "correction",
            Self::Bracket => "bracket",
            Self::Band => "band",
            Self::Fixed => "fixed",
            Self::Surcharge => "surcharge",
            Self::Minimum => "minimum",
            Self::Bought => "bought",
            Self::Sold => "sold",
        }
    }
}

/// A line of a bill. Energy x unit price = amount, rounded half up to 1e-4, where it has both.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BillLine {
    /// What for.
    #[n(1)]
    pub kind: LineKind,
    /// The month that the energy was used in; the first one of several.
    #[n(2)]
    pub month: Month,
    /// Over how many months.
    #[n(3)]
    pub months: u32,
    /// The band's name.
    #[n(4)]
    pub band: Option<String>,
    /// How much.
    #[n(5)]
    pub energy: Option<Energy>,
    /// Price of a kWh.
    #[n(6)]
    pub unit_price: Option<Money>,
    /// What it comes to.
    #[n(7)]
    pub amount: Money,
}
