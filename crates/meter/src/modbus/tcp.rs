//! Modbus over TCP: the MBAP header in place of the CRC.
//!
//! ```text
//! 0        2          4        6      7
//! +--------+----------+--------+------+-----
//! | trans. | protocol | length | unit | PDU   big endian; length counts unit and PDU
//! +--------+----------+--------+------+-----
//! ```

use super::FrameError;
use super::request::Request;

/// Bytes of the header, the unit among them.
pub const MBAP_BYTES: usize = 7;
/// The protocol number of Modbus.
pub const PROTOCOL_MODBUS: u16 = 0;
/// Unit and the longest PDU (253 bytes; V1.1b3, section 4.1).
const LENGTH_MAX: u16 = 254;
/// Unit and a function.
const LENGTH_MIN: u16 = 2;

/// A complete frame out of a TCP stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpFrame<'a> {
    /// The number that an answer shares with its request.
    pub transaction: u16,
    /// The device behind the gateway, or the device itself.
    pub unit: u8,
    /// Function and what follows.
    pub pdu: &'a [u8],
}

/// Builds a frame. A PDU beyond the longest allowed gives a frame that the other side refuses.
#[must_use]
pub fn tcp_frame(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).unwrap_or(u16::MAX);
    let mut frame = Vec::with_capacity(MBAP_BYTES + pdu.len());
    for field in [transaction, PROTOCOL_MODBUS, length] {
        frame.extend(field.to_be_bytes());
    }
    frame.push(unit);
    frame.extend(pdu);
    frame
}

/// Takes the first frame off a stream: the frame and its length in bytes, or `None` while it is incomplete.
///
/// # Errors
/// [`FrameError::WrongProtocol`] when the header is not Modbus; the stream cannot be resynchronised then.
pub fn tcp_split(stream: &[u8]) -> Result<Option<(TcpFrame<'_>, usize)>, FrameError> {
    let &[t0, t1, p0, p1, l0, l1, unit, ..] = stream else { return Ok(None) };
    let (protocol, length) = (u16::from_be_bytes([p0, p1]), u16::from_be_bytes([l0, l1]));
    if protocol != PROTOCOL_MODBUS || !(LENGTH_MIN..=LENGTH_MAX).contains(&length) {
        return Err(FrameError::WrongProtocol { protocol, length });
    }
    let end = MBAP_BYTES - 1 + usize::from(length);
    let frame = |pdu| (TcpFrame { transaction: u16::from_be_bytes([t0, t1]), unit, pdu }, end);
    Ok(stream.get(MBAP_BYTES..end).map(frame))
}

impl Request {
    /// The data of `frame`, if it answers this request sent under `transaction`.
    ///
    /// # Errors
    /// When a check fails; an answer to an earlier transaction is [`FrameError::WrongTransaction`].
    pub fn parse_tcp<'a>(&self, transaction: u16, frame: &TcpFrame<'a>) -> Result<&'a [u8], FrameError> {
        if frame.transaction != transaction {
            return Err(FrameError::WrongTransaction { expected: transaction, got: frame.transaction });
        }
        if frame.unit != self.address() {
            return Err(FrameError::WrongAddress { expected: self.address(), got: frame.unit });
        }
        self.parse_pdu(frame.pdu)
    }
}
