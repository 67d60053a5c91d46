//! What each interval of a meter comes to, as its statement says.

use super::{Tables, TablesError, bytes32, integer, natural};
use rusqlite::params;
use units::{Current, Energy, MeterId, Power, StatementId, Timestamp, Voltage};

/// An interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntervalRow {
    /// The statement.
    pub statement: StatementId,
    /// Start.
    pub start: Timestamp,
    /// End, exclusive.
    pub end: Timestamp,
    /// Import counter at the start.
    pub import_start: Energy,
    /// Import counter at the end.
    pub import_end: Energy,
    /// Readings in it.
    pub count: u32,
    /// Lowest and highest voltage.
    pub voltage: Option<(Voltage, Voltage)>,
    /// Highest current.
    pub peak_current: Option<Current>,
    /// Highest active power.
    pub peak_power: Option<Power>,
}

impl Tables {
    /// A meter's intervals that overlap a span, oldest first, at most `limit`.
    ///
    /// # Errors
    /// When SQLite refuses or a row is malformed.
    pub fn interval_rows(
        &self,
        meter: &MeterId,
        (from, until): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<IntervalRow>, TablesError> {
        let query = "SELECT statement, start_ms, end_ms, import_start_mwh, import_end_mwh, count, voltage_min_mv,
                     voltage_max_mv, peak_current_ua, peak_power_mw FROM intervals
                     WHERE meter = ?1 AND end_ms > ?2 AND start_ms < ?3 ORDER BY end_ms, log_index LIMIT ?4";
        let mut statement = self.connection.prepare_cached(query)?;
        let (from, until) = (integer(from.ms()), integer(until.ms()));
        let mut rows = statement.query(params![meter.as_str(), from, until, limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let number = |at| natural(row.get(at)?);
            let optional = |at| row.get::<_, Option<i64>>(at)?.map(natural).transpose();
            let voltage = optional(6)?.zip(optional(7)?);
            found.push(IntervalRow {
                statement: StatementId::from_bytes(bytes32(&row.get::<_, Vec<u8>>(0)?)?),
                start: Timestamp::from_ms(number(1)?),
                end: Timestamp::from_ms(number(2)?),
                import_start: Energy::from_mwh(number(3)?),
                import_end: Energy::from_mwh(number(4)?),
                count: row.get(5)?,
                voltage: voltage.map(|(min, max)| (Voltage::from_mv(min), Voltage::from_mv(max))),
                peak_current: optional(8)?.map(Current::from_ua),
                peak_power: row.get::<_, Option<i64>>(9)?.map(Power::from_mw),
            });
        }
        Ok(found)
    }
}
