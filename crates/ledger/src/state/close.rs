//! Month close: at the first block late enough, a month is frozen under its tariff, and what remains lapses or moves on.

use super::draft::{Draft, Posting};
use super::{Entry, MonthStatus, Record, RecordKey};
use crate::act::Role;
use crate::genesis::Surplus;
use units::{AccountId, Energy, Month};

impl Draft<'_> {
    /// Closes every month whose time has come, in order.
    pub(super) fn close_months(&mut self) {
        while self.state.genesis.close_time(self.state.first_open).is_some_and(|close| close <= self.time) {
            let month = self.state.first_open;
            self.close(month);
            self.state.first_open = month.plus(1);
            self.drop_old_intervals();
        }
    }

    fn close(&mut self, month: Month) {
        // A month that nothing was booked in has no record and needs none.
        if self.state.month(month).is_none() {
            return;
        }
        let mut record = self.month_record(month);
        record.status = MonthStatus::Closed(self.state.tariff(month).map(|record| record.tariff.from));
        self.put(RecordKey::Month(month), Record::Month(record));
        if self.state.genesis.surplus == Surplus::CarriesOver {
            self.carry_over(month);
        }
        self.closed.push(month);
    }

    fn carry_over(&mut self, month: Month) {
        let next = month.plus(1);
        if self.state.genesis.month_span(next).is_none() {
            return;
        }
        for (account, surplus) in self.surpluses(month) {
            // The only refusal is a term at its bound, and then the surplus lapses.
            if self.post(next, account, Posting::Carried, surplus).is_ok() {
                self.enter(next, account, Entry::Carried(month));
            }
        }
    }

    fn surpluses(&self, month: Month) -> Vec<(AccountId, Energy)> {
        let first = RecordKey::Sheet(month, AccountId::from_bytes([0; 32]));
        let last = RecordKey::Sheet(month, AccountId::from_bytes([0xff; 32]));
        let sheets = self.state.records.range(first..=last);
        // What a member who has left did not use lapses: nothing moves their sheets any more.
        let is_member = |id: &AccountId| self.state.account(id).is_some_and(|known| known.has(Role::Member, self.time));
        let surplus = sheets.filter_map(|(key, record)| match (key, record) {
            (RecordKey::Sheet(_, account), Record::Sheet(sheet)) if is_member(account) => {
                Some((*account, sheet.terms.remaining().to_energy()?))
            }
            _ => None,
        });
        surplus.filter(|(_, energy)| !energy.is_zero()).collect()
    }
}
