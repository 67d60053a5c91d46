//! The journal of loads: entries, the statements made of them, and which rules hold which loads off.

use super::database::{Columns, Found};
use super::row::{integer, place_integer};
use super::tables::{JOURNAL, Kind};
use super::{Archive, Store, StoreError};
use crate::core::{Deed, Entry, JournalWrite, Lock, Outcome, Place, StoredJournal};
use ledger::SignedStatement;
use ledger::act::{Cause, LoadState};
use sqlx::Row as _;
use units::StatementId;

/// Entries kept: a house switches some dozens a day. The oldest that the node need not be told of give way.
pub const JOURNAL_MAX: i64 = 100_000;
/// Entries read at a start: more than sixty relays may switch in an hour.
const RESUME_MAX: i64 = 4_096;

/// An entry, and how far the ledger knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// The entry.
    pub entry: Entry,
    /// Its statement, if one was made.
    pub statement: Option<StatementId>,
    /// `waiting`, `final` or `refused`.
    pub stated: Option<String>,
    /// Where it stands in the ledger, once that is known.
    pub place: Option<Place>,
}

impl Store {
    /// Writes into the journal. The same a second time changes nothing.
    ///
    /// # Errors
    /// When the database refuses; then nothing is changed.
    pub async fn journal(&self, write: &JournalWrite) -> Result<(), StoreError> {
        match write {
            JournalWrite::Entry(entry, statement) => self.put_entry(entry, statement.as_deref()).await,
            JournalWrite::Lock(lock) => self.put_lock(lock).await,
            JournalWrite::Unlock { meter, rule } => {
                let query = sqlx::query("DELETE FROM load_locks WHERE meter = ? AND rule = ?");
                query.bind(meter.as_str()).bind(rule).execute(&self.pool).await?;
                Ok(())
            }
            JournalWrite::Stated { statement, end } => self.put_stated(statement, end).await,
        }
    }

