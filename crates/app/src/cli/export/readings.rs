//! `wattproof export --out FILE readings METER`: a meter's readings or their roll-ups as a table, from a node, or from a
//! gateway's databases: its file, and what that no longer has from the server.

use super::super::terminal::{note, say};
use super::super::{ExportArgs, Trouble, run};
use super::not_written;
use crate::community::Community;
use crate::readings_csv::rollups::RollupTable;
use crate::readings_csv::{Row, Table};
use crate::web::format::Clockface;
use api::Client;
use clap::{Args, ValueEnum};
use gateway::history::{Piece, Place};
use gateway::store::Level;
use gateway::{Config, History, HttpTransport, Store, StoreError};
use ledger::Genesis;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::runtime::Runtime;
use units::{MeterId, Millis, Timestamp};

/// Rows asked for at once; a row with its frames takes about a kilobyte.
const PAGE_ROWS: u32 = 500;
/// Rows between two lines about progress.
const TELL_EVERY_ROWS: u64 = 100_000;

#[derive(Debug, Args)]
pub(in crate::cli) struct ReadingsExport {
    /// The number on the meter.
    meter: MeterId,
    /// From then on: a date, or a date and time, in the community's time zone unless it says another [default: the first]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before then [default: the newest]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Out of the database of a gateway with these settings, what no statement holds yet too, instead of from a node.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A row for each reading, or for each time of this length.
    #[arg(long, value_enum, default_value_t = Interval::Raw)]
    interval: Interval,
    /// Begin with the mark by which some spreadsheets tell UTF-8.
    #[arg(long)]
    bom: bool,
}

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Interval {
    /// One reading.
    Raw,
    /// A minute: least, most, mean, and the energy in it. From a gateway's database, as the two below.
    #[value(name = "1m")]
    Minute,
    /// A quarter of an hour.
    #[value(name = "15m")]
    QuarterHour,
    /// A day of the community.
    Day,
}

impl Interval {
    const fn level(self) -> Option<Level> {
        match self {
            Self::Raw => None,
            Self::Minute => Some(Level::Minute),
            Self::QuarterHour => Some(Level::QuarterHour),
            Self::Day => Some(Level::Day),
        }
    }
}

/// Where readings come from.
enum Source {
    Node(Client<HttpTransport>),
    Database(Runtime, History),
}

/// What went into the table.
#[derive(Default)]
struct Written {
    rows: u64,
    from_archive: u64,
    away: Option<String>,
}

impl Written {
    fn add<T>(&mut self, piece: &Piece<T>) {
        let before = self.rows / TELL_EVERY_ROWS;
        let rows = u64::try_from(piece.rows.len()).unwrap_or(u64::MAX);
        self.rows += rows;
        self.from_archive += if piece.place == Place::Server { rows } else { 0 };
        self.away = self.away.take().or_else(|| piece.away.clone());
        if self.rows / TELL_EVERY_ROWS > before {
            note(format_args!("{} rows", self.rows));
        }
    }

    /// Says what is in the file, and what is not.
    fn told(&self, out: &Path, what: &str, meter: &MeterId) -> Result<ExitCode, Trouble> {
        let archive = match self.from_archive {
            0 => String::new(),
            rows => format!(", {rows} of them from the archive"),
        };
        say(format_args!("{}: {} {what} of {meter}{archive}", out.display(), self.rows));
        let Some(reason) = &self.away else { return Ok(ExitCode::SUCCESS) };
        Err(Trouble::environment(
            format_args!("what only the archive has is missing in it: {reason}"),
            "write it again into another file when the server answers",
        ))
    }
}

impl Source {
    /// Some readings from a time on, oldest first; none when there are no more.
    fn page(&self, meter: &MeterId, from: Timestamp, until: Timestamp) -> Result<Piece<Row>, Trouble> {
        match self {
            Self::Node(client) => {
                let page = client.readings(meter, from, until, PAGE_ROWS)?;
                let rows = page.items.into_iter().map(Row::of_node).collect();
                Ok(Piece { rows, place: Place::File, away: None })
            }
            Self::Database(runtime, history) => {
                let Piece { rows, place, away } = runtime
                    .block_on(history.readings(meter, from, until, PAGE_ROWS))
                    .map_err(|error| damaged(&error))?;
                let rows = rows.into_iter().map(|stored| Row::of_database(stored, place)).collect();
                Ok(Piece { rows, place, away })
            }
        }
    }
}

fn damaged(error: &StoreError) -> Trouble {
    Trouble::environment(error, "see that the gateway's database is whole: wattproof audit")
}

