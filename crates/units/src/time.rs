//! Points in time, distances between them, and calendar months.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, ops, str::FromStr};

/// A point in time: milliseconds since 1970-01-01T00:00:00 UTC, leap seconds not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Timestamp(#[n(0)] u64);

/// A distance in time, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Millis(#[n(0)] u64);

impl Timestamp {
    /// From milliseconds since 1970 UTC.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }
    /// Milliseconds since 1970 UTC.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0
    }
    /// How long ago `earlier` was; zero if it was not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
    /// The last multiple of `step` since 1970 that is not after this point. A zero step leaves it as it is.
    #[must_use]
    pub const fn floor_to(self, step: Millis) -> Self {
        if step.0 == 0 { self } else { Self(self.0 - self.0 % step.0) }
    }
}

impl Millis {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// From milliseconds.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }
    /// From seconds; saturates.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }
    /// From minutes; saturates.
    #[must_use]
    pub const fn from_minutes(minutes: u64) -> Self {
        Self(minutes.saturating_mul(60_000))
    }
    /// In milliseconds.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0
    }
}

/// A distance in time, in microseconds: a character at 115,200 baud takes 87 of them, so whole milliseconds are too coarse
/// for a serial line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(u64);

impl Micros {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Longer than anything runs.
    pub const MAX: Self = Self(u64::MAX);
    /// From microseconds.
    #[must_use]
    pub const fn from_us(us: u64) -> Self {
        Self(us)
    }
    /// From milliseconds; saturates.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000))
    }
    /// In microseconds.
    #[must_use]
    pub const fn us(self) -> u64 {
        self.0
    }
    /// In whole milliseconds; what is left of one is dropped.
    #[must_use]
    pub const fn whole_ms(self) -> Millis {
        Millis(self.0 / 1_000)
    }
    /// In milliseconds, rounded up.
    #[must_use]
    pub const fn ceil_ms(self) -> Millis {
        Millis(self.0.div_ceil(1_000))
    }
    /// The sum; saturates.
    #[must_use]
    pub const fn plus(self, distance: Self) -> Self {
        Self(self.0.saturating_add(distance.0))
    }
    /// How far it is from `earlier`; zero if that is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
    /// So many times as long; saturates.
    #[must_use]
    pub const fn times(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl From<Millis> for Micros {
    /// Exact; saturates after 584,000 years.
    fn from(distance: Millis) -> Self {
        Self::from_ms(distance.0)
    }
}

impl ops::Add<Millis> for Timestamp {
    type Output = Self;
    /// Saturates at the end of time.
    fn add(self, distance: Millis) -> Self {
        Self(self.0.saturating_add(distance.0))
    }
}

impl ops::Sub<Millis> for Timestamp {
    type Output = Self;
    /// Saturates at 1970.
    fn sub(self, distance: Millis) -> Self {
        Self(self.0.saturating_sub(distance.0))
    }
}

/// A calendar month of the community's time zone. Where it begins in UTC is the ledger's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Month(#[n(0)] u32);

/// A month that was not written as `2026-07`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a month; write it as 2026-07")]
pub struct ParseMonthError(String);

impl Month {
    /// Of a year and the month 1 to 12 in it; `None` for another month, or a year after 9999.
    #[must_use]
    pub const fn new(year: u32, month: u32) -> Option<Self> {
        if year <= 9_999 && month >= 1 && month <= 12 { Some(Self(year * 12 + month - 1)) } else { None }
    }
    /// Months since January of the year 0; consecutive months have consecutive numbers.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0
    }
    /// The year.
    #[must_use]
    pub const fn year(self) -> u32 {
        self.0 / 12
    }
    /// The month in the year, 1 to 12.
    #[must_use]
    pub const fn month(self) -> u32 {
        self.0 % 12 + 1
    }
    /// `count` months later; saturates.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year(), self.month())
    }
}

impl FromStr for Month {
    type Err = ParseMonthError;
    fn from_str(text: &str) -> Result<Self, ParseMonthError> {
        let error = || ParseMonthError(text.to_owned());
        let (year, month) = text.split_once('-').ok_or_else(error)?;
        if year.len() != 4 || month.len() != 2 || !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            return Err(error());
        }
        let number = |s: &str| s.parse().map_err(|_| error());
        Self::new(number(year)?, number(month)?).ok_or_else(error)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_written_as_year_and_two_digits() {
        let july: Month = "2026-07".parse().unwrap();
        assert_eq!((july.year(), july.month(), july.to_string().as_str()), (2026, 7, "2026-07"));
        assert_eq!(july.plus(6).to_string(), "2027-01");
        for wrong in ["2026-13", "2026-00", "2026-7", "26-07", "2026/07", "", "2026-07-01", "+026-07"] {
            assert_eq!(wrong.parse::<Month>(), Err(ParseMonthError(wrong.to_owned())));
        }
    }

    #[test]
    fn distances_do_not_go_below_zero() {
        let (early, late) = (Timestamp::from_ms(1_000), Timestamp::from_ms(61_500));
        assert_eq!((late.since(early).ms(), early.since(late).ms()), (60_500, 0));
        assert_eq!(late.floor_to(Millis::from_seconds(60)).ms(), 60_000);
    }
}
