//! Rows of the readings table and back. What does not read back is an error that names table, column and value.

use super::StoreError;
use crate::core::{Place, ReadingRow};
use ledger::attachment::Frame;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use units::{Channel, Energy, Key, Quantity, Reading, StatementId, Timestamp};

/// The quantities of the whole meter, in the order of their columns.
pub(super) const QUANTITY_COLUMNS: [Quantity; 9] = Quantity::ALL;

/// A stored reading: the row, its number, and the statement that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReading {
    /// The row's id in the database.
    pub id: i64,
    /// The reading.
    pub row: ReadingRow,
    /// The interval's statement, once there is one.
    pub statement: Option<StatementId>,
}

impl StoredReading {
    pub(super) fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        let mut reading = Reading::new();
        for quantity in QUANTITY_COLUMNS {
            if let Some(value) = row.try_get::<Option<i64>, _>(quantity.name())? {
                reading.insert(quantity, value);
            }
        }
        read_channels(row, &mut reading)?;
        let frames: Vec<u8> = row.try_get("frames")?;
        let frame: Frame =
            ledger::cbor::decode(&frames).map_err(|error| value_error("readings", "frames", &error.to_string()))?;
        let statement: Option<String> = row.try_get("statement")?;
        let statement = statement.map(|id| id.parse().map_err(|_| value_error("readings", "statement", &id)));
        Ok(Self {
            id: row.try_get("id")?,
            row: ReadingRow {
                meter: parsed(row, "readings", "meter")?,
                member: parsed(row, "readings", "member_account")?,
                operator: parsed(row, "readings", "operator_account")?,
                profile: row.try_get("profile")?,
                time: timestamp(row, "readings", "time_ms")?,
                reading,
                frame: Arc::new(frame),
            },
            statement: statement.transpose()?,
        })
    }
}

/// The values of single phases and channels as JSON; `None` when there are none.
pub(super) fn channels_json(reading: &Reading) -> Option<String> {
    let of_channels = reading.iter().filter(|(key, _)| key.channel != Channel::Total);
    let values: BTreeMap<String, i64> = of_channels.map(|(key, value)| (key.to_string(), value)).collect();
    // A map of strings to integers is always JSON.
    (!values.is_empty()).then(|| serde_json::to_string(&values).unwrap_or_default())
}

fn read_channels(row: &SqliteRow, reading: &mut Reading) -> Result<(), StoreError> {
    let Some(text) = row.try_get::<Option<String>, _>("channels")? else { return Ok(()) };
    let wrong = || value_error("readings", "channels", &text);
    let values: BTreeMap<String, i64> = serde_json::from_str(&text).map_err(|_| wrong())?;
    for (name, value) in values {
        reading.insert(name.parse::<Key>().map_err(|_| wrong())?, value);
    }
    Ok(())
}

/// For a column; times and counters stay far below the limit, and a larger one is stored as the largest.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn place_integer(place: Option<Place>) -> [Option<i64>; 2] {
    [place.map(|place| integer(place.height)), place.map(|place| integer(place.log_index))]
}

pub(super) fn unsigned(row: &SqliteRow, table: &'static str, column: &'static str) -> Result<u64, StoreError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| value_error(table, column, &value))
}

pub(super) fn timestamp(row: &SqliteRow, table: &'static str, column: &'static str) -> Result<Timestamp, StoreError> {
    unsigned(row, table, column).map(Timestamp::from_ms)
}

pub(super) fn energy(row: &SqliteRow, table: &'static str, column: &'static str) -> Result<Option<Energy>, StoreError> {
    let Some(value) = row.try_get::<Option<i64>, _>(column)? else { return Ok(None) };
    u64::try_from(value).map(|mwh| Some(Energy::from_mwh(mwh))).map_err(|_| value_error(table, column, &value))
}

pub(super) fn parsed<T: FromStr>(row: &SqliteRow, table: &'static str, column: &'static str) -> Result<T, StoreError> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|_| value_error(table, column, &text))
}

pub(super) fn value_error(table: &'static str, column: &'static str, value: &impl Display) -> StoreError {
    StoreError::Value { table, column, value: value.to_string() }
}
