//! Readings: written one by one, read by meter and time.

use super::row::{QUANTITY_COLUMNS, channels_json, integer};
use super::{READINGS_MAX, Store, StoreError, StoredReading, row};
use crate::core::{ROWS_WAITING_MAX, ReadingRow};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use units::{MeterId, StatementId, Timestamp};

impl Store {
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

    /// The newest readings in no interval, in order of time; rows changed by hand are an error that names them.
    pub(super) async fn open_rows(&self, meter: &MeterId, from: Timestamp) -> Result<Vec<ReadingRow>, StoreError> {
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
