//! Why the database could not be used.

use units::StatementId;

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database itself.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// It could not be opened or reached.
    #[error("{place}: {reason}")]
    Connect {
        /// The database's URL without its password.
        place: String,
        /// Why, with what to do about it.
        reason: String,
    },
    /// The tables are of a newer version, or a migration was changed.
    #[error("the database's tables do not fit this program: {0}; was it used by a newer version?")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A value in a row is not what this program writes.
    #[error(
        "table {table}, row {row}, column {column}: `{value}` is not what the gateway writes there; it was changed by hand"
    )]
    Value {
        /// The table.
        table: &'static str,
        /// The row's id.
        row: i64,
        /// The column.
        column: &'static str,
        /// The value.
        value: String,
    },
    /// The URL is of a database that this version does not know.
    #[error(
        "`{0}` is not a database that this version knows; write sqlite://FILE, mysql://USER:PASSWORD@HOST/DATABASE or \
         postgres://USER:PASSWORD@HOST/DATABASE"
    )]
    Url(String),
    /// A server's URL without a database.
    #[error("`{0}` names no database; write its name behind the host: mysql://USER:PASSWORD@HOST/DATABASE")]
    NoDatabaseName(String),
    /// A statement that the outbox should hold.
    #[error("statement {0} is not in the outbox; was the database replaced?")]
    NoStatement(StatementId),
    /// Somebody else forwarded to the server meanwhile.
    #[error("the server was forwarded to by another connection meanwhile; it is looked at anew")]
    Moved,
    /// The server did not answer in time.
    #[error("the server did not answer within {0} s")]
    TimedOut(u64),
}
