//! `wattproof meter sniff`: shows what goes over a line that others use, and keeps it.

use super::line::Line;
use super::{profile, show_reading};
use crate::cli::terminal::{note, say, say_json};
use crate::cli::{Trouble, amount, run};
use clap::{Args, ValueEnum};
use gateway::config::Port;
use meter::capture::{Capture, Heard, Pair, Piece, QUIET, Tap, What, describe, readings};
use meter::{Exchange, Parity, Profile};
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use units::Millis;

/// Bytes taken at once: more than one frame.
const READ_BYTES: usize = 512;
/// Answered requests that are kept for a profile's poll, which has at most 16.
const PAIRS_MAX: usize = 16;

#[derive(Debug, Args)]
pub(in crate::cli) struct SniffArgs {
    /// Serial device that hears the line; nothing is ever sent on it.
    #[arg(long, value_name = "DEVICE", required_unless_present = "tcp_listen", conflicts_with = "tcp_listen")]
    serial: Option<String>,
    /// Bits in a second on the serial line.
    #[arg(long, default_value_t = 9_600, requires = "serial", value_parser = clap::value_parser!(u32).range(300..=921_600))]
    baud: u32,
    /// Parity on the serial line; DL/T 645 has an even one.
    #[arg(long, value_enum, default_value_t = ParityName::None, requires = "serial")]
    parity: ParityName,
    /// Wait here for a converter that connects and passes on what it hears.
    #[arg(long, value_name = "ADDRESS")]
    tcp_listen: Option<SocketAddr>,
    /// Also show the readings that this model's answers give.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Folder of profiles of your own (NAME.toml).
    #[arg(long, value_name = "DIR", requires = "profile")]
    profiles: Option<PathBuf>,
    /// Keep what is heard in a new file, for `wattproof meter replay`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// End after so long [default: when told to by Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = amount::span)]
    duration: Option<Millis>,
    /// Show a JSON object on a line for each frame.
    #[arg(long)]
    json: bool,
}

/// Parity of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ParityName {
    /// None, Modbus's usual one.
    None,
    /// Even, DL/T 645's.
    Even,
}

impl ParityName {
    const fn parity(self) -> Parity {
        match self {
            Self::None => Parity::None,
            Self::Even => Parity::Even,
        }
    }
}

/// Where bytes come from.
enum Source {
    Serial(Line),
    Tcp(TcpStream),
}

impl Source {
    async fn bytes(&mut self) -> Result<Vec<u8>, Trouble> {
        match self {
            Self::Serial(line) => line.listen().await,
            Self::Tcp(stream) => {
                let mut buffer = [0; READ_BYTES];
                match stream.read(&mut buffer).await {
                    Ok(0) => {
                        Err(Trouble::environment("the converter has hung up", "start again, and let it connect again"))
                    }
                    Ok(count) => Ok(buffer[..count].to_vec()),
                    Err(error) => Err(Trouble::environment(error, "start again, and let the converter connect again")),
                }
            }
        }
    }
}

pub(super) fn sniff(args: &SniffArgs) -> Result<ExitCode, Trouble> {
    let model = args.profile.as_ref().map(|name| profile(name, args.profiles.as_deref())).transpose()?;
    let out = args.out.as_deref().map(create).transpose()?;
    run::runtime()?.block_on(async {
        let source = open(args).await?;
        listen(source, Sniffer { tap: Tap::new(), model, out, pairs: Vec::new(), json: args.json }, args.duration).await
    })
}

async fn open(args: &SniffArgs) -> Result<Source, Trouble> {
    if let Some(path) = &args.serial {
        let port = Port::Serial { path: path.clone(), baud: args.baud, parity: args.parity.parity() };
        let line = Line::open(port).await?;
        note(format_args!("listening on {path} at {} baud; Ctrl-C ends it", args.baud));
        return Ok(Source::Serial(line));
    }
    let io = |error: std::io::Error| Trouble::environment(error, "name a free port of this computer with --tcp-listen");
    let address = args.tcp_listen.ok_or_else(|| Trouble::environment("no line", "give --serial or --tcp-listen"))?;
    let listener = TcpListener::bind(address).await.map_err(io)?;
    note(format_args!("waiting on {} for a converter; Ctrl-C ends it", listener.local_addr().map_err(io)?));
    let (stream, peer) = listener.accept().await.map_err(io)?;
    note(format_args!("{peer} has connected"));
    Ok(Source::Tcp(stream))
}

