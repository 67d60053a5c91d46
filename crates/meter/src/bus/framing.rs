//! How frames are told apart on the line, and how long they take on it.

use crate::Request;
use serde::Deserialize;
use units::Micros;

/// What carries the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Modbus RTU: a serial line, or a TCP port that passes a serial line's bytes.
    Rtu {
        /// Bits in a second.
        baud: u32,
    },
    /// Modbus over TCP, with its own header.
    Tcp,
    /// DL/T 645: a serial line with even parity, or a TCP port that passes a serial line's bytes.
    Dlt645 {
        /// Bits in a second.
        baud: u32,
    },
}

/// The bit that makes the number of ones of a character even or odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parity {
    /// There is none.
    #[default]
    None,
    /// Data and parity have an even number of ones; DL/T 645 has it.
    Even,
    /// An odd number.
    Odd,
}

/// Bits of a character, parity or a second stop bit counted (MODBUS over Serial Line V1.02, 2.5.1; DL/T 645-2007, 5.1.2).
const CHARACTER_BITS: u64 = 11;
/// Above this rate the silence is fixed (V1.02, 2.5.1.1).
const FIXED_SILENCE_ABOVE_BAUD: u32 = 19_200;
/// The fixed silence.
const FIXED_SILENCE: Micros = Micros::from_us(1_750);

impl Framing {
    /// What the configuration calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rtu { .. } => "rtu",
            Self::Tcp => "tcp",
            Self::Dlt645 { .. } => "dlt645",
        }
    }

    /// Bits in a second; `None` where the network carries the frames.
    #[must_use]
    pub const fn baud(self) -> Option<u32> {
        match self {
            Self::Rtu { baud } | Self::Dlt645 { baud } => Some(baud),
            Self::Tcp => None,
        }
    }

    /// The parity of such a line unless its meters were set otherwise. Modbus asks for even, but meters come without
    /// (V1.02, 2.5.1; the manuals of the shipped profiles); DL/T 645 has even and nothing else (5.1.2).
    #[must_use]
    pub const fn parity(self) -> Parity {
        match self {
            Self::Rtu { .. } | Self::Tcp => Parity::None,
            Self::Dlt645 { .. } => Parity::Even,
        }
    }

    /// The silence that ends a frame: 3.5 characters, or 1.75 ms above 19,200 baud.
    #[must_use]
    pub fn silence(self) -> Micros {
        match self.baud() {
            None => Micros::ZERO,
            Some(baud) if baud > FIXED_SILENCE_ABOVE_BAUD => FIXED_SILENCE,
            Some(baud) => Micros::from_us((CHARACTER_BITS * 3_500_000).div_ceil(u64::from(baud.max(1)))),
        }
    }

    /// How long so many bytes take on the wire.
    #[must_use]
    pub fn carrying(self, bytes: usize) -> Micros {
        let Some(baud) = self.baud() else { return Micros::ZERO };
        let bits = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(CHARACTER_BITS);
        Micros::from_us(bits.saturating_mul(1_000_000).div_ceil(u64::from(baud.max(1))))
    }

    /// How long a request and its longest answer take on the wire.
    #[must_use]
    pub fn wire_time(self, request: &Request) -> Micros {
        self.carrying(request.serial().len() + request.answer_bytes_max())
    }
}
