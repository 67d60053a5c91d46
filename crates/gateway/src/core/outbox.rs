//! Delivery: each meter's statements to the node in the order of their chain, again and again until they are final.
//!
//! A statement's id is its idempotency key: the node answers a second delivery with the place of the first, so a lost
//! answer costs a repetition and nothing else. One request a meter is under way at a time, which keeps the order.

use super::line::later;
use super::{Chain, Output};
use std::collections::{BTreeMap, VecDeque};
use units::{BindingId, MeterId, Millis, StatementId, Timestamp};

/// Requests under way to the node, over all meters: a slow node is not buried.
pub const IN_FLIGHT_MAX: usize = 4;
/// Statements of one meter that a node has taken but not confirmed: bounds what a node must hold pending.
pub const UNCONFIRMED_MAX: usize = 32;
/// First pause after a failure; doubles up to [`BACKOFF_MAX`].
pub const BACKOFF_FIRST: Millis = Millis::from_ms(500);
/// Longest pause: a node that comes back is noticed within a minute.
pub const BACKOFF_MAX: Millis = Millis::from_seconds(60);
/// Pause between two questions whether a statement is final.
pub const ASK_FINAL_EVERY: Millis = Millis::from_ms(1_000);

/// Where in the ledger a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Height of its block.
    pub height: u64,
    /// Its leaf in the log.
    pub log_index: u64,
}

/// What the node said of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeAnswer {
    /// Taken, or taken before; not final yet.
    Pending,
    /// Final at this place.
    Final(Place),
    /// The node does not know it.
    Unknown,
    /// Refused for this reason.
    Refused(String),
    /// No answer, or none that means anything.
    Unreachable(String),
}

/// What the node said of a meter's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadAnswer {
    /// The chain's head, bound to this gateway's key.
    Head {
        /// The chain as the node has it.
        chain: Chain,
        /// Whether it is final: what is not may yet be undone.
        is_final: bool,
    },
    /// No binding of the meter to this gateway's key.
    NotBound(String),
    /// No answer, or none that means anything.
    Unreachable(String),
}

/// A statement in the outbox, without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// Its id.
    pub statement: StatementId,
    /// The binding whose chain it continues.
    pub binding: BindingId,
    /// Its number in the chain.
    pub seq: u64,
    /// End of its interval.
    pub end: Timestamp,
}

/// What is under way for a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Deliver(StatementId),
    AskFinal(StatementId),
    AskHead,
}

/// One meter's queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Queued>,
    /// How many from the front on the node has taken.
    taken: usize,
    under_way: Option<Request>,
    failures: u32,
    not_before: Millis,
    head_needed: bool,
}

/// What a head tells a meter's queue.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeadVerdict {
    /// The chain continues as it stands.
    Same,
    /// The chain must go on from the node's head; these are withdrawn.
    Take { withdrawn: Vec<StatementId> },
    /// The node knows less than it had confirmed.
    Behind,
    /// Another chain than the gateway's, which may yet be undone: the node is asked again.
    Unsettled,
}

