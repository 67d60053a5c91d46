//! The books against the meters, and against themselves.

use super::Violation;
use ledger::state::{MonthRecord, Record, RecordKey, SheetRecord, Terms};
use std::collections::BTreeMap;
use units::{AccountId, Energy, MeterId, Month, Timestamp};

/// Committed readings of a meter rise in time, so none is in two intervals.
///
/// # Errors
/// With the first that does not.
pub fn no_reading_twice(meter: &MeterId, readings: &[(Timestamp, Energy)]) -> Result<(), Violation> {
    match readings.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        Some(pair) => Err(Violation::ReadingTwice { meter: meter.clone(), time: pair[1].0 }),
        None => Ok(()),
    }
}

/// What the sheets booked of a meter is what its counter moved by between its first and its last committed reading; where
/// it was set back, nothing.
///
/// # Errors
/// When it is not.
pub fn booked_as_counted<'a>(
    meter: &MeterId,
    readings: &[(Timestamp, Energy)],
    sheets: impl IntoIterator<Item = &'a SheetRecord>,
) -> Result<(), Violation> {
    let mwh = |energy: Energy| i128::from(energy.mwh());
    let moved = readings.windows(2).map(|pair| (mwh(pair[1].1) - mwh(pair[0].1)).max(0)).sum();
    let stretches = sheets.into_iter().flat_map(|sheet| &sheet.meters).filter(|stretch| stretch.meter == *meter);
    let booked = stretches
        .map(|stretch| (mwh(stretch.import.end) - mwh(stretch.import.start)) * i128::from(stretch.factor))
        .sum();
    if booked == moved { Ok(()) } else { Err(Violation::BookedOtherwise { meter: meter.clone(), booked, moved }) }
}

/// The sums of a month's sheets, against which its community side is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    contract: i128,
    carried: i128,
    generated: i128,
    gained: i128,
    consumed: i128,
    traded: i128,
    fee: i128,
    reward: i128,
}

impl Sums {
    fn add(&mut self, terms: &Terms) {
        let mwh = |energy: Energy| i128::from(energy.mwh());
        self.contract += mwh(terms.contract);
        self.carried += mwh(terms.carried);
        self.generated += mwh(terms.generated);
        self.gained += mwh(terms.gained);
        self.consumed += mwh(terms.consumed);
        self.traded += mwh(terms.traded);
        self.fee += mwh(terms.fee);
        self.reward += mwh(terms.reward);
    }
}

/// The double entry of every month, computed anew from all sheets: supply issued is the sum of contracts and of what the
/// operator sold, rewards are the budget spent, the physical side is what was consumed, and everything sums to zero.
///
/// # Errors
/// With the first sum that differs.
pub fn months_balance<'a>(
    monthly_budget: Energy,
    records: impl IntoIterator<Item = (&'a RecordKey, &'a Record)>,
) -> Result<(), Violation> {
    let mut months: BTreeMap<Month, (Sums, Option<&MonthRecord>)> = BTreeMap::new();
    for (key, record) in records {
        match (key, record) {
            (RecordKey::Sheet(month, _), Record::Sheet(sheet)) => months.entry(*month).or_default().0.add(&sheet.terms),
            (RecordKey::Month(month), Record::Month(record)) => months.entry(*month).or_default().1 = Some(record),
            _ => {}
        }
    }
    months.iter().try_for_each(|(month, (sums, record))| match record {
        Some(record) => month_balances(*month, i128::from(monthly_budget.mwh()), sums, record),
        None => Err(Violation::Unbalanced { month: *month, what: "the community's side", found: 0, right: 1 }),
    })
}

fn month_balances(month: Month, budget: i128, sums: &Sums, record: &MonthRecord) -> Result<(), Violation> {
    let Sums { contract, carried, generated, gained, consumed, traded, fee, reward } = *sums;
    let remaining = contract + carried + generated + gained + reward - consumed - traded - fee;
    let [supply, physical, left] = [record.supply, record.physical, record.budget].map(|side| i128::from(side.mwh()));
    let sums = [
        ("the sum of contracts", i128::from(record.contracts.mwh()), contract),
        ("the sum of rewards", i128::from(record.rewards.mwh()), reward),
        ("the budget left", left, budget + fee - reward),
        ("the physical side", physical, consumed - generated),
        ("the supply", supply, -(budget + contract + carried + gained - traded)),
        ("the sum of all accounts", supply + physical + left + remaining, 0),
    ];
    match sums.into_iter().find(|(_, found, right)| found != right) {
        Some((what, found, right)) => Err(Violation::Unbalanced { month, what, found, right }),
        None => Ok(()),
    }
}

/// No sheet went below zero by a trade within a block: what remains after it, without what the block's readings consumed,
/// is not negative wherever something was traded away.
///
/// # Errors
/// When one did.
pub fn no_sale_beyond(month: Month, account: AccountId, before: &Terms, after: &Terms) -> Result<(), Violation> {
    let mwh = |energy: Energy| i128::from(energy.mwh());
    let has_traded = mwh(after.traded) > mwh(before.traded);
    let consumed_meanwhile = mwh(after.consumed) - mwh(before.consumed);
    if has_traded && i128::from(after.remaining().mwh()) + consumed_meanwhile < 0 {
        return Err(Violation::SoldBeyond { account, month });
    }
    Ok(())
}
