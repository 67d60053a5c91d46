//! Price tables as they stand in a `tariff` act, and what makes one complete.

use crate::cbor;
use minicbor::{Decode, Encode};
use units::{Energy, Money, Month};

/// The half of the year that has its own prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Season {
    /// The months of [`Summer`].
    Summer,
    /// All others.
    Other,
}

/// The months of summer. Whole months: a month is settled by one sheet, and the retail tables of Taipower change on
/// June 1st and October 1st, so a season that began within a month would ask for a cut that no table needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Summer {
    /// First month, 1 to 12.
    #[n(0)]
    pub first: u32,
    /// Last month, 1 to 12; below the first where the season spans the turn of the year.
    #[n(1)]
    pub last: u32,
}

impl Summer {
    /// Whether a month belongs to it.
    #[must_use]
    pub const fn contains(self, month: Month) -> bool {
        let number = month.month();
        if self.first <= self.last {
            self.first <= number && number <= self.last
        } else {
            self.first <= number || number <= self.last
        }
    }

    const fn is_valid(self) -> bool {
        self.first >= 1 && self.first <= 12 && self.last >= 1 && self.last <= 12
    }
}

/// How the months of a bill are set against limits, fixed charges and minimum charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Grouping {
    /// Each month alone.
    #[n(1)]
    EachMonth,
    /// Consecutive months of one tariff and one season together, against the limits times the number of months: a
    /// meter that is read every two months (Taipower).
    #[n(2)]
    Together,
}

/// The price of a kWh by season.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Seasonal {
    /// Outside summer, and in summer too if that has none of its own.
    #[n(0)]
    pub other: Option<Money>,
    /// In summer.
    #[n(1)]
    pub summer: Option<Money>,
}

impl Seasonal {
    /// The same all year.
    #[must_use]
    pub const fn all_year(price: Money) -> Self {
        Self { other: Some(price), summer: None }
    }

    /// The price in a season.
    #[must_use]
    pub fn at(self, season: Season) -> Option<Money> {
        match season {
            Season::Summer => self.summer.or(self.other),
            Season::Other => self.other,
        }
    }

    fn amounts(self) -> impl Iterator<Item = Money> {
        [self.other, self.summer].into_iter().flatten()
    }
}

/// What energy costs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Table {
    /// One price.
    #[n(1)]
    Flat(#[n(0)] Seasonal),
    /// Prices that rise with the month's use.
    #[n(2)]
    Progressive(#[n(0)] Progressive),
    /// Prices by time of day.
    #[n(3)]
    TimeOfUse(#[n(0)] Box<TimeOfUse>),
    /// The average of the utility's bill that covers the time ([`crate::act::Utility`]).
    #[n(4)]
    Average,
}

/// Brackets: the first kWh of a month at the first price, the next ones at the second, and so on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Progressive {
    /// By rising limit; the last one has none.
    #[cbor(n(0), decode_with = "cbor::bounded::<{ Table::BRACKETS_MAX }, _, _>")]
    pub brackets: Vec<Bracket>,
    /// What a month costs at least.
    #[n(1)]
    pub minimum: Money,
}

/// A bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Bracket {
    /// The price of its kWh.
    #[n(0)]
    pub price: Seasonal,
    /// Up to this much a month, inclusive.
    #[n(1)]
    pub up_to: Option<Energy>,
}

/// Prices by time of day.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TimeOfUse {
    /// Charged for every month, whatever is used.
    #[n(1)]
    pub fixed: Money,
    /// On top, for what a month uses above a limit.
    #[n(2)]
    pub surcharge: Option<Surcharge>,
    /// The bands that energy is counted in.
    #[cbor(n(3), decode_with = "cbor::bounded::<{ Table::BANDS_MAX }, _, _>")]
    pub bands: Vec<Band>,
    /// When each band holds, outside summer.
    #[n(4)]
    pub other: Week,
    /// When each band holds, in summer; absent: as outside.
    #[n(5)]
    pub summer: Option<Week>,
    /// Dates with the plan of a Sunday: civil days since 1970-01-01, rising.
    #[cbor(n(6), decode_with = "cbor::bounded::<{ Table::OFF_DAYS_MAX }, _, _>")]
    pub off_days: Vec<u32>,
}

