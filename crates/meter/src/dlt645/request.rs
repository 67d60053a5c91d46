//! A request: the bytes to send and which answers fit it.

use super::frame::{Frame, bcd};
use super::{CONTROL, Ending, FROM_METER, FrameError, MORE_FOLLOWS, READ, READ_ADDRESS, REFUSED, Whom};
use crate::Address;

/// Bytes FE before a request: a receiver asleep needs up to four (5.3.1).
const WAKE: [u8; 4] = [0xFE; 4];
/// A frame without data.
const EMPTY_FRAME_BYTES: usize = 12;
/// Bytes of a data identifier.
const IDENTIFIER_BYTES: usize = 4;
/// Bytes FE that a meter may send before its answer (5.3.1).
const WAKE_ANSWERED: usize = 4;

/// What a control command does (N1 of control code 0x1C; 7.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Opens the relay.
    Trip,
    /// Lets somebody close it by the button on the meter.
    PermitClosing,
    /// Closes it.
    Close,
}

impl Command {
    const fn code(self) -> u8 {
        match self {
            Self::Trip => 0x1A,
            Self::PermitClosing => 0x1B,
            Self::Close => 0x1C,
        }
    }

    /// The command of a code; the simulator's side.
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        [Self::Trip, Self::PermitClosing, Self::Close].into_iter().find(|command| command.code() == code)
    }
}

/// Who commands: what the meter compares before it obeys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Authority {
    /// The password's level.
    pub level: u8,
    /// The password's six digits, lowest pair first.
    pub password: [u8; 3],
    /// The operator's code of eight digits, lowest pair first.
    pub operator: [u8; 4],
}

/// A moment by the meter's own clock and calendar, to the second; a command is void after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    bytes: [u8; 6],
}

impl LocalTime {
    /// Of a year 2000 to 2099 and so on; `None` for what no clock shows. The day is not held against the month's length.
    #[must_use]
    pub fn new(year: u16, [month, day]: [u8; 2], [hour, minute, second]: [u8; 3]) -> Option<Self> {
        let year = u8::try_from(year.checked_sub(2_000)?).ok().filter(|year| *year < 100)?;
        let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
        let is_time = hour < 24 && minute < 60 && second < 60;
        let two_digits = |value: u8| ((value / 10) << 4) | (value % 10);
        (is_date && is_time).then(|| Self { bytes: [second, minute, hour, day, month, year].map(two_digits) })
    }
}

impl LocalTime {
    /// Of seconds since 1970 by the meter's wall clock, leap seconds not counted; `None` outside the years 2000 to 2099.
    #[must_use]
    pub fn at_local_seconds(seconds: u64) -> Option<Self> {
        let (days, time) = (seconds / 86_400, seconds % 86_400);
        // Days from 0000-03-01, so that a leap day ends its year (Hinnant, "chrono-compatible low-level date algorithms").
        let day = days + 719_468;
        let (era, of_era) = (day / 146_097, day % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let small = |value: u64| u8::try_from(value).unwrap_or(u8::MAX);
        let date = [small(month), small(of_year - (153 * shifted + 2) / 5 + 1)];
        let clock = [small(time / 3_600), small(time / 60 % 60), small(time % 60)];
        Self::new(u16::try_from(year).ok()?, date, clock)
    }
}

/// One request to one meter, with what its answer must look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    frame: Frame,
    answer: Answer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// The identifier again and so many bytes.
    Data { identifier: u32, bytes: usize },
    /// The meter's address.
    Address,
    /// Nothing but the confirmation.
    Confirmation,
}

impl Request {
    /// Reads the data of an identifier, `bytes` long.
    #[must_use]
    pub fn read(address: Address, identifier: u32, bytes: usize) -> Self {
        Self::read_from(Whom::Meter(address), identifier, bytes)
    }

    /// Reads them from whoever is on the line; with two meters on it their answers collide.
    #[must_use]
    pub fn read_any(identifier: u32, bytes: usize) -> Self {
        Self::read_from(Whom::Ending(Ending::ANY), identifier, bytes)
    }

    /// Reads them from all whose address ends so; several answers collide, and so show that there are several.
    #[must_use]
    pub fn read_ending(ending: Ending, identifier: u32, bytes: usize) -> Self {
        Self::read_from(Whom::Ending(ending), identifier, bytes)
    }

    fn read_from(whom: Whom, identifier: u32, bytes: usize) -> Self {
        let frame = Frame { whom, control: READ, data: identifier.to_le_bytes().to_vec() };
        Self { frame, answer: Answer::Data { identifier, bytes } }
    }

    /// Asks the only meter on the line for its address.
    #[must_use]
    pub const fn read_address() -> Self {
        let frame = Frame { whom: Whom::Ending(Ending::ANY), control: READ_ADDRESS, data: Vec::new() };
        Self { frame, answer: Answer::Address }
    }

    /// Commands the relay; void after `until`, so that a command that was delayed on the way does nothing.
    #[must_use]
    pub fn command(address: Address, command: Command, authority: Authority, until: LocalTime) -> Self {
        let mut data = vec![authority.level];
        data.extend(authority.password);
        data.extend(authority.operator);
        // N2 is reserved.
        data.extend([command.code(), 0]);
        data.extend(until.bytes);
        Self { frame: Frame { whom: Whom::Meter(address), control: CONTROL, data }, answer: Answer::Confirmation }
    }

