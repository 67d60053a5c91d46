//! `/meters/{meter}/voltage`: a month's highest and lowest voltage, its course day by day, and the intervals outside the
//! limits, from which a member makes evidence: the claim is signed in their browser.

use super::overview::in_force;
use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::access::{ReadableSince, Sight};
use crate::web::chart::{Band, Canvas, Extent};
use crate::web::failure::Failure;
use crate::web::format::{Moment, group_number};
use crate::web::frame::{Frame, Link, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::view::{Words, volts};
use api::{IntervalView, MeterView, OutsideView, Status, VoltageLimitsView};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use node::NodeHandle;
use serde::Deserialize;
use units::{MeterId, Month, Timestamp, Voltage};

/// Lines of the table, newest first: some screens. The count above it is of all.
const LINES_MAX: usize = 60;
/// Steps of the drawn course: one for each few pixels.
const STEPS: u64 = 180;

const PLOT: Canvas = Canvas { width: 600, height: 200 };

/// Which month.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    month: Option<String>,
}

struct Gathered {
    meter: MeterView,
    others: Vec<MeterView>,
    month: Month,
    months: (Option<Month>, Option<Month>),
    span: (Timestamp, Timestamp),
    intervals: Vec<IntervalView>,
    /// Outside the limits, newest first.
    outside: Vec<OutsideView>,
}

fn gather(
    node: &NodeHandle,
    status: &Status,
    (number, month): (MeterId, Option<Month>),
    (since, sight): (ReadableSince, Sight),
) -> Result<Gathered, Failure> {
    let meter = node.meter(number.clone())?;
    let no_month = || Failure::not_found("such month in the ledger's calendar");
    let month = month.or(status.month).ok_or_else(no_month)?;
    let (first_month, span) =
        node.with_state(move |state| (state.genesis().first_month, state.genesis().month_span(month)))?;
    let (start, end) = span.ok_or_else(no_month)?;
    let from = start.max(since.0);
    let intervals = if from < end { node.intervals(number.clone(), from, end)? } else { Vec::new() };
    let within = |at: Timestamp| at >= from && at < end;
    let is_meant = |one: &OutsideView| one.meter.as_ref() == Some(&number) && within(one.start_ms);
    let outside = node.account(meter.member)?.outside.into_iter().filter(is_meant).collect();
    let others = node.meters()?.into_iter().filter(|other| sight.reads(&other.member)).collect();
    let earlier = month
        .index()
        .checked_sub(1)
        .and_then(|one| Month::new(one / 12, one % 12 + 1))
        .filter(|one| *one >= first_month);
    let later = Some(month.plus(1)).filter(|one| status.month.is_some_and(|now| *one <= now));
    Ok(Gathered { meter, others, month, months: (earlier, later), span: (from, end), intervals, outside })
}

/// The highest or lowest of the month.
struct Extreme {
    value: String,
    time: Moment,
    href: String,
    is_outside: bool,
}

struct Line {
    id: String,
    from: Moment,
    until: Moment,
    lowest: String,
    is_low: bool,
    highest: String,
    is_high: bool,
    claim: Option<String>,
    statement: String,
}

struct LimitsText {
    low: String,
    high: String,
    nominal: String,
    source: String,
}

struct Drawn {
    band: Band,
    top: String,
    bottom: String,
    from: String,
    until: String,
}

#[derive(Template)]
#[template(path = "voltage.html")]
struct VoltagePage {
    frame: Frame,
    t: Texts,
    name: String,
    room: Option<String>,
    number: String,
    others: Vec<Link>,
    month: String,
    earlier: Option<String>,
    later: Option<String>,
    limits: Option<LimitsText>,
    highest: Option<Extreme>,
    lowest: Option<Extreme>,
    count: String,
    intervals: String,
    drawn: Option<Drawn>,
    lines: Vec<Line>,
    /// Whether some line can still be claimed.
    is_claimable: bool,
    more: Option<String>,
}

