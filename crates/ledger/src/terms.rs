//! The terms of a month's sheet: the poster's formula (8).

use minicbor::{Decode, Encode};
use units::{Energy, EnergyBalance};

/// The terms of the poster's formula (8), and what was carried over from the month before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct Terms {
    /// Contract 契約.
    #[n(0)]
    pub contract: Energy,
    /// Carried over from the month before.
    #[n(1)]
    pub carried: Energy,
    /// Generated 產生.
    #[n(2)]
    pub generated: Energy,
    /// Gained 得到.
    #[n(3)]
    pub gained: Energy,
    /// Consumed 消耗.
    #[n(4)]
    pub consumed: Energy,
    /// Traded away 交易.
    #[n(5)]
    pub traded: Energy,
    /// Fees 手續費.
    #[n(6)]
    pub fee: Energy,
    /// Rewards 獎勵.
    #[n(7)]
    pub reward: Energy,
}

impl Terms {
    /// Largest value of a term, so that eight of them cannot overflow a balance.
    pub const TERM_MAX: Energy = Energy::from_mwh(1_000_000_000_000_000_000);

    /// The poster's (8): contract (+ carried) + generated + gained - consumed - traded - fee + reward.
    #[must_use]
    pub fn remaining(&self) -> EnergyBalance {
        let sum = |terms: [Energy; 5]| terms.iter().map(|term| i128::from(term.mwh())).sum::<i128>();
        let plus = sum([self.contract, self.carried, self.generated, self.gained, self.reward]);
        let minus = sum([self.consumed, self.traded, self.fee, Energy::ZERO, Energy::ZERO]);
        // Terms keep below TERM_MAX, so the difference fits.
        EnergyBalance::from_mwh(i64::try_from(plus - minus).unwrap_or(if plus > minus { i64::MAX } else { i64::MIN }))
    }

    /// The paper's (e1), signs put right: what was gained less what was traded away.
    #[must_use]
    pub fn accumulated_trade(&self) -> EnergyBalance {
        let difference = i128::from(self.gained.mwh()) - i128::from(self.traded.mwh());
        EnergyBalance::from_mwh(i64::try_from(difference).unwrap_or(i64::MAX))
    }
}
