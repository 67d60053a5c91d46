//! Why the database could not be used.

use units::StatementId;

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database itself.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The tables are of a newer version, or a migration was changed.
    #[error("the database's tables do not fit this program: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A value in a row is not what this program writes.
    #[error("table {table}, column {column}: `{value}` is not what the gateway writes there; it was changed by hand")]
    Value {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The value.
        value: String,
    },
    /// The URL is of a database that this version does not know.
    #[error("`{0}` is not a database that this version knows; write sqlite://FILE")]
    Url(String),
    /// A statement that the outbox should hold.
    #[error("statement {0} is not in the outbox; was the database replaced?")]
    NoStatement(StatementId),
}