/// `GET /meters/{meter}/voltage`.
pub(crate) async fn voltage(
    State(state): State<AppState>,
    reader: Reader,
    since: ReadableSince,
    Path(number): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Answer {
    let caller = reader.caller.clone();
    let question = move |node: &NodeHandle, status: &Status| {
        let number = number.parse().map_err(|error| Failure::malformed(&error))?;
        let month = wanted.month.map(|month| month.parse::<Month>()).transpose();
        let month = month.map_err(|error| Failure::malformed(&error))?;
        gather(node, status, (number, month), (since, caller.sight(status.public_readings)))
    };
    let (status, gathered) = ask(&state, &reader, question).await?;
    let words = words(&state, &reader, &status);
    Ok(render(&page(&words, &reader, &status, &gathered), StatusCode::OK))
}

fn page(words: &Words<'_>, reader: &Reader, status: &Status, gathered: &Gathered) -> VoltagePage {
    let t = words.t;
    let meter = &gathered.meter;
    let name = words.name(&meter.member);
    let limits = in_force(&status.voltage_limits, gathered.span.1).or(status.voltage_limits.first());
    let address = |month: Month| format!("/meters/{}/voltage?month={month}", meter.meter);
    let count = group_number(u64::try_from(gathered.outside.len()).unwrap_or(u64::MAX));
    VoltagePage {
        frame: Frame::new(reader, Section::Readings, &status.name, t.arg("voltage-page-title", "name", &name)),
        t,
        room: words.directory.person(&meter.member).and_then(|person| person.room.clone()),
        number: meter.meter.to_string(),
        others: gathered.others.iter().map(|other| other_link(words, other, gathered)).collect(),
        month: gathered.month.to_string(),
        earlier: gathered.months.0.map(address),
        later: gathered.months.1.map(address),
        limits: limits.map(limits_text),
        highest: highest(words, gathered, limits),
        lowest: lowest(words, gathered, limits),
        intervals: group_number(u64::try_from(gathered.intervals.len()).unwrap_or(u64::MAX)),
        drawn: drawn(words, gathered, limits),
        lines: gathered.outside.iter().take(LINES_MAX).map(|one| line(words, one)).collect(),
        is_claimable: gathered.outside.iter().take(LINES_MAX).any(|one| one.claim.is_none()),
        more: (gathered.outside.len() > LINES_MAX)
            .then(|| t.with("voltage-more", &[("count", &count), ("shown", &LINES_MAX.to_string())])),
        count,
        name,
    }
}

fn other_link(words: &Words<'_>, other: &MeterView, gathered: &Gathered) -> Link {
    Link {
        href: format!("/meters/{}/voltage?month={}", other.meter, gathered.month),
        label: words.name(&other.member),
        icon: "",
        current: other.meter == gathered.meter.meter,
    }
}

fn limits_text(limits: &VoltageLimitsView) -> LimitsText {
    LimitsText {
        low: volts(limits.min_mv),
        high: volts(limits.max_mv),
        nominal: volts(limits.nominal_mv),
        source: limits.source.clone(),
    }
}

fn highest(words: &Words<'_>, gathered: &Gathered, limits: Option<&VoltageLimitsView>) -> Option<Extreme> {
    let found = gathered.intervals.iter().filter_map(|one| Some((one.voltage_max_mv?, one)));
    let (value, interval) = found.max_by_key(|(value, _)| *value)?;
    Some(extreme(words, &gathered.meter.meter, (value, interval), limits.is_some_and(|limits| value > limits.max_mv)))
}

fn lowest(words: &Words<'_>, gathered: &Gathered, limits: Option<&VoltageLimitsView>) -> Option<Extreme> {
    let found = gathered.intervals.iter().filter_map(|one| Some((one.voltage_min_mv?, one)));
    let (value, interval) = found.min_by_key(|(value, _)| *value)?;
    Some(extreme(words, &gathered.meter.meter, (value, interval), limits.is_some_and(|limits| value < limits.min_mv)))
}

fn extreme(
    words: &Words<'_>,
    meter: &MeterId,
    (value, interval): (Voltage, &IntervalView),
    is_outside: bool,
) -> Extreme {
    Extreme {
        value: volts(value),
        time: words.face.moment(interval.start_ms),
        href: format!("/meters/{meter}/readings?span=15m&show=voltage&until={}", interval.end_ms.ms()),
        is_outside,
    }
}

fn line(words: &Words<'_>, one: &OutsideView) -> Line {
    let shown = |voltage: Option<Voltage>| voltage.map_or_else(|| "–".to_owned(), volts);
    Line {
        id: format!("{}.{}", one.statement, one.act_index),
        from: words.face.moment(one.start_ms),
        until: words.face.moment(one.end_ms),
        lowest: shown(one.voltage_min_mv),
        is_low: one.voltage_min_mv.zip(one.limit_min_mv).is_some_and(|(found, limit)| found < limit),
        highest: shown(one.voltage_max_mv),
        is_high: one.voltage_max_mv.zip(one.limit_max_mv).is_some_and(|(found, limit)| found > limit),
        claim: one.claim.as_ref().map(|claim| format!("/claims#c-{}", claim.statement)),
        statement: one.statement.to_string(),
    }
}

/// The lowest and highest of each step of the month, with the limits.
fn drawn(words: &Words<'_>, gathered: &Gathered, limits: Option<&VoltageLimitsView>) -> Option<Drawn> {
    let first = gathered.intervals.first()?.start_ms;
    let last = gathered.intervals.last()?.end_ms;
    let step = (last.ms().saturating_sub(first.ms()) / STEPS).max(1);
    let mut extents: Vec<Extent> = Vec::new();
    for one in &gathered.intervals {
        let Some((min, max)) = one.voltage_min_mv.zip(one.voltage_max_mv) else { continue };
        let (min, max) = (millivolts(min), millivolts(max));
        let column = |time: u64| (time.saturating_sub(first.ms()) / step).min(STEPS - 1);
        for at in column(one.start_ms.ms())..=column(one.end_ms.ms().saturating_sub(1)) {
            match extents.last_mut().filter(|last| last.at == at) {
                Some(last) => (last.min, last.max) = (last.min.min(min), last.max.max(max)),
                None => extents.push(Extent { at, min, max }),
            }
        }
    }
    let lines: Vec<i64> =
        limits.iter().flat_map(|limits| [millivolts(limits.min_mv), millivolts(limits.max_mv)]).collect();
    let band = Band::through(&extents, &lines, STEPS, PLOT)?;
    let level = |value: i64| volts(Voltage::from_mv(u64::try_from(value).unwrap_or_default()));
    Some(Drawn {
        top: level(band.most),
        bottom: level(band.least),
        band,
        from: words.when(first),
        until: words.when(last),
    })
}

fn millivolts(voltage: Voltage) -> i64 {
    i64::try_from(voltage.mv()).unwrap_or(i64::MAX)
}
