//! The demo's meters: two buses, four models, each replaying another day of the recording.

use super::founding::{Household, START};
use gateway::config::{BusConfig, Port};
use gateway::core::{BusSettings, MeterSettings};
use meter::{Address, Device, Framing, Options, Parity, Profile, Replay, SimulatedBus, SimulatedMeter};
use std::sync::Arc;
use units::{Energy, Frequency, Millis, Voltage};

/// The models, dealt in turn. The second has a relay.
const PROFILES: [&str; 4] = ["im1281b", "dds238-2-zn-sr", "pzem-004t-v3", "sdm120"];
/// Rate of both buses.
const BAUD: u32 = 9_600;
/// Each meter is asked once a second of real time.
const POLL_EVERY: Millis = Millis::from_seconds(1);
/// Households on the first bus; the rest is on the second.
const FIRST_BUS: usize = 4;
/// The recording's minute of the day that is played at the start: the evening.
const OFFSET_MINUTES: u64 = 19 * 60;
const MINUTES_OF_A_DAY: u64 = 24 * 60;

/// The model of a household's meter by its number from 0.
pub(super) fn profile_of(household: usize) -> &'static str {
    PROFILES[household % PROFILES.len()]
}

/// A bus of simulated meters and the gateway's side of it.
pub(super) struct DemoBus {
    pub(super) name: &'static str,
    pub(super) simulated: SimulatedBus,
    pub(super) meters: Vec<MeterSettings>,
}

/// The buses of a community.
pub(super) fn buses(households: &[Household]) -> Vec<DemoBus> {
    let replay = Arc::new(Replay::excerpt().unwrap_or_else(|error| unreachable!("the shipped recording: {error}")));
    let numbered: Vec<(usize, &Household)> = households.iter().enumerate().collect();
    let (first, second) = numbered.split_at(FIRST_BUS.min(numbered.len()));
    let named = [("first floor", first), ("second floor", second)];
    named
        .into_iter()
        .filter(|(_, on_bus)| !on_bus.is_empty())
        .map(|(name, on_bus)| bus(name, on_bus, &replay))
        .collect()
}

fn bus(name: &'static str, households: &[(usize, &Household)], replay: &Arc<Replay>) -> DemoBus {
    let (mut simulated, mut meters) = (Vec::new(), Vec::new());
    for (address, (number, household)) in (1u8..).filter_map(Address::modbus).zip(households) {
        let name = profile_of(*number);
        let profile = Arc::new(Profile::shipped(name).unwrap_or_else(|| unreachable!("a shipped profile: {name}")));
        simulated.push(SimulatedMeter::new(profile.clone(), address, replay.clone(), options(*number)));
        let device = Device { meter: household.meter.clone(), address, profile, poll_every: POLL_EVERY };
        meters.push(MeterSettings { device, profile: name.to_owned(), member: household.account() });
    }
    DemoBus { name, simulated: SimulatedBus::new(simulated, Framing::Rtu { baud: BAUD }), meters }
}

/// Another day of the recording and another counter for each.
fn options(number: usize) -> Options {
    let number = u64::try_from(number).unwrap_or(0);
    Options {
        start: START,
        offset_minutes: number * MINUTES_OF_A_DAY + OFFSET_MINUTES,
        nominal_voltage: Some(Voltage::from_mv(110_000)),
        frequency: Frequency::from_mhz(60_000),
        counter_start: Energy::from_wh(1_204_000 + 151_700 * number),
    }
}

/// The gateway's side of a bus, on the simulated end's pty.
pub(super) fn bus_config(name: &str, place: &str, meters: Vec<MeterSettings>) -> BusConfig {
    BusConfig {
        name: name.to_owned(),
        port: Port::Serial { path: place.to_owned(), baud: BAUD, parity: Parity::None },
        settings: BusSettings { framing: Framing::Rtu { baud: BAUD }, meters },
    }
}
