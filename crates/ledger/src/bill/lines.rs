//! The lines of a bill, run by run.

use super::tenancy::lowest_average;
use super::{Books, Span, refusal};
use crate::RuleViolation;
use crate::act::{BillLine, LineKind};
use crate::price::{Charge, Grouping, PriceError, Season, Table, Use, charge, sum};
use crate::state::{Correction, DividedEnergy, SheetRecord, TariffRecord};
use units::{Energy, Money, Month};

/// A month's sheet with its tariff.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled<'a> {
    pub(super) month: Month,
    pub(super) sheet: &'a SheetRecord,
    pub(super) tariff: &'a TariffRecord,
}

impl Settled<'_> {
    fn season(&self) -> Season {
        self.tariff.tariff.season(self.month)
    }

    /// Whether this month is priced together with one before it.
    fn joins(&self, before: &Self) -> bool {
        let tariff = &self.tariff.tariff;
        // An average may differ from month to month.
        tariff.grouping == Grouping::Together
            && tariff.table != Table::Average
            && self.tariff.statement == before.tariff.statement
            && self.season() == before.season()
    }

    /// What was used beyond the sheet. That readings of an earlier month came late makes nothing of this month's use an
    /// excess.
    fn excess(&self) -> Energy {
        if self.tariff.tariff.excess_price.is_none() {
            return Energy::ZERO;
        }
        let regular = self.sheet.regular.energy;
        let corrected = i128::from(self.sheet.terms.consumed.mwh()) - i128::from(regular.mwh());
        let deficit = -i128::from(self.sheet.terms.remaining().mwh()) - corrected;
        Energy::from_mwh(u64::try_from(deficit).unwrap_or(0).min(regular.mwh()))
    }
}

/// The lines of all months, in order: of each run what the table gives and what is beyond the sheet, then the
/// corrections and the priced trades of its months.
pub(super) fn of_months(books: &dyn Books, span: Span, months: &[Settled<'_>]) -> Result<Vec<BillLine>, RuleViolation> {
    let mut lines = Vec::new();
    for run in months.chunk_by(|before, month| month.joins(before)) {
        lines.extend(of_run(books, span, run)?);
        for month in run {
            for correction in &month.sheet.corrections {
                lines.push(of_correction(books, correction)?);
            }
            lines.extend(of_trades(month)?);
        }
    }
    Ok(lines)
}

fn of_run(books: &dyn Books, span: Span, run: &[Settled<'_>]) -> Result<Vec<BillLine>, RuleViolation> {
    let Some(first) = run.first() else { return Ok(Vec::new()) };
    let tariff = &first.tariff.tariff;
    let mut used = DividedEnergy::default();
    let mut excess = 0u64;
    for month in run {
        used.add(&month.sheet.regular);
        excess = excess.saturating_add(month.excess().mwh());
    }
    let refused = |error| refusal(error, first.month);
    let average = match tariff.table {
        Table::Average => Some(lowest_average(books, span.part(books, first.month))?),
        _ => None,
    };
    let used = Use {
        season: first.season(),
        months: u32::try_from(run.len()).unwrap_or(u32::MAX),
        energy: Energy::from_mwh(used.energy.mwh().saturating_sub(excess)),
        bands: used.bands,
        average,
    };
    let mut charges = charge(&tariff.table, &used).map_err(refused)?;
    if let Some(price) = tariff.excess_price.filter(|_| excess > 0) {
        charges.push(Charge::of_energy(LineKind::Excess, Energy::from_mwh(excess), price).map_err(refused)?);
    }
    Ok(charges.into_iter().map(|charge| line(charge, first.month, used.months)).collect())
}

fn line(charge: Charge, month: Month, months: u32) -> BillLine {
    let Charge { kind, band, energy, unit_price, amount } = charge;
    BillLine { kind, month, months, band, energy, unit_price, amount }
}

/// What was bought and sold at a price in a month: the sums of its trades, each rounded when it was accepted.
fn of_trades(month: &Settled<'_>) -> Result<Vec<BillLine>, RuleViolation> {
    let SheetRecord { bought, sold, .. } = month.sheet;
    let received = Money::ZERO.checked_sub(sold.amount).ok_or(RuleViolation::AmountTooLarge)?;
    let trades = [(LineKind::Bought, bought.energy, bought.amount), (LineKind::Sold, sold.energy, received)];
    let traded = trades.into_iter().filter(|(_, energy, _)| !energy.is_zero());
    let lines = traded.map(|(kind, energy, amount)| {
        let charge = Charge { energy: Some(energy), ..Charge::of_money(kind, amount) };
        line(charge, month.month, 1)
    });
    Ok(lines.collect())
}

/// Late energy of a closed month, at that month's own tariff. Where a kWh has one price, at that; where the price depends
/// on the month's use, the difference that the late energy makes to the month, priced alone.
fn of_correction(books: &dyn Books, correction: &Correction) -> Result<BillLine, RuleViolation> {
    let month = correction.of;
    let tariff = &books.tariff_from(correction.tariff).ok_or(RuleViolation::NoTariff(month))?.tariff;
    let late = correction.late.energy;
    let refused = |error| refusal(error, month);
    let flat = match &tariff.table {
        Table::Flat(price) => Some(price.at(tariff.season(month)).ok_or(RuleViolation::NoTariff(month))?),
        Table::Average => {
            let span = books.genesis().month_span(month).ok_or(RuleViolation::OutsideCalendar)?;
            Some(lowest_average(books, span)?)
        }
        Table::Progressive(_) | Table::TimeOfUse(_) => None,
    };
    let charge = match flat {
        Some(price) => Charge::of_energy(LineKind::Correction, late, price).map_err(refused)?,
        None => {
            let mut after = correction.before.clone();
            after.add(&correction.late);
            let priced = |energy: &DividedEnergy| priced_alone(&tariff.table, tariff.season(month), energy);
            let difference =
                priced(&after).and_then(|after| Ok(after - priced(&correction.before)?)).map_err(refused)?;
            let amount = i64::try_from(difference).map_err(|_| RuleViolation::AmountTooLarge)?;
            let charge = Charge::of_money(LineKind::Correction, Money::from_1e4(amount));
            Charge { energy: Some(late), ..charge }
        }
    };
    Ok(line(charge, month, 1))
}

/// What a month comes to by itself, exact.
fn priced_alone(table: &Table, season: Season, used: &DividedEnergy) -> Result<i128, PriceError> {
    let used = Use { season, months: 1, energy: used.energy, bands: used.bands.clone(), average: None };
    charge(table, &used).map(|charges| sum(&charges))
}
