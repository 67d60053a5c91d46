//! What a meter read over a span of time, from a minute to years, in as many points as a chart shows: single readings
//! while they are few, else roll-ups of the gateway's databases, else the ledger's intervals.

mod gather;
mod points;

pub(crate) use gather::of;

use super::AppState;
use super::access::ReadableSince;
use super::failure::Failure;
use ::api::{CourseView, Problem, path};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use gateway::store::Level;
use serde::Deserialize;
use units::{MeterId, Millis, Timestamp};
use utoipa::IntoParams;

/// Most points: more than a screen has columns.
pub(crate) const POINTS_MAX: usize = 1_600;
/// The shortest span.
pub(crate) const SPAN_MIN: Millis = Millis::from_minutes(1);

/// How long each point's time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A single reading.
    Reading,
    /// A roll-up.
    Rollup(Level),
    /// An interval of the ledger, or several.
    Interval,
}

impl Step {
    /// The finest of which a span has few enough: at a reading every few seconds, a minute, a quarter of an hour.
    pub(crate) fn fitting(span: Millis) -> Self {
        const HOURS: u64 = 60;
        match span.ms() / 60_000 {
            ..=120 => Self::Reading,
            minutes if minutes <= 26 * HOURS => Self::Rollup(Level::Minute),
            minutes if minutes <= 16 * 24 * HOURS => Self::Rollup(Level::QuarterHour),
            _ => Self::Rollup(Level::Day),
        }
    }

    /// Its name in the contract.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Rollup(Level::Minute) => "1m",
            Self::Rollup(Level::QuarterHour) => "15m",
            Self::Rollup(Level::Day) => "day",
            Self::Interval => "interval",
        }
    }
}

/// Which span.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CourseQuery {
    /// From this time on, ms since 1970 UTC.
    from: u64,
    /// Before this time, ms since 1970 UTC.
    until: u64,
}

/// What a meter read over a span, in steps short enough to draw: single readings up to two hours, minutes up to a day,
/// quarters of an hour up to a fortnight, then days; without a gateway here, the ledger's intervals.
#[utoipa::path(get, path = path::COURSE, tag = "meters", params(("meter" = String, Path), CourseQuery), responses(
    (status = 200, body = CourseView),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "The ledger does not open its readings to everybody", body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn course(
    State(state): State<AppState>,
    since: ReadableSince,
    Path(meter): Path<String>,
    query: Result<Query<CourseQuery>, QueryRejection>,
) -> Result<Json<CourseView>, Failure> {
    let meter: MeterId = meter.parse().map_err(|error| Failure::malformed(&error))?;
    let Query(query) = query.map_err(|error| Failure::malformed(&error.body_text()))?;
    let from = Timestamp::from_ms(query.from).max(since.0);
    let until = Timestamp::from_ms(query.until);
    if until < from + SPAN_MIN {
        return Err(Failure::malformed(&format_args!(
            "`until` has to lie a minute or more after `from`, which is {from:?} here"
        )));
    }
    let view = state.ask(move |node| Ok(node.meter(meter)?)).await?;
    of(&state, &view, (from, until)).await.map(Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_a_minute_to_years_there_are_points_enough_and_not_too_many() {
        for (minutes, step) in [
            (1, "reading"),
            (120, "reading"),
            (121, "1m"),
            (26 * 60, "1m"),
            (7 * 24 * 60, "15m"),
            (16 * 24 * 60, "15m"),
            (31 * 24 * 60, "day"),
            (3 * 366 * 24 * 60, "day"),
        ] {
            assert_eq!(Step::fitting(Millis::from_minutes(minutes)).name(), step, "{minutes} minutes");
        }
    }
}
