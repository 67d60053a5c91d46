//! `GET /api/v1/meters/{meter}/readings.csv`: a meter's booked readings as a table, sent as they are read.

use super::AppState;
use super::access::ReadableSince;
use super::failure::Failure;
use super::format::Clockface;
use crate::readings_csv::{Part, Row, Table};
use ::api::Problem;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::io;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use units::{MeterId, Millis, Timestamp};
use utoipa::IntoParams;

/// Address of the table.
pub(crate) const READINGS_CSV: &str = "/api/v1/meters/{meter}/readings.csv";
/// Rows asked of the node at once.
const PAGE_ROWS: u32 = 500;
/// Parts that wait for a slow reader; beyond it the node is not asked for more.
const PARTS_MAX: usize = 2;

/// Which readings.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TableQuery {
    /// From this time on, ms since 1970 UTC.
    pub(super) from: Option<u64>,
    /// Before this time, ms since 1970 UTC.
    pub(super) until: Option<u64>,
    /// Whether to begin with the mark by which some spreadsheets tell UTF-8.
    pub(super) bom: Option<bool>,
}

/// Booked readings of a meter as comma-separated values (RFC 4180), oldest first, all of them. Columns carry their unit,
/// times the offset of the community's time zone.
#[utoipa::path(get, path = READINGS_CSV, tag = "meters", params(("meter" = String, Path), TableQuery), responses(
    (status = 200, body = String, content_type = "text/csv"),
    (status = 403, description = "The ledger does not open its readings to everybody", body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn readings_csv(
    State(state): State<AppState>,
    since: ReadableSince,
    Path(meter): Path<String>,
    query: Result<Query<TableQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let meter: MeterId = meter.parse().map_err(|error| Failure::malformed(&error))?;
    let Query(query) = query.map_err(|error| Failure::malformed(&error.body_text()))?;
    let status = state.ask(|node| Ok(node.status()?)).await?;
    let face = Clockface::new(&status.time_zone);
    let from = Timestamp::from_ms(query.from.unwrap_or(0)).max(since.0);
    let until = Timestamp::from_ms(query.until.unwrap_or(u64::MAX));
    let first = page(&state, &meter, from, until).await?;
    Ok(answer(&format!("{meter}.csv"), async move |parts| {
        let table = Table::new(Part::default(), face, query.bom.unwrap_or(false), &first)?;
        send(&state, &meter, until, table, first, &parts).await
    }))
}

/// Where a table's parts go; an error when the reader has gone.
pub(super) type Parts = mpsc::Sender<io::Result<Bytes>>;

/// A table of a name that is sent while it is written.
pub(super) fn answer<F>(name: &str, write: impl FnOnce(Parts) -> F) -> Response
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    let (parts, body) = mpsc::channel(PARTS_MAX);
    let written = write(parts.clone());
    tokio::spawn(async move {
        // A table that ends early must not look whole.
        if let Err(error) = written.await {
            let _gone = parts.send(Err(error)).await;
        }
    });
    (headers, Body::from_stream(ReceiverStream::new(body))).into_response()
}

async fn page(state: &AppState, meter: &MeterId, from: Timestamp, until: Timestamp) -> Result<Vec<Row>, Failure> {
    let meter = meter.clone();
    let page = state.ask(move |node| Ok(node.readings(meter, from, until, PAGE_ROWS)?)).await?;
    Ok(page.items.into_iter().map(Row::of_node).collect())
}

/// Writes page after page and hands each on; ends when the reader has gone.
async fn send(
    state: &AppState,
    meter: &MeterId,
    until: Timestamp,
    mut table: Table<Part>,
    mut rows: Vec<Row>,
    parts: &Parts,
) -> io::Result<()> {
    loop {
        for row in &rows {
            table.write(row)?;
        }
        if parts.send(Ok(table.take()?.into())).await.is_err() {
            return Ok(());
        }
        let Some(last) = rows.last().map(|row| row.time) else { return Ok(()) };
        let next = page(state, meter, last + Millis::from_ms(1), until).await;
        rows = next.map_err(|failure| io::Error::other(failure.0.detail.clone()))?;
    }
}
