//! Time of day: which band holds at a moment, and when the next one begins. Local time comes from the offsets that the
//! genesis document lists, so that no two nodes' time zone files can disagree.

use super::{Plan, Season, TimeOfUse};
use crate::Genesis;
use crate::act::CounterPair;
use units::{Energy, Millis, Timestamp};

const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;

/// A moment on the community's wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// Civil days since 1970-01-01.
    pub day: u64,
    /// Milliseconds since local midnight by the wall clock (not the time that has passed: a clock may be put on).
    pub ms: u64,
}

/// What plan a day follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayKind {
    /// Monday to Friday, unless listed.
    Weekday,
    /// Saturday, unless listed.
    Saturday,
    /// Sunday, or a listed date.
    OffDay,
}

/// A civil (Gregorian) date as days since 1970-01-01; `None` if there is no such date, or it is earlier or after 9999.
#[must_use]
pub fn civil_day(year: u32, month: u32, day: u32) -> Option<u32> {
    const BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    const LENGTH: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let index = usize::try_from(month.checked_sub(1)?).ok()?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = LENGTH.get(index)? + u32::from(leap && month == 2);
    if !(1970..=9_999).contains(&year) || day == 0 || day > length {
        return None;
    }
    let before = year - 1;
    // Leap days from the year 1 to the year before, less those before 1970.
    let leap_days = before / 4 - before / 100 + before / 400 - 477;
    Some((year - 1970) * 365 + leap_days + BEFORE.get(index)? + u32::from(leap && month > 2) + day - 1)
}

impl LocalTime {
    /// The wall clock of a ledger at a moment.
    #[must_use]
    pub fn of(genesis: &Genesis, time: Timestamp) -> Self {
        let offset = i64::from(genesis.offset_at(time)) * 1_000;
        let local = time.ms().saturating_add_signed(offset);
        Self { day: local / DAY_MS, ms: local % DAY_MS }
    }
}

impl TimeOfUse {
    /// The kind of a civil day.
    #[must_use]
    pub fn day_kind(&self, day: u64) -> DayKind {
        // 1970-01-01 was a Thursday; 0 is Monday.
        let weekday = (day + 3) % 7;
        let listed = u32::try_from(day).is_ok_and(|day| self.off_days.binary_search(&day).is_ok());
        match weekday {
            _ if listed => DayKind::OffDay,
            6 => DayKind::OffDay,
            5 => DayKind::Saturday,
            _ => DayKind::Weekday,
        }
    }

    /// The band at a moment, and until when it holds: the first later moment with another band, at most `limit`.
    #[must_use]
    pub fn band_until(
        &self,
        genesis: &Genesis,
        season: Season,
        time: Timestamp,
        limit: Timestamp,
    ) -> (usize, Timestamp) {
        let (band, mut until) = self.switch_after(genesis, season, time);
        while until < limit {
            let (next_band, next) = self.switch_after(genesis, season, until);
            if next_band != band {
                return (band, until);
            }
            until = next;
        }
        (band, limit)
    }

    /// How what a counter moved by divides among the bands, in the table's order, and whether a change of band fell
    /// within. There the counter is cut as at a month's start: by time, rounded down in the earlier part.
    #[must_use]
    pub fn divide(
        &self,
        genesis: &Genesis,
        season: Season,
        (mut start, end): (Timestamp, Timestamp),
        import: CounterPair,
    ) -> (Vec<Energy>, bool) {
        let mut bands = vec![0u64; self.bands.len()];
        let (mut counter, mut estimated) = (import.start.mwh(), false);
        while start < end {
            let (band, until) = self.band_until(genesis, season, start, end);
            let moved = u128::from(import.end.mwh().saturating_sub(counter));
            let (elapsed, length) = (u128::from(until.since(start).ms()), u128::from(end.since(start).ms()));
            let share = u64::try_from(moved * elapsed / length).unwrap_or(u64::MAX);
            if let Some(energy) = bands.get_mut(band) {
                *energy = energy.saturating_add(share);
            }
            counter = counter.saturating_add(share);
            estimated |= until < end;
            start = until;
        }
        (bands.into_iter().map(Energy::from_mwh).collect(), estimated)
    }

    /// The band at a moment, and the next moment at which the plan, the day or the offset changes.
    fn switch_after(&self, genesis: &Genesis, season: Season, time: Timestamp) -> (usize, Timestamp) {
        let local = LocalTime::of(genesis, time);
        let week = self.week(season);
        let Plan(plan) = match self.day_kind(local.day) {
            DayKind::Weekday => &week.weekday,
            DayKind::Saturday => &week.saturday,
            DayKind::OffDay => &week.off_day,
        };
        let starts = |minute: u32| u64::from(minute) * MINUTE_MS;
        let current = plan.iter().rev().find(|switch| starts(switch.minute) <= local.ms);
        let band = current.and_then(|switch| usize::try_from(switch.band).ok()).unwrap_or(0);
        let next = plan.iter().map(|switch| starts(switch.minute)).find(|start| *start > local.ms).unwrap_or(DAY_MS);
        let switch = time + Millis::from_ms(next - local.ms);
        let offset_change = genesis.next_offset_change(time).filter(|change| *change < switch);
        (band, offset_change.unwrap_or(switch))
    }
}
