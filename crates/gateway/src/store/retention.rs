//! Retention: old readings and fine roll-ups give way, in any of the three databases.
//!
//! Whatever is configured, these stay: readings that are in no final statement; readings that a server does not have yet;
//! of each meter, member and day of the community the first and the last reading with their frames, among which are
//! those that a bill's bundle shows (bills begin and end at midnight, or where a member leaves); roll-ups of days. A day of
//! which readings were removed is noted, so that an audit does not take them for missing.

use super::database::{Columns, Database, Value};
use super::row::integer;
use super::tables::Kind;
use super::{Archive, Days, Level, StoreError};
use units::{MeterId, Timestamp};

/// How long what is kept; without a number for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Days of readings.
    pub readings_days: Option<u32>,
    /// Most readings; the oldest give way a day at a time.
    pub readings_max: Option<u64>,
    /// Days of roll-ups by the minute.
    pub minutes_days: Option<u32>,
    /// Days of roll-ups by the quarter of an hour.
    pub quarter_hours_days: Option<u32>,
}

/// What a run removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Readings.
    pub readings: u64,
    /// Statements with their attachments, whose readings were all removed before.
    pub statements: u64,
    /// Roll-ups.
    pub rollups: u64,
}

const METERS: Columns = Columns { table: "readings", columns: &[("meter", Kind::Text)] };
const TIMES: Columns = Columns { table: "readings", columns: &[("time_ms", Kind::Integer)] };
const ENDS: Columns =
    Columns { table: "readings", columns: &[("first_ms", Kind::Integer), ("last_ms", Kind::Integer)] };
const SPANS: Columns = Columns {
    table: "thinned",
    columns: &[("meter", Kind::Text), ("start_ms", Kind::Integer), ("end_ms", Kind::Integer)],
};

impl Archive {
    /// Removes what the rules let go.
    ///
    /// # Errors
    /// When the database refuses; what was removed until then is gone rightly.
    pub async fn retain(&self, rules: Retention, days: &Days, now: Timestamp) -> Result<Removed, StoreError> {
        let today = days.around(now).0;
        let mut removed = Removed::default();
        if let Some(keep) = rules.readings_days {
            let until = days.before(now, keep).min(today);
            for meter in self.meters().await? {
                removed.readings += self.thin(&meter, days, until, u64::MAX).await?;
            }
            removed.statements += self.remove_statements(days.before(until, 1)).await?;
        }
        if let Some(most) = rules.readings_max {
            removed.readings += self.thin_to(most, days, today).await?;
        }
        for (level, keep) in [(Level::Minute, rules.minutes_days), (Level::QuarterHour, rules.quarter_hours_days)] {
            if let Some(keep) = keep {
                let until = days.before(now, keep);
                let sql = "DELETE FROM rollups WHERE level = ? AND start_ms < ?";
                let sql = format!("{sql}{}", self.not_waiting("rollups"));
                let values = vec![level.minutes().into(), integer(until.ms()).into()];
                removed.rollups += self.database.execute(sql, values).await?;
            }
        }
        Ok(removed)
    }

    async fn meters(&self) -> Result<Vec<MeterId>, StoreError> {
        let sql = "SELECT min(id), meter FROM readings GROUP BY meter ORDER BY meter";
        let rows = self.database.fetch_all(METERS, sql.to_owned(), Vec::new()).await?;
        rows.iter().map(|row| row.parsed("meter")).collect()
    }

    /// In the local file: only what no server waits for.
    fn not_waiting(&self, table: &str) -> String {
        match &self.database {
            Database::Sqlite(_) => {
                format!(" AND NOT EXISTS (SELECT 1 FROM changes WHERE table_name = '{table}' AND row_id = {table}.id)")
            }
            Database::MySql(_) | Database::Postgres(_) => String::new(),
        }
    }

    /// Thins a meter's days that end by a time, oldest first, until enough is removed; gives how many readings were.
    async fn thin(&self, meter: &MeterId, days: &Days, until: Timestamp, enough: u64) -> Result<u64, StoreError> {
        let mut removed = 0;
        let mut from = Timestamp::default();
        while removed < enough
            && let Some(oldest) = self.oldest(meter, from).await?
        {
            let (start, end) = days.around(oldest);
            if end > until {
                break;
            }
            removed += self.thin_day(meter, start, end).await?;
            from = end;
        }
        Ok(removed)
    }

    async fn oldest(&self, meter: &MeterId, from: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT id, time_ms FROM readings WHERE meter = ? AND time_ms >= ? ORDER BY time_ms LIMIT 1";
        let values = vec![Value::text(meter), integer(from.ms()).into()];
        let rows = self.database.fetch_all(TIMES, sql.to_owned(), values).await?;
        rows.first().map(|row| row.timestamp("time_ms")).transpose()
    }

