//! `/peers`: the nodes side by side, as the paper compares its three (figure 28): how far each is, and whether they agree.

use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::format::{Moment, group_number};
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::view::{HashText, Words};
use api::{Agreement, Finding, FindingKind, FindingsStatus, FindingsView, PeerState, PeerView, Status};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use node::NodeHandle;

/// Findings on the page; the interface for programs gives all.
const FINDINGS_SHOWN: usize = 20;

/// Hexadecimal digits of a hash in the table: enough to compare by eye.
const HASH_DIGITS: usize = 16;

struct NodeText {
    name: String,
    note: String,
    state: String,
    /// Class of the state's pill.
    state_class: &'static str,
    height: String,
    final_height: String,
    hash: Option<HashText>,
    agreement: String,
    agreement_class: &'static str,
    heard: Option<Moment>,
    /// What went wrong and what to do; empty when all is well.
    trouble: String,
}

/// A finding as the page tells it.
struct FindingText {
    kind: String,
    place: String,
    /// The block, and which value; empty where it is not known.
    which: String,
    /// Found and right value, where both are known.
    values: Option<(String, String)>,
    noticed: Moment,
    state: String,
    state_class: &'static str,
    repaired: Option<Moment>,
    from: String,
    lost: String,
    kept_in: String,
}

/// What was found changed in this node's files.
struct FindingsText {
    sentence: String,
    /// Class of the notice; empty when something is open.
    class: &'static str,
    rows: Vec<FindingText>,
    /// Whether there are more than are shown.
    more: String,
}

#[derive(Template)]
#[template(path = "peers.html")]
struct PeersPage {
    frame: Frame,
    t: Texts,
    verdict: String,
    /// Class of the verdict's notice; empty with nothing to compare.
    verdict_class: &'static str,
    height: String,
    final_height: String,
    connected: String,
    connected_note: String,
    forks_seen: String,
    reorganisations: String,
    nodes: Vec<NodeText>,
    is_alone: bool,
    ledger: String,
    findings: FindingsText,
}

/// `GET /peers`.
pub(crate) async fn peers(State(state): State<AppState>, reader: Reader) -> Answer {
    let shown = if reader.caller.sight(false).keeps_up() { FINDINGS_SHOWN } else { 0 };
    let question = move |node: &NodeHandle, _: &Status| Ok((node.peers()?, node.findings(shown)?));
    let (status, (peers, findings)) = ask(&state, &reader, question).await?;
    let words = words(&state, &reader, &status);
    Ok(render(&page(&words, &reader, &status, &peers, &findings), StatusCode::OK))
}

fn page(words: &Words<'_>, reader: &Reader, status: &Status, peers: &[PeerView], findings: &FindingsView) -> PeersPage {
    let t = words.t;
    let (verdict, verdict_class) = verdict(t, status, peers);
    let own = std::iter::once(own_text(t, status));
    PeersPage {
        frame: Frame::new(reader, Section::Peers, &status.name, t.get("peers-title")),
        t,
        verdict,
        verdict_class,
        height: status.height.to_string(),
        final_height: status.final_height.to_string(),
        connected: group_number(status.peers.connected),
        connected_note: t.arg("peers-of", "count", group_number(status.peers.peers)),
        forks_seen: group_number(status.peers.forks_seen),
        reorganisations: group_number(status.peers.reorganisations),
        nodes: own.chain(peers.iter().map(|peer| node_text(words, peer))).collect(),
        is_alone: peers.is_empty(),
        ledger: status.ledger.to_string(),
        findings: findings_text(words, findings),
    }
}

fn findings_text(words: &Words<'_>, view: &FindingsView) -> FindingsText {
    let t = words.t;
    let (sentence, class) = findings_sentence(t, FindingsStatus { count: view.count, open: view.open });
    let shown = u64::try_from(view.findings.len()).unwrap_or(u64::MAX);
    let more = view.count.saturating_sub(shown);
    FindingsText {
        sentence,
        class,
        rows: view.findings.iter().map(|finding| finding_text(words, finding)).collect(),
        more: if more > 0 && shown > 0 { t.arg("findings-more", "count", group_number(more)) } else { String::new() },
    }
}

fn findings_sentence(t: Texts, FindingsStatus { count, open }: FindingsStatus) -> (String, &'static str) {
    let values = [("count", &*group_number(count)), ("open", &*group_number(open))];
    match (count, open) {
        (0, _) => (t.get("findings-none"), "calm"),
        (_, 0) => (t.with("findings-closed", &values), "calm"),
        _ => (t.with("findings-open", &values), "bad"),
    }
}

/// What was stored where something was changed, in a word.
const fn kind_name(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Block => "block",
        FindingKind::Checkpoint => "checkpoint",
        FindingKind::Waiting => "waiting",
        FindingKind::Evidence => "evidence",
        FindingKind::Attachment => "attachment",
        FindingKind::Row => "row",
    }
}

/// Where a right value came from: another node's address, or this one's own blocks.
fn from(t: Texts, from: &str) -> String {
    let is_peer = from.starts_with("http://") || from.starts_with("https://");
    if is_peer { t.arg("finding-from", "from", from) } else { t.get("finding-from-itself") }
}

