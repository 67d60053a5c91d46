//! Numbers and times as a person reads them: thousands separated, a fixed unit, the community's own time zone.
//!
//! Everything here is integer arithmetic on the quantities of `units`; a rounded figure is for the eye only and says so
//! by having fewer decimals, the exact figure of a bill keeps every digit.

use jiff::tz::TimeZone;
use units::{Energy, EnergyBalance, Money, Timestamp};

/// `value` x 10^-`scale` rounded half away from zero to `places` decimals, thousands separated. `places` beyond `scale`
/// counts as `scale`.
pub(crate) fn decimal(value: i128, scale: u32, places: u32) -> String {
    let places = places.min(scale);
    let step = 10_u128.pow(scale - places);
    let rounded = (value.unsigned_abs() + step / 2) / step;
    let one = 10_u128.pow(places);
    let sign = if value < 0 && rounded > 0 { MINUS } else { "" };
    let whole = thousands(rounded / one);
    match usize::try_from(places) {
        Ok(width) if width > 0 => format!("{sign}{whole}.{:0>width$}", rounded % one),
        _ => format!("{sign}{whole}"),
    }
}

/// The typographic minus, as wide as a plus.
pub(crate) const MINUS: &str = "\u{2212}";

fn thousands(value: u128) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Every digit of `value` x 10^-`scale`, at least `least` decimals.
fn exact(value: i128, scale: u32, least: u32) -> String {
    let mut places = scale;
    let mut rest = value.unsigned_abs();
    while places > least && rest.is_multiple_of(10) {
        rest /= 10;
        places -= 1;
    }
    decimal(value, scale, places)
}

/// kWh with every digit, three decimals at least.
pub(crate) fn kwh(energy: Energy) -> String {
    exact(i128::from(energy.mwh()), 6, 3)
}

/// A balance in kWh with every digit, three decimals at least.
pub(crate) fn kwh_balance(energy: EnergyBalance) -> String {
    exact(i128::from(energy.mwh()), 6, 3)
}

/// Money with every digit, two decimals at least.
pub(crate) fn money(amount: Money) -> String {
    exact(i128::from(amount.as_1e4()), 4, 2)
}

/// A total in money: no decimals when it is whole.
pub(crate) fn money_total(amount: Money) -> String {
    if amount.as_1e4() % 10_000 == 0 { decimal(i128::from(amount.as_1e4()), 4, 0) } else { money(amount) }
}

/// A count with its thousands separated.
pub(crate) fn group_number(value: u64) -> String {
    thousands(u128::from(value))
}

/// Writes times in the community's time zone.
#[derive(Debug, Clone)]
pub(crate) struct Clockface {
    zone: TimeZone,
}

/// A point in time for a page: for people and for the `datetime` attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    /// `2026-07-31`.
    pub(crate) date: String,
    /// `23:59:05`.
    pub(crate) time: String,
    /// RFC 3339 in UTC.
    pub(crate) iso: String,
}

impl Clockface {
    /// Of an IANA time zone; one that is unknown counts as UTC, since the ledger's month starts do not depend on it.
    pub(crate) fn new(zone: &str) -> Self {
        Self { zone: TimeZone::get(zone).unwrap_or(TimeZone::UTC) }
    }

