//! Delivery of the journal's statements: to the node, again and again until they are final or refused.
//!
//! They continue no chain, so one that is refused is given up alone, and a meter's readings never wait for them.

use crate::core::line::later;
use crate::core::outbox::{ASK_FINAL_EVERY, BACKOFF_FIRST, BACKOFF_MAX, NodeAnswer, UNCONFIRMED_MAX};
use crate::core::{JournalWrite, Output};
use std::collections::VecDeque;
use units::{MeterId, Millis, StatementId};

#[derive(Debug, Default)]
pub(in crate::core) struct Controls {
    entries: VecDeque<(MeterId, StatementId)>,
    /// How many from the front on the node has taken.
    taken: usize,
    under_way: Option<StatementId>,
    failures: u32,
    not_before: Millis,
}

impl Controls {
    pub(in crate::core) fn resume(entries: Vec<(MeterId, StatementId)>) -> Self {
        Self { entries: entries.into(), ..Self::default() }
    }

    pub(in crate::core) fn push(&mut self, meter: MeterId, statement: StatementId) {
        self.entries.push_back((meter, statement));
    }

    pub(in crate::core) fn len(&self) -> usize {
        self.entries.len()
    }

    /// When it wants to do something; `None` when nothing is to be done, or an answer is awaited.
    pub(in crate::core) fn wake_at(&self) -> Option<Millis> {
        (self.under_way.is_none() && !self.entries.is_empty()).then_some(self.not_before)
    }

    /// The next request, if one is due.
    pub(in crate::core) fn next(&mut self, now: Millis) -> Option<Output> {
        if self.under_way.is_some() || now < self.not_before {
            return None;
        }
        let deliver = self.entries.get(self.taken).filter(|_| self.taken < UNCONFIRMED_MAX);
        let output = match (deliver, self.entries.front()) {
            (Some((meter, statement)), _) => {
                self.under_way = Some(*statement);
                Output::DeliverControl { meter: meter.clone(), statement: *statement }
            }
            (None, Some((meter, statement))) => {
                self.under_way = Some(*statement);
                Output::AskFinal { meter: meter.clone(), statement: *statement }
            }
            (None, None) => return None,
        };
        Some(output)
    }

    /// Whether a statement is one of these.
    pub(in crate::core) fn holds(&self, statement: &StatementId) -> bool {
        self.entries.iter().any(|(_, queued)| queued == statement)
    }

    /// The node answered. Gives what the journal is to hold of it.
    pub(in crate::core) fn answered(
        &mut self,
        now: Millis,
        statement: StatementId,
        answer: &NodeAnswer,
    ) -> Option<JournalWrite> {
        // An answer to a question from before a restart may come too; it says the same.
        if self.under_way == Some(statement) {
            self.under_way = None;
        }
        let place = self.entries.iter().position(|(_, queued)| *queued == statement)?;
        let end = match answer {
            NodeAnswer::Pending => {
                let is_new = place >= self.taken;
                self.taken = self.taken.max(place + 1);
                self.failures = 0;
                self.not_before = if is_new { now } else { later(now, ASK_FINAL_EVERY) };
                return None;
            }
            NodeAnswer::Final(place) => Ok(Some(*place)),
            NodeAnswer::Refused(reason) => Err(reason.clone()),
            NodeAnswer::Unknown => {
                // The node lost its pool: deliver again from here on.
                self.taken = self.taken.min(place);
                self.failed(now);
                return None;
            }
            NodeAnswer::Unreachable(_) => {
                self.failed(now);
                return None;
            }
        };
        self.entries.remove(place);
        self.taken -= usize::from(place < self.taken);
        self.failures = 0;
        Some(JournalWrite::Stated { statement, end })
    }

    fn failed(&mut self, now: Millis) {
        let doubled = BACKOFF_FIRST.ms().saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.not_before = later(now, Millis::from_ms(doubled.min(BACKOFF_MAX.ms())));
    }
}
