//! One meter's readings on their way into intervals: what is believed, what waits, what is due.

use super::{Chain, Rejection, Settings, Span};
use crate::core::ReadingRow;
use std::sync::Arc;
use units::{Energy, MeterId, Millis, Quantity, Reading, Timestamp};

/// Rows held while no chain head is known: some hours at one a second. Older ones are given up for a gap, which still
/// books their energy.
pub const ROWS_WAITING_MAX: usize = 16_384;
/// What a counter may move without any time passing: the coarsest display step, 10 Wh.
const COUNTER_STEP_MAX_MWH: u128 = 10_000;

/// The newest reading that was believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastReading {
    /// When.
    pub time: Timestamp,
    /// Its import counter.
    pub import: Energy,
}

/// A meter's open end.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) meter: MeterId,
    pub(super) chain: Option<Chain>,
    /// Believed, in no interval yet, in order of time.
    pub(super) rows: Vec<ReadingRow>,
    last: Option<LastReading>,
    /// A counter below the last one, seen once.
    fallen: Option<LastReading>,
    power_max_mw: Option<u64>,
}

impl Line {
    pub(super) fn new(meter: MeterId, profile: &meter::Profile) -> Self {
        let limits = profile.limits(Quantity::ActivePower);
        let power_max_mw = limits.and_then(|limits| u64::try_from(*limits.end()).ok());
        Self { meter, chain: None, rows: Vec::new(), last: None, fallen: None, power_max_mw }
    }

    /// Goes on from what the database holds.
    pub(super) fn resume(&mut self, chain: Option<Chain>, rows: Vec<ReadingRow>, last: Option<LastReading>) {
        self.chain = chain;
        self.rows = rows;
        self.last = last;
        self.fallen = None;
    }

    /// Whether a reading is believed.
    pub(super) fn judge(&mut self, now: Timestamp, reading: &Reading) -> Result<(), Rejection> {
        let found = LastReading { time: now, import: reading.energy_import().ok_or(Rejection::NoCounter)? };
        // An interval that was stated takes no more readings, even if its own last one came long before its end.
        let stated = self.chain.as_ref().filter(|chain| chain.head.next_seq > 0).map(|chain| chain.head.end);
        if let Some(end) = stated.filter(|end| now < *end) {
            return Err(Rejection::ClockBack { now, last: end });
        }
        if let Some(last) = self.last {
            if now <= last.time {
                return Err(Rejection::ClockBack { now, last: last.time });
            }
            self.judge_counter(last, found)?;
        }
        self.fallen = None;
        self.last = Some(found);
        Ok(())
    }

    /// A fall is believed when the next reading confirms it: one that stays is a reset, one that does not was noise.
    fn judge_counter(&mut self, last: LastReading, found: LastReading) -> Result<(), Rejection> {
        if found.import >= last.import {
            return self.judge_leap(last, found);
        }
        match self.fallen {
            Some(fallen) if found.import >= fallen.import && self.judge_leap(fallen, found).is_ok() => Ok(()),
            _ => {
                self.fallen = Some(found);
                Err(Rejection::CounterFell { last: last.import, found: found.import })
            }
        }
    }

    /// The counter moved by no more than the profile's greatest power can in the time.
    fn judge_leap(&self, last: LastReading, found: LastReading) -> Result<(), Rejection> {
        let Some(power) = self.power_max_mw else { return Ok(()) };
        let elapsed = found.time.since(last.time);
        let possible = u128::from(power) * u128::from(elapsed.ms()) / 3_600_000 + COUNTER_STEP_MAX_MWH;
        let moved = u128::from(found.import.mwh().saturating_sub(last.import.mwh()));
        if moved <= possible {
            return Ok(());
        }
        Err(Rejection::CounterLeapt { last: last.import, found: found.import, elapsed })
    }

    /// Takes a believed row. Gives the number of rows given up because too many wait.
    pub(super) fn push(&mut self, row: ReadingRow) -> usize {
        if self.chain.as_ref().is_some_and(|chain| row.time < chain.head.end) {
            // Before the binding's time: stored, but of no interval.
            return 0;
        }
        self.rows.push(row);
        if self.rows.len() <= ROWS_WAITING_MAX {
            return 0;
        }
        // A quarter at once, so that not every further row moves all others.
        let excess = ROWS_WAITING_MAX / 4;
        self.rows.drain(..excess);
        excess
    }

    /// The next interval, if its end has passed, or a later row shows that it is complete.
    pub(super) fn due(&self, settings: &Settings, now: Timestamp) -> Option<(Chain, Span)> {
        let chain = self.chain.as_ref()?;
        let span = settings.next_span(&chain.head, &self.rows)?;
        let complete = now >= span.end || span.rows < self.rows.len();
        complete.then(|| (chain.clone(), span))
    }
}

/// A believed reading with its evidence: one row of the database.
impl ReadingRow {
    /// What an attachment takes of it.
    #[must_use]
    pub fn evidence(&self) -> (ledger::attachment::Row, ledger::attachment::Frame) {
        let row = ledger::attachment::Row { time: self.time, reading: self.reading.clone() };
        (row, (*self.frame).clone())
    }
}

/// Shared, because the row travels to the database and stays until its interval is closed.
pub(super) fn shared_frame(time: Timestamp, exchanges: Vec<meter::Exchange>) -> Arc<ledger::attachment::Frame> {
    let exchange = |meter::Exchange { request, response }| ledger::attachment::Exchange { request, response };
    Arc::new(ledger::attachment::Frame { time, exchanges: exchanges.into_iter().map(exchange).collect() })
}

/// Distances add up without overflow.
pub(super) fn later(point: Millis, distance: Millis) -> Millis {
    Millis::from_ms(point.ms().saturating_add(distance.ms()))
}
