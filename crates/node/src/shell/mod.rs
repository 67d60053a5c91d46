//! The one thread that owns the node, its store and its tables, and carries the node's outputs out.
//!
//! Several submissions that wait are taken together and share one sync: what is shown (answers, events, searches) is held
//! back until everything stored before it is durable, so the order that [`crate::core`] asks for is kept.

mod claims;
mod error;
mod handle;
mod intervals;
mod load;
pub(crate) mod mend;
pub mod peers;
mod read;
mod rows;
mod search;

pub use error::NodeError;
pub use handle::{EntryDetail, NodeHandle, StatementProof};
pub(crate) use load::{TABLES_FILE, genesis_of, replay_blocks};
pub use load::{create, read_genesis, start, start_on};

use crate::clock::Clock;
use crate::core::{Config, Input, Node, Output, ReplyId, Standing, Submission, TemplateId};
use crate::findings::Findings;
use crate::record::{LogName, Record};
use crate::scrub::Scrubbing;
use crate::store::{Store, StoreError};
use crate::tables::Change;
use api::{Event, Finding, SubmitAnswer};
use consensus::peer::{Answer, Ask};
use consensus::sync::Contradiction;
use ledger::{Block, PublicKey, SecretKey};
use mend::Mending;
use peers::{Peers, Report, Told};
use rows::Rows;
use search::Searchers;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};
use units::{AccountId, Digest, Height, StatementId};

/// How a node is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its folder.
    pub data_dir: PathBuf,
    /// The key that it proposes blocks with.
    pub miner: Option<SecretKey>,
    /// The log key.
    pub log_key: Option<SecretKey>,
    /// The key that it signs receipts with.
    pub receipt_key: Option<SecretKey>,
    /// Whether it mines by itself.
    pub automatic: bool,
    /// Addresses of the nodes that it exchanges blocks and statements with.
    pub peers: Vec<String>,
    /// Threads that search; 1 is enough up to level 5, and makes the nonce the number of attempts less one.
    pub search_threads: u64,
    /// How often what is stored is read again.
    pub scrubbing: Scrubbing,
}

/// Requests that wait for the node's thread; whoever sends more waits himself.
const REQUESTS_MAX: usize = 2_048;
/// Requests taken together before the sync that they share: a sync takes milliseconds, a statement microseconds.
const BATCH_MAX: usize = 2_048;
/// Events that wait for one subscriber; a slower one is dropped and subscribes again.
const EVENTS_MAX: usize = 256;
/// Subscribers at a time.
const SUBSCRIBERS_MAX: usize = 256;
/// What peers told while nothing could be stored; their news come again, the rest is bounded by what was asked.
const INBOX_MAX: usize = 4_096;
/// How often the node looks at the clock: well below a second of a community's time at 60 times speed.
const TICK: Duration = Duration::from_millis(10);
/// How long nothing is stored after the disk refused.
const UNAVAILABLE_REST: Duration = Duration::from_secs(2);
/// The pool's file is written anew above this size, when a quarter of it or less still waits.
const POOL_FILE_REWRITE_BYTES: u64 = 1 << 20;
/// The anchors' file is written anew above this size; only the newest matters.
const ANCHORS_FILE_REWRITE_BYTES: u64 = 1 << 18;

/// What other threads ask of the node's.
enum Message {
    Submit { submission: Box<Submission>, reply: Reply },
    Ask(Box<dyn FnOnce(&mut Shell) + Send>),
    Peer(Report),
    Mend(Box<Mending>),
    Found { template: TemplateId, extra_nonce: u64, nonce: u64, attempts: u64, elapsed: Duration },
    Shutdown,
}

/// Who waits for the answer to a submission: one of several in the same channel, told apart by their place.
struct Reply {
    place: usize,
    to: SyncSender<Answered>,
}

/// The answer to the submission at a place.
type Answered = (usize, Result<SubmitAnswer, NodeError>);

impl Reply {
    fn send(self, answer: Result<SubmitAnswer, NodeError>) {
        // The channel has room for all; whoever gave up waiting needs no answer.
        drop(self.to.try_send((self.place, answer)));
    }
}

/// Keys by account, as the node's thread saw them last: what submissions are verified with on other threads. One that
/// is out of date costs a second look and decides nothing.
type Keys = Arc<RwLock<BTreeMap<AccountId, PublicKey>>>;

