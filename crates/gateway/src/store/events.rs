//! Events: what happened beside the readings.

use super::row::integer;
use super::{EVENTS_MAX, Store, StoreError};
use crate::core::Event;
use units::MeterId;

impl Store {
    /// Stores an event; the oldest gives way.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn store_event(&self, event: &Event) -> Result<(), StoreError> {
        let bus = event.bus.and_then(|bus| i64::try_from(bus).ok());
        let mut transaction = self.begin().await?;
        let stored =
            sqlx::query("INSERT INTO events (time_ms, meter, bus, kind, detail, raw) VALUES (?, ?, ?, ?, ?, ?)")
                .bind(integer(event.time.ms()))
                .bind(event.meter.as_ref().map(MeterId::as_str))
                .bind(bus)
                .bind(event.happening.kind())
                .bind(event.happening.to_string())
                .bind(&event.raw)
                .execute(&mut *transaction)
                .await?;
        sqlx::query(
            "DELETE FROM events WHERE id <= ? AND NOT EXISTS \
                     (SELECT 1 FROM changes WHERE table_name = 'events' AND row_id = events.id)",
        )
        .bind(stored.last_insert_rowid().saturating_sub(EVENTS_MAX))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}
