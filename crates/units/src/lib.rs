//! Quantities, points in time and identifiers: the words every other crate speaks.
//!
//! Invariant: a quantity is an integer in one fixed unit that its type names, so that whatever is signed or hashed
//! never passes through a floating-point number. On the wire (CBOR and JSON) a quantity is that bare integer; an
//! identifier is its bytes in CBOR and its printed form in JSON.
//!
//! This crate knows nothing of meters, ledgers or storage.

mod id;
mod quantity;
mod reading;
mod time;

pub use id::{AccountId, BindingId, BlockHash, Digest, Height, IdError, LedgerId, MeterId, StatementId};
pub use quantity::{
    ApparentPower, Current, Energy, EnergyBalance, Frequency, Money, ParseQuantityError, Power, PowerFactor,
    ReactivePower, Voltage,
};
pub use reading::{Channel, Key, Quantity, Reading};
pub use time::{Micros, Millis, Month, ParseMonthError, Timestamp};
