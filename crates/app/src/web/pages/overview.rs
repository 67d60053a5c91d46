//! `/`: what the meters say now, and where the ledger stands.

use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::access::Sight;
use crate::web::chart::{Canvas, Curve};
use crate::web::failure::{Failure, optional};
use crate::web::format::{Clockface, Moment, decimal, group_number};
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::live::{Freshness, Live};
use crate::web::view::{Words, is_over, statement_href};
use api::{ActView, BlockDetail, MeterView, SheetView, StatementView, Status};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use node::NodeHandle;
use std::collections::BTreeMap;
use units::{Energy, EnergyBalance, MeterId, Millis, Timestamp};

/// Meters on the page: a large building's. What is beyond stands under `/meters`.
const METERS_MAX: usize = 120;

/// How far back the small curves go.
const SPARK_SPAN: Millis = Millis::from_minutes(60);

/// Points of a small curve: one for each pixel or so.
const SPARK_POINTS: u32 = 120;

/// Blocks that are searched for voltage events, and events shown.
const EVENT_BLOCKS: u32 = 48;
const EVENTS_MAX: usize = 2;

const SPARK: Canvas = Canvas { width: 120, height: 40 };

/// What the ledger knows of one meter, as the page needs it.
struct Booked {
    meter: MeterView,
    sheet: Option<SheetView>,
    day_start: Option<u64>,
    power: Vec<i64>,
    newest: BTreeMap<String, i64>,
}

struct Gathered {
    meters: Vec<Booked>,
    closes: Option<Timestamp>,
    head: BlockDetail,
    events: Vec<StatementView>,
}

fn gather(node: &NodeHandle, status: &Status, sight: Sight) -> Result<Gathered, Failure> {
    let face = Clockface::new(&status.time_zone);
    let mut meters = Vec::new();
    let open = node.meters()?.into_iter().filter(|meter| sight.sees(&meter.member));
    for meter in open.take(METERS_MAX) {
        let with_readings = sight.reads(&meter.member);
        meters.push(booked(node, status, &face, meter, with_readings)?);
    }
    let head = node.block(&status.height.to_string())?;
    let closes = meters.iter().find_map(|booked| booked.sheet.as_ref()).map(|sheet| sheet.closes_ms);
    Ok(Gathered { meters, closes, head, events: voltage_events(node)? })
}

fn booked(
    node: &NodeHandle,
    status: &Status,
    face: &Clockface,
    meter: MeterView,
    with_readings: bool,
) -> Result<Booked, Failure> {
    let sheet = match status.month {
        Some(month) => optional(node.sheet(meter.member, month))?,
        None => None,
    };
    if !with_readings {
        return Ok(Booked { meter, sheet, day_start: None, power: Vec::new(), newest: BTreeMap::new() });
    }
    let end = meter.head.end_ms;
    let day = face.day_start(status.time_ms);
    let first = node.readings(meter.meter.clone(), day, status.time_ms, 1)?.items.into_iter().next();
    let recent = node.readings(meter.meter.clone(), end - SPARK_SPAN, end, SPARK_POINTS)?.items;
    let day_start = first.and_then(|row| row.values.get("energy_import_mwh").copied()).and_then(|v| v.try_into().ok());
    let power = recent.iter().filter_map(|row| row.values.get("active_power_mw").copied()).collect();
    let newest = recent.into_iter().next_back().map(|row| row.values).unwrap_or_default();
    Ok(Booked { meter, sheet, day_start, power, newest })
}

/// The newest statements that hold a voltage event.
fn voltage_events(node: &NodeHandle) -> Result<Vec<StatementView>, Failure> {
    let mut found = Vec::new();
    for block in node.blocks(None, EVENT_BLOCKS)?.items.into_iter().filter(|block| block.statements > 0) {
        let block = node.block(&block.height.to_string())?;
        found.extend(block.statements.into_iter().filter(has_event));
        if found.len() >= EVENTS_MAX {
            break;
        }
    }
    found.truncate(EVENTS_MAX);
    Ok(found)
}

fn has_event(statement: &StatementView) -> bool {
    statement.acts.iter().any(|act| matches!(act, ActView::Readings(readings) if !readings.events.is_empty()))
}

struct Community {
    height: String,
    block_time: Moment,
    final_height: String,
    statements: String,
    pool: String,
    month: String,
    closes: String,
    power: String,
}

struct EventNotice {
    title: String,
    detail: String,
    href: String,
}

struct MeterCard {
    number: String,
    name: String,
    room: Option<String>,
    account_href: Option<String>,
    factor: u32,
    age: String,
    age_ms: String,
    quality: &'static str,
    power: String,
    voltage: String,
    current: String,
    spark: Curve,
    day_start_mwh: String,
    today: String,
    month_start_mwh: String,
    month_energy: String,
    contract: String,
    remaining: String,
    used_percent: u64,
    quota: &'static str,
    quota_label: String,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    t: Texts,
    community: Community,
    events: Vec<EventNotice>,
    meters: Vec<MeterCard>,
    /// Whether there may be meters that are not open to the reader.
    is_private: bool,
}

