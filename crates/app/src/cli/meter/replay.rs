//! `wattproof meter replay`: a capture answers as the meters did, or is decoded with a model.

use super::{FramingName, profile, show_reading, values};
use crate::cli::terminal::{say, say_json};
use crate::cli::{Trouble, run};
use crate::clock::RealClock;
use clap::Args;
use gateway::{Clock, SimulatedPort, Simulation};
use meter::capture::{Capture, Recorded, pairs, readings};
use meter::{Protocol, SimulatedBus, dlt645};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use units::Timestamp;

/// Largest capture that is read: a day of a busy line.
const CAPTURE_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    /// A capture, as `wattproof meter sniff --out` writes it.
    file: PathBuf,
    /// Decode it with this model, instead of serving it.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["pty", "tcp"])]
    profile: Option<String>,
    /// Folder of profiles of your own (NAME.toml).
    #[arg(long, value_name = "DIR", requires = "profile")]
    profiles: Option<PathBuf>,
    /// Serve it on a pseudo-terminal, in place of a serial device (the default).
    #[arg(long, conflicts_with = "tcp")]
    pty: bool,
    /// Serve it on a TCP port; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    tcp: Option<SocketAddr>,
    /// What the TCP port speaks.
    #[arg(long, value_enum, default_value_t = FramingName::Rtu, requires = "tcp")]
    framing: FramingName,
    /// Show JSON.
    #[arg(long, requires = "profile")]
    json: bool,
}

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        RealClock.time()
    }
}

pub(super) fn replay(args: &ReplayArgs) -> Result<ExitCode, Trouble> {
    let capture = read(&args.file)?;
    let pairs = pairs(&capture);
    if pairs.is_empty() {
        let what = format!("{}: no answered request is in it", args.file.display());
        return Err(Trouble::refused(what, "see with `wattproof meter sniff` that both sides of the line are heard"));
    }
    if let Some(name) = &args.profile {
        let model = profile(name, args.profiles.as_deref())?;
        return decode(&readings(&model, &pairs), name, args.json);
    }
    let protocol = match pairs.first().map(|pair| dlt645::Frame::parse(&pair.exchange.request)) {
        Some(Ok(_)) => Protocol::Dlt645,
        _ => Protocol::Modbus,
    };
    let answered = pairs.len();
    let recorded = Recorded::from_pairs(pairs);
    let kinds = recorded.requests().count();
    let framing =
        if args.tcp.is_some() { args.framing.framing(protocol) } else { protocol.serial(super::CONVERTER_BAUD) };
    let bus = SimulatedBus::new(Vec::new(), framing).with_recorded(recorded);
    let port = args.tcp.map_or(SimulatedPort::Pty, SimulatedPort::Tcp);
    run::runtime()?.block_on(async {
        let simulation =
            Simulation::start(port, bus, Arc::new(Now)).await.map_err(|error| run::not_listening(args.tcp, &error))?;
        say(format_args!("{answered} answers to {kinds} different requests are given again on {}", simulation.place()));
        say("Ctrl-C ends it");
        run::until_told_to_stop().await;
        Ok(ExitCode::SUCCESS)
    })
}

type Readings = [(units::Millis, meter::Address, Result<units::Reading, meter::MeterError>)];

fn decode(readings: &Readings, name: &str, json: bool) -> Result<ExitCode, Trouble> {
    if readings.is_empty() {
        return Err(Trouble::refused(
            format_args!("no whole poll of {name} is in it"),
            "try another --profile; `wattproof meter profiles` lists them",
        ));
    }
    let mut refused = 0;
    for (at, address, reading) in readings {
        match reading {
            Ok(reading) if json => {
                say_json(
                    &serde_json::json!({ "time_ms": at.ms(), "address": address.to_string(), "values": values(reading) }),
                );
            }
            Ok(reading) => {
                say(format_args!("{} ms, meter {address}", at.ms()));
                show_reading(&reading.clone().with_derived_powers(), false);
            }
            Err(error) => {
                refused += 1;
                say(format_args!("{} ms, meter {address}: {error}", at.ms()));
            }
        }
    }
    if refused > 0 {
        let what = format!("{refused} of {} polls gave no reading", readings.len());
        return Err(Trouble::refused(what, "see whether the profile is this meter's"));
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Capture, Trouble> {
    let wrong = |error: &dyn std::fmt::Display| {
        let what = format!("{}: {error}", path.display());
        Trouble::environment(what, "give a file that `wattproof meter sniff --out` wrote")
    };
    let size = std::fs::metadata(path).map_err(|error| wrong(&error))?.len();
    if size > CAPTURE_BYTES_MAX {
        return Err(wrong(&format_args!("{size} bytes; a capture has at most {CAPTURE_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    Capture::from_text(&text).map_err(|error| wrong(&error))
}
