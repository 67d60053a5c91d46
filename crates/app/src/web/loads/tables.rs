//! Readings and roll-ups out of a gateway's own databases as tables: what no statement holds yet too, and what only the
//! archive still has.

use super::LoadSite;
use super::api::{parse, unread};
use crate::readings_csv::rollups::RollupTable;
use crate::readings_csv::{Part, Row, Table};
use crate::web::access::ReadableSince;
use crate::web::failure::Failure;
use crate::web::readings_csv::{Parts, TableQuery, answer};
use ::api::Problem;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use gateway::History;
use gateway::history::Piece;
use gateway::store::{Level, Rollup, StoredReading};
use serde::Deserialize;
use std::io;
use units::{MeterId, Millis, Timestamp};
use utoipa::{IntoParams, ToSchema};

/// Address of the roll-ups.
pub(crate) const ROLLUPS_CSV: &str = "/api/v1/meters/{meter}/rollups.csv";
/// Readings asked of the databases at once.
const PAGE_ROWS: u32 = 500;

/// How long a row's time is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub(crate) enum Span {
    /// A minute.
    #[serde(rename = "1m")]
    Minute,
    /// A quarter of an hour.
    #[default]
    #[serde(rename = "15m")]
    QuarterHour,
    /// A day of the community.
    #[serde(rename = "day")]
    Day,
}

impl Span {
    const fn level(self) -> (Level, &'static str) {
        match self {
            Self::Minute => (Level::Minute, "1m"),
            Self::QuarterHour => (Level::QuarterHour, "15m"),
            Self::Day => (Level::Day, "day"),
        }
    }
}

/// Which roll-ups.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RollupsQuery {
    /// How long a row's time is; a quarter of an hour without it.
    #[param(inline)]
    interval: Option<Span>,
    /// From this time on, ms since 1970 UTC.
    from: Option<u64>,
    /// Before this time, ms since 1970 UTC.
    until: Option<u64>,
    /// Whether to begin with the mark by which some spreadsheets tell UTF-8.
    bom: Option<bool>,
}

/// Roll-ups of a meter as comma-separated values (RFC 4180), oldest first, all of them: least, most and mean of a minute,
/// a quarter of an hour or a day, and the energy in it. Of the gateway in this program.
#[utoipa::path(get, path = ROLLUPS_CSV, tag = "meters", params(("meter" = String, Path), RollupsQuery), responses(
    (status = 200, body = String, content_type = "text/csv"),
    (status = 403, description = "Not open to this reader", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No gateway runs here", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Only the archive has it, and it does not answer", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn rollups_csv(
    site: LoadSite,
    since: ReadableSince,
    Path(meter): Path<String>,
    query: Result<Query<RollupsQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let meter: MeterId = parse(&meter)?;
    let Query(query) = query.map_err(|error| Failure::malformed(&error.body_text()))?;
    let (level, name) = query.interval.unwrap_or_default().level();
    let (from, until) = span(query.from, query.until);
    let from = from.max(since.0);
    let history = site.0.gateway.history().clone();
    let first = whole(history.rollups(&meter, level, from, until).await.map_err(|error| unread(&error))?)?;
    let (face, bom) = (site.0.face.clone(), query.bom.unwrap_or(false));
    Ok(answer(&format!("{meter}-{name}.csv"), async move |parts: Parts| {
        let mut table = RollupTable::new(Part::default(), face, bom)?;
        let mut piece: Piece<Rollup> = first;
        loop {
            for rollup in &piece.rows {
                table.write(rollup, piece.place)?;
            }
            if parts.send(Ok(table.take()?.into())).await.is_err() {
                return Ok(());
            }
            let Some(last) = piece.rows.last() else { return Ok(()) };
            let next = history.rollups(&meter, level, last.start + Millis::from_ms(1), until).await;
            piece = complete(next.map_err(io::Error::other)?)?;
        }
    }))
}

/// Readings of a meter out of a gateway that runs alone, in the form of the node's table.
pub(crate) async fn readings_csv(
    site: LoadSite,
    since: ReadableSince,
    Path(meter): Path<String>,
    query: Result<Query<TableQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let meter: MeterId = parse(&meter)?;
    let Query(query) = query.map_err(|error| Failure::malformed(&error.body_text()))?;
    let (from, until) = span(query.from, query.until);
    let from = from.max(since.0);
    let history = site.0.gateway.history().clone();
    let first = whole(history.readings(&meter, from, until, PAGE_ROWS).await.map_err(|error| unread(&error))?)?;
    let (face, bom) = (site.0.face.clone(), query.bom.unwrap_or(false));
    Ok(answer(&format!("{meter}.csv"), async move |parts: Parts| {
        let mut rows = shown(first);
        let mut table = Table::new(Part::default(), face, bom, &rows)?;
        loop {
            for row in &rows {
                table.write(row)?;
            }
            if parts.send(Ok(table.take()?.into())).await.is_err() {
                return Ok(());
            }
            let Some(last) = rows.last() else { return Ok(()) };
            rows = next_readings(&history, &meter, last.time + Millis::from_ms(1), until).await?;
        }
    }))
}

async fn next_readings(history: &History, meter: &MeterId, from: Timestamp, until: Timestamp) -> io::Result<Vec<Row>> {
    let piece = history.readings(meter, from, until, PAGE_ROWS).await.map_err(io::Error::other)?;
    Ok(shown(complete(piece)?))
}

fn shown(piece: Piece<StoredReading>) -> Vec<Row> {
    let Piece { rows, place, .. } = piece;
    rows.into_iter().map(|stored| Row::of_database(stored, place)).collect()
}

fn span(from: Option<u64>, until: Option<u64>) -> (Timestamp, Timestamp) {
    (Timestamp::from_ms(from.unwrap_or(0)), Timestamp::from_ms(until.unwrap_or(u64::MAX)))
}

/// A table with a hole is none: while the archive is away, what only it has is refused.
fn whole<T>(piece: Piece<T>) -> Result<Piece<T>, Failure> {
    match piece.away {
        None => Ok(piece),
        Some(reason) => {
            let detail =
                format!("only the archive has the beginning of it, and it is away: {reason}; ask for later times");
            Err(Failure::new("archive_away", StatusCode::SERVICE_UNAVAILABLE, detail))
        }
    }
}

/// The same within a table that has begun.
fn complete<T>(piece: Piece<T>) -> io::Result<Piece<T>> {
    match piece.away {
        None => Ok(piece),
        Some(reason) => Err(io::Error::other(reason)),
    }
}
