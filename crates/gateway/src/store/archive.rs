//! Reading from any of the three databases: the local file, or the server that it is forwarded to.

use super::database::{Columns, Database, Value};
use super::row::integer;
use super::tables::{self, Kind};
use super::{DatabaseUrl, READINGS_MAX, StoreError, StoredReading};
use crate::core::{Chain, Queued};
use ledger::state::ChainHead;
use units::{MeterId, StatementId, Timestamp};

/// The tables of a gateway, for reading. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Archive {
    pub(super) database: Database,
}

const IDS: Columns = Columns { table: "readings", columns: &[("statement", Kind::Text)] };
const QUEUED: Columns = Columns {
    table: "outbox",
    columns: &[("statement", Kind::Text), ("binding", Kind::Text), ("seq", Kind::Integer), ("end_ms", Kind::Integer)],
};

impl Archive {
    /// Opens an existing database by its URL.
    ///
    /// # Errors
    /// When the URL is of another kind, or the database is not there or not reached.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Ok(Self { database: Database::connect(&url.parse::<DatabaseUrl>()?, false).await? })
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.database.close().await;
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
        let of = tables::READINGS.of();
        let sql = of.select("WHERE meter = ? AND time_ms >= ? AND time_ms < ? ORDER BY time_ms LIMIT ?");
        let limit = i64::from(limit.min(READINGS_MAX));
        let values = vec![Value::text(meter), integer(from.ms()).into(), integer(until.ms()).into(), limit.into()];
        self.database.fetch_all(of, sql, values).await?.iter().map(StoredReading::read).collect()
    }

    /// The newest readings in no interval from a time on, newest first.
    pub(super) async fn open_readings(
        &self,
        meter: &MeterId,
        from: Timestamp,
        limit: i64,
    ) -> Result<Vec<StoredReading>, StoreError> {
        let of = tables::READINGS.of();
        let sql = of.select("WHERE meter = ? AND statement IS NULL AND time_ms >= ? ORDER BY time_ms DESC LIMIT ?");
        let values = vec![Value::text(meter), integer(from.ms()).into(), limit.into()];
        self.database.fetch_all(of, sql, values).await?.iter().map(StoredReading::read).collect()
    }

    /// The newest readings of a meter, newest first.
    ///
    /// # Errors
    /// When the database refuses, or holds what the gateway never writes.
    pub async fn newest(&self, meter: &MeterId, limit: u32) -> Result<Vec<StoredReading>, StoreError> {
        let of = tables::READINGS.of();
        let sql = of.select("WHERE meter = ? ORDER BY time_ms DESC LIMIT ?");
        let values = vec![Value::text(meter), i64::from(limit.min(READINGS_MAX)).into()];
        self.database.fetch_all(of, sql, values).await?.iter().map(StoredReading::read).collect()
    }

    /// Every statement that readings are marked with, or that the outbox holds and did not withdraw, in the order of their
    /// ids.
    ///
    /// # Errors
    /// When the database refuses, or an id is none.
    pub async fn statements(&self) -> Result<Vec<StatementId>, StoreError> {
        let sql = "SELECT max(id), statement FROM \
                   (SELECT max(id) AS id, statement FROM readings WHERE statement IS NOT NULL GROUP BY statement \
                   UNION ALL SELECT id, statement FROM outbox WHERE state <> 'withdrawn') both_tables \
                   GROUP BY statement ORDER BY statement";
        let rows = self.database.fetch_all(IDS, sql.to_owned(), Vec::new()).await?;
        rows.iter().map(|row| row.parsed("statement")).collect()
    }

    /// Readings marked with a statement, oldest first; of a row that cannot be read its id and why.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn readings_of(
        &self,
        statement: &StatementId,
    ) -> Result<Vec<Result<StoredReading, (i64, StoreError)>>, StoreError> {
        let of = tables::READINGS.of();
        let sql = of.select("WHERE statement = ? ORDER BY time_ms LIMIT ?");
        let values = vec![Value::text(statement), i64::from(READINGS_MAX).into()];
        let read = |found: Result<_, StoreError>| {
            found.and_then(|row| StoredReading::read(&row)).map_err(|error| match error {
                StoreError::Value { row, .. } => Ok((row, error)),
                other => Err(other),
            })
        };
        let rows = self.database.fetch(of, sql, values).await?.into_iter();
        rows.map(|row| read(row).map_or_else(|failed| failed.map(Err), |row| Ok(Ok(row)))).collect()
    }

    /// Where a meter's chain stands, once known.
    ///
    /// # Errors
    /// When the database refuses, or holds what the gateway never writes.
    pub async fn chain(&self, meter: &MeterId) -> Result<Option<Chain>, StoreError> {
        let of = tables::CHAINS.of();
        let rows = self.database.fetch_all(of, of.select("WHERE meter = ?"), vec![Value::text(meter)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let head = ChainHead {
            next_seq: row.unsigned("next_seq")?,
            previous: row.parsed("previous")?,
            end: row.timestamp("end_ms")?,
            import: row.energy("import_mwh")?,
            export: row.energy("export_mwh")?,
        };
        Ok(Some(Chain { binding: row.parsed("binding")?, head }))
    }

    /// Statements of a meter that wait, in the order of their chain.
    ///
    /// # Errors
    /// When the database refuses, or holds what the gateway never writes.
    pub async fn queued(&self, meter: &MeterId) -> Result<Vec<Queued>, StoreError> {
        let sql = QUEUED.select("WHERE meter = ? AND state = 'waiting' ORDER BY end_ms, seq");
        let rows = self.database.fetch_all(QUEUED, sql, vec![Value::text(meter)]).await?;
        let queued = |row: &super::database::Found| {
            Ok(Queued {
                statement: row.parsed("statement")?,
                binding: row.parsed("binding")?,
                seq: row.unsigned("seq")?,
                end: row.timestamp("end_ms")?,
            })
        };
        rows.iter().map(queued).collect()
    }
}
