//! One load: how it is, what holds it, and when its relay may switch again.
//!
//! Invariant of the limits: a load is switched on only where one more switching is left in the hour, so that protection
//! can always switch it off again at once without the relay ever exceeding its number.

use super::journal::{Entry, Lock};
use super::{HOUR, LoadLimits, Refusal, STATE_EVERY, STATE_RETRY};
use crate::core::line::later;
use ledger::act::{Cause, LoadState};
use std::collections::{BTreeMap, VecDeque};
use units::{MeterId, Millis};

/// Where a relay is and what it can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relay {
    /// Bus and device.
    pub(super) place: (usize, usize),
    /// Whether its state can be read back.
    pub(super) reads_back: bool,
    /// Readings further apart than this say nothing of the time between.
    pub(super) fresh: Millis,
}

/// Who switches a load on again that rules held off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Restore {
    pub(super) by: Cause,
    pub(super) rule: String,
}

#[derive(Debug)]
pub(super) struct Load {
    pub(super) meter: MeterId,
    pub(super) relay: Relay,
    pub(super) limits: LoadLimits,
    /// On or off, as far as it is known, and since when that is.
    pub(super) state: Option<bool>,
    pub(super) state_at: Option<Millis>,
    /// The command that is on the line.
    pub(super) under_way: Option<Entry>,
    /// A person's order that waits for its turn.
    pub(super) waiting: Option<Entry>,
    pub(super) locks: BTreeMap<String, Lock>,
    pub(super) restore: Option<Restore>,
    /// The locks' one command to switch off went out; it is repeated only when the load is read as on.
    pub(super) off_tried: bool,
    /// Entries that a stop cut off; they end with the next reading of the state.
    pub(super) cut_off: Vec<Entry>,
    pub(super) on_from: Millis,
    pub(super) off_from: Millis,
    /// When each switching of the last hour no longer counts, earliest first.
    spent: VecDeque<Millis>,
    pub(super) read_from: Millis,
    pub(super) reading: bool,
}

impl Load {
    pub(super) const fn new(meter: MeterId, relay: Relay, limits: LoadLimits) -> Self {
        Self {
            meter,
            relay,
            limits,
            state: None,
            state_at: None,
            under_way: None,
            waiting: None,
            locks: BTreeMap::new(),
            restore: None,
            off_tried: false,
            cut_off: Vec::new(),
            on_from: Millis::ZERO,
            off_from: Millis::ZERO,
            spent: VecDeque::new(),
            read_from: Millis::ZERO,
            reading: false,
        }
    }

    /// How it is, in the ledger's words.
    pub(super) const fn known(&self) -> LoadState {
        state_of(self.state)
    }

    /// It was read, or was switched.
    pub(super) fn learn(&mut self, now: Millis, state: Option<bool>) {
        self.state = state;
        self.state_at = state.map(|_| now);
        if state == Some(true) {
            self.off_tried = false;
            if self.locks.is_empty() {
                self.restore = None;
            }
        }
        // A relay that cannot be read is looked at by its current, after a pause.
        let known = state.is_some() && self.relay.reads_back;
        self.read_from = later(now, if known { STATE_EVERY } else { STATE_RETRY });
    }

    /// A command goes out; `elapsed` ago, if that was before a restart.
    pub(super) fn count(&mut self, now: Millis, elapsed: Millis, on: bool) {
        let left = |whole: Millis| later(now, Millis::from_ms(whole.ms().saturating_sub(elapsed.ms())));
        if elapsed < HOUR {
            self.spent.push_back(left(HOUR));
        }
        if on {
            self.off_from = left(self.limits.min_on);
        } else {
            self.on_from = left(self.limits.min_off);
        }
    }

    /// Switchings counted in the last hour.
    pub(super) fn spent(&self, now: Millis) -> usize {
        self.spent.iter().filter(|end| **end > now).count()
    }

    fn forget(&mut self, now: Millis) {
        while self.spent.front().is_some_and(|end| *end <= now) {
            self.spent.pop_front();
        }
    }

    /// Until `more` switchings may be made; zero when they may now.
    pub(super) fn wait_for(&mut self, now: Millis, more: u32) -> Millis {
        self.forget(now);
        self.wait(now, more)
    }

    /// The same, for a look.
    pub(super) fn wait(&self, now: Millis, more: u32) -> Millis {
        let Some(most) = self.limits.switches_per_hour.checked_sub(more) else { return Millis::from_ms(u64::MAX) };
        let counted: Vec<Millis> = self.spent.iter().copied().filter(|end| *end > now).collect();
        // So many of them must have been forgotten.
        let over = counted.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
        over.checked_sub(1).and_then(|last| counted.get(last)).map_or(Millis::ZERO, |end| until(now, *end))
    }

    /// Whether the load's own limits let a person or a schedule switch it now.
    pub(super) fn check_limits(&mut self, now: Millis, on: bool) -> Result<(), Refusal> {
        let meter = self.meter.clone();
        let rest = until(now, if on { self.on_from } else { self.off_from });
        if rest > Millis::ZERO {
            let wait = rest;
            return Err(if on { Refusal::RestsOff { meter, wait } } else { Refusal::RestsOn { meter, wait } });
        }
        // To switch on uses two, since protection may have to switch off again.
        let wait = self.wait_for(now, if on { 2 } else { 1 });
        if wait > Millis::ZERO {
            return Err(Refusal::TooOften { meter, most: self.limits.switches_per_hour, wait });
        }
        Ok(())
    }

    /// The rule that holds it off; a latched one first, because it lasts.
    pub(super) fn locked_by(&self) -> Option<&Lock> {
        self.locks.values().find(|lock| lock.latched).or_else(|| self.locks.values().next())
    }

    /// The order that is not done yet.
    pub(super) fn busy_with(&self) -> Option<u64> {
        self.under_way.as_ref().or(self.waiting.as_ref()).map(|entry| entry.number)
    }

    /// Whether it is on, may be on, or is about to be.
    pub(super) fn may_be_on(&self) -> bool {
        let about_to = |entry: &Option<Entry>| entry.as_ref().is_some_and(|entry| entry.deed == super::Deed::On);
        self.state != Some(false) || about_to(&self.under_way) || about_to(&self.waiting)
    }
}

/// In the ledger's words.
pub(super) const fn state_of(state: Option<bool>) -> LoadState {
    match state {
        None => LoadState::Unknown,
        Some(true) => LoadState::On,
        Some(false) => LoadState::Off,
    }
}

/// How far off a point is; zero when it has passed.
pub(super) fn until(now: Millis, point: Millis) -> Millis {
    Millis::from_ms(point.ms().saturating_sub(now.ms()))
}
