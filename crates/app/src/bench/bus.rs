//! One bus at 9600 baud, on a virtual line whose meter needs no time to think: what is left is the bus's own waiting.

use super::BenchError;
use super::table::Figure;
use meter::{
    Address, Bus, BusInput, BusOutput, Device, Framing, Options, Profile, Replay, SimulatedBus, SimulatedMeter,
};
use std::sync::Arc;
use units::{Energy, Frequency, Micros, Millis, Timestamp};

const BAUD: u32 = 9_600;
/// Bits of a character on the wire: start, eight, stop.
const BITS: f64 = 10.0;
/// The silence that ends a frame, in characters of eleven bits (MODBUS over Serial Line V1.02, 2.5.1.1).
const SILENCE_BITS: f64 = 3.5 * 11.0;
/// A minute of the line's time.
const LENGTH: Micros = Micros::from_ms(60_000);

/// Polls a second of one meter asked as often as the line allows, against the bytes on the wire and the silence between.
pub(super) fn polls() -> Result<Figure, BenchError> {
    let profile = Profile::shipped("im1281b").ok_or_else(|| BenchError::Ledger("no such profile".to_owned()))?;
    // The model's own pause is the meter's, not the bus's; the standard's silence stays.
    let profile = Arc::new(profile.with_timing(Some(Millis::ZERO), None));
    let replay = Arc::new(Replay::excerpt().map_err(BenchError::ledger)?);
    let options = Options {
        start: Timestamp::default(),
        offset_minutes: 0,
        nominal_voltage: None,
        frequency: Frequency::from_mhz(50_000),
        counter_start: Energy::ZERO,
    };
    let framing = Framing::Rtu { baud: BAUD };
    let meter = "m-1".parse().map_err(BenchError::ledger)?;
    let simulated = SimulatedMeter::new(Arc::clone(&profile), Address::FIRST, replay, options);
    let mut line = SimulatedBus::new(vec![simulated], framing);
    let mut bus = Bus::new(vec![Device { meter, address: Address::FIRST, profile, poll_every: Millis::ZERO }], framing);
    let (mut now, mut polls, mut bytes) = (Micros::ZERO, 0_u64, 0_usize);
    while now < LENGTH {
        now = bus.wake_at().max(now);
        for output in bus.step(now, BusInput::Tick) {
            let BusOutput::Send(request) = output else { continue };
            let answer = line.receive(Timestamp::from_ms(now.whole_ms().ms()), &request);
            bytes = request.len() + answer.len();
            now = now.plus(wire_time(bytes));
            let answered = bus.step(now, BusInput::Received(answer));
            polls += answered.iter().filter(|output| matches!(output, BusOutput::Reading { .. })).count() as u64;
        }
    }
    let measured = polls as f64 / (now.us() as f64 / 1e6);
    let limit = f64::from(BAUD) / (bytes as f64 * BITS + SILENCE_BITS);
    Ok(Figure::rate("one bus at 9600 baud, polls (virtual line)", "/s", measured, ">= 0.97")
        .against("bytes on the wire and silence", limit))
}

/// Time of bytes on the wire.
fn wire_time(bytes: usize) -> Micros {
    let bits = u64::try_from(bytes).unwrap_or_default() * 10;
    Micros::from_us((bits * 1_000_000).div_ceil(u64::from(BAUD)))
}
