//! One way to ask three databases: SQL with `?` for values, columns named and typed by the caller, rows as plain values.

use super::tables::Kind;
use super::{DatabaseUrl, StoreError};
use sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};
use std::str::FromStr;
use std::time::Duration;

/// Connections: one writes, the others serve pages.
const CONNECTIONS_MAX: u32 = 4;
/// How long a writer waits for another before it is an error. Polling waits with it, so it is short.
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a server may take to take a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server may take to answer a question.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);

/// What a column of a row holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl Value {
    pub(crate) fn text(text: impl ToString) -> Self {
        Self::Text(Some(text.to_string()))
    }

    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Integer(Some(value)) => value.to_string(),
            Self::Text(Some(value)) => value.clone(),
            Self::Bytes(Some(value)) => format!("{} bytes", value.len()),
            Self::Integer(None) | Self::Text(None) | Self::Bytes(None) => "NULL".to_owned(),
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

/// What a question asks for: the table that errors name, and its columns. The first one is the row's `id`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    pub(crate) table: &'static str,
    pub(crate) columns: &'static [(&'static str, Kind)],
}

impl Columns {
    /// `SELECT id, ... FROM table`.
    pub(crate) fn select(self, rest: &str) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        format!("SELECT id, {} FROM {} {rest}", names.join(", "), self.table)
    }
}

/// A row as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) id: i64,
    pub(crate) of: Columns,
    pub(crate) values: Vec<Value>,
}

/// Values into a query, one after the other.
macro_rules! bind {
    ($query:ident, $values:expr) => {
        for value in $values {
            $query = match value {
                Value::Integer(value) => $query.bind(value),
                Value::Text(value) => $query.bind(value),
                Value::Bytes(value) => $query.bind(value),
            };
        }
    };
}
pub(crate) use bind;

/// A driver's row as values. What is there but of another kind was put there by hand.
macro_rules! found {
    ($row:expr, $of:expr) => {{
        let (row, of): (_, Columns) = ($row, $of);
        let id: i64 = row.try_get(0)?;
        let mut values = Vec::with_capacity(of.columns.len());
        for (at, (column, kind)) in (1..).zip(of.columns) {
            let value = match kind {
                Kind::Integer => row.try_get(at).map(Value::Integer),
                Kind::Text => row.try_get(at).map(Value::Text),
                Kind::Bytes => row.try_get(at).map(Value::Bytes),
            };
            values.push(value.map_err(|error| foreign(of.table, id, column, error))?);
        }
        Ok(Found { id, of, values })
    }};
}

/// A row that was fetched within a transaction of the local file.
pub(crate) fn found_in_file(row: &sqlx::sqlite::SqliteRow, of: Columns) -> Result<Found, StoreError> {
    found!(row, of)
}

/// A value of another kind than the column's; any other error stays what it is.
fn foreign(table: &'static str, row: i64, column: &'static str, error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { source, .. } => StoreError::Value { table, row, column, value: source.to_string() },
        other => StoreError::Database(other),
    }
}

/// Connections to one of three databases. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite(SqlitePool),
    MySql(MySqlPool),
    Postgres(PgPool),
}

impl Database {
    /// Opens a file, which is made if `create` says so and there is none, or connects to a server.
    pub(crate) async fn connect(url: &DatabaseUrl, create: bool) -> Result<Self, StoreError> {
        let connected = async {
            Ok::<Self, sqlx::Error>(match url {
                DatabaseUrl::Sqlite(file) => Self::Sqlite(open(file, create).await?),
                DatabaseUrl::MySql(url) => {
                    let options = MySqlPoolOptions::new().max_connections(CONNECTIONS_MAX);
                    Self::MySql(options.acquire_timeout(CONNECT_TIMEOUT).connect(url).await?)
                }
                DatabaseUrl::Postgres(url) => {
                    let options = PgPoolOptions::new().max_connections(CONNECTIONS_MAX);
                    Self::Postgres(options.acquire_timeout(CONNECT_TIMEOUT).connect(url).await?)
                }
            })
        };
        connected.await.map_err(|error| StoreError::Connect { place: url.to_string(), reason: connect_reason(&error) })
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::MySql(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }

    /// Rows, in the order that the question says.
    pub(crate) async fn fetch(
        &self,
        of: Columns,
        sql: String,
        values: Vec<Value>,
    ) -> Result<Vec<Result<Found, StoreError>>, StoreError> {
        let asked = async {
            match self {
                Self::Sqlite(pool) => {
                    let mut query = sqlx::query(AssertSqlSafe(sql));
                    bind!(query, values);
                    Ok(query.fetch_all(pool).await?.iter().map(|row| found!(row, of)).collect())
                }
                Self::MySql(pool) => {
                    let mut query = sqlx::query(AssertSqlSafe(sql));
                    bind!(query, values);
                    Ok(query.fetch_all(pool).await?.iter().map(|row| found!(row, of)).collect())
                }
                Self::Postgres(pool) => {
                    let mut query = sqlx::query(AssertSqlSafe(numbered(&sql)));
                    bind!(query, values);
                    Ok(query.fetch_all(pool).await?.iter().map(|row| found!(row, of)).collect())
                }
            }
        };
        match tokio::time::timeout(ASK_TIMEOUT, asked).await {
            Ok(rows) => rows,
            Err(_elapsed) => Err(StoreError::TimedOut(ASK_TIMEOUT.as_secs())),
        }
    }

    /// The same; the first row that cannot be read is the error.
    pub(crate) async fn fetch_all(
        &self,
        of: Columns,
        sql: String,
        values: Vec<Value>,
    ) -> Result<Vec<Found>, StoreError> {
        self.fetch(of, sql, values).await?.into_iter().collect()
    }

    /// Changes rows; gives how many.
    pub(crate) async fn execute(&self, sql: String, values: Vec<Value>) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(pool) => {
                let mut query = sqlx::query(AssertSqlSafe(sql));
                bind!(query, values);
                query.execute(pool).await?.rows_affected()
            }
            Self::MySql(pool) => {
                let mut query = sqlx::query(AssertSqlSafe(sql));
                bind!(query, values);
                query.execute(pool).await?.rows_affected()
            }
            Self::Postgres(pool) => {
                let mut query = sqlx::query(AssertSqlSafe(numbered(&sql)));
                bind!(query, values);
                query.execute(pool).await?.rows_affected()
            }
        })
    }
}

async fn open(url: &str, create: bool) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::from_str(url)?
        .create_if_missing(create)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    // The file remembers the mode. A later connection that sets it again while another writes is refused at once, without
    // the time-out.
    let first = SqliteConnection::connect_with(&options.clone().journal_mode(SqliteJournalMode::Wal)).await?;
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await?;
    first.close().await?;
    Ok(pool)
}

/// What a driver says, with what to do about it. Drivers never repeat the password.
pub(crate) fn connect_reason(error: &sqlx::Error) -> String {
    let remedy = match error {
        sqlx::Error::Database(_) => "are user, password and the database's name right?",
        sqlx::Error::PoolTimedOut => return "no answer; is the server up, and is this its host and port?".to_owned(),
        sqlx::Error::Io(_) => "is the server up, and is this its host and port?",
        sqlx::Error::Configuration(_) => {
            "is the URL written right? Special characters of a password are written as %XX"
        }
        _ => return error.to_string(),
    };
    format!("{error}; {remedy}")
}

/// `?` as PostgreSQL counts them: `$1`, `$2`. No question mark stands in our texts.
pub(crate) fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    (1..).zip(parts).fold(first, |sql, (number, part)| format!("{sql}${number}{part}"))
}
