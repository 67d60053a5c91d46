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

/// How much of what a sheet allows has been used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UseWarning {
    /// Less than four fifths.
    None,
    /// 80 % or more: time to look at what is on.
    NearlyUsedUp,
    /// 100 % or more: what is used now is beyond the sheet.
    UsedUp,
}

impl UseWarning {
    /// In percent: 0, 80 or 100.
    #[must_use]
    pub const fn percent(self) -> u32 {
        match self {
            Self::None => 0,
            Self::NearlyUsedUp => 80,
            Self::UsedUp => 100,
        }
    }
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

    /// What the sheet allows to be consumed: every term of (8) but consumption.
    #[must_use]
    pub fn allowed(&self) -> EnergyBalance {
        Self { consumed: Energy::ZERO, ..*self }.remaining()
    }

    /// The warning at 80 % and 100 % of what the sheet allows. Compared in whole milliwatt-hours, so that nothing is
    /// rounded. Who may use nothing and does is at 100 %, and so is who traded away more than there was.
    #[must_use]
    pub fn warning(&self) -> UseWarning {
        let (consumed, allowed) = (i128::from(self.consumed.mwh()), i128::from(self.allowed().mwh()));
        if consumed == 0 && allowed >= 0 {
            UseWarning::None
        } else if consumed >= allowed {
            UseWarning::UsedUp
        } else if consumed * 100 >= allowed * 80 {
            UseWarning::NearlyUsedUp
        } else {
            UseWarning::None
        }
    }

    /// The paper's (e1), signs put right: what was gained less what was traded away.
    #[must_use]
    pub fn accumulated_trade(&self) -> EnergyBalance {
        let difference = i128::from(self.gained.mwh()) - i128::from(self.traded.mwh());
        EnergyBalance::from_mwh(i64::try_from(difference).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn mwh(mwh: u64) -> Energy {
        Energy::from_mwh(mwh)
    }

    #[test]
    fn warnings_begin_at_four_fifths_and_at_all_of_what_is_allowed() {
        let contract =
            |contract, consumed| Terms { contract: mwh(contract), consumed: mwh(consumed), ..Terms::default() };
        let plus = Terms {
            contract: mwh(10),
            carried: mwh(20),
            generated: mwh(30),
            gained: mwh(40),
            reward: mwh(50),
            ..Terms::default()
        };
        let less = Terms { traded: mwh(45), fee: mwh(5), ..plus };
        for (terms, percent) in [
            (contract(0, 0), 0),
            (contract(0, 1), 100),
            (contract(1_000, 0), 0),
            (contract(1_000, 799), 0),
            (contract(1_000, 800), 80),
            (contract(1_000, 999), 80),
            (contract(1_000, 1_000), 100),
            (contract(1_000, 1_001), 100),
            // Four fifths of 9 are 7.2.
            (contract(9, 7), 0),
            (contract(9, 8), 80),
            (Terms { consumed: mwh(119), ..plus }, 0),
            (Terms { consumed: mwh(120), ..plus }, 80),
            (Terms { consumed: mwh(150), ..plus }, 100),
            (Terms { consumed: mwh(79), ..less }, 0),
            (Terms { consumed: mwh(80), ..less }, 80),
            (Terms { consumed: mwh(100), ..less }, 100),
            (Terms { traded: mwh(1), ..Terms::default() }, 100),
            (Terms { traded: mwh(1), contract: mwh(1), ..Terms::default() }, 0),
            (contract(Terms::TERM_MAX.mwh(), Terms::TERM_MAX.mwh() - 1), 80),
        ] {
            assert_eq!(terms.warning().percent(), percent, "{terms:?}");
        }
    }
}
