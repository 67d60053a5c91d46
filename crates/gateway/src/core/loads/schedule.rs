//! Hours of the community's wall clock in which a rule holds a load off. Local time comes from the offsets that genesis
//! lists, so the gateway needs no time zone files and agrees with the bills.

use ledger::Offset;
use units::Timestamp;

const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;

/// Off from a minute of the day until another, on some days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// First minute of the local day, 0 to 1439.
    pub from_minute: u32,
    /// The minute at which it ends; not after `from_minute` means on the next day.
    pub until_minute: u32,
    /// The days on which it begins, Monday first.
    pub days: [bool; 7],
}

impl Schedule {
    /// Whether it holds at a moment of the community's clock.
    #[must_use]
    pub fn holds(&self, offsets: &[Offset], time: Timestamp) -> bool {
        let begun = offsets.partition_point(|offset| offset.from <= time);
        let seconds = offsets.get(begun.saturating_sub(1)).map_or(0, |offset| offset.seconds);
        let local = time.ms().saturating_add_signed(i64::from(seconds) * 1_000);
        let (day, minute) = (local / DAY_MS, local % DAY_MS / MINUTE_MS);
        let (from, until) = (u64::from(self.from_minute), u64::from(self.until_minute));
        if from < until {
            return self.is_on(day) && (from..until).contains(&minute);
        }
        (minute >= from && self.is_on(day)) || (minute < until && self.is_on(day.wrapping_sub(1)))
    }

    /// Whether a civil day, counted from 1970-01-01, is one of its days; that day was a Thursday.
    fn is_on(&self, day: u64) -> bool {
        let weekday = usize::try_from(day.wrapping_add(3) % 7).unwrap_or(0);
        self.days.get(weekday).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [bool; 7] = [true; 7];
    const WORKDAYS: [bool; 7] = [true, true, true, true, true, false, false];

    /// Local time by offsets: `+8 h` until day 20,000, `+9 h` from then on.
    fn offsets() -> Vec<Offset> {
        let change = Timestamp::from_ms(20_000 * DAY_MS);
        vec![Offset { from: Timestamp::from_ms(0), seconds: 8 * 3_600 }, Offset { from: change, seconds: 9 * 3_600 }]
    }

    #[test]
    fn it_holds_by_the_wall_clock_on_its_days_and_over_midnight() {
        // Day 19,000 is a Saturday (2022-01-08).
        for (from, until, days, day, hour, minute, holds) in [
            (23 * 60, 6 * 60, ALL, 19_000, 22, 59, false),
            (23 * 60, 6 * 60, ALL, 19_000, 23, 0, true),
            (23 * 60, 6 * 60, ALL, 19_001, 5, 59, true),
            (23 * 60, 6 * 60, ALL, 19_001, 6, 0, false),
            (8 * 60, 17 * 60, ALL, 19_000, 8, 0, true),
            (8 * 60, 17 * 60, ALL, 19_000, 17, 0, false),
            // Begins on workdays only: the night from Friday to Saturday belongs to Friday, the next one to nobody.
            (23 * 60, 6 * 60, WORKDAYS, 18_999, 23, 30, true),
            (23 * 60, 6 * 60, WORKDAYS, 19_000, 3, 0, true),
            (23 * 60, 6 * 60, WORKDAYS, 19_000, 23, 30, false),
            (23 * 60, 6 * 60, WORKDAYS, 19_001, 3, 0, false),
            (0, 0, ALL, 19_000, 12, 0, true),
            // After the offset changed, the same wall clock is an hour earlier in UTC.
            (8 * 60, 17 * 60, ALL, 20_002, 8, 0, true),
            (8 * 60, 17 * 60, ALL, 20_002, 7, 59, false),
        ] {
            let schedule = Schedule { from_minute: from, until_minute: until, days };
            let offset_hours = if day > 20_000 { 9 } else { 8 };
            let time = Timestamp::from_ms(day * DAY_MS + (hour * 60 + minute) * MINUTE_MS - offset_hours * 3_600_000);
            assert_eq!(schedule.holds(&offsets(), time), holds, "{from}-{until} day {day} {hour}:{minute:02}");
        }
    }
}
