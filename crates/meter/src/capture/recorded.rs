//! Requests and answers of a capture, matched: what a replay serves, and what a profile decodes.

use super::{Capture, Heard, Tap, What};
use crate::modbus::seal;
use crate::{Address, Exchange, MeterError, Profile, Request};
use std::collections::BTreeMap;
use units::{Millis, Reading};

/// A request with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// When the answer began.
    pub at: Millis,
    /// Both frames.
    pub exchange: Exchange,
}

/// All frames of a capture.
fn heard(capture: &Capture) -> Vec<Heard> {
    let mut tap = Tap::new();
    let mut heard: Vec<Heard> = capture.pieces.iter().flat_map(|piece| tap.take(piece.at, &piece.bytes)).collect();
    heard.extend(tap.end());
    heard
}

/// The requests of a capture that were answered, in order.
#[must_use]
pub fn pairs(capture: &Capture) -> Vec<Pair> {
    let pair = |heard: Heard| match heard.what {
        What::Answer { to: Some(request) } => {
            Some(Pair { at: heard.at, exchange: Exchange { request, response: heard.bytes } })
        }
        _ => None,
    };
    heard(capture).into_iter().filter_map(pair).collect()
}

/// What a profile makes of answered requests: a reading, or why not, for each whole poll of it that is among them.
#[must_use]
pub fn readings(profile: &Profile, pairs: &[Pair]) -> Vec<(Millis, Address, Result<Reading, MeterError>)> {
    let poll = |window: &[Pair]| {
        let address = address(&window.first()?.exchange.request)?;
        let requests = profile.requests(address);
        let is_poll = requests.iter().map(Request::frame).eq(window.iter().map(|pair| pair.exchange.request.clone()));
        let exchanges: Vec<Exchange> = window.iter().map(|pair| pair.exchange.clone()).collect();
        is_poll.then(|| (window[0].at, address, profile.reading(address, &exchanges)))
    };
    pairs.windows(profile.reads_per_poll().max(1)).filter_map(poll).collect()
}

/// Whom a frame speaks to or of.
fn address(frame: &[u8]) -> Option<Address> {
    match crate::dlt645::Frame::parse(frame) {
        Ok(frame) => frame.address(),
        Err(_) => frame.first().copied().and_then(Address::modbus),
    }
}

/// A capture as a simulated meter: what was asked then is answered as it was answered then.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    answers: BTreeMap<Vec<u8>, Answers>,
}

#[derive(Debug, Clone, Default)]
struct Answers {
    in_order: Vec<Vec<u8>>,
    next: usize,
}

impl Recorded {
    /// Without an answer to anything.
    #[must_use]
    pub const fn new() -> Self {
        Self { answers: BTreeMap::new() }
    }

    /// From a capture's answered requests.
    #[must_use]
    pub fn from_pairs(pairs: Vec<Pair>) -> Self {
        let mut answers: BTreeMap<Vec<u8>, Answers> = BTreeMap::new();
        for Pair { exchange: Exchange { request, response }, .. } in pairs {
            answers.entry(request).or_default().in_order.push(response);
        }
        Self { answers }
    }

    /// The requests that it can answer.
    pub fn requests(&self) -> impl Iterator<Item = &[u8]> {
        self.answers.keys().map(Vec::as_slice)
    }

    /// The next answer to a request, from the first again after the last; `None` for what was never answered.
    pub fn answer(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let Answers { in_order, next } = self.answers.get_mut(request)?;
        let answer = in_order.get(*next)?.clone();
        *next = (*next + 1) % in_order.len();
        Some(answer)
    }

    /// The same over TCP: function and what follows, to a unit.
    pub(crate) fn answer_pdu(&mut self, unit: u8, pdu: &[u8]) -> Option<Vec<u8>> {
        let answer = self.answer(&seal([&[unit], pdu].concat()))?;
        let (body, _) = answer.split_last_chunk::<2>()?;
        body.get(1..).map(<[u8]>::to_vec)
    }
}
