//! The RTU frame: address, function, data, CRC with its low byte first.

use super::request::Request;
use super::{EXCEPTION_FLAG, FrameError};

/// Longest RTU frame (MODBUS over Serial Line V1.02, 2.5.1).
pub const FRAME_BYTES_MAX: usize = 256;

/// Address, function and CRC: what a frame has besides its data.
pub(super) const FRAME_BYTES_MIN: usize = 4;

/// CRC-16/MODBUS: polynomial 0x8005 reflected, initial 0xFFFF (MODBUS over Serial Line V1.02, 6.2.2).
#[must_use]
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

/// Appends the CRC, low byte first.
#[must_use]
pub fn seal(mut frame: Vec<u8>) -> Vec<u8> {
    frame.extend(crc16(&frame).to_le_bytes());
    frame
}

/// Splits a frame into body and received CRC; `None` when it is too short to have both.
fn split_crc(frame: &[u8]) -> Option<(&[u8], u16)> {
    let (body, crc) = frame.split_last_chunk::<2>()?;
    Some((body, u16::from_le_bytes(*crc)))
}

pub(super) fn crc_fits(frame: &[u8]) -> bool {
    split_crc(frame).is_some_and(|(body, crc)| crc16(body) == crc)
}

impl Request {
    /// The data of `frame`, if it is exactly this request's answer.
    ///
    /// # Errors
    /// When a check fails; the CRC is looked at first, because nothing else can be believed without it.
    pub fn parse_rtu<'a>(&self, frame: &'a [u8]) -> Result<&'a [u8], FrameError> {
        let need = self.rtu_answer_bytes_min();
        let cut = FrameError::TooShort { got: frame.len(), need };
        let Some((body, received)) = split_crc(frame).filter(|(body, _)| body.len() >= 3) else { return Err(cut) };
        let computed = crc16(body);
        if computed != received {
            let begins_like_ours = body.starts_with(&[self.address(), self.function()]);
            return Err(if begins_like_ours && frame.len() < need {
                cut
            } else {
                FrameError::Crc { computed, received }
            });
        }
        if body[0] != self.address() {
            return Err(FrameError::WrongAddress { expected: self.address(), got: body[0] });
        }
        self.parse_pdu(&body[1..])
    }

    /// Looks for this request's answer anywhere in a stream, so that noise before it costs nothing. Gives the whole
    /// frame, or `None` while there is none.
    ///
    /// # Errors
    /// [`FrameError::Exception`] when the device refuses; whatever else a stream holds is no reason to stop waiting.
    pub fn find_rtu<'a>(&self, stream: &'a [u8]) -> Result<Option<&'a [u8]>, FrameError> {
        for start in 0..stream.len() {
            if stream[start] != self.address() {
                continue;
            }
            let frames = self.rtu_answer_lengths().filter_map(|length| stream[start..].get(..length));
            for frame in frames.filter(|frame| crc_fits(frame)) {
                match self.parse_rtu(frame) {
                    Ok(_) => return Ok(Some(frame)),
                    Err(exception @ FrameError::Exception { .. }) => return Err(exception),
                    Err(_) => {}
                }
            }
        }
        Ok(None)
    }

    /// Says what a stream that holds no answer holds instead; called when the time is up.
    #[must_use]
    pub fn diagnose_rtu(&self, stream: &[u8]) -> FrameError {
        let foreign = (0..stream.len()).find_map(|start| {
            let frame = self_describing(&stream[start..])?;
            self.parse_rtu(frame).err()
        });
        foreign.unwrap_or_else(|| match self.parse_rtu(stream) {
            Err(error) => error,
            Ok(_) => FrameError::TooShort { got: 0, need: self.rtu_answer_bytes_min() },
        })
    }
}

/// The frame at the start of `bytes` whose own byte count and CRC agree: an answer to somebody's read, or an exception.
fn self_describing(bytes: &[u8]) -> Option<&[u8]> {
    let (function, count) = (*bytes.get(1)?, *bytes.get(2)?);
    let length = if function & EXCEPTION_FLAG == 0 { usize::from(count) + 5 } else { 5 };
    bytes.get(..length).filter(|frame| crc_fits(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_check_word_is_reproduced() {
        // The check value of CRC-16/MODBUS over the digits 1 to 9 in the catalogue of parametrised CRC algorithms.
        assert_eq!(crc16(b"123456789"), 0x4B37);
    }
}
