//! `/meters/{meter}/readings`: a meter's newest values, their course, and its readings wherever they still are.

mod drawn;
mod window;

use super::error::ErrorPage;
use super::past::{Past, PastRow, READINGS_MAX, SPAN_MAX, SPAN_MIN};
use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::access::{ReadableSince, Sight};
use crate::web::course;
use crate::web::failure::Failure;
use crate::web::format::{Moment, decimal};
use crate::web::frame::{Frame, Link, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::live::{Freshness, Live};
use crate::web::view::Words;
use api::{CourseView, MeterView, Status};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use drawn::Drawn;
use node::NodeHandle;
use std::collections::BTreeMap;
use units::{MeterId, Millis, Timestamp};
use window::{Asked, Window};

/// Rows of the table, newest first: some screens full.
const ROWS_MAX: usize = 40;

/// Quantities of the table's columns with their scale and the decimals shown.
const COLUMNS: [(&str, u32, u32); 7] = [
    ("voltage_mv", 3, 1),
    ("current_ua", 6, 3),
    ("active_power_mw", 3, 1),
    ("reactive_power_mvar", 3, 1),
    ("apparent_power_mva", 3, 1),
    ("power_factor_1e4", 4, 3),
    ("energy_import_mwh", 6, 3),
];

struct Gathered {
    meter: MeterView,
    others: Vec<MeterView>,
    past: Past,
}

fn gather(
    node: &NodeHandle,
    number: &MeterId,
    until: Option<Timestamp>,
    (since, sight): (ReadableSince, Sight),
) -> Result<Gathered, Failure> {
    let meter = node.meter(number.clone())?;
    let end = until.unwrap_or(meter.head.end_ms);
    let mut span = SPAN_MAX;
    let (from, rows) = loop {
        let from = (end - span).max(since.0);
        let page = node.readings(number.clone(), from, end, READINGS_MAX)?;
        if page.next.is_none() || span <= SPAN_MIN {
            break (from, page.items);
        }
        span = Millis::from_ms(span.ms() / 2);
    };
    let others = node.meters()?.into_iter().filter(|other| sight.reads(&other.member)).collect();
    Ok(Gathered { meter, others, past: Past::booked(from, rows) })
}

struct Row {
    time: Moment,
    /// Its name for who submits it: meter and time; none before it is booked.
    pick: Option<String>,
    values: Vec<String>,
    is_booked: bool,
}

struct Figure {
    key: &'static str,
    name: &'static str,
    scale: u32,
    places: u32,
    value: String,
    unit: String,
}

struct Newest {
    age: String,
    age_ms: String,
    quality: &'static str,
    figures: Vec<Figure>,
}

#[derive(Template)]
#[template(path = "readings.html")]
struct ReadingsPage {
    frame: Frame,
    t: Texts,
    name: String,
    room: Option<String>,
    number: String,
    profile: String,
    others: Vec<Link>,
    newest: Option<Newest>,
    rows: Vec<Row>,
    /// Whether some row can be submitted.
    is_pickable: bool,
    chart: Option<Chart>,
    heading: String,
    source_note: String,
    earlier: Option<String>,
    later: Option<String>,
}

/// The course with all that changes what it shows.
struct Chart {
    drawn: Option<Drawn>,
    note: String,
    from: String,
    until: String,
    spans: Vec<(Link, u64)>,
    quantities: Vec<Link>,
    earlier: String,
    later: Option<String>,
    from_ms: u64,
    until_ms: u64,
    /// Whether it goes on with what is read from now on.
    is_now: bool,
    labels: String,
    tables: Vec<Link>,
}

/// `GET /meters`: the first meter's readings.
pub(crate) async fn meters(State(state): State<AppState>, reader: Reader) -> Answer {
    let (status, meters) = ask(&state, &reader, |node, _| Ok(node.meters()?)).await?;
    let sight = reader.caller.sight(status.public_readings);
    let open = meters.iter().find(|meter| sight.reads(&meter.member));
    // Where none is open, the first one's page says how it could be.
    if let Some(first) = open.or(meters.first()) {
        return Ok(Redirect::temporary(&format!("/meters/{}/readings", first.meter)).into_response());
    }
    let t = reader.texts();
    let page = ReadingsPage {
        frame: Frame::new(&reader, Section::Readings, &status.name, t.get("nav-readings")),
        t,
        name: t.get("nav-readings"),
        room: None,
        number: "–".to_owned(),
        profile: "–".to_owned(),
        others: Vec::new(),
        newest: None,
        rows: Vec::new(),
        is_pickable: false,
        chart: None,
        heading: String::new(),
        source_note: String::new(),
        earlier: None,
        later: None,
    };
    Ok(render(&page, StatusCode::OK))
}

/// `GET /meters/{meter}/readings`.
pub(crate) async fn readings(
    State(state): State<AppState>,
    reader: Reader,
    since: ReadableSince,
    Path(number): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer {
    let window = Window::of(&asked);
    let until = window.until;
    let caller = reader.caller.clone();
    let question = move |node: &NodeHandle, status: &Status| {
        let number = number.parse().map_err(|error| Failure::malformed(&error))?;
        gather(node, &number, until, (since, caller.sight(status.public_readings)))
    };
    let (status, mut gathered) = ask(&state, &reader, question).await?;
    let failed = |failure: Failure| ErrorPage::new(&reader, &status.name, &failure);
    gathered.past = gathered.past.or_of_gateway(&state, &gathered.meter.meter, until).await.map_err(failed)?;
    // What the gateway's archive has from before is who lived there before's.
    gathered.past.rows.retain(|row| row.time >= since.0);
    let live = state.live();
    let gateway = state.0.live.as_ref().filter(|_| live.contains_key(&gathered.meter.meter));
    let now = gateway.map_or(gathered.meter.head.end_ms, gateway::GatewayHandle::now);
    let (from, end) = window.span(now);
    let from = from.max(since.0).min(end);
    let course = course::of(&state, &gathered.meter, (from, end)).await.map_err(failed)?;
    let words = words(&state, &reader, &status);
    let chart = chart(&words, &status, (&gathered.meter.meter, gateway.is_some()), (&window, now), &course);
    let page = page(&words, &reader, &status, &gathered, live.get(&gathered.meter.meter), (window, chart));
    Ok(render(&page, StatusCode::OK))
}

fn chart(
    words: &Words<'_>,
    status: &Status,
    (meter, has_gateway): (&MeterId, bool),
    (window, now): (&Window, Timestamp),
    course: &CourseView,
) -> Chart {
    let t = words.t;
    Chart {
        drawn: drawn::draw(t, course, window.show),
        note: drawn::note(words, course, window.show),
        from: words.when(course.from_ms),
        until: words.when(course.until_ms),
        spans: window.spans(t, meter),
        quantities: window.quantities(t, meter),
        earlier: window.earlier(meter, now),
        later: window.later(meter, now),
        from_ms: course.from_ms.ms(),
        until_ms: course.until_ms.ms(),
        is_now: window.until.is_none(),
        labels: drawn::labels(words, &status.time_zone, window),
        tables: tables(t, meter, has_gateway, course),
    }
}

/// The span as tables: readings, and what minutes, quarters of an hour and days came to where a gateway keeps that.
fn tables(t: Texts, meter: &MeterId, has_gateway: bool, course: &CourseView) -> Vec<Link> {
    let span = format!("from={}&until={}&bom=true", course.from_ms.ms(), course.until_ms.ms());
    let link = |href: String, label: String| Link { href, label, icon: "", current: false };
    let readings = link(format!("/api/v1/meters/{meter}/readings.csv?{span}"), t.get("csv-readings"));
    let rollups = [("1m", t.get("csv-minutes")), ("15m", t.get("csv-quarters")), ("day", t.get("csv-days"))];
    let rollups = rollups
        .into_iter()
        .filter(|_| has_gateway)
        .map(|(interval, label)| link(format!("/api/v1/meters/{meter}/rollups.csv?interval={interval}&{span}"), label));
    std::iter::once(readings).chain(rollups).collect()
}

fn page(
    words: &Words<'_>,
    reader: &Reader,
    status: &Status,
    gathered: &Gathered,
    live: Option<&Live>,
    (window, chart): (Window, Chart),
) -> ReadingsPage {
    let t = words.t;
    let meter = &gathered.meter;
    let name = words.name(&meter.member);
    let past = &gathered.past;
    let title = t.arg("readings-title", "name", &name);
    let has_earlier = !past.rows.is_empty() && past.from > meter.from_ms;
    let shown_from = past.rows.len().saturating_sub(ROWS_MAX);
    let oldest_shown = past.rows.get(shown_from).map(|row| row.time);
    let earlier = oldest_shown.filter(|_| shown_from > 0 || has_earlier);
    let rows: Vec<Row> = past.rows.iter().rev().take(ROWS_MAX).map(|row| table_row(words, meter, row)).collect();
    ReadingsPage {
        frame: Frame::new(reader, Section::Readings, &status.name, title),
        t,
        room: words.directory.person(&meter.member).and_then(|person| person.room.clone()),
        number: meter.meter.to_string(),
        profile: meter.profile.clone(),
        others: gathered.others.iter().map(|other| meter_link(words, other, &meter.meter)).collect(),
        newest: newest(words, meter, live, past.rows.last()),
        is_pickable: rows.iter().any(|row| row.pick.is_some()),
        rows,
        chart: Some(chart),
        heading: past.heading(t),
        source_note: past.note(t),
        earlier: earlier.map(|until| window.at(&meter.meter, Some(until))),
        later: window.until.map(|_| window.at(&meter.meter, None)),
        name,
    }
}

fn meter_link(words: &Words<'_>, other: &MeterView, current: &MeterId) -> Link {
    Link {
        href: format!("/meters/{}/readings", other.meter),
        label: words.name(&other.member),
        icon: "",
        current: other.meter == *current,
    }
}

fn table_row(words: &Words<'_>, meter: &MeterView, row: &PastRow) -> Row {
    let value = |(name, scale, places): (&str, u32, u32)| {
        row.values.get(name).map_or_else(|| "–".to_owned(), |value| decimal(i128::from(*value), scale, places))
    };
    Row {
        time: words.face.moment(row.time),
        // A statement that is not in a block yet cannot be quoted.
        pick: (row.is_booked && row.time < meter.head.end_ms).then(|| format!("{}@{}", meter.meter, row.time.ms())),
        values: COLUMNS.map(value).into(),
        is_booked: row.is_booked,
    }
}

/// Live values where a gateway in this program has them, else the last booked ones.
fn newest(words: &Words<'_>, meter: &MeterView, live: Option<&Live>, booked: Option<&PastRow>) -> Option<Newest> {
    let values = live.map(|live| &live.values).or_else(|| booked.map(|row| &row.values))?;
    let quality = Freshness::of(live, &meter.head, words);
    Some(Newest { age: quality.text, age_ms: quality.age_ms, quality: quality.name, figures: figures(words.t, values) })
}

fn figures(t: Texts, values: &BTreeMap<String, i64>) -> Vec<Figure> {
    let kwh = t.get("kwh");
    let known = [
        ("active-power", "active_power_mw", 3, 1, "W"),
        ("voltage", "voltage_mv", 3, 1, "V"),
        ("current", "current_ua", 6, 3, "A"),
        ("reactive-power", "reactive_power_mvar", 3, 1, "var"),
        ("apparent-power", "apparent_power_mva", 3, 1, "VA"),
        ("power-factor", "power_factor_1e4", 4, 3, ""),
        ("frequency", "frequency_mhz", 3, 2, "Hz"),
        ("counter", "energy_import_mwh", 6, 3, kwh.as_str()),
        ("counter-export", "energy_export_mwh", 6, 3, kwh.as_str()),
    ];
    let figure = |(key, name, scale, places, unit): (&'static str, &'static str, u32, u32, &str)| {
        let value = decimal(i128::from(*values.get(name)?), scale, places);
        Some(Figure { key, name, scale, places, value, unit: unit.to_owned() })
    };
    known.into_iter().filter_map(figure).collect()
}
