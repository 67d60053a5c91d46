//! Several simulated meters on one line: bytes in, bytes out.

use super::{Faults, SimulatedMeter};
use crate::bus::Framing;
use crate::modbus::{EXCEPTION_FLAG, FRAME_BYTES_MAX, crc16, tcp_frame, tcp_split};
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
    faults: Faults,
    /// Answers that a fault holds back.
    held: Vec<u8>,
}

impl SimulatedBus {
    /// A line with meters told apart by address.
    #[must_use]
    pub const fn new(meters: Vec<SimulatedMeter>, framing: Framing) -> Self {
        Self { meters, framing, buffer: Vec::new(), faults: Faults::NONE, held: Vec::new() }
    }

    /// The same line with faults.
    #[must_use]
    pub const fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// The meters, to disturb their supply.
    pub fn meters_mut(&mut self) -> &mut [SimulatedMeter] {
        &mut self.meters
    }

    /// Takes what the master sent and gives what it hears.
    pub fn receive(&mut self, now: Timestamp, bytes: &[u8]) -> Vec<u8> {
        let mut heard = Vec::new();
        for chunk in bytes.chunks(FRAME_BYTES_MAX) {
            self.buffer.extend(chunk);
            while let Some(answer) = self.next_answer(now) {
                heard.extend(self.faults.apply(answer, &mut self.held));
            }
        }
        heard
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
        Some(self.meters.iter().find_map(|meter| meter.respond(now, &request)).unwrap_or_default())
    }

    fn next_tcp(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        let (answer, length) = match tcp_split(&self.buffer) {
            Ok(None) => return None,
            Ok(Some((frame, length))) => {
                let meter = self.meters.iter().find(|meter| meter.address == frame.unit);
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
