//! `wattproof meter scan`: finds the meters of a line and recognises their models.

mod propose;
mod recognise;

use super::line::Line;
use super::{CONVERTER_BAUD, FramingName, own, profile};
use crate::cli::terminal::{note, say, say_json};
use crate::cli::{Trouble, run};
use clap::Args;
use gateway::config::Port;
use meter::{Address, Device, Framing, Profile, Protocol, dlt645};
use recognise::{Candidate, best_first, is_from_a_meter, is_from_nobody};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use units::{MeterId, Millis};

/// Addresses between two lines about progress.
const TELL_EVERY_ADDRESSES: usize = 16;
/// How long a DL/T 645 meter may take to answer, in ms (DL/T 645-2007, 5.2.6).
const DLT645_ANSWER_MS_MAX: u64 = 500;

#[derive(Debug, Args)]
pub(in crate::cli) struct ScanArgs {
    /// Serial device.
    #[arg(long, value_name = "DEVICE", required_unless_present = "tcp", conflicts_with = "tcp")]
    serial: Option<String>,
    /// TCP address of a converter or a meter.
    #[arg(long, value_name = "ADDRESS")]
    tcp: Option<SocketAddr>,
    /// What the TCP port speaks.
    #[arg(long, value_enum, default_value_t = FramingName::Rtu, requires = "tcp")]
    framing: FramingName,
    /// Baud rates to try on the serial line, with commas between them.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "9600", value_parser = clap::value_parser!(u32).range(300..=921_600))]
    baud: Vec<u32>,
    /// Addresses to ask: numbers and ranges, with commas between them.
    #[arg(long, value_name = "LIST", default_value = "1-247", value_parser = addresses)]
    addresses: Addresses,
    /// How long each answer is waited for, in ms; a radio or a slow converter needs more.
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(10..=10_000))]
    wait_ms: u64,
    /// Folder of profiles of your own (NAME.toml) that are tried too.
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// Write the gateway's bus settings into a new file.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Show JSON.
    #[arg(long)]
    json: bool,
}

/// Modbus addresses, each once, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Addresses(Vec<u8>);

/// `1-16,40` and so on.
fn addresses(text: &str) -> Result<Addresses, String> {
    let wrong = || format!("`{text}` is no list of addresses 1 to 247, such as 1-16,40");
    let number = |text: &str| text.trim().parse::<u8>().ok().filter(|number| (1..=247).contains(number));
    let mut all = std::collections::BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = number(first).zip(number(last)).filter(|(first, last)| first <= last).ok_or_else(wrong)?;
        all.extend(first..=last);
    }
    Ok(Addresses(all.into_iter().collect()))
}

/// A meter that answered.
#[derive(Debug, Clone, Serialize)]
struct Found {
    address: String,
    baud: Option<u32>,
    framing: &'static str,
    /// The best profile; none fits a device that only refuses.
    profile: Option<String>,
    /// Others that give as good a reading.
    or: Vec<String>,
    reading: BTreeMap<String, i64>,
}

/// What a line told besides.
#[derive(Debug, Default)]
struct Scanned {
    found: Vec<Found>,
    /// Answers that were no frame, which another baud rate makes.
    garbled: usize,
}

