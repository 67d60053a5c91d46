//! Trades with a price: an offer by the seller, accepted by the buyer. Nothing moves until both have signed.

use minicbor::{Decode, Encode};
use units::{AccountId, Energy, Millis, Money, Month, StatementId, Timestamp};

/// Energy for sale, at a price.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Offer {
    /// Who may accept: a member or the operator; absent for everybody who may trade.
    #[n(1)]
    pub to: Option<AccountId>,
    /// How much, as a whole.
    #[n(2)]
    pub energy: Energy,
    /// Price of a kWh.
    #[n(3)]
    pub price: Money,
    /// The month whose sheets it moves between.
    #[n(4)]
    pub month: Month,
    /// From when it can no longer be accepted.
    #[n(5)]
    pub until: Timestamp,
}

impl Offer {
    /// Open offers of an account: bounds what stands in the state, and nobody oversees more.
    pub const OPEN_MAX: u32 = 32;
    /// Longest life, as that of a statement: a forgotten offer must not move energy later.
    pub const LIFE_MAX: Millis = Millis::from_minutes(31 * 24 * 60);

    /// Energy x price, half up to 1e-4; `None` beyond what money can say.
    #[must_use]
    pub fn amount(&self) -> Option<Money> {
        const MWH_PER_KWH: i128 = 1_000_000;
        let product = i128::from(self.energy.mwh()) * i128::from(self.price.as_1e4());
        i64::try_from((product + MWH_PER_KWH / 2).div_euclid(MWH_PER_KWH)).ok().map(Money::from_1e4)
    }
}

/// Names an offer: its end, so that the state finds what ends without looking at the rest, and where it was stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct OfferId {
    /// The offer's `until`.
    #[n(0)]
    pub until: Timestamp,
    /// The seller's statement.
    #[n(1)]
    pub statement: StatementId,
    /// Index of the act in it.
    #[n(2)]
    pub act: u32,
}

/// The buyer's yes: the offered energy and its money move.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Accept {
    /// The offer.
    #[n(1)]
    pub offer: OfferId,
}

/// The seller takes an offer back.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Withdraw {
    /// The offer.
    #[n(1)]
    pub offer: OfferId,
}
