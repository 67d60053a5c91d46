//! A simulated meter that answers in bytes, playing back a recorded household.
//!
//! Invariant: what a meter shows is a function of the time alone (and of the disturbance set, and of when its relay was
//! switched), so a restarted simulator goes on as if nothing had happened, and its counter goes back only where it wraps
//! or is reset. The frames are built by inverting the same profile that decodes them.

mod bus;
mod dice;
mod dlt645;
mod faults;
mod load;
mod modbus;
mod replay;
mod timing;
pub mod uart;

use crate::{Address, Profile};
pub use bus::SimulatedBus;
pub use faults::{Fault, Faults};
use load::{OffPeriods, of_channel};
pub use replay::{REPLAY_MINUTES_MAX, Replay, ReplayError};
use std::sync::Arc;
pub use timing::{Arrival, Mismatch, Outages, Timing};
use units::{Channel, Energy, Frequency, Key, Millis, Quantity, Reading, Timestamp, Voltage};

/// How a recording is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// When `offset_minutes` of the recording is played; before it the meter stands at that point.
    pub start: Timestamp,
    /// Where in the recording to begin; beyond its end it counts from its beginning again.
    pub offset_minutes: u64,
    /// Supply voltage to which the recording's 230 V are rescaled; the current is rescaled the other way, so that
    /// power and energy stay as recorded. `None` keeps the recorded voltage.
    pub nominal_voltage: Option<Voltage>,
    /// Frequency shown; the recording has none.
    pub frequency: Frequency,
    /// What the counter shows at `start`.
    pub counter_start: Energy,
}

/// The voltage of the supply, for a while, whatever the recording says; power stays as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disturbance {
    /// From this time on.
    pub from: Timestamp,
    /// Up to this time, which is no longer in it.
    pub until: Timestamp,
    /// The voltage meanwhile.
    pub voltage: Voltage,
}

/// A meter that is not there.
#[derive(Debug, Clone)]
pub struct SimulatedMeter {
    profile: Arc<Profile>,
    address: Address,
    replay: Arc<Replay>,
    options: Options,
    disturbance: Option<Disturbance>,
    counter_wraps_at: Option<Energy>,
    counter_reset_at: Option<Timestamp>,
    off: OffPeriods,
}

/// The recording's nominal voltage (France; EN 50160).
const RECORDED_NOMINAL: Voltage = Voltage::from_mv(230_000);

impl SimulatedMeter {
    /// A meter of a model at an address.
    #[must_use]
    pub fn new(profile: Arc<Profile>, address: Address, replay: Arc<Replay>, options: Options) -> Self {
        Self {
            profile,
            address,
            replay,
            options,
            disturbance: None,
            counter_wraps_at: None,
            counter_reset_at: None,
            off: OffPeriods::default(),
        }
    }

    /// The same meter with a counter that goes on from zero where it has no more digits; zero is never.
    #[must_use]
    pub fn with_counter_wrap(mut self, at: Energy) -> Self {
        self.counter_wraps_at = Some(at).filter(|at| *at > Energy::ZERO);
        self
    }

    /// The same meter with a counter that somebody sets to zero at a time.
    #[must_use]
    pub const fn with_counter_reset(mut self, at: Timestamp) -> Self {
        self.counter_reset_at = Some(at);
        self
    }

    /// Its address on the bus.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Disturbs its supply, or ends a disturbance; one at a time.
    pub const fn set_disturbance(&mut self, disturbance: Option<Disturbance>) {
        self.disturbance = disturbance;
    }

    /// What it measures at `now`: every quantity, whether its model shows it or not, and what each of the model's phases or
    /// channels has of it.
    ///
    /// The current follows from the recorded powers and the voltage, because the recorded one has steps of 0.1 A only;
    /// so the values agree with each other as a real meter's do.
    #[must_use]
    pub fn values_at(&self, now: Timestamp) -> Reading {
        let minute = self.replay.at(self.played(now));
        let is_on = self.was_on(now);
        let power = |recorded: u64| if is_on { recorded } else { 0 };
        let (active_mw, reactive_mvar) = (power(minute.active_mw), power(minute.reactive_mvar));
        let voltage_mv = self.voltage_at(now, minute.voltage_mv).max(1);
        let apparent_mva = (square(active_mw) + square(reactive_mvar)).isqrt();
        let current_ua = (apparent_mva * 1_000_000 + u128::from(voltage_mv) / 2) / u128::from(voltage_mv);
        let power_factor = (u128::from(active_mw) * 10_000 + apparent_mva / 2).checked_div(apparent_mva);
        let totals = [
            (Quantity::Voltage, u128::from(voltage_mv)),
            (Quantity::Current, current_ua),
            (Quantity::ActivePower, u128::from(active_mw)),
            (Quantity::ReactivePower, u128::from(reactive_mvar)),
            (Quantity::ApparentPower, apparent_mva),
            // A meter without load shows unity.
            (Quantity::PowerFactor, power_factor.unwrap_or(10_000)),
            (Quantity::Frequency, u128::from(self.options.frequency.mhz())),
            (Quantity::EnergyImport, u128::from(self.counter_at(now).mwh())),
            (Quantity::EnergyExport, 0),
        ];
        let mut reading = Reading::new();
        for (quantity, total) in totals {
            reading.insert(quantity, i64::try_from(total).unwrap_or(i64::MAX));
        }
        self.insert_channels(&mut reading);
        reading
    }

    /// Adds what the model's phases or channels show.
    fn insert_channels(&self, reading: &mut Reading) {
        let keys = self.profile.registers().iter().map(|register| register.key);
        for key in keys.filter(|key| key.channel != Channel::Total) {
            let Key { quantity, channel } = key;
            if let Some(total) = reading.get(quantity) {
                reading.insert(key, of_channel(quantity, channel, total));
            }
        }
    }

    /// The energy counter at `now`: exact through every loop of the recording, and never going back but where it wraps or
    /// is reset.
    #[must_use]
    pub fn counter_at(&self, now: Timestamp) -> Energy {
        let (used_before, shown) = match self.counter_reset_at.filter(|reset| now >= *reset) {
            Some(reset) => (self.used_mwms(reset), Energy::ZERO),
            None => (self.replay.energy_mwms(self.offset()), self.options.counter_start),
        };
        // mW ms to mWh. Both ends are counted from the recording's beginning, so nothing is lost at either.
        let used = self.used_mwms(now).saturating_sub(used_before);
        let total = u128::from(shown.mwh()) + used / 3_600_000;
        let total = self.counter_wraps_at.map_or(total, |wrap| total % u128::from(wrap.mwh()));
        Energy::from_mwh(u64::try_from(total).unwrap_or(u64::MAX))
    }

    fn offset(&self) -> Millis {
        let minutes = self.options.offset_minutes % self.replay.minutes().max(1);
        Millis::from_minutes(minutes)
    }

    /// How much of the recording has been played, its beginning included, over all loops.
    fn played(&self, now: Timestamp) -> Millis {
        Millis::from_ms(now.since(self.options.start).ms().saturating_add(self.offset().ms()))
    }

    fn voltage_at(&self, now: Timestamp, recorded_mv: u64) -> u64 {
        if let Some(Disturbance { voltage, .. }) = self.disturbance.filter(|d| (d.from..d.until).contains(&now)) {
            return voltage.mv();
        }
        let Some(nominal) = self.options.nominal_voltage else { return recorded_mv };
        let scaled = u128::from(recorded_mv) * u128::from(nominal.mv()) / u128::from(RECORDED_NOMINAL.mv());
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }
}

fn square(value: u64) -> u128 {
    u128::from(value) * u128::from(value)
}
