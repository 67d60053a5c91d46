//! What meters speak.

use crate::{Address, Framing};

/// What a meter speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Modbus, on a serial line or over TCP.
    Modbus,
    /// DL/T 645-2007, on a serial line.
    Dlt645,
}

impl Protocol {
    /// Whether it has addresses of that kind.
    #[must_use]
    pub const fn has(self, address: Address) -> bool {
        match self {
            Self::Modbus => address.as_modbus().is_some(),
            Self::Dlt645 => address.as_dlt645().is_some(),
        }
    }

    /// Whether a line of that framing carries it.
    #[must_use]
    pub const fn fits(self, framing: Framing) -> bool {
        match framing {
            Framing::Rtu { .. } | Framing::Tcp => matches!(self, Self::Modbus),
            Framing::Dlt645 { .. } => matches!(self, Self::Dlt645),
        }
    }

    /// Its framing on a serial line.
    #[must_use]
    pub const fn serial(self, baud: u32) -> Framing {
        match self {
            Self::Modbus => Framing::Rtu { baud },
            Self::Dlt645 => Framing::Dlt645 { baud },
        }
    }

    /// The address of that number, 1 to 247 or of up to twelve digits.
    #[must_use]
    pub fn address(self, number: u64) -> Option<Address> {
        match self {
            Self::Modbus => u8::try_from(number).ok().and_then(Address::modbus),
            Self::Dlt645 => Address::dlt645(number),
        }
    }
}
