//! How each device fares.

use crate::MeterError;
use std::collections::BTreeMap;
use units::{Micros, Millis};

/// Counts of one device since the bus began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceStats {
    /// Polls begun.
    pub polls: u64,
    /// Polls that gave a reading.
    pub answers: u64,
    /// Polls that gave none, by [`MeterError::kind`].
    pub errors: BTreeMap<&'static str, u64>,
    /// When the last reading came, in the bus's time.
    pub last_answer: Option<Micros>,
}

impl DeviceStats {
    /// How old the last reading is; `None` without one.
    #[must_use]
    pub fn age(&self, now: Micros) -> Option<Millis> {
        self.last_answer.map(|answer| now.since(answer).whole_ms())
    }

    pub(super) fn asked(&mut self) {
        self.polls = self.polls.saturating_add(1);
    }

    pub(super) fn answered(&mut self, now: Micros) {
        self.answers = self.answers.saturating_add(1);
        self.last_answer = Some(now);
    }

    pub(super) fn failed(&mut self, error: &MeterError) {
        let count = self.errors.entry(error.kind()).or_default();
        *count = count.saturating_add(1);
    }
}
