//! What hangs on a simulated meter: a load that its relay switches, and what each phase or channel has of it.

use super::SimulatedMeter;
use std::collections::VecDeque;
use units::{Channel, Quantity, Timestamp};

/// Off periods that are remembered one by one; older ones are summed up, since nobody asks for values that old.
const PERIODS_MAX: usize = 256;

/// When the relay was off: the switching history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OffPeriods {
    /// From and until when, in order; only the last may be without an end.
    periods: VecDeque<(Timestamp, Option<Timestamp>)>,
    /// What the recording used in the periods that are no longer listed, in mW ms.
    forgotten_mwms: u128,
}

impl SimulatedMeter {
    /// Switches its relay: off, current and power are zero and the counter stands still. What it shows before `now` stays
    /// as it was.
    pub fn switch(&mut self, now: Timestamp, on: bool) {
        if self.is_on() == on {
            return;
        }
        if !on {
            self.off.periods.push_back((now, None));
        } else if let Some((_, until)) = self.off.periods.back_mut() {
            *until = Some(now);
        }
        if self.off.periods.len() > PERIODS_MAX
            && let Some((from, Some(until))) = self.off.periods.pop_front()
        {
            self.off.forgotten_mwms += self.recorded_mwms(until).saturating_sub(self.recorded_mwms(from));
        }
    }

    /// Whether its relay is on now, after all switching; without a relay it is.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.off.periods.back().is_none_or(|(_, until)| until.is_some())
    }

    /// Whether the load had its supply at a time.
    pub(super) fn was_on(&self, at: Timestamp) -> bool {
        let is_in =
            |(from, until): &(Timestamp, Option<Timestamp>)| *from <= at && until.is_none_or(|until| at < until);
        !self.off.periods.iter().any(is_in)
    }

    /// The energy that went through the meter until a time, counted from the recording's beginning, in mW ms.
    pub(super) fn used_mwms(&self, until: Timestamp) -> u128 {
        let missed = |(from, end): &(Timestamp, Option<Timestamp>)| {
            let end = end.map_or(until, |end| end.min(until)).max(*from);
            self.recorded_mwms(end).saturating_sub(self.recorded_mwms(*from))
        };
        let listed: u128 = self.off.periods.iter().take_while(|(from, _)| *from < until).map(missed).sum();
        self.recorded_mwms(until).saturating_sub(listed + self.off.forgotten_mwms)
    }

    fn recorded_mwms(&self, until: Timestamp) -> u128 {
        self.replay.energy_mwms(self.played(until))
    }
}

/// What a channel has of the whole meter's current, power and energy, as numerator and denominator.
///
/// Three phases share a balanced load; the second channel of a two-channel meter has half of what the first has.
const fn share(channel: Channel) -> (i64, i64) {
    match channel {
        Channel::Total | Channel::Ch1 => (1, 1),
        Channel::L1 | Channel::L2 | Channel::L3 => (1, 3),
        Channel::Ch2 => (1, 2),
    }
}

/// A channel's value, from the whole meter's.
pub(super) fn of_channel(quantity: Quantity, channel: Channel, total: i64) -> i64 {
    match quantity {
        Quantity::Voltage | Quantity::PowerFactor | Quantity::Frequency => total,
        Quantity::Current
        | Quantity::ActivePower
        | Quantity::ReactivePower
        | Quantity::ApparentPower
        | Quantity::EnergyImport
        | Quantity::EnergyExport => {
            let (numerator, denominator) = share(channel);
            total * numerator / denominator
        }
    }
}
