//! Tables with a contracted capacity (Taipower's low-voltage power): what a contract of kW costs, what going beyond it
//! costs, and the power factor's share.
//!
//! Pure arithmetic, and no ledger tariff: the highest demand that such a contract is billed by is the mean of a quarter
//! of an hour that the utility's own meter keeps, and `readings` tell the highest reading of an interval, which is
//! higher. A ledger that billed by it would charge for peaks that the utility does not see.

use super::{PriceError, Season, Seasonal, charge};
use units::{Energy, Money, Power};

/// mW in a kW, the unit that capacity prices are for.
const MW_PER_KW: i128 = 1_000_000;

/// A table with a capacity charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapacityTable {
    /// Of a kW of contract, for a month.
    pub per_kw: Seasonal,
    /// Of a kWh.
    pub energy: Seasonal,
    /// Share of the contract, in percent, up to which going beyond costs `first_multiple` times the capacity price.
    pub first_share_percent: u32,
    /// The multiple up to that share.
    pub first_multiple: u32,
    /// The multiple beyond it.
    pub beyond_multiple: u32,
    /// The power factor, in percent, that changes nothing.
    pub neutral_percent: u32,
    /// The power factor, in percent, above which nothing more is taken off.
    pub cap_percent: u32,
    /// What one percent of power factor changes, in thousandths of the amount.
    pub step_permille: u32,
}

/// What is billed for a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapacityUse {
    /// The season.
    pub season: Season,
    /// Contracted capacity.
    pub contract: Power,
    /// Highest demand of the month.
    pub demand: Power,
    /// Energy used.
    pub energy: Energy,
    /// Mean power factor in percent, where the table applies it.
    pub power_factor_percent: Option<u32>,
}

/// The amounts of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapacityBill {
    /// Contract x capacity price.
    pub capacity: Money,
    /// Energy x price.
    pub energy: Money,
    /// Beyond the contract, up to the first share of it.
    pub over_first: Money,
    /// Beyond that.
    pub over_beyond: Money,
    /// Below zero when taken off. On capacity and energy; not on what is beyond the contract.
    pub power_factor: Money,
}

impl CapacityBill {
    /// The sum, exact.
    ///
    /// # Errors
    /// [`PriceError::TooLarge`].
    pub fn total(&self) -> Result<Money, PriceError> {
        let parts = [self.capacity, self.energy, self.over_first, self.over_beyond, self.power_factor];
        parts.into_iter().try_fold(Money::ZERO, |sum, part| sum.checked_add(part)).ok_or(PriceError::TooLarge)
    }
}

/// The amounts of a month, each rounded half up to 1e-4. Source: Taipower's table of 2025-10, "over-contract surcharge" and
/// "power factor".
///
/// # Errors
/// When an amount is beyond 64 bits or a season has no price.
pub fn capacity_bill(table: &CapacityTable, used: &CapacityUse) -> Result<CapacityBill, PriceError> {
    let per_kw = table.per_kw.at(used.season).ok_or(PriceError::NoPrice)?;
    let per_kwh = table.energy.at(used.season).ok_or(PriceError::NoPrice)?;
    let of_power =
        |power: i128, multiple: u32| rounded(power * i128::from(per_kw.as_1e4()) * i128::from(multiple), MW_PER_KW);
    let contract = i128::from(used.contract.mw());
    let over = (i128::from(used.demand.mw()) - contract).max(0);
    let first = over.min(contract * i128::from(table.first_share_percent) / 100);
    let capacity = of_power(contract, 1)?;
    let energy = charge::product(used.energy, per_kwh)?;
    Ok(CapacityBill {
        capacity,
        energy,
        over_first: of_power(first, table.first_multiple)?,
        over_beyond: of_power(over - first, table.beyond_multiple)?,
        power_factor: power_factor(table, used, capacity, energy)?,
    })
}

fn power_factor(
    table: &CapacityTable,
    used: &CapacityUse,
    capacity: Money,
    energy: Money,
) -> Result<Money, PriceError> {
    let Some(percent) = used.power_factor_percent else { return Ok(Money::ZERO) };
    let steps = i128::from(table.neutral_percent) - i128::from(percent.min(table.cap_percent));
    let base = i128::from(capacity.as_1e4()) + i128::from(energy.as_1e4());
    rounded(base * steps * i128::from(table.step_permille), 1_000)
}

fn rounded(numerator: i128, denominator: i128) -> Result<Money, PriceError> {
    let amount = (numerator + denominator / 2).div_euclid(denominator);
    i64::try_from(amount).map(Money::from_1e4).map_err(|_| PriceError::TooLarge)
}
