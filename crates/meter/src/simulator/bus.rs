//! Several simulated meters on one line: bytes in, bytes out.

use super::dice::Dice;
use super::faults::{Spoiler, Spoilt};
use super::timing::{Arrival, Mismatch, Outages, Timing, lateness};
use super::uart::carried;
use super::{Faults, SimulatedMeter};
use crate::Address;
use crate::bus::Framing;
use crate::capture::Recorded;
use crate::dlt645::{self, Frame};
use crate::modbus::{EXCEPTION_FLAG, FRAME_BYTES_MAX, MBAP_BYTES, WRITE_REGISTERS, crc16, tcp_frame, tcp_split};
use std::time::Duration;
use units::{Millis, Timestamp};

/// Most requests in RTU form: address, function, register, count or value, CRC.
const REQUEST_BYTES: usize = 8;
/// A request to write several registers has this many bytes besides the values, whose number is its seventh byte.
const WRITE_BYTES: usize = 9;
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
    slow: Option<(Address, Millis)>,
    /// Of think times and delays; the faults have their own, so that a line with timing has the same faults as one without.
    dice: Dice,
    /// Answers that a fault holds back.
    held: Vec<u8>,
    /// What answers when no meter does.
    recorded: Recorded,
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
            slow: None,
            dice: Dice::new(0),
            held: Vec::new(),
            recorded: Recorded::new(),
        }
    }

    /// The same line with faults.
    #[must_use]
    pub const fn with_faults(mut self, faults: Faults) -> Self {
        self.spoiler = Spoiler::new(faults);
        self
    }

    /// The same line where a capture answers what no meter does.
    #[must_use]
    pub fn with_recorded(mut self, recorded: Recorded) -> Self {
        self.recorded = recorded;
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

    /// The same line with one meter that thinks so much longer than the others; one at a time.
    #[must_use]
    pub const fn with_slow_meter(mut self, address: Address, longer: Millis) -> Self {
        self.slow = Some((address, longer));
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
            let mut begins = self.slowness(&answer);
            let Some(Spoilt { bytes: answer, is_late }) = self.spoiler.spoil(answer) else { continue };
            let answer = self.heard_by_master(answer);
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

    /// How much longer than others the meter thinks that gives this answer.
    fn slowness(&self, answer: &[u8]) -> Duration {
        let Some((slow, longer)) = self.slow else { return Duration::ZERO };
        let address = match self.framing {
            Framing::Rtu { .. } => answer.first().copied().and_then(Address::modbus),
            Framing::Tcp => answer.get(MBAP_BYTES - 1).copied().and_then(Address::modbus),
            Framing::Dlt645 { .. } => Frame::find(answer).and_then(|(frame, ..)| frame.address()),
        };
        if address == Some(slow) { Duration::from_millis(longer.ms()) } else { Duration::ZERO }
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
    fn present(&mut self, now: Timestamp) -> impl Iterator<Item = &mut SimulatedMeter> {
        let outages = &self.outages;
        (0..).zip(&mut self.meters).filter(move |(place, _)| !outages.is_away(*place, now)).map(|(_, meter)| meter)
    }

    /// The answer to the next whole request in the buffer, empty when nobody answers; `None` when there is none.
    fn next_answer(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        match self.framing {
            Framing::Rtu { .. } => self.next_rtu(now),
            Framing::Dlt645 { .. } => self.next_dlt645(now),
            Framing::Tcp => self.next_tcp(now),
        }
    }

    fn next_rtu(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        let found = (0..self.buffer.len()).find_map(|start| Some((start, request_at(&self.buffer[start..])?)));
        let Some((start, length)) = found else {
            // Only the last bytes can still become the beginning of a request.
            let excess = self.buffer.len().saturating_sub(FRAME_BYTES_MAX - 1);
            self.buffer.drain(..excess);
            return None;
        };
        let request: Vec<u8> = self.buffer.drain(..start + length).skip(start).collect();
        let answer = self.present(now).find_map(|meter| meter.take(now, &request));
        Some(answer.or_else(|| self.recorded.answer(&request)).unwrap_or_default())
    }

    fn next_dlt645(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        let Some((_, start, length)) = Frame::find(&self.buffer) else {
            // Only the last bytes can still become the beginning of a request.
            let excess = self.buffer.len().saturating_sub(dlt645::FRAME_BYTES_MAX - 1);
            self.buffer.drain(..excess);
            return None;
        };
        let request: Vec<u8> = self.buffer.drain(..start + length).skip(start).collect();
        let answers = self.present(now).filter_map(|meter| meter.take(now, &request)).collect::<Vec<_>>();
        let answer = answers.into_iter().reduce(collided);
        Some(answer.or_else(|| self.recorded.answer(&request)).unwrap_or_default())
    }

    fn next_tcp(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        let (answer, length) = match tcp_split(&self.buffer) {
            Ok(None) => return None,
            Ok(Some((frame, length))) => {
                let (transaction, unit, asked) = (frame.transaction, frame.unit, frame.pdu.to_vec());
                let meter = self.present(now).find(|meter| meter.address.as_modbus() == Some(unit));
                let function = asked.first().copied().unwrap_or_default();
                let pdu = meter.map(|meter| meter.take_pdu(now, &asked));
                let pdu = pdu.or_else(|| self.recorded.answer_pdu(unit, &asked));
                let pdu = pdu.unwrap_or_else(|| vec![function | EXCEPTION_FLAG, NO_ANSWER_BEHIND_GATEWAY]);
                (tcp_frame(transaction, unit, &pdu), length)
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

/// Two answers at the same time: where one sender drives a line of RS-485 to zero and the other to one, the zero is heard.
fn collided(one: Vec<u8>, other: Vec<u8>) -> Vec<u8> {
    let (long, short) = if one.len() >= other.len() { (one, other) } else { (other, one) };
    long.iter().enumerate().map(|(at, byte)| byte & short.get(at).copied().unwrap_or(u8::MAX)).collect()
}

/// The length of the whole request that `bytes` begin with.
fn request_at(bytes: &[u8]) -> Option<usize> {
    let length = match bytes.get(1) {
        Some(&WRITE_REGISTERS) => WRITE_BYTES + usize::from(*bytes.get(6)?),
        _ => REQUEST_BYTES,
    };
    let (body, crc) = bytes.get(..length)?.split_last_chunk::<2>()?;
    (crc16(body) == u16::from_le_bytes(*crc)).then_some(length)
}
