//! Registers: where a value lies, how it is coded, and what it may be.

use super::Scale;
use crate::MeterError;
use crate::modbus::{FrameError, RegisterKind, Request};
use serde::Deserialize;
use std::ops::Range;
use units::Key;

/// How a register's bytes are a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegisterType {
    /// 16 bits, unsigned.
    U16,
    /// 16 bits, two's complement.
    I16,
    /// 32 bits, unsigned.
    U32,
    /// 32 bits, two's complement.
    I32,
    /// 64 bits, unsigned.
    U64,
    /// 64 bits, two's complement.
    I64,
    /// IEEE 754 single.
    F32,
}

impl RegisterType {
    /// Bytes on the wire.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 => 8,
        }
    }

    pub(super) const fn is_unsigned(self) -> bool {
        matches!(self, Self::U16 | Self::U32 | Self::U64)
    }
}

/// Which word of a longer value comes first; within a word Modbus always sends the high byte first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WordOrder {
    /// High word first, the usual one.
    #[default]
    HighFirst,
    /// Low word first.
    LowFirst,
}

/// A block of registers read with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterRead {
    /// Which table.
    pub kind: RegisterKind,
    /// First register.
    pub address: u16,
    /// How many.
    pub count: u16,
    /// How many an older model answers to the same request, if there is such a model.
    pub short_count: Option<u16>,
}

impl RegisterRead {
    /// The request for this block.
    pub(super) fn request(&self, address: u8, bytes_per_count: u8) -> Result<Request, FrameError> {
        let request = Request::read(address, self.kind, self.address, self.count, bytes_per_count)?;
        Ok(match self.short_count {
            Some(count) => request.or_data_bytes(usize::from(count) * usize::from(bytes_per_count)),
            None => request,
        })
    }
}

/// The byte that says whether a value that is sent without a sign is a negative one (JSY-MK-194).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignByte {
    /// Which table.
    pub kind: RegisterKind,
    /// In which register.
    pub address: u16,
    /// Which of the register's bytes, from 0.
    pub byte: u8,
    /// What it holds when the value is negative.
    pub negative: u8,
}

impl SignByte {
    /// Where it is in the data of `read`; `None` when another read has it.
    pub(crate) fn place_in(&self, read: &RegisterRead, bytes_per_count: u8) -> Option<usize> {
        let register = usize::from(self.address.checked_sub(read.address)?);
        let is_inside = self.kind == read.kind && register < usize::from(read.count) && self.byte < bytes_per_count;
        is_inside.then(|| register * usize::from(bytes_per_count) + usize::from(self.byte))
    }

    /// Whether it says negative in the data of `read`, which has its value too.
    pub(super) fn is_set(&self, read: &RegisterRead, bytes_per_count: u8, block: &[u8]) -> bool {
        let byte = self.place_in(read, bytes_per_count).and_then(|place| block.get(place));
        byte == Some(&self.negative)
    }
}

/// One value of a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// What it measures.
    pub key: Key,
    /// Which table.
    pub kind: RegisterKind,
    /// Where it begins.
    pub address: u16,
    /// How it is coded.
    pub coding: RegisterType,
    /// The quantity's OBIS code (IEC 62056-6-1), if it has one.
    pub obis: Option<String>,
    /// Lowest possible value, in the quantity's unit.
    pub min: i64,
    /// Highest possible value, in the quantity's unit.
    pub max: i64,
    /// Of a counter: the first value that it does not show, in mWh; after the one before it comes zero.
    pub wraps_at: Option<i64>,
    /// What makes an unsigned value a negative one.
    pub sign: Option<SignByte>,
    pub(super) scale: Scale,
}

impl Register {
    /// Where its bytes are in the data of `read`; `None` when another read has it.
    pub(crate) fn range_in(&self, read: &RegisterRead, bytes_per_count: u8) -> Option<Range<usize>> {
        let start = usize::from(self.address.checked_sub(read.address)?) * usize::from(bytes_per_count);
        let end = start + self.coding.width();
        let length = usize::from(read.count) * usize::from(bytes_per_count);
        (self.kind == read.kind && end <= length).then_some(start..end)
    }

