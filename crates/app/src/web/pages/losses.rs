//! `/losses`: what upper meters counted against those below, for whoever looks after the house.

use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::format::{Moment, decimal, kwh, kwh_balance};
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::view::Words;
use api::{LossIntervalView, LossView, Status};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use node::NodeHandle;
use serde::Deserialize;
use units::{MeterId, Month};

/// Intervals of an upper meter in the table, newest first: a day of quarters of an hour.
const INTERVALS_MAX: usize = 96;

/// Which month; the present one without.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct LossesQuery {
    month: Option<Month>,
}

struct IntervalText {
    time: Moment,
    supplied: String,
    used: String,
    loss: String,
    percent: String,
    /// Why it cannot be compared; empty when it can.
    missing: String,
    /// The alarm in words; empty without one.
    alarm: String,
}

struct LossText {
    name: String,
    lower: String,
    supplied: String,
    used: String,
    loss: String,
    percent: String,
    compared: String,
    alarm: Option<String>,
    /// What is wrong with the month's sums, in words.
    sums_alarm: Option<String>,
    is_empty: bool,
    intervals: Vec<IntervalText>,
}

#[derive(Template)]
#[template(path = "losses.html")]
struct LossesPage {
    frame: Frame,
    t: Texts,
    month: String,
    earlier: Option<String>,
    later: Option<String>,
    rules: String,
    meters: Vec<LossText>,
}

/// `GET /losses`.
pub(crate) async fn losses(State(state): State<AppState>, reader: Reader, Query(query): Query<LossesQuery>) -> Answer {
    let rules = state.loss_rules().clone();
    let question = move |node: &NodeHandle, status: &Status| {
        let month = query.month.or(status.month).unwrap_or(status.first_open_month);
        Ok(node::view::losses(month, &rules, &node.losses(rules.clone(), month)?, INTERVALS_MAX))
    };
    let (status, view) = ask(&state, &reader, question).await?;
    let words = words(&state, &reader, &status);
    let t = reader.texts();
    let present = status.month.unwrap_or(view.month);
    let before = view.month.index().checked_sub(1).map(|_| earlier(view.month));
    let page = LossesPage {
        frame: Frame::new(&reader, Section::Losses, &status.name, t.get("losses-title")),
        t,
        month: view.month.to_string(),
        earlier: before.map(|month| format!("/losses?month={month}")),
        later: (view.month < present).then(|| format!("/losses?month={}", view.month.plus(1))),
        rules: t.with(
            "losses-rules",
            &[
                ("wh", &decimal(i128::from(view.limit_mwh.mwh()), 3, 0)),
                ("percent", &decimal(i128::from(view.limit_percent_1e2), 2, 0)),
                ("count", &view.alarm_after.to_string()),
            ],
        ),
        meters: view.meters.iter().map(|loss| loss_text(&words, loss)).collect(),
    };
    Ok(render(&page, StatusCode::OK))
}

fn earlier(month: Month) -> Month {
    let (year, number) = if month.month() == 1 { (month.year() - 1, 12) } else { (month.year(), month.month() - 1) };
    Month::new(year, number).unwrap_or(month)
}

/// A month's sums of upper meters for the operator's own page: whose, the figures, and what is wrong with them.
pub(super) fn sums_text(t: Texts, loss: &LossView) -> (String, String, Option<String>) {
    let values = [
        ("supplied", &*kwh(loss.supplied_mwh)),
        ("used", &*kwh(loss.used_mwh)),
        ("loss", &*kwh_balance(loss.loss_mwh)),
        ("percent", &*percent(node::losses::percent_1e2(loss.supplied_mwh, loss.used_mwh))),
    ];
    let alarm = loss.alarm.as_deref().map(|alarm| alarm_text(t, alarm));
    (t.arg("losses-of", "meters", names(&loss.upper)), t.with("losses-sums", &values), alarm)
}

fn loss_text(words: &Words<'_>, loss: &LossView) -> LossText {
    let t = words.t;
    let newest_alarm = loss.intervals.iter().find_map(|interval| interval.alarm.as_deref());
    let counts = [("count", &*loss.comparable.to_string()), ("others", &*loss.not_comparable.to_string())];
    LossText {
        name: t.arg("losses-of", "meters", names(&loss.upper)),
        lower: names(&loss.lower),
        supplied: kwh(loss.supplied_mwh),
        used: kwh(loss.used_mwh),
        loss: kwh_balance(loss.loss_mwh),
        percent: percent(node::losses::percent_1e2(loss.supplied_mwh, loss.used_mwh)),
        compared: t.with("losses-compared", &counts),
        alarm: newest_alarm.map(|alarm| alarm_text(t, alarm)),
        sums_alarm: loss.alarm.as_deref().map(|alarm| alarm_mark(t, alarm)),
        is_empty: loss.intervals.is_empty(),
        intervals: loss.intervals.iter().map(|interval| interval_text(words, interval)).collect(),
    }
}

fn interval_text(words: &Words<'_>, interval: &LossIntervalView) -> IntervalText {
    let t = words.t;
    let missing = if interval.missing.is_empty() {
        String::new()
    } else {
        t.arg("losses-missing", "meters", names(&interval.missing))
    };
    IntervalText {
        time: words.face.moment(interval.start_ms),
        supplied: interval.supplied_mwh.map_or_else(dash, kwh),
        used: interval.used_mwh.map_or_else(dash, kwh),
        loss: interval.loss_mwh.map_or_else(dash, kwh_balance),
        percent: percent(interval.loss_percent_1e2),
        missing,
        alarm: interval.alarm.as_deref().map_or_else(String::new, |alarm| alarm_mark(t, alarm)),
    }
}

fn alarm_text(t: Texts, alarm: &str) -> String {
    if alarm == "negative" { t.get("losses-alarm-negative") } else { t.get("losses-alarm") }
}

/// The same in a few words, for a row of a table.
fn alarm_mark(t: Texts, alarm: &str) -> String {
    if alarm == "negative" { t.get("losses-mark-negative") } else { t.get("losses-mark") }
}

fn percent(value: Option<i64>) -> String {
    value.map_or_else(dash, |value| format!("{} %", decimal(i128::from(value), 2, 1)))
}

fn dash() -> String {
    "–".to_owned()
}

fn names(meters: &[MeterId]) -> String {
    meters.iter().map(MeterId::as_str).collect::<Vec<_>>().join(", ")
}
