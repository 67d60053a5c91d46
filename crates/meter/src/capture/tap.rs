//! The tap: bytes in as they arrive, frames out with who probably sent them.

use crate::dlt645;
use crate::modbus::{
    EXCEPTION_FLAG, FRAME_BYTES_MAX, READ_COILS, READ_HOLDING, READ_INPUT, WRITE_COIL, WRITE_REGISTER, WRITE_REGISTERS,
    crc16,
};
use units::Millis;

/// Bytes that are no frame after so long a silence never become one: longer than adapters hold bytes back, shorter than a
/// master waits before it asks again.
pub const QUIET: Millis = Millis::from_ms(100);
/// Two frames: what is longer without a frame in it is given out as noise.
const BUFFER_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;

/// Who sent what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A master asks or commands.
    Request,
    /// A meter answers.
    Answer {
        /// The request before it, if it fits.
        to: Option<Vec<u8>>,
    },
    /// Bytes that are no frame.
    Noise,
}

/// A frame, or bytes that are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// When its first byte arrived.
    pub at: Millis,
    /// The whole of it.
    pub bytes: Vec<u8>,
    /// What it is.
    pub what: What,
}

/// Hears both sides of a line.
#[derive(Debug, Clone, Default)]
pub struct Tap {
    buffer: Vec<u8>,
    /// When each byte in the buffer arrived.
    times: Vec<Millis>,
    asked: Option<Vec<u8>>,
}

impl Tap {
    /// On a line that nothing was heard of.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what arrived and gives what is complete.
    pub fn take(&mut self, at: Millis, bytes: &[u8]) -> Vec<Heard> {
        let mut heard = self.quiet(at);
        for chunk in bytes.chunks(FRAME_BYTES_MAX) {
            self.buffer.extend(chunk);
            self.times.resize(self.buffer.len(), at);
            while let Some((start, length, from_meter)) = self.find() {
                heard.extend(self.noise(start).filter(|noise| !only_wakes(&noise.bytes)));
                heard.extend(self.frame(length, from_meter));
            }
            let excess = self.buffer.len().saturating_sub(BUFFER_BYTES_MAX);
            heard.extend(self.noise(excess));
        }
        heard
    }

    /// Gives what is left over when the line has been silent for [`QUIET`].
    pub fn quiet(&mut self, now: Millis) -> Vec<Heard> {
        let is_quiet = self.times.last().is_some_and(|last| now.ms().saturating_sub(last.ms()) >= QUIET.ms());
        if !is_quiet {
            return Vec::new();
        }
        self.noise(self.buffer.len()).into_iter().collect()
    }

    /// Gives all that is left over.
    pub fn end(&mut self) -> Vec<Heard> {
        self.noise(self.buffer.len()).into_iter().collect()
    }

    /// Place and length of the first frame in the buffer, and whether a meter sent it.
    fn find(&self) -> Option<(usize, usize, bool)> {
        (0..self.buffer.len()).find_map(|start| {
            let (length, from_meter) = frame_at(&self.buffer[start..], self.asked.as_deref())?;
            Some((start, length, from_meter))
        })
    }

    fn noise(&mut self, length: usize) -> Option<Heard> {
        let (at, bytes) = self.drain(length)?;
        Some(Heard { at, bytes, what: What::Noise })
    }

    /// The first bytes of the buffer with the time of the first.
    fn drain(&mut self, length: usize) -> Option<(Millis, Vec<u8>)> {
        let bytes: Vec<u8> = self.buffer.drain(..length).collect();
        let at = self.times.drain(..length).next()?;
        Some((at, bytes))
    }

    fn frame(&mut self, length: usize, from_meter: bool) -> Option<Heard> {
        let (at, bytes) = self.drain(length)?;
        let what = if from_meter {
            What::Answer { to: self.asked.take().filter(|request| belongs(request, &bytes)) }
        } else {
            self.asked = Some(bytes.clone());
            What::Request
        };
        Some(Heard { at, bytes, what })
    }
}

/// Whether the bytes before a frame only wake a DL/T 645 receiver (DL/T 645-2007, 5.2.1).
fn only_wakes(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0xFE)
}

/// Whether an answer is one to a request: Modbus by address and function, DL/T 645 by control code, whose wildcard address
/// any meter may answer.
fn belongs(request: &[u8], answer: &[u8]) -> bool {
    match (dlt645::Frame::parse(request), dlt645::Frame::parse(answer)) {
        (Ok(request), Ok(answer)) => {
            let is_same = answer.address().is_some_and(|meter| request.whom.includes(meter));
            is_same && request.control == answer.control & 0x1F
        }
        (Err(_), Err(_)) => match (request, answer) {
            ([asked, what, ..], [answers, with, ..]) => asked == answers && *what == with & !EXCEPTION_FLAG,
            _ => false,
        },
        _ => false,
    }
}

/// Length of the frame that `bytes` begin with, and whether a meter sent it.
fn frame_at(bytes: &[u8], asked: Option<&[u8]>) -> Option<(usize, bool)> {
    modbus_at(bytes, asked).or_else(|| dlt645_at(bytes))
}

fn dlt645_at(bytes: &[u8]) -> Option<(usize, bool)> {
    let (frame, start, length) = dlt645::Frame::find(bytes)?;
    (start == 0).then_some((length, frame.control & dlt645::FROM_METER != 0))
}

/// A Modbus frame by its function: how long it is depends on who sends it, and the check value decides between the two.
fn modbus_at(bytes: &[u8], asked: Option<&[u8]>) -> Option<(usize, bool)> {
    let &[_, function, ..] = bytes else { return None };
    let counted = |place: usize, besides: usize| bytes.get(place).map(|count| usize::from(*count) + besides);
    let fits = |length: &usize| bytes.get(..*length).is_some_and(is_sealed);
    let request = match function {
        READ_COILS..=WRITE_REGISTER => Some(8),
        WRITE_REGISTERS => counted(6, 9),
        _ => None,
    };
    let answer = match function & !EXCEPTION_FLAG {
        READ_COILS..=WRITE_REGISTER | WRITE_REGISTERS if function & EXCEPTION_FLAG != 0 => Some(5),
        READ_COILS | 2 | READ_HOLDING | READ_INPUT => counted(2, 5),
        WRITE_COIL | WRITE_REGISTER | WRITE_REGISTERS => Some(8),
        _ => None,
    };
    let (request, answer) = (request.filter(fits), answer.filter(fits));
    // The confirmation of one written value looks like the command.
    let is_awaited = asked.is_some_and(|asked| belongs(asked, bytes));
    match (request, answer) {
        (Some(length), Some(_)) if !is_awaited => Some((length, false)),
        (_, Some(length)) => Some((length, true)),
        (Some(length), None) => Some((length, false)),
        (None, None) => None,
    }
}

fn is_sealed(frame: &[u8]) -> bool {
    frame.split_last_chunk::<2>().is_some_and(|(body, crc)| crc16(body) == u16::from_le_bytes(*crc))
}
