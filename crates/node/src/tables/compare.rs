//! Every derived value against the one that the blocks give.

use super::{Tables, TablesError};
use rusqlite::types::Value;
use rusqlite::{Connection, Rows, params_from_iter};
use std::cmp::Ordering;
use std::fmt;

/// A derived value that is not what the blocks give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which table.
    pub table: &'static str,
    /// Which row, by its key.
    pub row: String,
    /// Which column; `None` when the row itself is missing or too much.
    pub column: Option<String>,
    /// The value that is stored; `None` for a missing row.
    pub stored: Option<String>,
    /// The value that the blocks give; `None` for a row too much.
    pub right: Option<String>,
}

/// A row that is not what the blocks give, and what to put in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    /// What differs.
    pub difference: Difference,
    layout: usize,
    /// Key of the row that is stored; nothing where it is missing.
    stored: Option<Row>,
    /// The right row; nothing where none belongs.
    right: Option<Row>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, row, column, stored, right } = self;
        match (column, stored, right) {
            (Some(column), Some(stored), Some(right)) => {
                write!(f, "table {table}, row {row}, column {column}: {stored} is stored, {right} is right")
            }
            (_, None, _) => write!(f, "table {table}: row {row} is missing"),
            _ => write!(f, "table {table}: row {row} does not belong there"),
        }
    }
}

/// A table and its key, which is its first columns, in this order.
struct Layout {
    table: &'static str,
    query: &'static str,
    key_columns: usize,
}

const LAYOUTS: [Layout; 5] = [
    Layout {
        table: "blocks",
        query: "SELECT height, hash, header, size_bytes, reward_mwh, beneficiary FROM blocks ORDER BY height",
        key_columns: 1,
    },
    Layout {
        table: "statements",
        query: "SELECT log_index, id, height, position, signer, issued_ms, expires_ms, size_bytes FROM statements
                ORDER BY log_index",
        key_columns: 1,
    },
    Layout {
        table: "acts",
        query: "SELECT log_index, act_index, act FROM acts ORDER BY log_index, act_index",
        key_columns: 2,
    },
    Layout {
        table: "entries",
        query: "SELECT month, account, number, kind, statement, act_index, carried_from, height FROM entries
                ORDER BY month, account, number",
        key_columns: 3,
    },
    Layout {
        table: "intervals",
        query: "SELECT meter, end_ms, log_index, start_ms, binding, seq, import_start_mwh, import_end_mwh, statement,
                count, voltage_min_mv, voltage_max_mv, peak_current_ua, peak_power_mw
                FROM intervals ORDER BY meter, end_ms, log_index",
        key_columns: 3,
    },
];

impl Tables {
    /// Compares every value with that of `right`, tables derived anew from the same blocks; at most `limit` findings.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn differences(&self, right: &Self, limit: usize) -> Result<Vec<Correction>, TablesError> {
        let mut found = Vec::new();
        for layout in 0..LAYOUTS.len() {
            compare(&self.connection, &right.connection, layout, limit, &mut found)?;
        }
        Ok(found)
    }

    /// Puts right rows in place of wrong ones, all or none. Whoever calls sees to it that the blocks which they follow
    /// from are still part of the chain.
    ///
    /// # Errors
    /// When SQLite refuses; the tables are then as they were.
    pub fn correct(&mut self, corrections: &[Correction]) -> Result<(), TablesError> {
        let transaction = self.connection.transaction()?;
        // First all that is wrong goes: a right row may have the key of a wrong one.
        for correction in corrections {
            let (layout, columns) = correction.columns(&transaction)?;
            let keys = columns.iter().take(layout.key_columns).enumerate();
            let keys: Vec<String> = keys.map(|(at, name)| format!("{name} IS ?{}", at + 1)).collect();
            if let Some(key) = &correction.stored {
                let delete = format!("DELETE FROM {} WHERE {}", layout.table, keys.join(" AND "));
                transaction.execute(&delete, params_from_iter(key))?;
            }
        }
        for correction in corrections {
            let (layout, columns) = correction.columns(&transaction)?;
            let marks: Vec<String> = (1..=columns.len()).map(|number| format!("?{number}")).collect();
            if let Some(row) = &correction.right {
                let (table, names) = (layout.table, columns.join(", "));
                let put = format!("INSERT OR REPLACE INTO {table} ({names}) VALUES ({})", marks.join(", "));
                transaction.execute(&put, params_from_iter(row))?;
            }
        }
        Ok(transaction.commit()?)
    }
}