    /// The meter asked; `None` for whoever is on the line.
    #[must_use]
    pub const fn address(&self) -> Option<Address> {
        self.frame.address()
    }
    /// The frame, without the bytes that wake the receiver.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        self.frame.bytes()
    }
    /// What is sent: the frame behind the bytes that wake the receiver.
    #[must_use]
    pub fn awakened(&self) -> Vec<u8> {
        [WAKE.to_vec(), self.frame.bytes()].concat()
    }
    /// Whether asking twice is the same as asking once.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        !matches!(self.answer, Answer::Confirmation)
    }

    /// Length of the longest answer, with the bytes that wake the receiver.
    #[must_use]
    pub const fn answer_bytes_max(&self) -> usize {
        let data = match self.answer {
            Answer::Data { bytes, .. } => IDENTIFIER_BYTES + bytes,
            Answer::Address => 6,
            // A refusal has up to two bytes.
            Answer::Confirmation => 2,
        };
        WAKE_ANSWERED + EMPTY_FRAME_BYTES + data
    }

    /// The data of `frame`, if it is exactly this request's answer: without identifier, 0x33 taken off, lowest first.
    ///
    /// # Errors
    /// When a check fails.
    pub fn parse(&self, frame: &[u8]) -> Result<Vec<u8>, FrameError> {
        self.check(&Frame::parse(frame)?)
    }

    fn check(&self, Frame { whom, control, data }: &Frame) -> Result<Vec<u8>, FrameError> {
        let got = whom.meter().ok_or(FrameError::NotAnAddress)?;
        if let Some(expected) = self.frame.address().filter(|expected| *expected != got) {
            return Err(FrameError::WrongAddress { expected, got });
        }
        if !self.frame.whom.includes(got) {
            return Err(FrameError::NotAnAddress);
        }
        let expected = self.frame.control | FROM_METER;
        if *control == expected | REFUSED {
            let &[word, ..] = data.as_slice() else { return Err(FrameError::WrongLength { expected: 1, got: 0 }) };
            return Err(FrameError::Refused { control: self.frame.control, word });
        }
        if *control == expected | MORE_FOLLOWS {
            return Err(FrameError::MoreFollows);
        }
        if *control != expected {
            return Err(FrameError::WrongControl { expected, got: *control });
        }
        match self.answer {
            Answer::Data { identifier, bytes } => identified(data, identifier, bytes).map(<[u8]>::to_vec),
            Answer::Address => sized(data, 6).map(<[u8]>::to_vec),
            Answer::Confirmation => sized(data, 0).map(<[u8]>::to_vec),
        }
    }

    /// Looks for this request's answer anywhere in a stream, so that noise before it costs nothing; `None` while there is
    /// none.
    ///
    /// # Errors
    /// [`FrameError::Refused`] and [`FrameError::MoreFollows`], which end the wait.
    pub fn find<'a>(&self, stream: &'a [u8]) -> Result<Option<&'a [u8]>, FrameError> {
        let mut rest = stream;
        while let Some((frame, start, length)) = Frame::find(rest) {
            match self.check(&frame) {
                Ok(_) => return Ok(rest.get(start..start + length)),
                Err(error @ (FrameError::Refused { .. } | FrameError::MoreFollows)) => return Err(error),
                Err(_) => rest = &rest[start + 1..],
            }
        }
        Ok(None)
    }

    /// Says what a stream that holds no answer holds instead; called when the time is up.
    #[must_use]
    pub fn diagnose(&self, stream: &[u8]) -> FrameError {
        let mut rest = stream;
        while let Some((frame, start, _)) = Frame::find(rest) {
            // The line's echo of the request says nothing about the meter.
            match self.check(&frame) {
                Err(error) if frame != self.frame => return error,
                _ => rest = &rest[start + 1..],
            }
        }
        Frame::damage(stream).unwrap_or(FrameError::Incomplete { got: stream.len() })
    }
}

fn identified(data: &[u8], expected: u32, bytes: usize) -> Result<&[u8], FrameError> {
    let Some((identifier, data)) = data.split_first_chunk::<IDENTIFIER_BYTES>() else {
        return Err(FrameError::WrongLength { expected: bytes, got: 0 });
    };
    let got = u32::from_le_bytes(*identifier);
    if got != expected {
        return Err(FrameError::WrongIdentifier { expected, got });
    }
    sized(data, bytes)
}

const fn sized(data: &[u8], expected: usize) -> Result<&[u8], FrameError> {
    if data.len() == expected { Ok(data) } else { Err(FrameError::WrongLength { expected, got: data.len() }) }
}

/// The data of a meter's answer to a read: what [`Request::parse`] takes apart again.
#[must_use]
pub(crate) fn answer(address: Address, identifier: u32, data: &[u8]) -> Frame {
    let data = [&identifier.to_le_bytes(), data].concat();
    Frame { whom: Whom::Meter(address), control: READ | FROM_METER, data }
}

/// The answer to [`Request::read_address`].
#[must_use]
pub(crate) fn address_answer(address: Address) -> Frame {
    let data = bcd(address.as_dlt645().unwrap_or_default(), 6);
    Frame { whom: Whom::Meter(address), control: READ_ADDRESS | FROM_METER, data }
}

/// The answer to a command that is obeyed.
#[must_use]
pub(crate) const fn confirmation(address: Address, control: u8) -> Frame {
    Frame { whom: Whom::Meter(address), control: control | FROM_METER, data: Vec::new() }
}

/// A meter's refusal.
#[must_use]
pub(crate) fn refusal(address: Address, control: u8, word: u8) -> Frame {
    Frame { whom: Whom::Meter(address), control: control | FROM_METER | REFUSED, data: vec![word] }
}
