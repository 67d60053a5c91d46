//! Roll-ups: what a minute, a quarter of an hour and a day of readings come to. Made from the rows, again and again if
//! need be: the same rows give the same roll-up, and a late reading makes its minute, quarter and day anew.

use super::database::{Columns, Found, Value};
use super::row::integer;
use super::tables::{Kind, ROLLUPS};
use super::{Archive, Days, READINGS_MAX, Store, StoreError, Writing};
use sqlx::AssertSqlSafe;
use units::{Energy, MeterId, Timestamp};

/// Minutes made in one go: a fraction of a second, so that polling does not wait for the file.
pub const MINUTES_TOGETHER: usize = 64;
const MINUTE_MS: u64 = 60_000;
const QUARTER_MS: u64 = 15 * MINUTE_MS;

/// How long a roll-up's span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// One minute.
    Minute,
    /// Fifteen, from the full hour on.
    QuarterHour,
    /// A day of the community.
    Day,
}

impl Level {
    /// Its name in the column `level`: its minutes.
    #[must_use]
    pub const fn minutes(self) -> i64 {
        match self {
            Self::Minute => 1,
            Self::QuarterHour => 15,
            Self::Day => 1_440,
        }
    }
}

/// What a span of readings comes to. Values of the whole meter; one that no reading gave is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rollup {
    /// Its start.
    pub start: Timestamp,
    /// Its end, which is not in it.
    pub end: Timestamp,
    /// Readings in it.
    pub readings: i64,
    /// Readings with a voltage.
    pub voltage_readings: i64,
    /// Their sum, mV.
    pub voltage_sum: i64,
    /// The lowest, mV.
    pub voltage_min: Option<i64>,
    /// The highest, mV.
    pub voltage_max: Option<i64>,
    /// The highest current, uA.
    pub current_max: Option<i64>,
    /// Readings with an active power.
    pub power_readings: i64,
    /// Their sum, mW.
    pub power_sum: i64,
    /// The highest, mW.
    pub power_max: Option<i64>,
    /// What the import counter moved since the reading before the span's first, mWh.
    pub import: Option<i64>,
    /// The same of the export counter.
    pub export: Option<i64>,
}

/// What a roll-up takes of a reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Point {
    /// Voltage, mV.
    pub voltage: Option<i64>,
    /// Current, uA.
    pub current: Option<i64>,
    /// Active power, mW.
    pub power: Option<i64>,
    /// Import counter, mWh.
    pub import: Option<i64>,
    /// Export counter, mWh.
    pub export: Option<i64>,
}

impl Rollup {
    /// Of a span's readings in order of time, and the one before them.
    #[must_use]
    pub fn of(start: Timestamp, end: Timestamp, before: Option<Point>, points: &[Point]) -> Self {
        let mut rollup = Self { start, end, ..Self::default() };
        let mut last = before.unwrap_or_default();
        for point in points {
            let one = |value: Option<i64>| i64::from(value.is_some());
            rollup.add(&Self {
                start,
                end,
                readings: 1,
                voltage_readings: one(point.voltage),
                voltage_sum: point.voltage.unwrap_or_default(),
                voltage_min: point.voltage,
                voltage_max: point.voltage,
                current_max: point.current,
                power_readings: one(point.power),
                power_sum: point.power.unwrap_or_default(),
                power_max: point.power,
                import: moved(last.import, point.import),
                export: moved(last.export, point.export),
            });
            last = Point { import: point.import.or(last.import), export: point.export.or(last.export), ..*point };
        }
        rollup
    }

    /// Takes a finer roll-up in. Sums stop at their type's end, which no meter reaches.
    pub fn add(&mut self, finer: &Self) {
        self.readings = self.readings.saturating_add(finer.readings);
        self.voltage_readings = self.voltage_readings.saturating_add(finer.voltage_readings);
        self.voltage_sum = self.voltage_sum.saturating_add(finer.voltage_sum);
        self.voltage_min = both(self.voltage_min, finer.voltage_min, i64::min);
        self.voltage_max = both(self.voltage_max, finer.voltage_max, i64::max);
        self.current_max = both(self.current_max, finer.current_max, i64::max);
        self.power_readings = self.power_readings.saturating_add(finer.power_readings);
        self.power_sum = self.power_sum.saturating_add(finer.power_sum);
        self.power_max = both(self.power_max, finer.power_max, i64::max);
        self.import = both(self.import, finer.import, i64::saturating_add);
        self.export = both(self.export, finer.export, i64::saturating_add);
    }

    /// The mean voltage, mV, rounded down.
    #[must_use]
    pub fn voltage_mean(&self) -> Option<i64> {
        self.voltage_sum.checked_div_euclid(self.voltage_readings)
    }

    /// The mean of the readings' active power, mW, rounded down.
    #[must_use]
    pub fn power_mean(&self) -> Option<i64> {
        self.power_sum.checked_div_euclid(self.power_readings)
    }

