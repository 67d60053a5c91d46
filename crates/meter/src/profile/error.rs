//! Why a profile is not usable.

use crate::MeterError;
use crate::modbus::FrameError;
use crate::strict_toml::TomlError;
use std::fmt;
use units::Key;

/// What is wrong with a profile, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError {
    /// Line of the text, from 1: of the value, or of the block that it stands in.
    pub line: usize,
    /// What is wrong.
    pub fault: ProfileFault,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            // It has its line in its own words.
            ProfileFault::Toml(error) => error.fmt(f),
            fault => write!(f, "line {}: {fault}", self.line),
        }
    }
}

impl std::error::Error for ProfileError {}

/// What is wrong with a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileFault {
    /// Not TOML, a key missing, or a key misspelt.
    #[error(transparent)]
    Toml(TomlError),
    /// A register names a quantity that does not exist.
    #[error("unknown quantity `{name}`; did you mean `{nearest}`?")]
    UnknownQuantity {
        /// As written.
        name: String,
        /// The nearest known name.
        nearest: String,
    },
    /// A scale is not a positive decimal of at most 12 digits.
    #[error("{quantity}: scale `{scale}` is not a positive decimal such as 0.1")]
    Scale {
        /// Of which register.
        quantity: String,
        /// As written.
        scale: String,
    },
    /// A register lies outside all reads.
    #[error("{quantity}: register {address:#06x} is in none of the [[read]] blocks; extend one")]
    OutsideReads {
        /// Of which register.
        quantity: String,
        /// Its address.
        address: u16,
    },
    /// A register's width is no multiple of what the device answers for a counted register.
    #[error("{quantity}: its type has {width} bytes, but the meter answers in steps of {bytes_per_count}")]
    Width {
        /// Of which register.
        quantity: String,
        /// Bytes of the type.
        width: usize,
        /// Bytes the device answers for each counted register.
        bytes_per_count: u8,
    },
    /// The lower limit is above the upper one.
    #[error("{quantity}: min {min} is above max {max}")]
    Limits {
        /// Of which register.
        quantity: String,
        /// Lower limit.
        min: i64,
        /// Upper limit.
        max: i64,
    },
    /// A read does not fit a frame.
    #[error("[[read]] at {address:#06x}: {reason}")]
    Read {
        /// Its first register.
        address: u16,
        /// Why.
        reason: FrameError,
    },
    /// Digits that no value has.
    #[error(
        "{quantity}: {digits} digits at offset {offset}; a value has an even number of 2 to 18, and lies at 0 to 100"
    )]
    Digits {
        /// Of which item.
        quantity: String,
        /// As written.
        digits: u8,
        /// As written.
        offset: u8,
    },
    /// Both kinds of values.
    #[error("a profile has either [[read]] and [[register]] (Modbus) or [[item]] (DL/T 645)")]
    TwoProtocols,
    /// There is nothing to read, or more than a poll may take.
    #[error("a profile has 1 to {reads_max} [[read]] and 1 to {registers_max} [[register]] blocks")]
    Empty {
        /// Most reads.
        reads_max: usize,
        /// Most registers.
        registers_max: usize,
    },
    /// A relay that cannot be switched as it is written.
    #[error("[relay]: {0}")]
    Relay(&'static str),
    /// A counter's wrap that cannot be.
    #[error("{quantity}: `wraps_at` {wraps_at} is for a counter of energy, and lies one step above max {max}")]
    Wrap {
        /// Of which register.
        quantity: String,
        /// As written.
        wraps_at: i64,
        /// The highest value that it shows.
        max: i64,
    },
    /// A sign that no value can have.
    #[error("{quantity}: a `sign` byte is for a signed quantity with an unsigned type, and lies in one of the reads")]
    Sign {
        /// Of which register.
        quantity: String,
    },
    /// An example frame is not hexadecimal.
    #[error("example: `{0}` is not bytes in hexadecimal")]
    Hex(String),
    /// A rate, time or count that no meter has.
    #[error("`{key}` = {value} is not {least} to {most}")]
    Bounds {
        /// Which key.
        key: &'static str,
        /// As written.
        value: u64,
        /// Least.
        least: u64,
        /// Most.
        most: u64,
    },
    /// Neither the standard's answer nor the IM12xx family's.
    #[error("`bytes_per_count` = {0} is neither 2, the standard's, nor 4, as the IM12xx and JSY families answer")]
    BytesPerCount(u8),
    /// A short answer that is not shorter.
    #[error("`short_count` = {short_count} is not below `count` = {count}, or is 0")]
    ShortCount {
        /// As written.
        short_count: u16,
        /// As written.
        count: u16,
    },
    /// Two registers give the same value.
    #[error("{quantity} is given twice; a quantity of a phase or channel has one register")]
    Twice {
        /// Which.
        quantity: Key,
    },
    /// Two values share bytes.
    #[error("{quantity} and {other} lie in the same bytes, from register {address:#06x} on")]
    Overlap {
        /// The later one in the file.
        quantity: Key,
        /// The earlier one.
        other: Key,
        /// Where the later one begins.
        address: u16,
    },
    /// An example whose frames are not this profile's, or are refused.
    #[error("example `{source_text}` gives no reading: {reason}")]
    ExampleRefused {
        /// Where the example says that it comes from.
        source_text: String,
        /// Why.
        reason: MeterError,
    },
    /// An example whose frames give another reading.
    #[error("example `{source_text}`: {quantity} is {} by its frames, and {} by its reading", shown(.decoded.as_ref()), shown(.written.as_ref()))]
    ExampleDiffers {
        /// Where the example says that it comes from.
        source_text: String,
        /// The first value that differs.
        quantity: Key,
        /// What the frames give.
        decoded: Option<i64>,
        /// What the reading says.
        written: Option<i64>,
    },
}

fn shown(value: Option<&i64>) -> String {
    value.map_or_else(|| "missing".to_owned(), ToString::to_string)
}
