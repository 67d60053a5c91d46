//! `wattproof export --out FILE readings METER`: a meter's readings as a table, from a node, or from a gateway's database.

use super::super::terminal::{note, say};
use super::super::{ExportArgs, Trouble, run};
use super::not_written;
use crate::community::Community;
use crate::readings_csv::{Row, Table};
use crate::web::format::Clockface;
use api::Client;
use clap::{Args, ValueEnum};
use gateway::{Config, HttpTransport, Store};
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
}

/// Where readings come from.
enum Source {
    Node(Client<HttpTransport>),
    Database(Runtime, Store),
}

impl Source {
    /// Some rows from a time on, oldest first; none when there are no more.
    fn page(&self, meter: &MeterId, from: Timestamp, until: Timestamp) -> Result<Vec<Row>, Trouble> {
        match self {
            Self::Node(client) => {
                let page = client.readings(meter, from, until, PAGE_ROWS)?;
                Ok(page.items.into_iter().map(Row::of_node).collect())
            }
            Self::Database(runtime, store) => {
                let rows = runtime.block_on(store.readings(meter, from, until, PAGE_ROWS));
                let rows = rows.map_err(|error| {
                    Trouble::environment(error, "see that the gateway's database is whole: wattproof audit")
                })?;
                Ok(rows.into_iter().map(Row::of_database).collect())
            }
        }
    }
}

pub(super) fn export(args: &ExportArgs, wanted: &ReadingsExport) -> Result<ExitCode, Trouble> {
    let Interval::Raw = wanted.interval;
    let (source, face) = match (&wanted.config, &args.data) {
        (Some(config), _) => of_gateway(config)?,
        (None, Some(dir)) => of_gateway(&Community::open(dir)?.gateway_config())?,
        (None, None) => {
            let client = Client::new(HttpTransport::new(&args.url.node));
            let zone = client.status()?.time_zone;
            (Source::Node(client), Clockface::new(&zone))
        }
    };
    let from = time(&face, wanted.from.as_deref(), Timestamp::default())?;
    let until = time(&face, wanted.until.as_deref(), Timestamp::from_ms(i64::MAX.unsigned_abs()))?;
    let mut page = source.page(&wanted.meter, from, until)?;
    let io = |error: std::io::Error| not_written(&args.out, &error);
    let file = File::create_new(&args.out).map_err(io)?;
    let mut table = Table::new(file, face, wanted.bom, &page).map_err(io)?;
    let mut rows = 0_u64;
    while let Some(last) = page.last().map(|row| row.time) {
        for row in &page {
            table.write(row).map_err(io)?;
            rows += 1;
            if rows.is_multiple_of(TELL_EVERY_ROWS) {
                note(format_args!("{rows} rows"));
            }
        }
        page = source.page(&wanted.meter, last + Millis::from_ms(1), until)?;
    }
    table.finish().and_then(|file| file.sync_all()).map_err(io)?;
    say(format_args!("{}: {rows} readings of {}", args.out.display(), wanted.meter));
    Ok(ExitCode::SUCCESS)
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
    Ok((Source::Database(runtime, store), Clockface::new(&genesis.time_zone)))
}

fn time(face: &Clockface, text: Option<&str>, default: Timestamp) -> Result<Timestamp, Trouble> {
    let Some(text) = text else { return Ok(default) };
    face.parse(text).ok_or_else(|| {
        Trouble::environment(format_args!("`{text}` is no time"), "write 2026-07-01, or 2026-07-01T12:30:00+08:00")
    })
}
