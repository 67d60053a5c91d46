//! `/chain/nodes`: the newest blocks of every node beside each other, as the paper shows its three servers (figure 28).
//! Equal hashes stand below each other; one that differs is marked.

use super::{Answer, ask, render};
use crate::web::AppState;
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::view::HashText;
use ::api::{BlockSummary, Client, PeerState, PeerView, Status};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use gateway::HttpTransport;
use node::NodeHandle;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use units::{BlockHash, Height};

/// Blocks of a row: what stands beside each other on a screen.
const BLOCKS: u32 = 8;
/// Other nodes on the page; the paper has two.
const NODES_MAX: usize = 8;
/// How long another node may take to answer: the page waits for the slowest.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How long an answer is shown to others who ask: every reader asking every node would be a crowd.
const KEPT: Duration = Duration::from_secs(2);
/// Hexadecimal digits of a hash in the table: enough to compare by eye.
const HASH_DIGITS: usize = 10;

/// A node's newest blocks, or why they are not known.
#[derive(Debug, Clone)]
struct Row {
    address: String,
    blocks: Result<BTreeMap<Height, BlockHash>, String>,
}

/// What the other nodes answered last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside(Arc<Mutex<Option<Answered>>>);

#[derive(Debug, Clone)]
struct Answered {
    at: Instant,
    rows: Arc<Vec<Row>>,
}

impl Beside {
    /// The others' newest blocks. Whoever comes while they are asked waits for the same answer.
    async fn rows(&self, peers: Vec<PeerView>) -> Arc<Vec<Row>> {
        let mut last = self.0.lock().await;
        if let Some(answered) = last.as_ref().filter(|answered| answered.at.elapsed() < KEPT) {
            return Arc::clone(&answered.rows);
        }
        let rows = tokio::task::spawn_blocking(move || ask_all(&peers)).await.unwrap_or_default();
        let rows = Arc::new(rows);
        *last = Some(Answered { at: Instant::now(), rows: Arc::clone(&rows) });
        rows
    }
}

fn ask_all(peers: &[PeerView]) -> Vec<Row> {
    std::thread::scope(|scope| {
        let asked = peers.iter().take(NODES_MAX).map(|peer| scope.spawn(|| ask_one(peer)));
        let asked: Vec<_> = asked.collect();
        asked.into_iter().filter_map(|row| row.join().ok()).collect()
    })
}

fn ask_one(peer: &PeerView) -> Row {
    let address = peer.address.clone();
    if peer.state != PeerState::Connected {
        return Row { address, blocks: Err(peer.failure.clone().unwrap_or_default()) };
    }
    let client = Client::new(HttpTransport::new(&address).within(ANSWER_WITHIN));
    let page = client.blocks(None, BLOCKS).map_err(|error| error.to_string());
    Row { address, blocks: page.map(|page| hashes(&page.items)) }
}

fn hashes(blocks: &[BlockSummary]) -> BTreeMap<Height, BlockHash> {
    blocks.iter().map(|block| (block.height, block.hash)).collect()
}

/// A block in a row.
enum Cell {
    /// As here.
    Equal(HashText),
    /// Another block at this height.
    Differs(HashText),
    /// No such block there, or none shown.
    None,
}

struct NodeRow {
    name: String,
    /// Address of its own pages; empty for this one.
    href: String,
    cells: Vec<Cell>,
    /// Why nothing is known.
    failure: Option<String>,
}

#[derive(Template)]
#[template(path = "nodes.html")]
struct NodesPage {
    frame: Frame,
    t: Texts,
    heights: Vec<String>,
    rows: Vec<NodeRow>,
    verdict: String,
    /// Class of the verdict's notice.
    verdict_class: &'static str,
    is_alone: bool,
}

/// `GET /chain/nodes`.
pub(crate) async fn nodes(State(state): State<AppState>, reader: Reader) -> Answer {
    let question = |node: &NodeHandle, _: &Status| Ok((node.blocks(None, BLOCKS)?, node.peers()?));
    let (status, (own, peers)) = ask(&state, &reader, question).await?;
    let others = state.0.beside.rows(peers).await;
    let t = reader.texts();
    let own = hashes(&own.items);
    let heights = heights(&own, &others);
    let this = Row { address: String::new(), blocks: Ok(own.clone()) };
    let rows: Vec<NodeRow> =
        std::iter::once(&this).chain(others.iter()).map(|row| node_row(t, &heights, &own, row)).collect();
    let (verdict, verdict_class) = verdict(t, &rows);
    let page = NodesPage {
        frame: Frame::new(&reader, Section::Chain, &status.name, t.get("nodes-title")),
        t,
        heights: heights.iter().map(ToString::to_string).collect(),
        rows,
        verdict,
        verdict_class,
        is_alone: others.is_empty(),
    };
    Ok(render(&page, StatusCode::OK))
}

