//! `/results`: what is in the blocks, newest first: who stated what to whom, what it moved, in which block, and who mined
//! it for which reward. Another node shows its own under the same address.

use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::failure::Failure;
use crate::web::format::{Moment, kwh};
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::view::{Party, StatementText, Words};
use api::{ActView, BlockDetail, StatementView, Status};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use node::NodeHandle;
use serde::Deserialize;
use units::{AccountId, Energy};

/// Statements on a page: some screens.
const ROWS_MAX: usize = 40;
/// Blocks that one page looks through; a filter that finds little goes on with the next page.
const BLOCKS_MAX: u64 = 400;
/// Acts that a reader may choose, by the names of the JSON interface.
const KINDS: [&str; 12] = [
    "readings",
    "transfer",
    "offer",
    "accept",
    "bill",
    "note",
    "claim_voltage",
    "claim_bill",
    "answer",
    "contract",
    "control",
    "register_key",
];

/// Which statements.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Wanted {
    /// Signed by or for this account.
    #[serde(default)]
    account: String,
    /// With an act of this kind.
    #[serde(default)]
    act: String,
    /// From this block on, downwards.
    before: Option<u64>,
}

struct Row {
    statement: StatementText,
    time: Moment,
    height: String,
    traded: String,
    miner: Party,
    reward: String,
}

struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "results.html")]
struct ResultsPage {
    frame: Frame,
    t: Texts,
    rows: Vec<Row>,
    people: Vec<Choice>,
    kinds: Vec<Choice>,
    is_filtered: bool,
    older: Option<String>,
}

struct Gathered {
    account: Option<AccountId>,
    found: Vec<(BlockDetail, Vec<StatementView>)>,
    next: Option<u64>,
    people: Vec<AccountId>,
}

/// `GET /results`.
pub(crate) async fn results(State(state): State<AppState>, reader: Reader, Query(wanted): Query<Wanted>) -> Answer {
    let asked = wanted.clone();
    let question = move |node: &NodeHandle, status: &Status| gather(node, status, &asked);
    let (status, gathered) = ask(&state, &reader, question).await?;
    let words = words(&state, &reader, &status);
    Ok(render(&page(&words, &reader, &status, &wanted, &gathered), StatusCode::OK))
}

fn gather(node: &NodeHandle, status: &Status, wanted: &Wanted) -> Result<Gathered, Failure> {
    let account = match wanted.account.as_str() {
        "" => None,
        text => Some(text.parse::<AccountId>().map_err(|error| Failure::malformed(&error))?),
    };
    let people = node.accounts()?.into_iter().map(|account| account.id).collect();
    let head = status.height.number();
    let (mut at, mut rows, mut found) = (Some(wanted.before.unwrap_or(head).min(head)), 0, Vec::new());
    let last = at.unwrap_or_default().saturating_sub(BLOCKS_MAX);
    while let Some(height) = at.filter(|height| rows < ROWS_MAX && *height > last) {
        let block = node.block(&height.to_string())?;
        let is_wanted = |one: &&StatementView| {
            account.is_none_or(|account| names(one, &account)) && (wanted.act.is_empty() || has(one, &wanted.act))
        };
        let statements: Vec<_> = block.statements.iter().rev().filter(is_wanted).cloned().collect();
        rows += statements.len();
        if !statements.is_empty() {
            found.push((block, statements));
        }
        at = height.checked_sub(1);
    }
    // The genesis block has no statements.
    Ok(Gathered { account, found, next: at.filter(|height| *height > 0), people })
}

/// Whether an account signed it, or is named in it as who receives.
fn names(statement: &StatementView, account: &AccountId) -> bool {
    let receives = |act: &ActView| match act {
        ActView::Transfer(transfer) => transfer.to == *account,
        ActView::Contract(contract) => contract.account == *account,
        ActView::Bill(bill) => bill.account == *account,
        ActView::RegisterKey(key) => key.account == *account,
        ActView::RegisterMeter(meter) => meter.member == *account,
        ActView::Offer(offer) => offer.to == Some(*account),
        ActView::Accept(accept) => accept.seller == Some(*account),
        _ => false,
    };
    statement.signer == *account || statement.acts.iter().any(receives)
}

/// Whether it has an act of this name.
fn has(statement: &StatementView, kind: &str) -> bool {
    let is_kind = |act: &ActView| {
        // The name is the tag that the JSON interface tells acts apart by.
        serde_json::to_value(act).is_ok_and(|value| value["act"] == kind)
    };
    statement.acts.iter().any(is_kind)
}

/// Energy that changes hands by it.
fn traded(statement: &StatementView) -> String {
    let energy = statement.acts.iter().filter_map(|act| match act {
        ActView::Transfer(transfer) => Some(transfer.energy_mwh),
        ActView::Accept(accept) => accept.terms.as_ref().map(|offer| offer.energy_mwh),
        _ => None,
    });
    match energy.reduce(|a, b| a.checked_add(b).unwrap_or(Energy::from_mwh(u64::MAX))) {
        Some(sum) => kwh(sum),
        None => String::new(),
    }
}

fn page(words: &Words<'_>, reader: &Reader, status: &Status, wanted: &Wanted, gathered: &Gathered) -> ResultsPage {
    let t = words.t;
    let rows = gathered.found.iter().flat_map(|(block, statements)| {
        let reward = if block.reward_mwh.is_zero() { String::new() } else { kwh(block.reward_mwh) };
        statements.iter().map(move |statement| Row {
            statement: words.statement(statement),
            time: words.face.moment(block.time_ms),
            height: block.height.to_string(),
            traded: traded(statement),
            miner: words.party(&block.proposer),
            reward: reward.clone(),
        })
    });
    let person = |account: &AccountId| Choice {
        value: account.to_string(),
        label: words.name(account),
        chosen: gathered.account == Some(*account),
    };
    let kind = |name: &&str| Choice { value: (*name).to_owned(), label: words.act(name), chosen: wanted.act == **name };
    let older = |before: u64| format!("/results?account={}&act={}&before={before}", wanted.account, wanted.act);
    ResultsPage {
        frame: Frame::new(reader, Section::Submit, &status.name, t.get("results-title")),
        t,
        rows: rows.collect(),
        people: gathered.people.iter().map(person).collect(),
        kinds: KINDS.iter().map(kind).collect(),
        is_filtered: !wanted.account.is_empty() || !wanted.act.is_empty(),
        older: gathered.next.map(older),
    }
}
