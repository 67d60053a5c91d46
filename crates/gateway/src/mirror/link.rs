//! One connection to the server, and what is written over it. Rows go in many at a time: as one array a column on
//! PostgreSQL, as one statement of many rows on MariaDB and MySQL.

use crate::store::database::{CONNECT_TIMEOUT, Database, Value, bind, numbered};
use crate::store::tables::{Key, Kind, Table};
use crate::store::{DatabaseUrl, Position, Rows, StoreError};
use sqlx::migrate::Migrator;
use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

/// Rows of one statement on MariaDB and MySQL, whose protocol counts values with sixteen bits.
const ROWS_TOGETHER: usize = 500;
/// Bytes of one statement: a quarter of the smallest usual `max_allowed_packet`, 16 MB.
const BYTES_TOGETHER: usize = 4 << 20;

/// The tables of a server, as the changes that make them.
pub(super) static MYSQL_TABLES: Migrator = sqlx::migrate!("./migrations/mysql");
pub(super) static POSTGRES_TABLES: Migrator = sqlx::migrate!("./migrations/postgres");

/// A connection to a server. Dropping it in the midst of a transaction takes the transaction back.
#[derive(Debug)]
pub struct Link {
    server: Server,
}

#[derive(Debug)]
enum Server {
    MySql(MySqlConnection),
    Postgres(PgConnection),
}

impl Link {
    /// Connects and brings the server's tables up to date.
    ///
    /// # Errors
    /// When the server is not reached, or its tables are of a newer version.
    pub async fn connect(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let failed = |reason| StoreError::Connect { place: url.to_string(), reason };
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, Database::connect(url, false));
        let database = opened
            .await
            .map_err(|_| failed("no answer; is the server up, and is this its host and port?".to_owned()))??;
        let server = match &database {
            Database::Sqlite(_) => return Err(failed("a file is no server".to_owned())),
            Database::MySql(pool) => {
                MYSQL_TABLES.run(pool).await?;
                let mut connection = pool.acquire().await?.detach();
                // Without it a server may cut values to a column's length.
                run_mysql(&mut connection, "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')").await?;
                Server::MySql(connection)
            }
            Database::Postgres(pool) => {
                POSTGRES_TABLES.run(pool).await?;
                Server::Postgres(pool.acquire().await?.detach())
            }
        };
        database.close().await;
        Ok(Self { server })
    }

    /// Whether the server still answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&mut self) -> Result<(), StoreError> {
        let answered = async {
            match &mut self.server {
                Server::MySql(connection) => connection.ping().await,
                Server::Postgres(connection) => connection.ping().await,
            }
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, answered).await {
            Ok(answered) => Ok(answered?),
            Err(_elapsed) => Err(StoreError::TimedOut(CONNECT_TIMEOUT.as_secs())),
        }
    }

    /// Up to where the server has a file's log; the beginning when it has nothing of it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn position(&mut self, spool: &str) -> Result<Position, StoreError> {
        let (first, found) = ("INSERT INTO mirror_positions (spool, position, mark) VALUES (?, 0, 0)", POSITION);
        match &mut self.server {
            Server::MySql(connection) => {
                let first = format!("{first} ON DUPLICATE KEY UPDATE position = position");
                sqlx::query(AssertSqlSafe(first)).bind(spool).execute(&mut *connection).await?;
                let row = sqlx::query(found).bind(spool).fetch_one(&mut *connection).await?;
                Ok(Position { number: row.try_get(0)?, mark: row.try_get(1)? })
            }
            Server::Postgres(connection) => {
                let first = numbered(&format!("{first} ON CONFLICT (spool) DO NOTHING"));
                sqlx::query(AssertSqlSafe(first)).bind(spool).execute(&mut *connection).await?;
                let row = sqlx::query(AssertSqlSafe(numbered(found))).bind(spool).fetch_one(&mut *connection).await?;
                Ok(Position { number: row.try_get(0)?, mark: row.try_get(1)? })
            }
        }
    }

    /// Begins a batch. The position's row is locked: an earlier connection that the server still serves is waited for.
    ///
    /// # Errors
    /// When the server refuses, or its position is not the expected one.
    pub async fn begin(&mut self, spool: &str, expected: Position) -> Result<(), StoreError> {
        let locked = format!("{POSITION} FOR UPDATE");
        let found = match &mut self.server {
            Server::MySql(connection) => {
                run_mysql(connection, "BEGIN").await?;
                let row = sqlx::query(AssertSqlSafe(locked)).bind(spool).fetch_one(&mut *connection).await?;
                Position { number: row.try_get(0)?, mark: row.try_get(1)? }
            }
            Server::Postgres(connection) => {
                run_postgres(connection, "BEGIN").await?;
                let locked = numbered(&locked);
                let row = sqlx::query(AssertSqlSafe(locked)).bind(spool).fetch_one(&mut *connection).await?;
                Position { number: row.try_get(0)?, mark: row.try_get(1)? }
            }
        };
        if found == expected { Ok(()) } else { Err(StoreError::Moved) }
    }

    /// Writes rows; those that are there already are replaced.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn write(&mut self, spool: &str, rows: &Rows) -> Result<(), StoreError> {
        match &mut self.server {
            Server::MySql(connection) => write_mysql(connection, spool, rows).await,
            Server::Postgres(connection) => write_postgres(connection, spool, rows).await,
        }
    }

    /// Ends the batch: rows and position are durable together.
    ///
    /// # Errors
    /// When the server refuses, or its answer is lost; then only its position says what it has.
    pub async fn commit(&mut self, spool: &str, position: Position) -> Result<(), StoreError> {
        let sql = "UPDATE mirror_positions SET position = ?, mark = ? WHERE spool = ?";
        match &mut self.server {
            Server::MySql(connection) => {
                let query = sqlx::query(sql).bind(position.number).bind(position.mark).bind(spool);
                query.execute(&mut *connection).await?;
                run_mysql(connection, "COMMIT").await
            }
            Server::Postgres(connection) => {
                let query = sqlx::query(AssertSqlSafe(numbered(sql)));
                query.bind(position.number).bind(position.mark).bind(spool).execute(&mut *connection).await?;
                run_postgres(connection, "COMMIT").await
            }
        }
    }
}

