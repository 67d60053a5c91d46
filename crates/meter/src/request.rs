//! One question to one meter, whatever protocol it speaks.

use crate::{Address, MeterError, dlt645, modbus};

/// A request and what its answer must look like.
///
/// Invariant: [`Request::frame`] is what is kept as evidence, and [`Request::parse`] is the one check between an answer
/// and its data, live and years later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Modbus, on a serial line or over TCP.
    Modbus(modbus::Request),
    /// DL/T 645-2007.
    Dlt645(dlt645::Request),
}

impl Request {
    /// The frame as it stands on a serial line, without what only wakes the receiver up.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        match self {
            Self::Modbus(request) => request.rtu(),
            Self::Dlt645(request) => request.frame(),
        }
    }

    /// What is sent on a serial line.
    #[must_use]
    pub fn serial(&self) -> Vec<u8> {
        match self {
            Self::Modbus(request) => request.rtu(),
            Self::Dlt645(request) => request.awakened(),
        }
    }

    /// The data of `frame`, if it is exactly this request's answer.
    ///
    /// # Errors
    /// When a check fails.
    pub fn parse(&self, frame: &[u8]) -> Result<Vec<u8>, MeterError> {
        match self {
            Self::Modbus(request) => Ok(request.parse_rtu(frame)?.to_vec()),
            Self::Dlt645(request) => Ok(request.parse(frame)?),
        }
    }

    /// Looks for this request's answer anywhere in a stream; `None` while there is none.
    ///
    /// # Errors
    /// When the meter refuses, which ends the wait; whatever else a stream holds does not.
    pub fn find<'a>(&self, stream: &'a [u8]) -> Result<Option<&'a [u8]>, MeterError> {
        match self {
            Self::Modbus(request) => Ok(request.find_rtu(stream)?),
            Self::Dlt645(request) => Ok(request.find(stream)?),
        }
    }

    /// Says what a stream that holds no answer holds instead; called when the time is up.
    #[must_use]
    pub fn diagnose(&self, stream: &[u8]) -> MeterError {
        match self {
            Self::Modbus(request) => request.diagnose_rtu(stream).into(),
            Self::Dlt645(request) => request.diagnose(stream).into(),
        }
    }

    /// Length of the longest answer on a serial line, for how long it takes.
    #[must_use]
    pub fn answer_bytes_max(&self) -> usize {
        match self {
            Self::Modbus(request) => request.rtu_answer_bytes_max(),
            Self::Dlt645(request) => request.answer_bytes_max(),
        }
    }

    /// Whether asking twice is the same as asking once; a command is not, and is never sent again.
    #[must_use]
    pub fn is_read(&self) -> bool {
        match self {
            Self::Modbus(request) => {
                matches!(request.function(), modbus::READ_COILS | modbus::READ_HOLDING | modbus::READ_INPUT)
            }
            Self::Dlt645(request) => request.is_read(),
        }
    }

    /// The Modbus request, if it is one: the only kind that goes over Modbus TCP.
    #[must_use]
    pub const fn as_modbus(&self) -> Option<&modbus::Request> {
        if let Self::Modbus(request) = self { Some(request) } else { None }
    }

    /// Where the meter is; `None` for an address that no meter has.
    #[must_use]
    pub const fn address(&self) -> Option<Address> {
        match self {
            Self::Modbus(request) => Address::modbus(request.address()),
            Self::Dlt645(request) => request.address(),
        }
    }
}

impl From<modbus::Request> for Request {
    fn from(request: modbus::Request) -> Self {
        Self::Modbus(request)
    }
}

impl From<dlt645::Request> for Request {
    fn from(request: dlt645::Request) -> Self {
        Self::Dlt645(request)
    }
}