pub(super) fn export(args: &ExportArgs, wanted: &ReadingsExport) -> Result<ExitCode, Trouble> {
    let (source, face) = match (&wanted.config, &args.data) {
        (Some(config), _) => of_gateway(config)?,
        (None, Some(dir)) => of_gateway(&Community::open(dir)?.gateway_config())?,
        (None, None) => {
            let client = Client::new(args.url.transport()?);
            let zone = client.status()?.time_zone;
            (Source::Node(client), Clockface::new(&zone))
        }
    };
    let from = time(&face, wanted.from.as_deref(), Timestamp::default())?;
    let until = time(&face, wanted.until.as_deref(), Timestamp::from_ms(i64::MAX.unsigned_abs()))?;
    match (wanted.interval.level(), &source) {
        (None, _) => raw(args, wanted, &source, face, (from, until)),
        (Some(level), Source::Database(runtime, history)) => {
            rollups(args, wanted, (runtime, history), face, (level, from, until))
        }
        (Some(_), Source::Node(_)) => Err(Trouble::environment(
            "a node has readings, and no minutes, quarters or days of them",
            "name a gateway's settings with --config, or a community's directory with --data",
        )),
    }
}

fn raw(
    args: &ExportArgs,
    wanted: &ReadingsExport,
    source: &Source,
    face: Clockface,
    (from, until): (Timestamp, Timestamp),
) -> Result<ExitCode, Trouble> {
    let mut page = source.page(&wanted.meter, from, until)?;
    let io = |error: std::io::Error| not_written(&args.out, &error);
    let file = File::create_new(&args.out).map_err(io)?;
    let mut table = Table::new(file, face, wanted.bom, &page.rows).map_err(io)?;
    let mut written = Written::default();
    while let Some(last) = page.rows.last().map(|row| row.time) {
        for row in &page.rows {
            table.write(row).map_err(io)?;
        }
        written.add(&page);
        page = source.page(&wanted.meter, last + Millis::from_ms(1), until)?;
    }
    written.add(&page);
    table.finish().and_then(|file| file.sync_all()).map_err(io)?;
    written.told(&args.out, "readings", &wanted.meter)
}

fn rollups(
    args: &ExportArgs,
    wanted: &ReadingsExport,
    (runtime, history): (&Runtime, &History),
    face: Clockface,
    (level, mut from, until): (Level, Timestamp, Timestamp),
) -> Result<ExitCode, Trouble> {
    let io = |error: std::io::Error| not_written(&args.out, &error);
    let file = File::create_new(&args.out).map_err(io)?;
    let mut table = RollupTable::new(file, face, wanted.bom).map_err(io)?;
    let mut written = Written::default();
    loop {
        let piece = runtime.block_on(history.rollups(&wanted.meter, level, from, until));
        let piece = piece.map_err(|error| damaged(&error))?;
        for rollup in &piece.rows {
            table.write(rollup, piece.place).map_err(io)?;
        }
        written.add(&piece);
        let Some(last) = piece.rows.last() else { break };
        from = last.start + Millis::from_ms(1);
    }
    table.finish().and_then(|file| file.sync_all()).map_err(io)?;
    let what = match level {
        Level::Minute => "minutes",
        Level::QuarterHour => "quarters of an hour",
        Level::Day => "days",
    };
    written.told(&args.out, what, &wanted.meter)
}

/// A gateway's database and its community's time zone.
fn of_gateway(path: &Path) -> Result<(Source, Clockface), Trouble> {
    let config = Config::read(path).map_err(|error| {
        Trouble::environment(format_args!("{}: {error}", path.display()), "name a gateway's settings with --config")
    })?;
    let genesis = std::fs::read(&config.genesis_file).map_err(|error| error.to_string());
    let genesis = genesis.and_then(|bytes| Genesis::from_bytes(&bytes).map_err(|error| error.to_string()));
    let genesis = genesis.map_err(|error| {
        let what = format!("{}: {error}", config.genesis_file.display());
        Trouble::environment(what, "name the community's genesis.cbor with `genesis_file`")
    })?;
    let runtime = run::runtime()?;
    let store = runtime.block_on(Store::open_existing(&config.database));
    let store = store.map_err(|error| {
        Trouble::environment(
            format_args!("{}: {error}", config.database),
            "start the gateway once; it makes its database",
        )
    })?;
    let history = History::new(store.archive().clone(), config.storage.server);
    Ok((Source::Database(runtime, history), Clockface::new(&genesis.time_zone)))
}

fn time(face: &Clockface, text: Option<&str>, default: Timestamp) -> Result<Timestamp, Trouble> {
    let Some(text) = text else { return Ok(default) };
    face.parse(text).ok_or_else(|| {
        Trouble::environment(format_args!("`{text}` is no time"), "write 2026-07-01, or 2026-07-01T12:30:00+08:00")
    })
}
