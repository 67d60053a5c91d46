//! The nodes that this one was told of: who answers, what is heard of them, and the way of questions and statements to
//! and from them over HTTP. What is right is the core's to judge; here is only what carries it.
//!
//! Blocks are heard of at both ends by listening: each node asks its peers for news and gets them when there are some. A
//! statement goes the same way, and is handed over besides to a peer that does not listen to this node, so that it is
//! enough when one of two knows the other's address.

mod http;
pub mod identity;
mod link;
pub mod signed;
mod source;
mod tls;
mod wire;

pub use source::{PeerSource, SourceError, genesis_at};
pub(crate) use source::{Several, Signs};

use crate::core::Node;
use api::{Agreement, PeerState, PeerView};
use consensus::peer::{Answer, Ask, AskId, Failed, Head, PeerId};
use consensus::sync::{self, PEERS_MAX};
use http::Http;
use ledger::{Checkpoint, PublicKey};
use link::{Job, Link, Setting};
use signed::Signer;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use units::{LedgerId, StatementId, Timestamp};

/// Nodes that are remembered to listen to this one: as many as can hold a connection.
const LISTENERS_MAX: usize = 1_024;
/// A node that has not asked for news for this long does not listen any more: it asks again within 25 seconds.
const LISTENS_FOR: Duration = Duration::from_secs(40);

/// Why a node cannot have the peers that it is told of.
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    /// The address is none.
    #[error(
        "`{0}` is not a node's address; write it as http://192.168.1.20:8080 or, for a node with a self-made certificate, as \
         https://192.168.1.20:8080#sha256=... as that node prints it at its start; without a path"
    )]
    Address(String),
    /// TLS cannot be spoken.
    #[error("TLS: {0}")]
    Tls(String),
    /// There are too many.
    #[error("{0} peers; a node has at most {PEERS_MAX}: name those that are nearest")]
    TooMany(usize),
    /// No thread.
    #[error("no thread could be started for a peer: {0}")]
    Thread(#[from] std::io::Error),
}

/// What a peer's thread tells the node's.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) peer: PeerId,
    pub(super) told: Told,
}

/// What there is to tell.
#[derive(Debug)]
pub(super) enum Told {
    /// It answers, after it had not.
    Up { instance: String, key: Option<PublicKey> },
    /// It does not answer any more, or still not.
    Down(Failed),
    /// It is this node itself.
    Itself,
    /// Where its chain ends, and what it accepted.
    News { head: Head, statements: Vec<StatementId> },
    /// What came of a question.
    Answered { id: AskId, answer: Answer },
}

/// Names of the nodes that listen to this one, by their run, and when they asked last.
#[derive(Debug, Clone, Default)]
pub(super) struct Listeners(Arc<Mutex<BTreeMap<String, Instant>>>);

impl Listeners {
    /// A node asks for news.
    pub(super) fn heard(&self, instance: &str) {
        let Ok(mut known) = self.0.lock() else { return };
        if known.len() >= LISTENERS_MAX {
            known.retain(|_, last| last.elapsed() < LISTENS_FOR);
        }
        if known.len() < LISTENERS_MAX || known.contains_key(instance) {
            known.insert(instance.to_owned(), Instant::now());
        }
    }

    fn has(&self, instance: &str) -> bool {
        let known = self.0.lock().ok();
        known.is_some_and(|known| known.get(instance).is_some_and(|last| last.elapsed() < LISTENS_FOR))
    }
}

/// What a link's threads share with the node.
pub(super) struct Surroundings {
    pub(super) ledger: LedgerId,
    pub(super) tell: Arc<dyn Fn(Report) -> bool + Send + Sync>,
    /// Signs what is asked for that the ledger keeps to its members.
    pub(super) signer: Option<Signer>,
}

/// One peer as the node's thread sees it.
struct Peer {
    address: String,
    link: Link,
    state: PeerState,
    instance: Option<String>,
    key: Option<PublicKey>,
    head: Option<Head>,
    heard: Option<Timestamp>,
    failure: Option<String>,
    asked: u64,
    answered: u64,
}

/// The peers of a node, in the order of their numbers.
pub(super) struct Peers {
    peers: Vec<Peer>,
    listeners: Listeners,
}

/// A name for this run of a node.
pub(super) fn new_instance() -> Arc<str> {
    format!("{:016x}", identity::random()).into()
}

impl Peers {
    /// Begins to listen to nodes at these addresses; one that is named twice counts once.
    ///
    /// # Errors
    /// When an address is none, or there are too many.
    pub(super) fn start(
        addresses: &[String],
        instance: &Arc<str>,
        listeners: Listeners,
        around: &Surroundings,
    ) -> Result<Self, PeersError> {
        let mut https: Vec<Http> = Vec::new();
        for address in addresses {
            let http = Http::new(address)?.signing(around.signer.clone());
            if https.iter().all(|known| known.base() != http.base()) {
                https.push(http);
            }
        }
        if https.len() > PEERS_MAX {
            return Err(PeersError::TooMany(https.len()));
        }
        let peers = (0..).zip(https).map(|(number, http)| {
            let address = http.base().to_owned();
            let setting = Setting {
                peer: PeerId(number),
                http,
                ledger: around.ledger,
                instance: Arc::clone(instance),
                tell: Arc::clone(&around.tell),
            };
            Ok(Peer::new(address, Link::start(setting)?))
        });
        Ok(Self { peers: peers.collect::<Result<_, PeersError>>()?, listeners })
    }

    fn get(&mut self, PeerId(number): PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(usize::try_from(number).ok()?)
    }