/// `GET /`.
pub(crate) async fn overview(State(state): State<AppState>, reader: Reader) -> Answer {
    let caller = reader.caller.clone();
    let question = move |node: &NodeHandle, status: &Status| gather(node, status, caller.sight(status.public_readings));
    let (status, gathered) = ask(&state, &reader, question).await?;
    let words = words(&state, &reader, &status);
    let sight = reader.caller.sight(status.public_readings);
    let mut live = state.live();
    live.retain(|number, _| {
        gathered.meters.iter().any(|booked| booked.meter.meter == *number && sight.reads(&booked.meter.member))
    });
    let t = reader.texts();
    let page = OverviewPage {
        frame: Frame::new(&reader, Section::Overview, &status.name, t.get("overview-title")),
        t,
        community: community(&words, &status, &gathered, &live),
        events: gathered.events.iter().flat_map(|event| notices(&words, &gathered.meters, event)).collect(),
        meters: gathered.meters.iter().map(|booked| card(&words, &status, booked, &live)).collect(),
        is_private: !sight.reads_all(),
    };
    Ok(render(&page, StatusCode::OK))
}

fn community(words: &Words<'_>, status: &Status, gathered: &Gathered, live: &BTreeMap<MeterId, Live>) -> Community {
    let t = words.t;
    let power: i128 =
        gathered.meters.iter().filter_map(|booked| value(booked, live, "active_power_mw")).map(i128::from).sum();
    let count = group_number(status.final_log_size);
    Community {
        height: status.height.to_string(),
        block_time: words.face.moment(gathered.head.time_ms),
        final_height: status.final_height.to_string(),
        statements: t.arg("block-statements", "count", count),
        pool: group_number(status.pool_size),
        month: status.month.map_or_else(|| t.get("month-outside"), |month| month.to_string()),
        closes: gathered.closes.map(|at| t.arg("month-closes", "time", short(words, at))).unwrap_or_default(),
        power: decimal(power, 3, 0),
    }
}

/// Date and time without the year and the seconds.
fn short(words: &Words<'_>, time: Timestamp) -> String {
    let full = words.when(time);
    full.get(5..16).unwrap_or(&full).to_owned()
}

fn notices(words: &Words<'_>, meters: &[Booked], statement: &StatementView) -> Vec<EventNotice> {
    let t = words.t;
    let readings = statement.acts.iter().filter_map(|act| match act {
        ActView::Readings(readings) => Some(readings),
        _ => None,
    });
    let mut notices = Vec::new();
    for readings in readings {
        let meter = readings.meter.as_ref().map_or_else(String::new, ToString::to_string);
        let bound = meters.iter().find(|booked| Some(&booked.meter.meter) == readings.meter.as_ref());
        let member = bound.map_or_else(|| meter.clone(), |booked| words.name(&booked.meter.member));
        for event in &readings.events {
            let value = decimal(i128::from(event.extreme_mv.mv()), 3, 1);
            let values = [("name", member.as_str()), ("value", value.as_str())];
            let title =
                if is_over(&event.kind) { t.with("over-voltage", &values) } else { t.with("under-voltage", &values) };
            let height = statement.place.map_or_else(String::new, |place| place.height.to_string());
            let (from, until) = (words.when(event.from_ms), words.face.moment(event.until_ms).time);
            let span = [("from", from.as_str()), ("until", &until), ("meter", &meter), ("height", &height)];
            let href = statement_href(&statement.id.to_string(), statement.place);
            notices.push(EventNotice { title, detail: t.with("voltage-span", &span), href });
        }
    }
    notices
}

/// The newest value of a quantity: live where there is one, else booked.
fn value(booked: &Booked, live: &BTreeMap<MeterId, Live>, name: &str) -> Option<i64> {
    let live = live.get(&booked.meter.meter).and_then(|live| live.values.get(name));
    live.or_else(|| booked.newest.get(name)).copied()
}

fn shown(value: Option<i64>, scale: u32, places: u32) -> String {
    value.map_or_else(|| "–".to_owned(), |value| decimal(i128::from(value), scale, places))
}

