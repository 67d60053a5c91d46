//! Why a poll gave no reading.

use crate::dlt645;
use crate::modbus::FrameError;
use crate::{Address, Framing};
use units::{Key, Millis};

/// Why a meter's bytes are not a reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeterError {
    /// A frame failed a check.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A DL/T 645 frame failed a check.
    #[error(transparent)]
    Dlt645(#[from] dlt645::FrameError),
    /// The model cannot be asked at this address or on this line.
    #[error("{model} at address {address} cannot be asked on a {} line: see profile, address and framing", .framing.name())]
    NotOnThisLine {
        /// The model.
        model: String,
        /// Its address as configured.
        address: Address,
        /// The line's framing.
        framing: Framing,
    },
    /// Not one byte came.
    #[error("no answer within {} ms: is the meter powered, and its address and baud rate right?", .waited.ms())]
    NoAnswer {
        /// How long it was waited for, time on the wire included.
        waited: Millis,
    },
    /// Somebody talks without a pause.
    #[error("the line has not been silent for {} ms: is there a second master, or a fault in the wiring?", .busy.ms())]
    LineBusy {
        /// For how long.
        busy: Millis,
    },
    /// The value cannot be true.
    #[error("{quantity} = {value} is outside {min} to {max}: wrong profile, or a defective meter")]
    Implausible {
        /// What it claims to measure.
        quantity: Key,
        /// The value, in the quantity's unit.
        value: i64,
        /// Lowest possible value.
        min: i64,
        /// Highest possible value.
        max: i64,
    },
    /// NaN, infinity, or beyond what the quantity's integer holds.
    #[error("{quantity} is not a number: wrong profile, or a defective meter")]
    NotANumber {
        /// What it claims to measure.
        quantity: Key,
    },
    /// Power does not follow from the other values.
    #[error(
        "{quantity} = {value} beside voltage x current x power factor = {expected}, which may differ by {tolerance}: a damaged answer, a wrong profile, or a defective meter"
    )]
    PowersDisagree {
        /// Which power.
        quantity: Key,
        /// What it claims, in mW.
        value: i64,
        /// What it should be, without sign, in mW.
        expected: i64,
        /// How far off resolution and class allow it to be, in mW.
        tolerance: i64,
    },
    /// The model has no relay that can be switched or asked.
    #[error("{model} has no relay, or none whose state can be asked: see [relay] in its profile")]
    NoRelay {
        /// The model.
        model: String,
    },
    /// A command that needs an end of its validity came without.
    #[error("the meter's command needs a time after which it is void, and none was given")]
    NoExpiry,
    /// More orders wait than a line takes.
    #[error("{waiting} orders wait for this line already; try again when they are done")]
    TooManyOrders {
        /// How many.
        waiting: usize,
    },
    /// A relay's state that means neither on nor off.
    #[error("the relay's state is {value}, neither {on} (on) nor {off} (off): see [relay] in the profile")]
    RelayState {
        /// What was read.
        value: u64,
        /// What on would be.
        on: u16,
        /// What off would be.
        off: u16,
    },
    /// Not as many exchanges as the profile has reads.
    #[error("{got} exchanges for a profile with {expected} reads")]
    WrongExchanges {
        /// Reads of the profile.
        expected: usize,
        /// Exchanges given.
        got: usize,
    },
    /// An exchange's request is not the profile's.
    #[error("the request is not this profile's read at {at:#06x}: another profile or address")]
    WrongRequest {
        /// First register of the profile's read, or its identifier.
        at: u32,
    },
}

impl MeterError {
    /// Whether the meter understood and said no.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Frame(FrameError::Exception { .. })
                | Self::Dlt645(dlt645::FrameError::Refused { .. } | dlt645::FrameError::MoreFollows)
        )
    }

    /// Whether nothing that came could be understood, so that rate, parity, wiring and power are in question.
    #[must_use]
    pub const fn is_unintelligible(&self) -> bool {
        use dlt645::FrameError as Dlt645;
        matches!(
            self,
            Self::NoAnswer { .. }
                | Self::Frame(FrameError::Crc { .. } | FrameError::TooShort { .. })
                | Self::Dlt645(Dlt645::Incomplete { .. } | Dlt645::Sum { .. } | Dlt645::NotAnAddress)
        )
    }

    /// A short stable name to count by.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Frame(error) => error.kind(),
            Self::Dlt645(error) => error.kind(),
            Self::NotOnThisLine { .. } => "not_on_this_line",
            Self::NoAnswer { .. } => "no_answer",
            Self::LineBusy { .. } => "line_busy",
            Self::Implausible { .. } => "implausible",
            Self::NotANumber { .. } => "not_a_number",
            Self::PowersDisagree { .. } => "powers_disagree",
            Self::NoRelay { .. } => "no_relay",
            Self::NoExpiry => "no_expiry",
            Self::TooManyOrders { .. } => "too_many_orders",
            Self::RelayState { .. } => "relay_state",
            Self::WrongExchanges { .. } => "wrong_exchanges",
            Self::WrongRequest { .. } => "wrong_request",
        }
    }
}
