//! Physical quantities and money as integers, the unit in the constructor's name.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Defines one quantity: a private integer, its constructor and getter named by the unit, and checked arithmetic.
macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($int:ty), $from:ident, $get:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
        )]
        #[cbor(transparent)]
        #[serde(transparent)]
        pub struct $name(#[n(0)] $int);

        impl $name {
            /// Nothing of it.
            pub const ZERO: Self = Self(0);
            /// From the integer in the unit that the name gives.
            #[must_use]
            pub const fn $from(value: $int) -> Self {
                Self(value)
            }
            /// The integer in the unit that the name gives.
            #[must_use]
            pub const fn $get(self) -> $int {
                self.0
            }
            /// Sum, or `None` beyond the integer's range.
            #[must_use]
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(value) => Some(Self(value)),
                    None => None,
                }
            }
            /// Difference, or `None` beyond the integer's range (for an unsigned quantity: below zero).
            #[must_use]
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) {
                    Some(value) => Some(Self(value)),
                    None => None,
                }
            }
            /// Whether it is exactly zero.
            #[must_use]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
        }
    };
}

quantity!(
    /// An amount of energy that cannot be negative, in mWh: a counter, a consumption, a traded amount.
    Energy(u64), from_mwh, mwh
);
quantity!(
    /// A balance of energy, in mWh; below zero means more was used than there was.
    EnergyBalance(i64), from_mwh, mwh
);
quantity!(
    /// Active power in mW; negative when fed back.
    Power(i64), from_mw, mw
);
quantity!(
    /// Reactive power in mvar; negative when capacitive.
    ReactivePower(i64), from_mvar, mvar
);
quantity!(
    /// Apparent power in mVA.
    ApparentPower(u64), from_mva, mva
);
quantity!(
    /// Voltage (RMS) in mV.
    Voltage(u64), from_mv, mv
);
quantity!(
    /// Current (RMS) in uA.
    Current(u64), from_ua, ua
);
quantity!(
    /// Power factor in units of 1e-4, -10,000 to 10,000.
    PowerFactor(i64), from_1e4, as_1e4
);
quantity!(
    /// Mains frequency in mHz.
    Frequency(u64), from_mhz, mhz
);
quantity!(
    /// Money in 1e-4 of the ledger's currency unit.
    Money(i64), from_1e4, as_1e4
);

/// Why a written quantity was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseQuantityError {
    /// Not a decimal number.
    #[error("`{0}` is not a number such as 20 or 20.5")]
    NotANumber(String),
    /// More decimal places than the unit keeps.
    #[error("`{0}` has more than {1} decimal places")]
    TooFine(String, usize),
    /// Beyond what the integer holds.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

/// Reads a non-negative decimal with at most `places` decimal places as an integer of 10^-places.
fn parse_decimal(text: &str, places: usize) -> Result<u64, ParseQuantityError> {
    let not_a_number = || ParseQuantityError::NotANumber(text.to_owned());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
        return Err(not_a_number());
    }
    if fraction.len() > places {
        return Err(ParseQuantityError::TooFine(text.to_owned(), places));
    }
    format!("{whole}{fraction:0<places$}").parse().map_err(|_| ParseQuantityError::TooLarge(text.to_owned()))
}

/// Writes `value` x 10^-`places` with at least `least` decimal places and no further trailing zeros.
fn write_decimal(f: &mut fmt::Formatter<'_>, value: i128, places: usize, least: usize) -> fmt::Result {
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let kept = fraction.trim_end_matches('0').len().max(least);
    if kept == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{}", &fraction[..kept]) }
}

impl Energy {
    /// From whole Wh; saturates at the largest representable amount (18 PWh).
    #[must_use]
    pub const fn from_wh(wh: u64) -> Self {
        Self(wh.saturating_mul(1_000))
    }
    /// From whole kWh; saturates at the largest representable amount (18 PWh).
    #[must_use]
    pub const fn from_kwh(kwh: u64) -> Self {
        Self(kwh.saturating_mul(1_000_000))
    }
    /// As a balance; `None` beyond 9.2 PWh.
    #[must_use]
    pub fn to_balance(self) -> Option<EnergyBalance> {
        i64::try_from(self.0).ok().map(EnergyBalance)
    }
    /// Parses kWh such as `20` or `91.4982`, at most six decimal places.
    ///
    /// # Errors
    /// When the text is not such a number.
    pub fn parse_kwh(text: &str) -> Result<Self, ParseQuantityError> {
        parse_decimal(text, 6).map(Self)
    }
}

impl EnergyBalance {
    /// The balance as an amount; `None` when it is below zero.
    #[must_use]
    pub fn to_energy(self) -> Option<Energy> {
        u64::try_from(self.0).ok().map(Energy)
    }
}