    /// Whether it and another one share bytes of one table.
    pub(super) fn overlaps(&self, other: &Self, bytes_per_count: u8) -> bool {
        let bytes = |register: &Self| {
            let start = usize::from(register.address) * usize::from(bytes_per_count);
            start..start + register.coding.width()
        };
        let (own, others) = (bytes(self), bytes(other));
        self.kind == other.kind && own.start < others.end && others.start < own.end
    }

    /// Its value in the quantity's unit.
    pub(super) fn decode(&self, bytes: &[u8], order: WordOrder, is_negative: bool) -> Result<i64, MeterError> {
        let value = match self.coding {
            RegisterType::F32 => self.scale.apply_f32(u32::try_from(integer(bytes, order)).unwrap_or(u32::MAX)),
            _ => self.raw_integer(bytes, order).and_then(|raw| self.scale.apply(raw)),
        };
        let value = value.ok_or(MeterError::NotANumber { quantity: self.key })?;
        let value = if is_negative { -value } else { value };
        if value < self.min || value > self.max {
            return Err(MeterError::Implausible { quantity: self.key, value, min: self.min, max: self.max });
        }
        Ok(value)
    }

    fn raw_integer(&self, bytes: &[u8], order: WordOrder) -> Option<i64> {
        let raw = integer(bytes, order);
        match self.coding {
            RegisterType::I16 => u16::try_from(raw).ok().map(|raw| i64::from(raw.cast_signed())),
            RegisterType::I32 => u32::try_from(raw).ok().map(|raw| i64::from(raw.cast_signed())),
            RegisterType::I64 => Some(raw.cast_signed()),
            _ => i64::try_from(raw).ok(),
        }
    }

    /// The bytes that decode to `value`, or to the nearest value that the coding has: the simulator's side. With a
    /// [`SignByte`] they are the bytes of the value without its sign.
    pub(crate) fn encode(&self, value: i64, order: WordOrder) -> Vec<u8> {
        let value = if self.sign.is_some() { value.saturating_abs() } else { value };
        let raw = self.scale.invert(value);
        let big_endian = match self.coding {
            RegisterType::U16 => u16::try_from(raw.max(0)).unwrap_or(u16::MAX).to_be_bytes().to_vec(),
            RegisterType::I16 => clamp_i16(raw).to_be_bytes().to_vec(),
            RegisterType::U32 => u32::try_from(raw.max(0)).unwrap_or(u32::MAX).to_be_bytes().to_vec(),
            RegisterType::I32 => clamp_i32(raw).to_be_bytes().to_vec(),
            RegisterType::U64 => raw.max(0).to_be_bytes().to_vec(),
            RegisterType::I64 => raw.to_be_bytes().to_vec(),
            RegisterType::F32 => self.scale.invert_f32(value).to_be_bytes().to_vec(),
        };
        in_order(&big_endian, order).collect()
    }

    /// How far apart neighbouring values are, in the quantity's unit, at `value`: what a reading can be trusted to.
    #[must_use]
    pub fn resolution(&self, value: i64) -> i64 {
        match self.coding {
            // A single has 24 bits of mantissa.
            RegisterType::F32 => (value.saturating_abs() >> 23) + 1,
            _ => self.scale.step(),
        }
    }
}

fn clamp_i16(raw: i64) -> i16 {
    i16::try_from(raw).unwrap_or(if raw < 0 { i16::MIN } else { i16::MAX })
}

fn clamp_i32(raw: i64) -> i32 {
    i32::try_from(raw).unwrap_or(if raw < 0 { i32::MIN } else { i32::MAX })
}

/// The bytes of a value with the high word first, from the order of the wire, or the other way about.
fn in_order(bytes: &[u8], order: WordOrder) -> impl Iterator<Item = u8> + '_ {
    let words = bytes.len() / 2;
    (0..words).flat_map(move |at| {
        let word = if order == WordOrder::HighFirst { at } else { words - 1 - at };
        bytes[2 * word..2 * word + 2].iter().copied()
    })
}

/// The unsigned integer of up to eight bytes.
fn integer(bytes: &[u8], order: WordOrder) -> u64 {
    in_order(bytes, order).fold(0, |value, byte| value << 8 | u64::from(byte))
}