fn finding_text(words: &Words<'_>, finding: &Finding) -> FindingText {
    let t = words.t;
    let kind = kind_name(finding.kind);
    let (state, state_class) = match (&finding.repaired, &finding.kept_in) {
        (Some(_), _) => ("finding-repaired", "final"),
        (None, Some(_)) => ("finding-set-aside", "warn"),
        (None, None) => ("finding-noticed", "bad"),
    };
    let block = finding.height.map(|height| t.arg("finding-height", "height", height.to_string()));
    let which: Vec<String> = block.into_iter().chain(finding.field.clone()).collect();
    FindingText {
        kind: t.get(&format!("finding-{kind}")),
        place: finding.place.clone(),
        which: which.join(", "),
        values: finding.found.clone().zip(finding.expected.clone()),
        noticed: words.face.moment(finding.noticed_ms),
        state: t.get(state),
        state_class,
        repaired: finding.repaired.as_ref().map(|repaired| words.face.moment(repaired.time_ms)),
        from: finding.repaired.as_ref().map(|repaired| from(t, &repaired.from)).unwrap_or_default(),
        lost: if finding.lost.is_some() { t.get(&format!("finding-lost-{kind}")) } else { String::new() },
        kept_in: finding.kept_in.clone().unwrap_or_default(),
    }
}

/// Whether the nodes that answer agree, in one sentence.
fn verdict(t: Texts, status: &Status, peers: &[PeerView]) -> (String, &'static str) {
    let answering = || peers.iter().filter(|peer| peer.state == PeerState::Connected);
    let count = answering().count();
    let agreeing = answering().filter(|peer| peer.agreement == Some(Agreement::Agrees)).count();
    let values = [("count", &*(count + 1).to_string()), ("height", &*status.height.to_string())];
    if peers.is_empty() {
        (String::new(), "")
    } else if count == 0 {
        (t.get("peers-nobody"), "")
    } else if answering().any(|peer| peer.agreement == Some(Agreement::Differs)) {
        (t.with("peers-differ", &values), "bad")
    } else if agreeing == count {
        (t.with("peers-agree", &values), "calm")
    } else {
        (t.with("peers-catching-up", &values), "")
    }
}

fn own_text(t: Texts, status: &Status) -> NodeText {
    NodeText {
        name: t.get("peers-this-node"),
        note: String::new(),
        state: t.get("peer-runs"),
        state_class: "final",
        height: status.height.to_string(),
        final_height: status.final_height.to_string(),
        hash: Some(HashText::short(&status.hash.to_string(), HASH_DIGITS)),
        agreement: dash(),
        agreement_class: "",
        heard: None,
        trouble: String::new(),
    }
}

fn node_text(words: &Words<'_>, peer: &PeerView) -> NodeText {
    let t = words.t;
    let (state, state_class) = match peer.state {
        PeerState::New => ("peer-new", ""),
        PeerState::Connected => ("peer-connected", "final"),
        PeerState::Unreachable => ("peer-unreachable", "warn"),
        PeerState::Foreign => ("peer-foreign", "bad"),
        PeerState::Itself => ("peer-itself", "warn"),
        PeerState::OtherHistory => ("peer-other-history", "bad"),
        PeerState::NewerProgram => ("peer-newer-program", "warn"),
        PeerState::Banned => ("peer-banned", "bad"),
    };
    let (agreement, agreement_class) = match peer.agreement {
        None => (dash(), ""),
        Some(Agreement::Agrees) => (t.get("peer-agrees"), "final"),
        Some(Agreement::Ahead) => (t.get("peer-ahead"), ""),
        Some(Agreement::Differs) => (t.get("peer-differs"), "bad"),
    };
    let number = |height: Option<units::Height>| height.map_or_else(dash, |height| height.to_string());
    NodeText {
        name: peer.address.clone(),
        note: match &peer.account {
            None => t.get("peer-unnamed"),
            Some(account) if peer.is_registered => words.name(account),
            Some(account) => t.arg("peer-unregistered", "account", account.short()),
        },
        state: t.get(state),
        state_class,
        height: number(peer.height),
        final_height: number(peer.final_height),
        hash: peer.hash.map(|hash| HashText::short(&hash.to_string(), HASH_DIGITS)),
        agreement,
        agreement_class,
        heard: peer.heard_ms.map(|time| words.face.moment(time)),
        trouble: trouble(words, peer),
    }
}

/// What is wrong with a peer that does not take part, and what to do.
fn trouble(words: &Words<'_>, peer: &PeerView) -> String {
    let t = words.t;
    let reason = peer.failure.clone().unwrap_or_default();
    match peer.state {
        PeerState::New | PeerState::Connected => String::new(),
        PeerState::Unreachable => t.arg("peer-unreachable-next", "reason", reason),
        PeerState::Foreign => t.arg("peer-foreign-next", "reason", reason),
        PeerState::Itself => t.get("peer-itself-next"),
        PeerState::OtherHistory => t.get("peer-other-history-next"),
        PeerState::NewerProgram => t.get("peer-newer-program-next"),
        PeerState::Banned => {
            let until = peer.banned_until_ms.map_or_else(dash, |time| words.when(time));
            t.with("peer-banned-next", &[("reason", &reason), ("time", &until)])
        }
    }
}

fn dash() -> String {
    "–".to_owned()
}