const POSITION: &str = "SELECT position, mark FROM mirror_positions WHERE spool = ?";

async fn run_mysql(connection: &mut MySqlConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::raw_sql(sql).execute(connection).await?;
    Ok(())
}

async fn run_postgres(connection: &mut PgConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::raw_sql(sql).execute(connection).await?;
    Ok(())
}

/// The columns that are written, the spool's two among them where they are the key.
fn columns(table: &Table) -> Vec<&'static str> {
    let own = table.columns.iter().map(|(name, _)| *name);
    match table.key {
        Key::Columns(_) => own.collect(),
        Key::Spool => own.chain(["spool", "spool_id"]).collect(),
    }
}

fn key(table: &Table) -> &'static [&'static str] {
    match table.key {
        Key::Columns(columns) => columns,
        Key::Spool => &["spool", "spool_id"],
    }
}

/// `column = shape(column)` for all columns that are not of the key.
fn replaced(table: &Table, shape: impl Fn(&str) -> String) -> String {
    let key = key(table);
    let rest = columns(table).into_iter().filter(|name| !key.contains(name));
    rest.map(|name| format!("{name} = {}", shape(name))).collect::<Vec<_>>().join(", ")
}

fn row_values(spool: &str, id: i64, key: Key, row: &[Value]) -> Vec<Value> {
    let mut values = row.to_vec();
    if key == Key::Spool {
        values.extend([Value::text(spool), Value::from(id)]);
    }
    values
}

fn bytes(values: &[Value]) -> usize {
    let of = |value: &Value| match value {
        Value::Integer(_) => 9,
        Value::Text(text) => text.as_ref().map_or(1, String::len),
        Value::Bytes(bytes) => bytes.as_ref().map_or(1, Vec::len),
    };
    values.iter().map(of).sum()
}

async fn write_mysql(connection: &mut MySqlConnection, spool: &str, rows: &Rows) -> Result<(), StoreError> {
    let names = columns(&rows.table);
    let places = format!("({})", vec!["?"; names.len()].join(", "));
    let head = format!("INSERT INTO {} ({}) VALUES ", rows.table.name, names.join(", "));
    let tail = format!(" ON DUPLICATE KEY UPDATE {}", replaced(&rows.table, |name| format!("VALUES({name})")));
    let mut waiting = rows.ids.iter().zip(&rows.rows).peekable();
    while waiting.peek().is_some() {
        let (mut count, mut size, mut values) = (0, 0, Vec::new());
        while count < ROWS_TOGETHER && size < BYTES_TOGETHER {
            let Some((id, row)) = waiting.next() else { break };
            let row = row_values(spool, *id, rows.table.key, row);
            (count, size) = (count + 1, size + bytes(&row));
            values.extend(row);
        }
        let sql = format!("{head}{}{tail}", vec![places.as_str(); count].join(", "));
        // Only full statements come again in this form.
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(count == ROWS_TOGETHER);
        bind!(query, values);
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn write_postgres(connection: &mut PgConnection, spool: &str, rows: &Rows) -> Result<(), StoreError> {
    let names = columns(&rows.table);
    let mut kinds: Vec<Kind> = rows.table.columns.iter().map(|(_, kind)| *kind).collect();
    if rows.table.key == Key::Spool {
        kinds.extend([Kind::Text, Kind::Integer]);
    }
    let cast = |(number, kind): (usize, &Kind)| match kind {
        Kind::Integer => format!("${number}::bigint[]"),
        Kind::Text => format!("${number}::text[]"),
        Kind::Bytes => format!("${number}::bytea[]"),
    };
    let arrays: Vec<String> = (1..).zip(&kinds).map(cast).collect();
    let sql = format!(
        "INSERT INTO {} ({}) SELECT * FROM UNNEST({}) ON CONFLICT ({}) DO UPDATE SET {}",
        rows.table.name,
        names.join(", "),
        arrays.join(", "),
        key(&rows.table).join(", "),
        replaced(&rows.table, |name| format!("EXCLUDED.{name}"))
    );
    let row = |(id, row): (&i64, &Vec<Value>)| row_values(spool, *id, rows.table.key, row);
    let all: Vec<Vec<Value>> = rows.ids.iter().zip(&rows.rows).map(row).collect();
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (at, kind) in kinds.iter().enumerate() {
        let column = all.iter().map(|row| &row[at]);
        query = match kind {
            Kind::Integer => query.bind(column.map(integer).collect::<Vec<_>>()),
            Kind::Text => query.bind(column.map(text).collect::<Vec<_>>()),
            Kind::Bytes => query.bind(column.map(binary).collect::<Vec<_>>()),
        };
    }
    query.execute(connection).await?;
    Ok(())
}

fn integer(value: &Value) -> Option<i64> {
    if let Value::Integer(value) = value { *value } else { None }
}

/// `PostgreSQL`'s text holds no NUL.
fn text(value: &Value) -> Option<String> {
    if let Value::Text(value) = value { value.as_ref().map(|text| text.replace('\0', "\u{fffd}")) } else { None }
}

fn binary(value: &Value) -> Option<Vec<u8>> {
    if let Value::Bytes(value) = value { value.clone() } else { None }
}
