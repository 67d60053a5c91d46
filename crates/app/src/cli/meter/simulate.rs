//! `wattproof meter simulate`: a bus of meters that are not there, on a pty or a TCP port.

use super::args::SimulateArgs;
use super::{FramingName, profile};
use crate::cli::terminal::say;
use crate::cli::{Trouble, run};
use crate::clock::RealClock;
use gateway::{Clock, SimulatedPort, Simulation};
use meter::{Address, Options, Profile, Replay, SimulatedBus, SimulatedMeter};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use units::{Energy, Frequency, Millis, Timestamp};

/// Minutes of the recording by which each further meter on the bus is ahead, so that no two show the same.
const MINUTES_BETWEEN_METERS: u64 = 24 * 60;
/// Largest recording that is read: a year of minutes with long lines.
const CSV_BYTES_MAX: u64 = 64 << 20;
/// What a simulated counter shows at its start, so that it looks like a meter that has been in use.
const COUNTER_START: Energy = Energy::from_kwh(1_200);

/// Real time, sped up from the start on; nothing is stored, because a simulated meter needs no past.
struct Sped {
    started: Timestamp,
    speed: u32,
}

impl Clock for Sped {
    fn now(&self) -> Timestamp {
        let elapsed = RealClock.time().since(self.started).ms();
        self.started + Millis::from_ms(elapsed.saturating_mul(u64::from(self.speed)))
    }
}

pub(super) fn simulate(args: SimulateArgs) -> Result<ExitCode, Trouble> {
    let profile = profile(&args.profile, args.profiles.as_deref())?;
    let replay = Arc::new(replay(args.csv.as_deref())?);
    let started = RealClock.time();
    let addresses: BTreeSet<Address> = args.address.iter().copied().collect();
    let meters = (0..).zip(&addresses).map(|(at, address)| {
        let options = Options {
            start: started,
            offset_minutes: at * MINUTES_BETWEEN_METERS,
            nominal_voltage: Some(args.voltage),
            frequency: Frequency::from_mhz(60_000),
            counter_start: COUNTER_START,
        };
        SimulatedMeter::new(Arc::clone(&profile), *address, Arc::clone(&replay), options)
    });
    let framing = if args.tcp.is_some() { args.framing.framing() } else { profile.protocol().serial(profile.baud()) };
    let bus = SimulatedBus::new(meters.collect(), framing);
    let port = args.tcp.map_or(SimulatedPort::Pty, SimulatedPort::Tcp);
    let clock = Arc::new(Sped { started, speed: args.speed });
    run::runtime()?.block_on(serve(&args, &profile, &addresses, (port, bus), clock))
}

async fn serve(
    args: &SimulateArgs,
    profile: &Profile,
    addresses: &BTreeSet<Address>,
    (port, bus): (SimulatedPort, SimulatedBus),
    clock: Arc<Sped>,
) -> Result<ExitCode, Trouble> {
    let simulation = Simulation::start(port, bus, clock).await.map_err(|error| run::not_listening(args.tcp, &error))?;
    let place = simulation.place();
    let listed: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    say(format_args!("simulating {} at address {} on {place}", profile.model(), listed.join(", ")));
    say(format_args!(
        "a recorded household (UCI, 2006) at {}, {} times real time; power and energy as recorded",
        args.voltage, args.speed
    ));
    let how = match args.tcp {
        None => format!("--serial {place} --baud {}", profile.baud()),
        Some(_) if args.framing == FramingName::Rtu => format!("--tcp {place}"),
        Some(_) => format!("--tcp {place} --framing {}", args.framing.name()),
    };
    let address = addresses.first().copied().unwrap_or(Address::FIRST);
    say(format_args!("read one: wattproof meter read --profile {} {how} --address {address}", args.profile));
    say("Ctrl-C ends it");
    run::until_told_to_stop().await;
    Ok(ExitCode::SUCCESS)
}

fn replay(csv: Option<&Path>) -> Result<Replay, Trouble> {
    let Some(path) = csv else {
        return Replay::excerpt().map_err(|error| Trouble::environment(error, "this is a defect; report it"));
    };
    let wrong = |error: &dyn std::fmt::Display| {
        let what = format!("{}: {error}", path.display());
        Trouble::environment(what, "give a CSV of household minutes with the columns p_kw, q_kvar and v")
    };
    let size = std::fs::metadata(path).map_err(|error| wrong(&error))?.len();
    if size > CSV_BYTES_MAX {
        return Err(wrong(&format_args!("{size} bytes; a recording has at most {CSV_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    Replay::from_csv(&text).map_err(|error| wrong(&error))
}
