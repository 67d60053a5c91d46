//! Values of a DL/T 645 meter: an identifier, and where in its data the decimal digits are.

use super::text::parse_key;
use super::{ProfileFault, Scale};
use crate::dlt645::{self, Frame, bcd, bcd_number};
use crate::{Address, MeterError, Request};
use serde::Deserialize;
use units::{Key, Quantity, Reading};

/// Most digits of a value: 18 fit 64 bits, and the longest of the standard has 8.
const DIGITS_MAX: u8 = 18;
/// Highest place of a value in an identifier's data: a block of three phases and their sum is far below it.
const OFFSET_MAX: u8 = 100;
/// The sign of a value that has one, in its highest byte (DL/T 645-2007, annex A).
const NEGATIVE: u8 = 0x80;

/// One value of a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it measures.
    pub key: Key,
    /// The data identifier that holds it (annex A).
    pub identifier: u32,
    /// Decimal digits, two in a byte.
    pub digits: u8,
    /// Where its bytes begin in the identifier's data; a block of several values has more than zero.
    pub offset: u8,
    /// Whether the highest bit is its sign.
    pub signed: bool,
    /// The quantity's OBIS code (IEC 62056-6-1), if it has one.
    pub obis: Option<String>,
    /// Lowest possible value, in the quantity's unit.
    pub min: i64,
    /// Highest possible value, in the quantity's unit.
    pub max: i64,
    /// Of a counter: the first value that it does not show, in mWh; after the one before it comes zero.
    pub wraps_at: Option<i64>,
    scale: Scale,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemText {
    quantity: String,
    di: u32,
    digits: u8,
    #[serde(default)]
    offset: u8,
    #[serde(default)]
    signed: bool,
    scale: String,
    obis: Option<String>,
    min: i64,
    max: i64,
    wraps_at: Option<i64>,
}

impl ItemText {
    pub(super) fn check(self) -> Result<Item, ProfileFault> {
        let key = parse_key(&self.quantity)?;
        let quantity = self.quantity;
        if self.digits == 0 || self.digits > DIGITS_MAX || self.digits % 2 == 1 || self.offset > OFFSET_MAX {
            return Err(ProfileFault::Digits { quantity, digits: self.digits, offset: self.offset });
        }
        let scale = Scale::parse(&self.scale);
        let scale = scale.ok_or(ProfileFault::Scale { quantity: quantity.clone(), scale: self.scale })?;
        let min = if key.quantity.is_signed() { self.min } else { self.min.max(0) };
        if min > self.max {
            return Err(ProfileFault::Limits { quantity, min: self.min, max: self.max });
        }
        let is_counter = matches!(key.quantity, Quantity::EnergyImport | Quantity::EnergyExport);
        let (max, wraps_at) = (self.max, self.wraps_at);
        if let Some(wraps_at) = wraps_at.filter(|wrap| !is_counter || !(1..=max.saturating_add(1)).contains(wrap)) {
            return Err(ProfileFault::Wrap { quantity, wraps_at, max });
        }
        let (identifier, digits, offset, signed) = (self.di, self.digits, self.offset, self.signed);
        Ok(Item { key, identifier, digits, offset, signed, obis: self.obis, min, max, wraps_at, scale })
    }
}

impl Item {
    fn end(&self) -> usize {
        usize::from(self.offset) + usize::from(self.digits / 2)
    }

    /// Its value in the quantity's unit, out of its identifier's data.
    fn decode(&self, data: &[u8]) -> Result<i64, MeterError> {
        let not_a_number = || MeterError::NotANumber { quantity: self.key };
        let mut digits = data.get(usize::from(self.offset)..self.end()).ok_or_else(not_a_number)?.to_vec();
        let mut negative = false;
        if let Some(highest) = digits.last_mut().filter(|_| self.signed) {
            negative = *highest & NEGATIVE != 0;
            *highest &= !NEGATIVE;
        }
        // A meter that has no such value may answer FF, which is no digit.
        let magnitude = bcd_number(&digits).and_then(|number| i64::try_from(number).ok()).ok_or_else(not_a_number)?;
        let raw = if negative { -magnitude } else { magnitude };
        let value = self.scale.apply(raw).ok_or_else(not_a_number)?;
        if value < self.min || value > self.max {
            return Err(MeterError::Implausible { quantity: self.key, value, min: self.min, max: self.max });
        }
        Ok(value)
    }

    /// The bytes that decode to `value`, or to the nearest value that the digits hold: the simulator's side.
    fn encode(&self, value: i64) -> Vec<u8> {
        let raw = self.scale.invert(value);
        let largest = 10_u64.pow(u32::from(self.digits)) - 1;
        let mut bytes = bcd(raw.unsigned_abs().min(largest), usize::from(self.digits / 2));
        if let Some(highest) = bytes.last_mut().filter(|_| self.signed && raw < 0) {
            *highest |= NEGATIVE;
        }
        bytes
    }

    /// How far apart neighbouring values are, in the quantity's unit: what a reading can be trusted to.
    #[must_use]
    pub fn resolution(&self) -> i64 {
        self.scale.step()
    }
}

/// Identifiers in the order of their first values, each with the bytes of its data.
pub(super) fn identifiers(items: &[Item]) -> Vec<(u32, usize)> {
    let mut identifiers: Vec<(u32, usize)> = Vec::new();
    for item in items {
        match identifiers.iter_mut().find(|(identifier, _)| *identifier == item.identifier) {
            Some((_, bytes)) => *bytes = (*bytes).max(item.end()),
            None => identifiers.push((item.identifier, item.end())),
        }
    }
    identifiers
}

/// The requests of one poll; none for an address that is no DL/T 645 meter's.
pub(super) fn requests(items: &[Item], address: Address) -> Vec<Request> {
    let request = |(identifier, bytes)| dlt645::Request::read(address, identifier, bytes).into();
    let is_ours = address.as_dlt645().is_some();
    identifiers(items).into_iter().filter(|_| is_ours).map(request).collect()
}

/// Decodes the values of one identifier.
pub(super) fn take_values(
    items: &[Item],
    identifier: u32,
    data: &[u8],
    reading: &mut Reading,
) -> Result<(), MeterError> {
    for item in items.iter().filter(|item| item.identifier == identifier) {
        reading.insert(item.key, item.decode(data)?);
    }
    Ok(())
}

/// The data that a meter which measures `values` holds under an identifier; `None` when it has none of it.
pub(crate) fn simulated_data(items: &[Item], identifier: u32, values: &Reading) -> Option<Vec<u8>> {
    let (_, bytes) = identifiers(items).into_iter().find(|(known, _)| *known == identifier)?;
    let mut data = vec![0; bytes];
    for item in items.iter().filter(|item| item.identifier == identifier) {
        if let Some(value) = values.get(item.key) {
            data[usize::from(item.offset)..item.end()].copy_from_slice(&item.encode(value));
        }
    }
    Some(data)
}

/// The address that an answer or a request speaks of.
pub(super) fn address_of(frame: &[u8]) -> Option<Address> {
    Frame::parse(frame).ok()?.address()
}
