//! Bills: what a closed month's sheet and tariff come to in money. One function, for the ledger's rule and for whoever
//! checks a bill offline.

use crate::act::{Bill, BillLine, BillMeter, BillMonth, LineKind};
use crate::state::{MeterMonth, MonthRecord, MonthStatus, SheetRecord, State, TariffRecord};
use crate::{Genesis, RuleViolation};
use units::{AccountId, Energy, Money, Month, Timestamp};

/// The bill of an account for a half-open span of whole, closed months.
///
/// # Errors
/// When the span is not whole months, or a month is open, has no sheet or no tariff.
pub fn of_state(state: &State, account: AccountId, from: Timestamp, until: Timestamp) -> Result<Bill, RuleViolation> {
    let records = |month: Month| {
        if month >= state.first_open() {
            return Err(RuleViolation::MonthOpen(month));
        }
        let nothing = RuleViolation::NothingToBill { account, month };
        state.sheet(month, &account).zip(state.month(month)).ok_or(nothing)
    };
    of_records(state.genesis(), account, from, until, records)
}

/// The same from records that come from anywhere, for example from a bundle that proves them.
///
/// # Errors
/// As [`of_state`], and whatever `records` answers.
pub fn of_records<'a>(
    genesis: &Genesis,
    account: AccountId,
    from: Timestamp,
    until: Timestamp,
    records: impl Fn(Month) -> Result<(&'a SheetRecord, &'a MonthRecord), RuleViolation>,
) -> Result<Bill, RuleViolation> {
    let mut months = Vec::new();
    let mut round_to = Money::from_1e4(1);
    for month in months_of_span(genesis, from, until)? {
        let (sheet, community) = records(month)?;
        let tariff = match community.status {
            MonthStatus::Open => return Err(RuleViolation::MonthOpen(month)),
            MonthStatus::Closed(tariff) => tariff.ok_or(RuleViolation::NoTariff(month))?,
        };
        round_to = tariff.tariff.round_to;
        months.push(month_of_sheet(month, sheet, &tariff)?);
    }
    let total = total(&months, round_to)?;
    Ok(Bill { account, from, until, months, total })
}

/// The months that a span consists of.
fn months_of_span(genesis: &Genesis, from: Timestamp, until: Timestamp) -> Result<Vec<Month>, RuleViolation> {
    let mut month = genesis.month_at(from).ok_or(RuleViolation::BillSpan)?;
    let mut months = Vec::new();
    let mut at = from;
    while at < until && months.len() < Bill::MONTHS_MAX {
        let (start, end) = genesis.month_span(month).ok_or(RuleViolation::BillSpan)?;
        if start != at {
            return Err(RuleViolation::BillSpan);
        }
        months.push(month);
        month = month.plus(1);
        at = end;
    }
    if months.is_empty() || at != until { Err(RuleViolation::BillSpan) } else { Ok(months) }
}

fn month_of_sheet(month: Month, sheet: &SheetRecord, tariff: &TariffRecord) -> Result<BillMonth, RuleViolation> {
    Ok(BillMonth {
        month,
        terms: sheet.terms,
        meters: sheet.meters.iter().map(meter_line).collect(),
        tariff: tariff.statement,
        lines: lines(month, sheet, tariff)?,
    })
}

fn meter_line(meter: &MeterMonth) -> BillMeter {
    let difference = meter.import.end.mwh().saturating_sub(meter.import.start.mwh());
    BillMeter {
        meter: meter.meter.clone(),
        previous: meter.import.start,
        present: meter.import.end,
        factor: meter.factor,
        energy: Energy::from_mwh(difference.saturating_mul(u64::from(meter.factor))),
        estimated: meter.estimated,
    }
}

/// Corrections at their own months' prices; of the rest, what the sheet covers at the price and what is beyond it at
/// the excess price. That readings of an earlier month came late makes nothing of this month's use an excess.
fn lines(month: Month, sheet: &SheetRecord, tariff: &TariffRecord) -> Result<Vec<BillLine>, RuleViolation> {
    let corrected: u64 = sheet.corrections.iter().map(|correction| correction.consumed.mwh()).sum();
    let regular = sheet.terms.consumed.mwh().saturating_sub(corrected);
    let deficit = -i128::from(sheet.terms.remaining().mwh()) - i128::from(corrected);
    let deficit = u64::try_from(deficit).unwrap_or(0);
    let excess = deficit.min(regular);
    let corrections = sheet
        .corrections
        .iter()
        .map(|correction| line(LineKind::Correction, correction.of, correction.consumed, correction.unit_price));
    let mut lines = vec![line(LineKind::Energy, month, Energy::from_mwh(regular - excess), tariff.tariff.price)?];
    if excess > 0 {
        lines.push(line(LineKind::Excess, month, Energy::from_mwh(excess), tariff.tariff.excess_price)?);
    }
    lines.extend(corrections.collect::<Result<Vec<_>, _>>()?);
    Ok(lines)
}

/// Energy (mWh) x price (1e-4 a kWh) / 10^6, rounded half up.
fn line(kind: LineKind, month: Month, energy: Energy, unit_price: Money) -> Result<BillLine, RuleViolation> {
    const MWH_PER_KWH: i128 = 1_000_000;
    let product = i128::from(energy.mwh()) * i128::from(unit_price.as_1e4());
    let amount = (product + MWH_PER_KWH / 2).div_euclid(MWH_PER_KWH);
    let amount = i64::try_from(amount).map(Money::from_1e4).map_err(|_| RuleViolation::AmountTooLarge)?;
    Ok(BillLine { kind, month, energy, unit_price, amount })
}

/// The sum of all lines, rounded half up to a multiple of `round_to`.
fn total(months: &[BillMonth], round_to: Money) -> Result<Money, RuleViolation> {
    let step = i128::from(round_to.as_1e4()).max(1);
    let sum: i128 = months.iter().flat_map(|month| &month.lines).map(|line| i128::from(line.amount.as_1e4())).sum();
    let rounded = (sum + step / 2).div_euclid(step) * step;
    i64::try_from(rounded).map(Money::from_1e4).map_err(|_| RuleViolation::AmountTooLarge)
}