fn card(words: &Words<'_>, status: &Status, booked: &Booked, live: &BTreeMap<MeterId, Live>) -> MeterCard {
    let meter = &booked.meter;
    let person = words.directory.person(&meter.member);
    let now = live.get(&meter.meter);
    let quality = Freshness::of(now, &meter.head, words);
    let read = |name| value(booked, live, name);
    let counter = read("energy_import_mwh").and_then(|value| u64::try_from(value).ok());
    let counter = counter.or_else(|| meter.head.import_mwh.map(Energy::mwh));
    let month_start = booked
        .sheet
        .as_ref()
        .and_then(|sheet| sheet.meters.iter().find(|month| month.meter == meter.meter))
        .map(|month| month.import_start_mwh.mwh());
    // On a month's first day both count from the same counter, which the ledger may have split by time.
    let is_first_day = booked.sheet.as_ref().is_some_and(|sheet| sheet.from_ms == words.face.day_start(status.time_ms));
    let day_start = if is_first_day { month_start } else { booked.day_start };
    let quota = Quota::of(words.t, booked.sheet.as_ref());
    let mut power = booked.power.clone();
    power.extend(now.and_then(|live| live.values.get("active_power_mw")).copied());
    MeterCard {
        number: meter.meter.to_string(),
        name: words.name(&meter.member),
        room: person.and_then(|person| person.room.clone()),
        account_href: status.month.map(|month| format!("/accounts/{}/{month}", meter.member)),
        factor: meter.factor,
        age: quality.text,
        age_ms: quality.age_ms,
        quality: quality.name,
        power: shown(read("active_power_mw"), 3, 1),
        voltage: shown(read("voltage_mv"), 3, 1),
        current: shown(read("current_ua"), 6, 3),
        spark: Curve::through(&power, SPARK),
        day_start_mwh: start_text(day_start),
        today: since(counter, day_start, meter.factor),
        month_start_mwh: start_text(month_start),
        month_energy: since(counter, month_start, meter.factor),
        contract: quota.contract,
        remaining: quota.remaining,
        used_percent: quota.percent.min(100),
        quota: quota.class,
        quota_label: quota.label,
    }
}

fn start_text(start: Option<u64>) -> String {
    start.map_or_else(String::new, |start| start.to_string())
}

/// Energy since a counter value, in kWh to the Wh.
fn since(counter: Option<u64>, start: Option<u64>, factor: u32) -> String {
    let difference = counter.zip(start).map(|(now, start)| u128::from(now.saturating_sub(start)) * u128::from(factor));
    let difference = difference.and_then(|mwh| i128::try_from(mwh).ok());
    difference.map_or_else(|| "–".to_owned(), |mwh| decimal(mwh, 6, 3))
}

/// How much of what a sheet has is used.
pub(super) struct Quota {
    pub(super) contract: String,
    pub(super) remaining: String,
    pub(super) percent: u64,
    pub(super) class: &'static str,
    pub(super) label: String,
}

impl Quota {
    /// Of a sheet; without one there is nothing to use.
    pub(super) fn of(t: Texts, sheet: Option<&SheetView>) -> Self {
        let Some(sheet) = sheet else {
            let none = || "–".to_owned();
            return Self { contract: none(), remaining: none(), percent: 0, class: "ok", label: String::new() };
        };
        let terms = &sheet.terms;
        let percent = percent_used(terms.consumed_mwh, terms.remaining_mwh);
        let (class, label) = match percent {
            _ if terms.remaining_mwh < EnergyBalance::ZERO => ("over", t.get("quota-over")),
            80.. => ("warn", t.arg("quota-warn", "percent", percent.to_string())),
            _ => ("ok", t.arg("quota-ok", "percent", percent.to_string())),
        };
        Self {
            contract: decimal(i128::from(terms.contract_mwh.mwh()), 6, 1),
            remaining: decimal(i128::from(terms.remaining_mwh.mwh()), 6, 3),
            percent,
            class,
            label,
        }
    }
}

/// Energy used as a percentage of what there was for use (used + remaining), rounded down; 100 and more when nothing is
/// left.
pub(super) fn percent_used(used: Energy, remaining: EnergyBalance) -> u64 {
    let used = i128::from(used.mwh());
    let there_was = used + i128::from(remaining.mwh());
    if used == 0 {
        0
    } else if there_was <= 0 {
        100
    } else {
        u64::try_from(used * 100 / there_was).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_used_is_of_what_there_was() {
        for (used, remaining, percent) in
            [(0, 0, 0), (0, 5, 0), (90, 110, 45), (80, 20, 80), (100, 0, 100), (150, -50, 150), (5, -5, 100)]
        {
            assert_eq!(percent_used(Energy::from_kwh(used), EnergyBalance::from_mwh(remaining * 1_000_000)), percent);
        }
    }

    #[test]
    fn energy_since_a_counter_value_is_multiplied_by_the_factor() {
        assert_eq!(since(Some(1_500_000), Some(500_000), 1), "1.000");
        assert_eq!(since(Some(1_500_000), Some(500_000), 20), "20.000");
        assert_eq!(since(Some(1), Some(2), 1), "0.000");
        assert_eq!(since(None, Some(2), 1), "–");
    }
}
