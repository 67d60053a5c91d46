//! Statements that wait in peers' pools, and attachments that this node lacks.
//!
//! What is known already is for the caller to leave out; what was fetched once is not fetched again for a while, so that
//! a statement that this node refuses does not come back with every peer's list.

use super::conduct::Misdeed;
use super::peer::STATEMENTS_PER_PEER_MAX;
use super::{Output, Sync, Turn};
use crate::peer::{Ask, POOL_IDS_MAX, PeerId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use units::{Millis, StatementId, Timestamp};

/// Attachments that are looked for at once; the caller wishes again for what found no room.
pub const WANTED_MAX: usize = 8_192;
/// Statements of which it is remembered that they were fetched.
const FETCHED_MAX: usize = 8_192;
/// How long a fetched statement is not fetched again.
const FETCHED_FOR: Millis = Millis::from_minutes(10);
/// The pause after all peers were asked for an attachment; doubles up to [`WANTED_REST_MAX`].
const WANTED_REST: Millis = Millis::from_seconds(5);
/// The longest pause: whoever has the attachment may be away for days.
const WANTED_REST_MAX: Millis = Millis::from_minutes(30);

/// An attachment that is looked for.
#[derive(Debug, Clone, Copy)]
struct Want {
    /// When it is asked for next; `None` while it is.
    due: Option<Timestamp>,
    /// Who was asked last: peers take turns.
    last: Option<PeerId>,
    rest: Millis,
}

/// What is fetched besides blocks.
#[derive(Debug, Default)]
pub(super) struct Gossip {
    fetching: BTreeSet<StatementId>,
    fetched: BTreeMap<StatementId, Timestamp>,
    fetched_order: VecDeque<StatementId>,
    wanted: BTreeMap<StatementId, Want>,
    due: BTreeSet<(Timestamp, StatementId)>,
}

impl Gossip {
    /// Attachments that are looked for.
    pub(super) fn wanted(&self) -> usize {
        self.wanted.len()
    }

    pub(super) fn want(&mut self, run: Timestamp, statements: Vec<StatementId>) {
        for statement in statements {
            if self.wanted.len() >= WANTED_MAX {
                return;
            }
            self.wanted.entry(statement).or_insert_with(|| {
                self.due.insert((run, statement));
                Want { due: Some(run), last: None, rest: WANTED_REST }
            });
        }
    }

    fn found(&mut self, statement: &StatementId) -> bool {
        let Some(want) = self.wanted.remove(statement) else { return false };
        if let Some(due) = want.due {
            self.due.remove(&(due, *statement));
        }
        true
    }

    /// The next peer after the one asked last has its turn; after the last one there is a pause.
    fn try_later(&mut self, run: Timestamp, statement: &StatementId, is_last: bool) {
        let Some(want) = self.wanted.get_mut(statement).filter(|want| want.due.is_none()) else { return };
        let pause = if is_last { want.rest } else { Millis::ZERO };
        if is_last {
            want.rest = Millis::from_ms(want.rest.ms().saturating_mul(2)).min(WANTED_REST_MAX);
        }
        want.due = Some(run + pause);
        self.due.insert((run + pause, *statement));
    }

    fn is_known(&self, run: Timestamp, statement: &StatementId) -> bool {
        let fetched = self.fetched.get(statement);
        self.fetching.contains(statement) || fetched.is_some_and(|at| run.since(*at) < FETCHED_FOR)
    }

    fn remember(&mut self, run: Timestamp, statement: StatementId) {
        if self.fetched.insert(statement, run).is_none() {
            self.fetched_order.push_back(statement);
        }
        while self.fetched_order.len() > FETCHED_MAX {
            let Some(oldest) = self.fetched_order.pop_front() else { return };
            self.fetched.remove(&oldest);
        }
    }
}

impl Sync {
    /// A peer says what waits in its pool; what this node has is left out already.
    pub(super) fn offered(&mut self, turn: &mut Turn<'_>, id: PeerId, ids: &[StatementId]) {
        if ids.len() > POOL_IDS_MAX {
            return self.blame(turn, id, &Misdeed::TooLong);
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        for statement in ids {
            let is_new = !self.gossip.is_known(turn.run, statement) && !peer.ids.contains(statement);
            if is_new && peer.ids.len() < POOL_IDS_MAX {
                peer.ids.push_back(*statement);
            }
        }
    }

    /// A statement came from a peer's pool.
    pub(super) fn take_waiting(&mut self, turn: &mut Turn<'_>, peer: PeerId, statement: StatementId, bytes: Vec<u8>) {
        self.gossip.remember(turn.run, statement);
        turn.outputs.push(Output::Waiting { peer, statement, bytes });
    }

    /// An attachment came.
    pub(super) fn take_attachment(
        &mut self,
        turn: &mut Turn<'_>,
        peer: PeerId,
        statement: StatementId,
        bytes: Vec<u8>,
    ) {
        if self.gossip.found(&statement) {
            turn.outputs.push(Output::Attachment { peer, statement, bytes });
        }
    }

    /// What was asked of a peer is not under way any more.
    pub(super) fn release(&mut self, run: Timestamp, id: PeerId, ask: &Ask) {
        match ask {
            Ask::Block(hash) => self.blocks.release(hash, id),
            Ask::Waiting(statement) => drop(self.gossip.fetching.remove(statement)),
            Ask::Attachment(statement) => {
                let is_last = self.next_peer(run, Some(id)).is_none();
                if is_last && let Some(want) = self.gossip.wanted.get_mut(statement) {
                    want.last = None;
                }
                self.gossip.try_later(run, statement, is_last);
            }
            Ask::Head | Ask::Headers { .. } | Ask::Pool => {}
        }
    }

    /// The peer whose turn is after another's.
    fn next_peer(&self, run: Timestamp, after: Option<PeerId>) -> Option<PeerId> {
        let mut later = self.peers.iter().filter(|(id, _)| after.is_none_or(|after| **id > after));
        later.find(|(_, peer)| peer.is_useful(run)).map(|(id, _)| *id)
    }

    /// Asks peers for attachments and for what waits, as far as each has room.
    pub(super) fn ask_statements(&mut self, turn: &mut Turn<'_>) {
        self.ask_attachments(turn);
        let ids: Vec<PeerId> = self.peers.keys().copied().collect();
        for id in ids {
            while let Some(statement) = self.next_waiting(turn.run, id) {
                self.gossip.fetching.insert(statement);
                self.ask(turn, id, Ask::Waiting(statement));
            }
        }
    }

    fn next_waiting(&mut self, run: Timestamp, id: PeerId) -> Option<StatementId> {
        let peer = self.peers.get_mut(&id).filter(|peer| peer.is_useful(run) && has_room(peer))?;
        loop {
            let statement = peer.ids.pop_front()?;
            if !self.gossip.is_known(run, &statement) {
                return Some(statement);
            }
        }
    }

    fn ask_attachments(&mut self, turn: &mut Turn<'_>) {
        let mut skipped = 0;
        while let Some((due, statement)) = self.gossip.due.iter().nth(skipped).copied() {
            // As many as all peers together are asked for at once; the others wait for their turn.
            if due > turn.run || skipped >= STATEMENTS_PER_PEER_MAX {
                return;
            }
            let Some(want) = self.gossip.wanted.get(&statement).copied() else {
                self.gossip.due.remove(&(due, statement));
                continue;
            };
            let next = self.next_peer(turn.run, want.last);
            let Some(id) = next.filter(|id| self.peers.get(id).is_some_and(has_room)) else {
                skipped += 1;
                continue;
            };
            self.gossip.due.remove(&(due, statement));
            self.gossip.wanted.insert(statement, Want { due: None, last: Some(id), ..want });
            self.ask(turn, id, Ask::Attachment(statement));
        }
    }
}

fn has_room(peer: &super::peer::Peer) -> bool {
    peer.has_asked(|ask| matches!(ask, Ask::Waiting(_) | Ask::Attachment(_))) < STATEMENTS_PER_PEER_MAX
}