    /// The energy imported, if a counter was read.
    #[must_use]
    pub fn energy(&self) -> Option<Energy> {
        self.import.and_then(|mwh| u64::try_from(mwh).ok()).map(Energy::from_mwh)
    }

    fn read(row: &Found) -> Result<Self, StoreError> {
        Ok(Self {
            start: row.timestamp("start_ms")?,
            end: row.timestamp("end_ms")?,
            readings: row.integer("readings")?,
            voltage_readings: row.integer("voltage_readings")?,
            voltage_sum: row.integer("voltage_sum_mv")?,
            voltage_min: row.optional_integer("voltage_min_mv")?,
            voltage_max: row.optional_integer("voltage_max_mv")?,
            current_max: row.optional_integer("current_max_ua")?,
            power_readings: row.integer("power_readings")?,
            power_sum: row.integer("power_sum_mw")?,
            power_max: row.optional_integer("power_max_mw")?,
            import: row.optional_integer("energy_import_mwh")?,
            export: row.optional_integer("energy_export_mwh")?,
        })
    }
}

/// A counter that appears or falls has moved nothing that is known.
fn moved(from: Option<i64>, to: Option<i64>) -> Option<i64> {
    let to = to?;
    Some(from.filter(|from| *from <= to).map_or(0, |from| to.saturating_sub(from)))
}

fn both(one: Option<i64>, other: Option<i64>, of: fn(i64, i64) -> i64) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(of(one, other)),
        (one, other) => one.or(other),
    }
}

const DUE: Columns = Columns { table: "rollups_due", columns: &[("meter", Kind::Text), ("start_ms", Kind::Integer)] };

