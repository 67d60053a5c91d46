//! A model's relay: how it is switched, how its state is asked, and how far that can be relied on.
//!
//! Invariant: a [`Relay`] that was loaded gives requests that fit a frame. When a command goes out, that it goes out
//! once, and what is asked afterwards is the bus's to say.

use super::ProfileError;
use crate::MeterError;
use crate::modbus::{
    ILLEGAL_ADDRESS, ILLEGAL_VALUE, READ_COILS, READ_HOLDING, RegisterKind, Request, WRITE_COIL, WRITE_REGISTER,
    WRITE_REGISTERS,
};
use serde::Deserialize;

/// Where a relay lies, and what is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A coil, function 0x05.
    Coil { coil: u16 },
    /// A holding register with a value for on and one for off.
    Register { register: u16, on: u16, off: u16, write: RegisterWrite },
}

/// The function that a model knows for writing a register; several know only one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RegisterWrite {
    /// Function 0x06.
    One,
    /// Function 0x10 with one register.
    Several,
}

/// What a request wants of a relay: the simulator's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RelayCommand {
    /// Its state.
    Show,
    /// On or off.
    Switch(bool),
}

/// The switch in a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    place: Place,
    bytes_per_count: u8,
    reads_back: bool,
    verified: bool,
    source: String,
}

impl Relay {
    /// The command that switches it. Sending it twice is not the same as sending it once: a person may have switched
    /// in between.
    #[must_use]
    pub fn switch(&self, address: u8, on: bool) -> Request {
        match self.place {
            Place::Coil { coil } => Request::write_coil(address, coil, on),
            Place::Register { register, on: on_value, off, write } => {
                let value = if on { on_value } else { off };
                match write {
                    RegisterWrite::One => Request::write_register(address, register, value),
                    RegisterWrite::Several => Request::write_one_of_several(address, register, value),
                }
            }
        }
    }

    /// The question for its state; `None` when the model cannot be asked.
    #[must_use]
    pub fn read_back(&self, address: u8) -> Option<Request> {
        if !self.reads_back {
            return None;
        }
        match self.place {
            Place::Coil { coil } => Request::read_coils(address, coil, 1).ok(),
            Place::Register { register, .. } => {
                Request::read(address, RegisterKind::Holding, register, 1, self.bytes_per_count).ok()
            }
        }
    }

    /// What the data of the answer to [`Relay::read_back`] say: on or off.
    ///
    /// # Errors
    /// [`MeterError::RelayState`] for a value that means neither.
    pub fn state(&self, data: &[u8]) -> Result<bool, MeterError> {
        let value = data.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        match self.place {
            // The bits above the coils asked for are padding (V1.1b3, 6.1).
            Place::Coil { .. } => Ok(value & 1 == 1),
            Place::Register { on, .. } if value == u64::from(on) => Ok(true),
            Place::Register { off, .. } if value == u64::from(off) => Ok(false),
            Place::Register { on, off, .. } => Err(MeterError::RelayState { value, on, off }),
        }
    }

    /// What a request's function and data want of it; `None` when they speak of something else.
    ///
    /// # Errors
    /// With the exception code that a meter answers.
    pub(crate) fn asked(&self, pdu: &[u8]) -> Option<Result<RelayCommand, u8>> {
        let &[function, a, b, c, d, ref rest @ ..] = pdu else { return None };
        let (at, word) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        match (&self.place, function, rest) {
            (Place::Coil { coil }, READ_COILS, []) => {
                Some(if (at, word) == (*coil, 1) { Ok(RelayCommand::Show) } else { Err(ILLEGAL_ADDRESS) })
            }
            (Place::Coil { coil }, WRITE_COIL, []) if at == *coil => Some(match word {
                0xFF00 => Ok(RelayCommand::Switch(true)),
                0 => Ok(RelayCommand::Switch(false)),
                _ => Err(ILLEGAL_VALUE),
            }),
            (Place::Coil { .. }, WRITE_COIL, []) => Some(Err(ILLEGAL_ADDRESS)),
            (Place::Register { register, .. }, READ_HOLDING, []) if self.reads_back && (at, word) == (*register, 1) => {
                Some(Ok(RelayCommand::Show))
            }
            (Place::Register { write: RegisterWrite::One, .. }, WRITE_REGISTER, []) => Some(self.written(at, word)),
            (Place::Register { write: RegisterWrite::Several, .. }, WRITE_REGISTERS, &[2, high, low]) if word == 1 => {
                Some(self.written(at, u16::from_be_bytes([high, low])))
            }
            (Place::Register { write: RegisterWrite::Several, .. }, WRITE_REGISTERS, _) => Some(Err(ILLEGAL_VALUE)),
            _ => None,
        }
    }

