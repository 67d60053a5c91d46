//! A model's relay: how it is switched, how its state is asked, and how far that can be relied on.
//!
//! Invariant: a [`Relay`] that was loaded gives requests that fit a frame. When a command goes out, that it goes out
//! once, and what is asked afterwards is the bus's to say.

use super::ProfileFault;
use crate::dlt645::{self, Authority, Command, LocalTime, STATE_WORD_3, bcd};
use crate::modbus::{
    self, ILLEGAL_ADDRESS, ILLEGAL_VALUE, READ_COILS, READ_HOLDING, RegisterKind, WRITE_COIL, WRITE_REGISTER,
    WRITE_REGISTERS,
};
use crate::{Address, MeterError, Request};
use serde::Deserialize;

/// Where a relay lies, and what is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A coil, function 0x05.
    Coil { coil: u16 },
    /// A holding register with a value for on and one for off.
    Register { register: u16, on: u16, off: u16, write: RegisterWrite },
    /// DL/T 645's control command, and state word 3.
    Command(Authority),
}

/// The function that a model knows for writing a register; several know only one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RegisterWrite {
    /// Function 0x06.
    One,
    /// Function 0x10 with one register.
    Several,
}

/// Bytes of state word 3.
const STATE_WORD_BYTES: usize = 2;
/// The relay's bit in the low byte of state word 3 (DL/T 645-2007, annex C).
const RELAY_OPEN: u8 = 0x10;

/// Level of the password that meters ask for a relay command, unless the profile says another.
const CONTROL_LEVEL: u8 = 2;
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
    /// in between. `until` is when the command becomes void, by the meter's own clock; DL/T 645 needs it, Modbus has no
    /// place for it. `None` for an address of another protocol, or without the time that is needed.
    #[must_use]
    pub fn switch(&self, address: Address, on: bool, until: Option<LocalTime>) -> Option<Request> {
        let modbus = address.as_modbus();
        Some(match self.place {
            Place::Coil { coil } => modbus::Request::write_coil(modbus?, coil, on).into(),
            Place::Register { register, on: on_value, off, write } => {
                let value = if on { on_value } else { off };
                match write {
                    RegisterWrite::One => modbus::Request::write_register(modbus?, register, value).into(),
                    RegisterWrite::Several => modbus::Request::write_one_of_several(modbus?, register, value).into(),
                }
            }
            Place::Command(authority) => {
                address.as_dlt645()?;
                let command = if on { Command::Close } else { Command::Trip };
                dlt645::Request::command(address, command, authority, until?).into()
            }
        })
    }

    /// Whether [`Relay::switch`] needs to know when the command becomes void.
    #[must_use]
    pub const fn needs_expiry(&self) -> bool {
        matches!(self.place, Place::Command(_))
    }

    /// The question for its state; `None` when the model cannot be asked.
    #[must_use]
    pub fn read_back(&self, address: Address) -> Option<Request> {
        if !self.reads_back {
            return None;
        }
        let modbus = address.as_modbus();
        let request = match self.place {
            Place::Coil { coil } => modbus::Request::read_coils(modbus?, coil, 1).ok()?.into(),
            Place::Register { register, .. } => {
                modbus::Request::read(modbus?, RegisterKind::Holding, register, 1, self.bytes_per_count).ok()?.into()
            }
            Place::Command(_) => {
                address.as_dlt645()?;
                dlt645::Request::read(address, STATE_WORD_3, STATE_WORD_BYTES).into()
            }
        };
        Some(request)
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
            // The word's low byte comes first; its bit 4 is set while the relay is open.
            Place::Command(_) => Ok(data.first().is_some_and(|low| low & RELAY_OPEN == 0)),
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
            Place::Command(_) => vec![if is_on { 0 } else { RELAY_OPEN }, 0],
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
    Command,
}

/// A `[relay]` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelayText {
    kind: PlaceText,
    function: Option<u8>,
    address: Option<u16>,
    /// The password's level and six digits, and the operator's eight digits, as they are printed.
    level: Option<u8>,
    password: Option<String>,
    operator: Option<String>,
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
    pub(super) fn check(self, bytes_per_count: u8) -> Result<Relay, ProfileFault> {
        let refused = |reason| Err(ProfileFault::Relay(reason));
        let place = match (self.kind, self.function, self.address, self.on, self.off) {
            (PlaceText::Command, None, None, None, None) => Place::Command(self.authority()?),
            (PlaceText::Command, ..) => {
                return refused("a command has no `function`, `address`, `on` and `off`; DL/T 645 gives them");
            }
            (_, _, None, ..) => return refused("a coil or register has an `address`"),
            (PlaceText::Coil, Some(WRITE_COIL), Some(coil), None, None) => Place::Coil { coil },
            (PlaceText::Coil, Some(WRITE_COIL), ..) => {
                return refused("a coil has no `on` and `off` values; the standard gives them");
            }
            (PlaceText::Coil, ..) => return refused("a coil is written with `function = 0x05`"),
            (
                PlaceText::Holding,
                Some(function @ (WRITE_REGISTER | WRITE_REGISTERS)),
                Some(register),
                Some(on),
                Some(off),
            ) if on != off => {
                let write = if function == WRITE_REGISTER { RegisterWrite::One } else { RegisterWrite::Several };
                Place::Register { register, on, off, write }
            }
            (PlaceText::Holding, Some(WRITE_REGISTER | WRITE_REGISTERS), ..) => {
                return refused("a register needs two different values, `on` and `off`");
            }
            (PlaceText::Holding, ..) => return refused("a register is written with `function = 0x06` or `0x10`"),
        };
        let Self { read_back: reads_back, verified, source, .. } = self;
        Ok(Relay { place, bytes_per_count, reads_back, verified, source })
    }

    fn authority(&self) -> Result<Authority, ProfileFault> {
        let password = digits(self.password.as_deref().unwrap_or("000000"));
        let operator = digits(self.operator.as_deref().unwrap_or("00000000"));
        let (Some(password), Some(operator)) = (password, operator) else {
            return Err(ProfileFault::Relay("`password` has six digits and `operator` eight, in quotes"));
        };
        Ok(Authority { level: self.level.unwrap_or(CONTROL_LEVEL), password, operator })
    }
}

/// As many pairs of decimal digits as asked, lowest pair first; `None` for anything else.
fn digits<const PAIRS: usize>(text: &str) -> Option<[u8; PAIRS]> {
    let is_decimal = text.len() == 2 * PAIRS && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_decimal.then(|| text.parse().ok())??;
    bcd(number, PAIRS).try_into().ok()
}