    async fn put_entry(&self, entry: &Entry, statement: Option<&SignedStatement>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT INTO journal (number, meter, time_ms, deed, cause, who, why, request, before_state, after_state, \
             outcome, reason, ended_ms, statement, bytes, stated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (meter, time_ms, number) DO UPDATE SET before_state = excluded.before_state, \
             after_state = excluded.after_state, outcome = excluded.outcome, reason = excluded.reason, \
             ended_ms = excluded.ended_ms, statement = excluded.statement, bytes = excluded.bytes, \
             stated = COALESCE(journal.stated, excluded.stated)",
        )
        .bind(integer(entry.number))
        .bind(entry.meter.as_str())
        .bind(integer(entry.time.ms()))
        .bind(entry.deed.name())
        .bind(cause_name(entry.by))
        .bind(&entry.who)
        .bind(&entry.why)
        .bind(&entry.key)
        .bind(load_state_name(entry.before))
        .bind(load_state_name(entry.after))
        .bind(entry.outcome.name())
        .bind(entry.outcome.reason())
        .bind(entry.ended.map(|ended| integer(ended.ms())))
        .bind(statement.map(|statement| statement.id().to_string()))
        .bind(statement.map(SignedStatement::leaf))
        .bind(statement.map(|_| "waiting"))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM journal WHERE id <= (SELECT MAX(id) FROM journal) - ? AND ended_ms IS NOT NULL \
             AND (stated IS NULL OR stated <> 'waiting') AND NOT EXISTS \
             (SELECT 1 FROM changes WHERE table_name = 'journal' AND row_id = journal.id)",
        )
        .bind(JOURNAL_MAX)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn put_lock(&self, lock: &Lock) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO load_locks (meter, rule, since_ms, why, latched, restores) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (meter, rule) DO UPDATE SET since_ms = excluded.since_ms, why = excluded.why, \
             latched = excluded.latched, restores = excluded.restores",
        )
        .bind(lock.meter.as_str())
        .bind(&lock.rule)
        .bind(integer(lock.since.ms()))
        .bind(&lock.why)
        .bind(i64::from(lock.latched))
        .bind(i64::from(lock.restore))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn put_stated(&self, statement: &StatementId, end: &Result<Option<Place>, String>) -> Result<(), StoreError> {
        let [height, log_index] = place_integer(end.as_ref().ok().copied().flatten());
        let mut transaction = self.begin().await?;
        let stated = if end.is_ok() { "final" } else { "refused" };
        sqlx::query("UPDATE journal SET stated = ?, stated_reason = ?, height = ?, log_index = ? WHERE statement = ?")
            .bind(stated)
            .bind(end.as_ref().err())
            .bind(height)
            .bind(log_index)
            .bind(statement.to_string())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// A statement of the journal, in its leaf form.
    ///
    /// # Errors
    /// When it is not there, or the database refuses.
    pub async fn control(&self, statement: &StatementId) -> Result<Vec<u8>, StoreError> {
        let row = sqlx::query("SELECT bytes FROM journal WHERE statement = ?").bind(statement.to_string());
        let row = row.fetch_optional(&self.pool).await?.ok_or(StoreError::NoStatement(*statement))?;
        Ok(row.try_get("bytes")?)
    }

    /// What the journal holds, to go on from.
    ///
    /// # Errors
    /// When the database refuses, or holds what the gateway never writes.
    pub async fn stored_journal(&self) -> Result<StoredJournal, StoreError> {
        let sql = JOURNAL.of().select(
            "WHERE outcome IN ('waiting', 'sent') \
             OR id IN (SELECT id FROM journal ORDER BY id DESC LIMIT ?) \
             OR id IN (SELECT MAX(id) FROM journal WHERE outcome IN ('switched', 'unconfirmed', 'failed', 'unknown') \
             GROUP BY meter) ORDER BY id",
        );
        let database = &self.archive.database;
        let rows = database.fetch_all(JOURNAL.of(), sql, vec![RESUME_MAX.into()]).await?;
        let entries = rows.iter().map(read_entry).collect::<Result<Vec<Entry>, _>>()?;
        let locks = "SELECT rowid, meter, rule, since_ms, why, latched, restores FROM load_locks ORDER BY meter, rule";
        let locks = database.fetch_all(LOCKS, locks.to_owned(), Vec::new()).await?;
        let unstated = JOURNAL.of().select("WHERE stated = 'waiting' ORDER BY id");
        let unstated = database.fetch_all(JOURNAL.of(), unstated, Vec::new()).await?;
        let unstated = unstated.iter().map(|row| Ok((row.parsed("meter")?, row.parsed("statement")?)));
        Ok(StoredJournal {
            last_number: entries.iter().map(|entry| entry.number).max().unwrap_or(0),
            entries,
            locks: locks.iter().map(read_lock).collect::<Result<_, _>>()?,
            unstated: unstated.collect::<Result<_, StoreError>>()?,
        })
    }

    /// Entries with a number below `before`, newest first.
    ///
    /// # Errors
    /// When the database refuses, or holds what the gateway never writes.
    pub async fn journal_entries(&self, before: Option<u64>, limit: u32) -> Result<Vec<StoredEntry>, StoreError> {
        let sql = JOURNAL.of().select("WHERE number < ? ORDER BY number DESC LIMIT ?");
        let values = vec![before.map_or(i64::MAX, integer).into(), i64::from(limit).into()];
        self.archive.database.fetch_all(JOURNAL.of(), sql, values).await?.iter().map(read_stored).collect()
    }

    /// An entry by its number.
    ///
    /// # Errors
    /// As [`Store::journal_entries`].
    pub async fn journal_entry(&self, number: u64) -> Result<Option<StoredEntry>, StoreError> {
        let sql = JOURNAL.of().select("WHERE number = ? ORDER BY id DESC LIMIT 1");
        let rows = self.archive.database.fetch_all(JOURNAL.of(), sql, vec![integer(number).into()]).await?;
        rows.first().map(read_stored).transpose()
    }
}