    /// What a value written to a register wants.
    fn written(&self, at: u16, value: u16) -> Result<RelayCommand, u8> {
        match self.place {
            Place::Register { register, .. } if at != register => Err(ILLEGAL_ADDRESS),
            Place::Register { on, .. } if value == on => Ok(RelayCommand::Switch(true)),
            Place::Register { off, .. } if value == off => Ok(RelayCommand::Switch(false)),
            _ => Err(ILLEGAL_VALUE),
        }
    }

    /// The data that show a state: what [`Relay::state`] reads.
    pub(crate) fn state_data(&self, is_on: bool) -> Vec<u8> {
        match self.place {
            Place::Coil { .. } => vec![u8::from(is_on)],
            Place::Register { on, off, .. } => {
                let value = u64::from(if is_on { on } else { off }).to_be_bytes();
                value[value.len() - usize::from(self.bytes_per_count).min(value.len())..].to_vec()
            }
        }
    }

    /// Whether its state can be asked for.
    #[must_use]
    pub const fn reads_back(&self) -> bool {
        self.reads_back
    }

    /// Whether its registers were found in a document or tried on a real meter. Otherwise they are a guess that whoever
    /// installs the meter has to try.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        self.verified
    }

    /// Where its registers stand, or what they were guessed from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum PlaceText {
    Coil,
    Holding,
}

/// A `[relay]` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelayText {
    kind: PlaceText,
    function: u8,
    address: u16,
    on: Option<u16>,
    off: Option<u16>,
    #[serde(default = "yes")]
    read_back: bool,
    #[serde(default = "yes")]
    verified: bool,
    source: String,
}

pub(super) const fn yes() -> bool {
    true
}

impl RelayText {
    pub(super) fn check(self, bytes_per_count: u8) -> Result<Relay, ProfileError> {
        let place = match (self.kind, self.function, self.on, self.off) {
            (PlaceText::Coil, WRITE_COIL, None, None) => Place::Coil { coil: self.address },
            (PlaceText::Coil, WRITE_COIL, ..) => {
                return Err(ProfileError::Relay("a coil has no `on` and `off` values; the standard gives them"));
            }
            (PlaceText::Coil, ..) => return Err(ProfileError::Relay("a coil is written with `function = 0x05`")),
            (PlaceText::Holding, WRITE_REGISTER | WRITE_REGISTERS, Some(on), Some(off)) if on != off => {
                let write = if self.function == WRITE_REGISTER { RegisterWrite::One } else { RegisterWrite::Several };
                Place::Register { register: self.address, on, off, write }
            }
            (PlaceText::Holding, WRITE_REGISTER | WRITE_REGISTERS, ..) => {
                return Err(ProfileError::Relay("a register needs two different values, `on` and `off`"));
            }
            (PlaceText::Holding, ..) => {
                return Err(ProfileError::Relay("a register is written with `function = 0x06` or `0x10`"));
            }
        };
        let Self { read_back: reads_back, verified, source, .. } = self;
        Ok(Relay { place, bytes_per_count, reads_back, verified, source })
    }
}
