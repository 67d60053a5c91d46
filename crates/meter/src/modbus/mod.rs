//! Modbus frames as bytes: requests built, answers checked against the request they belong to.
//!
//! Invariant: data leave this module only out of a frame whose check value, address, function and length all fit the
//! request (over TCP: whose transaction number fits too). When to send, and how long to wait, is the bus's to say.
//!
//! Sources: MODBUS Application Protocol Specification V1.1b3 (functions, exceptions), MODBUS over Serial Line V1.02
//! (RTU frame and CRC), MODBUS Messaging on TCP/IP Implementation Guide V1.0b (MBAP header).

mod error;
mod request;
mod rtu;
mod tcp;

pub use error::{FrameError, exception_meaning};
pub use request::{RegisterKind, Request};
pub use rtu::{FRAME_BYTES_MAX, crc16, seal};
pub use tcp::{MBAP_BYTES, PROTOCOL_MODBUS, TcpFrame, tcp_frame, tcp_split};

/// Function 0x01: read coils (V1.1b3 6.1).
pub const READ_COILS: u8 = 0x01;
/// Function 0x03: read holding registers (V1.1b3 6.3).
pub const READ_HOLDING: u8 = 0x03;
/// Function 0x04: read input registers (V1.1b3 6.4).
pub const READ_INPUT: u8 = 0x04;
/// Function 0x05: write one coil (V1.1b3 6.5).
pub const WRITE_COIL: u8 = 0x05;
/// Function 0x06: write one register (V1.1b3 6.6).
pub const WRITE_REGISTER: u8 = 0x06;
/// Function 0x10: write several registers (V1.1b3 6.12).
pub const WRITE_REGISTERS: u8 = 0x10;
/// Exception: it does not know this function (V1.1b3 7).
pub(crate) const ILLEGAL_FUNCTION: u8 = 1;
/// Exception: it has no such register (V1.1b3 7).
pub(crate) const ILLEGAL_ADDRESS: u8 = 2;
/// Exception: it does not accept this value or count (V1.1b3 7).
pub(crate) const ILLEGAL_VALUE: u8 = 3;
/// Set in the function of an answer that is an exception (V1.1b3 7).
pub const EXCEPTION_FLAG: u8 = 0x80;
