//! Bills: what closed sheets and their tariffs come to in money. One function, for the ledger's rule and for whoever
//! checks a bill offline.
//!
//! A bill is for whole sheets, and for those that nothing moves any more: of closed months, or of a member who has left.
//! Its months, in runs of one tariff and one season, are priced by [`crate::price`]; to them come what was used beyond the
//! sheet, corrections of earlier months, and priced trades.

mod books;
mod due;
mod lines;
mod span;
mod tenancy;

pub use books::Books;
pub use due::{Due, due};
pub use span::start_of;
pub(crate) use span::{Span, has_bill_of_open_month, is_billed};
pub(crate) use tenancy::{Charged, charged};

use crate::RuleViolation;
use crate::act::{Bill, BillLine, BillMeter, BillMonth, UtilityFigures};
use crate::price::PriceError;
use crate::state::{MeterMonth, SheetRecord, State, TariffRecord};
use lines::Settled;
use units::{AccountId, Energy, Money, Month, Timestamp};

/// The bill of an account for a half-open span, from the state.
///
/// # Errors
/// As [`of_books`].
pub fn of_state(state: &State, account: AccountId, from: Timestamp, until: Timestamp) -> Result<Bill, RuleViolation> {
    of_books(state, account, from, until)
}

/// The bill of an account for a half-open span, from records that come from anywhere, for example from a bundle that
/// proves them.
///
/// # Errors
/// When the span is not one of whole sheets; when a month is open (and the member has not left), has no sheet or no
/// tariff; on a tenancy ledger, when the utility's bills do not cover the span or the price or the sum is above theirs.
pub fn of_books(
    books: &dyn Books,
    account: AccountId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Bill, RuleViolation> {
    let span = Span { account, from, until };
    let mut settled = Vec::new();
    for month in span.months(books)? {
        if !span.is_settled(books, month) {
            return Err(RuleViolation::MonthOpen(month));
        }
        let sheet = books.sheet(month, &account).ok_or(RuleViolation::NothingToBill { account, month })?;
        settled.push(Settled { month, sheet, tariff: span.tariff(books, month)? });
    }
    let lines = lines::of_months(books, span, &settled)?;
    let round_to = settled.last().map_or(Money::from_1e4(1), |last| last.tariff.tariff.round_to);
    let total = total(&lines, round_to)?;
    let months = settled.iter().map(|month| month_of_sheet(month.month, month.sheet, month.tariff)).collect();
    let bill = Bill { account, from, until, months, lines, total, utilities: utilities(books, span)? };
    if books.genesis().tenancy {
        tenancy::check(books, span, &bill)?;
    }
    Ok(bill)
}

/// The figures that a tenant is entitled to see; none where nobody is a tenant.
fn utilities(books: &dyn Books, span: Span) -> Result<Vec<UtilityFigures>, RuleViolation> {
    if !books.genesis().tenancy {
        return Ok(Vec::new());
    }
    let covering = tenancy::covering(books, span.from, span.until)?;
    let figures = |utility: &crate::act::Utility| UtilityFigures {
        from: utility.from,
        until: utility.until,
        average: utility.average().unwrap_or_default(),
        energy: utility.energy,
        amount: utility.amount,
        common_facilities: utility.common_facilities,
    };
    Ok(covering.into_iter().map(figures).collect())
}

fn month_of_sheet(month: Month, sheet: &SheetRecord, tariff: &TariffRecord) -> BillMonth {
    BillMonth {
        month,
        terms: sheet.terms,
        meters: sheet.meters.iter().map(meter_line).collect(),
        tariff: tariff.statement,
        bands: sheet.regular.bands.clone(),
        bands_estimated: sheet.regular.estimated,
    }
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

/// The sum of all lines, rounded half up to a multiple of `round_to`.
fn total(lines: &[BillLine], round_to: Money) -> Result<Money, RuleViolation> {
    let step = i128::from(round_to.as_1e4()).max(1);
    let sum: i128 = lines.iter().map(|line| i128::from(line.amount.as_1e4())).sum();
    let rounded = (sum + step / 2).div_euclid(step) * step;
    i64::try_from(rounded).map(Money::from_1e4).map_err(|_| RuleViolation::AmountTooLarge)
}

/// A price table's refusal as a rule's.
fn refusal(error: PriceError, month: Month) -> RuleViolation {
    match error {
        PriceError::TooLarge => RuleViolation::AmountTooLarge,
        PriceError::NoAverage => RuleViolation::UtilityBillMissing(month),
        PriceError::NoPrice => RuleViolation::NoTariff(month),
    }
}
