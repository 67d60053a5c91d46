//! From use to lines: the arithmetic of every table, in integers.

use super::{PriceError, Progressive, Season, Table, TimeOfUse};
use crate::act::LineKind;
use units::{Energy, Money};

/// mWh in a kWh, the unit that prices are for.
const MWH_PER_KWH: i128 = 1_000_000;

/// What is priced together: the use of one or more months of one season.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The season.
    pub season: Season,
    /// How many months' limits, fixed and minimum charges count.
    pub months: u32,
    /// All energy.
    pub energy: Energy,
    /// The same by band, in the table's order; empty for tables without bands.
    pub bands: Vec<Energy>,
    /// Average of the utility's bill, for tables that take it as the price.
    pub average: Option<Money>,
}

/// One line: what for, how much, at what price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// What for.
    pub kind: LineKind,
    /// The band's name.
    pub band: Option<String>,
    /// How much energy, where it is charged by energy.
    pub energy: Option<Energy>,
    /// The price of a kWh, likewise.
    pub unit_price: Option<Money>,
    /// What it comes to.
    pub amount: Money,
}

impl Charge {
    /// Energy x price.
    ///
    /// # Errors
    /// [`PriceError::TooLarge`].
    pub fn of_energy(kind: LineKind, energy: Energy, unit_price: Money) -> Result<Self, PriceError> {
        let amount = product(energy, unit_price)?;
        Ok(Self { kind, band: None, energy: Some(energy), unit_price: Some(unit_price), amount })
    }

    /// A sum that no energy stands behind.
    #[must_use]
    pub const fn of_money(kind: LineKind, amount: Money) -> Self {
        Self { kind, band: None, energy: None, unit_price: None, amount }
    }
}

/// Energy (mWh) x price (1e-4 a kWh) / 10^6, rounded half up to 1e-4.
///
/// # Errors
/// [`PriceError::TooLarge`].
pub fn product(energy: Energy, unit_price: Money) -> Result<Money, PriceError> {
    let product = i128::from(energy.mwh()) * i128::from(unit_price.as_1e4());
    money((product + MWH_PER_KWH / 2).div_euclid(MWH_PER_KWH))
}

/// The average price of a kWh of a bill, rounded down to 1e-4, so that nobody is charged above it. `None` without energy.
#[must_use]
pub fn average(amount: Money, energy: Energy) -> Option<Money> {
    let average = (i128::from(amount.as_1e4()) * MWH_PER_KWH).checked_div_euclid(i128::from(energy.mwh()))?;
    money(average).ok()
}

fn money(amount: i128) -> Result<Money, PriceError> {
    i64::try_from(amount).map(Money::from_1e4).map_err(|_| PriceError::TooLarge)
}

/// The lines of a use under a table.
///
/// # Errors
/// When an amount is beyond 64 bits, or the table has no price for the use.
pub fn charge(table: &Table, used: &Use) -> Result<Vec<Charge>, PriceError> {
    match table {
        Table::Flat(price) => {
            let price = price.at(used.season).ok_or(PriceError::NoPrice)?;
            Ok(vec![Charge::of_energy(LineKind::Energy, used.energy, price)?])
        }
        Table::Progressive(progressive) => brackets(progressive, used),
        Table::TimeOfUse(table) => bands(table, used),
        Table::Average => {
            let price = used.average.ok_or(PriceError::NoAverage)?;
            Ok(vec![Charge::of_energy(LineKind::Energy, used.energy, price)?])
        }
    }
}

/// What each bracket holds of the use, and what is missing to the minimum charge.
fn brackets(table: &Progressive, used: &Use) -> Result<Vec<Charge>, PriceError> {
    let mut charges = Vec::new();
    let mut below = 0;
    for bracket in &table.brackets {
        let limit = bracket.up_to.map_or(u64::MAX, |limit| limit.mwh().saturating_mul(u64::from(used.months)));
        let held = used.energy.mwh().min(limit).saturating_sub(below);
        // A use of nothing still shows its first price.
        if held > 0 || charges.is_empty() {
            let price = bracket.price.at(used.season).ok_or(PriceError::NoPrice)?;
            charges.push(Charge::of_energy(LineKind::Bracket, Energy::from_mwh(held), price)?);
        }
        below = limit;
    }
    let minimum = i128::from(table.minimum.as_1e4()) * i128::from(used.months);
    let missing = minimum - sum(&charges);
    if missing > 0 {
        charges.push(Charge::of_money(LineKind::Minimum, money(missing)?));
    }
    Ok(charges)
}

/// The fixed charge, each band that was used, and what is above the limit once more.
fn bands(table: &TimeOfUse, used: &Use) -> Result<Vec<Charge>, PriceError> {
    let months = i128::from(used.months);
    let mut charges = Vec::new();
    if !table.fixed.is_zero() {
        let fixed = money(i128::from(table.fixed.as_1e4()) * months)?;
        charges.push(Charge::of_money(LineKind::Fixed, fixed));
    }
    if used.bands.len() > table.bands.len() {
        return Err(PriceError::NoPrice);
    }
    for (band, energy) in table.bands.iter().zip(&used.bands).filter(|(_, energy)| !energy.is_zero()) {
        let price = band.price.at(used.season).ok_or(PriceError::NoPrice)?;
        let charge = Charge::of_energy(LineKind::Band, *energy, price)?;
        charges.push(Charge { band: Some(band.name.clone()), ..charge });
    }
    if let Some(surcharge) = table.surcharge {
        let limit = surcharge.above.mwh().saturating_mul(u64::from(used.months));
        let above = used.energy.mwh().saturating_sub(limit);
        if above > 0 {
            charges.push(Charge::of_energy(LineKind::Surcharge, Energy::from_mwh(above), surcharge.price)?);
        }
    }
    Ok(charges)
}

/// The sum of lines, exact.
pub(crate) fn sum(charges: &[Charge]) -> i128 {
    charges.iter().map(|charge| i128::from(charge.amount.as_1e4())).sum()
}
