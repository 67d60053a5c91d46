//! A simulated meter that answers in bytes, playing back a recorded household.
//!
//! Invariant: what a meter shows is a function of the time alone (and of the disturbance set), so a restarted
//! simulator goes on as if nothing had happened, and its counter goes back only where it wraps or is reset. The frames
//! are built by inverting the same profile that decodes them.

mod bus;
mod dice;
mod faults;
mod replay;
mod timing;
pub mod uart;

use crate::Profile;
use crate::modbus::{EXCEPTION_FLAG, FRAME_BYTES_MAX, READ_HOLDING, READ_INPUT, RegisterKind, crc16, seal};
use crate::profile::RegisterRead;
pub use bus::SimulatedBus;
pub use faults::{Fault, Faults};
pub use replay::{REPLAY_MINUTES_MAX, Replay, ReplayError};
use std::sync::Arc;
pub use timing::{Arrival, Mismatch, Outages, Timing};
use units::{Energy, Frequency, Millis, Quantity, Reading, Timestamp, Voltage};

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
    address: u8,
    replay: Arc<Replay>,
    options: Options,
    disturbance: Option<Disturbance>,
    counter_wraps_at: Option<Energy>,
    counter_reset_at: Option<Timestamp>,
}

/// The recording's nominal voltage (France; EN 50160).
const RECORDED_NOMINAL: Voltage = Voltage::from_mv(230_000);

impl SimulatedMeter {
    /// A meter of a model at an address.
    #[must_use]
    pub const fn new(profile: Arc<Profile>, address: u8, replay: Arc<Replay>, options: Options) -> Self {
        Self { profile, address, replay, options, disturbance: None, counter_wraps_at: None, counter_reset_at: None }
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
    pub const fn address(&self) -> u8 {
        self.address
    }

    /// Disturbs its supply, or ends a disturbance; one at a time.
    pub const fn set_disturbance(&mut self, disturbance: Option<Disturbance>) {
        self.disturbance = disturbance;
    }

    /// What it measures at `now`: every quantity, whether its model shows it or not.
    ///
    /// The current follows from the recorded powers and the voltage, because the recorded one has steps of 0.1 A only;
    /// so the values agree with each other as a real meter's do.
    #[must_use]
    pub fn values_at(&self, now: Timestamp) -> Reading {
        let played = self.played(now);
        let minute = self.replay.at(played);
        let voltage_mv = self.voltage_at(now, minute.voltage_mv).max(1);
        let apparent_mva = (square(minute.active_mw) + square(minute.reactive_mvar)).isqrt();
        let current_ua = (apparent_mva * 1_000_000 + u128::from(voltage_mv) / 2) / u128::from(voltage_mv);
        let power_factor = (u128::from(minute.active_mw) * 10_000 + apparent_mva / 2).checked_div(apparent_mva);
        let mut reading = Reading::new();
        for (quantity, value) in [
            (Quantity::Voltage, u128::from(voltage_mv)),
            (Quantity::Current, current_ua),
            (Quantity::ActivePower, u128::from(minute.active_mw)),
            (Quantity::ReactivePower, u128::from(minute.reactive_mvar)),
            (Quantity::ApparentPower, apparent_mva),
            // A meter without load shows unity.
            (Quantity::PowerFactor, power_factor.unwrap_or(10_000)),
            (Quantity::Frequency, u128::from(self.options.frequency.mhz())),
            (Quantity::EnergyImport, u128::from(self.counter_at(now).mwh())),
            (Quantity::EnergyExport, 0),
        ] {
            reading.insert(quantity, i64::try_from(value).unwrap_or(i64::MAX));
        }
        reading
    }

    /// The energy counter at `now`: exact through every loop of the recording, and never going back but where it wraps or
    /// is reset.
    #[must_use]
    pub fn counter_at(&self, now: Timestamp) -> Energy {
        let (begins, shown) = match self.counter_reset_at.filter(|reset| now >= *reset) {
            Some(reset) => (self.played(reset), Energy::ZERO),
            None => (self.offset(), self.options.counter_start),
        };
        // mW ms to mWh. Both ends are counted from the recording's beginning, so nothing is lost at either.
        let played = self.replay.energy_mwms(self.played(now)).saturating_sub(self.replay.energy_mwms(begins));
        let total = u128::from(shown.mwh()) + played / 3_600_000;
        let total = self.counter_wraps_at.map_or(total, |wrap| total % u128::from(wrap.mwh()));
        Energy::from_mwh(u64::try_from(total).unwrap_or(u64::MAX))
    }

    /// The answer to an RTU request; `None` when it is for somebody else or broken, as a real meter keeps silent.
    #[must_use]
    pub fn respond(&self, now: Timestamp, request: &[u8]) -> Option<Vec<u8>> {
        let (body, crc) = request.split_last_chunk::<2>()?;
        let (&address, pdu) = body.split_first()?;
        if address != self.address || u16::from_le_bytes(*crc) != crc16(body) {
            return None;
        }
        let mut frame = vec![address];
        frame.extend(self.respond_pdu(now, pdu)?);
        Some(seal(frame))
    }

    /// The answer to a function and what follows, without address and check value.
    fn respond_pdu(&self, now: Timestamp, pdu: &[u8]) -> Option<Vec<u8>> {
        let &function = pdu.first()?;
        let exception = |code| Some(vec![function | EXCEPTION_FLAG, code]);
        let kind = match function {
            READ_HOLDING => RegisterKind::Holding,
            READ_INPUT => RegisterKind::Input,
            _ => return exception(1),
        };
        let &[_, a, b, c, d] = pdu else { return exception(3) };
        let (first, count) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let bytes = usize::from(count) * usize::from(self.profile.bytes_per_count());
        let Some(length) = u8::try_from(bytes).ok().filter(|_| (1..=FRAME_BYTES_MAX - 5).contains(&bytes)) else {
            return exception(3);
        };
        let Some(data) = self.block(now, kind, first, count) else { return exception(2) };
        let mut answer = vec![function, length];
        answer.extend(data);
        Some(answer)
    }

    /// The data of `count` registers; `None` unless all of them lie in one read of the profile.
    fn block(&self, now: Timestamp, kind: RegisterKind, first: u16, count: u16) -> Option<Vec<u8>> {
        let end = |read: &RegisterRead| u32::from(read.address) + u32::from(read.count);
        let asked_end = u32::from(first) + u32::from(count);
        let holds = |read: &&RegisterRead| read.kind == kind && read.address <= first && asked_end <= end(read);
        let read = self.profile.reads().iter().find(holds)?;
        let each = usize::from(self.profile.bytes_per_count());
        let values = self.values_at(now);
        let mut data = vec![0; usize::from(read.count) * each];
        for register in self.profile.registers() {
            let place = register.range_in(read, self.profile.bytes_per_count());
            let bytes = values.get(register.key).map(|value| register.encode(value, self.profile.word_order()));
            if let Some((place, bytes)) = place.zip(bytes) {
                data[place].copy_from_slice(&bytes);
            }
            let sign = register.sign.as_ref().filter(|_| values.get(register.key).is_some_and(|value| value < 0));
            if let Some((sign, place)) =
                sign.and_then(|sign| Some((sign, sign.place_in(read, self.profile.bytes_per_count())?)))
            {
                data[place] = sign.negative;
            }
        }
        let start = usize::from(first - read.address) * each;
        data.get(start..start + usize::from(count) * each).map(<[u8]>::to_vec)
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
