//! The meter crate as its users see it: frames in, readings out, and a whole line without a port.

// The lint's own exception for tests does not reach helpers outside `#[test]` functions.
#![allow(clippy::unwrap_used)]

mod bus;
mod capture;
mod dlt645;
mod frames;
mod load;
mod noise;
mod plausibility;
mod profiles;
mod properties;
mod simulator;
mod switching;
mod verdict;

use meter::{Address, Exchange, Profile, Replay, SimulatedMeter};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use units::{Energy, Frequency, Timestamp, Voltage};

/// Bytes from hexadecimal with blanks.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "{text}");
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// The shipped profiles, loaded once for all tests.
static PROFILES: LazyLock<BTreeMap<&str, Arc<Profile>>> = LazyLock::new(|| {
    let load = |name| Profile::shipped(name).unwrap_or_else(|| panic!("{name} does not load"));
    Profile::shipped_names().into_iter().map(|name| (name, Arc::new(load(name)))).collect()
});
static REPLAY: LazyLock<Arc<Replay>> = LazyLock::new(|| Arc::new(Replay::excerpt().unwrap()));

fn profile(name: &str) -> Arc<Profile> {
    Arc::clone(PROFILES.get(name).unwrap_or_else(|| panic!("there is no {name}")))
}

/// Noon of a day in 2026, when the simulated meters begin.
const START: Timestamp = Timestamp::from_ms(1_785_499_200_000);

fn options() -> meter::Options {
    meter::Options {
        start: START,
        offset_minutes: 600,
        nominal_voltage: Some(Voltage::from_mv(110_000)),
        frequency: Frequency::from_mhz(60_000),
        counter_start: Energy::from_kwh(1_234),
    }
}

/// The address of that number, of the model's kind.
fn address(name: &str, number: u8) -> Address {
    profile(name).protocol().address(number.into()).unwrap()
}

fn simulated(name: &str, number: u8) -> SimulatedMeter {
    SimulatedMeter::new(profile(name), address(name, number), Arc::clone(&REPLAY), options())
}

/// What a poll of `meter` at `now` exchanges.
fn exchanges(meter: &SimulatedMeter, profile: &Profile, now: Timestamp) -> Vec<Exchange> {
    let exchange = |request: meter::Request| {
        let request = request.frame();
        Exchange { response: meter.respond(now, &request).unwrap(), request }
    };
    profile.requests(meter.address()).into_iter().map(exchange).collect()
}
