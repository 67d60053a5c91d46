//! `/results`: what is in the blocks, newest first: who stated what to whom, what it moved, in which block, and who mined
//! it for which reward. Of this node, or of another that it was told of, with whether both have the same block.

mod filter;
mod source;

pub(crate) use filter::Wanted;

use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::failure::Failure;
use crate::web::format::{Moment, kwh};
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::view::{Party, StatementText, Words};
use api::{ActView, PeerView, StatementView, Status};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use filter::{Cursor, Filter};
use node::NodeHandle;
use source::{ASKING_MAX, Place, Source};
use std::collections::BTreeMap;
use tokio::sync::Semaphore;
use units::{AccountId, BlockHash, Energy, Timestamp};

/// Statements on a page: some screens.
const ROWS_MAX: usize = 40;
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

/// Questions to other nodes, so that many readers here are not many there.
static ASKING: Semaphore = Semaphore::const_new(ASKING_MAX);

/// A statement that was found, with its block.
struct Found {
    statement: StatementView,
    height: u64,
    time: Timestamp,
    miner: AccountId,
    reward: Energy,
    /// Whether this node has the same block; not said of its own.
    agrees: Option<bool>,
}

#[derive(Default)]
struct Gathered {
    found: Vec<Found>,
    next: Option<Cursor>,
    /// Why the other node's could not be read.
    trouble: Option<String>,
}

struct Row {
    statement: StatementText,
    time: Moment,
    height: String,
    href: Option<String>,
    traded: String,
    miner: Party,
    reward: String,
    agrees: Option<bool>,
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
    wanted: Wanted,
    rows: Vec<Row>,
    people: Vec<Choice>,
    kinds: Vec<Choice>,
    nodes: Vec<String>,
    /// The other node whose results these are.
    of_node: Option<String>,
    /// The other node whose own page has them.
    elsewhere: Option<String>,
    is_wrong: bool,
    trouble: Option<String>,
    is_filtered: bool,
    older: Option<String>,
}

/// `GET /results`.
pub(crate) async fn results(State(state): State<AppState>, reader: Reader, Query(wanted): Query<Wanted>) -> Answer {
    let fields = wanted.clone();
    let begin = move |node: &NodeHandle, _: &Status| {
        let people: Vec<AccountId> = node.accounts()?.into_iter().map(|account| account.id).collect();
        Ok((Filter::of(&fields)?, people, node.peers()?))
    };
    let (status, (filter, people, peers)) = ask(&state, &reader, begin).await?;
    let words = words(&state, &reader, &status);
    let filter = filter.with_names(&people, |account| words.name(account));
    let place = Place::of(&wanted.node, &peers);
    let gathered = gathered(&state, &place, filter.clone()).await;
    let gathered = gathered.map_err(|failure| super::error::ErrorPage::new(&reader, &status.name, &failure))?;
    let frame = Frame::new(&reader, Section::Submit, &status.name, words.t.get("results-title"));
    Ok(render(&page(&words, frame, (wanted, &filter), (&people, &peers), (place, &gathered)), StatusCode::OK))
}

/// What the place has; another node's silence is said on the page.
async fn gathered(state: &AppState, place: &Place, filter: Filter) -> Result<Gathered, Failure> {
    let (source, _asking) = match place {
        Place::Here => (Source::Here, None),
        Place::Known(address) => (Source::there(address), ASKING.acquire().await.ok()),
        Place::Elsewhere(_) | Place::Wrong => return Ok(Gathered::default()),
    };
    let is_here = matches!(source, Source::Here);
    match state.ask(move |node| gather(node, &source, &filter, ROWS_MAX)).await {
        Err(failure) if !is_here => Ok(Gathered { trouble: Some(failure.0.detail.clone()), ..Gathered::default() }),
        other => other,
    }
}

