//! `/pool`: what waits for a block, oldest first, and the search for the next block: by hand or by itself, and how fast.

use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::api::MiningOrder;
use crate::web::failure::Failure;
use crate::web::format::{Moment, group_number};
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::live::age_text;
use crate::web::view::{StatementText, attempts};
use askama::Template;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use node::NodeHandle;
use serde::Deserialize;

/// Waiting statements on the page; the rest is counted.
const WAITING_MAX: usize = 100;

/// A statement that waits, and since when.
struct Waiting {
    received: Moment,
    age: String,
    statement: StatementText,
}

#[derive(Template)]
#[template(path = "pool.html")]
struct PoolPage {
    frame: Frame,
    t: Texts,
    is_miner: bool,
    automatic: bool,
    searching: bool,
    level: u8,
    difficulty: String,
    rate: String,
    mean: String,
    found: String,
    size: String,
    bytes: String,
    waiting: Vec<Waiting>,
    /// How many more wait than are shown.
    more: String,
}

/// `GET /pool`.
pub(crate) async fn pool(State(state): State<AppState>, reader: Reader) -> Answer {
    let question = |node: &NodeHandle, _: &api::Status| Ok(node.pool()?);
    let (status, pool) = ask(&state, &reader, question).await?;
    let words = words(&state, &reader, &status);
    let t = reader.texts();
    let shown = pool.entries.iter().take(WAITING_MAX);
    let waiting: Vec<Waiting> = shown
        .map(|entry| Waiting {
            received: words.face.moment(entry.received_ms),
            age: age_text(t, status.time_ms.since(entry.received_ms)),
            statement: words.statement(&entry.statement),
        })
        .collect();
    let more = pool.size.saturating_sub(u64::try_from(waiting.len()).unwrap_or(u64::MAX));
    let mining = &status.mining;
    let page = PoolPage {
        frame: Frame::new(&reader, Section::Pool, &status.name, t.get("mining-title")),
        t,
        is_miner: mining.miner,
        automatic: mining.automatic,
        searching: mining.searching,
        level: mining.level,
        difficulty: attempts(mining.difficulty),
        rate: group_number(mining.attempts_per_second),
        mean: if mining.blocks == 0 { "–".to_owned() } else { group_number(mining.mean_attempts) },
        found: group_number(mining.blocks),
        size: group_number(pool.size),
        bytes: group_number(pool.bytes),
        waiting,
        more: if more == 0 { String::new() } else { t.arg("pool-more", "count", group_number(more)) },
    };
    Ok(render(&page, StatusCode::OK))
}

/// What was pressed.
#[derive(Debug, Deserialize)]
pub(crate) struct Ordered {
    order: MiningOrder,
}

/// `POST /pool`: mines now, or switches mining by itself.
pub(crate) async fn mine(State(state): State<AppState>, reader: Reader, Form(ordered): Form<Ordered>) -> Response {
    match state.ask(move |node| Ok::<_, Failure>(ordered.order.carry_out(node)?)).await {
        Ok(()) => Redirect::to("/pool").into_response(),
        Err(failure) => super::error_page(&reader, "Wattproof", &failure),
    }
}
