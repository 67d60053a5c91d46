//! Other nodes: what [`consensus::sync::Sync`] wants is put to the outside or done here, and it is told what became of it.
//!
//! A block or a statement from a peer takes the path of every other; that a peer sent it shortens nothing.

use super::chain::ChainError;
use super::switch::Misfit;
use super::{Node, Output, Refusal, Submission};
use consensus::peer::{Answer, AskId, PeerId};
use consensus::sync::{self, Blame, Own, Refused, Sync};
use ledger::{Block, Header, StatementError};
use std::collections::{BTreeSet, VecDeque};
use units::{BlockHash, Height, StatementId, Timestamp};

/// The peers and what keeps up with them.
#[derive(Debug)]
pub(super) struct Peers {
    sync: Sync,
    connected: BTreeSet<PeerId>,
    /// What the machine that keeps up is still to be told.
    news: VecDeque<sync::Input>,
    /// What this node's log key signed last, until that machine is told.
    signed: Option<String>,
    /// Questions before the first of this machine, so that an answer to one of those is not taken for another's.
    asked_before: u64,
    asked: u64,
}

impl Peers {
    pub(super) fn new(sync: Sync) -> Self {
        Self { sync, connected: BTreeSet::new(), news: VecDeque::new(), signed: None, asked_before: 0, asked: 0 }
    }
    pub(super) const fn sync(&self) -> &Sync {
        &self.sync
    }
    /// The chain grew by a block of this node's own.
    pub(super) fn extended(&mut self, header: Header) {
        self.news.push_back(sync::Input::Extended { header, anchor: None });
    }
    /// This node's log key signed.
    pub(super) fn anchored(&mut self, note: String) {
        self.signed = Some(note);
    }
    /// The store holds a checkpoint for a block that the chain lacks.
    pub(super) fn seek(&mut self, note: &str) {
        self.sync.seek(note);
    }
    /// Attachments are missing.
    pub(super) fn want(&mut self, statements: Vec<StatementId>) {
        if !statements.is_empty() {
            self.news.push_back(sync::Input::Wanted { statements });
        }
    }
}

impl Node {
    pub(super) fn connect(&mut self, now: Timestamp, peer: PeerId, outputs: &mut Vec<Output>) {
        self.peers.connected.insert(peer);
        self.follow(now, sync::Input::Connected { peer }, outputs);
    }

    pub(super) fn disconnect(&mut self, now: Timestamp, peer: PeerId, outputs: &mut Vec<Output>) {
        self.peers.connected.remove(&peer);
        self.follow(now, sync::Input::Disconnected { peer }, outputs);
    }

    pub(super) fn answered(
        &mut self,
        now: Timestamp,
        (peer, AskId(number)): (PeerId, AskId),
        answer: Answer,
        outputs: &mut Vec<Output>,
    ) {
        let Some(number) = number.checked_sub(self.peers.asked_before) else { return };
        let answer = match answer {
            Answer::Pool(ids) => Answer::Pool(self.unknown(ids)),
            other => other,
        };
        self.follow(now, sync::Input::Answered { peer, id: AskId(number), answer }, outputs);
    }

    /// Those that this node does not have.
    pub(super) fn unknown(&self, mut ids: Vec<StatementId>) -> Vec<StatementId> {
        ids.retain(|id| self.statement_state(id).is_none());
        ids
    }

    /// Tells what is new. A block and the signature upon it are told at once, lest a switch be wanted that undoes it.
    pub(super) fn tell_news(&mut self, now: Timestamp, outputs: &mut Vec<Output>) {
        while let Some(mut news) = self.peers.news.pop_front() {
            if let sync::Input::Extended { anchor, .. } = &mut news {
                *anchor = self.peers.signed.take();
            }
            self.follow(now, news, outputs);
        }
        if let Some(note) = self.peers.signed.take() {
            self.follow(now, sync::Input::Anchored { note }, outputs);
        }
    }

