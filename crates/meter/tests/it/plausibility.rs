//! Powers held against voltages and currents: no truthful reading is refused, and damage that keeps a frame's form is.

use crate::{START, address, exchanges, profile, simulated};
use meter::modbus::seal;
use meter::{Address, Bus, BusInput, BusOutput, Device, Framing, MeterError, Profile};
use units::{Micros, Millis};

#[test]
fn every_minute_of_a_recorded_household_is_believed_through_every_model() {
    for name in Profile::shipped_names() {
        let (profile, meter) = (profile(name), simulated(name, 7));
        for minute in 0..7 * 1_440 {
            let now = START + Millis::from_minutes(minute);
            let reading = profile.reading(address(name, 7), &exchanges(&meter, &profile, now));
            assert!(reading.is_ok(), "{name}, minute {minute}: {reading:?}");
        }
    }
}

#[test]
fn a_sealed_answer_with_a_false_power_is_refused_and_keeps_its_bytes() {
    let profile = profile("im1281b");
    // 230 V, 6.5 A, 0.98: the power is 1465.1 W.
    for (raw_power, refused) in [(14_950_000_u32, false), (3_000_000, true), (29_000_000, true), (0, true)] {
        let mut response = profile.examples()[0].exchanges[0].response.clone();
        response.truncate(response.len() - 2);
        response[11..15].copy_from_slice(&raw_power.to_be_bytes());
        let response = seal(response);
        let meter = "M1".parse().unwrap();
        let device = Device { meter, address: Address::FIRST, profile: profile.clone(), poll_every: Millis::ZERO };
        let mut bus = Bus::new(vec![device], Framing::Rtu { baud: 9_600 });
        bus.step(Micros::ZERO, BusInput::Tick);
        let outputs = bus.step(Micros::from_ms(50), BusInput::Received(response.clone()));
        match outputs.first() {
            Some(BusOutput::Reading { .. }) => assert!(!refused, "{raw_power}"),
            Some(BusOutput::Failed { error: MeterError::PowersDisagree { value, expected, .. }, raw, .. }) => {
                assert!(refused && *expected == 1_465_100 && *value == i64::from(raw_power) / 10, "{raw_power}");
                assert_eq!(*raw, response, "its bytes are kept");
            }
            other => panic!("{raw_power}: {other:?}"),
        }
    }
}