pub(super) fn scan(args: &ScanArgs) -> Result<ExitCode, Trouble> {
    if let Some(path) = args.write.as_ref().filter(|path| path.exists()) {
        return Err(propose::exists(path));
    }
    let models = models(args)?;
    let line = run::runtime()?.block_on(scan_all(args, &models))?;
    if args.json {
        say_json(&line.found);
    } else {
        line.found.iter().for_each(|found| say(found.words()));
    }
    if line.found.is_empty() {
        return Err(nothing(args, line.garbled));
    }
    let port = args.serial.clone().or_else(|| args.tcp.map(|address| address.to_string())).unwrap_or_default();
    let blocks = propose::blocks(&port, args.serial.is_some(), &line.found);
    match &args.write {
        Some(path) => {
            propose::write(path, &blocks)?;
            note(format_args!("wrote {}: put number and member of each meter into it", path.display()));
        }
        None if !args.json => say(format_args!("\nFor the gateway's settings:\n\n{blocks}")),
        None => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// All profiles, own ones in place of shipped ones.
fn models(args: &ScanArgs) -> Result<Vec<(String, Arc<Profile>)>, Trouble> {
    let folder = args.profiles.as_deref();
    let mut names = folder.map(own::names).transpose()?.unwrap_or_default();
    names.extend(Profile::shipped_names().into_iter().map(str::to_owned));
    names.into_iter().map(|name| Ok((name.clone(), profile(&name, folder)?))).collect()
}

fn nothing(args: &ScanArgs, garbled: usize) -> Trouble {
    let rates: Vec<String> = [1_200, 2_400, 4_800, 9_600, 19_200, 115_200]
        .iter()
        .filter(|rate| !args.baud.contains(rate))
        .map(u32::to_string)
        .collect();
    let others = format!("other rates: --baud {}", rates.join(","));
    if garbled > 0 {
        let what = format!(
            "no meter was understood, but {garbled} times bytes came that are no answer: another baud rate, or noise"
        );
        return Trouble::refused(what, format_args!("try {others}"));
    }
    let remedy = match args.serial {
        Some(_) => format!("see power, address, and A and B of the wiring; try {others}, or a longer --wait-ms"),
        None => "see power, address and wiring, --framing tcp for Modbus TCP, or a longer --wait-ms".to_owned(),
    };
    Trouble::refused("no meter answered", remedy)
}

/// Tries every rate; Modbus first, then DL/T 645 with its own parity.
async fn scan_all(args: &ScanArgs, models: &[(String, Arc<Profile>)]) -> Result<Scanned, Trouble> {
    let mut line = Scanned::default();
    for (port, framing) in lines(args) {
        let rate = framing.baud().map_or_else(String::new, |baud| format!(" at {baud} baud"));
        match framing {
            Framing::Dlt645 { .. } => {
                note(format_args!("asking for DL/T 645 meters{rate}"));
                let mut open = Line::open(port).await?;
                dlt645_meters(args, models, &mut open, framing, &mut line).await?;
                open.close().await;
            }
            _ => {
                note(format_args!("asking {} addresses{rate} for {} models", args.addresses.0.len(), models.len()));
                let mut open = Line::open(port).await?;
                modbus_meters(args, models, &mut open, framing, &mut line).await?;
                open.close().await;
            }
        }
    }
    Ok(line)
}

/// The lines to try: a serial port once for each rate and protocol.
fn lines(args: &ScanArgs) -> Vec<(Port, Framing)> {
    let serial = |path: &String, framing: Framing| {
        let (baud, parity) = (framing.baud().unwrap_or(CONVERTER_BAUD), framing.parity());
        (Port::Serial { path: path.clone(), baud, parity }, framing)
    };
    match (&args.serial, args.tcp) {
        (Some(path), _) => {
            let modbus = args.baud.iter().map(|baud| serial(path, Framing::Rtu { baud: *baud }));
            modbus.chain(args.baud.iter().map(|baud| serial(path, Framing::Dlt645 { baud: *baud }))).collect()
        }
        (None, Some(address)) if args.framing == FramingName::Rtu => {
            // A converter passes either protocol on.
            let framings = [Framing::Rtu { baud: CONVERTER_BAUD }, Framing::Dlt645 { baud: CONVERTER_BAUD }];
            framings.map(|framing| (Port::Tcp(address), framing)).to_vec()
        }
        (None, Some(address)) => vec![(Port::Tcp(address), args.framing.framing(Protocol::Modbus))],
        (None, None) => Vec::new(),
    }
}

fn device(address: Address, profile: &Profile, wait_ms: u64) -> Result<Device, Trouble> {
    let meter: MeterId = "meter".parse().map_err(|error| Trouble::environment(error, "this is a defect; report it"))?;
    let profile = Arc::new(profile.clone().with_timeout(Millis::from_ms(wait_ms)));
    Ok(Device { meter, address, profile, poll_every: Millis::ZERO })
}

async fn modbus_meters(
    args: &ScanArgs,
    models: &[(String, Arc<Profile>)],
    open: &mut Line,
    framing: Framing,
    line: &mut Scanned,
) -> Result<(), Trouble> {
    let groups = by_first_request(models);
    for (asked, number) in (1..).zip(&args.addresses.0) {
        let Some(address) = Address::modbus(*number) else { continue };
        let mut candidates = Vec::new();
        let mut is_there = false;
        for group in &groups {
            for (name, model) in group {
                match open.poll(device(address, model, args.wait_ms)?, framing).await? {
                    Ok((reading, _)) => {
                        candidates.push(Candidate { name: name.clone(), profile: Arc::clone(model), reading })
                    }
                    // Who does not answer a question does not answer it for another model either.
                    Err((error, _)) if is_from_nobody(&error) => break,
                    Err((error, raw)) => {
                        is_there |= is_from_a_meter(&error);
                        line.garbled += usize::from(!raw.is_empty() && !is_from_a_meter(&error));
                    }
                }
            }
        }
        if is_there || !candidates.is_empty() {
            let found = Found::new(address, framing, best_first(candidates));
            note(format_args!("  {}", found.words()));
            line.found.push(found);
        }
        if asked % TELL_EVERY_ADDRESSES == 0 {
            note(format_args!("  asked {asked} of {} addresses, {} found", args.addresses.0.len(), line.found.len()));
        }
    }
    Ok(())
}

/// Modbus models by what they ask first, so that silence is waited for once for all models with the same question.
fn by_first_request(models: &[(String, Arc<Profile>)]) -> Vec<Vec<(String, Arc<Profile>)>> {
    let mut groups: BTreeMap<Vec<u8>, Vec<(String, Arc<Profile>)>> = BTreeMap::new();
    for (name, model) in models.iter().filter(|(_, model)| model.protocol() == Protocol::Modbus) {
        let first = model.requests(Address::FIRST).first().map(meter::Request::frame).unwrap_or_default();
        groups.entry(first).or_default().push((name.clone(), Arc::clone(model)));
    }
    groups.into_values().collect()
}

/// Finds the meters by the endings of their addresses, then asks each with every model.
async fn dlt645_meters(
    args: &ScanArgs,
    models: &[(String, Arc<Profile>)],
    open: &mut Line,
    framing: Framing,
    line: &mut Scanned,
) -> Result<(), Trouble> {
    let search = dlt645_addresses(args, open, framing).await?;
    if search.gave_up() {
        note("  too many answers spoilt each other, or the line is noisy: some meters may not be found");
        line.garbled += search.collisions();
    }
    for address in search.found() {
        let mut candidates = Vec::new();
        for (name, model) in models.iter().filter(|(_, model)| model.protocol() == Protocol::Dlt645) {
            let device = device(address, model, args.wait_ms.max(DLT645_ANSWER_MS_MAX))?;
            if let Ok((reading, _)) = open.poll(device, framing).await? {
                candidates.push(Candidate { name: name.clone(), profile: Arc::clone(model), reading });
            }
        }
        let found = Found::new(address, framing, best_first(candidates));
        note(format_args!("  {}", found.words()));
        line.found.push(found);
    }
    Ok(())
}

async fn dlt645_addresses(args: &ScanArgs, open: &mut Line, framing: Framing) -> Result<dlt645::Search, Trouble> {
    let mut search = dlt645::Search::default();
    while let Some(request) = search.question() {
        let request = request.into();
        // The answer takes its time on the wire on top of the wait.
        let on_wire = Duration::from_micros(framing.carrying(request_bytes(&request)).us());
        let wait = Duration::from_millis(args.wait_ms.max(DLT645_ANSWER_MS_MAX)) + on_wire;
        search.heard(&open.all_heard(&request, wait).await?);
        let (asked, open) = search.progress();
        if asked == 1 && open > 0 {
            note("  several DL/T 645 meters answer at once; they are told apart by the digits of their addresses");
        } else if asked % TELL_EVERY_ADDRESSES == 0 {
            note(format_args!("  asked {asked} times, {} found, {open} questions open", search.found().count()));
        }
    }
    Ok(search)
}

fn request_bytes(request: &meter::Request) -> usize {
    request.serial().len() + request.answer_bytes_max()
}

impl Found {
    fn new(address: Address, framing: Framing, candidates: Vec<Candidate>) -> Self {
        let mut names = candidates.iter().map(|candidate| candidate.name.clone());
        let reading = candidates.first().map(|candidate| &candidate.reading);
        Self {
            address: address.to_string(),
            baud: framing.baud(),
            framing: framing.name(),
            profile: names.next(),
            or: names.collect(),
            reading: reading
                .into_iter()
                .flat_map(units::Reading::iter)
                .map(|(key, value)| (key.to_string(), value))
                .collect(),
        }
    }

    fn words(&self) -> String {
        let Self { address, profile, or, .. } = self;
        let or = if or.is_empty() { String::new() } else { format!(" (or {}: the same answers)", or.join(", ")) };
        match profile {
            Some(profile) => format!("address {address}: {profile}{or}"),
            None => format!("address {address}: a device that no profile fits; write its own (docs/your-own-meter.md)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_addresses_are_read_or_refused() {
        for (text, expected) in [
            ("7", Some(vec![7])),
            ("1-3,5,2", Some(vec![1, 2, 3, 5])),
            (" 4 - 5 ", Some(vec![4, 5])),
            ("0-3", None),
            ("3-1", None),
            ("1-248", None),
            ("", None),
            ("one", None),
        ] {
            assert_eq!(addresses(text).ok().map(|addresses| addresses.0), expected, "{text}");
        }
    }
}