impl Correction {
    /// Which table, and the names of its columns in the order of the rows.
    fn columns(&self, connection: &Connection) -> Result<(&'static Layout, Vec<String>), TablesError> {
        let layout = &LAYOUTS[self.layout];
        let query = connection.prepare(layout.query)?;
        Ok((layout, query.column_names().into_iter().map(str::to_owned).collect()))
    }
}

type Row = Vec<Value>;

fn next(rows: &mut Rows<'_>, columns: usize) -> Result<Option<Row>, TablesError> {
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((0..columns).map(|column| row.get(column)).collect::<Result<_, _>>()?))
}

/// Walks both tables in the order of their key.
fn compare(
    stored: &Connection,
    right: &Connection,
    number: usize,
    limit: usize,
    found: &mut Vec<Correction>,
) -> Result<(), TablesError> {
    let layout = &LAYOUTS[number];
    let (mut stored, mut right) = (stored.prepare(layout.query)?, right.prepare(layout.query)?);
    let names: Vec<String> = right.column_names().into_iter().map(str::to_owned).collect();
    let (mut stored, mut right) = (stored.query([])?, right.query([])?);
    let mut pair = (next(&mut stored, names.len())?, next(&mut right, names.len())?);
    while found.len() < limit {
        let key = |row: &Row| row.iter().take(layout.key_columns).cloned().collect::<Vec<_>>();
        let order = match &pair {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => order_of(&key(a), &key(b)),
        };
        let shown = |row: &Option<Row>| row.as_ref().map(|row| show_all(&key(row))).unwrap_or_default();
        let of_row = |difference, stored: Option<Row>, right: Option<&Row>| Correction {
            difference,
            layout: number,
            stored,
            right: right.cloned(),
        };
        match (order, &pair) {
            (Ordering::Equal, (Some(a), Some(b))) => {
                let differing = differing(layout, &names, a, b).into_iter();
                found.extend(differing.map(|difference| of_row(difference, Some(key(a)), Some(b))));
            }
            (Ordering::Less, (row, _)) => {
                let difference = lone(layout.table, shown(row), true);
                found.push(of_row(difference, row.as_ref().map(key), None));
            }
            (_, (_, row)) => found.push(of_row(lone(layout.table, shown(row), false), None, row.as_ref())),
        }
        if order != Ordering::Greater {
            pair.0 = next(&mut stored, names.len())?;
        }
        if order != Ordering::Less {
            pair.1 = next(&mut right, names.len())?;
        }
    }
    Ok(())
}

fn differing(layout: &Layout, names: &[String], stored: &Row, right: &Row) -> Vec<Difference> {
    let values = names.iter().zip(stored.iter().zip(right)).filter(|(_, (stored, right))| stored != right);
    let difference = |(name, (stored_value, right_value)): (&String, (&Value, &Value))| Difference {
        table: layout.table,
        row: show_all(&stored[..layout.key_columns]),
        column: Some(name.clone()),
        stored: Some(show(stored_value)),
        right: Some(show(right_value)),
    };
    values.map(difference).collect()
}

fn lone(table: &'static str, row: String, is_stored: bool) -> Difference {
    let there = Some(row.clone());
    let (stored, right) = if is_stored { (there, None) } else { (None, there) };
    Difference { table, row, column: None, stored, right }
}

/// SQLite's order of values: nothing, numbers, text, bytes.
fn order_of(a: &[Value], b: &[Value]) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 1,
        Value::Text(_) => 2,
        Value::Blob(_) => 3,
    };
    let pairs = a.iter().zip(b).map(|pair| match pair {
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Real(a), Value::Real(b)) => a.total_cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Blob(a), Value::Blob(b)) => a.cmp(b),
        (a, b) => rank(a).cmp(&rank(b)),
    });
    pairs.into_iter().find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Integer(value) => value.to_string(),
        Value::Real(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => crate::view::hex(bytes),
    }
}

fn show_all(values: &[Value]) -> String {
    values.iter().map(show).collect::<Vec<_>>().join(" ")
}
