//! Where a meter is on its bus: a Modbus address, or the twelve digits of a DL/T 645 meter.

use serde::{Deserialize, Deserializer, de};
use std::{fmt, str::FromStr};

/// Highest Modbus address of a single device (MODBUS over Serial Line V1.02, 2.2).
pub const MODBUS_ADDRESS_MAX: u8 = 247;
/// Digits of the highest Modbus address.
const MODBUS_DIGITS_MAX: usize = 3;
/// Digits of a DL/T 645 address (DL/T 645-2007, 5.2.2).
const DLT645_DIGITS: usize = 12;
/// The largest number of twelve digits.
const DLT645_ADDRESS_MAX: u64 = 999_999_999_999;

/// A meter's address on its bus. The two kinds never meet: a line has one framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Modbus(u8),
    Dlt645(u64),
}

/// Text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no address: give 1 to {MODBUS_ADDRESS_MAX} for Modbus, or the twelve digits of a DL/T 645 meter in quotes, \
     such as \"000000000161\""
)]
pub struct AddressError(String);

impl Address {
    /// The first Modbus address, which most meters have when they are new.
    pub const FIRST: Self = Self(Kind::Modbus(1));

    /// Of a Modbus device; `None` unless it is 1 to [`MODBUS_ADDRESS_MAX`].
    #[must_use]
    pub const fn modbus(address: u8) -> Option<Self> {
        if address >= 1 && address <= MODBUS_ADDRESS_MAX { Some(Self(Kind::Modbus(address))) } else { None }
    }

    /// Of a DL/T 645 meter by its number; `None` beyond twelve digits.
    #[must_use]
    pub const fn dlt645(number: u64) -> Option<Self> {
        if number <= DLT645_ADDRESS_MAX { Some(Self(Kind::Dlt645(number))) } else { None }
    }

    /// The Modbus address, if it is one.
    #[must_use]
    pub const fn as_modbus(self) -> Option<u8> {
        if let Kind::Modbus(address) = self.0 { Some(address) } else { None }
    }

    /// The DL/T 645 number, if it is one.
    #[must_use]
    pub const fn as_dlt645(self) -> Option<u64> {
        if let Kind::Dlt645(number) = self.0 { Some(number) } else { None }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Modbus(address) => f.pad(&address.to_string()),
            Kind::Dlt645(number) => f.pad(&format!("{number:0DLT645_DIGITS$}")),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError(text.to_owned());
        // Longer numbers are slips of a DL/T 645 address, not Modbus addresses with leading zeros.
        let is_length = matches!(text.len(), 1..=MODBUS_DIGITS_MAX | DLT645_DIGITS);
        if !is_length || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error());
        }
        let address = if text.len() == DLT645_DIGITS {
            text.parse().ok().and_then(Self::dlt645)
        } else {
            text.parse().ok().and_then(Self::modbus)
        };
        address.ok_or_else(error)
    }
}

impl<'de> Deserialize<'de> for Address {
    /// A number is a Modbus address; text is either kind.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Address;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address: 1 to 247, or twelve digits in quotes")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Address, E> {
                let address = u8::try_from(number).ok().and_then(Address::modbus);
                address.ok_or_else(|| E::custom(AddressError(number.to_string())))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Address, E> {
                let address = u8::try_from(number).ok().and_then(Address::modbus);
                address.ok_or_else(|| E::custom(AddressError(number.to_string())))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Address, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_digits_are_a_dlt645_meter_and_up_to_247_a_modbus_device() {
        for (text, modbus, dlt645) in [
            ("1", Some(1), None),
            ("247", Some(247), None),
            ("007", Some(7), None),
            ("000000000161", None, Some(161)),
            ("201500000016", None, Some(201_500_000_016)),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.as_modbus(), address.as_dlt645()), (modbus, dlt645), "{text}");
        }
        for wrong in ["", "0", "248", "1000", "-1", "+1", "0x10", "00000000016", "0000000000161", "AAAAAAAAAAAA", " 1"]
        {
            assert_eq!(wrong.parse::<Address>(), Err(AddressError(wrong.to_owned())));
        }
    }

    #[test]
    fn an_address_is_written_as_it_is_read() {
        for text in ["1", "247", "000000000161", "999999999999"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }
}
