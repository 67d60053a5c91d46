//! Which bills are due: what an operator's program submits by itself after a month has closed.

use super::{is_billed, of_state};
use crate::State;
use crate::act::Bill;
use crate::state::{AccountRecord, RecordKey};
use std::collections::BTreeSet;
use units::{AccountId, Month, Timestamp};

/// How many months a bill is for: a bill is due when the last month of its group has closed, or when the member has left.
/// Groups begin with January, so that two months are the pairs that Taipower reads (January and February, ...).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// 1 to [`Bill::MONTHS_MAX`] months; 12 must be a multiple of it.
    pub months: u32,
}

/// The bills that can be made and are not, oldest months first. Whatever the ledger would refuse (no tariff, no bill of the
/// utility yet) is not among them: it is due once that is there. What was asked for and accepted is not due again, so
/// whoever submits them may ask again at any time.
#[must_use]
pub fn due(state: &State, rule: Due) -> Vec<Bill> {
    let mut wanted: BTreeSet<(Month, AccountId)> = BTreeSet::new();
    for (key, _) in state.records() {
        if let RecordKey::Sheet(month, account) = key
            && is_due(state, *account, *month)
        {
            wanted.insert((group_start(*month, rule.months), *account));
        }
    }
    wanted.into_iter().filter_map(|(start, account)| bill_of_group(state, account, start, rule.months)).collect()
}

/// Whether a sheet may be billed: of a closed month; of a member who has left also of an open one, but of none that began
/// after that.
fn is_due(state: &State, account: AccountId, month: Month) -> bool {
    let Some((start, _)) = state.genesis().month_span(month) else { return false };
    let left = state.account(&account).filter(|record| record.has_left(state.head().time));
    match left.and_then(AccountRecord::left_at) {
        Some(left) => start < left,
        None => month < state.first_open(),
    }
}

/// The first month of the group that a month is in.
fn group_start(month: Month, months: u32) -> Month {
    let months = months.clamp(1, 12);
    let into = (month.month() - 1) % months;
    Month::new(month.year(), month.month() - into).unwrap_or(month)
}

/// The bill of the months of a group that the account has sheets in.
fn bill_of_group(state: &State, account: AccountId, start: Month, months: u32) -> Option<Bill> {
    let record = state.account(&account).filter(|record| record.was_member())?;
    if start.plus(months.clamp(1, 12)) > state.first_open() && !record.has_left(state.head().time) {
        return None;
    }
    // A month without a sheet parts what comes before it from what comes after.
    let open = |month: &Month| {
        let has_sheet = state.sheet(*month, &account).is_some() && is_due(state, account, *month);
        has_sheet && !is_billed(state, account, &[*month])
    };
    let months: Vec<Month> = (0..months.clamp(1, 12)).map(|count| start.plus(count)).collect();
    let months: Vec<Month> = months.iter().copied().skip_while(|month| !open(month)).take_while(open).collect();
    let (first, last) = (*months.first()?, *months.last()?);
    let (from, until) = (state.genesis().month_span(first)?.0, state.genesis().month_span(last)?.1);
    let (from, until) = stay(state, account, (from, until), &months);
    of_state(state, account, from, until).ok()
}

/// The span narrowed to when the account moved in and out, where that lies within its first and last month.
fn stay(
    state: &State,
    account: AccountId,
    (from, until): (Timestamp, Timestamp),
    months: &[Month],
) -> (Timestamp, Timestamp) {
    let bindings = |month: Option<&Month>| {
        let sheet = month.and_then(|month| state.sheet(*month, &account));
        sheet.into_iter().flat_map(|sheet| &sheet.meters).filter_map(|meter| state.binding(&meter.binding))
    };
    let moved_in = bindings(months.first()).map(|binding| binding.from).min();
    let moved_out: Option<Vec<Timestamp>> = bindings(months.last()).map(|binding| binding.until).collect();
    let moved_out = moved_out.and_then(|ends| ends.into_iter().max());
    (moved_in.map_or(from, |time| time.max(from)), moved_out.map_or(until, |time| time.min(until)))
}