/// Everything that the node's thread owns.
pub(crate) struct Shell {
    node: Node,
    store: Store,
    rows: Rows,
    clock: Arc<dyn Clock>,
    config: Config,
    receipt_key: Option<SecretKey>,
    searchers: Option<Searchers>,
    peers: Peers,
    /// What peers told that the node has not taken yet.
    inbox: VecDeque<Input>,
    standing: Standing,
    findings: Findings,
    subscribers: Vec<SyncSender<Event>>,
    keys: Keys,
    replies: BTreeMap<ReplyId, Reply>,
    next_reply: u64,
    /// What is carried out once everything stored is durable.
    deferred: Vec<Output>,
    unavailable: Option<(String, Instant)>,
    /// The block read last, for lists that walk through one.
    block: Option<(Height, Arc<Block>)>,
    search_time: Duration,
    searched: u64,
}

/// Why the thread ends.
enum Stop {
    Asked,
    Fault(String),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.to_string())
    }
}

impl Shell {
    /// Runs until it is told to stop or must; gives the reason.
    fn run(&mut self, requests: &Receiver<Message>) -> String {
        let mut ticked = Instant::now();
        loop {
            let wait = TICK.saturating_sub(ticked.elapsed());
            let done = match requests.recv_timeout(wait) {
                Ok(first) => self.take_batch(first, requests),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => Err(Stop::Asked),
            };
            let done = done.and_then(|()| {
                if ticked.elapsed() >= TICK {
                    ticked = Instant::now();
                    self.attend()?;
                    self.input(Input::Tick)?;
                }
                self.flush()
            });
            match done {
                Ok(()) => {}
                Err(Stop::Asked) => return "it was shut down".to_owned(),
                Err(Stop::Fault(reason)) => {
                    tracing::error!("the node stops: {reason}");
                    return reason;
                }
            }
        }
    }

    fn take_batch(&mut self, first: Message, requests: &Receiver<Message>) -> Result<(), Stop> {
        let rest = std::iter::from_fn(|| requests.try_recv().ok());
        for message in std::iter::once(first).chain(rest).take(BATCH_MAX) {
            match message {
                Message::Submit { submission, reply } => self.submit(submission, reply)?,
                Message::Ask(question) => {
                    // Nothing is shown that is not durable.
                    self.flush()?;
                    question(self);
                }
                Message::Peer(report) => self.hear(report)?,
                Message::Mend(mending) => self.mend(*mending)?,
                Message::Found { template, extra_nonce, nonce, attempts, elapsed } => {
                    self.search_time += elapsed;
                    self.searched = self.searched.saturating_add(attempts);
                    self.input(Input::Mined { template, extra_nonce, nonce, attempts })?;
                }
                Message::Shutdown => {
                    self.flush()?;
                    return Err(Stop::Asked);
                }
            }
        }
        Ok(())
    }

    fn submit(&mut self, submission: Box<Submission>, reply: Reply) -> Result<(), Stop> {
        if let Some(reason) = self.unavailable() {
            reply.send(Err(NodeError::Unavailable(reason)));
            return Ok(());
        }
        let id = ReplyId(self.next_reply);
        self.next_reply += 1;
        self.replies.insert(id, reply);
        self.learn_key(&submission);
        self.input(Input::Admit { submission, reply: id })
    }

    /// What a peer's thread tells. It waits while nothing can be stored, since an answer that is lost is asked for again
    /// only after minutes.
    fn hear(&mut self, Report { peer, told }: Report) -> Result<(), Stop> {
        self.peers.note(self.clock.now(), peer, &told);
        match told {
            Told::Up { .. } => self.inbox.push_back(Input::Connected { peer }),
            Told::Down(_) => self.inbox.push_back(Input::Disconnected { peer }),
            Told::Answered { id, answer } => self.inbox.push_back(Input::Answered { peer, id, answer }),
            // More comes with the next news.
            Told::News { .. } if self.inbox.len() >= INBOX_MAX => {}
            Told::News { head, statements } => {
                self.inbox.push_back(Input::Heard { peer, head });
                if !statements.is_empty() {
                    self.inbox.push_back(Input::Offered { peer, ids: statements });
                }
            }
            Told::Itself => {}
        }
        self.attend()
    }

