//! Several simulated meters on one line: bytes in, bytes out.

use super::dice::Dice;
use super::faults::{Spoiler, Spoilt};
use super::timing::{Arrival, Mismatch, Outages, Timing, lateness};
use super::uart::carried;
use super::{Faults, SimulatedMeter};
use crate::bus::Framing;
use crate::modbus::{EXCEPTION_FLAG, FRAME_BYTES_MAX, crc16, tcp_frame, tcp_split};
use std::time::Duration;
use units::Timestamp;

/// A read request in RTU form: address, function, first register, count, CRC.
const REQUEST_BYTES: usize = 8;
/// Exception of a gateway whose device does not answer (V1.1b3, section 7).
const NO_ANSWER_BEHIND_GATEWAY: u8 = 11;

/// The far end of a line.
#[derive(Debug, Clone)]
pub struct SimulatedBus {
    meters: Vec<SimulatedMeter>,
    framing: Framing,
    buffer: Vec<u8>,
    spoiler: Spoiler,
    outages: Outages,
    mismatch: Option<Mismatch>,
    timing: Option<Timing>,
    /// Of think times and delays; the faults have their own, so that a line with timing has the same faults as one without.
    dice: Dice,
    /// Answers that a fault holds back.
    held: Vec<u8>,
}

impl SimulatedBus {
    /// A perfect line with meters told apart by address, on which nothing takes time.
    #[must_use]
    pub const fn new(meters: Vec<SimulatedMeter>, framing: Framing) -> Self {
        Self {
            meters,
            framing,
            buffer: Vec::new(),
            spoiler: Spoiler::new(Faults::NONE),
            outages: Outages::NONE,
            mismatch: None,
            timing: None,
            dice: Dice::new(0),
            held: Vec::new(),
        }
    }

    /// The same line with faults.
    #[must_use]
    pub const fn with_faults(mut self, faults: Faults) -> Self {
        self.spoiler = Spoiler::new(faults);
        self
    }

    /// The same line with meters that die and come back.
    #[must_use]
    pub const fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// The same line with another rate at each end: questions and answers arrive as the wrong bits say.
    #[must_use]
    pub const fn with_mismatch(mut self, mismatch: Mismatch) -> Self {
        self.mismatch = Some(mismatch);
        self
    }

    /// The same line on which everything takes its time, think times drawn from a seed; see [`SimulatedBus::transmit`].
    #[must_use]
    pub fn with_timing(mut self, timing: Timing, seed: u64) -> Self {
        self.timing = Some(timing);
        self.dice = Dice::new(seed);
        self
    }

    /// The meters, to disturb their supply.
    pub fn meters_mut(&mut self) -> &mut [SimulatedMeter] {
        &mut self.meters
    }

    /// Takes what the master sent and gives what it hears at once, whatever the line's timing; a late answer comes with the
    /// next one.
    pub fn receive(&mut self, now: Timestamp, bytes: &[u8]) -> Vec<u8> {
        let mut heard = Vec::new();
        for answer in self.answers(now, bytes) {
            heard.append(&mut self.held);
            match self.spoiler.spoil(answer) {
                Some(Spoilt { bytes, is_late: true }) => self.held = self.heard_by_master(bytes),
                Some(Spoilt { bytes, is_late: false }) => heard.extend(self.heard_by_master(bytes)),
                None => {}
            }
        }
        heard
    }

    /// Takes what the master sent and gives each byte that it will hear, with the time at which its last bit has arrived,
    /// in order of time.
    pub fn transmit(&mut self, now: Timestamp, bytes: &[u8]) -> Vec<Arrival> {
        let mut arrivals = Vec::new();
        for answer in self.answers(now, bytes) {
            let Some(Spoilt { bytes: answer, is_late }) = self.spoiler.spoil(answer) else { continue };
            let answer = self.heard_by_master(answer);
            let mut begins = Duration::ZERO;
            if let Some(timing) = &self.timing {
                begins += timing.until_answer(bytes.len(), &mut self.dice);
            }
            if is_late {
                begins += lateness(&mut self.dice);
            }
            // A TCP frame comes whole; only a serial line has characters.
            let serial = self.timing.as_ref().filter(|_| self.framing != Framing::Tcp);
            let carried = |count| serial.map_or(Duration::ZERO, |timing| timing.characters(count));
            arrivals.extend((1..).zip(answer).map(|(count, byte)| Arrival { after: begins + carried(count), byte }));
        }
        arrivals.sort_by_key(|arrival| arrival.after);
        arrivals
    }

    /// The answers to all whole requests, each empty when nobody answers.
    fn answers(&mut self, now: Timestamp, bytes: &[u8]) -> Vec<Vec<u8>> {
        let bytes = match self.mismatch {
            Some(Mismatch { meters, master }) => carried(bytes, master, meters),
            None => bytes.to_vec(),
        };
        let mut answers = Vec::new();
        for chunk in bytes.chunks(FRAME_BYTES_MAX) {
            self.buffer.extend(chunk);
            while let Some(answer) = self.next_answer(now) {
                answers.push(answer);
            }
        }
        answers
    }

    fn heard_by_master(&self, bytes: Vec<u8>) -> Vec<u8> {
        match self.mismatch {
            Some(Mismatch { meters, master }) => carried(&bytes, meters, master),
            None => bytes,
        }
    }

    /// The meters that are there now.
    fn present(&self, now: Timestamp) -> impl Iterator<Item = &SimulatedMeter> {
        (0..).zip(&self.meters).filter(move |(place, _)| !self.outages.is_away(*place, now)).map(|(_, meter)| meter)
    }

    /// The answer to the next whole request in the buffer, empty when nobody answers; `None` when there is none.
    fn next_answer(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        match self.framing {
            Framing::Rtu { .. } => self.next_rtu(now),
            Framing::Tcp => self.next_tcp(now),
        }
    }

    fn next_rtu(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        let is_request = |window: &[u8]| {
            window.split_last_chunk::<2>().is_some_and(|(body, crc)| crc16(body) == u16::from_le_bytes(*crc))
        };
        let Some(start) = self.buffer.windows(REQUEST_BYTES).position(is_request) else {
            // Only the last bytes can still become the beginning of a request.
            let excess = self.buffer.len().saturating_sub(REQUEST_BYTES - 1);
            self.buffer.drain(..excess);
            return None;
        };
        let request: Vec<u8> = self.buffer.drain(..start + REQUEST_BYTES).skip(start).collect();
        Some(self.present(now).find_map(|meter| meter.respond(now, &request)).unwrap_or_default())
    }

    fn next_tcp(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        let (answer, length) = match tcp_split(&self.buffer) {
            Ok(None) => return None,
            Ok(Some((frame, length))) => {
                let meter = self.present(now).find(|meter| meter.address == frame.unit);
                let function = frame.pdu.first().copied().unwrap_or_default();
                let pdu = meter.and_then(|meter| meter.respond_pdu(now, frame.pdu));
                let pdu = pdu.unwrap_or_else(|| vec![function | EXCEPTION_FLAG, NO_ANSWER_BEHIND_GATEWAY]);
                (tcp_frame(frame.transaction, frame.unit, &pdu), length)
            }
            // A stream that lost its step has no next request.
            Err(_) => {
                self.buffer.clear();
                return None;
            }
        };
        self.buffer.drain(..length);
        Some(answer)
    }
}
