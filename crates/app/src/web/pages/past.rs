//! Where the rows of a meter's page come from: the gateway's databases where one runs in this program and has as many as
//! the ledger, else the ledger's booked readings.

use crate::web::AppState;
use crate::web::failure::Failure;
use crate::web::i18n::Texts;
use api::ReadingRow;
use gateway::GatewayHandle;
use gateway::history::{Piece, Place};
use gateway::store::StoredReading;
use std::collections::BTreeMap;
use units::{MeterId, Millis, Timestamp};

/// Most readings that are asked for at once, and drawn.
pub(super) const READINGS_MAX: u32 = 500;
/// The longest span that is drawn; halved until the readings in it are few enough.
pub(super) const SPAN_MAX: Millis = Millis::from_minutes(24 * 60);
pub(super) const SPAN_MIN: Millis = Millis::from_minutes(5);

/// A reading on the page.
#[derive(Debug, Clone)]
pub(super) struct PastRow {
    pub(super) time: Timestamp,
    pub(super) values: BTreeMap<String, i64>,
    pub(super) is_booked: bool,
}

/// Where the rows are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The ledger.
    Ledger,
    /// The gateway's own file.
    File,
    /// The database server.
    Archive,
    /// Both.
    Both,
}

/// A span's rows, oldest first.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) from: Timestamp,
    pub(super) rows: Vec<PastRow>,
    pub(super) source: Source,
    /// Whether rows are missing that only the server has.
    pub(super) is_away: bool,
}

impl Past {
    /// Booked readings.
    pub(super) fn booked(from: Timestamp, rows: Vec<ReadingRow>) -> Self {
        let row = |row: ReadingRow| PastRow { time: row.time_ms, values: row.values, is_booked: true };
        Self { from, rows: rows.into_iter().map(row).collect(), source: Source::Ledger, is_away: false }
    }

    /// The gateway's, where it has the meter and no fewer rows of the same time.
    pub(super) async fn or_of_gateway(
        self,
        state: &AppState,
        meter: &MeterId,
        until: Option<Timestamp>,
    ) -> Result<Self, Failure> {
        let Some(gateway) = &state.0.live else { return Ok(self) };
        if !gateway.snapshot().iter().any(|live| live.meter == *meter) {
            return Ok(self);
        }
        let found = of_gateway(gateway, meter, until.unwrap_or_else(|| gateway.now())).await?;
        let booked = self.rows.iter().filter(|row| row.time >= found.from).count();
        Ok(if found.rows.len() < booked || found.rows.is_empty() { self } else { found })
    }

    /// What is said of where the rows are from.
    pub(super) fn note(&self, t: Texts) -> String {
        t.get(match self.source {
            _ if self.is_away => "readings-archive-away",
            Source::Ledger => "booked-readings-note",
            Source::File => "readings-from-gateway",
            Source::Archive => "readings-from-archive",
            Source::Both => "readings-from-both",
        })
    }

    /// The table's heading.
    pub(super) fn heading(&self, t: Texts) -> String {
        t.get(if self.source == Source::Ledger { "booked-readings" } else { "all-readings" })
    }
}

async fn of_gateway(gateway: &GatewayHandle, meter: &MeterId, end: Timestamp) -> Result<Past, Failure> {
    let mut span = SPAN_MAX;
    loop {
        let from = end - span;
        let pieces = gateway.readings(meter, from, end, READINGS_MAX).await;
        let pieces = pieces.map_err(|error| Failure::internal(&error))?;
        let rows: usize = pieces.iter().map(|piece| piece.rows.len()).sum();
        if u32::try_from(rows).is_ok_and(|rows| rows < READINGS_MAX) || span <= SPAN_MIN {
            return Ok(gathered(from, pieces));
        }
        span = Millis::from_ms(span.ms() / 2);
    }
}

fn gathered(from: Timestamp, pieces: Vec<Piece<StoredReading>>) -> Past {
    let of = |place| pieces.iter().any(|piece| piece.place == place && !piece.rows.is_empty());
    let source = match (of(Place::File), of(Place::Server)) {
        (true, true) => Source::Both,
        (false, true) => Source::Archive,
        (_, false) => Source::File,
    };
    let is_away = pieces.iter().any(|piece| piece.away.is_some());
    let row = |stored: StoredReading| PastRow {
        time: stored.row.time,
        values: stored.row.reading.iter().map(|(key, value)| (key.to_string(), value)).collect(),
        is_booked: stored.statement.is_some(),
    };
    let rows = pieces.into_iter().flat_map(|piece| piece.rows).map(row).collect();
    Past { from, rows, source, is_away }
}