    /// Takes what peers have told in order, and what answers itself.
    fn attend(&mut self) -> Result<(), Stop> {
        while self.unavailable().is_none()
            && let Some(input) = self.inbox.pop_front()
        {
            self.input(input)?;
        }
        Ok(())
    }

    /// Hands a statement that was just accepted to the peers that would not hear of it.
    fn hand_over(&mut self, id: &StatementId) {
        let (node, store) = (&self.node, &mut self.store);
        self.peers.push(|| match crate::serve(node, store, &Ask::Waiting(*id)) {
            Answer::Waiting(bytes) => Some(bytes),
            _ => None,
        });
    }

    /// Notes the signer's key for the threads that verify, if this submission was looked at without it.
    fn learn_key(&self, submission: &Submission) {
        let signer = submission.signer();
        let Some(key) = self.node.key_of(&signer) else { return };
        let thumbprint = Digest::from_bytes(*key.account().as_bytes());
        if submission.checked_with() != Some(thumbprint)
            && let Ok(mut keys) = self.keys.write()
        {
            keys.insert(signer, key);
        }
    }

    /// Why nothing is stored at the moment.
    fn unavailable(&self) -> Option<String> {
        let (reason, since) = self.unavailable.as_ref()?;
        (since.elapsed() < UNAVAILABLE_REST).then(|| reason.clone())
    }

    /// One step of the node; what it stores is written, what it shows is held back.
    fn input(&mut self, input: Input) -> Result<(), Stop> {
        if self.unavailable().is_some() {
            return Ok(());
        }
        for output in self.node.step(self.clock.now(), input) {
            match output {
                Output::Store(record) => match self.store.append(&record) {
                    Ok(()) => {}
                    Err(error @ StoreError::Sync { .. }) => return Err(error.into()),
                    // The rest of the outputs is lost, as in a crash.
                    Err(error) => return self.begin_again(&error),
                },
                Output::Halt(reason) => return Err(Stop::Fault(reason)),
                Output::ListMissing { above } => self.list_missing(above)?,
                Output::Unindex { above } => {
                    self.block = None;
                    self.deferred.push(Output::Unindex { above });
                }
                shown => self.deferred.push(shown),
            }
        }
        Ok(())
    }

    /// Looks through blocks for readings without their attachments.
    fn list_missing(&mut self, above: Height) -> Result<(), Stop> {
        let (through, readings) = crate::missing_attachments(&mut self.store, above);
        self.input(Input::Missing { through, readings })
    }

    /// The disk refused: what was not stored is forgotten, as a restart would.
    fn begin_again(&mut self, error: &StoreError) -> Result<(), Stop> {
        tracing::warn!("nothing can be stored: {error}");
        let reason = error.to_string();
        let answered: Vec<ReplyId> = self
            .deferred
            .iter()
            .filter_map(|output| match output {
                Output::Reply { reply, .. } => Some(*reply),
                _ => None,
            })
            .collect();
        let (kept, lost) = std::mem::take(&mut self.replies).into_iter().partition(|(id, _)| answered.contains(id));
        self.replies = kept;
        for reply in lost.into_values() {
            reply.send(Err(NodeError::Unavailable(reason.clone())));
        }
        self.flush()?;
        self.unavailable = Some((reason, Instant::now()));
        self.config.automatic = self.node.is_automatic();
        let node = load::recover(&mut self.store, &mut self.rows.tables(), self.config.clone(), self.standing);
        let mut node = node.map_err(|error| Stop::Fault(error.to_string()))?;
        let outputs = node.continue_from(&self.node, self.clock.now());
        self.node = node;
        self.deferred.extend(outputs);
        Ok(())
    }

    /// Makes everything stored durable, then shows what waited for that.
    fn flush(&mut self) -> Result<(), Stop> {
        if self.deferred.is_empty() {
            return Ok(self.store.sync()?);
        }
        self.store.sync()?;
        let mut rows = Vec::new();
        let mut shown = Vec::new();
        for output in std::mem::take(&mut self.deferred) {
            match output {
                Output::Index(committed) => rows.push(Change::Derive(committed)),
                Output::Unindex { above } => rows.push(Change::Delete { above }),
                other => shown.push(other),
            }
        }
        // Rows first: whoever hears of a block may ask for it at once, and then waits for them.
        if !rows.is_empty() {
            self.unavailable = None;
            self.rows.change(rows);
        }
        shown.into_iter().for_each(|output| self.show(output));
        self.rewrite_small_logs()?;
        Ok(())
    }

