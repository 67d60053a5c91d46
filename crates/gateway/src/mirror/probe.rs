//! What a database server would let a gateway do, tried without leaving anything there: before a gateway is started, its
//! operator wants to know whether its readings will arrive.

use super::link::{MYSQL_TABLES, POSTGRES_TABLES};
use crate::store::database::{CONNECT_TIMEOUT, Database};
use crate::store::tables::TABLES;
use crate::store::{DatabaseUrl, StoreError};
use sqlx::mysql::MySqlPool;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Connection as _};

/// The table that is made to see whether tables can be made, and taken away again.
const PROBE: &str = "wattproof_check";

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Its name and version, in its own words.
    pub version: String,
    /// Whether the gateway's tables are there as this program wants them.
    pub has_tables: bool,
}

/// Why a server cannot take a gateway's readings.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It is not reached, or does not let the user in.
    #[error(transparent)]
    Server(#[from] StoreError),
    /// It has no room for what is no server.
    #[error("{0} is a file and no server")]
    NoServer(String),
    /// It refuses what the gateway will do.
    #[error("{place}: this user may not {what}: {reason}; {remedy}")]
    Refused {
        /// The server, without its password.
        place: String,
        /// What was tried.
        what: String,
        /// What it said.
        reason: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A newer program has made its tables.
    #[error("{place}: its tables are of a newer program (number {found}, this one knows {known}); update this program")]
    Newer {
        /// The server, without its password.
        place: String,
        /// The newest change of its tables.
        found: i64,
        /// The newest one that this program knows.
        known: i64,
    },
}

/// Connects, and tries what the gateway does there: to make tables where they are missing, and to write where they are not.
/// A table of the check's own is taken away again; no row is written to another one.
///
/// # Errors
/// When the server is away, or refuses something.
pub async fn probe(url: &DatabaseUrl) -> Result<Probed, ProbeError> {
    let late = |_elapsed| StoreError::TimedOut(CONNECT_TIMEOUT.as_secs());
    let opened = tokio::time::timeout(CONNECT_TIMEOUT, Database::connect(url, false));
    let database = opened.await.map_err(late)??;
    let tried = Probe { database: &database, place: url.to_string() }.run().await;
    database.close().await;
    tried
}

struct Probe<'a> {
    database: &'a Database,
    place: String,
}

