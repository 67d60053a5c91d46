//! Readings: written one by one, read by meter and time.

use super::row::{QUANTITY_COLUMNS, channels_json, integer};
use super::{Store, StoreError, StoredReading};
use crate::core::{ROWS_WAITING_MAX, ReadingRow};
use sqlx::SqliteConnection;
use units::{MeterId, Timestamp};

impl Store {
    /// Stores a reading. A second time changes nothing.
    ///
    /// # Errors
    /// When the database refuses; then nothing is stored.
    pub async fn store_reading(&self, row: &ReadingRow) -> Result<(), StoreError> {
        self.store_readings(std::slice::from_ref(row)).await
    }

    /// Stores readings in one transaction. A second time changes nothing.
    ///
    /// # Errors
    /// When the database refuses; then none is stored.
    pub async fn store_readings(&self, rows: &[ReadingRow]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for row in rows {
            insert(&mut transaction, row).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The newest readings in no interval, in order of time; rows changed by hand are an error that names them.
    pub(super) async fn open_rows(&self, meter: &MeterId, from: Timestamp) -> Result<Vec<ReadingRow>, StoreError> {
        let limit = i64::try_from(ROWS_WAITING_MAX).unwrap_or(i64::MAX);
        let newest_first = self.archive.open_readings(meter, from, limit).await?;
        Ok(newest_first.into_iter().rev().map(|stored| stored.row).collect())
    }

    /// As [`Archive::readings`](super::Archive::readings), of this file.
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
        self.archive.readings(meter, from, until, limit).await
    }
}

/// A row that is there already stays as it is.
async fn insert(connection: &mut SqliteConnection, row: &ReadingRow) -> Result<(), StoreError> {
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
    query.bind(channels_json(&row.reading)).bind(ledger::cbor::encode(&*row.frame)).execute(connection).await?;
    Ok(())
}
