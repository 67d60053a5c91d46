//! `/chain` and `/blocks/{height}`: the blocks in a row, and every field of one.

use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::format::{Moment, group_number, kwh};
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::view::{HashText, Party, StatementText, Words, attempts};
use api::{BlockDetail, BlockSummary, Page, PoolView, Status};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use node::NodeHandle;
use serde::Deserialize;

/// Cubes on a page.
const CUBES: u32 = 12;

/// Waiting statements in words; the rest is counted.
const WAITING_MAX: usize = 20;

/// Hexadecimal digits of a hash on a cube: enough to follow the chain by eye.
const HASH_DIGITS: usize = 20;

/// Which blocks: those from a cursor on.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct From {
    cursor: Option<String>,
}

struct Cube {
    height: String,
    is_first: bool,
    is_final: bool,
    time: Moment,
    statements: String,
    nonce: String,
    hash: HashText,
    previous: HashText,
}

#[derive(Template)]
#[template(path = "chain.html")]
struct ChainPage {
    frame: Frame,
    t: Texts,
    height: String,
    final_height: String,
    pool: String,
    level: String,
    difficulty_note: String,
    mean_attempts: String,
    chain_head: String,
    at_head: bool,
    blocks: Vec<Cube>,
    older: Option<String>,
    pool_note: String,
    waiting: Vec<StatementText>,
}

/// `GET /chain`.
pub(crate) async fn chain(State(state): State<AppState>, reader: Reader, Query(from): Query<From>) -> Answer {
    let cursor = from.cursor.clone();
    let question = move |node: &NodeHandle, _: &Status| Ok((node.blocks(cursor.as_deref(), CUBES)?, node.pool()?));
    let (status, (page, pool)) = ask(&state, &reader, question).await?;
    let words = words(&state, &reader, &status);
    Ok(render(&chain_page(&words, &reader, &status, &page, &pool, from.cursor.is_none()), StatusCode::OK))
}

fn chain_page(
    words: &Words<'_>,
    reader: &Reader,
    status: &Status,
    page: &Page<BlockSummary>,
    pool: &PoolView,
    at_head: bool,
) -> ChainPage {
    let t = words.t;
    let first = page.items.first().map_or_else(String::new, |block| block.height.to_string());
    ChainPage {
        frame: Frame::new(reader, Section::Chain, &status.name, t.get("chain-title")),
        t,
        height: status.height.to_string(),
        final_height: status.final_height.to_string(),
        pool: group_number(status.pool_size),
        level: status.mining.level.to_string(),
        difficulty_note: t.arg("difficulty-note", "attempts", attempts(status.mining.difficulty)),
        mean_attempts: match status.mining.blocks {
            0 => "–".to_owned(),
            _ => group_number(status.mining.mean_attempts),
        },
        chain_head: if at_head { t.get("chain-newest") } else { t.arg("chain-from", "height", first) },
        at_head,
        blocks: page.items.iter().map(|block| cube(words, block)).collect(),
        older: page.next.as_ref().map(|cursor| format!("/chain?cursor={cursor}")),
        pool_note: t.arg("pool-count", "count", group_number(pool.size)),
        waiting: pool.entries.iter().take(WAITING_MAX).map(|entry| words.statement(&entry.statement)).collect(),
    }
}

fn cube(words: &Words<'_>, block: &BlockSummary) -> Cube {
    Cube {
        height: block.height.to_string(),
        is_first: block.height.number() == 0,
        is_final: block.is_final,
        time: words.face.moment(block.time_ms),
        statements: group_number(block.statements),
        nonce: group_number(block.nonce),
        hash: HashText::short(&block.hash.to_string(), HASH_DIGITS),
        previous: HashText::short(&block.previous.to_string(), HASH_DIGITS),
    }
}

struct Field {
    label: String,
    value: String,
    class: &'static str,
}

#[derive(Template)]
#[template(path = "block.html")]
struct BlockPage {
    frame: Frame,
    t: Texts,
    title: String,
    previous_href: Option<String>,
    next_href: Option<String>,
    is_final: bool,
    time: Moment,
    height: String,
    nonce: String,
    previous: HashText,
    hash: HashText,
    miner: Party,
    difficulty: String,
    reward: String,
    more: Vec<Field>,
    statements_head: String,
    statements: Vec<StatementText>,
}

/// `GET /blocks/{height or hash}`.
pub(crate) async fn block(State(state): State<AppState>, reader: Reader, Path(block): Path<String>) -> Answer {
    let question = move |node: &NodeHandle, _: &Status| Ok(node.block(&block)?);
    let (status, block) = ask(&state, &reader, question).await?;
    let words = words(&state, &reader, &status);
    Ok(render(&block_page(&words, &reader, &status, &block), StatusCode::OK))
}

fn block_page(words: &Words<'_>, reader: &Reader, status: &Status, block: &BlockDetail) -> BlockPage {
    let t = words.t;
    let number = block.height.number();
    let title = if number == 0 { t.get("block-genesis") } else { t.arg("block-title", "height", number.to_string()) };
    let count = group_number(u64::try_from(block.statements.len()).unwrap_or(u64::MAX));
    BlockPage {
        frame: Frame::new(reader, Section::Chain, &status.name, title.clone()),
        t,
        title,
        previous_href: number.checked_sub(1).map(|before| format!("/blocks/{before}")),
        next_href: (block.height < status.height).then(|| format!("/blocks/{}", block.height.next())),
        is_final: block.is_final,
        time: words.face.moment(block.time_ms),
        height: number.to_string(),
        nonce: group_number(block.nonce),
        previous: HashText::new(&block.previous.to_string()),
        hash: HashText::new(&block.hash.to_string()),
        miner: words.party(&block.proposer),
        difficulty: difficulty(t, block.difficulty),
        reward: reward(words, block),
        more: more_fields(t, block),
        statements_head: t.arg("block-statements-head", "count", count),
        statements: block.statements.iter().map(|statement| words.statement(statement)).collect(),
    }
}

/// Difficulty as the paper's level, 16^level expected attempts.
fn difficulty(t: Texts, difficulty: u64) -> String {
    if difficulty == 0 {
        return t.get("difficulty-free");
    }
    let level = difficulty.ilog2() / 4;
    t.with("difficulty-value", &[("level", &level.to_string()), ("attempts", &attempts(difficulty))])
}

fn reward(words: &Words<'_>, block: &BlockDetail) -> String {
    let Some(beneficiary) = block.beneficiary.filter(|_| !block.reward_mwh.is_zero()) else {
        return words.t.get("reward-none");
    };
    words.t.with("reward-to", &[("energy", &kwh(block.reward_mwh)), ("name", &words.name(&beneficiary))])
}

fn more_fields(t: Texts, block: &BlockDetail) -> Vec<Field> {
    let text = |label, value| Field { label, value, class: "" };
    let hash = |label, value| Field { label, value, class: "hash" };
    vec![
        text(t.get("field-version"), block.version.to_string()),
        text(t.get("field-log-size"), group_number(block.log_size)),
        hash(t.get("field-log-root"), block.log_root.to_string()),
        hash(t.get("field-state-root"), block.state_root.to_string()),
        text(t.get("field-extra-nonce"), block.extra_nonce.to_string()),
        text(t.get("field-size"), t.arg("field-size-value", "bytes", group_number(block.size_bytes))),
        hash(t.get("field-seal"), block.seal.clone()),
        hash(t.get("field-header"), block.header.clone()),
    ]
}