impl Probe<'_> {
    async fn run(&self) -> Result<Probed, ProbeError> {
        let (version, known, found) = match self.database {
            Database::Sqlite(_) => return Err(ProbeError::NoServer(self.place.clone())),
            Database::MySql(pool) => (mysql_version(pool).await, &MYSQL_TABLES, mysql_newest(pool).await),
            Database::Postgres(pool) => (postgres_version(pool).await, &POSTGRES_TABLES, postgres_newest(pool).await),
        };
        let (version, found) = (version.map_err(StoreError::from)?, found.map_err(StoreError::from)?);
        let known = known.iter().map(|change| change.version).max().unwrap_or_default();
        if let Some(found) = found.filter(|found| *found > known) {
            return Err(ProbeError::Newer { place: self.place.clone(), found, known });
        }
        if found != Some(known) {
            self.make_a_table().await?;
        }
        if found.is_some() {
            self.write_no_row().await?;
        }
        Ok(Probed { version, has_tables: found == Some(known) })
    }

    /// A table of the check's own. `PostgreSQL` takes the whole of it back with its transaction.
    async fn make_a_table(&self) -> Result<(), ProbeError> {
        let make = ("make tables", format!("CREATE TABLE IF NOT EXISTS {PROBE} (id BIGINT PRIMARY KEY)"));
        let write = ("write rows", format!("INSERT INTO {PROBE} (id) VALUES (1)"));
        let tries = match self.database {
            Database::Postgres(_) => vec![
                ("begin a transaction", "BEGIN".to_owned()),
                make,
                write,
                ("take a transaction back", "ROLLBACK".to_owned()),
            ],
            Database::MySql(_) | Database::Sqlite(_) => vec![
                make,
                ("begin a transaction", "BEGIN".to_owned()),
                write,
                ("change rows", format!("UPDATE {PROBE} SET id = 2 WHERE id = 1")),
                ("delete rows", format!("DELETE FROM {PROBE} WHERE id = 2")),
                ("take a transaction back", "ROLLBACK".to_owned()),
                ("take tables away again", format!("DROP TABLE IF EXISTS {PROBE}")),
            ],
        };
        self.attempt(&tries).await
    }

    /// Statements that concern no row: the server looks at the rights all the same.
    async fn write_no_row(&self) -> Result<(), ProbeError> {
        let known = TABLES.iter().filter_map(|table| Some((table.name, table.columns.first()?.0)));
        let mut tries = Vec::new();
        for (table, column) in known.chain([("mirror_positions", "spool"), ("thinned", "meter")]) {
            tries.push(("write rows", format!("INSERT INTO {table} SELECT * FROM {table} WHERE 1 = 0")));
            tries.push(("change rows", format!("UPDATE {table} SET {column} = {column} WHERE 1 = 0")));
            tries.push(("delete rows", format!("DELETE FROM {table} WHERE 1 = 0")));
        }
        self.attempt(&tries).await
    }

    /// One after the other over one connection, which is closed behind them: what it had begun is taken back with it.
    async fn attempt(&self, tries: &[(&str, String)]) -> Result<(), ProbeError> {
        match self.database {
            Database::Sqlite(_) => Ok(()),
            Database::MySql(pool) => {
                let mut connection = pool.acquire().await.map_err(StoreError::from)?.detach();
                for (what, sql) in tries {
                    let done = sqlx::raw_sql(AssertSqlSafe(sql.as_str())).execute(&mut connection).await;
                    done.map_err(|error| self.refused(what, &error))?;
                }
                Ok(connection.close().await.map_err(StoreError::from)?)
            }
            Database::Postgres(pool) => {
                let mut connection = pool.acquire().await.map_err(StoreError::from)?.detach();
                for (what, sql) in tries {
                    let done = sqlx::raw_sql(AssertSqlSafe(sql.as_str())).execute(&mut connection).await;
                    done.map_err(|error| self.refused(what, &error))?;
                }
                Ok(connection.close().await.map_err(StoreError::from)?)
            }
        }
    }

    fn refused(&self, what: &str, error: &sqlx::Error) -> ProbeError {
        let sqlx::Error::Database(said) = error else {
            return ProbeError::Server(StoreError::Connect { place: self.place.clone(), reason: error.to_string() });
        };
        let reason = said.message().to_owned();
        let is_read_only = ["read-only", "read only"].iter().any(|words| reason.contains(words));
        let remedy = match (is_read_only, self.database) {
            (true, _) => "it takes no writes at the moment: is it a standby, or is its disk full?",
            (false, Database::Postgres(_)) => {
                "as its administrator: ALTER DATABASE the database OWNER TO this user, or give it the tables"
            }
            (false, _) => "as its administrator: GRANT ALL ON the database.* TO this user",
        };
        ProbeError::Refused { place: self.place.clone(), what: what.to_owned(), reason, remedy }
    }
}

async fn mysql_version(pool: &MySqlPool) -> Result<String, sqlx::Error> {
    let version: String = sqlx::query_scalar("SELECT version()").fetch_one(pool).await?;
    Ok(if version.contains("MariaDB") { version } else { format!("MySQL {version}") })
}

async fn postgres_version(pool: &PgPool) -> Result<String, sqlx::Error> {
    let version: String = sqlx::query_scalar("SELECT current_setting('server_version')").fetch_one(pool).await?;
    Ok(format!("PostgreSQL {version}"))
}

/// The newest change of the tables that was carried out; `None` where there are none.
async fn mysql_newest(pool: &MySqlPool) -> Result<Option<i64>, sqlx::Error> {
    let there = "SELECT count(*) FROM information_schema.tables \
                 WHERE table_schema = database() AND table_name = '_sqlx_migrations'";
    let there: i64 = sqlx::query_scalar(there).fetch_one(pool).await?;
    if there == 0 {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(pool).await
}

async fn postgres_newest(pool: &PgPool) -> Result<Option<i64>, sqlx::Error> {
    let there: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_tables WHERE tablename = '_sqlx_migrations' AND schemaname = current_schema()",
    )
    .fetch_one(pool)
    .await?;
    if there == 0 {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(pool).await
}
