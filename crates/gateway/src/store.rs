//! The gateway's database: readings with their raw frames, the outbox, the chains' heads, events.
//!
//! Contract of every method that writes: durable on return, wholly or not at all, and safe to repeat after an error.
//! SQLite in WAL mode with `synchronous = FULL` keeps it; the SQL is plain, so that other databases can follow.

mod row;

use crate::core::{
    Chain, ClosedInterval, Event, LastReading, Place, Queued, ROWS_WAITING_MAX, ReadingRow, StoredMeter,
};
use ledger::state::ChainHead;
pub use row::StoredReading;
use row::{QUANTITY_COLUMNS, channels_json, integer, place_integer};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Row as _, SqliteConnection};
use std::str::FromStr;
use std::time::Duration;
use units::{Energy, MeterId, StatementId, Timestamp};

/// Events kept: months of a noisy line. The oldest give way.
pub const EVENTS_MAX: i64 = 100_000;
/// Readings in one answer.
pub const READINGS_MAX: u32 = 10_000;
/// Connections: one writes, the others serve pages.
const CONNECTIONS_MAX: u32 = 4;
/// How long a writer waits for another before it is an error.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database itself.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The tables are of a newer version, or a migration was changed.
    #[error("the database's tables do not fit this program: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A value in a row is not what this program writes.
    #[error("table {table}, column {column}: `{value}` is not what the gateway writes there; it was changed by hand")]
    Value {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The value.
        value: String,
    },
    /// The URL is of a database that this version does not know.
    #[error("`{0}` is not a database that this version knows; write sqlite://FILE")]
    Url(String),
    /// A statement that the outbox should hold.
    #[error("statement {0} is not in the outbox; was the database replaced?")]
    NoStatement(StatementId),
}

