//! The frame, whoever sent it.

use super::{FrameError, Whom};
use crate::Address;

/// First byte, and again after the address.
const START: u8 = 0x68;
/// Last byte.
const END: u8 = 0x16;
/// Added to every data byte, so that an idle line never looks like data (5.2.5).
const OFFSET: u8 = 0x33;
/// What a frame has besides its data.
const OVERHEAD: usize = 12;
/// Most data bytes of an answer (5.2.4).
const DATA_BYTES_MAX: u8 = 200;
/// Longest frame.
pub const FRAME_BYTES_MAX: usize = OVERHEAD + 200;

/// A frame whose fixed bytes and sum are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Whom it is meant for; whose it is, if a meter sent it.
    pub whom: Whom,
    /// What it is about.
    pub control: u8,
    /// Its data, 0x33 taken off again.
    pub data: Vec<u8>,
}

impl Frame {
    /// The one meter that it is for or of, if it is one.
    #[must_use]
    pub const fn address(&self) -> Option<Address> {
        self.whom.meter()
    }

    /// Its bytes, without any that wake the receiver. Data beyond the longest allowed give a frame that is refused.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut frame = vec![START];
        frame.extend(self.whom.bytes());
        frame.extend([START, self.control, u8::try_from(self.data.len()).unwrap_or(u8::MAX)]);
        frame.extend(self.data.iter().map(|byte| byte.wrapping_add(OFFSET)));
        frame.push(sum(&frame));
        frame.push(END);
        frame
    }

    /// A frame that is exactly `bytes`.
    ///
    /// # Errors
    /// When it is cut, longer, its sum is wrong, or its address is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        let incomplete = FrameError::Incomplete { got: bytes.len() };
        match candidate(bytes) {
            Some((body, &[received, END])) if body.len() + 2 == bytes.len() => Self::checked(body, received),
            _ => Err(incomplete),
        }
    }

    /// The first whole frame at or after the start of a stream, with the place where it begins and its length.
    pub(crate) fn find(stream: &[u8]) -> Option<(Self, usize, usize)> {
        (0..stream.len()).find_map(|start| {
            let (body, end) = candidate(&stream[start..])?;
            let &[received, END] = end else { return None };
            Some((Self::checked(body, received).ok()?, start, body.len() + 2))
        })
    }

    /// The error of the first thing that looks like a frame and is none.
    pub(super) fn damage(stream: &[u8]) -> Option<FrameError> {
        (0..stream.len()).find_map(|start| {
            let (body, &[received, _]) = candidate(&stream[start..])?;
            Self::checked(body, received).err()
        })
    }

    fn checked(body: &[u8], received: u8) -> Result<Self, FrameError> {
        let computed = sum(body);
        if computed != received {
            return Err(FrameError::Sum { computed, received });
        }
        let &[_, a, b, c, d, e, f, _, control, _, ref data @ ..] = body else {
            return Err(FrameError::Incomplete { got: body.len() });
        };
        let whom = Whom::parse([a, b, c, d, e, f]).ok_or(FrameError::NotAnAddress)?;
        let data = data.iter().map(|byte| byte.wrapping_sub(OFFSET)).collect();
        Ok(Self { whom, control, data })
    }
}

/// What may be a frame at the start of `bytes`, by its start bytes and its length: all before the sum, and the last two.
fn candidate(bytes: &[u8]) -> Option<(&[u8], &[u8; 2])> {
    let &[START, _, _, _, _, _, _, START, _, length, ..] = bytes else { return None };
    if length > DATA_BYTES_MAX {
        return None;
    }
    bytes.get(..OVERHEAD + usize::from(length))?.split_last_chunk::<2>()
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// The lowest `2 * bytes` decimal digits of a number, two in a byte, lowest first.
pub(crate) fn bcd(mut number: u64, bytes: usize) -> Vec<u8> {
    let mut digits = || {
        let pair = u8::try_from(number % 100).unwrap_or_default();
        number /= 100;
        ((pair / 10) << 4) | (pair % 10)
    };
    (0..bytes).map(|_| digits()).collect()
}

/// The number of at most 18 digits, two in a byte, lowest first; `None` when a digit is none.
pub(crate) fn bcd_number(bytes: &[u8]) -> Option<u64> {
    bytes.iter().rev().try_fold(0_u64, |number, byte| {
        let (high, low) = (byte >> 4, byte & 0x0F);
        (high < 10 && low < 10).then_some(())?;
        number.checked_mul(100)?.checked_add(u64::from(high * 10 + low))
    })
}
