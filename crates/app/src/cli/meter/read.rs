//! `wattproof meter read`: asks one meter once, over the gateway's own port and the same bus machine.

use super::args::ReadArgs;
use super::line::Line;
use super::{profile, show_reading};
use crate::cli::terminal::{hex, say};
use crate::cli::{Trouble, run};
use gateway::config::Port;
use meter::{Device, Exchange};
use std::process::ExitCode;
use units::{MeterId, Millis, Reading};

pub(super) fn read(args: &ReadArgs) -> Result<ExitCode, Trouble> {
    let profile = profile(&args.profile, args.profiles.as_deref())?;
    let (port, framing) = match (&args.serial, args.tcp) {
        (Some(path), _) => {
            let baud = args.baud.unwrap_or(profile.baud());
            let framing = profile.protocol().serial(baud);
            (Port::Serial { path: path.clone(), baud, parity: framing.parity() }, framing)
        }
        (None, Some(address)) => (Port::Tcp(address), args.framing.framing(profile.protocol())),
        (None, None) => return Err(Trouble::environment("no port", "give --serial DEVICE or --tcp ADDRESS")),
    };
    let meter: MeterId = "meter".parse().map_err(|error| Trouble::environment(error, "this is a defect; report it"))?;
    let device = Device { meter, address: args.address, profile, poll_every: Millis::ZERO };
    let polled = run::runtime()?.block_on(async { Line::open(port).await?.poll(device, framing).await })?;
    let (reading, exchanges) = polled.map_err(|(error, raw)| {
        let seen = if raw.is_empty() { "not one byte came".to_owned() } else { format!("what came: {}", hex(&raw)) };
        Trouble::refused(error, format_args!("{seen}; see address, baud rate, profile and wiring"))
    })?;
    if args.example {
        say(example(&reading, &exchanges));
    } else {
        show_reading(&reading.with_derived_powers(), args.json);
    }
    Ok(ExitCode::SUCCESS)
}

/// A block for the end of the meter's profile.
fn example(reading: &Reading, exchanges: &[Exchange]) -> String {
    let spaced = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ");
    let mut text = "[[example]]\nsource = \"read from a meter; say which, and when\"\n".to_owned();
    for Exchange { request, response } in exchanges {
        let (request, response) = (spaced(request), spaced(response));
        text += &format!("[[example.exchange]]\nrequest = \"{request}\"\nresponse = \"{response}\"\n");
    }
    text += "[example.reading]";
    for (key, value) in reading.iter() {
        text += &format!("\n{key} = {value}");
    }
    text
}