/// The heights of the table, newest first: as many as a row has, down from the highest that anybody shows.
fn heights(own: &BTreeMap<Height, BlockHash>, others: &[Row]) -> Vec<Height> {
    let known = others.iter().filter_map(|row| row.blocks.as_ref().ok()).chain([own]);
    let Some(newest) = known.filter_map(|blocks| blocks.keys().next_back()).max() else { return Vec::new() };
    let newest = newest.number();
    (newest.saturating_sub(u64::from(BLOCKS) - 1)..=newest).rev().map(Height::from_number).collect()
}

fn node_row(t: Texts, heights: &[Height], own: &BTreeMap<Height, BlockHash>, row: &Row) -> NodeRow {
    let cell = |blocks: &BTreeMap<Height, BlockHash>, height: &Height| match blocks.get(height) {
        None => Cell::None,
        Some(hash) => {
            let text = HashText::short(&hash.to_string(), HASH_DIGITS);
            match own.get(height) {
                Some(ours) if ours != hash => Cell::Differs(text),
                _ => Cell::Equal(text),
            }
        }
    };
    let (cells, failure) = match &row.blocks {
        Ok(blocks) => (heights.iter().map(|height| cell(blocks, height)).collect(), None),
        Err(reason) => (Vec::new(), Some(t.arg("nodes-silent", "reason", reason))),
    };
    let name = if row.address.is_empty() { t.get("peers-this-node") } else { row.address.clone() };
    NodeRow { name, href: row.address.clone(), cells, failure }
}

fn verdict(t: Texts, rows: &[NodeRow]) -> (String, &'static str) {
    let differing = rows.iter().filter(|row| row.cells.iter().any(|cell| matches!(cell, Cell::Differs(_)))).count();
    let answering = rows.iter().filter(|row| row.failure.is_none()).count();
    match (answering, differing) {
        (0 | 1, _) => (String::new(), ""),
        (_, 0) => (t.arg("nodes-equal", "count", answering.to_string()), "calm"),
        (_, several) => (t.arg("nodes-differ", "count", several.to_string()), "bad"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::i18n::Lang;

    fn row(address: &str, blocks: &[(u64, u8)]) -> Row {
        let hash = |byte: u8| BlockHash::from_bytes([byte; 32]);
        let blocks = blocks.iter().map(|(height, byte)| (Height::from_number(*height), hash(*byte))).collect();
        Row { address: address.to_owned(), blocks: Ok(blocks) }
    }

    fn drawn(row: &NodeRow) -> String {
        let mark = |cell: &Cell| match cell {
            Cell::Equal(_) => '=',
            Cell::Differs(_) => '!',
            Cell::None => '.',
        };
        row.cells.iter().map(mark).collect()
    }

    #[test]
    fn equal_blocks_stand_below_each_other_and_others_are_marked() {
        let t = Texts::of(Lang::En);
        let own = row("", &[(10, 10), (9, 9), (8, 8)]);
        for (what, other, marks, class) in [
            ("the same", row("b", &[(10, 10), (9, 9), (8, 8)]), "===.....", "calm"),
            ("one behind", row("b", &[(9, 9), (8, 8), (7, 7)]), ".===....", "calm"),
            ("one ahead", row("b", &[(11, 11), (10, 10), (9, 9)]), "===.....", "calm"),
            ("another newest", row("b", &[(10, 99), (9, 9), (8, 8)]), "!==.....", "bad"),
            ("another history", row("b", &[(10, 20), (9, 19), (8, 18)]), "!!!.....", "bad"),
        ] {
            let Ok(ours) = &own.blocks else { unreachable!() };
            let others = [other];
            let heights = heights(ours, &others);
            let rows = [&own, &others[0]].map(|row| node_row(t, &heights, ours, row));
            assert_eq!((drawn(&rows[1]).as_str(), verdict(t, &rows).1), (marks, class), "{what}");
        }
        let silent = Row { address: "c".to_owned(), blocks: Err("refused".to_owned()) };
        let row = node_row(t, &[], &BTreeMap::new(), &silent);
        assert!(row.failure.is_some_and(|reason| reason.contains("refused")));
    }
}
