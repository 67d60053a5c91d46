//! One meter's readings on their way into intervals: what is believed, what waits, what is due.

use super::{Chain, CounterRules, Rejection, Settings, Span};
use crate::core::ReadingRow;
use std::sync::Arc;
use units::{Energy, MeterId, Millis, Quantity, Reading, Timestamp};

/// Rows held while no chain head is known: some hours at one a second. Older ones are given up for a gap, which still
/// books their energy.
pub const ROWS_WAITING_MAX: usize = 16_384;
/// Readings in a row that fit each other but not the ones before: then it is another device, or the counter was set.
const STRANGE_READINGS: u32 = 3;
/// How often the node is asked whether the operator has said so.
const ASK_ABOUT_STRANGE_EVERY: Millis = Millis::from_minutes(10);

/// The newest reading that was believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastReading {
    /// When.
    pub time: Timestamp,
    /// Its import counter.
    pub import: Energy,
    /// Its export counter, if it has one.
    pub export: Option<Energy>,
}

/// Readings that leapt, but fit each other.
#[derive(Debug, Clone, Copy)]
struct Strange {
    newest: LastReading,
    count: u32,
    asked: Option<Timestamp>,
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
    strange: Option<Strange>,
    rules: CounterRules,
}

impl Line {
    pub(super) fn new(device: &meter::Device) -> Self {
        let (meter, rules) = (device.meter.clone(), CounterRules::of(device));
        Self { meter, chain: None, rows: Vec::new(), last: None, fallen: None, strange: None, rules }
    }

    pub(super) const fn rules(&self) -> &CounterRules {
        &self.rules
    }

    /// Goes on from what the database holds.
    pub(super) fn resume(&mut self, chain: Option<Chain>, rows: Vec<ReadingRow>, last: Option<LastReading>) {
        self.chain = chain;
        self.rows = rows;
        self.last = last;
        (self.fallen, self.strange) = (None, None);
    }

    /// Goes on from a chain that the node has and with the rows after it. Where the operator has stated a counter since
    /// the newest reading, readings are held against that: after an exchange it is the new device's.
    pub(super) fn take(&mut self, rows: Vec<ReadingRow>) {
        // Before those that were read while the database took its time.
        self.rows.splice(..0, rows);
        let head = self.chain.as_ref().map(|chain| &chain.head);
        let stated =
            head.and_then(|head| Some(LastReading { time: head.end, import: head.import?, export: head.export }));
        if let Some(stated) = stated.filter(|stated| self.last.is_none_or(|last| last.time <= stated.time)) {
            self.last = Some(stated);
            (self.fallen, self.strange) = (None, None);
        }
    }

    /// Whether the node is to be asked for the chain's head, because readings say that something was done to the meter.
    pub(super) fn wants_head(&mut self, now: Timestamp) -> bool {
        let Some(strange) = self.strange.as_mut().filter(|strange| strange.count >= STRANGE_READINGS) else {
            return false;
        };
        let due = strange.asked.is_none_or(|asked| now.since(asked) >= ASK_ABOUT_STRANGE_EVERY);
        if due {
            strange.asked = Some(now);
        }
        due
    }

    /// Whether a reading is believed.
    pub(super) fn judge(&mut self, now: Timestamp, reading: &Reading) -> Result<(), Rejection> {
        let import = reading.energy_import().ok_or(Rejection::NoCounter)?;
        let export = reading.get(Quantity::EnergyExport).and_then(|mwh| u64::try_from(mwh).ok()).map(Energy::from_mwh);
        let found = LastReading { time: now, import, export };
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
        (self.fallen, self.strange) = (None, None);
        self.last = Some(found);
        Ok(())
    }

    /// A fall past the counter's highest value is believed at once. Any other is believed when the next reading confirms
    /// it: one that stays is a reset, one that does not was noise.
    fn judge_counter(&mut self, last: LastReading, found: LastReading) -> Result<(), Rejection> {
        let Some((before, after)) = self.fall(last, found) else { return self.judge_leap(last, found) };
        match self.fallen {
            Some(fallen) if self.fall(fallen, found).is_none() && self.leap(fallen, found).is_ok() => Ok(()),
            _ => {
                self.fallen = Some(found);
                Err(Rejection::CounterFell { last: before, found: after })
            }
        }
    }

    /// The counter that is lower than before and did not wrap, before and after.
    fn fall(&self, last: LastReading, found: LastReading) -> Option<(Energy, Energy)> {
        let elapsed = found.time.since(last.time);
        let fell = |from: Energy, to: Energy, wraps_at| {
            (to < from && self.rules.wrapped(from, to, wraps_at, elapsed).is_none()).then_some((from, to))
        };
        let export = last.export.zip(found.export);
        fell(last.import, found.import, self.rules.wraps_at)
            .or_else(|| export.and_then(|(from, to)| fell(from, to, self.rules.export_wraps_at)))
    }

    /// A counter that leaps is never believed, because nothing tells a new device from damage but the operator's word.
    fn judge_leap(&mut self, last: LastReading, found: LastReading) -> Result<(), Rejection> {
        let leap = self.leap(last, found);
        if leap.is_err() {
            let strange = self.strange.filter(|strange| {
                self.fall(strange.newest, found).is_none() && self.leap(strange.newest, found).is_ok()
            });
            let (count, asked) = strange.map_or((0, None), |strange| (strange.count, strange.asked));
            self.strange = Some(Strange { newest: found, count: count.saturating_add(1), asked });
        }
        leap
    }

    /// Each counter moved by no more than the meter can carry in the time; a lower one has wrapped.
    fn leap(&self, last: LastReading, found: LastReading) -> Result<(), Rejection> {
        let elapsed = found.time.since(last.time);
        let leapt = |from: Energy, to: Energy| {
            let moved = to.checked_sub(from).unwrap_or_default();
            let error = Rejection::CounterLeapt { last: from, found: to, elapsed };
            if self.rules.can_carry(moved, elapsed) { Ok(()) } else { Err(error) }
        };
        leapt(last.import, found.import)?;
        last.export.zip(found.export).map_or(Ok(()), |(from, to)| leapt(from, to))
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
