//! How the rest of the program speaks to the node's thread.

use super::peers::signed::{self, Asked, RequestRefused, Seen, SignedRequest};
use super::peers::{Listeners, identity};
use super::{Keys, Message, NodeError, Reply, Shell};
use crate::audit::{AuditError, AuditReport, audit};
use crate::core::{Input, Submission};
use crate::losses::{Comparison, LossRules};
use api::{
    AccountSummary, AccountView, BlockDetail, BlockSummary, ClaimView, Event, FindingsView, IntervalView, MeterView,
    OpenOffer, Page, PeerIdentity, PeerView, PoolView, ReadingRow, SheetView, StatementView, Status, SubmitAnswer,
};
use consensus::peer::{Answer, Ask};
use ledger::State;
use ledger::act::{ActId, Bill};
use ledger::state::Entry;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use units::{AccountId, Digest, Height, MeterId, Month, StatementId, Timestamp};

/// A final statement with what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementProof {
    /// Its id.
    pub id: StatementId,
    /// Its leaf form.
    pub leaf: Vec<u8>,
    /// Its place in the log.
    pub log_index: u64,
    /// RFC 9162 inclusion path at the log size of the newest final block.
    pub path: Vec<Digest>,
    /// The attachment of readings, unless it was erased.
    pub attachment: Option<Vec<u8>>,
}

/// An entry of a sheet with what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryDetail {
    /// The entry.
    pub entry: Entry,
    /// The block that booked it.
    pub height: Height,
    /// The statement, for an act.
    pub statement: Option<StatementProof>,
}

/// What a node's server needs to know of other nodes.
pub(super) struct Company {
    /// The name of this run.
    pub(super) instance: Arc<str>,
    /// Who listens.
    pub(super) listeners: Listeners,
    /// Signed requests that were answered.
    pub(super) seen: Arc<Mutex<Seen>>,
}

/// A running node. Clones speak to the same one; when the last is dropped the node stops. Methods block until the node's
/// thread has answered.
#[derive(Debug, Clone)]
pub struct NodeHandle {
    inner: Arc<Inner>,
}

struct Inner {
    requests: SyncSender<Message>,
    keys: Keys,
    company: Company,
    thread: Mutex<Option<JoinHandle<()>>>,
    stopped: Arc<Mutex<Option<String>>>,
    data_dir: PathBuf,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A full queue would block here, and a stopped node needs no word.
        drop(self.requests.try_send(Message::Shutdown));
    }
}

impl NodeHandle {
    pub(super) fn new(
        (requests, keys, company): (SyncSender<Message>, Keys, Company),
        thread: JoinHandle<()>,
        stopped: Arc<Mutex<Option<String>>>,
        data_dir: PathBuf,
    ) -> Self {
        let thread = Mutex::new(Some(thread));
        Self { inner: Arc::new(Inner { requests, keys, company, thread, stopped, data_dir }) }
    }

