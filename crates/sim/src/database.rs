//! The gateway's database as its contract says: durable on return, wholly or not at all. SQLite keeps the same contract
//! and is tested with it in the gateway's own tests.

use gateway::core::{
    Chain, ClosedInterval, Entry as JournalEntry, JournalWrite, LastReading, Lock, Queued, ROWS_WAITING_MAX,
    ReadingRow, StoredJournal, StoredMeter,
};
use ledger::SignedStatement;
use std::collections::BTreeMap;
use units::{MeterId, StatementId, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Waiting,
    Final,
    Withdrawn,
}

#[derive(Debug)]
struct Entry {
    meter: MeterId,
    queued: Queued,
    statement: SignedStatement,
    attachment: Vec<u8>,
    delivery: Delivery,
}

/// Readings with the interval that they are in, statements, and the chains' heads.
#[derive(Debug, Default)]
pub(crate) struct Database {
    rows: BTreeMap<(MeterId, Timestamp), (ReadingRow, Option<StatementId>)>,
    outbox: BTreeMap<StatementId, Entry>,
    chains: BTreeMap<MeterId, Chain>,
    journal: BTreeMap<u64, (JournalEntry, Option<SignedStatement>)>,
    /// Statements of the journal that are not final, by the numbers of their entries.
    unstated: BTreeMap<u64, (MeterId, StatementId)>,
    locks: BTreeMap<(MeterId, String), Lock>,
}

impl Database {
    pub(crate) fn store_reading(&mut self, row: ReadingRow) {
        self.rows.entry((row.meter.clone(), row.time)).or_insert((row, None));
    }

    pub(crate) fn has(&self, reading: &(MeterId, Timestamp)) -> bool {
        self.rows.contains_key(reading)
    }

    /// Forgets a row: a database that lies. For planted bugs.
    pub(crate) fn forget(&mut self, reading: &(MeterId, Timestamp)) {
        self.rows.remove(reading);
    }

    /// Half of a transaction: rows marked as stated, and no statement. For planted bugs.
    pub(crate) fn tear_interval(&mut self, closed: &ClosedInterval) {
        let rows = (closed.meter.clone(), closed.first)..(closed.meter.clone(), closed.span.end);
        for (_, (_, mark)) in self.rows.range_mut(rows) {
            mark.get_or_insert(closed.statement.id());
        }
    }

    pub(crate) fn close_interval(&mut self, closed: ClosedInterval) {
        let ClosedInterval { meter, statement, attachment, span, first, chain, broken: _ } = closed;
        let id = statement.id();
        for (_, (_, mark)) in self.rows.range_mut((meter.clone(), first)..(meter.clone(), span.end)) {
            mark.get_or_insert(id);
        }
        let seq = chain.head.next_seq.saturating_sub(1);
        let queued = Queued { statement: id, binding: chain.binding, seq, end: span.end };
        self.chains.insert(meter.clone(), chain);
        let entry = Entry { meter, queued, statement, attachment, delivery: Delivery::Waiting };
        self.outbox.entry(id).or_insert(entry).delivery = Delivery::Waiting;
    }

    pub(crate) fn take_head(&mut self, meter: &MeterId, chain: Chain, withdrawn: &[StatementId]) -> Vec<ReadingRow> {
        for id in withdrawn {
            if let Some(entry) = self.outbox.get_mut(id) {
                entry.delivery = Delivery::Withdrawn;
            }
        }
        for (_, mark) in self.rows.values_mut() {
            *mark = mark.filter(|id| !withdrawn.contains(id));
        }
        let from = chain.head.end;
        self.chains.insert(meter.clone(), chain);
        self.open_rows(meter, from)
    }

    pub(crate) fn mark_final(&mut self, statement: &StatementId) {
        if let Some(entry) = self.outbox.get_mut(statement) {
            entry.delivery = Delivery::Final;
        }
    }

    fn rows_of(
        &self,
        meter: &MeterId,
        from: Timestamp,
    ) -> impl DoubleEndedIterator<Item = &(ReadingRow, Option<StatementId>)> {
        let end = Timestamp::from_ms(u64::MAX);
        self.rows.range((meter.clone(), from)..(meter.clone(), end)).map(|(_, row)| row)
    }

    fn open_rows(&self, meter: &MeterId, from: Timestamp) -> Vec<ReadingRow> {
        let open = self.rows_of(meter, from).filter(|(_, mark)| mark.is_none()).map(|(row, _)| row.clone());
        let mut newest: Vec<ReadingRow> = open.rev().take(ROWS_WAITING_MAX).collect();
        newest.reverse();
        newest
    }

    pub(crate) fn meter(&self, meter: &MeterId) -> StoredMeter {
        let chain = self.chains.get(meter).cloned();
        let from = chain.as_ref().map_or(Timestamp::default(), |chain| chain.head.end);
        let newest = self.rows_of(meter, Timestamp::default()).next_back();
        let last = newest.map(|(row, _)| LastReading {
            time: row.time,
            import: row.reading.energy_import().unwrap_or_default(),
            export: None,
        });
        let waiting = |entry: &&Entry| entry.meter == *meter && entry.delivery == Delivery::Waiting;
        let mut outbox: Vec<Queued> = self.outbox.values().filter(waiting).map(|entry| entry.queued).collect();
        outbox.sort_by_key(|queued| (queued.end, queued.seq));
        StoredMeter { chain, rows: self.open_rows(meter, from), last, outbox }
    }

    pub(crate) fn journal(&mut self, write: JournalWrite) {
        match write {
            JournalWrite::Entry(entry, statement) => {
                if let Some(statement) = &statement {
                    self.unstated.insert(entry.number, (entry.meter.clone(), statement.id()));
                }
                self.journal.insert(entry.number, (*entry, statement.map(|statement| *statement)));
            }
            JournalWrite::Lock(lock) => drop(self.locks.insert((lock.meter.clone(), lock.rule.clone()), lock)),
            JournalWrite::Unlock { meter, rule } => drop(self.locks.remove(&(meter, rule))),
            JournalWrite::Stated { statement, .. } => self.unstated.retain(|_, (_, unstated)| *unstated != statement),
        }
    }

    pub(crate) fn stored_journal(&self) -> StoredJournal {
        StoredJournal {
            last_number: self.journal.keys().next_back().copied().unwrap_or(0),
            entries: self.journal.values().map(|(entry, _)| entry.clone()).collect(),
            locks: self.locks.values().cloned().collect(),
            unstated: self.unstated.values().cloned().collect(),
        }
    }

    /// The submission form of a statement of the journal.
    pub(crate) fn control(&self, statement: &StatementId) -> Option<Vec<u8>> {
        let mut statements = self.journal.values().filter_map(|(_, signed)| signed.as_ref());
        statements.find(|signed| signed.id() == *statement).map(|signed| signed.to_submission(None))
    }

    /// A statement's submission form.
    pub(crate) fn submission(&self, statement: &StatementId) -> Option<Vec<u8>> {
        let entry = self.outbox.get(statement)?;
        Some(entry.statement.to_submission(Some(&entry.attachment)))
    }

    /// Statements of intervals that ended by a time, which are neither final nor withdrawn.
    pub(crate) fn waiting(&self, ended_by: Timestamp) -> usize {
        let waits = |entry: &&Entry| entry.delivery == Delivery::Waiting && entry.queued.end <= ended_by;
        self.outbox.values().filter(waits).count()
    }
}
