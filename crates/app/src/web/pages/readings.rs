//! `/meters/{meter}/readings`: a meter's newest values, their course, and its readings wherever they still are.

use super::error::ErrorPage;
use super::past::{Past, PastRow, READINGS_MAX, SPAN_MAX, SPAN_MIN};
use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::access::{ReadableSince, Sight};
use crate::web::chart::{Canvas, Curve};
use crate::web::failure::Failure;
use crate::web::format::{Moment, decimal};
use crate::web::frame::{Frame, Link, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::live::{Freshness, Live};
use crate::web::view::Words;
use api::{MeterView, Status};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use node::NodeHandle;
use serde::Deserialize;
use std::collections::BTreeMap;
use units::{MeterId, Millis, Timestamp};

/// Rows of the table, newest first: some screens full.
const ROWS_MAX: usize = 40;

const PLOT: Canvas = Canvas { width: 600, height: 200 };

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

/// Which readings: those before a point in time.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Window {
    until: Option<u64>,
}

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
    spark: Curve,
    course_note: String,
    heading: String,
    source_note: String,
    chart_labels: String,
    chart_from_ms: String,
    earlier: Option<String>,
    later: Option<String>,
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
        spark: Curve::default(),
        course_note: String::new(),
        heading: String::new(),
        source_note: String::new(),
        chart_labels: String::new(),
        chart_from_ms: String::new(),
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
    Query(window): Query<Window>,
) -> Answer {
    let until = window.until.map(Timestamp::from_ms);
    let caller = reader.caller.clone();
    let question = move |node: &NodeHandle, status: &Status| {
        let number = number.parse().map_err(|error| Failure::malformed(&error))?;
        gather(node, &number, until, (since, caller.sight(status.public_readings)))
    };
    let (status, mut gathered) = ask(&state, &reader, question).await?;
    gathered.past = gathered
        .past
        .or_of_gateway(&state, &gathered.meter.meter, until)
        .await
        .map_err(|failure| ErrorPage::new(&reader, &status.name, &failure))?;
    // What the gateway's archive has from before is who lived there before's.
    gathered.past.rows.retain(|row| row.time >= since.0);
    let live = state.live();
    let words = words(&state, &reader, &status);
    let page = page(&words, &reader, &status, &gathered, live.get(&gathered.meter.meter), until);
    Ok(render(&page, StatusCode::OK))
}

fn page(
    words: &Words<'_>,
    reader: &Reader,
    status: &Status,
    gathered: &Gathered,
    live: Option<&Live>,
    until: Option<Timestamp>,
) -> ReadingsPage {
    let t = words.t;
    let meter = &gathered.meter;
    let name = words.name(&meter.member);
    let past = &gathered.past;
    let power: Vec<i64> = past.rows.iter().filter_map(|row| row.values.get("active_power_mw").copied()).collect();
    let title = t.arg("readings-title", "name", &name);
    let has_earlier = !past.rows.is_empty() && past.from > meter.from_ms;
    let shown_from = past.rows.len().saturating_sub(ROWS_MAX);
    let oldest_shown = past.rows.get(shown_from).map(|row| row.time.ms());
    let earlier = oldest_shown.filter(|_| shown_from > 0 || has_earlier);
    ReadingsPage {
        frame: Frame::new(reader, Section::Readings, &status.name, title),
        t,
        room: words.directory.person(&meter.member).and_then(|person| person.room.clone()),
        number: meter.meter.to_string(),
        profile: meter.profile.clone(),
        others: gathered.others.iter().map(|other| meter_link(words, other, &meter.meter)).collect(),
        newest: newest(words, meter, live, past.rows.last()),
        rows: past.rows.iter().rev().take(ROWS_MAX).map(|row| table_row(words, row)).collect(),
        spark: Curve::through(&power, PLOT),
        course_note: course_note(words, &past.rows, &power),
        heading: past.heading(t),
        source_note: past.note(t),
        chart_labels: chart_labels(words, &status.time_zone),
        chart_from_ms: past.from.ms().to_string(),
        earlier: earlier.map(|until| format!("/meters/{}/readings?until={until}", meter.meter)),
        later: until.map(|_| format!("/meters/{}/readings", meter.meter)),
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

fn table_row(words: &Words<'_>, row: &PastRow) -> Row {
    let value = |(name, scale, places): (&str, u32, u32)| {
        row.values.get(name).map_or_else(|| "–".to_owned(), |value| decimal(i128::from(*value), scale, places))
    };
    Row { time: words.face.moment(row.time), values: COLUMNS.map(value).into(), is_booked: row.is_booked }
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

fn course_note(words: &Words<'_>, rows: &[PastRow], power: &[i64]) -> String {
    let ends = rows.first().zip(rows.last());
    let range = power.iter().min().zip(power.iter().max());
    let Some(((first, last), (least, most))) = ends.zip(range) else {
        return words.t.get("course-empty");
    };
    words.t.with(
        "course-note",
        &[
            ("count", &power.len().to_string()),
            ("from", &words.when(first.time)),
            ("until", &words.when(last.time)),
            ("least", &decimal(i128::from(*least), 3, 1)),
            ("most", &decimal(i128::from(*most), 3, 1)),
        ],
    )
}

/// What the script needs to draw: names, units and time zone, as JSON in an attribute.
fn chart_labels(words: &Words<'_>, time_zone: &str) -> String {
    let t = words.t;
    serde_json::json!({
        "time": t.get("time"),
        "zone": time_zone,
        "series": [
            ["active_power_mw", t.get("active-power"), "W", 3, 1],
            ["voltage_mv", t.get("voltage"), "V", 3, 1],
            ["current_ua", t.get("current"), "A", 6, 3],
            ["energy_import_mwh", t.get("counter"), t.get("kwh"), 6, 3],
        ],
    })
    .to_string()
}
