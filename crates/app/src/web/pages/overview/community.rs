//! `/` for whoever has not said who they are: where the ledger stands, and the meters that are open to everybody.

use super::super::{Answer, ask, render, words};
use super::cards::{self, Booked, MeterCard};
use super::operator::OperatorPart;
use crate::web::AppState;
use crate::web::access::Sight;
use crate::web::failure::Failure;
use crate::web::format::{Moment, decimal, group_number};
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::live::Live;
use crate::web::view::{Words, is_over, statement_href};
use api::{ActView, BlockDetail, StatementView, Status};
use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use node::NodeHandle;
use std::collections::BTreeMap;
use units::{MeterId, Timestamp};

/// Blocks that are searched for voltage events, and events shown.
const EVENT_BLOCKS: u32 = 48;
const EVENTS_MAX: usize = 2;

/// What the page is made of.
pub(super) struct Gathered {
    pub(super) meters: Vec<Booked>,
    closes: Option<Timestamp>,
    head: BlockDetail,
    /// The newest statements with a voltage event.
    pub(super) events: Vec<StatementView>,
}

/// What somebody may see of it.
pub(super) fn gather(node: &NodeHandle, status: &Status, sight: Sight) -> Result<Gathered, Failure> {
    let meters = cards::gather(node, status, sight, |_| true)?;
    let head = node.block(&status.height.to_string())?;
    let closes = meters.iter().find_map(|booked| booked.sheet.as_ref()).map(|sheet| sheet.closes_ms);
    Ok(Gathered { meters, closes, head, events: voltage_events(node)? })
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

/// A voltage event in words.
pub(super) struct EventNotice {
    pub(super) title: String,
    pub(super) detail: String,
    pub(super) href: String,
    /// When it began.
    pub(super) from: Timestamp,
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
    /// What the operator sees before the rest.
    operator: Option<OperatorPart>,
}

/// The page.
pub(super) async fn overview(state: AppState, reader: Reader) -> Answer {
    let caller = reader.caller.clone();
    let question = move |node: &NodeHandle, status: &Status| gather(node, status, caller.sight(status.public_readings));
    let (status, gathered) = ask(&state, &reader, question).await?;
    Ok(page(&state, &reader, &status, &gathered, None))
}

/// The page over what was gathered.
pub(super) fn page(
    state: &AppState,
    reader: &Reader,
    status: &Status,
    gathered: &Gathered,
    operator: Option<OperatorPart>,
) -> Response {
    let words = words(state, reader, status);
    let sight = reader.caller.sight(status.public_readings);
    let mut live = state.live();
    live.retain(|number, _| {
        gathered.meters.iter().any(|booked| booked.meter.meter == *number && sight.reads(&booked.meter.member))
    });
    let t = reader.texts();
    let page = OverviewPage {
        frame: Frame::new(reader, Section::Overview, &status.name, t.get("overview-title")),
        t,
        community: community(&words, status, gathered, &live),
        // The operator sees them among the alarms.
        events: if operator.is_some() { Vec::new() } else { notices(&words, gathered) },
        meters: gathered.meters.iter().map(|booked| cards::card(&words, status, booked, &live)).collect(),
        is_private: !sight.reads_all(),
        operator,
    };
    render(&page, StatusCode::OK)
}

fn community(words: &Words<'_>, status: &Status, gathered: &Gathered, live: &BTreeMap<MeterId, Live>) -> Community {
    let t = words.t;
    let power: i128 =
        gathered.meters.iter().filter_map(|booked| cards::value(booked, live, "active_power_mw")).map(i128::from).sum();
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

/// The newest voltage events in words.
pub(super) fn notices(words: &Words<'_>, gathered: &Gathered) -> Vec<EventNotice> {
    gathered.events.iter().flat_map(|statement| of_statement(words, &gathered.meters, statement)).collect()
}

fn of_statement(words: &Words<'_>, meters: &[Booked], statement: &StatementView) -> Vec<EventNotice> {
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
            notices.push(EventNotice { title, detail: t.with("voltage-span", &span), href, from: event.from_ms });
        }
    }
    notices
}
