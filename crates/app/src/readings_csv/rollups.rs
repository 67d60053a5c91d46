//! Roll-ups as comma-separated values: a row a minute, a quarter of an hour or a day, under the same rules as readings.
//!
//! Means are of the span's readings and rounded down; energy is what the counter moved since the reading before the span's
//! first, so that the rows of a day add up to the day's.

use super::{FROM_ARCHIVE, Part, begin, decimal};
use crate::web::format::Clockface;
use gateway::history::Place;
use gateway::store::Rollup;
use std::io::{self, Write};
use units::{Key, Quantity};

/// Columns, each with its unit.
const COLUMNS: [&str; 13] = [
    "time",
    "local_time",
    "end_time",
    "readings",
    "voltage_mean_v",
    "voltage_min_v",
    "voltage_max_v",
    "current_max_a",
    "active_power_mean_w",
    "active_power_max_w",
    "energy_imported_kwh",
    "energy_exported_kwh",
    "note",
];

/// Writes roll-ups below a header.
pub(crate) struct RollupTable<W: Write> {
    out: csv::Writer<W>,
    face: Clockface,
}

impl<W: Write> RollupTable<W> {
    /// With its header.
    ///
    /// # Errors
    /// When nothing can be written.
    pub(crate) fn new(out: W, face: Clockface, with_mark: bool) -> io::Result<Self> {
        let mut out = begin(out, with_mark)?;
        out.write_record(COLUMNS)?;
        Ok(Self { out, face })
    }

    /// Writes a row.
    ///
    /// # Errors
    /// When nothing can be written.
    pub(crate) fn write(&mut self, rollup: &Rollup, place: Place) -> io::Result<()> {
        let (iso, local) = self.face.iso_and_local(rollup.start);
        let cell = |quantity: Quantity, value: Option<i64>| {
            value.map(|value| decimal(Key::from(quantity), value)).unwrap_or_default()
        };
        let note = if place == Place::Server { FROM_ARCHIVE } else { "" };
        self.out.write_record([
            iso,
            local,
            self.face.iso_and_local(rollup.end).0,
            rollup.readings.to_string(),
            cell(Quantity::Voltage, rollup.voltage_mean()),
            cell(Quantity::Voltage, rollup.voltage_min),
            cell(Quantity::Voltage, rollup.voltage_max),
            cell(Quantity::Current, rollup.current_max),
            cell(Quantity::ActivePower, rollup.power_mean()),
            cell(Quantity::ActivePower, rollup.power_max),
            cell(Quantity::EnergyImport, rollup.import),
            cell(Quantity::EnergyExport, rollup.export),
            note.to_owned(),
        ])?;
        Ok(())
    }

    /// Hands on what is written so far.
    ///
    /// # Errors
    /// When it cannot be.
    pub(crate) fn finish(self) -> io::Result<W> {
        self.out.into_inner().map_err(|error| io::Error::other(error.to_string()))
    }
}

impl RollupTable<Part> {
    /// What was written since the last time, for an answer in parts.
    ///
    /// # Errors
    /// When it cannot be handed on.
    pub(crate) fn take(&mut self) -> io::Result<Vec<u8>> {
        self.out.flush()?;
        Ok(self.out.get_ref().take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::store::Point;
    use units::Timestamp;

    #[test]
    fn a_row_has_every_figure_with_its_unit_and_an_empty_cell_for_what_no_reading_gave() {
        let (start, end) = (Timestamp::from_ms(1_785_513_600_000), Timestamp::from_ms(1_785_514_500_000));
        let point = |voltage, power, import| Point {
            voltage: Some(voltage),
            current: Some(2_000_001),
            power: Some(power),
            import: Some(import),
            export: None,
        };
        let before = Some(point(0, 0, 1_000_000));
        let rollup = Rollup::of(start, end, before, &[point(110_000, -1, 1_000_500), point(110_001, 0, 2_000_000)]);
        let mut table = RollupTable::new(Vec::new(), Clockface::new("Asia/Taipei"), false).unwrap();
        table.write(&rollup, Place::File).unwrap();
        table.write(&Rollup { start, end, ..Rollup::default() }, Place::Server).unwrap();
        let text = String::from_utf8(table.finish().unwrap()).unwrap();
        let times = "2026-08-01T00:00:00.000+08:00,2026-08-01 00:00:00,2026-08-01T00:15:00.000+08:00";
        let expected = format!(
            "time,local_time,end_time,readings,voltage_mean_v,voltage_min_v,voltage_max_v,current_max_a,\
             active_power_mean_w,active_power_max_w,energy_imported_kwh,energy_exported_kwh,note\r\n\
             {times},2,110.000,110.000,110.001,2.000001,-0.001,0.000,1.000000,,\r\n\
             {times},0,,,,,,,,,from the archive\r\n"
        );
        assert_eq!(text, expected);
    }
}