/// A row of the journal by its id; or why it cannot be read.
pub type JournalRow = (i64, Result<StoredEntry, StoreError>);

impl Archive {
    /// Rows of the journal behind a row's id, in the order of the ids.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn journal_after(&self, row: i64, limit: u32) -> Result<Vec<JournalRow>, StoreError> {
        let sql = JOURNAL.of().select("WHERE id > ? ORDER BY id LIMIT ?");
        let rows = self.database.fetch(JOURNAL.of(), sql, vec![row.into(), i64::from(limit).into()]).await?;
        let read = |found: Result<Found, StoreError>| match found {
            Ok(found) => Ok((found.id, read_stored(&found))),
            Err(error) => match error {
                StoreError::Value { row, .. } => Ok((row, Err(error))),
                other => Err(other),
            },
        };
        rows.into_iter().map(read).collect()
    }
}

const LOCKS: Columns = Columns {
    table: "load_locks",
    columns: &[
        ("meter", Kind::Text),
        ("rule", Kind::Text),
        ("since_ms", Kind::Integer),
        ("why", Kind::Text),
        ("latched", Kind::Integer),
        ("restores", Kind::Integer),
    ],
};

fn read_stored(row: &Found) -> Result<StoredEntry, StoreError> {
    let unsigned =
        |column| Ok::<_, StoreError>(row.optional_integer(column)?.and_then(|value| u64::try_from(value).ok()));
    let place = unsigned("height")?.zip(unsigned("log_index")?).map(|(height, log_index)| Place { height, log_index });
    let statement = row.optional_text("statement")?;
    Ok(StoredEntry {
        entry: read_entry(row)?,
        statement: statement.map(|id| id.parse().map_err(|_| row.error("statement", id))).transpose()?,
        stated: row.optional_text("stated")?,
        place,
    })
}

fn read_entry(row: &Found) -> Result<Entry, StoreError> {
    let state = |column: &'static str| {
        let name = row.text(column)?;
        let states = [LoadState::Unknown, LoadState::On, LoadState::Off];
        let found = states.into_iter().find(|state| load_state_name(*state) == name);
        found.ok_or_else(|| row.error(column, name))
    };
    let (deed, cause, outcome) = (row.text("deed")?, row.text("cause")?, row.text("outcome")?);
    let found = Deed::ALL.into_iter().find(|known| known.name() == deed);
    let by = [Cause::Person, Cause::Protection, Cause::Schedule].into_iter().find(|by| cause_name(*by) == cause);
    let ended = row.optional_integer("ended_ms")?.map(|_| row.timestamp("ended_ms")).transpose()?;
    Ok(Entry {
        number: row.unsigned("number")?,
        meter: row.parsed("meter")?,
        time: row.timestamp("time_ms")?,
        deed: found.ok_or_else(|| row.error("deed", deed))?,
        by: by.ok_or_else(|| row.error("cause", cause))?,
        who: row.text("who")?,
        why: row.text("why")?,
        key: row.optional_text("request")?,
        before: state("before_state")?,
        after: state("after_state")?,
        outcome: Outcome::from_parts(&outcome, row.optional_text("reason")?)
            .ok_or_else(|| row.error("outcome", outcome))?,
        ended,
    })
}

fn read_lock(row: &Found) -> Result<Lock, StoreError> {
    Ok(Lock {
        meter: row.parsed("meter")?,
        rule: row.text("rule")?,
        since: row.timestamp("since_ms")?,
        why: row.text("why")?,
        latched: row.integer("latched")? != 0,
        restore: row.integer("restores")? != 0,
    })
}

/// A cause's stable name.
#[must_use]
pub const fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::Person => "person",
        Cause::Protection => "protection",
        Cause::Schedule => "schedule",
    }
}

/// A load's state as its stable name.
#[must_use]
pub const fn load_state_name(state: LoadState) -> &'static str {
    match state {
        LoadState::Unknown => "unknown",
        LoadState::On => "on",
        LoadState::Off => "off",
    }
}
