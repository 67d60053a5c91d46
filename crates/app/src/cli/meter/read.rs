//! `wattproof meter read`: asks one meter once, over the gateway's own port and the same bus machine.

use super::{profile, show_reading};
use crate::cli::terminal::hex;
use crate::cli::{ReadArgs, Trouble, run};
use gateway::config::Port;
use gateway::ports::{self, PortEvent};
use meter::{Bus, BusInput, BusOutput, Device};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use units::{MeterId, Micros, Millis, Reading};

/// Events of the port that wait; the loop takes them at once.
const EVENTS_MAX: usize = 16;

pub(super) fn read(args: &ReadArgs) -> Result<ExitCode, Trouble> {
    let profile = profile(&args.profile)?;
    let (port, framing) = match (&args.serial, args.tcp) {
        (Some(path), _) => {
            let baud = args.baud.unwrap_or(profile.baud());
            let framing = profile.protocol().serial(baud);
            (Port::Serial { path: path.clone(), baud, parity: framing.parity() }, framing)
        }
        (None, Some(address)) => (Port::Tcp(address), args.framing.framing()),
        (None, None) => return Err(Trouble::environment("no port", "give --serial DEVICE or --tcp ADDRESS")),
    };
    let meter: MeterId = "meter".parse().map_err(|error| Trouble::environment(error, "this is a defect; report it"))?;
    let device = Device { meter, address: args.address, profile, poll_every: Millis::ZERO };
    let reading = run::runtime()?.block_on(ask(port, Bus::new(vec![device], framing)))?;
    show_reading(&reading.with_derived_powers(), args.json);
    Ok(ExitCode::SUCCESS)
}

/// Runs the bus until its first reading or failure.
async fn ask(port: Port, mut bus: Bus) -> Result<Reading, Trouble> {
    let (request_to, requests) = mpsc::channel(1);
    let (event_to, mut events) = mpsc::channel(EVENTS_MAX);
    let port = tokio::spawn(ports::serve(0, port, requests, event_to));
    let started = Instant::now();
    let now = || Micros::from_us(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
    let mut is_open = false;
    let result = loop {
        let wake = Duration::from_micros(bus.wake_at().us()).saturating_sub(started.elapsed());
        let input = tokio::select! {
            biased;
            event = events.recv() => match event {
                Some(PortEvent::Opened { .. }) => {
                    is_open = true;
                    BusInput::Reopened
                }
                Some(PortEvent::Received { bytes, .. }) => BusInput::Received(bytes),
                Some(PortEvent::Lost { reason, .. }) => break Err(lost(&reason)),
                None => break Err(lost("the port has closed")),
            },
            () = tokio::time::sleep(wake), if is_open => BusInput::Tick,
        };
        match bus.step(now(), input).into_iter().next() {
            Some(BusOutput::Send(bytes)) => {
                // A port that is away says so by an event.
                let _ = request_to.try_send(bytes);
            }
            Some(BusOutput::Reading { reading, .. }) => break Ok(reading),
            Some(BusOutput::Failed { error, raw, .. }) => {
                let seen =
                    if raw.is_empty() { "not one byte came".to_owned() } else { format!("what came: {}", hex(&raw)) };
                break Err(Trouble::refused(error, format_args!("{seen}; see address, baud rate, profile and wiring")));
            }
            None => {}
        }
    };
    port.abort();
    result
}

fn lost(reason: &str) -> Trouble {
    Trouble::environment(reason, "see that the device or address is right, and that nothing else uses it")
}
