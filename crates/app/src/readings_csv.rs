//! Readings as comma-separated values (RFC 4180): what a spreadsheet or a script reads. A row is written as it comes, so
//! that a table of years needs no more memory than one of a day.
//!
//! Every column's name carries its unit, every value all its digits. `time` is unambiguous (ISO 8601 with the offset from
//! UTC); `local_time` is the same in the form that spreadsheets take for a time.

pub(crate) mod rollups;

use crate::web::format::Clockface;
use gateway::history::Place;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use units::{Key, Quantity, Timestamp};

/// What makes spreadsheets take the file for UTF-8 (Unicode 15, 23.8).
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The note of a row that the gateway's own file no longer has.
const FROM_ARCHIVE: &str = "from the archive";

/// A row: when, what the meter said, and what is to be known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// When it was taken.
    pub(crate) time: Timestamp,
    /// Integers in the units of their names.
    pub(crate) values: BTreeMap<Key, i64>,
    /// The statement that holds it, once there is one.
    pub(crate) statement: Option<String>,
    /// What sets it apart from a reading of every day; mostly nothing.
    pub(crate) note: String,
}

impl Row {
    /// As a node tells of a booked reading; a value of a name that this program does not know is left to the node.
    pub(crate) fn of_node(row: api::ReadingRow) -> Self {
        let values = row.values.into_iter().filter_map(|(name, value)| Some((name.parse().ok()?, value))).collect();
        Self { time: row.time_ms, values, statement: Some(row.statement.to_string()), note: String::new() }
    }

    /// As a gateway's databases hold a reading.
    pub(crate) fn of_database(stored: gateway::store::StoredReading, place: Place) -> Self {
        let values = stored.row.reading.iter().collect();
        let note = match (&stored.statement, place) {
            (None, _) => "in no statement yet",
            (Some(_), Place::Server) => FROM_ARCHIVE,
            (Some(_), Place::File) => "",
        };
        let statement = stored.statement.map(|id| id.to_string());
        Self { time: stored.row.time, values, statement, note: note.to_owned() }
    }
}

/// Writes rows below a header.
pub(crate) struct Table<W: Write> {
    out: csv::Writer<W>,
    face: Clockface,
    columns: Vec<Key>,
}

impl<W: Write> Table<W> {
    /// With columns for the whole meter's quantities, and for the phases and channels that `sample` has values of.
    ///
    /// # Errors
    /// When nothing can be written.
    pub(crate) fn new(out: W, face: Clockface, with_mark: bool, sample: &[Row]) -> io::Result<Self> {
        let mut columns: Vec<Key> = Quantity::ALL.into_iter().map(Key::from).collect();
        let mut parts: Vec<Key> = sample.iter().flat_map(|row| row.values.keys().copied()).collect();
        parts.sort_unstable();
        parts.dedup();
        columns.extend(parts.into_iter().filter(|key| *key != Key::from(key.quantity)));
        let mut out = begin(out, with_mark)?;
        let names = columns.iter().map(|key| column(*key));
        let names = ["time", "local_time"].map(str::to_owned).into_iter().chain(names);
        out.write_record(names.chain(["statement", "note"].map(str::to_owned)))?;
        Ok(Self { out, face, columns })
    }