impl Queue {
    pub(super) fn resume(&mut self, entries: Vec<Queued>, head_needed: bool) {
        *self = Self { entries: entries.into(), head_needed, ..Self::default() };
    }
    pub(super) fn push(&mut self, queued: Queued) {
        self.entries.push_back(queued);
    }
    /// The chain's head is asked for next.
    pub(super) const fn ask_head(&mut self) {
        self.head_needed = true;
    }
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
    /// End of the oldest interval that is not final.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.entries.front().map(|queued| queued.end)
    }
    pub(super) const fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// When it wants to do something; `None` when nothing is to be done, or an answer is awaited.
    pub(super) fn wake_at(&self) -> Option<Millis> {
        let idle = self.under_way.is_none() && (self.head_needed || !self.entries.is_empty());
        idle.then_some(self.not_before)
    }

    /// The next request, if one is due.
    pub(super) fn next(&mut self, now: Millis, meter: &MeterId) -> Option<Output> {
        if self.under_way.is_some() || now < self.not_before {
            return None;
        }
        let (request, output) = if self.head_needed {
            (Request::AskHead, Output::AskHead { meter: meter.clone() })
        } else if let Some(next) = self.entries.get(self.taken).filter(|_| self.taken < UNCONFIRMED_MAX) {
            let statement = next.statement;
            (Request::Deliver(statement), Output::Deliver { meter: meter.clone(), statement })
        } else {
            let statement = self.entries.front()?.statement;
            (Request::AskFinal(statement), Output::AskFinal { meter: meter.clone(), statement })
        };
        self.under_way = Some(request);
        Some(output)
    }

    /// The node answered. Gives the statements that are now known to be final, oldest first, and a refusal's reason.
    pub(super) fn answered(
        &mut self,
        now: Millis,
        statement: StatementId,
        answer: &NodeAnswer,
    ) -> (Vec<StatementId>, Option<String>) {
        let asked = match self.under_way {
            Some(Request::Deliver(asked) | Request::AskFinal(asked)) if asked == statement => self.under_way.take(),
            // An answer to a question from before a restart, or of a statement since withdrawn.
            _ => return (Vec::new(), None),
        };
        let place = self.entries.iter().position(|queued| queued.statement == statement);
        let Some(place) = place else { return (Vec::new(), None) };
        match answer {
            NodeAnswer::Pending if matches!(asked, Some(Request::Deliver(_))) => {
                self.taken = self.taken.max(place + 1);
                self.succeeded(now, Millis::ZERO);
            }
            NodeAnswer::Pending => self.succeeded(now, ASK_FINAL_EVERY),
            NodeAnswer::Final(_) => {
                self.succeeded(now, Millis::ZERO);
                // A chain is final up to its newest final statement.
                let done = self.entries.drain(..=place).map(|queued| queued.statement).collect();
                self.taken = self.taken.saturating_sub(place + 1);
                return (done, None);
            }
            NodeAnswer::Unknown => {
                // The node lost its pool, or another node answers: deliver again from here on.
                self.taken = self.taken.min(place);
                self.failed(now);
            }
            NodeAnswer::Refused(reason) => {
                self.taken = self.taken.min(place);
                self.head_needed = true;
                self.failed(now);
                return (Vec::new(), Some(reason.clone()));
            }
            NodeAnswer::Unreachable(_) => self.failed(now),
        }
        (Vec::new(), None)
    }

    /// The answer about the head is there; whether it is of use, the caller says with the calls below.
    pub(super) fn head_answered(&mut self) -> bool {
        let awaited = self.under_way == Some(Request::AskHead);
        if awaited {
            self.under_way = None;
        }
        awaited
    }

    /// Compares the node's head with the chain as the gateway has it. Another's head is taken only when it is final:
    /// on a block that is undone later, nothing could be built.
    pub(super) fn compare(&mut self, own: Option<&Chain>, node: &Chain, is_final: bool) -> HeadVerdict {
        let own = own.filter(|own| own.binding == node.binding);
        let known = self.entries.iter().position(|queued| queued.statement == node.head.previous);
        if own.is_some_and(|own| known.is_some() || own.head == node.head) {
            return self.go_on_behind(known);
        }
        if !is_final {
            return HeadVerdict::Unsettled;
        }
        let Some(own) = own else { return HeadVerdict::Take { withdrawn: self.withdraw(node) } };
        let first = self.entries.front().map_or(own.head.next_seq, |queued| queued.seq);
        match node.head.next_seq.cmp(&first) {
            std::cmp::Ordering::Less => HeadVerdict::Behind,
            // The front is what the node waits for.
            std::cmp::Ordering::Equal if !self.entries.is_empty() => self.go_on_behind(None),
            _ => HeadVerdict::Take { withdrawn: self.withdraw(node) },
        }
    }

    /// Delivers again what the node's chain does not have, taken or not: it may have lost what it had taken.
    fn go_on_behind(&mut self, newest: Option<usize>) -> HeadVerdict {
        self.taken = self.taken.min(newest.map_or(0, |newest| newest + 1));
        HeadVerdict::Same
    }

    /// Keeps what may be in the ledger already, namely an earlier binding's intervals up to the new one's start.
    fn withdraw(&mut self, node: &Chain) -> Vec<StatementId> {
        let keep = |queued: &Queued| queued.binding != node.binding && queued.end <= node.head.end;
        let withdrawn = self.entries.iter().filter(|queued| !keep(queued)).map(|queued| queued.statement).collect();
        self.entries.retain(keep);
        self.taken = self.taken.min(self.entries.len());
        withdrawn
    }

    pub(super) fn head_known(&mut self, now: Millis) {
        self.head_needed = false;
        // After a refusal the same statement is not sent again at once.
        self.not_before = self.not_before.max(now);
    }

    pub(super) fn failed(&mut self, now: Millis) {
        let doubled = BACKOFF_FIRST.ms().saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.not_before = later(now, Millis::from_ms(doubled.min(BACKOFF_MAX.ms())));
    }

    fn succeeded(&mut self, now: Millis, pause: Millis) {
        self.failures = 0;
        self.not_before = later(now, pause);
    }
}

/// All meters' queues, served in turn.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) queues: BTreeMap<MeterId, Queue>,
    /// Who was served last, so that the next is served first.
    served: Option<MeterId>,
}

impl Outbox {
    /// The requests that are due, at most as many as may be under way.
    pub(super) fn due(&mut self, now: Millis) -> Vec<Output> {
        let mut free = IN_FLIGHT_MAX.saturating_sub(self.queues.values().filter(|queue| queue.is_busy()).count());
        let mut order: Vec<MeterId> = self.queues.keys().cloned().collect();
        let first = order.partition_point(|meter| self.served.as_ref().is_some_and(|served| meter <= served));
        order.rotate_left(first);
        let mut outputs = Vec::new();
        for meter in order {
            if free == 0 {
                break;
            }
            if let Some(output) = self.queues.get_mut(&meter).and_then(|queue| queue.next(now, &meter)) {
                outputs.push(output);
                self.served = Some(meter);
                free -= 1;
            }
        }
        outputs
    }
}