    fn show(&mut self, output: Output) {
        match output {
            Output::Reply { reply, answer } => {
                if let Some(waiting) = self.replies.remove(&reply) {
                    waiting.send(answer.map_err(NodeError::Refused));
                }
            }
            Output::Search { template, header } => {
                if let Some(searchers) = &self.searchers {
                    searchers.search(template, header);
                }
            }
            Output::Publish(event) => {
                if let Event::Accepted { id, .. } = &event {
                    self.hand_over(id);
                }
                let send = |subscriber: &SyncSender<Event>| match subscriber.try_send(event.clone()) {
                    Ok(()) => true,
                    Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
                };
                self.subscribers.retain(send);
            }
            Output::EndSearch => {
                if let Some(searchers) = &self.searchers {
                    searchers.end();
                }
            }
            Output::Warn(reason) => tracing::warn!("{reason}"),
            Output::Banned { peer, until, reason } => {
                tracing::warn!("peer {} is left alone until {} ms: {reason}", peer.0, until.ms());
            }
            Output::Contradiction { peer, contradiction } => match contradiction {
                // It may not have heard the checkpoint yet; if it never does, the peers' views say so.
                Contradiction::LeavesBelowAnchor { .. } => tracing::debug!("peer {}: {contradiction}", peer.0),
                _ => tracing::error!("peer {}: {contradiction}", peer.0),
            },
            Output::Ask { peer, id, ask } => {
                if let Some(answer) = self.peers.ask(peer, id, ask) {
                    self.inbox.push_back(Input::Answered { peer, id, answer });
                }
            }
            // Peers listen to this node's news, which tell of every block and checkpoint.
            Output::Announce { .. } => {}
            Output::Store(_)
            | Output::Index(_)
            | Output::Unindex { .. }
            | Output::ListMissing { .. }
            | Output::Halt(_) => {}
        }
    }

    /// Of the pool and the anchors only a part still matters.
    fn rewrite_small_logs(&mut self) -> Result<(), StoreError> {
        let file = self.store.log_bytes(LogName::Pool);
        let live = u64::try_from(self.node.pool_size().1).unwrap_or(u64::MAX);
        if file > POOL_FILE_REWRITE_BYTES && live < file / 4 {
            let pooled = self.node.pool().map(|pooled| Record::Pooled {
                received: pooled.received,
                leaf: pooled.statement.signed().leaf().to_vec(),
            });
            let records: Vec<Record> = pooled.collect();
            self.store.rewrite(LogName::Pool, &records)?;
        }
        if self.store.log_bytes(LogName::Anchors) > ANCHORS_FILE_REWRITE_BYTES
            && self.node.lost().is_none()
            && let Some(anchor) = self.node.anchor()
        {
            self.store.rewrite(LogName::Anchors, &[Record::Anchor(anchor.note.clone())])?;
        }
        Ok(())
    }

    /// Remembers what was found changed, and says that there is something new.
    fn find(&mut self, found: &[Finding]) {
        if self.findings.add(found) {
            self.tell_findings();
        }
    }

    fn tell_findings(&mut self) {
        self.show(Output::Publish(Event::Finding { findings: self.findings.status() }));
    }

    /// Attempts a second while searching, the search under way included.
    fn attempts_per_second(&self) -> u64 {
        let (attempts, time) = self.searchers.as_ref().and_then(Searchers::under_way).unwrap_or_default();
        let (attempts, time) = (self.searched.saturating_add(attempts), self.search_time + time);
        let rate = u128::from(attempts).saturating_mul(1_000_000_000).checked_div(time.as_nanos());
        u64::try_from(rate.unwrap_or(0)).unwrap_or(u64::MAX)
    }

    fn subscribe(&mut self) -> Receiver<Event> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(EVENTS_MAX);
        if self.subscribers.len() >= SUBSCRIBERS_MAX {
            // The oldest makes place; its receiver ends.
            self.subscribers.remove(0);
        }
        self.subscribers.push(sender);
        receiver
    }
}
