//! `wattproof meter simulate`: a bus of meters that are not there, on a pty or a TCP port.

use super::args::{MeterAt, SimulateArgs};
use super::{FramingName, profile};
use crate::cli::terminal::say;
use crate::cli::{Trouble, run};
use crate::clock::RealClock;
use gateway::{Clock, SimulatedPort, Simulation};
use meter::{Address, Options, Profile, Replay, SimulatedBus, SimulatedMeter};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use units::{Frequency, Millis, Timestamp};

/// Minutes of the recording by which each further meter on the bus is ahead, so that no two show the same.
const MINUTES_BETWEEN_METERS: u64 = 24 * 60;
/// Largest recording that is read: a year of minutes with long lines.
const CSV_BYTES_MAX: u64 = 64 << 20;

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

/// A meter that is to be simulated.
struct Wanted {
    name: String,
    profile: Arc<Profile>,
    address: Address,
}

pub(super) fn simulate(args: SimulateArgs) -> Result<ExitCode, Trouble> {
    let wanted = wanted(&args)?;
    let replay = Arc::new(replay(args.csv.as_deref())?);
    let started = RealClock.time();
    let meters = (0..).zip(&wanted).map(|(at, Wanted { profile, address, .. })| {
        let options = Options {
            start: started,
            offset_minutes: at * MINUTES_BETWEEN_METERS,
            nominal_voltage: Some(args.voltage),
            frequency: Frequency::from_mhz(60_000),
            counter_start: args.world.counter,
        };
        let meter = SimulatedMeter::new(Arc::clone(profile), *address, Arc::clone(&replay), options);
        args.world.meter(meter, started)
    });
    let Some(first) = wanted.first().map(|first| &first.profile) else {
        return Err(Trouble::environment("no meter", "give --profile or --meter"));
    };
    let framing = match args.tcp {
        Some(_) => args.framing.framing(first.protocol()),
        None => first.protocol().serial(first.baud()),
    };
    let bus = args.world.line(SimulatedBus::new(meters.collect(), framing), framing.baud().unwrap_or(first.baud()));
    let port = args.tcp.map_or(SimulatedPort::Pty, SimulatedPort::Tcp);
    let clock = Arc::new(Sped { started, speed: args.speed });
    run::runtime()?.block_on(serve(&args, &wanted, (port, bus), clock))
}

/// The meters of the bus: each address once, all with one protocol.
fn wanted(args: &SimulateArgs) -> Result<Vec<Wanted>, Trouble> {
    let folder = args.profiles.as_deref();
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut add = |name: &str, profile: Arc<Profile>, address: Address| {
        let protocol = profile.protocol();
        if !protocol.has(address) || wanted.first().is_some_and(|first| first.profile.protocol() != protocol) {
            let what = format!("{name} cannot be at address {address} of this bus");
            return Err(Trouble::environment(
                what,
                "give Modbus models addresses 1 to 247, DL/T 645 ones twelve digits, and each protocol its own bus",
            ));
        }
        if !wanted.iter().any(|other| other.address == address) {
            wanted.push(Wanted { name: name.to_owned(), profile, address });
        }
        Ok(())
    };
    if let Some(name) = &args.profile {
        let model = profile(name, folder)?;
        let first = model.protocol().address(1).filter(|_| args.address.is_empty());
        for address in args.address.iter().copied().chain(first) {
            add(name, Arc::clone(&model), address)?;
        }
    }
    for MeterAt { profile: name, address } in &args.meter {
        add(name, profile(name, folder)?, *address)?;
    }
    Ok(wanted)
}

async fn serve(
    args: &SimulateArgs,
    wanted: &[Wanted],
    (port, bus): (SimulatedPort, SimulatedBus),
    clock: Arc<Sped>,
) -> Result<ExitCode, Trouble> {
    let simulation = Simulation::start(port, bus, clock).await.map_err(|error| run::not_listening(args.tcp, &error))?;
    let place = simulation.place();
    for Wanted { profile, address, .. } in wanted {
        let relay = if profile.relay().is_some() { ", with a relay that switches" } else { "" };
        say(format_args!("simulating {} at address {address} on {place}{relay}", profile.model()));
    }
    say(format_args!(
        "a recorded household (UCI, 2006) at {}, {} times real time; power and energy as recorded",
        args.voltage, args.speed
    ));
    if let Some(Wanted { name, profile, address }) = wanted.first() {
        let how = match args.tcp {
            None => format!("--serial {place} --baud {}", profile.baud()),
            Some(_) if args.framing == FramingName::Rtu => format!("--tcp {place}"),
            Some(_) => format!("--tcp {place} --framing {}", args.framing.name()),
        };
        say(format_args!("read one: wattproof meter read --profile {name} {how} --address {address}"));
    }
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