/// A statement as the outbox keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Its leaf form.
    pub bytes: Vec<u8>,
    /// The attachment.
    pub attachment: Vec<u8>,
}

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens a database by its URL (`sqlite://FILE`), makes it if there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// When the URL is of another kind, or the database cannot be opened or does not fit.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url, true).await?;
        sqlx::migrate!("./migrations").run(&store.pool).await?;
        Ok(store)
    }

    /// Opens an existing database as it is.
    ///
    /// # Errors
    /// As [`Store::open`], and when there is none.
    pub async fn open_existing(url: &str) -> Result<Self, StoreError> {
        Self::connect(url, false).await
    }

    async fn connect(url: &str, create: bool) -> Result<Self, StoreError> {
        if !url.starts_with("sqlite:") {
            return Err(StoreError::Url(url.to_owned()));
        }
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await?;
        Ok(Self { pool })
    }

    /// Closes all connections; what was written stays.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Stores a reading. A second time changes nothing.
    ///
    /// # Errors
    /// When the database refuses; then nothing is stored.
    pub async fn store_reading(&self, row: &ReadingRow) -> Result<(), StoreError> {
        let columns: Vec<&str> = QUANTITY_COLUMNS.iter().map(|quantity| quantity.name()).collect();
        debug_assert_eq!(columns.len(), 9, "the statement below binds nine quantities");
        let mut query = sqlx::query(
            "INSERT INTO readings (meter, time_ms, member_account, operator_account, profile, voltage_mv, current_ua, \
             active_power_mw, reactive_power_mvar, apparent_power_mva, power_factor_1e4, frequency_mhz, \
             energy_import_mwh, energy_export_mwh, channels, frames) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(row.meter.as_str())
        .bind(integer(row.time.ms()))
        .bind(row.member.to_string())
        .bind(row.operator.to_string())
        .bind(&row.profile);
        for quantity in QUANTITY_COLUMNS {
            query = query.bind(row.reading.get(quantity));
        }
        query.bind(channels_json(&row.reading)).bind(ledger::cbor::encode(&*row.frame)).execute(&self.pool).await?;
        Ok(())
    }

    /// Stores a closed interval: statement and attachment in the outbox, its readings marked, the chain moved on.
    ///
    /// # Errors
    /// When the database refuses; then nothing of it is stored.
    pub async fn close_interval(&self, closed: &ClosedInterval) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let id = closed.statement.id().to_string();
        sqlx::query(
            "INSERT INTO outbox (statement, meter, binding, seq, start_ms, end_ms, bytes, attachment, state, attempts) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', 0) ON CONFLICT (statement) DO UPDATE SET state = 'waiting'",
        )
        .bind(&id)
        .bind(closed.meter.as_str())
        .bind(closed.chain.binding.to_string())
        .bind(integer(closed.chain.head.next_seq.saturating_sub(1)))
        .bind(integer(closed.span.start.ms()))
        .bind(integer(closed.span.end.ms()))
        .bind(closed.statement.leaf())
        .bind(&closed.attachment)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "UPDATE readings SET statement = ? WHERE meter = ? AND time_ms >= ? AND time_ms < ? AND statement IS NULL",
        )
        .bind(&id)
        .bind(closed.meter.as_str())
        .bind(integer(closed.first.ms()))
        .bind(integer(closed.span.end.ms()))
        .execute(&mut *transaction)
        .await?;
        put_chain(&mut transaction, &closed.meter, &closed.chain).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Stores a chain taken from the node, withdraws statements and frees their readings; gives the meter's readings
    /// that are in no interval, none before the chain's end.
    ///
    /// # Errors
    /// When the database refuses; then nothing is changed.
    pub async fn take_head(
        &self,
        meter: &MeterId,
        chain: &Chain,
        withdrawn: &[StatementId],
    ) -> Result<Vec<ReadingRow>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        for id in withdrawn.iter().map(StatementId::to_string) {
            sqlx::query("UPDATE outbox SET state = 'withdrawn' WHERE statement = ?")
                .bind(&id)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("UPDATE readings SET statement = NULL WHERE statement = ?")
                .bind(&id)
                .execute(&mut *transaction)
                .await?;
        }
        put_chain(&mut transaction, meter, chain).await?;
        transaction.commit().await?;
        self.open_rows(meter, chain.head.end).await
    }

    /// Notes that a statement is final, and where.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn mark_final(&self, statement: &StatementId, place: Option<Place>) -> Result<(), StoreError> {
        let [height, log_index] = place_integer(place);
        sqlx::query("UPDATE outbox SET state = 'final', height = ?, log_index = ? WHERE statement = ?")
            .bind(height)
            .bind(log_index)
            .bind(statement.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Stores an event; the oldest gives way.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn store_event(&self, event: &Event) -> Result<(), StoreError> {
        let bus = event.bus.and_then(|bus| i64::try_from(bus).ok());
        let stored =
            sqlx::query("INSERT INTO events (time_ms, meter, bus, kind, detail, raw) VALUES (?, ?, ?, ?, ?, ?)")
                .bind(integer(event.time.ms()))
                .bind(event.meter.as_ref().map(MeterId::as_str))
                .bind(bus)
                .bind(event.happening.kind())
                .bind(event.happening.to_string())
                .bind(&event.raw)
                .execute(&self.pool)
                .await?;
        sqlx::query("DELETE FROM events WHERE id <= ?")
            .bind(stored.last_insert_rowid().saturating_sub(EVENTS_MAX))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// A statement to be delivered; counts the attempt.
    ///
    /// # Errors
    /// When it is not there, or the database refuses.
    pub async fn attempt(&self, statement: &StatementId) -> Result<OutboxEntry, StoreError> {
        let row =
            sqlx::query("UPDATE outbox SET attempts = attempts + 1 WHERE statement = ? RETURNING bytes, attachment")
                .bind(statement.to_string())
                .fetch_optional(&self.pool)
                .await?
                .ok_or(StoreError::NoStatement(*statement))?;
        Ok(OutboxEntry { bytes: row.try_get("bytes")?, attachment: row.try_get("attachment")? })
    }

    /// What is stored of a meter, to go on from.
    ///
    /// # Errors
    /// When the database refuses, or holds what the gateway never writes.
    pub async fn meter(&self, meter: &MeterId) -> Result<StoredMeter, StoreError> {
        let chain = self.chain(meter).await?;
        let from = chain.as_ref().map_or(Timestamp::default(), |chain| chain.head.end);
        let rows = self.open_rows(meter, from).await?;
        let last = sqlx::query(
            "SELECT time_ms, energy_import_mwh FROM readings WHERE meter = ? ORDER BY time_ms DESC LIMIT 1",
        )
        .bind(meter.as_str())
        .fetch_optional(&self.pool)
        .await?
        .map(|row| -> Result<LastReading, StoreError> {
            let time = row::timestamp(&row, "readings", "time_ms")?;
            Ok(LastReading { time, import: row::energy(&row, "readings", "energy_import_mwh")?.unwrap_or_default() })
        })
        .transpose()?;
        Ok(StoredMeter { chain, rows, last, outbox: self.queued(meter).await? })
    }

    async fn chain(&self, meter: &MeterId) -> Result<Option<Chain>, StoreError> {
        let row =
            sqlx::query("SELECT * FROM chains WHERE meter = ?").bind(meter.as_str()).fetch_optional(&self.pool).await?;
        let Some(row) = row else { return Ok(None) };
        let head = ChainHead {
            next_seq: row::unsigned(&row, "chains", "next_seq")?,
            previous: row::parsed(&row, "chains", "previous")?,
            end: row::timestamp(&row, "chains", "end_ms")?,
            import: row::energy(&row, "chains", "import_mwh")?,
            export: row::energy(&row, "chains", "export_mwh")?,
        };
        Ok(Some(Chain { binding: row::parsed(&row, "chains", "binding")?, head }))
    }

    async fn queued(&self, meter: &MeterId) -> Result<Vec<Queued>, StoreError> {
        let rows = sqlx::query(
            "SELECT statement, binding, seq, end_ms FROM outbox WHERE meter = ? AND state = 'waiting' ORDER BY end_ms, seq",
        )
        .bind(meter.as_str())
        .fetch_all(&self.pool)
        .await?;
        let queued = |row: &SqliteRow| {
            Ok(Queued {
                statement: row::parsed(row, "outbox", "statement")?,
                binding: row::parsed(row, "outbox", "binding")?,
                seq: row::unsigned(row, "outbox", "seq")?,
                end: row::timestamp(row, "outbox", "end_ms")?,
            })
        };
        rows.iter().map(queued).collect()
    }

    /// The newest readings in no interval, in order of time; rows changed by hand are an error that names them.
    async fn open_rows(&self, meter: &MeterId, from: Timestamp) -> Result<Vec<ReadingRow>, StoreError> {
        let limit = i64::try_from(ROWS_WAITING_MAX).unwrap_or(i64::MAX);
        let rows = sqlx::query(
            "SELECT * FROM readings WHERE meter = ? AND statement IS NULL AND time_ms >= ? ORDER BY time_ms DESC LIMIT ?",
        )
        .bind(meter.as_str())
        .bind(integer(from.ms()))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().rev().map(|row| Ok(StoredReading::read(row)?.row)).collect()
    }

    /// Readings of a meter from a time (inclusive) to another (exclusive), oldest first, at most [`READINGS_MAX`].
    ///
    /// # Errors
    /// When the database refuses, or holds what the gateway never writes.
    pub async fn readings(
        &self,
        meter: &MeterId,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<StoredReading>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM readings WHERE meter = ? AND time_ms >= ? AND time_ms < ? ORDER BY time_ms LIMIT ?",
        )
        .bind(meter.as_str())
        .bind(integer(from.ms()))
        .bind(integer(until.ms()))
        .bind(i64::from(limit.min(READINGS_MAX)))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(StoredReading::read).collect()
    }

    /// Every statement that readings are marked with, or that the outbox holds and did not withdraw, in the order of their
    /// ids.
    ///
    /// # Errors
    /// When the database refuses, or an id is none.
    pub async fn statements(&self) -> Result<Vec<StatementId>, StoreError> {
        let rows = sqlx::query(
            "SELECT statement FROM readings WHERE statement IS NOT NULL \
             UNION SELECT statement FROM outbox WHERE state <> 'withdrawn' ORDER BY statement",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| row::parsed(row, "readings", "statement")).collect()
    }

    /// Readings marked with a statement, oldest first; of a row that cannot be read its id and why.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn readings_of(
        &self,
        statement: &StatementId,
    ) -> Result<Vec<Result<StoredReading, (i64, StoreError)>>, StoreError> {
        let rows = sqlx::query("SELECT * FROM readings WHERE statement = ? ORDER BY time_ms LIMIT ?")
            .bind(statement.to_string())
            .bind(i64::from(READINGS_MAX))
            .fetch_all(&self.pool)
            .await?;
        let read = |row: &SqliteRow| StoredReading::read(row).map_err(|error| Ok((row.try_get("id")?, error)));
        rows.iter().map(|row| read(row).map_or_else(|failed| failed.map(Err), |row| Ok(Ok(row)))).collect()
    }
}

async fn put_chain(transaction: &mut SqliteConnection, meter: &MeterId, chain: &Chain) -> Result<(), StoreError> {
    let counter = |energy: Option<Energy>| energy.map(|energy| integer(energy.mwh()));
    sqlx::query(
        "INSERT INTO chains (meter, binding, next_seq, previous, end_ms, import_mwh, export_mwh) \
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (meter) DO UPDATE SET binding = excluded.binding, \
         next_seq = excluded.next_seq, previous = excluded.previous, end_ms = excluded.end_ms, \
         import_mwh = excluded.import_mwh, export_mwh = excluded.export_mwh",
    )
    .bind(meter.as_str())
    .bind(chain.binding.to_string())
    .bind(integer(chain.head.next_seq))
    .bind(chain.head.previous.to_string())
    .bind(integer(chain.head.end.ms()))
    .bind(counter(chain.head.import))
    .bind(counter(chain.head.export))
    .execute(transaction)
    .await?;
    Ok(())
}
