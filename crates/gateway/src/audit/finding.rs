//! What an audit finds, in words that name the row.

use std::fmt;
use units::{Key, MeterId, StatementId, Timestamp};

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A value is not the committed one.
    Column {
        /// The row's id.
        row: i64,
        /// The meter.
        meter: MeterId,
        /// The row's time.
        time: Timestamp,
        /// The column.
        column: Key,
        /// As committed.
        ledger: Option<i64>,
        /// As found.
        database: Option<i64>,
    },
    /// A value is not what the row's own raw frame says.
    Frame {
        /// The row's id.
        row: i64,
        /// The meter.
        meter: MeterId,
        /// The row's time.
        time: Timestamp,
        /// What is wrong.
        reason: String,
    },
    /// The raw frames of an interval are not those that the statement commits to.
    FramesRoot {
        /// The statement.
        statement: StatementId,
        /// The meter.
        meter: MeterId,
    },
    /// A committed reading is not in the database.
    Missing {
        /// The statement that holds it.
        statement: StatementId,
        /// The meter, as far as the database still says.
        meter: Option<MeterId>,
        /// When it was taken.
        time: Timestamp,
    },
    /// A row says that it belongs to a committed interval, but is not in it.
    Extra {
        /// The row's id.
        row: i64,
        /// The meter.
        meter: MeterId,
        /// The row's time.
        time: Timestamp,
        /// The statement.
        statement: StatementId,
    },
    /// A row cannot be read.
    Unreadable {
        /// The table.
        table: &'static str,
        /// The row's id.
        row: i64,
        /// Why.
        reason: String,
    },
    /// A row of the journal of loads does not say what its statement says.
    Switching {
        /// The row's id.
        row: i64,
        /// The meter that the row names.
        meter: MeterId,
        /// The column.
        column: &'static str,
        /// As committed.
        ledger: String,
        /// As found.
        database: String,
    },
    /// A committed switching is not in the journal.
    SwitchingMissing {
        /// The statement that holds it.
        statement: StatementId,
        /// The meter.
        meter: MeterId,
        /// When it was switched.
        time: Timestamp,
    },
    /// The ledger's own attachment does not fit its statement: ask another node.
    Attachment {
        /// The statement.
        statement: StatementId,
        /// Why.
        reason: String,
    },
}

/// A value, or that there is none.
pub(super) struct Shown(pub(super) Option<i64>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("nothing"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column { row, meter, time, column, ledger, database } => write!(
                f,
                "readings row {row} (meter {meter}, {} ms): {column} is {} in the database, {} in the ledger",
                time.ms(),
                Shown(*database),
                Shown(*ledger)
            ),
            Self::Frame { row, meter, time, reason } => {
                write!(f, "readings row {row} (meter {meter}, {} ms): raw frame: {reason}", time.ms())
            }
            Self::FramesRoot { statement, meter } => {
                write!(f, "meter {meter}: the raw frames are not those that statement {statement} commits to")
            }
            Self::Missing { statement, meter, time } => {
                let meter = meter.as_ref().map(MeterId::as_str).unwrap_or("unknown");
                write!(f, "meter {meter}: the reading of {} ms in statement {statement} is missing", time.ms())
            }
            Self::Extra { row, meter, time, statement } => write!(
                f,
                "readings row {row} (meter {meter}, {} ms) is not among the readings of statement {statement}",
                time.ms()
            ),
            Self::Unreadable { table, row, reason } => write!(f, "{table} row {row}: {reason}"),
            Self::Switching { row, meter, column, ledger, database } => write!(
                f,
                "journal row {row} (meter {meter}): {column} is `{database}` in the database, `{ledger}` in the ledger"
            ),
            Self::SwitchingMissing { statement, meter, time } => {
                write!(f, "meter {meter}: the switching of {} ms in statement {statement} is missing", time.ms())
            }
            Self::Attachment { statement, reason } => write!(f, "attachment of statement {statement}: {reason}"),
        }
    }
}