impl Archive {
    /// Roll-ups of a meter that begin within a span, oldest first, at most [`READINGS_MAX`].
    ///
    /// # Errors
    /// When the database refuses, or holds what the gateway never writes.
    pub async fn rollups(
        &self,
        meter: &MeterId,
        level: Level,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Rollup>, StoreError> {
        let sql = ROLLUPS
            .of()
            .select("WHERE meter = ? AND level = ? AND start_ms >= ? AND start_ms < ? ORDER BY start_ms LIMIT ?");
        let values = vec![
            Value::text(meter),
            level.minutes().into(),
            integer(from.ms()).into(),
            integer(until.ms()).into(),
            i64::from(READINGS_MAX).into(),
        ];
        self.database.fetch_all(ROLLUPS.of(), sql, values).await?.iter().map(Rollup::read).collect()
    }

    /// Start of a meter's oldest roll-up.
    ///
    /// # Errors
    /// When the database refuses, or holds what the gateway never writes.
    pub async fn first_rollup(&self, meter: &MeterId, level: Level) -> Result<Option<Timestamp>, StoreError> {
        let sql = ROLLUPS.of().select("WHERE meter = ? AND level = ? ORDER BY start_ms LIMIT 1");
        let rows = self.database.fetch_all(ROLLUPS.of(), sql, vec![Value::text(meter), level.minutes().into()]).await?;
        rows.first().map(|row| row.timestamp("start_ms")).transpose()
    }
}

impl Store {
    /// Makes the roll-ups of minutes that have ended by `now` and are due, with their quarters and days, at most
    /// [`MINUTES_TOGETHER`] minutes; gives how many. Minutes before `kept_from` stay as they are: their readings are gone.
    ///
    /// # Errors
    /// When the database refuses; then nothing is changed.
    pub async fn roll_up(&self, days: &Days, now: Timestamp, kept_from: Timestamp) -> Result<usize, StoreError> {
        let sql = "SELECT rowid, meter, start_ms FROM rollups_due WHERE start_ms <= ? ORDER BY start_ms LIMIT ?";
        let last = integer(now.ms().saturating_sub(MINUTE_MS));
        let limit = i64::try_from(MINUTES_TOGETHER).unwrap_or(i64::MAX);
        let due = self.archive.database.fetch_all(DUE, sql.to_owned(), vec![last.into(), limit.into()]).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let mut transaction = self.begin().await?;
        for row in &due {
            let (meter, start): (MeterId, Timestamp) = (row.parsed("meter")?, row.timestamp("start_ms")?);
            if start >= kept_from {
                self.roll_up_minute(&mut transaction, days, &meter, start).await?;
            }
            sqlx::query("DELETE FROM rollups_due WHERE meter = ? AND start_ms = ?")
                .bind(meter.as_str())
                .bind(integer(start.ms()))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(due.len())
    }

    async fn roll_up_minute(
        &self,
        transaction: &mut Writing,
        days: &Days,
        meter: &MeterId,
        start: Timestamp,
    ) -> Result<(), StoreError> {
        let mut touched = vec![start];
        // What the next reading's counter has moved since the one before it, a late reading changes.
        let end = integer(start.ms() + MINUTE_MS);
        let next: Option<i64> =
            sqlx::query_scalar("SELECT min(time_ms) FROM readings WHERE meter = ? AND time_ms >= ?")
                .bind(meter.as_str())
                .bind(end)
                .fetch_one(&mut **transaction)
                .await?;
        if let Some(next) = next.and_then(|ms| u64::try_from(ms).ok()) {
            let next = Timestamp::from_ms(next - next % MINUTE_MS);
            let known: i64 =
                sqlx::query_scalar("SELECT count(*) FROM rollups WHERE meter = ? AND level = 1 AND start_ms = ?")
                    .bind(meter.as_str())
                    .bind(integer(next.ms()))
                    .fetch_one(&mut **transaction)
                    .await?;
            touched.extend((known > 0).then_some(next));
        }
        for start in touched {
            let end = Timestamp::from_ms(start.ms() + MINUTE_MS);
            let (before, points) = points(transaction, meter, start, end).await?;
            put(transaction, meter, Level::Minute, &Rollup::of(start, end, before, &points)).await?;
            let quarter = Timestamp::from_ms(start.ms() - start.ms() % QUARTER_MS);
            let quarter_end = Timestamp::from_ms(quarter.ms() + QUARTER_MS);
            gather(transaction, meter, (Level::Minute, Level::QuarterHour), (quarter, quarter_end)).await?;
            // A quarter is in the day that it begins in.
            gather(transaction, meter, (Level::QuarterHour, Level::Day), days.around(quarter)).await?;
        }
        Ok(())
    }
}

type Five = (Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

fn point((voltage, current, power, import, export): Five) -> Point {
    Point { voltage, current, power, import, export }
}

const POINT: &str =
    "SELECT voltage_mv, current_ua, active_power_mw, energy_import_mwh, energy_export_mwh FROM readings";

async fn points(
    transaction: &mut Writing,
    meter: &MeterId,
    start: Timestamp,
    end: Timestamp,
) -> Result<(Option<Point>, Vec<Point>), StoreError> {
    let before = format!("{POINT} WHERE meter = ? AND time_ms < ? ORDER BY time_ms DESC LIMIT 1");
    let before: Option<Five> = sqlx::query_as(AssertSqlSafe(before))
        .bind(meter.as_str())
        .bind(integer(start.ms()))
        .fetch_optional(&mut **transaction)
        .await?;
    let inside = format!("{POINT} WHERE meter = ? AND time_ms >= ? AND time_ms < ? ORDER BY time_ms");
    let inside: Vec<Five> = sqlx::query_as(AssertSqlSafe(inside))
        .bind(meter.as_str())
        .bind(integer(start.ms()))
        .bind(integer(end.ms()))
        .fetch_all(&mut **transaction)
        .await?;
    Ok((before.map(point), inside.into_iter().map(point).collect()))
}

/// A coarser roll-up out of the finer ones within its span.
async fn gather(
    transaction: &mut Writing,
    meter: &MeterId,
    (finer, coarser): (Level, Level),
    (start, end): (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    let sql = ROLLUPS.of().select("WHERE meter = ? AND level = ? AND start_ms >= ? AND start_ms < ? ORDER BY start_ms");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(meter.as_str())
        .bind(finer.minutes())
        .bind(integer(start.ms()))
        .bind(integer(end.ms()))
        .fetch_all(&mut **transaction)
        .await?;
    let mut gathered = Rollup { start, end, ..Rollup::default() };
    for row in &rows {
        gathered.add(&Rollup::read(&super::database::found_in_file(row, ROLLUPS.of())?)?);
    }
    put(transaction, meter, coarser, &gathered).await
}

async fn put(transaction: &mut Writing, meter: &MeterId, level: Level, rollup: &Rollup) -> Result<(), StoreError> {
    let replaced = "readings = excluded.readings, voltage_readings = excluded.voltage_readings, \
                    voltage_sum_mv = excluded.voltage_sum_mv, voltage_min_mv = excluded.voltage_min_mv, \
                    voltage_max_mv = excluded.voltage_max_mv, current_max_ua = excluded.current_max_ua, \
                    power_readings = excluded.power_readings, power_sum_mw = excluded.power_sum_mw, \
                    power_max_mw = excluded.power_max_mw, energy_import_mwh = excluded.energy_import_mwh, \
                    energy_export_mwh = excluded.energy_export_mwh, end_ms = excluded.end_ms";
    let sql = format!(
        "INSERT INTO rollups (meter, level, start_ms, end_ms, readings, voltage_readings, voltage_sum_mv, \
         voltage_min_mv, voltage_max_mv, current_max_ua, power_readings, power_sum_mw, power_max_mw, \
         energy_import_mwh, energy_export_mwh) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (meter, level, start_ms) DO UPDATE SET {replaced}"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(meter.as_str())
        .bind(level.minutes())
        .bind(integer(rollup.start.ms()))
        .bind(integer(rollup.end.ms()))
        .bind(rollup.readings)
        .bind(rollup.voltage_readings)
        .bind(rollup.voltage_sum)
        .bind(rollup.voltage_min)
        .bind(rollup.voltage_max)
        .bind(rollup.current_max)
        .bind(rollup.power_readings)
        .bind(rollup.power_sum)
        .bind(rollup.power_max)
        .bind(rollup.import)
        .bind(rollup.export)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
