//! Rows of the tables and back. What does not read back is an error that names table, row, column and value.

use super::StoreError;
use super::database::{Found, Value};
use crate::core::{Place, ReadingRow};
use ledger::attachment::Frame;
use std::collections::BTreeMap;
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
    pub(super) fn read(row: &Found) -> Result<Self, StoreError> {
        let mut reading = Reading::new();
        for quantity in QUANTITY_COLUMNS {
            if let Some(value) = row.optional_integer(quantity.name())? {
                reading.insert(quantity, value);
            }
        }
        read_channels(row, &mut reading)?;
        let frames = row.bytes("frames")?;
        let frame: Frame = ledger::cbor::decode(&frames).map_err(|error| row.error("frames", error.to_string()))?;
        let statement = match row.optional_text("statement")? {
            Some(id) => Some(id.parse().map_err(|_| row.error("statement", id))?),
            None => None,
        };
        Ok(Self {
            id: row.id,
            row: ReadingRow {
                meter: row.parsed("meter")?,
                member: row.parsed("member_account")?,
                operator: row.parsed("operator_account")?,
                profile: row.text("profile")?,
                time: row.timestamp("time_ms")?,
                reading,
                frame: Arc::new(frame),
            },
            statement,
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

fn read_channels(row: &Found, reading: &mut Reading) -> Result<(), StoreError> {
    let Some(text) = row.optional_text("channels")? else { return Ok(()) };
    let wrong = || row.error("channels", text.clone());
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

/// Columns by their names. A column that was not asked for is a defect, and read as one that holds nothing.
impl Found {
    fn value(&self, column: &'static str) -> Option<&Value> {
        let at = self.of.columns.iter().position(|(name, _)| *name == column)?;
        self.values.get(at)
    }

    pub(super) fn error(&self, column: &'static str, value: String) -> StoreError {
        StoreError::Value { table: self.of.table, row: self.id, column, value }
    }

    fn wrong(&self, column: &'static str) -> StoreError {
        self.error(column, self.value(column).map_or_else(|| "nothing".to_owned(), Value::shown))
    }

    pub(super) fn optional_integer(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        match self.value(column) {
            Some(Value::Integer(value)) => Ok(*value),
            _ => Err(self.wrong(column)),
        }
    }

    pub(super) fn optional_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        match self.value(column) {
            Some(Value::Text(value)) => Ok(value.clone()),
            _ => Err(self.wrong(column)),
        }
    }

    pub(super) fn integer(&self, column: &'static str) -> Result<i64, StoreError> {
        self.optional_integer(column)?.ok_or_else(|| self.wrong(column))
    }

    pub(super) fn unsigned(&self, column: &'static str) -> Result<u64, StoreError> {
        u64::try_from(self.integer(column)?).map_err(|_| self.wrong(column))
    }

    pub(super) fn timestamp(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.unsigned(column).map(Timestamp::from_ms)
    }

    pub(super) fn energy(&self, column: &'static str) -> Result<Option<Energy>, StoreError> {
        let Some(value) = self.optional_integer(column)? else { return Ok(None) };
        u64::try_from(value).map(|mwh| Some(Energy::from_mwh(mwh))).map_err(|_| self.wrong(column))
    }

    pub(super) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.optional_text(column)?.ok_or_else(|| self.wrong(column))
    }

    pub(super) fn bytes(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        match self.value(column) {
            Some(Value::Bytes(Some(bytes))) => Ok(bytes.clone()),
            _ => Err(self.wrong(column)),
        }
    }

    pub(super) fn parsed<T: FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| self.wrong(column))
    }
}
