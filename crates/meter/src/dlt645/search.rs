//! Finds every meter of a line by the ending of its address: whoever hears the question answers, and where the answers of
//! several spoil each other, the question is asked again for each two digits more.
//!
//! Pure: it says what to ask and is told what was heard. Questions have a bound, since on a line with nothing but noise
//! every ending seems to be several meters'.

use super::frame::Frame;
use super::{Ending, FROM_METER, Request, Whom};
use crate::Address;
use std::collections::BTreeSet;

/// What every meter can say: its energy in the forward direction (annex A.1), four bytes. The address stands in any answer,
/// a refusal among them.
const ENERGY: u32 = 0x0001_0000;
const ENERGY_BYTES: usize = 4;
/// Most questions: twelve times a hundred, for a line with a dozen meters whose last digits are alike by twos; at half a
/// second each they take ten minutes.
pub const QUESTIONS_MAX: usize = 1_201;

/// A search under way.
#[derive(Debug, Clone)]
pub struct Search {
    /// Endings to ask for, the next one last.
    endings: Vec<Ending>,
    asked: usize,
    found: BTreeSet<Address>,
    collisions: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self { endings: vec![Ending::ANY], asked: 0, found: BTreeSet::new(), collisions: 0 }
    }
}

impl Search {
    /// The next question; `None` when every meter is found, or too much was asked.
    #[must_use]
    pub fn question(&self) -> Option<Request> {
        let ending = self.endings.last().filter(|_| self.asked < QUESTIONS_MAX)?;
        Some(Request::read_ending(*ending, ENERGY, ENERGY_BYTES))
    }

    /// What was heard until nobody could answer that question any more.
    pub fn heard(&mut self, bytes: &[u8]) {
        let (Some(request), Some(ending)) = (self.question(), self.endings.pop()) else { return };
        self.asked += 1;
        match heard_from(&request, bytes) {
            Heard::Nobody => {}
            Heard::One(address) => drop(self.found.insert(address)),
            Heard::Several => {
                self.collisions += 1;
                let mut longer: Vec<Ending> = ending.longer().collect();
                longer.reverse();
                self.endings.extend(longer);
            }
        }
    }

    /// The meters found so far, in the order of their addresses.
    pub fn found(&self) -> impl Iterator<Item = Address> + '_ {
        self.found.iter().copied()
    }

    /// Questions asked, and how many are known to follow.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        (self.asked, self.endings.len())
    }

    /// Whether it ended without an answer to everything: noise, or more meters than it can tell apart.
    #[must_use]
    pub fn gave_up(&self) -> bool {
        self.asked >= QUESTIONS_MAX && !self.endings.is_empty()
    }

    /// Endings at which bytes were heard that are no single answer.
    #[must_use]
    pub const fn collisions(&self) -> usize {
        self.collisions
    }
}

enum Heard {
    Nobody,
    One(Address),
    Several,
}

/// One whole answer and nothing besides, nothing at all, or anything else.
fn heard_from(request: &Request, bytes: &[u8]) -> Heard {
    // Some adapters hear what they send.
    let echo = request.awakened();
    let bytes = bytes.strip_prefix(echo.as_slice()).unwrap_or(bytes);
    let rest: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == WAKE).collect();
    if rest.is_empty() {
        return Heard::Nobody;
    }
    match Frame::find(&rest) {
        Some((Frame { whom: Whom::Meter(address), control, .. }, 0, length))
            if control & FROM_METER != 0 && length == rest.len() =>
        {
            Heard::One(address)
        }
        _ => Heard::Several,
    }
}

/// What may come before a frame (5.3.1).
const WAKE: u8 = 0xFE;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Framing, Options, Profile, Replay, SimulatedBus, SimulatedMeter};
    use std::sync::Arc;
    use units::{Energy, Frequency, Timestamp};

    fn line(addresses: &[u64]) -> SimulatedBus {
        let replay = Arc::new(Replay::excerpt().unwrap());
        let profile = Arc::new(Profile::shipped("dlt645-2007").unwrap());
        let meter = |(at, number): (u64, &u64)| {
            let options = Options {
                start: Timestamp::default(),
                offset_minutes: 0,
                nominal_voltage: None,
                frequency: Frequency::from_mhz(50_000),
                counter_start: Energy::from_wh(1_000 + at * 77_777),
            };
            SimulatedMeter::new(Arc::clone(&profile), Address::dlt645(*number).unwrap(), Arc::clone(&replay), options)
        };
        let meters = (0..).zip(addresses).map(meter).collect();
        SimulatedBus::new(meters, Framing::Dlt645 { baud: 2_400 })
    }

    fn searched(line: &mut SimulatedBus, noise: &[u8]) -> Search {
        let mut search = Search::default();
        while let Some(request) = search.question() {
            let mut heard = line.receive(Timestamp::default(), &request.awakened());
            heard.extend(noise);
            search.heard(&heard);
        }
        search
    }

    #[test]
    fn every_meter_of_a_line_is_found_with_as_few_questions_as_their_last_digits_allow() {
        for (addresses, questions) in [
            (&[][..], 1),
            (&[161], 1),
            // The last two digits differ: one collision.
            (&[161, 307], 101),
            // 61 twice: told apart by the two digits before.
            (&[161, 261, 307], 201),
            (&[202_400_000_161, 202_500_000_161], 501),
        ] {
            let search = searched(&mut line(addresses), &[]);
            let found: Vec<u64> = search.found().filter_map(Address::as_dlt645).collect();
            assert_eq!((found.as_slice(), search.progress().0), (addresses, questions));
            assert!(!search.gave_up());
        }
    }

    #[test]
    fn on_a_line_of_noise_it_gives_up_and_says_so() {
        let search = searched(&mut line(&[161]), &[0x55]);
        assert_eq!((search.found().count(), search.progress().0, search.gave_up()), (0, QUESTIONS_MAX, true));
        assert!(search.collisions() > 10);
    }

    #[test]
    fn an_adapter_that_hears_itself_is_no_second_meter() {
        let mut line = line(&[161]);
        let mut search = Search::default();
        let request = search.question().unwrap();
        let heard =
            [request.awakened(), vec![WAKE; 4], line.receive(Timestamp::default(), &request.awakened())].concat();
        search.heard(&heard);
        assert_eq!(search.found().filter_map(Address::as_dlt645).collect::<Vec<_>>(), [161]);
    }
}