    /// A point in time; one beyond the year 9999 is shown as the number it is.
    pub(crate) fn moment(&self, time: Timestamp) -> Moment {
        let Some(instant) = i64::try_from(time.ms()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        else {
            return Moment { date: time.ms().to_string(), time: String::new(), iso: String::new() };
        };
        let local = instant.to_zoned(self.zone.clone());
        Moment {
            date: local.strftime("%Y-%m-%d").to_string(),
            time: local.strftime("%H:%M:%S").to_string(),
            iso: instant.to_string(),
        }
    }

    /// ISO 8601 with milliseconds and the offset from UTC, and local time without; a point beyond the year 9999 is shown as
    /// the number it is.
    pub(crate) fn iso_and_local(&self, time: Timestamp) -> (String, String) {
        let instant = i64::try_from(time.ms()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let Some(instant) = instant else { return (time.ms().to_string(), String::new()) };
        let local = instant.to_zoned(self.zone.clone());
        (local.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string(), local.strftime("%Y-%m-%d %H:%M:%S").to_string())
    }

    /// The point in time that somebody wrote: a date (its local midnight), or a date and time, with an offset or local.
    pub(crate) fn parse(&self, text: &str) -> Option<Timestamp> {
        let local = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(self.zone.clone()).ok();
        let instant = text.parse::<jiff::Timestamp>().ok().or_else(|| local().map(|zoned| zoned.timestamp()))?;
        u64::try_from(instant.as_millisecond()).ok().map(Timestamp::from_ms)
    }

    /// Start of the local day that a point in time lies in.
    pub(crate) fn day_start(&self, time: Timestamp) -> Timestamp {
        let start = i64::try_from(time.ms())
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
            .and_then(|instant| instant.to_zoned(self.zone.clone()).start_of_day().ok())
            .and_then(|start| u64::try_from(start.timestamp().as_millisecond()).ok());
        start.map_or(time, Timestamp::from_ms)
    }
}

impl Moment {
    /// Date and time.
    pub(crate) fn full(&self) -> String {
        format!("{} {}", self.date, self.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_for_the_eye_and_exact_on_a_bill() {
        for (value, scale, places, text) in [
            (1_284_449, 3, 1, "1,284.4"),
            (1_284_450, 3, 1, "1,284.5"),
            (-40, 3, 1, "0.0"),
            (-1_500, 3, 1, "\u{2212}1.5"),
            (0, 6, 3, "0.000"),
            (12_345_678_900, 4, 0, "1,234,568"),
            (5, 0, 3, "5"),
        ] {
            assert_eq!(decimal(value, scale, places), text);
        }
        assert_eq!(kwh(Energy::from_mwh(91_498_200)), "91.4982");
        assert_eq!(kwh(Energy::from_mwh(91_000_001)), "91.000001");
        assert_eq!(kwh_balance(EnergyBalance::from_mwh(-3_250_000)), "\u{2212}3.250");
        assert_eq!(money(Money::from_1e4(41_255_000)), "4,125.50");
        assert_eq!((money_total(Money::from_1e4(4_120_000)), money_total(Money::from_1e4(4_125_500))).0, "412");
    }

    #[test]
    fn times_are_in_the_community_s_zone() {
        let face = Clockface::new("Asia/Taipei");
        let time = Timestamp::from_ms(1_785_513_599_000);
        let moment = face.moment(time);
        assert_eq!((moment.full().as_str(), moment.iso.as_str()), ("2026-07-31 23:59:59", "2026-07-31T15:59:59Z"));
        assert_eq!(face.moment(face.day_start(time)).full(), "2026-07-31 00:00:00");
        for (text, ms) in [
            ("2026-07-31", Some(1_785_427_200_000)),
            ("2026-07-31T23:59:59", Some(1_785_513_599_000)),
            ("2026-07-31 23:59:59", Some(1_785_513_599_000)),
            ("2026-07-31T15:59:59Z", Some(1_785_513_599_000)),
            ("2026-07-31T16:59:59.5+01:00", Some(1_785_513_599_500)),
            ("2026-02-30", None),
            ("31.7.2026", None),
            ("1969-01-01", None),
            ("", None),
        ] {
            assert_eq!(face.parse(text), ms.map(Timestamp::from_ms), "{text}");
        }
        assert_eq!(face.iso_and_local(Timestamp::from_ms(u64::MAX)), (u64::MAX.to_string(), String::new()));
        assert_eq!(Clockface::new("Nowhere/At_all").moment(Timestamp::from_ms(0)).full(), "1970-01-01 00:00:00");
    }
}