/// A price on top, for what is used above a limit a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Surcharge {
    /// Above this much a month.
    #[n(0)]
    pub above: Energy,
    /// The price of a kWh.
    #[n(1)]
    pub price: Money,
}

/// A band.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Band {
    /// Its name on the bill, [`Table::NAME_MAX`] bytes of `a-z 0-9 _`.
    #[n(0)]
    pub name: String,
    /// The price of a kWh.
    #[n(1)]
    pub price: Seasonal,
}

/// The plans of a week.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Week {
    /// Monday to Friday.
    #[n(0)]
    pub weekday: Plan,
    /// Saturday.
    #[n(1)]
    pub saturday: Plan,
    /// Sunday and the listed dates.
    #[n(2)]
    pub off_day: Plan,
}

/// A day: from each switch on, the band that it names; the first one is at midnight.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Plan(#[cbor(n(0), decode_with = "cbor::bounded::<{ Table::SWITCHES_MAX }, _, _>")] pub Vec<Switch>);

/// From a minute of the local day on, a band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Switch {
    /// Minutes since local midnight, below 1,440.
    #[n(0)]
    pub minute: u32,
    /// Place of the band in the table.
    #[n(1)]
    pub band: u32,
}

/// Why a table is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// An amount below zero.
    #[error("prices are not negative")]
    Negative,
    /// Summer months outside 1 to 12.
    #[error("summer begins and ends with a month from 1 to 12")]
    Summer,
    /// A summer price or plan without a summer.
    #[error("there are summer prices or hours, but no months of summer")]
    SummerMissing,
    /// No price where one is needed.
    #[error("a season lacks the price of a kWh")]
    PriceMissing,
    /// Brackets that do not rise, or no last one.
    #[error("there is at least one bracket, limits rise, and only the last bracket has none")]
    Brackets,
    /// No bands, or names that are empty, long or equal.
    #[error("there are 1 to {max} bands, each with its own name of a-z 0-9 _", max = Table::BANDS_MAX)]
    Bands,
    /// A plan that does not begin at midnight, does not rise, or names no band.
    #[error("a day's plan begins at midnight, its switches rise, and each names a band")]
    Plan,
    /// Dates that do not rise.
    #[error("off-peak days rise")]
    OffDays,
}

impl Table {
    /// Brackets: Taipower's residential table has six.
    pub const BRACKETS_MAX: usize = 16;
    /// Bands: peak, half-peak and off-peak on weekdays, Saturdays and Sundays, and two to spare.
    pub const BANDS_MAX: usize = 8;
    /// Switches of a day: one an hour.
    pub const SWITCHES_MAX: usize = 24;
    /// Off-peak days of twenty years and more at seventeen a year.
    pub const OFF_DAYS_MAX: usize = 366;
    /// Bytes of a band's name: it stands on a line of a bill.
    pub const NAME_MAX: usize = 32;

    /// Checks that the table is complete in each season.
    ///
    /// # Errors
    /// The first thing that is missing or contradictory.
    pub fn check(&self, summer: Option<Summer>) -> Result<(), TableError> {
        if summer.is_some_and(|summer| !summer.is_valid()) {
            return Err(TableError::Summer);
        }
        match self {
            Self::Flat(price) => check_price(*price, summer),
            Self::Progressive(progressive) => progressive.check(summer),
            Self::TimeOfUse(table) => table.check(summer),
            Self::Average => Ok(()),
        }
    }