/// What is done with what is heard.
struct Sniffer {
    tap: Tap,
    model: Option<Arc<Profile>>,
    out: Option<File>,
    pairs: Vec<Pair>,
    json: bool,
}

async fn listen(mut source: Source, mut sniffer: Sniffer, duration: Option<Millis>) -> Result<ExitCode, Trouble> {
    let started = Instant::now();
    let since = || Millis::from_ms(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
    let end = tokio::time::sleep(duration.map_or(Duration::MAX, |span| Duration::from_millis(span.ms())));
    let told = run::until_told_to_stop();
    tokio::pin!(end, told);
    loop {
        tokio::select! {
            bytes = source.bytes() => sniffer.take(since(), &bytes?)?,
            () = tokio::time::sleep(Duration::from_millis(QUIET.ms())) => {
                let heard = sniffer.tap.quiet(since());
                sniffer.show(heard);
            }
            () = &mut end => break,
            () = &mut told => break,
        }
    }
    let heard = sniffer.tap.end();
    sniffer.show(heard);
    Ok(ExitCode::SUCCESS)
}

impl Sniffer {
    fn take(&mut self, at: Millis, bytes: &[u8]) -> Result<(), Trouble> {
        if bytes.is_empty() {
            return Ok(());
        }
        if let Some(file) = &mut self.out {
            let line = Piece { at, bytes: bytes.to_vec() }.line();
            let io = |error| Trouble::environment(error, "make room on the disk, and start again with another file");
            file.write_all(line.as_bytes()).map_err(io)?;
        }
        let heard = self.tap.take(at, bytes);
        self.show(heard);
        Ok(())
    }

    fn show(&mut self, heard: Vec<Heard>) {
        for heard in heard {
            if self.json {
                say(json(&heard));
            } else {
                say(words(&heard));
            }
            if let (Some(model), What::Answer { to: Some(request) }) = (&self.model, heard.what) {
                let exchange = Exchange { request, response: heard.bytes };
                self.pairs.push(Pair { at: heard.at, exchange });
                let reads = model.reads_per_poll();
                let last = &self.pairs[self.pairs.len().saturating_sub(reads)..];
                for (_, address, reading) in readings(model, last) {
                    match reading {
                        Ok(reading) if self.json => say_json(&super::values(&reading)),
                        Ok(reading) => {
                            say(format_args!("           meter {address} says"));
                            show_reading(&reading, false);
                        }
                        Err(error) => say(format_args!("           meter {address}: {error}")),
                    }
                }
                let excess = self.pairs.len().saturating_sub(PAIRS_MAX);
                self.pairs.drain(..excess);
            }
        }
    }
}

const fn direction(what: &What) -> &'static str {
    match what {
        What::Request => "request",
        What::Answer { .. } => "answer",
        What::Noise => "noise",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

/// A line: time, direction, what it says, then the bytes.
pub(super) fn words(heard: &Heard) -> String {
    let ms = heard.at.ms();
    let checked = if heard.what == What::Noise { "" } else { ", check value right" };
    let (seconds, rest) = (ms / 1_000, ms % 1_000);
    format!(
        "{seconds:>6}.{rest:03} s  {:<7} {}{checked}\n           {}",
        direction(&heard.what),
        describe(heard),
        hex(&heard.bytes)
    )
}

fn json(heard: &Heard) -> serde_json::Value {
    serde_json::json!({
        "time_ms": heard.at.ms(),
        "direction": direction(&heard.what),
        "check_right": heard.what != What::Noise,
        "text": describe(heard),
        "bytes": hex(&heard.bytes),
    })
}

fn create(path: &Path) -> Result<File, Trouble> {
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Trouble::environment(
            format_args!("{} exists and is not overwritten", path.display()),
            "name another file with --out, or remove it",
        ),
        _ => Trouble::environment(format_args!("{}: {error}", path.display()), "name a file that you may write"),
    };
    let mut file = File::create_new(path).map_err(io)?;
    file.write_all(Capture::HEAD.as_bytes()).map_err(io)?;
    Ok(file)
}