impl fmt::Display for Energy {
    /// In kWh, at least one decimal place: `91.4982 kWh`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, i128::from(self.0), 6, 1)?;
        f.write_str(" kWh")
    }
}

impl fmt::Display for EnergyBalance {
    /// In kWh, at least one decimal place: `-3.25 kWh`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, i128::from(self.0), 6, 1)?;
        f.write_str(" kWh")
    }
}

impl fmt::Display for Voltage {
    /// In V, one decimal place at least: `110.0 V`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, i128::from(self.0), 3, 1)?;
        f.write_str(" V")
    }
}

impl fmt::Display for Current {
    /// In A: `0.054 A`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, i128::from(self.0), 6, 1)?;
        f.write_str(" A")
    }
}

impl fmt::Display for Power {
    /// In W: `6.0 W`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, i128::from(self.0), 3, 1)?;
        f.write_str(" W")
    }
}

impl fmt::Display for Money {
    /// In currency units, two decimal places at least: `412.50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, i128::from(self.0), 4, 2)
    }
}

impl Money {
    /// Parses currency units such as `3.5`, at most four decimal places, not negative.
    ///
    /// # Errors
    /// When the text is not such a number.
    pub fn parse(text: &str) -> Result<Self, ParseQuantityError> {
        let value = parse_decimal(text, 4)?;
        i64::try_from(value).map(Self).map_err(|_| ParseQuantityError::TooLarge(text.to_owned()))
    }
}

impl ApparentPower {
    /// Apparent = V x I (paper, poster's table), rounded half up to mVA; `None` beyond the integer's range.
    #[must_use]
    pub fn from_voltage_and_current(voltage: Voltage, current: Current) -> Option<Self> {
        let nano_va = u128::from(voltage.0) * u128::from(current.0);
        u64::try_from((nano_va + 500_000) / 1_000_000).ok().map(Self)
    }
}

impl ReactivePower {
    /// The paper's reactive power, VA x sin(acos PF), rounded half up to mvar. It is not sqrt(VA^2 - P^2), which
    /// differs when the meter rounds its power factor.
    ///
    /// A power factor beyond 1 counts as 1; `None` beyond the integer's range.
    #[must_use]
    pub fn from_apparent(apparent: ApparentPower, factor: PowerFactor) -> Option<Self> {
        const ONE_1E8: u128 = 100_000_000;
        let pf = u128::from(factor.0.unsigned_abs().min(10_000));
        let sine_1e8 = ((ONE_1E8 - pf * pf) * ONE_1E8).isqrt();
        let mvar = (u128::from(apparent.0) * sine_1e8 + ONE_1E8 / 2) / ONE_1E8;
        i64::try_from(mvar).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_prints_and_parses_in_kwh() {
        for (text, mwh, printed) in [
            ("0", 0, "0.0 kWh"),
            ("20", 20_000_000, "20.0 kWh"),
            ("91.4982", 91_498_200, "91.4982 kWh"),
            ("0.000001", 1, "0.000001 kWh"),
        ] {
            let energy = Energy::parse_kwh(text).unwrap();
            assert_eq!((energy.mwh(), energy.to_string().as_str()), (mwh, printed), "{text}");
        }
        assert_eq!(EnergyBalance::from_mwh(-3_250_000).to_string(), "-3.25 kWh");
        assert_eq!(Money::from_1e4(4_125_000).to_string(), "412.50");
    }

    #[test]
    fn a_malformed_number_is_refused_with_its_reason() {
        use ParseQuantityError::{NotANumber, TooFine, TooLarge};
        let text = |s: &str| s.to_owned();
        for (input, error) in [
            ("", NotANumber(text(""))),
            ("-1", NotANumber(text("-1"))),
            ("1e3", NotANumber(text("1e3"))),
            ("1.", NotANumber(text("1."))),
            (".5", NotANumber(text(".5"))),
            ("0.0000001", TooFine(text("0.0000001"), 6)),
            ("99999999999999999999", TooLarge(text("99999999999999999999"))),
        ] {
            assert_eq!(Energy::parse_kwh(input), Err(error));
        }
    }

    #[test]
    fn the_papers_two_rows_give_its_apparent_and_reactive_power() {
        // 118.5 V, 0.054 A, PF 0.994 -> 6.399 VA, 0.6999 var; 117.8 V, 0.054 A, PF 0.989 -> 6.3612 VA, 0.9409 var.
        for (mv, ua, pf, mva, mvar) in [(118_500, 54_000, 9_940, 6_399, 700), (117_800, 54_000, 9_890, 6_361, 941)] {
            let apparent = ApparentPower::from_voltage_and_current(Voltage::from_mv(mv), Current::from_ua(ua)).unwrap();
            assert_eq!(apparent.mva(), mva);
            assert_eq!(ReactivePower::from_apparent(apparent, PowerFactor::from_1e4(pf)).unwrap().mvar(), mvar);
        }
    }
}