    /// Writes a row. A value that has no column stands in the note, so that nothing is left out.
    ///
    /// # Errors
    /// When nothing can be written.
    pub(crate) fn write(&mut self, row: &Row) -> io::Result<()> {
        let (iso, local) = self.face.iso_and_local(row.time);
        let cell = |key: &Key| row.values.get(key).map(|value| decimal(*key, *value)).unwrap_or_default();
        let cells = [iso, local].into_iter().chain(self.columns.iter().map(cell));
        let others = row.values.iter().filter(|(key, _)| !self.columns.contains(key));
        let others = others.map(|(key, value)| format!("{} {}", column(*key), decimal(*key, *value)));
        let note: Vec<String> =
            Some(row.note.clone()).filter(|note| !note.is_empty()).into_iter().chain(others).collect();
        let statement = row.statement.clone().unwrap_or_default();
        self.out.write_record(cells.chain([statement, note.join("; ")]))?;
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

/// What both kinds of tables begin with.
fn begin<W: Write>(mut out: W, with_mark: bool) -> io::Result<csv::Writer<W>> {
    if with_mark {
        out.write_all(BYTE_ORDER_MARK)?;
    }
    Ok(csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out))
}

impl Table<Part> {
    /// What was written since the last time, for an answer in parts.
    ///
    /// # Errors
    /// When it cannot be handed on.
    pub(crate) fn take(&mut self) -> io::Result<Vec<u8>> {
        self.out.flush()?;
        Ok(self.out.get_ref().take())
    }
}

/// Takes what is written until it is taken from here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part(Arc<Mutex<Vec<u8>>>);

impl Part {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A column's name: the quantity, its unit, and the phase or channel.
fn column(key: Key) -> String {
    let name = match key.quantity {
        Quantity::Voltage => "voltage_v",
        Quantity::Current => "current_a",
        Quantity::ActivePower => "active_power_w",
        Quantity::ReactivePower => "reactive_power_var",
        Quantity::ApparentPower => "apparent_power_va",
        Quantity::PowerFactor => "power_factor",
        Quantity::Frequency => "frequency_hz",
        Quantity::EnergyImport => "energy_import_kwh",
        Quantity::EnergyExport => "energy_export_kwh",
    };
    let full = key.to_string();
    format!("{name}{}", full.strip_prefix(key.quantity.name()).unwrap_or_default())
}

/// How many digits behind the point turn our integer into the column's unit.
const fn places(quantity: Quantity) -> u32 {
    match quantity {
        Quantity::Current | Quantity::EnergyImport | Quantity::EnergyExport => 6,
        Quantity::PowerFactor => 4,
        _ => 3,
    }
}

/// Every digit, a point, an ordinary minus and nothing between thousands: what programs read.
fn decimal(key: Key, value: i64) -> String {
    let places = places(key.quantity);
    let (one, size) = (10_u64.pow(places), value.unsigned_abs());
    let sign = if value < 0 { "-" } else { "" };
    let width = usize::try_from(places).unwrap_or_default();
    format!("{sign}{}.{:0>width$}", size / one, size % one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::Channel;

    const L2: Key = Key { quantity: Quantity::Voltage, channel: Channel::L2 };

    fn row(values: &[(Key, i64)], note: &str) -> Row {
        let time = Timestamp::from_ms(1_785_513_599_250);
        Row { time, values: values.iter().copied().collect(), statement: Some("5f".to_owned()), note: note.to_owned() }
    }

    fn text(with_mark: bool, sample: &[Row], rows: &[Row]) -> String {
        let mut table = Table::new(Vec::new(), Clockface::new("Asia/Taipei"), with_mark, sample).unwrap();
        rows.iter().for_each(|row| table.write(row).unwrap());
        String::from_utf8(table.finish().unwrap()).unwrap()
    }

    #[test]
    fn a_table_has_units_in_its_header_and_every_digit_in_its_cells() {
        let rows = [row(
            &[
                (Quantity::Voltage.into(), 110_250),
                (Quantity::Current.into(), 5),
                (Quantity::ActivePower.into(), -1),
                (Quantity::PowerFactor.into(), -9_940),
                (Quantity::EnergyImport.into(), 1_000_001),
                (L2, 0),
            ],
            "estimated, \"by hand\"",
        )];
        let expected = "time,local_time,voltage_v,current_a,active_power_w,reactive_power_var,apparent_power_va,\
            power_factor,frequency_hz,energy_import_kwh,energy_export_kwh,voltage_v_l2,statement,note\r\n\
            2026-07-31T23:59:59.250+08:00,2026-07-31 23:59:59,110.250,0.000005,-0.001,,,-0.9940,,1.000001,,0.000,5f,\
            \"estimated, \"\"by hand\"\"\"\r\n";
        assert_eq!(text(false, &rows, &rows), expected);
        assert_eq!(text(true, &rows, &rows), format!("\u{feff}{expected}"));
    }

    #[test]
    fn a_value_without_a_column_stands_in_the_note() {
        let table = text(false, &[], &[row(&[(L2, 230_000)], "estimated")]);
        assert!(table.ends_with(",5f,estimated; voltage_v_l2 230.000\r\n"), "{table}");
    }

    #[test]
    fn a_table_without_rows_is_its_header() {
        assert_eq!(text(false, &[], &[]).lines().count(), 1);
    }

    #[test]
    fn the_largest_values_are_written_whole() {
        assert_eq!(decimal(Quantity::Voltage.into(), i64::MIN), "-9223372036854775.808");
        assert_eq!(decimal(Quantity::EnergyImport.into(), i64::MAX), "9223372036854.775807");
    }
}
