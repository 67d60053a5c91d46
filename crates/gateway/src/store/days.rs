//! The community's days: from midnight to midnight by the offsets that genesis lists.

use ledger::Offset;
use units::{Millis, Timestamp};

const DAY_MS: i64 = 24 * 3_600_000;

/// Local time as integers, so that nobody's time zone files can disagree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Days(Vec<Offset>);

impl Days {
    /// From genesis's offsets, in order of time.
    #[must_use]
    pub const fn new(offsets: Vec<Offset>) -> Self {
        Self(offsets)
    }

    fn offset_ms(&self, time: i64) -> i64 {
        let begun = self.0.partition_point(|offset| i64::try_from(offset.from.ms()).unwrap_or(i64::MAX) <= time);
        self.0.get(begun.saturating_sub(1)).map_or(0, |offset| i64::from(offset.seconds) * 1_000)
    }

    /// The day around a point in time: its start, and its end, which is not in it. 23 or 25 hours where clocks change.
    #[must_use]
    pub fn around(&self, time: Timestamp) -> (Timestamp, Timestamp) {
        let time = i64::try_from(time.ms()).unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
        let midnight = (time + self.offset_ms(time)).div_euclid(DAY_MS) * DAY_MS;
        let of_local = |local: i64| {
            // The offset of the hour before decides a midnight at which clocks change.
            let guess = local - self.offset_ms(local - self.offset_ms(time));
            Timestamp::from_ms(u64::try_from(guess).unwrap_or_default())
        };
        (of_local(midnight), of_local(midnight + DAY_MS))
    }

    /// The start of the day so many days before a point in time.
    #[must_use]
    pub fn before(&self, time: Timestamp, days: u32) -> Timestamp {
        let back = Millis::from_ms(u64::from(days) * DAY_MS.unsigned_abs());
        self.around(Timestamp::from_ms(time.ms().saturating_sub(back.ms()))).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;

    fn offset(from: u64, seconds: i32) -> Offset {
        Offset { from: Timestamp::from_ms(from), seconds }
    }

    #[test]
    fn a_day_goes_from_local_midnight_to_local_midnight() {
        let taipei = Days::new(vec![offset(0, 8 * 3_600)]);
        let berlin =
            Days::new(vec![offset(0, 3_600), offset(100 * DAY + HOUR, 7_200), offset(200 * DAY + HOUR, 3_600)]);
        for (days, time, start, end) in [
            (&taipei, 10 * DAY, 10 * DAY - 8 * HOUR, 10 * DAY + 16 * HOUR),
            (&taipei, 10 * DAY + 16 * HOUR, 10 * DAY + 16 * HOUR, 11 * DAY + 16 * HOUR),
            (&taipei, 10 * DAY + 16 * HOUR - 1, 10 * DAY - 8 * HOUR, 10 * DAY + 16 * HOUR),
            (&berlin, 99 * DAY, 99 * DAY - HOUR, 100 * DAY - HOUR),
            // Spring: 23 hours. Autumn: 25.
            (&berlin, 100 * DAY + 5 * HOUR, 100 * DAY - HOUR, 101 * DAY - 2 * HOUR),
            (&berlin, 200 * DAY + 5 * HOUR, 200 * DAY - 2 * HOUR, 201 * DAY - HOUR),
            (&Days::default(), 5 * DAY + 1, 5 * DAY, 6 * DAY),
        ] {
            let found = days.around(Timestamp::from_ms(time));
            assert_eq!(found, (Timestamp::from_ms(start), Timestamp::from_ms(end)), "{time}");
        }
    }
}
