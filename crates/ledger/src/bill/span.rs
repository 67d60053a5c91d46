//! The time that a bill is for: whole sheets, from a month's start or a member's moving in to a month's end or the moving
//! out.

use super::Books;
use crate::act::Bill;
use crate::state::{BindingRecord, MonthStatus, Record, RecordKey, State, TariffRecord};
use crate::{Genesis, RuleViolation};
use units::{AccountId, Month, Timestamp};

/// Whose bill, and for when; half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) account: AccountId,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

impl Span {
    /// The months whose sheets the bill is for.
    pub(super) fn months(self, books: &dyn Books) -> Result<Vec<Month>, RuleViolation> {
        let genesis = books.genesis();
        let months = months_touched(genesis, self.from, self.until).ok_or(RuleViolation::BillSpan)?;
        let (Some(first), Some(last)) = (months.first(), months.last()) else { return Err(RuleViolation::BillSpan) };
        let (start, _) = genesis.month_span(*first).ok_or(RuleViolation::BillSpan)?;
        let (_, end) = genesis.month_span(*last).ok_or(RuleViolation::BillSpan)?;
        let begins = self.from == start || self.moved_in(books, *first) == Some(self.from);
        let ends = self.until == end || self.moved_out(books, *last) == Some(self.until);
        if begins && ends { Ok(months) } else { Err(RuleViolation::BillSpan) }
    }

    /// When the first binding of a month's sheet began.
    fn moved_in(self, books: &dyn Books, month: Month) -> Option<Timestamp> {
        self.bindings(books, month)?.iter().map(|binding| binding.from).min()
    }

    /// When the last binding of a month's sheet ended; `None` if one goes on.
    fn moved_out(self, books: &dyn Books, month: Month) -> Option<Timestamp> {
        let ends: Option<Vec<Timestamp>> = self.bindings(books, month)?.iter().map(|binding| binding.until).collect();
        ends?.into_iter().max()
    }

    fn bindings(self, books: &dyn Books, month: Month) -> Option<Vec<&BindingRecord>> {
        let sheet = books.sheet(month, &self.account)?;
        sheet.meters.iter().map(|meter| books.binding(&meter.binding)).collect()
    }

    /// Whether nothing moves the sheet of a month any more: the month is closed, or has begun and the member has left with
    /// all readings booked. An account that has left and has its final bill does not come back before that month is
    /// closed, so this never ceases to hold for a sheet that is billed.
    pub(super) fn is_settled(self, books: &dyn Books, month: Month) -> bool {
        let has_begun = books.genesis().month_span(month).is_some_and(|(start, _)| start <= books.time());
        let has_left = || books.account(&self.account).is_some_and(|account| account.has_left(books.time()));
        books.is_closed(month) || (has_begun && has_left())
    }

    /// The tariff that a closed month is frozen under; of an open one that has begun the tariff in force, which does not
    /// change any more.
    pub(super) fn tariff(self, books: &dyn Books, month: Month) -> Result<&TariffRecord, RuleViolation> {
        let nothing = RuleViolation::NothingToBill { account: self.account, month };
        match books.month(month).ok_or(nothing)?.status {
            MonthStatus::Open => books.tariff_in_force(month).ok_or(RuleViolation::NoTariff(month)),
            MonthStatus::Closed(from) => {
                from.and_then(|from| books.tariff_from(from)).ok_or(RuleViolation::NoTariff(month))
            }
        }
    }
}

/// The months that a span touches; `None` if it is empty, too long or outside the calendar.
fn months_touched(genesis: &Genesis, from: Timestamp, until: Timestamp) -> Option<Vec<Month>> {
    let mut month = genesis.month_at(from)?;
    let mut months = Vec::new();
    let mut at = from;
    while at < until && months.len() < Bill::MONTHS_MAX {
        months.push(month);
        at = genesis.month_span(month)?.1;
        month = month.plus(1);
    }
    (!months.is_empty() && at >= until).then_some(months)
}

/// Start of the bill that an account has for a month; bills of whoever moved in begin with that.
#[must_use]
pub fn start_of(state: &State, account: AccountId, month: Month) -> Option<Timestamp> {
    let (start, end) = state.genesis().month_span(month)?;
    bill_in(state, account, start, end)
}

/// Whether an earlier bill of the account is for a sheet that a span touches.
pub(crate) fn is_billed(state: &State, account: AccountId, months: &[Month]) -> bool {
    let span = |month: Option<&Month>| month.and_then(|month| state.genesis().month_span(*month));
    let (Some((start, _)), Some((_, end))) = (span(months.first()), span(months.last())) else { return false };
    bill_in(state, account, start, end).is_some()
}

/// Start of the last bill that touches a time that begins and ends with months. Of the bills that begin before its end the
/// last one decides, because bills are for whole sheets and do not overlap each other.
fn bill_in(state: &State, account: AccountId, start: Timestamp, end: Timestamp) -> Option<Timestamp> {
    let keys = RecordKey::Bill(account, Timestamp::from_ms(0))..RecordKey::Bill(account, end);
    match state.range(keys).next_back()? {
        (RecordKey::Bill(_, from), Record::Bill(earlier)) if earlier.until > start => Some(*from),
        _ => None,
    }
}

/// Whether an account that left has been billed for a month that is still open.
pub(crate) fn has_bill_of_open_month(state: &State, account: AccountId) -> bool {
    let start = state.genesis().month_span(state.first_open()).map(|(start, _)| start);
    let keys = RecordKey::Bill(account, Timestamp::from_ms(0))..RecordKey::Bill(account, Timestamp::from_ms(u64::MAX));
    let last = state.range(keys).next_back();
    matches!((last, start), (Some((_, Record::Bill(bill))), Some(start)) if bill.until > start)
}