    /// The bands by time of day, if the table has any.
    #[must_use]
    pub fn time_of_use(&self) -> Option<&TimeOfUse> {
        if let Self::TimeOfUse(table) = self { Some(table) } else { None }
    }
}

/// A price for the whole year.
fn check_price(price: Seasonal, summer: Option<Summer>) -> Result<(), TableError> {
    check_amounts(price, summer)?;
    if price.other.is_none() { Err(TableError::PriceMissing) } else { Ok(()) }
}

fn check_amounts(price: Seasonal, summer: Option<Summer>) -> Result<(), TableError> {
    if price.amounts().any(|amount| amount < Money::ZERO) {
        return Err(TableError::Negative);
    }
    if price.summer.is_some() && summer.is_none() { Err(TableError::SummerMissing) } else { Ok(()) }
}

impl Progressive {
    fn check(&self, summer: Option<Summer>) -> Result<(), TableError> {
        if self.minimum < Money::ZERO {
            return Err(TableError::Negative);
        }
        let Some((last, limited)) = self.brackets.split_last() else { return Err(TableError::Brackets) };
        let limits: Option<Vec<Energy>> = limited.iter().map(|bracket| bracket.up_to).collect();
        let rising = limits.is_some_and(|limits| {
            limits.windows(2).all(|pair| pair[0] < pair[1]) && limits.first().is_none_or(|first| !first.is_zero())
        });
        if !rising || last.up_to.is_some() {
            return Err(TableError::Brackets);
        }
        self.brackets.iter().try_for_each(|bracket| check_price(bracket.price, summer))
    }
}

impl TimeOfUse {
    fn check(&self, summer: Option<Summer>) -> Result<(), TableError> {
        let surcharge = self.surcharge.map_or(Money::ZERO, |surcharge| surcharge.price);
        if self.fixed < Money::ZERO || surcharge < Money::ZERO {
            return Err(TableError::Negative);
        }
        self.check_bands(summer)?;
        if self.summer.is_some() && summer.is_none() {
            return Err(TableError::SummerMissing);
        }
        self.check_week(&self.other, Season::Other)?;
        if summer.is_some() {
            self.check_week(self.week(Season::Summer), Season::Summer)?;
        }
        if self.off_days.windows(2).all(|pair| pair[0] < pair[1]) { Ok(()) } else { Err(TableError::OffDays) }
    }

    fn check_bands(&self, summer: Option<Summer>) -> Result<(), TableError> {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let named = |band: &Band| (1..=Table::NAME_MAX).contains(&band.name.len()) && band.name.bytes().all(letter);
        let twice = |(at, band): (usize, &Band)| self.bands.iter().skip(at + 1).any(|other| other.name == band.name);
        if self.bands.is_empty() || !self.bands.iter().all(named) || self.bands.iter().enumerate().any(twice) {
            return Err(TableError::Bands);
        }
        self.bands.iter().try_for_each(|band| check_amounts(band.price, summer))
    }

    /// Each plan is one, and every band in it has a price in the season.
    fn check_week(&self, week: &Week, season: Season) -> Result<(), TableError> {
        for Plan(plan) in [&week.weekday, &week.saturday, &week.off_day] {
            let begins = plan.first().is_some_and(|switch| switch.minute == 0);
            let rises = plan.windows(2).all(|pair| pair[0].minute < pair[1].minute);
            if !begins || !rises || plan.last().is_some_and(|switch| switch.minute >= 1_440) {
                return Err(TableError::Plan);
            }
            for switch in plan {
                let band = usize::try_from(switch.band).ok().and_then(|band| self.bands.get(band));
                band.ok_or(TableError::Plan)?.price.at(season).ok_or(TableError::PriceMissing)?;
            }
        }
        Ok(())
    }

    /// The plans of a season.
    #[must_use]
    pub fn week(&self, season: Season) -> &Week {
        match (season, &self.summer) {
            (Season::Summer, Some(summer)) => summer,
            _ => &self.other,
        }
    }
}
