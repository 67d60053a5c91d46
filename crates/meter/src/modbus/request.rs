//! A request: the bytes to send and which answers fit it.

use super::rtu::{FRAME_BYTES_MAX, FRAME_BYTES_MIN, seal};
use super::{
    EXCEPTION_FLAG, FrameError, READ_COILS, READ_HOLDING, READ_INPUT, WRITE_COIL, WRITE_REGISTER, WRITE_REGISTERS,
    exception_meaning, tcp_frame,
};

/// Which of a device's two register tables is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterKind {
    /// Function 0x03.
    Holding,
    /// Function 0x04.
    Input,
}

impl RegisterKind {
    /// The function that reads it.
    #[must_use]
    pub const fn function(self) -> u8 {
        match self {
            Self::Holding => READ_HOLDING,
            Self::Input => READ_INPUT,
        }
    }
}

/// One request to one device, with what its answer must look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    address: u8,
    pdu: Vec<u8>,
    answer: Answer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// Byte count and data; any of these counts, the first being the usual one.
    Data(Vec<usize>),
    /// Exactly this PDU: a write confirmed.
    Echo(Vec<u8>),
}

/// Data bytes that fit a frame besides address, function, byte count and CRC.
const DATA_BYTES_MAX: usize = FRAME_BYTES_MAX - FRAME_BYTES_MIN - 1;

/// Most registers of one 0x10 request, so that its byte count and frame stay in bounds (V1.1b3, 6.12).
const WRITE_REGISTERS_MAX: usize = 123;

impl Request {
    /// Reads `count` registers from `first`. `bytes_each` is 2 by the standard and 4 for the IM12xx and JSY families,
    /// which answer a 32-bit value for each counted register.
    ///
    /// # Errors
    /// [`FrameError::RequestSize`] for a count of zero, or an answer longer than a frame.
    pub fn read(address: u8, kind: RegisterKind, first: u16, count: u16, bytes_each: u8) -> Result<Self, FrameError> {
        let bytes = usize::from(count) * usize::from(bytes_each);
        if bytes == 0 || bytes > DATA_BYTES_MAX {
            return Err(FrameError::RequestSize { count, bytes_each });
        }
        Ok(Self { address, pdu: pdu(kind.function(), first, count), answer: Answer::Data(vec![bytes]) })
    }

    /// Also takes an answer of `bytes` data bytes: older models of a family answer fewer values to the same request.
    #[must_use]
    pub(crate) fn or_data_bytes(mut self, bytes: usize) -> Self {
        if let Answer::Data(lengths) = &mut self.answer {
            lengths.push(bytes);
        }
        self
    }

    /// Reads `count` coils from `first`; the answer packs eight into a byte, lowest bit first.
    ///
    /// # Errors
    /// [`FrameError::RequestSize`] for none, or more than 2,000 (V1.1b3, 6.1).
    pub fn read_coils(address: u8, first: u16, count: u16) -> Result<Self, FrameError> {
        if count == 0 || count > 2_000 {
            return Err(FrameError::RequestSize { count, bytes_each: 1 });
        }
        let bytes = usize::from(count).div_ceil(8);
        Ok(Self { address, pdu: pdu(READ_COILS, first, count), answer: Answer::Data(vec![bytes]) })
    }

    /// Switches one coil; on is 0xFF00, off is 0x0000 (V1.1b3, 6.5).
    #[must_use]
    pub fn write_coil(address: u8, coil: u16, on: bool) -> Self {
        let pdu = pdu(WRITE_COIL, coil, if on { 0xFF00 } else { 0 });
        Self { address, answer: Answer::Echo(pdu.clone()), pdu }
    }

    /// Writes one register.
    #[must_use]
    pub fn write_register(address: u8, register: u16, value: u16) -> Self {
        let pdu = pdu(WRITE_REGISTER, register, value);
        Self { address, answer: Answer::Echo(pdu.clone()), pdu }
    }

    /// Writes one register with the function for several, which is the only one that some devices know.
    #[must_use]
    pub fn write_one_of_several(address: u8, register: u16, value: u16) -> Self {
        let confirmation = pdu(WRITE_REGISTERS, register, 1);
        let [high, low] = value.to_be_bytes();
        let pdu = [confirmation.as_slice(), &[2, high, low]].concat();
        Self { address, pdu, answer: Answer::Echo(confirmation) }
    }

