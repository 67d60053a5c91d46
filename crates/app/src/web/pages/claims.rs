//! `/claims`: what members claim, the evidence, and how it stands.

use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::format::Moment;
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::view::{Party, Words, volts};
use api::{ClaimStatus, ClaimView, OutsideView, PAGE_ITEMS_DEFAULT};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

/// Which page of the list.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ClaimsQuery {
    cursor: Option<String>,
}

/// An interval with a voltage outside the limits.
pub(super) struct IntervalText {
    pub(super) what: String,
    pub(super) href: String,
    pub(super) claim: Option<String>,
}

struct ClaimText {
    id: String,
    act: u32,
    title: String,
    time: Moment,
    member: Party,
    text: String,
    about: String,
    intervals: Vec<IntervalText>,
    is_open: bool,
    is_accepted: bool,
    status: String,
    answer: Option<(Moment, String)>,
    download: String,
}

#[derive(Template)]
#[template(path = "claims.html")]
struct ClaimsPage {
    frame: Frame,
    t: Texts,
    claims: Vec<ClaimText>,
    older: Option<String>,
}

/// `GET /claims`.
pub(crate) async fn claims(State(state): State<AppState>, reader: Reader, Query(query): Query<ClaimsQuery>) -> Answer {
    let question =
        move |node: &node::NodeHandle, _: &api::Status| Ok(node.claims(query.cursor.as_deref(), PAGE_ITEMS_DEFAULT)?);
    let (status, page) = ask(&state, &reader, question).await?;
    let words = words(&state, &reader, &status);
    let t = reader.texts();
    let page = ClaimsPage {
        frame: Frame::new(&reader, Section::Claims, &status.name, t.get("claims-title")),
        t,
        claims: page.items.iter().map(|claim| claim_text(&words, claim)).collect(),
        older: page.next.map(|cursor| format!("/claims?cursor={cursor}")),
    };
    Ok(render(&page, StatusCode::OK))
}

/// The name of a claim's state.
fn status_text(t: Texts, status: ClaimStatus) -> String {
    match status {
        ClaimStatus::Open => t.get("claim-open"),
        ClaimStatus::Accepted => t.get("claim-accepted"),
        ClaimStatus::Declined => t.get("claim-declined"),
    }
}

fn claim_text(words: &Words<'_>, claim: &ClaimView) -> ClaimText {
    let t = words.t;
    let (title, about) = match claim.bill_from_ms {
        Some(from) => (t.get("act-claim-bill"), t.arg("line-claim-bill", "time", words.when(from))),
        None => (t.get("act-claim-voltage"), String::new()),
    };
    ClaimText {
        id: claim.statement.to_string(),
        act: claim.act_index,
        title,
        time: words.face.moment(claim.time_ms),
        member: words.party(&claim.member),
        text: claim.text.clone(),
        about,
        intervals: claim.intervals.iter().map(|interval| interval_text(words, interval)).collect(),
        is_open: claim.status == ClaimStatus::Open,
        is_accepted: claim.status == ClaimStatus::Accepted,
        status: status_text(t, claim.status),
        answer: claim.answer.as_ref().map(|answer| (words.face.moment(answer.time_ms), answer.text.clone())),
        download: crate::web::bundle::claim_path(&claim.statement, claim.act_index),
    }
}

/// An interval in a sentence; the limits that it was held against are known for some months only.
pub(super) fn interval_text(words: &Words<'_>, interval: &OutsideView) -> IntervalText {
    let t = words.t;
    let range = |min: Option<units::Voltage>, max: Option<units::Voltage>| {
        min.zip(max).map(|(min, max)| (volts(min), volts(max))).unwrap_or_default()
    };
    let (found, limits) =
        (range(interval.voltage_min_mv, interval.voltage_max_mv), range(interval.limit_min_mv, interval.limit_max_mv));
    let meter = interval.meter.as_ref().map_or_else(String::new, ToString::to_string);
    let (from, until) = (words.when(interval.start_ms), words.when(interval.end_ms));
    let values = [
        ("meter", meter.as_str()),
        ("from", &from),
        ("until", &until),
        ("min", &found.0),
        ("max", &found.1),
        ("low", &limits.0),
        ("high", &limits.1),
    ];
    let what = match interval.limit_min_mv {
        Some(_) => t.with("outside-interval", &values),
        None => t.with("outside-interval-old", &values),
    };
    IntervalText {
        what,
        href: format!("/api/v1/statements/{}", interval.statement),
        claim: interval.claim.map(|claim| format!("/claims#c-{}", claim.statement)),
    }
}
