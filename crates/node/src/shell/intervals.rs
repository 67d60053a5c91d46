//! What the intervals of a meter come to.

use super::{NodeError, Shell};
use crate::tables::IntervalRow;
use api::IntervalView;
use units::{MeterId, Timestamp};

/// Intervals in an answer: a month of minutes.
const INTERVALS_MAX: u32 = 44_640;

impl Shell {
    /// A meter's intervals that overlap a span, oldest first.
    pub(super) fn intervals(
        &mut self,
        meter: &MeterId,
        span: (Timestamp, Timestamp),
    ) -> Result<Vec<IntervalView>, NodeError> {
        self.meter(meter)?;
        let rows = self.rows.tables().interval_rows(meter, span, INTERVALS_MAX)?;
        Ok(rows.into_iter().map(view).collect())
    }
}

fn view(row: IntervalRow) -> IntervalView {
    IntervalView {
        statement: row.statement,
        start_ms: row.start,
        end_ms: row.end,
        import_start_mwh: row.import_start,
        import_end_mwh: row.import_end,
        count: row.count,
        voltage_min_mv: row.voltage.map(|(min, _)| min),
        voltage_max_mv: row.voltage.map(|(_, max)| max),
        peak_current_ua: row.peak_current,
        peak_power_mw: row.peak_power,
    }
}
