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
        }
    }
}

/// Which word of a 32-bit value comes first; within a word Modbus always sends the high byte first.
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

    /// Its value in the quantity's unit.
    pub(super) fn decode(&self, bytes: &[u8], order: WordOrder) -> Result<i64, MeterError> {
        let value = match self.coding {
            RegisterType::F32 => self.scale.apply_f32(word(bytes, order)),
            _ => self.scale.apply(self.raw_integer(bytes, order)),
        };
        let value = value.ok_or(MeterError::NotANumber { quantity: self.key })?;
        if value < self.min || value > self.max {
            return Err(MeterError::Implausible { quantity: self.key, value, min: self.min, max: self.max });
        }
        Ok(value)
    }

    fn raw_integer(&self, bytes: &[u8], order: WordOrder) -> i64 {
        match (self.coding, bytes) {
            (RegisterType::U16, &[a, b]) => i64::from(u16::from_be_bytes([a, b])),
            (RegisterType::I16, &[a, b]) => i64::from(i16::from_be_bytes([a, b])),
            (RegisterType::I32, _) => i64::from(word(bytes, order).cast_signed()),
            _ => i64::from(word(bytes, order)),
        }
    }

    /// The bytes that decode to `value`, or to the nearest value that the coding has: the simulator's side.
    pub(crate) fn encode(&self, value: i64, order: WordOrder) -> Vec<u8> {
        let raw = self.scale.invert(value);
        match self.coding {
            RegisterType::U16 => u16::try_from(raw.max(0)).unwrap_or(u16::MAX).to_be_bytes().to_vec(),
            RegisterType::I16 => clamp_i16(raw).to_be_bytes().to_vec(),
            RegisterType::U32 => word_bytes(u32::try_from(raw.max(0)).unwrap_or(u32::MAX), order),
            RegisterType::I32 => word_bytes(clamp_i32(raw).cast_unsigned(), order),
            RegisterType::F32 => word_bytes(self.scale.invert_f32(value), order),
        }
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

fn word(bytes: &[u8], order: WordOrder) -> u32 {
    match (bytes, order) {
        (&[a, b, c, d], WordOrder::HighFirst) => u32::from_be_bytes([a, b, c, d]),
        (&[a, b, c, d], WordOrder::LowFirst) => u32::from_be_bytes([c, d, a, b]),
        // The width of the coding decides the length of the slice; shorter ones do not come here.
        _ => 0,
    }
}

fn word_bytes(value: u32, order: WordOrder) -> Vec<u8> {
    let [a, b, c, d] = value.to_be_bytes();
    match order {
        WordOrder::HighFirst => vec![a, b, c, d],
        WordOrder::LowFirst => vec![c, d, a, b],
    }
}