    /// Why the node has stopped; `None` while it runs.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        self.inner.stopped.lock().ok().and_then(|reason| reason.clone())
    }

    fn stop_error<E>(&self, _: E) -> NodeError {
        NodeError::Stopped(self.stopped().unwrap_or_else(|| "its thread ended".to_owned()))
    }

    fn ask<R: Send + 'static>(&self, question: impl FnOnce(&mut Shell) -> R + Send + 'static) -> Result<R, NodeError> {
        let (reply, answer) = sync_channel(1);
        let question = Box::new(move |shell: &mut Shell| drop(reply.try_send(question(shell))));
        self.inner.requests.send(Message::Ask(question)).map_err(|error| self.stop_error(error))?;
        answer.recv().map_err(|error| self.stop_error(error))
    }

    /// Submits a statement (its submission form). When this returns, it is durable. Submitting again is safe.
    ///
    /// # Errors
    /// The refusal, or that nothing can be stored at the moment.
    pub fn submit(&self, bytes: Vec<u8>) -> Result<SubmitAnswer, NodeError> {
        let mut answers = self.submit_all(std::iter::once(bytes)).into_iter();
        answers.next().unwrap_or_else(|| Err(self.stop_error(())))
    }

    /// Submits several at once, which share their way to the disk: the answers in the order of the submissions, each as
    /// that of [`NodeHandle::submit`]. Structure and signatures are looked at here, on the caller's thread.
    #[must_use]
    pub fn submit_all(&self, submissions: impl IntoIterator<Item = Vec<u8>>) -> Vec<Result<SubmitAnswer, NodeError>> {
        let read = submissions.into_iter().map(|bytes| Submission::read(&bytes, &|signer| self.key_of(signer)));
        let read: Vec<_> = read.collect();
        let (to, answers) = sync_channel(read.len());
        let mut answered: Vec<Option<Result<SubmitAnswer, NodeError>>> = Vec::with_capacity(read.len());
        for (place, submission) in read.into_iter().enumerate() {
            let sent = submission.map_err(NodeError::Refused).and_then(|submission| {
                let reply = Reply { place, to: to.clone() };
                let message = Message::Submit { submission: Box::new(submission), reply };
                self.inner.requests.send(message).map_err(|error| self.stop_error(error))
            });
            answered.push(sent.err().map(Err));
        }
        drop(to);
        for (place, answer) in answers {
            answered[place] = Some(answer);
        }
        answered.into_iter().map(|answer| answer.unwrap_or_else(|| Err(self.stop_error(())))).collect()
    }

    /// The signer's key as the node's thread saw it last.
    fn key_of(&self, account: &AccountId) -> Option<ledger::PublicKey> {
        self.inner.keys.read().ok()?.get(account).cloned()
    }

    /// Answers another node's question.
    ///
    /// # Errors
    /// When the node has stopped.
    pub fn serve(&self, question: Ask) -> Result<Answer, NodeError> {
        self.ask(move |shell| crate::serve(&shell.node, &mut shell.store, &question))
    }

    /// The nodes that this one was told of, and how it goes with them.
    ///
    /// # Errors
    /// When the node has stopped.
    pub fn peers(&self) -> Result<Vec<PeerView>, NodeError> {
        self.ask(|shell| shell.peers.views(&shell.node, shell.clock.now()))
    }

    /// What was found changed in what the node stores: the newest, at most `limit`.
    ///
    /// # Errors
    /// When the node has stopped.
    pub fn findings(&self, limit: usize) -> Result<FindingsView, NodeError> {
        self.ask(move |shell| shell.findings.newest(limit))
    }

    /// Shows who this node is, over somebody's challenge.
    ///
    /// # Errors
    /// When it has no key to show it with.
    pub fn identity(&self, challenge: identity::Challenge) -> Result<PeerIdentity, NodeError> {
        self.ask(move |shell| {
            let key = shell.config.miner.as_ref().or(shell.receipt_key.as_ref()).ok_or(NodeError::NoIdentity)?;
            identity::show(key, shell.state().ledger(), &challenge).map_err(NodeError::ReceiptKey)
        })?
    }

    /// The random name of this run of the node.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.inner.company.instance
    }

    /// Checks a request that another node signed; gives its account. The names of this node are that of its run and
    /// `certificate`, the SHA-256 of the certificate that it shows, in hexadecimal digits.
    ///
    /// # Errors
    /// Within: why the request is refused. Without: when the node has stopped.
    pub fn check_request(
        &self,
        request: SignedRequest,
        certificate: Option<&str>,
    ) -> Result<Result<AccountId, RequestRefused>, NodeError> {
        let seen = Arc::clone(&self.inner.company.seen);
        let certificate = certificate.map(|digits| format!("sha256:{digits}"));
        let to: Vec<String> = [self.instance().to_owned()].into_iter().chain(certificate).collect();
        self.ask(move |shell| {
            let SignedRequest { header, method, target, body } = &request;
            let asked = Asked { to: "", method, target, body };
            let to: Vec<&str> = to.iter().map(String::as_str).collect();
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            signed::check(header, &asked, &to, shell.state(), (shell.clock.now(), &mut seen))
        })
    }

    /// Notes that a node, by the name of its run, asks for this one's news.
    pub fn listened_to_by(&self, instance: &str) {
        self.inner.company.listeners.heard(instance);
    }

    /// The genesis document's bytes.
    ///
    /// # Errors
    /// When the node has stopped.
    pub fn genesis(&self) -> Result<Vec<u8>, NodeError> {
        self.with_state(|state| state.genesis().to_bytes())
    }

    /// Where ledger and node stand.
    ///
    /// # Errors
    /// When the node has stopped; so for all methods.
    pub fn status(&self) -> Result<Status, NodeError> {
        self.ask(|shell| shell.status())
    }

    /// Blocks, newest first; the cursor is that of the page before.
    ///
    /// # Errors
    /// When the cursor is none, or the store fails.
    pub fn blocks(&self, cursor: Option<&str>, limit: u32) -> Result<Page<BlockSummary>, NodeError> {
        let no_cursor = |_| NodeError::NotFound("page of blocks at that cursor".to_owned());
        let from = cursor.map(|cursor| cursor.parse().map(Height::from_number)).transpose().map_err(no_cursor)?;
        self.ask(move |shell| shell.blocks(from, limit))?
    }

    /// A block by height or hash.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub fn block(&self, height_or_hash: &str) -> Result<BlockDetail, NodeError> {
        let which = height_or_hash.to_owned();
        self.ask(move |shell| shell.block(&which))?
    }

    /// A statement, pending or committed.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub fn statement(&self, id: StatementId) -> Result<StatementView, NodeError> {
        self.ask(move |shell| shell.statement(&id))?
    }

    /// A final statement with its receipt (RFC 9942).
    ///
    /// # Errors
    /// When there is none, it is not final, or the node has no receipt key.
    pub fn transparent_statement(&self, id: StatementId) -> Result<Vec<u8>, NodeError> {
        self.ask(move |shell| shell.transparent_statement(&id))?
    }

    /// The attachment of a `readings` statement. Who may see it is the caller's to decide.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub fn attachment(&self, id: StatementId) -> Result<Vec<u8>, NodeError> {
        self.ask(move |shell| shell.attachment(&id))?
    }

    /// All accounts.
    ///
    /// # Errors
    /// When the node has stopped.
    pub fn accounts(&self) -> Result<Vec<AccountSummary>, NodeError> {
        self.ask(|shell| shell.accounts())
    }

    /// An account.
    ///
    /// # Errors
    /// When there is none.
    pub fn account(&self, id: AccountId) -> Result<AccountView, NodeError> {
        self.ask(move |shell| shell.account(&id))?
    }

    /// An account's sheet of a month.
    ///
    /// # Errors
    /// When there is none, or the derived rows do not fit it.
    pub fn sheet(&self, account: AccountId, month: Month) -> Result<SheetView, NodeError> {
        self.ask(move |shell| shell.sheet(&account, month))?
    }

    /// An account's bill of one closed month, as the ledger computes it: what a `bill` act must say.
    ///
    /// # Errors
    /// The rule that stands against it, for example an open month.
    pub fn bill(&self, account: AccountId, month: Month) -> Result<Bill, NodeError> {
        self.ask(move |shell| shell.bill(&account, month))?
    }

    /// An account's bill of a span, as the ledger computes it: what a `bill` act must say.
    ///
    /// # Errors
    /// The rule that stands against it, for example an open month.
    pub fn bill_of_span(&self, account: AccountId, from: Timestamp, until: Timestamp) -> Result<Bill, NodeError> {
        self.ask(move |shell| Ok(ledger::bill::of_state(shell.state(), account, from, until)?))?
    }

    /// What moved a sheet, in order, each statement with its place in the final log, path and attachment.
    ///
    /// # Errors
    /// When an entry is not final, or the derived rows do not fit the sheet.
    pub fn entries(&self, account: AccountId, month: Month) -> Result<Vec<EntryDetail>, NodeError> {
        self.ask(move |shell| shell.entries(&account, month))?
    }

    /// The bundle ([`ledger::bundle::BillBundle`]) of the accepted bill that an account has from a time on.
    ///
    /// # Errors
    /// When there is no such bill in the final ledger.
    pub fn bill_bundle(&self, account: AccountId, from: Timestamp) -> Result<Vec<u8>, NodeError> {
        self.ask(move |shell| shell.bill_bundle(&account, from))?
    }

    /// The bundle ([`ledger::bundle::ClaimBundle`]) of a claim. It holds every reading of the claimed intervals: who may see
    /// it is the caller's to decide.
    ///
    /// # Errors
    /// When there is no such claim in the final ledger.
    pub fn claim_bundle(&self, claim: ActId) -> Result<Vec<u8>, NodeError> {
        self.ask(move |shell| shell.claim_bundle(claim))?
    }

    /// The whole final ledger in one file ([`ledger::verify::LedgerExport`]).
    ///
    /// # Errors
    /// When nothing is final, or the store fails.
    pub fn ledger_export(&self) -> Result<Vec<u8>, NodeError> {
        self.ask(|shell| shell.ledger_export())?
    }

    /// Open offers, those that end first; the cursor is that of the page before.
    ///
    /// # Errors
    /// When the cursor is none.
    pub fn offers(&self, cursor: Option<&str>, limit: u32) -> Result<Page<OpenOffer>, NodeError> {
        let cursor = cursor.map(str::to_owned);
        self.ask(move |shell| shell.offers(cursor.as_deref(), limit))?
    }

    /// Claims, newest first; the cursor is that of the page before.
    ///
    /// # Errors
    /// When the cursor is none, or the store fails.
    pub fn claims(&self, cursor: Option<&str>, limit: u32) -> Result<Page<ClaimView>, NodeError> {
        let cursor = cursor.map(str::to_owned);
        self.ask(move |shell| shell.claims(cursor.as_deref(), limit))?
    }

    /// What waits for a block.
    ///
    /// # Errors
    /// When the node has stopped.
    pub fn pool(&self) -> Result<PoolView, NodeError> {
        self.ask(|shell| shell.pool())
    }

    /// All meters.
    ///
    /// # Errors
    /// When the node has stopped.
    pub fn meters(&self) -> Result<Vec<MeterView>, NodeError> {
        self.ask(|shell| shell.meters())
    }

    /// What upper meters counted against those below in a month, interval by interval.
    ///
    /// # Errors
    /// When the month lies outside the calendar, or the tables fail.
    pub fn losses(&self, rules: LossRules, month: Month) -> Result<Vec<Comparison>, NodeError> {
        self.ask(move |shell| shell.losses(&rules, month))?
    }

    /// A meter's present binding and the head of its chain.
    ///
    /// # Errors
    /// When there is none.
    pub fn meter(&self, meter: MeterId) -> Result<MeterView, NodeError> {
        self.ask(move |shell| shell.meter(&meter))?
    }

    /// Readings of a meter in a half-open span, oldest first; `next` of the page is the time to go on from. Who may see
    /// them is the caller's to decide.
    ///
    /// # Errors
    /// When there is no such meter, or the store fails.
    pub fn readings(
        &self,
        meter: MeterId,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Page<ReadingRow>, NodeError> {
        self.ask(move |shell| shell.readings(&meter, from, until, limit))?
    }

    /// What a meter's intervals that overlap a half-open span come to, oldest first, at most a month of minutes. Who may
    /// see them is the caller's to decide.
    ///
    /// # Errors
    /// When there is no such meter, or the tables fail.
    pub fn intervals(&self, meter: MeterId, from: Timestamp, until: Timestamp) -> Result<Vec<IntervalView>, NodeError> {
        self.ask(move |shell| shell.intervals(&meter, (from, until)))?
    }

    /// The newest checkpoint, a C2SP signed note.
    ///
    /// # Errors
    /// When nothing is final yet.
    pub fn checkpoint(&self) -> Result<String, NodeError> {
        self.ask(|shell| shell.checkpoint())?
    }

    /// Wants the next block by hand: as soon as the least distance allows and there is something to put in it.
    ///
    /// # Errors
    /// When this node cannot mine.
    pub fn mine_now(&self) -> Result<(), NodeError> {
        self.ask(|shell| shell.switch(Input::MineNow))?
    }

    /// Switches mining by itself.
    ///
    /// # Errors
    /// When this node cannot mine.
    pub fn set_automatic(&self, automatic: bool) -> Result<(), NodeError> {
        self.ask(move |shell| shell.switch(Input::SetAutomatic(automatic)))?
    }

    /// Events from now on. The channel is bounded: a receiver that falls behind is dropped, and subscribes again.
    ///
    /// # Errors
    /// When the node has stopped.
    pub fn subscribe(&self) -> Result<Receiver<Event>, NodeError> {
        self.ask(Shell::subscribe)
    }

    /// Runs a function on the state after the newest block, on the node's thread: keep it short.
    ///
    /// # Errors
    /// When the node has stopped.
    pub fn with_state<R: Send + 'static>(
        &self,
        function: impl FnOnce(&State) -> R + Send + 'static,
    ) -> Result<R, NodeError> {
        self.ask(move |shell| function(shell.state()))
    }

    /// Checks everything stored again, on the caller's thread, while the node runs.
    ///
    /// # Errors
    /// When the folder cannot be read at all; what is found wrong is in the report.
    pub fn audit(&self) -> Result<AuditReport, AuditError> {
        audit(&self.inner.data_dir)
    }

    /// The node's folder.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.inner.data_dir
    }

    /// Stops the node and waits until its files are closed. Other handles then answer that it has stopped.
    pub fn shutdown(&self) {
        // A node that has stopped already takes no message.
        drop(self.inner.requests.send(Message::Shutdown));
        let thread = self.inner.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            // A panic of the node's thread was reported by it.
            drop(thread.join());
        }
    }
}

impl Shell {
    fn switch(&mut self, input: Input) -> Result<(), NodeError> {
        if !self.node.is_miner() {
            return Err(NodeError::NotAMiner);
        }
        // A reason to stop shows again at the next tick, which ends the thread.
        match self.input(input) {
            Ok(()) => Ok(()),
            Err(super::Stop::Fault(reason)) => Err(NodeError::Stopped(reason)),
            Err(super::Stop::Asked) => Ok(()),
        }
    }
}
