//! How frames are told apart on the line, and how long they take on it.

use crate::modbus::Request;
use units::Millis;

/// What carries the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A serial line, or a TCP port that passes a serial line's bytes.
    Rtu {
        /// Bits in a second.
        baud: u32,
    },
    /// Modbus over TCP, with its own header.
    Tcp,
}

/// Bits of a character, parity or a second stop bit counted (MODBUS over Serial Line V1.02, 2.5.1).
const CHARACTER_BITS: u64 = 11;
/// Above this rate the silence is fixed (V1.02, 2.5.1.1).
const FIXED_SILENCE_ABOVE_BAUD: u32 = 19_200;

impl Framing {
    /// The silence that ends a frame: 3.5 characters, or 1.75 ms above 19,200 baud, rounded up to whole ms.
    #[must_use]
    pub fn silence(self) -> Millis {
        Millis::from_ms(match self {
            Self::Tcp => 0,
            Self::Rtu { baud } if baud > FIXED_SILENCE_ABOVE_BAUD => 2,
            Self::Rtu { baud } => (CHARACTER_BITS * 3_500).div_ceil(u64::from(baud.max(1))),
        })
    }

    /// How long a request and its longest answer take on the wire.
    #[must_use]
    pub fn wire_time(self, request: &Request) -> Millis {
        let Self::Rtu { baud } = self else { return Millis::ZERO };
        let bytes = u64::try_from(request.rtu().len() + request.rtu_answer_bytes_max()).unwrap_or(u64::MAX);
        Millis::from_ms((bytes * CHARACTER_BITS * 1_000).div_ceil(u64::from(baud.max(1))))
    }
}
