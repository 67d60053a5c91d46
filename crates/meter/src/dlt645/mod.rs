//! DL/T 645-2007 frames as bytes: requests built, answers checked against the request they belong to.
//!
//! ```text
//! 0    1         7    8   9   10        10+L  11+L
//! +----+---------+----+---+---+---------+-----+----+
//! | 68 | address | 68 | C | L | data+33 | CS  | 16 |   any number of FE before it wakes the receiver
//! +----+---------+----+---+---+---------+-----+----+
//! address: 12 BCD digits, lowest pair first; data: each byte plus 0x33, lowest first; CS: sum of all before it, mod 256
//! ```
//!
//! Invariant: data leave this module only out of a frame whose sum, address, control code, identifier and length all fit
//! the request. The sum is weaker than Modbus's CRC: it misses about one damaged frame in 256, which is why the fixed
//! bytes and lengths are all looked at, and why values have limits.
//!
//! Sources: DL/T 645-2007, multi-function watt-hour meter communication protocol (5.2 frames, 7 services, annexes A and C).

mod error;
mod frame;
mod request;
mod search;
mod whom;

pub use error::FrameError;
pub use frame::{FRAME_BYTES_MAX, Frame};
pub(crate) use frame::{bcd, bcd_number};
pub use request::{Authority, Command, LocalTime, Request};
pub(crate) use request::{address_answer, answer, confirmation, refusal};
pub use search::{QUESTIONS_MAX, Search};
pub use whom::{Ending, Whom};

/// Control code: read data (7.1).
pub const READ: u8 = 0x11;
/// Control code: read the address (7.3); asked of the wildcard address.
pub const READ_ADDRESS: u8 = 0x13;
/// Control code: switch, alarm, and hold (7.11).
pub const CONTROL: u8 = 0x1C;
/// Set in the control code of whatever a meter sends (5.2.3).
pub const FROM_METER: u8 = 0x80;
/// Set when the meter refuses.
pub const REFUSED: u8 = 0x40;
/// Set when more data follow in another frame.
pub const MORE_FOLLOWS: u8 = 0x20;
/// A byte of an address that any two digits fit: all meters that fit answer, so that the answers of several collide.
pub const WILDCARD: u8 = 0xAA;
/// Meter's state word 3; bit 4 of its first byte is the relay, 0 closed and 1 open (annex C).
pub const STATE_WORD_3: u32 = 0x0400_0503;
