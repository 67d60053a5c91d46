//! Why an answer is not taken.

/// Why bytes are not the answer to a request, worded for whoever stands before the meter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The answer ends too early.
    #[error("the answer stops after {got} of {need} bytes: check the cable, the baud rate and the timeout")]
    TooShort {
        /// Bytes there are.
        got: usize,
        /// Bytes the shortest possible answer has.
        need: usize,
    },
    /// The check value does not fit.
    #[error("check value {received:#06x} instead of {computed:#06x}: noise on the line, or the wrong baud rate")]
    Crc {
        /// CRC-16/MODBUS over the bytes as they came.
        computed: u16,
        /// What the frame ends with.
        received: u16,
    },
    /// Another device answered.
    #[error("address {got} answered instead of {expected}: are two masters or two devices on one address?")]
    WrongAddress {
        /// Address asked.
        expected: u8,
        /// Address in the answer.
        got: u8,
    },
    /// The right device answered something else.
    #[error("answer of function {got:#04x} instead of {expected:#04x}: it belongs to another request")]
    WrongFunction {
        /// Function asked.
        expected: u8,
        /// Function in the answer.
        got: u8,
    },
    /// The number of data bytes is not the one asked for.
    #[error("{got} data bytes instead of {expected}: another model, or an answer to another request")]
    WrongLength {
        /// Data bytes asked for.
        expected: usize,
        /// Data bytes in the answer.
        got: usize,
    },
    /// A write was confirmed with another place or value than was written.
    #[error("the meter confirmed another write than the one sent: read the value back before relying on it")]
    WrongEcho,
    /// The meter says no.
    #[error("the meter refuses function {function:#04x} with exception {code}: {meaning}")]
    Exception {
        /// Function asked.
        function: u8,
        /// Exception code.
        code: u8,
        /// What the code means.
        meaning: &'static str,
    },
    /// Over TCP: the answer to another, usually earlier, request.
    #[error("answer to transaction {got} instead of {expected}: it came too late and is not used")]
    WrongTransaction {
        /// Transaction sent.
        expected: u16,
        /// Transaction in the answer.
        got: u16,
    },
    /// Over TCP: not a Modbus header; the stream has lost its step.
    #[error("not Modbus TCP (protocol {protocol}, length {length}): is this the right port? connect again")]
    WrongProtocol {
        /// Protocol number; Modbus is 0.
        protocol: u16,
        /// Length field; 2 to 254.
        length: u16,
    },
    /// A request for nothing, or for more than one frame holds.
    #[error("a request for {count} registers of {bytes_each} bytes does not fit a frame: split it")]
    RequestSize {
        /// Registers asked for.
        count: u16,
        /// Bytes the device answers for each.
        bytes_each: u8,
    },
}

impl FrameError {
    /// A short stable name to count by.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "too_short",
            Self::Crc { .. } => "crc",
            Self::WrongAddress { .. } => "wrong_address",
            Self::WrongFunction { .. } => "wrong_function",
            Self::WrongLength { .. } => "wrong_length",
            Self::WrongEcho => "wrong_echo",
            Self::Exception { .. } => "exception",
            Self::WrongTransaction { .. } => "wrong_transaction",
            Self::WrongProtocol { .. } => "wrong_protocol",
            Self::RequestSize { .. } => "request_size",
        }
    }
}

/// What an exception code says (V1.1b3, section 7).
#[must_use]
pub const fn exception_meaning(code: u8) -> &'static str {
    match code {
        1 => "it does not know this function",
        2 => "it has no such register",
        3 => "it does not accept this value or count",
        4 => "it failed while doing it",
        5 => "it accepted and needs longer",
        6 => "it is busy; ask again later",
        8 => "its memory failed a parity check",
        10 => "the gateway has no path to it",
        11 => "the gateway got no answer from it",
        _ => "a code that the standard does not define",
    }
}