/// Statements from the cursor downwards, at most so many, and where the next page begins.
fn gather(node: &NodeHandle, source: &Source, filter: &Filter, rows_max: usize) -> Result<Gathered, Failure> {
    let head = source.head(node)?;
    let start = filter.before.unwrap_or(Cursor { height: filter.until.unwrap_or(head), index: None });
    let top = start.height.min(head);
    // The genesis block has no statements.
    let bottom = filter.from.unwrap_or(1).max(1);
    let mut gathered = Gathered::default();
    if top < bottom {
        return Ok(gathered);
    }
    let blocks = source.blocks(node, top)?;
    let own = own_hashes(node, source, top)?;
    let last = blocks.last().map_or(bottom, |block| block.height.number());
    let within = blocks.iter().filter(|block| block.statements > 0 && block.height.number() >= bottom);
    for (opened, summary) in within.enumerate() {
        let height = summary.height.number();
        if opened == source.opened_max() {
            gathered.next = Some(Cursor { height, index: None });
            return Ok(gathered);
        }
        let block = source.block(node, height)?;
        let agrees = own.as_ref().map(|own| own.get(&height) == Some(&block.hash));
        let before = start.index.filter(|_| height == start.height).unwrap_or(usize::MAX);
        for (index, statement) in block.statements.iter().enumerate().rev().filter(|(index, _)| *index < before) {
            if !filter.takes(statement) {
                continue;
            }
            let statement = statement.clone();
            let (time, miner, reward) = (block.time_ms, block.proposer, block.reward_mwh);
            gathered.found.push(Found { statement, height, time, miner, reward, agrees });
            if gathered.found.len() == rows_max {
                gathered.next = Some(Cursor { height, index: Some(index) });
                return Ok(gathered);
            }
        }
    }
    gathered.next = last.checked_sub(1).filter(|next| *next >= bottom).map(|height| Cursor { height, index: None });
    Ok(gathered)
}

/// This node's hashes of the same blocks, to compare another's with.
fn own_hashes(node: &NodeHandle, source: &Source, top: u64) -> Result<Option<BTreeMap<u64, BlockHash>>, Failure> {
    if matches!(source, Source::Here) {
        return Ok(None);
    }
    let blocks = Source::Here.blocks(node, top)?;
    Ok(Some(blocks.into_iter().map(|block| (block.height.number(), block.hash)).collect()))
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

fn page(
    words: &Words<'_>,
    frame: Frame,
    (wanted, filter): (Wanted, &Filter),
    (people, peers): (&[AccountId], &[PeerView]),
    (place, gathered): (Place, &Gathered),
) -> ResultsPage {
    let person = |account: &AccountId| Choice {
        value: account.to_string(),
        label: words.name(account),
        chosen: filter.account == Some(*account),
    };
    let kind = |name: &&str| Choice { value: (*name).to_owned(), label: words.act(name), chosen: wanted.act == **name };
    ResultsPage {
        frame,
        t: words.t,
        rows: gathered.found.iter().map(|found| row(words, found)).collect(),
        people: people.iter().map(person).collect(),
        kinds: KINDS.iter().map(kind).collect(),
        nodes: peers.iter().map(|peer| peer.address.clone()).collect(),
        is_wrong: place == Place::Wrong,
        of_node: Some(&place).and_then(|place| match place {
            Place::Known(address) => Some(address.clone()),
            _ => None,
        }),
        elsewhere: match place {
            Place::Elsewhere(address) => Some(format!("{address}/results")),
            _ => None,
        },
        trouble: gathered.trouble.clone(),
        is_filtered: [&wanted.account, &wanted.act, &wanted.text, &wanted.from, &wanted.until]
            .iter()
            .any(|field| !field.trim().is_empty()),
        older: gathered.next.map(|next| older(&wanted, next)),
        wanted,
    }
}

fn row(words: &Words<'_>, found: &Found) -> Row {
    Row {
        statement: words.statement(&found.statement),
        time: words.face.moment(found.time),
        height: found.height.to_string(),
        // A block that only the other node has is not among this one's pages.
        href: (found.agrees != Some(false)).then(|| format!("/blocks/{}#s-{}", found.height, found.statement.id)),
        traded: traded(&found.statement),
        miner: words.party(&found.miner),
        reward: if found.reward.is_zero() { String::new() } else { kwh(found.reward) },
        agrees: found.agrees,
    }
}

/// The address of the next page: the same form with another beginning.
fn older(wanted: &Wanted, next: Cursor) -> String {
    let mut address = "/results?".to_owned();
    let fields = [
        ("account", &wanted.account),
        ("act", &wanted.act),
        ("text", &wanted.text),
        ("from", &wanted.from),
        ("until", &wanted.until),
        ("node", &wanted.node),
    ];
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.trim().is_empty()) {
        address.push_str(name);
        address.push('=');
        percent(&mut address, value.trim());
        address.push('&');
    }
    format!("{address}before={next}")
}

/// Writes a value as an address's query carries it: all but unreserved characters in percent form (RFC 3986 2.3).
fn percent(address: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            address.push(char::from(byte));
        } else {
            address.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests;
