//! The tenancy rule: in a rented home a kWh may not cost more than the average on the utility's bill, and what tenants pay
//! together may not be more than its total (Taiwan, mandatory terms of residential leases, in force since 2024-07-15).

use super::{Books, Span};
use crate::RuleViolation;
use crate::act::{Bill, BillLine, LineKind, Utility};
use crate::price;
use units::{Energy, Money, Month, Timestamp};

/// What a bill adds to what has been charged against one bill of the utility.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Charged {
    /// Start of the utility's period, which names it.
    pub(crate) utility: Timestamp,
    /// Money.
    pub(crate) amount: Money,
    /// Energy.
    pub(crate) energy: Energy,
}

/// The utility's bills that cover a span together, by rising start.
pub(super) fn covering(books: &dyn Books, from: Timestamp, until: Timestamp) -> Result<Vec<&Utility>, RuleViolation> {
    let mut covered = from;
    let mut covering = Vec::new();
    for record in books.utilities(from, until) {
        if record.utility.from > covered {
            break;
        }
        covered = record.utility.until;
        covering.push(&record.utility);
    }
    let missing =
        || books.genesis().month_at(covered).map_or(RuleViolation::OutsideCalendar, RuleViolation::UtilityBillMissing);
    if covered >= until { Ok(covering) } else { Err(missing()) }
}

/// The average that a time is charged at: where two bills of the utility meet in it the lower one, because the sheet of a
/// month does not tell what was used before and after.
pub(super) fn lowest_average(books: &dyn Books, (from, until): (Timestamp, Timestamp)) -> Result<Money, RuleViolation> {
    let averages = covering(books, from, until)?.into_iter().filter_map(Utility::average);
    averages.min().ok_or(RuleViolation::BillSpan)
}

impl Span {
    /// The part of a month that the bill is for.
    pub(super) fn part(self, books: &dyn Books, month: Month) -> (Timestamp, Timestamp) {
        let (start, end) = books.genesis().month_span(month).unwrap_or((self.from, self.until));
        (self.from.max(start), self.until.min(end))
    }

    /// The time that a line is for; a correction is for the whole of its own month.
    fn time_of(self, books: &dyn Books, line: &BillLine) -> (Timestamp, Timestamp) {
        let last = line.month.plus(line.months.saturating_sub(1));
        if line.kind == LineKind::Correction {
            return books.genesis().month_span(line.month).unwrap_or((self.from, self.until));
        }
        (self.part(books, line.month).0, self.part(books, last).1)
    }
}

/// Whether a line charges for electricity used, not for a trade.
const fn is_charge(line: &BillLine) -> bool {
    !matches!(line.kind, LineKind::Bought | LineKind::Sold)
}

/// No kWh above the average, and nothing but kWh.
pub(super) fn check(books: &dyn Books, span: Span, bill: &Bill) -> Result<(), RuleViolation> {
    for line in bill.lines.iter().filter(|line| is_charge(line)) {
        let average = lowest_average(books, span.time_of(books, line))?;
        let too_high = RuleViolation::TenancyPrice { month: line.month, average };
        let allowed = match (line.kind, line.energy, line.unit_price) {
            (LineKind::Fixed | LineKind::Minimum | LineKind::Surcharge, ..) | (_, None, _) => false,
            (_, _, Some(price)) => price <= average,
            (_, Some(energy), None) => {
                line.amount <= price::product(energy, average).map_err(|_| RuleViolation::AmountTooLarge)?
            }
        };
        if !allowed {
            return Err(too_high);
        }
    }
    Ok(())
}

/// What a bill charges against each of the utility's bills: its lines, divided by time where two periods meet in one, with
/// what rounding the total added.
pub(crate) fn charged(books: &dyn Books, span: Span, bill: &Bill) -> Result<Vec<Charged>, RuleViolation> {
    let mut all: Vec<Charged> = Vec::new();
    for line in bill.lines.iter().filter(|line| is_charge(line)) {
        let time = span.time_of(books, line);
        let covering = covering(books, time.0, time.1)?;
        let (mut amount, mut energy) = (line.amount.as_1e4(), line.energy.unwrap_or_default().mwh());
        let mut start = time.0;
        for utility in covering {
            let end = utility.until.min(time.1);
            let (elapsed, left) = (end.since(start).ms(), time.1.since(start).ms());
            let money_part = share(i128::from(amount), elapsed, left)?;
            let energy_part = share(i128::from(energy), elapsed, left)?;
            (amount, energy, start) = (amount - money_part, energy.saturating_sub(energy_part), end);
            add(
                &mut all,
                Charged {
                    utility: utility.from,
                    amount: Money::from_1e4(money_part),
                    energy: Energy::from_mwh(energy_part),
                },
            )?;
        }
    }
    let sum: i128 = bill.lines.iter().map(|line| i128::from(line.amount.as_1e4())).sum();
    let rounding = i64::try_from(i128::from(bill.total.as_1e4()) - sum).map_err(|_| RuleViolation::AmountTooLarge)?;
    if let Some(last) = bill.utilities.last() {
        add(&mut all, Charged { utility: last.from, amount: Money::from_1e4(rounding), energy: Energy::ZERO })?;
    }
    Ok(all)
}

/// The part of an amount that falls into `elapsed` of `left`, rounded down.
fn share<T: TryFrom<i128>>(amount: i128, elapsed: u64, left: u64) -> Result<T, RuleViolation> {
    let part = (amount * i128::from(elapsed)).div_euclid(i128::from(left.max(1)));
    T::try_from(part).map_err(|_| RuleViolation::AmountTooLarge)
}

fn add(all: &mut Vec<Charged>, more: Charged) -> Result<(), RuleViolation> {
    let Some(known) = all.iter_mut().find(|known| known.utility == more.utility) else {
        all.push(more);
        return Ok(());
    };
    known.amount = known.amount.checked_add(more.amount).ok_or(RuleViolation::AmountTooLarge)?;
    known.energy = known.energy.checked_add(more.energy).ok_or(RuleViolation::AmountTooLarge)?;
    Ok(())
}
