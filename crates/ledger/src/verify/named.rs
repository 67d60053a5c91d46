//! What a bill names: a bundle brings nothing else, so that nobody carries more of others' doings than the bill needs.

use crate::VerifiedStatement;
use crate::act::{Act, Bill, Readings};
use crate::bill::Books;
use crate::state::{Entry, MonthStatus, RecordKey};
use std::collections::{BTreeMap, BTreeSet};
use units::{Month, StatementId, Timestamp};

/// Records and statements that a bill rests on, but for accounts.
#[derive(Default)]
pub(super) struct Named {
    records: BTreeSet<RecordKey>,
    statements: BTreeSet<StatementId>,
}

impl Named {
    /// The bill's statement, the months' records, and the bills of the utility that touch the span.
    pub(super) fn of(bill: &Bill, statement: StatementId, books: &impl Books) -> Self {
        let mut named = Self { statements: BTreeSet::from([statement]), ..Self::default() };
        named.utilities(bill.from, bill.until, books);
        for month in bill.months.iter().map(|month| month.month) {
            named.records.extend([RecordKey::Sheet(month, bill.account), RecordKey::Month(month)]);
            let in_force = match books.month(month).map(|record| record.status) {
                Some(MonthStatus::Closed(from)) => from,
                Some(MonthStatus::Open) => books.tariff_in_force(month).map(|record| record.tariff.from),
                None => None,
            };
            if let Some(from) = in_force {
                named.tariff(from, books);
            }
            let sheet = books.sheet(month, &bill.account);
            for correction in sheet.map(|sheet| sheet.corrections.as_slice()).unwrap_or_default() {
                named.tariff(correction.tariff, books);
                if let Some((from, until)) = books.genesis().month_span(correction.of) {
                    named.utilities(from, until, books);
                }
            }
        }
        named
    }

    fn tariff(&mut self, from: Month, books: &impl Books) {
        self.records.insert(RecordKey::Tariff(from));
        self.statements.extend(books.tariff_from(from).map(|record| record.statement));
    }

    fn utilities(&mut self, from: Timestamp, until: Timestamp, books: &impl Books) {
        for record in books.utilities(from, until) {
            self.records.insert(RecordKey::Utility(record.utility.from));
            self.statements.insert(record.statement);
        }
    }

    /// The statements of a month's list, the bindings and offers that they name, and what the first interval of each
    /// binding continues.
    pub(super) fn month(&mut self, entries: &[Entry], signed: &[VerifiedStatement]) {
        let mut first = BTreeMap::new();
        for id in entries.iter().filter_map(|entry| if let Entry::Act(id, _) = entry { Some(*id) } else { None }) {
            self.statements.insert(id);
            let acts = signed.iter().find(|one| one.id() == id).map(|one| one.payload().acts.as_slice());
            for act in acts.unwrap_or_default() {
                match act {
                    Act::Readings(readings) => drop(first.entry(readings.binding).or_insert(readings.as_ref())),
                    Act::Accept(accept) => drop(self.statements.insert(accept.offer.statement)),
                    _ => {}
                }
            }
        }
        self.records.extend(first.keys().map(|binding| RecordKey::Binding(*binding)));
        let continues = |readings: &&&Readings| readings.seq > 0 && readings.broken.is_none();
        self.statements.extend(first.values().filter(continues).map(|readings| readings.previous));
    }

    /// Nothing is in the file that the bill does not name. Accounts were looked at with the signatures.
    pub(super) fn nothing_idle<'a>(
        &self,
        signed: &[VerifiedStatement],
        mut records: impl Iterator<Item = &'a RecordKey>,
    ) -> Result<(), String> {
        if let Some(idle) = signed.iter().find(|one| !self.statements.contains(&one.id())) {
            return Err(format!("statement {} has nothing to do with the bill", idle.id()));
        }
        let is_idle = |key: &&RecordKey| !matches!(key, RecordKey::Account(_)) && !self.records.contains(*key);
        match records.find(is_idle) {
            Some(idle) => Err(format!("the record {idle:?} has nothing to do with the bill")),
            None => Ok(()),
        }
    }
}
