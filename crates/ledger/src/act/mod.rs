//! Acts: what a signer may state. The CBOR kind numbers and keys are drawn in `docs/protocol.md`.

mod bill;
mod claim;
mod control;
mod offer;
mod parameter;
mod readings;
mod register;
mod retire;
mod trade;

pub use bill::{Bill, BillLine, BillMeter, BillMonth, LineKind, Tariff, Utility, UtilityFigures};
pub use claim::{ActId, Answer, BillClaim, Claim, Decision, VoltageClaim};
pub use control::{Cause, Control, LoadState};
pub use offer::{Accept, Offer, OfferId, Withdraw};
pub use parameter::{NewLevel, NewLimits, Parameter, Upgrade};
pub use readings::{Break, CounterPair, Event, EventKind, Note, ReadingSource, Readings, VoltageRange};
pub use register::{Register, RegisterKey, RegisterMeter, Role};
pub use retire::{Retire, RetireMeter, RetireRole, Revoke, Rotate};
pub use trade::{Contract, Transfer};

use crate::genesis::VoltageLimits;
use minicbor::{Decode, Encode};

/// One act of a statement: `[kind, body]`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Act {
    /// Binds a key to a role, or a meter to its signer and member. By the operator.
    #[n(1)]
    Register(#[n(0)] Register),
    /// Ends a role or a meter's binding. By the operator.
    #[n(2)]
    Retire(#[n(0)] Retire),
    /// An account's key signs nothing any more. By the operator.
    #[n(3)]
    Revoke(#[n(0)] Revoke),
    /// A new key for the signer's account. By the account, with its present key.
    #[n(4)]
    Rotate(#[n(0)] Box<Rotate>),
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
    /// Energy for sale at a price. By the seller.
    #[n(9)]
    Offer(#[n(0)] Offer),
    /// The yes to an offer. By the buyer.
    #[n(10)]
    Accept(#[n(0)] Accept),
    /// A price table from a month on. By the operator.
    #[n(11)]
    Tariff(#[n(0)] Tariff),
    /// An account's bill. By the operator or the account.
    #[n(12)]
    Bill(#[n(0)] Box<Bill>),
    /// A claim about intervals or a bill. By a member.
    #[n(13)]
    Claim(#[n(0)] Claim),
    /// The answer to a claim. By the operator.
    #[n(14)]
    Answer(#[n(0)] Answer),
    /// A relay was switched. By the meter's signer.
    #[n(15)]
    Control(#[n(0)] Control),
    /// Another mining level or other voltage limits. By the operator.
    #[n(16)]
    Parameter(#[n(0)] Parameter),
    /// Another protocol version. By the operator.
    #[n(17)]
    Upgrade(#[n(0)] Upgrade),
    /// An offer taken back. By its seller.
    #[n(19)]
    Withdraw(#[n(0)] Withdraw),
    /// The utility's bill, on a tenancy ledger. By the operator.
    #[n(18)]
    Utility(#[n(0)] Utility),
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
            Self::Utility(_) => "utility",
            Self::Retire(_) => "retire",
            Self::Revoke(_) => "revoke",
            Self::Rotate(_) => "rotate",
            Self::Offer(_) => "offer",
            Self::Accept(_) => "accept",
            Self::Claim(_) => "claim",
            Self::Answer(_) => "answer",
            Self::Control(_) => "control",
            Self::Parameter(_) => "parameter",
            Self::Upgrade(_) => "upgrade",
            Self::Withdraw(_) => "withdraw",
        }
    }

    /// Whether it trades: then its statement lives at most [`crate::Payload::LIFE_MAX_TRADE`].
    #[must_use]
    pub const fn is_trade(&self) -> bool {
        matches!(self, Self::Transfer(_) | Self::Offer(_) | Self::Accept(_))
    }

    /// Whether its lists and texts keep the bounds of their kind, which no state is needed to know.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        match self {
            Self::Readings(readings) => readings.events.len() <= Readings::EVENTS_MAX,
            Self::Note(note) => note.text.as_ref().is_none_or(|text| text.len() <= Note::TEXT_MAX),
            Self::Bill(bill) => bill.months.len() <= Bill::MONTHS_MAX,
            Self::Claim(claim) => claim.is_bounded(),
            Self::Answer(answer) => answer.text.len() <= Claim::TEXT_MAX,
            Self::Control(control) => control.who.len() <= Control::WHO_MAX && control.why.len() <= Control::WHY_MAX,
            Self::Parameter(Parameter::Limits(new)) => new.limits.source.len() <= VoltageLimits::SOURCE_MAX,
            // Nothing in them that could grow.
            Self::Register(_) | Self::Retire(_) | Self::Revoke(_) | Self::Rotate(_) | Self::Contract(_) => true,
            Self::Transfer(_) | Self::Offer(_) | Self::Accept(_) | Self::Withdraw(_) | Self::Tariff(_) => true,
            Self::Parameter(Parameter::Level(_)) | Self::Upgrade(_) | Self::Utility(_) => true,
        }
    }
}
