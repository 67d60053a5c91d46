//! Why an answer is not taken.

use crate::Address;

/// Why bytes are not the answer to a request, worded for whoever stands before the meter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No frame is in it, or it ends too early.
    #[error("no whole DL/T 645 frame in {got} bytes: check the cable, the baud rate, the even parity and the timeout")]
    Incomplete {
        /// Bytes there are.
        got: usize,
    },
    /// The sum does not fit.
    #[error(
        "check sum {received:#04x} instead of {computed:#04x}: noise on the line, or the wrong baud rate or parity"
    )]
    Sum {
        /// Sum of the bytes as they came.
        computed: u8,
        /// What the frame says.
        received: u8,
    },
    /// Another meter answered.
    #[error("meter {got} answered instead of {expected}: are two masters on the line?")]
    WrongAddress {
        /// Address asked.
        expected: Address,
        /// Address in the answer.
        got: Address,
    },
    /// The address in the answer is not twelve decimal digits.
    #[error("the answer's address is not twelve decimal digits: noise on the line")]
    NotAnAddress,
    /// The right meter answered something else.
    #[error("answer with control code {got:#04x} instead of {expected:#04x}: it belongs to another request")]
    WrongControl {
        /// Control code of the answer awaited.
        expected: u8,
        /// Control code in the answer.
        got: u8,
    },
    /// The answer is of another quantity.
    #[error("answer for data {got:08x} instead of {expected:08x}: it belongs to another request")]
    WrongIdentifier {
        /// Identifier asked.
        expected: u32,
        /// Identifier in the answer.
        got: u32,
    },
    /// The number of data bytes is not the one asked for.
    #[error("{got} data bytes instead of {expected}: another model, or an answer to another request")]
    WrongLength {
        /// Data bytes asked for.
        expected: usize,
        /// Data bytes in the answer.
        got: usize,
    },
    /// The answer goes on in another frame.
    #[error("the meter splits its answer into several frames, which is not supported: ask for fewer data at once")]
    MoreFollows,
    /// The meter says no.
    #[error("the meter refuses control code {control:#04x} with error {word:#04x}: {}", meaning(*.word))]
    Refused {
        /// Control code asked.
        control: u8,
        /// Its error word (annex A).
        word: u8,
    },
}

impl FrameError {
    /// A short stable name to count by; the same as Modbus's where it says the same.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Incomplete { .. } => "too_short",
            Self::Sum { .. } => "checksum",
            Self::WrongAddress { .. } | Self::NotAnAddress => "wrong_address",
            Self::WrongControl { .. } => "wrong_function",
            Self::WrongIdentifier { .. } => "wrong_identifier",
            Self::WrongLength { .. } => "wrong_length",
            Self::MoreFollows => "more_follows",
            Self::Refused { .. } => "refused_by_meter",
        }
    }
}

/// What an error word says; the lowest of its bits counts (DL/T 645-2007, annex A).
const fn meaning(word: u8) -> &'static str {
    match word.trailing_zeros() {
        0 => "another error",
        1 => "it has no such data",
        2 => "the password is wrong or does not allow it",
        3 => "it cannot change its baud rate to that",
        4 => "it has fewer yearly seasons",
        5 => "it has fewer daily periods",
        6 => "it has fewer tariffs",
        _ => "an error that the standard does not define",
    }
}