    pub(super) fn follow(&mut self, now: Timestamp, input: sync::Input, outputs: &mut Vec<Output>) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for wanted in self.peers.sync.step(now, input) {
                inputs.extend(self.carry_out(now, wanted, outputs));
            }
        }
    }

    /// Does what is wanted; gives what is to be said of it.
    fn carry_out(&mut self, now: Timestamp, wanted: sync::Output, outputs: &mut Vec<Output>) -> Option<sync::Input> {
        match wanted {
            sync::Output::Ask { peer, id: AskId(number), ask } => {
                let id = AskId(self.peers.asked_before.saturating_add(number));
                self.peers.asked = self.peers.asked.max(id.0);
                outputs.push(Output::Ask { peer, id, ask });
            }
            sync::Output::Switch { fork, blocks } => {
                let result = self.switch(now, fork, &blocks, outputs);
                let result = result.map_err(|misfit| refused(&misfit, &blocks));
                return Some(sync::Input::Switched { result, anchor: self.peers.signed.take() });
            }
            sync::Output::Anchor { note } => self.take_anchor(note, outputs),
            sync::Output::Attachment { peer, statement, bytes } => {
                if let Err(error) = self.take_attachment(statement, bytes, outputs) {
                    self.peers.want(vec![statement]);
                    let reason = format!("it sent another attachment than that of statement {statement}: {error}");
                    return Some(sync::Input::Faulted { peer, reason });
                }
            }
            sync::Output::Waiting { peer, statement, bytes } => {
                let reason = self.take_waiting(now, statement, &bytes, outputs)?;
                return Some(sync::Input::Faulted { peer, reason });
            }
            sync::Output::Ban { peer, until, reason } => outputs.push(Output::Banned { peer, until, reason }),
            sync::Output::Announce { head } => outputs.push(Output::Announce { head }),
            sync::Output::Contradiction { peer, contradiction } => {
                outputs.push(Output::Contradiction { peer, contradiction });
            }
        }
        None
    }

    /// Admits a statement from a peer's pool; gives what is to be held against the peer. That the statement is refused is
    /// none of its doing, unless nobody ever signed it so.
    fn take_waiting(
        &mut self,
        now: Timestamp,
        asked: StatementId,
        bytes: &[u8],
        outputs: &mut Vec<Output>,
    ) -> Option<String> {
        let worthless = |reason: String| Some(format!("it sent a statement that is none: {reason}"));
        let submission = match Submission::read(bytes, &|signer| self.key_of(signer)) {
            Ok(submission) => submission,
            Err(error) => return worthless(error.to_string()),
        };
        if submission.statement.id() != asked {
            return worthless("another one than it was asked for".to_owned());
        }
        let signer = submission.signer();
        match self.submit(now, submission, outputs) {
            // An account with several keys may have another present one in the peer's chain.
            Err(Refusal::Statement(error @ StatementError::Key(_)))
                if self.state.account(&signer).is_some_and(|account| account.keys.len() == 1) =>
            {
                worthless(error.to_string())
            }
            Err(Refusal::Attachment(error)) => worthless(error.to_string()),
            _ => None,
        }
    }

    /// Goes on where a node left off that could store nothing more: its searches and its questions are not taken for this
    /// one's, and its peers are asked again.
    #[must_use]
    pub fn continue_from(&mut self, before: &Self, now: Timestamp) -> Vec<Output> {
        self.templates = self.templates.max(before.templates);
        self.peers.asked_before = before.peers.asked;
        self.peers.asked = before.peers.asked;
        let mut outputs = Vec::new();
        for peer in before.peers.connected.clone() {
            self.connect(now, peer, &mut outputs);
        }
        outputs
    }

    /// What keeps the node up with its peers, for pages and checks.
    #[must_use]
    pub const fn sync(&self) -> &Sync {
        self.peers.sync()
    }

    /// The chain as the machine that keeps up wants to know it.
    pub(super) fn own(&self) -> Own {
        let root = self.chain.settled_header().unwrap_or(&self.genesis_header).clone();
        let below = (0..root.height.number()).filter_map(|height| self.hash(Height::from_number(height))).collect();
        // More blocks may be beyond undoing than a checkpoint covers.
        let covers = |anchor: &&super::Anchor| anchor.checkpoint.height == root.height;
        let anchor = self.anchor.as_ref().filter(covers).map(|anchor| anchor.note.clone());
        Own { below, above: self.chain.unsettled_headers().cloned().collect(), root, anchor }
    }
}

fn refused(misfit: &Misfit, blocks: &[Vec<u8>]) -> Refused {
    let header = blocks.get(misfit.index).and_then(|bytes| Block::header_of(bytes));
    let blame = match &misfit.error {
        ChainError::Block(error) => Blame::from(error),
        ChainError::Apply(_) | ChainError::Settled { .. } => Blame::Block,
    };
    let hash = header.map_or(BlockHash::from_bytes([0; 32]), |header| header.hash());
    Refused { hash, kept: misfit.kept, blame, reason: misfit.error.to_string() }
}
