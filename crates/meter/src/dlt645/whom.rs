//! Whom a frame is meant for: one meter, or all whose address ends in some digits.

use super::WILDCARD;
use super::frame::{bcd, bcd_number};
use crate::Address;
use std::fmt;

/// Bytes of an address, two digits in each.
const ADDRESS_BYTES: usize = 6;

/// The last digits of an address, none of which means every meter. A frame carries them lowest pair first and
/// [`WILDCARD`] in place of the rest (DL/T 645-2007, 5.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    number: u64,
    pairs: u8,
}

impl Ending {
    /// Whoever hears it.
    pub const ANY: Self = Self { number: 0, pairs: 0 };

    /// The hundred endings with two digits more before these; none behind a whole address.
    pub fn longer(self) -> impl Iterator<Item = Self> {
        let place = 100_u64.pow(u32::from(self.pairs));
        let most = if usize::from(self.pairs) < ADDRESS_BYTES { 100 } else { 0 };
        (0..most).map(move |pair| Self { number: pair * place + self.number, pairs: self.pairs + 1 })
    }

    /// Whether a meter's address ends so.
    #[must_use]
    pub fn is_of(self, address: Address) -> bool {
        address.as_dlt645().is_some_and(|number| number % 100_u64.pow(u32::from(self.pairs)) == self.number)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:0digits$}", self.number, digits = usize::from(self.pairs) * 2))
    }
}

/// Whom a frame is meant for, or whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// One meter.
    Meter(Address),
    /// All whose address ends so.
    Ending(Ending),
}

impl Whom {
    /// Its six bytes.
    pub(super) fn bytes(self) -> Vec<u8> {
        let (number, pairs) = match self {
            Self::Meter(address) => (address.as_dlt645().unwrap_or_default(), ADDRESS_BYTES),
            Self::Ending(Ending { number, pairs }) => (number, usize::from(pairs)),
        };
        let mut bytes = bcd(number, pairs);
        bytes.resize(ADDRESS_BYTES, WILDCARD);
        bytes
    }

    /// Of six bytes; `None` when a digit is none.
    pub(super) fn parse(bytes: [u8; ADDRESS_BYTES]) -> Option<Self> {
        let wild = bytes.iter().rev().take_while(|byte| **byte == WILDCARD).count();
        let number = bcd_number(&bytes[..ADDRESS_BYTES - wild])?;
        if wild == 0 {
            return Address::dlt645(number).map(Self::Meter);
        }
        Some(Self::Ending(Ending { number, pairs: u8::try_from(ADDRESS_BYTES - wild).ok()? }))
    }

    /// The meter, if it is one.
    #[must_use]
    pub const fn meter(self) -> Option<Address> {
        if let Self::Meter(address) = self { Some(address) } else { None }
    }

    /// Whether a meter is meant.
    #[must_use]
    pub fn includes(self, meter: Address) -> bool {
        match self {
            Self::Meter(address) => address == meter,
            Self::Ending(ending) => ending.is_of(meter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_carried_lowest_pair_first_and_wild_in_the_rest() {
        let address = Address::dlt645(4_207_000_161).unwrap();
        let one = Ending::ANY.longer().nth(61).unwrap();
        let two = one.longer().nth(1).unwrap();
        for (whom, bytes, includes) in [
            (Whom::Ending(Ending::ANY), [0xAA; 6], true),
            (Whom::Ending(one), [0x61, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA], true),
            (Whom::Ending(two), [0x61, 0x01, 0xAA, 0xAA, 0xAA, 0xAA], true),
            (Whom::Ending(one.longer().next().unwrap()), [0x61, 0x00, 0xAA, 0xAA, 0xAA, 0xAA], false),
            (Whom::Meter(address), [0x61, 0x01, 0x00, 0x07, 0x42, 0x00], true),
        ] {
            assert_eq!(whom.bytes(), bytes);
            assert_eq!((Whom::parse(bytes), whom.includes(address)), (Some(whom), includes), "{whom:?}");
        }
        for bytes in [[0xAA, 0x01, 0xAA, 0xAA, 0xAA, 0xAA], [0x1A, 0, 0, 0, 0, 0]] {
            assert_eq!(Whom::parse(bytes), None, "{bytes:02x?}");
        }
        assert_eq!(Ending::ANY.longer().count(), 100);
        let whole = (0..6).fold(Ending::ANY, |ending, _| ending.longer().next().unwrap());
        assert_eq!(whole.longer().count(), 0, "an address has twelve digits");
    }
}
