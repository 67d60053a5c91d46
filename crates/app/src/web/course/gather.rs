//! Where a course's points are asked for: the gateway's databases where one runs in this program and has the meter, and
//! the ledger for what it does not have, such as what was imported from before.

use super::points::{of_interval, of_reading, of_rollup, thinned};
use super::{POINTS_MAX, Step};
use crate::web::AppState;
use crate::web::failure::Failure;
use ::api::{CoursePoint, CourseView, MeterView};
use gateway::GatewayHandle;
use gateway::history::Place;
use gateway::store::Level;
use units::{MeterId, Millis, Timestamp};

/// Longest span that is looked for among the ledger's single readings; each interval's attachment is read for them.
const READINGS_SPAN: Millis = Millis::from_minutes(24 * 60);

type Span = (Timestamp, Timestamp);

/// Points with where they are from.
struct Found {
    step: Step,
    places: Vec<&'static str>,
    is_away: bool,
    points: Vec<CoursePoint>,
}

/// A meter's course over a span.
///
/// # Errors
/// When node or databases refuse.
pub(crate) async fn of(state: &AppState, meter: &MeterView, (from, until): Span) -> Result<CourseView, Failure> {
    let own = match &state.0.live {
        Some(gateway) if gateway.snapshot().iter().any(|live| live.meter == meter.meter) => {
            of_gateway(gateway, meter, (from, until)).await?
        }
        _ => None,
    };
    let found = match own {
        None => of_ledger(state, meter, (from, until)).await?,
        Some(own) => {
            // What the ledger has from before the gateway's first: readings that were imported, or of another gateway.
            let begins = own.points.first().map_or(until, |point| point.time_ms);
            let head = if from < begins { of_ledger(state, meter, (from, begins)).await?.points } else { Vec::new() };
            with_head(own, head, begins)
        }
    };
    let source = match found.places.as_slice() {
        [one] => *one,
        [] => "ledger",
        _ => "several",
    };
    let Found { step, is_away, points, .. } = found;
    Ok(CourseView {
        step: step.name().to_owned(),
        source: source.to_owned(),
        is_away,
        from_ms: from,
        until_ms: until,
        points: thinned(points),
    })
}

/// With the ledger's points before the gateway's.
fn with_head(mut own: Found, mut head: Vec<CoursePoint>, begins: Timestamp) -> Found {
    head.retain(|point| point.time_ms < begins && point.end_ms <= begins);
    if !head.is_empty() {
        own.places.push("ledger");
        head.append(&mut own.points);
        own.points = head;
    }
    own
}

/// The gateway's; none where it has nothing of the span.
async fn of_gateway(gateway: &GatewayHandle, meter: &MeterView, span: Span) -> Result<Option<Found>, Failure> {
    let mut step = Step::fitting(length(span));
    if step == Step::Reading {
        let found = readings(gateway, &meter.meter, span).await?;
        if found.points.len() < POINTS_MAX {
            return Ok(Some(found).filter(|found| !found.points.is_empty()));
        }
        step = Step::Rollup(Level::Minute);
    }
    let Step::Rollup(level) = step else { return Ok(None) };
    let found = rollups(gateway, meter, level, span).await?;
    Ok(Some(found).filter(|found| !found.points.is_empty()))
}

async fn readings(gateway: &GatewayHandle, meter: &MeterId, (from, until): Span) -> Result<Found, Failure> {
    let limit = u32::try_from(POINTS_MAX).unwrap_or(u32::MAX);
    let pieces = gateway.readings(meter, from, until, limit).await.map_err(|error| Failure::internal(&error))?;
    let mut found = Found { step: Step::Reading, places: Vec::new(), is_away: false, points: Vec::new() };
    for piece in pieces {
        found.note(piece.place, piece.away.is_some(), piece.rows.is_empty());
        found.points.extend(piece.rows.iter().map(|stored| {
            let values = stored.row.reading.iter().map(|(key, value)| (key.to_string(), value)).collect();
            of_reading(stored.row.time, &values)
        }));
    }
    Ok(found)
}

async fn rollups(gateway: &GatewayHandle, meter: &MeterView, level: Level, span: Span) -> Result<Found, Failure> {
    let (mut from, until) = span;
    let mut found = Found { step: Step::Rollup(level), places: Vec::new(), is_away: false, points: Vec::new() };
    loop {
        let piece = gateway.history().rollups(&meter.meter, level, from, until).await;
        let piece = piece.map_err(|error| Failure::internal(&error))?;
        found.note(piece.place, piece.away.is_some(), piece.rows.is_empty());
        let Some(last) = piece.rows.last() else { return Ok(found) };
        from = last.start + Millis::from_ms(1);
        found.points.extend(piece.rows.iter().map(|rollup| of_rollup(rollup, meter.factor)));
    }
}

impl Found {
    fn note(&mut self, place: Place, is_away: bool, is_empty: bool) {
        let name = if place == Place::Server { "archive" } else { "gateway" };
        if !is_empty && !self.places.contains(&name) {
            self.places.push(name);
        }
        self.is_away |= is_away;
    }
}

async fn of_ledger(state: &AppState, meter: &MeterView, span: Span) -> Result<Found, Failure> {
    let (number, factor) = (meter.meter.clone(), meter.factor);
    let (from, until) = span;
    let limit = u32::try_from(POINTS_MAX).unwrap_or(u32::MAX);
    let question = move |node: &node::NodeHandle| {
        if length(span) <= READINGS_SPAN {
            let page = node.readings(number.clone(), from, until, limit)?;
            if page.next.is_none() && !page.items.is_empty() {
                let points = page.items.iter().map(|row| of_reading(row.time_ms, &row.values)).collect();
                return Ok((Step::Reading, points));
            }
        }
        let intervals = node.intervals(number, from, until)?;
        Ok((Step::Interval, intervals.iter().map(|interval| of_interval(interval, factor)).collect()))
    };
    let (step, points) = state.ask(question).await?;
    Ok(Found { step, places: vec!["ledger"], is_away: false, points })
}

fn length((from, until): Span) -> Millis {
    Millis::from_ms(until.ms().saturating_sub(from.ms()))
}
