//! Closed intervals on their way to the node, and where each meter's chain stands.

use super::row::{integer, place_integer};
use super::{Store, StoreError};
use crate::core::{Chain, ClosedInterval, LastReading, Place, ReadingRow, StoredMeter};
use sqlx::{Row as _, SqliteConnection};
use units::{Energy, MeterId, StatementId, Timestamp};

/// A statement as the outbox keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Its leaf form.
    pub bytes: Vec<u8>,
    /// The attachment.
    pub attachment: Vec<u8>,
}

impl Store {
    /// Stores a closed interval: statement and attachment in the outbox, its readings marked, the chain moved on.
    ///
    /// # Errors
    /// When the database refuses; then nothing of it is stored.
    pub async fn close_interval(&self, closed: &ClosedInterval) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
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
        let mut transaction = self.begin().await?;
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
        let mut transaction = self.begin().await?;
        sqlx::query("UPDATE outbox SET state = 'final', height = ?, log_index = ? WHERE statement = ?")
            .bind(height)
            .bind(log_index)
            .bind(statement.to_string())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
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
        let chain = self.archive.chain(meter).await?;
        let from = chain.as_ref().map_or(Timestamp::default(), |chain| chain.head.end);
        let rows = self.open_rows(meter, from).await?;
        let newest = self.archive.newest(meter, 1).await?.pop().map(|stored| stored.row);
        let last = newest.map(|row| LastReading {
            time: row.time,
            import: row.reading.energy_import().unwrap_or_default(),
            export: row.reading.energy_export(),
        });
        let outbox = self.archive.queued(meter).await?;
        Ok(StoredMeter { chain, rows, last, outbox })
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
