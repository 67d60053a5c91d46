//! What waits in memory while the database refuses: outputs in their order, tried again until they are taken.
//!
//! Polls, switching and protection go on meanwhile. Nothing here counts as stored: nobody is told of it as such, and what
//! is given up because too much waits is given up in the gateway's core too, so that a gap stands for it.

use crate::core::{Input, Output, ReadingRow};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use units::{MeterId, Timestamp};

/// Readings held: some hours of ten meters asked every ten seconds, and some 10 MB.
pub const HELD_READINGS_MAX: usize = 16_384;
/// Events held; later ones are not kept, because the first ones say why.
pub const HELD_EVENTS_MAX: usize = 1_024;
/// Readings stored in one transaction once the database is back.
const TOGETHER: usize = 512;
/// First pause after the database refused; doubles up to [`RETRY_PAUSE_MAX`].
const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(100);
/// Longest pause between two tries.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);

/// The outputs that wait, and when they are tried again.
#[derive(Debug)]
pub(super) struct Held {
    queue: VecDeque<Output>,
    readings: usize,
    events: usize,
    retry_at: Instant,
    pause: Duration,
}

/// What is to be tried next.
#[derive(Debug)]
pub(super) enum Next {
    /// A run of readings, together.
    Readings(Vec<ReadingRow>),
    /// Any other output.
    One(Output),
}

impl Held {
    pub(super) fn new() -> Self {
        let (queue, retry_at) = (VecDeque::new(), Instant::now());
        Self { queue, readings: 0, events: 0, retry_at, pause: RETRY_PAUSE_FIRST }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) const fn readings(&self) -> usize {
        self.readings
    }

    /// When the next try is due; `None` when nothing waits.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        (!self.is_empty()).then_some(self.retry_at)
    }

    /// The database refused: a pause before the next try.
    pub(super) fn refused(&mut self) {
        self.retry_at = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(RETRY_PAUSE_MAX);
    }

    /// Puts an output behind all others. Gives what the core is to be told: the oldest readings, if too many wait.
    pub(super) fn push(&mut self, output: Output) -> Vec<Input> {
        match output {
            Output::StoreReading(_) => self.readings += 1,
            Output::Event(_) if self.events >= HELD_EVENTS_MAX => return Vec::new(),
            Output::Event(_) => self.events += 1,
            _ => {}
        }
        self.queue.push_back(output);
        // A quarter at once, so that not every further reading costs a pass over all.
        if self.readings > HELD_READINGS_MAX { self.give_up(HELD_READINGS_MAX / 4) } else { Vec::new() }
    }

    fn give_up(&mut self, count: usize) -> Vec<Input> {
        let mut given_up: BTreeMap<MeterId, (usize, Timestamp)> = BTreeMap::new();
        let mut left = count;
        self.queue.retain(|output| match output {
            Output::StoreReading(row) if left > 0 => {
                left -= 1;
                let (readings, until) = given_up.entry(row.meter.clone()).or_insert((0, row.time));
                (*readings, *until) = (*readings + 1, row.time.max(*until));
                false
            }
            _ => true,
        });
        self.readings -= count - left;
        let input = |(meter, (readings, until))| Input::GivenUp { meter, readings, until };
        given_up.into_iter().map(input).collect()
    }

    /// A copy of what is first; it stays until [`Held::done`].
    pub(super) fn next(&self) -> Option<Next> {
        let reading = |output: &Output| if let Output::StoreReading(row) = output { Some(row.clone()) } else { None };
        let run: Vec<ReadingRow> = self.queue.iter().map_while(reading).take(TOGETHER).collect();
        if run.is_empty() { self.queue.front().cloned().map(Next::One) } else { Some(Next::Readings(run)) }
    }

    /// What [`Held::next`] gave is stored; more may be tried at once.
    pub(super) fn done(&mut self, next: &Next) {
        let count = match next {
            Next::Readings(rows) => rows.len(),
            Next::One(_) => 1,
        };
        for output in self.queue.drain(..count) {
            match output {
                Output::StoreReading(_) => self.readings -= 1,
                Output::Event(_) => self.events -= 1,
                _ => {}
            }
        }
        (self.retry_at, self.pause) = (Instant::now(), RETRY_PAUSE_FIRST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Event, Happening};
    use ledger::attachment::Frame;
    use std::sync::Arc;
    use units::{AccountId, Reading};

    fn reading(meter: &str, ms: u64) -> Output {
        let time = Timestamp::from_ms(ms);
        let (member, operator) = (AccountId::from_bytes([1; 32]), AccountId::from_bytes([2; 32]));
        let (profile, frame) = ("im1281b".to_owned(), Arc::new(Frame { time, exchanges: Vec::new() }));
        let meter = meter.parse().unwrap();
        Output::StoreReading(ReadingRow { meter, member, operator, profile, time, reading: Reading::new(), frame })
    }

    fn event() -> Output {
        Output::Event(Event {
            time: Timestamp::from_ms(1),
            meter: None,
            bus: None,
            happening: Happening::NodeBack,
            raw: Vec::new(),
        })
    }

    #[test]
    fn the_oldest_readings_are_given_up_and_the_core_is_told_up_to_when() {
        let mut held = Held::new();
        for ms in 0..HELD_READINGS_MAX as u64 {
            assert_eq!(held.push(reading(if ms % 2 == 0 { "A" } else { "B" }, ms)), []);
        }
        let told = held.push(reading("A", 99_999));
        let given_up = |meter: &str, until| Input::GivenUp {
            meter: meter.parse().unwrap(),
            readings: HELD_READINGS_MAX / 8,
            until: Timestamp::from_ms(until),
        };
        assert_eq!(told, [given_up("A", 4_094), given_up("B", 4_095)]);
        assert_eq!(held.readings(), HELD_READINGS_MAX - HELD_READINGS_MAX / 4 + 1);
    }

    #[test]
    fn readings_are_tried_in_runs_and_everything_stays_until_it_is_done() {
        let mut held = Held::new();
        for output in [reading("A", 1), reading("A", 2), event(), reading("A", 3)] {
            assert_eq!(held.push(output), []);
        }
        let mut runs = Vec::new();
        while let Some(next) = held.next() {
            held.refused();
            assert!(held.retry_at().is_some());
            runs.push(if let Next::Readings(rows) = &next { rows.len() } else { 0 });
            held.done(&next);
        }
        assert_eq!((runs, held.readings(), held.retry_at()), (vec![2, 0, 1], 0, None));
    }

    #[test]
    fn events_beyond_the_bound_are_not_kept() {
        let mut held = Held::new();
        for _ in 0..2 * HELD_EVENTS_MAX {
            assert_eq!(held.push(event()), []);
        }
        assert_eq!(held.queue.len(), HELD_EVENTS_MAX);
    }
}
