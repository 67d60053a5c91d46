//! `wattproof bench`: how fast and how small, each figure beside the limit that it is held against, measured in the same
//! run on the same machine. What a load generator does is not counted.
//!
//! Here, and only here, are fractions: nothing of it is signed or stored.

mod bus;
mod chain;
mod databases;
mod limit;
mod line;
mod memory;
mod pages;
mod readings;
mod statements;
mod table;

use gateway::DatabaseUrl;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use table::Figure;

/// How long to measure, and how to show it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds for each figure; longer is steadier.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Commit a million statements, so that a start has as many to read; takes minutes.
    #[arg(long)]
    long: bool,
    /// An empty database on a server of yours, to measure it: mysql://USER:PASSWORD@HOST/DATABASE or postgres://...; may be
    /// given for each.
    #[arg(long = "database", value_name = "URL", value_parser = str::parse::<DatabaseUrl>)]
    databases: Vec<DatabaseUrl>,
    /// Measure the pages alone.
    #[arg(long, conflicts_with = "only_databases")]
    only_pages: bool,
    /// Measure the databases alone.
    #[arg(long, requires = "databases")]
    only_databases: bool,
    /// Show JSON.
    #[arg(long)]
    json: bool,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The folder for the measured ledgers.
    #[error("the folder for the measured ledgers: {0}; is there room in the temporary folder?")]
    Folder(#[from] std::io::Error),
    /// A database that was named.
    #[error("{0}")]
    Database(String),
    /// The ledger under measurement broke: a defect, worth reporting.
    #[error("the measured ledger: {0}")]
    Ledger(String),
}

impl BenchError {
    fn database(error: impl std::fmt::Display) -> Self {
        Self::Database(error.to_string())
    }

    fn ledger(error: impl std::fmt::Display) -> Self {
        Self::Ledger(error.to_string())
    }
}

/// Measures everything and prints a table. Exit code 0, or 2 when something could not be measured at all.
pub(crate) fn run(args: &Args) -> ExitCode {
    match figures(args) {
        Ok(figures) if args.json => println!("{}", table::json(&figures)),
        Ok(figures) => println!("{}", table::text(&figures)),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn figures(args: &Args) -> Result<Vec<Figure>, BenchError> {
    let (time, long) = (Duration::from_secs(args.seconds), args.long);
    let folder = Folder::new()?;
    if args.only_pages {
        return pages::figures(time, &folder.0.join("pages"));
    }
    if args.only_databases {
        return databases::figures(&args.databases, None, &folder.0);
    }
    let mut figures = vec![limit::attempts(time)];
    figures.extend(statements::figures(time, long, &folder.0.join("statements"))?);
    let readings = readings::figures(time, &folder.0.join("readings"))?;
    let committed = readings.first().and_then(|figure| figure.measured);
    figures.extend(readings);
    figures.extend(databases::figures(&args.databases, committed, &folder.0)?);
    figures.push(bus::polls()?);
    figures.push(memory::idle_gateway(time, &folder.0.join("gateway"))?);
    figures.extend(line::figures(time, &folder.0.join("line"))?);
    figures.extend(pages::figures(time, &folder.0.join("pages"))?);
    Ok(figures)
}

/// A folder that is gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("wattproof-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in the temporary folder, which the system empties.
        let _stays = std::fs::remove_dir_all(&self.0);
    }
}

/// A count and the time that it took.
#[derive(Debug, Clone, Copy, Default)]
struct Work {
    count: u64,
    time: Duration,
}

impl Work {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.time += other.time;
    }

    fn per_second(self) -> f64 {
        if self.time.is_zero() { 0.0 } else { self.count as f64 / self.time.as_secs_f64() }
    }
}

/// Times something that says how much it did.
fn timed<E>(work: impl FnOnce() -> Result<u64, E>) -> Result<Work, E> {
    let start = Instant::now();
    let count = work()?;
    Ok(Work { count, time: start.elapsed() })
}

/// Does the same on all cores until the time is up. `work` gets the worker's number and does one portion a call.
fn on_all_cores(time: Duration, work: impl Fn(u64) -> u64 + Sync) -> Work {
    let start = Instant::now();
    let counts = std::thread::scope(|scope| {
        let worker = |number| {
            let work = &work;
            scope.spawn(move || {
                let mut count = 0;
                while start.elapsed() < time {
                    count += work(number);
                }
                count
            })
        };
        let workers: Vec<_> = (0..cores()).map(worker).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_default()).sum()
    });
    Work { count: counts, time: start.elapsed() }
}

fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |cores| u64::try_from(cores.get()).unwrap_or(1))
}