    /// Carries a question to a peer; gives the answer when none can be expected.
    pub(super) fn ask(&mut self, peer: PeerId, id: AskId, ask: Ask) -> Option<Answer> {
        let Some(peer) = self.get(peer) else {
            return Some(Answer::Failed(Failed::Unreachable("there is no such peer".to_owned())));
        };
        peer.asked = peer.asked.saturating_add(1);
        peer.link.send(Job::Ask(id, ask)).err().map(|_| Answer::Failed(Failed::Busy))
    }

    /// Hands a statement to the peers that do not listen to this node.
    pub(super) fn push(&self, statement: impl FnOnce() -> Option<Vec<u8>>) {
        let deaf = |peer: &&Peer| {
            peer.state == PeerState::Connected
                && !peer.instance.as_ref().is_some_and(|instance| self.listeners.has(instance))
        };
        let mut deaf = self.peers.iter().filter(deaf).peekable();
        if deaf.peek().is_none() {
            return;
        }
        let Some(bytes) = statement() else { return };
        for peer in deaf {
            drop(peer.link.send(Job::Push(bytes.clone())));
        }
    }

    /// Notes what was told of a peer.
    pub(super) fn note(&mut self, now: Timestamp, peer: PeerId, told: &Told) {
        if let Some(peer) = self.get(peer) {
            peer.note(now, told);
        }
    }

    /// How many there are, and how many of them answer.
    pub(super) fn counts(&self) -> (usize, usize) {
        let connected = self.peers.iter().filter(|peer| peer.state == PeerState::Connected);
        (self.peers.len(), connected.count())
    }

    /// As they are shown, in the order of their numbers.
    pub(super) fn views(&self, node: &Node, now: Timestamp) -> Vec<PeerView> {
        let followed = node.sync().peers();
        let numbered = (0..).map(PeerId).zip(&self.peers);
        let view = |(id, peer): (PeerId, &Peer)| {
            let seen = followed.iter().find(|seen| seen.peer == id);
            peer.view(node, now, seen)
        };
        numbered.map(view).collect()
    }
}

impl Peer {
    const fn new(address: String, link: Link) -> Self {
        Self {
            address,
            link,
            state: PeerState::New,
            instance: None,
            key: None,
            head: None,
            heard: None,
            failure: None,
            asked: 0,
            answered: 0,
        }
    }

    fn note(&mut self, now: Timestamp, told: &Told) {
        match told {
            Told::Up { instance, key } => {
                tracing::info!("{} answers", self.address);
                self.state = PeerState::Connected;
                self.instance = Some(instance.clone());
                self.key.clone_from(key);
            }
            Told::Down(failed) => {
                let is_foreign = matches!(failed, Failed::OtherLedger(_) | Failed::Malformed(_) | Failed::TooLong);
                let state = if is_foreign { PeerState::Foreign } else { PeerState::Unreachable };
                if state != self.state {
                    tracing::warn!("{}: {failed}", self.address);
                }
                self.state = state;
                self.failure = Some(failed.to_string());
            }
            Told::Itself => self.state = PeerState::Itself,
            Told::News { head, .. } => {
                self.heard = Some(now);
                self.head = Some(head.clone());
            }
            Told::Answered { answer: Answer::Failed(failed), .. } => self.failure = Some(failed.to_string()),
            Told::Answered { .. } => self.answered = self.answered.saturating_add(1),
        }
    }

    /// With what the machine that keeps up with peers makes of it.
    fn view(&self, node: &Node, now: Timestamp, seen: Option<&sync::PeerView>) -> PeerView {
        let account = self.key.as_ref().map(PublicKey::account);
        let is_registered = |key: &PublicKey| {
            let is_receipt_key = node.state().genesis().receipt_keys.contains(key);
            is_receipt_key || node.state().key_of(&key.account()).as_ref() == Some(key)
        };
        let agreement = |head: &Head| match node.hash(head.height) {
            Some(own) if own == head.hash => Agreement::Agrees,
            Some(_) => Agreement::Differs,
            None => Agreement::Ahead,
        };
        let log_key = &node.state().genesis().log_key;
        let anchor = self.head.as_ref().and_then(|head| head.anchor.as_deref());
        PeerView {
            address: self.address.clone(),
            state: state_of(self.state, seen),
            account,
            is_registered: self.key.as_ref().is_some_and(is_registered),
            height: self.head.as_ref().map(|head| head.height),
            hash: self.head.as_ref().map(|head| head.hash),
            final_height: anchor
                .and_then(|note| Checkpoint::open(note, log_key).ok())
                .map(|checkpoint| checkpoint.height),
            agreement: self.head.as_ref().map(agreement),
            heard_ms: self.heard,
            score: seen.map_or(0, |seen| seen.score),
            banned_until_ms: match seen.map(|seen| seen.state) {
                Some(sync::PeerState::Banned(left)) => Some(now + left),
                _ => None,
            },
            failure: seen.and_then(|seen| seen.failure.clone()).or_else(|| self.failure.clone()),
            asked: self.asked,
            answered: self.answered,
        }
    }
}

/// What is carried and what is followed, in one word: a ban goes before everything.
fn state_of(carried: PeerState, seen: Option<&sync::PeerView>) -> PeerState {
    match (carried, seen.map(|seen| seen.state)) {
        (_, Some(sync::PeerState::Banned(_))) => PeerState::Banned,
        (PeerState::Connected, Some(sync::PeerState::OtherHistory)) => PeerState::OtherHistory,
        (PeerState::Connected, Some(sync::PeerState::NewerProgram)) => PeerState::NewerProgram,
        (carried, _) => carried,
    }
}

#[cfg(test)]
mod tests;