    async fn thin_day(&self, meter: &MeterId, start: Timestamp, end: Timestamp) -> Result<u64, StoreError> {
        let span = || vec![Value::text(meter), integer(start.ms()).into(), integer(end.ms()).into()];
        let ends = "SELECT count(*), min(time_ms) AS first_ms, max(time_ms) AS last_ms FROM readings \
                    WHERE meter = ? AND time_ms >= ? AND time_ms < ? GROUP BY member_account";
        let ends = self.database.fetch_all(ENDS, ends.to_owned(), span()).await?;
        let mut kept: Vec<Value> = Vec::new();
        let mut inside = 0;
        for row in &ends {
            inside += row.id;
            kept.extend([row.integer("first_ms")?.into(), row.integer("last_ms")?.into()]);
        }
        // Two of each member at most are left of a day that was thinned before.
        if inside <= 2 * i64::try_from(ends.len()).unwrap_or(i64::MAX) {
            return Ok(0);
        }
        // Noted before: a note too many hides nothing, one too few would make an audit cry out.
        let note = match &self.database {
            Database::MySql(_) => "INSERT IGNORE INTO thinned (meter, start_ms, end_ms) VALUES (?, ?, ?)",
            _ => "INSERT INTO thinned (meter, start_ms, end_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        };
        self.database.execute(note.to_owned(), span()).await?;
        let places = vec!["?"; kept.len()].join(", ");
        let sql = format!(
            "DELETE FROM readings WHERE meter = ? AND time_ms >= ? AND time_ms < ? AND time_ms NOT IN ({places}) AND EXISTS \
             (SELECT 1 FROM outbox WHERE outbox.statement = readings.statement AND outbox.state = 'final'){}",
            self.not_waiting("readings")
        );
        self.database.execute(sql, [span(), kept].concat()).await
    }

    /// Statements and attachments that are final: the ledger has them. Those whose readings are still to be thinned stay,
    /// because they tell that these are final.
    async fn remove_statements(&self, until: Timestamp) -> Result<u64, StoreError> {
        let sql = format!(
            "DELETE FROM outbox WHERE state = 'final' AND end_ms < ? AND \
             (SELECT count(*) FROM readings WHERE readings.statement = outbox.statement) <= 2{}",
            self.not_waiting("outbox")
        );
        self.database.execute(sql, vec![integer(until.ms()).into()]).await
    }

    /// Down to a number of readings, the oldest days of all meters first, never today's.
    async fn thin_to(&self, most: u64, days: &Days, today: Timestamp) -> Result<u64, StoreError> {
        let sql = "SELECT count(*), count(*) AS time_ms FROM readings";
        let rows = self.database.fetch_all(TIMES, sql.to_owned(), Vec::new()).await?;
        let count = rows.first().and_then(|row| u64::try_from(row.id).ok()).unwrap_or_default();
        let excess = count.saturating_sub(most);
        let (mut removed, mut until) = (0, Timestamp::default());
        let meters = self.meters().await?;
        while removed < excess {
            // The next day that any meter has readings of.
            let mut next: Option<Timestamp> = None;
            for meter in &meters {
                let oldest = self.oldest(meter, until).await?;
                next = match (next, oldest) {
                    (Some(next), Some(oldest)) => Some(next.min(oldest)),
                    (next, oldest) => next.or(oldest),
                };
            }
            let Some(next) = next.filter(|next| *next < today) else { break };
            let (start, end) = days.around(next);
            for meter in &meters {
                removed += self.thin_day(meter, start, end).await?;
            }
            until = end;
        }
        Ok(removed)
    }

    /// Days of which retention removed readings: meter, start and end.
    ///
    /// # Errors
    /// When the database refuses, or holds what the gateway never writes.
    pub async fn thinned(&self) -> Result<Vec<(MeterId, Timestamp, Timestamp)>, StoreError> {
        let rows = self.database.fetch_all(SPANS, SPANS.select("ORDER BY meter, start_ms"), Vec::new()).await?;
        let span = |row: &super::database::Found| {
            Ok((row.parsed("meter")?, row.timestamp("start_ms")?, row.timestamp("end_ms")?))
        };
        rows.iter().map(span).collect()
    }

    /// The same of one meter, in the order of time.
    ///
    /// # Errors
    /// When the database refuses, or holds what the gateway never writes.
    pub async fn thinned_of(&self, meter: &MeterId) -> Result<Vec<(Timestamp, Timestamp)>, StoreError> {
        let sql = SPANS.select("WHERE meter = ? ORDER BY start_ms");
        let rows = self.database.fetch_all(SPANS, sql, vec![Value::text(meter)]).await?;
        rows.iter().map(|row| Ok((row.timestamp("start_ms")?, row.timestamp("end_ms")?))).collect()
    }
}