    /// Writes registers from `first` on.
    ///
    /// # Errors
    /// [`FrameError::RequestSize`] for none, or more than 123.
    pub fn write_registers(address: u8, first: u16, values: &[u16]) -> Result<Self, FrameError> {
        let count = u16::try_from(values.len()).unwrap_or(u16::MAX);
        let size = FrameError::RequestSize { count, bytes_each: 2 };
        if values.is_empty() || values.len() > WRITE_REGISTERS_MAX {
            return Err(size);
        }
        let confirmation = pdu(WRITE_REGISTERS, first, count);
        let mut pdu = confirmation.clone();
        pdu.push(u8::try_from(values.len() * 2).map_err(|_| size)?);
        pdu.extend(values.iter().flat_map(|value| value.to_be_bytes()));
        Ok(Self { address, pdu, answer: Answer::Echo(confirmation) })
    }

    /// The device asked.
    #[must_use]
    pub const fn address(&self) -> u8 {
        self.address
    }
    /// The function asked.
    #[must_use]
    pub fn function(&self) -> u8 {
        self.pdu[0]
    }
    /// The RTU frame to send.
    #[must_use]
    pub fn rtu(&self) -> Vec<u8> {
        let mut frame = vec![self.address];
        frame.extend(&self.pdu);
        seal(frame)
    }
    /// The TCP frame to send under a transaction number.
    #[must_use]
    pub fn tcp(&self, transaction: u16) -> Vec<u8> {
        tcp_frame(transaction, self.address, &self.pdu)
    }

    /// The data of an answer's PDU (function and what follows), already known to come from the right device.
    pub(super) fn parse_pdu<'a>(&self, pdu: &'a [u8]) -> Result<&'a [u8], FrameError> {
        let Some((&function, rest)) = pdu.split_first() else {
            return Err(FrameError::TooShort { got: 0, need: 2 });
        };
        if function == self.function() | EXCEPTION_FLAG {
            let &[code] = rest else { return Err(FrameError::WrongLength { expected: 1, got: rest.len() }) };
            return Err(FrameError::Exception { function: self.function(), code, meaning: exception_meaning(code) });
        }
        if function != self.function() {
            return Err(FrameError::WrongFunction { expected: self.function(), got: function });
        }
        match &self.answer {
            Answer::Data(lengths) => counted_data(rest, lengths),
            Answer::Echo(expected) if pdu == expected.as_slice() => Ok(rest),
            Answer::Echo(expected) if pdu.len() != expected.len() => {
                Err(FrameError::WrongLength { expected: expected.len() - 1, got: rest.len() })
            }
            Answer::Echo(_) => Err(FrameError::WrongEcho),
        }
    }

    /// RTU lengths that an answer may have: an exception's, then each data length.
    pub(super) fn rtu_answer_lengths(&self) -> impl Iterator<Item = usize> + '_ {
        let (data, echo) = match &self.answer {
            Answer::Data(lengths) => (lengths.as_slice(), None),
            Answer::Echo(pdu) => (&[][..], Some(pdu.len() + 3)),
        };
        data.iter().map(|bytes| bytes + FRAME_BYTES_MIN + 1).chain(echo).chain([FRAME_BYTES_MIN + 1])
    }

    /// RTU length of the shortest answer that is no exception.
    pub(super) fn rtu_answer_bytes_min(&self) -> usize {
        let data = self.rtu_answer_lengths().filter(|length| *length > FRAME_BYTES_MIN + 1);
        data.min().unwrap_or(FRAME_BYTES_MIN + 1)
    }

    /// RTU length of the longest answer, for how long it takes on the wire.
    #[must_use]
    pub fn rtu_answer_bytes_max(&self) -> usize {
        self.rtu_answer_lengths().max().unwrap_or(FRAME_BYTES_MAX)
    }
}

/// Function, place and a count or value: how all requests of this module begin.
fn pdu(function: u8, at: u16, value: u16) -> Vec<u8> {
    let ([a, b], [c, d]) = (at.to_be_bytes(), value.to_be_bytes());
    vec![function, a, b, c, d]
}

/// Data behind their byte count, which must be one of `lengths` and be kept.
fn counted_data<'a>(rest: &'a [u8], lengths: &[usize]) -> Result<&'a [u8], FrameError> {
    let expected = lengths.first().copied().unwrap_or_default();
    let Some((&count, data)) = rest.split_first() else { return Err(FrameError::WrongLength { expected, got: 0 }) };
    let count = usize::from(count);
    if !lengths.contains(&count) {
        return Err(FrameError::WrongLength { expected, got: count });
    }
    if data.len() != count {
        return Err(FrameError::WrongLength { expected: count, got: data.len() });
    }
    Ok(data)
}
