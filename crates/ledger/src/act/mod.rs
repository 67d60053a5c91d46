//! Acts: what a signer may state. The CBOR kind numbers and keys are drawn in `docs/protocol.md`.
//!
//! Kinds 2 to 4, 9, 10, 13 to 17 are reserved (retire, revoke, rotate, offer, accept, claim, answer, control,
//! parameter, upgrade).

mod bill;
mod readings;
mod register;
mod trade;

pub use bill::{Bill, BillLine, BillMeter, BillMonth, LineKind, Tariff};
pub use readings::{Break, CounterPair, Event, EventKind, Note, Readings, VoltageRange};
pub use register::{Register, RegisterKey, RegisterMeter, Role};
pub use trade::{Contract, Transfer};

use minicbor::{Decode, Encode};

/// One act of a statement: `[kind, body]`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Act {
    /// Binds a key to a role, or a meter to its signer and member. By the operator.
    #[n(1)]
    Register(#[n(0)] Register),
    /// A member's contracted energy of a month. By the operator.
    #[n(5)]
    Contract(#[n(0)] Contract),
    /// One meter's interval. By the meter's signer.
    #[n(6)]
    Readings(#[n(0)] Box<Readings>),
    /// A reading typed or picked by a member: public, dated, moves no counter. By a member.
    #[n(7)]
    Note(#[n(0)] Note),
    /// Energy to the operator or another member. By the seller.
    #[n(8)]
    Transfer(#[n(0)] Transfer),
    /// A price table from a month on. By the operator.
    #[n(11)]
    Tariff(#[n(0)] Tariff),
    /// An account's bill. By the operator or the account.
    #[n(12)]
    Bill(#[n(0)] Box<Bill>),
}

impl Act {
    /// Its name in messages, JSON and scenarios.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::Contract(_) => "contract",
            Self::Readings(_) => "readings",
            Self::Note(_) => "note",
            Self::Transfer(_) => "transfer",
            Self::Tariff(_) => "tariff",
            Self::Bill(_) => "bill",
        }
    }
}
