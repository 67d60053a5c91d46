//! Energy by contract and by trade.

use minicbor::{Decode, Encode};
use units::{AccountId, Energy, Month};

/// E_con: contracted energy of a member for a month. In an open month it may only rise.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Contract {
    /// The member.
    #[n(1)]
    pub account: AccountId,
    /// The month.
    #[n(2)]
    pub month: Month,
    /// How much in that month.
    #[n(3)]
    pub energy: Energy,
}

/// Energy given to the operator or a member, out of what remains of the signer's month.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Transfer {
    /// Who gains it.
    #[n(1)]
    pub to: AccountId,
    /// How much.
    #[n(2)]
    pub energy: Energy,
    /// The month whose sheets it moves between.
    #[n(3)]
    pub month: Month,
}
