//! What a meter's counter can do: run on, run past its highest value, be set back. Which of these a lower counter means is
//! decided here alone, for readings as they come and for intervals as they are stated.

use ledger::act::Break;
use meter::Device;
use std::fmt;
use units::{Energy, Millis, Quantity, Timestamp};

/// What a counter may move without any time passing: the coarsest display step, 10 Wh.
const COUNTER_STEP_MAX_MWH: u128 = 10_000;
/// A counter wraps from within this part of its way below its highest value to within this part above zero. After a long
/// time without readings a meter could carry more, but then a counter that was set back looks the same.
const NEAR_ZERO_PART: u64 = 10;
/// An interval's end is read, not estimated, if the last reading came within so many polls before it.
const POLLS_BEFORE_END_MAX: u64 = 3;
/// An end is never estimated for less than this, so that a fast poll rate does not mark every lost answer.
const BEFORE_END_MAX: Millis = Millis::from_seconds(60);

/// What is known of a meter's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CounterRules {
    /// Where the import counter begins at zero again, if the model's profile says so.
    pub wraps_at: Option<Energy>,
    /// The same of the export counter.
    pub export_wraps_at: Option<Energy>,
    /// The greatest power that the meter can carry, in mW, if its profile has one.
    pub power_max_mw: Option<u64>,
    /// How often it is asked.
    pub poll_every: Millis,
}

impl CounterRules {
    /// Of a device, by its profile.
    #[must_use]
    pub fn of(device: &Device) -> Self {
        let (profile, export) = (&device.profile, units::Key::from(Quantity::EnergyExport));
        let item = profile.items().iter().find(|item| item.key == export).and_then(|item| item.wraps_at);
        let export_wraps_at = item.or_else(|| profile.register(export)?.wraps_at);
        let power = profile.limits(Quantity::ActivePower);
        Self {
            wraps_at: profile.wraps_at(),
            export_wraps_at: export_wraps_at.and_then(|mwh| u64::try_from(mwh).ok()).map(Energy::from_mwh),
            power_max_mw: power.and_then(|limits| u64::try_from(*limits.end()).ok()),
            poll_every: device.poll_every,
        }
    }

    /// Whether the meter can carry so much in the time.
    #[must_use]
    pub fn can_carry(&self, moved: Energy, elapsed: Millis) -> bool {
        let Some(power) = self.power_max_mw else { return true };
        let possible = u128::from(power) * u128::from(elapsed.ms()) / 3_600_000 + COUNTER_STEP_MAX_MWH;
        u128::from(moved.mwh()) <= possible
    }

    /// What a lower counter moved if it ran past the value at which it begins at zero again, and not further than the
    /// meter can carry in the time; `None` when it was set back.
    #[must_use]
    pub fn wrapped(&self, from: Energy, to: Energy, wraps_at: Option<Energy>, elapsed: Millis) -> Option<Energy> {
        let wraps_at = wraps_at?;
        let before = wraps_at.checked_sub(from)?;
        let near = wraps_at.mwh() / NEAR_ZERO_PART;
        let moved = before.checked_add(to)?;
        (before.mwh() > 0 && before.mwh() <= near && to.mwh() <= near && self.can_carry(moved, elapsed))
            .then_some(moved)
    }

    /// Whether an interval's end is so long after its last reading that the counter there is not the end's.
    pub(super) fn is_estimated(&self, last: Timestamp, end: Timestamp) -> bool {
        let polls = Millis::from_ms(self.poll_every.ms().saturating_mul(POLLS_BEFORE_END_MAX));
        end.since(last) > polls.max(BEFORE_END_MAX)
    }
}

/// How an interval does not continue the one before: the raw counters, and what is booked between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterBreak {
    /// Why.
    pub broken: Break,
    /// End of the interval before.
    pub since: Timestamp,
    /// Start of this one.
    pub at: Timestamp,
    /// The import counter before, as last seen.
    pub last: Energy,
    /// The import counter after, as first seen.
    pub first: Energy,
    /// What is booked of the way between both.
    pub booked: Energy,
}

impl CounterBreak {
    /// A short stable name to count by.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.broken {
            Break::Gap => "counter_gap",
            Break::Reset => "counter_reset",
            Break::Exchange => "counter_exchange",
            Break::Wrap => "counter_wrap",
        }
    }
}

impl fmt::Display for CounterBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { last, first, booked, .. } = self;
        match self.broken {
            Break::Gap => write!(
                f,
                "no readings from {} ms to {} ms; the counter ran on from {last} to {first} and {booked} is booked",
                self.since.ms(),
                self.at.ms()
            ),
            Break::Wrap => {
                write!(f, "the counter began at zero again: last seen {last}, now {first}; {booked} is booked")
            }
            Break::Reset | Break::Exchange => write!(
                f,
                "the counter was set back: last seen {last}, now {first}; what it counted between is not booked"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
