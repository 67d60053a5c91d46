//! The gateway's database: readings with their raw frames, the outbox, the chains' heads, events.
//!
//! Contract of every method that writes: durable on return, wholly or not at all, and safe to repeat after an error.
//! SQLite in WAL mode with `synchronous = FULL` keeps it. The gateway always works on this local file, so that polling,
//! protection, signing and starting wait for no network. Tables are added as `migrations/README.md` says.

mod error;
mod events;
mod journal;
mod outbox;
mod readings;
mod row;
// Used by the forwarding to a server.
#[expect(dead_code, reason = "what forwards to a server reads it")]
mod tables;

pub use error::StoreError;
pub use journal::{JOURNAL_MAX, StoredEntry, cause_name, load_state_name};
pub use outbox::OutboxEntry;
pub use row::StoredReading;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use std::str::FromStr;
use std::time::Duration;

/// Events kept: months of a noisy line. The oldest give way.
pub const EVENTS_MAX: i64 = 100_000;
/// Readings in one answer.
pub const READINGS_MAX: u32 = 10_000;
/// Connections: one writes, the others serve pages.
const CONNECTIONS_MAX: u32 = 4;
/// How long a writer waits for another before it is an error.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens a database by its URL (`sqlite://FILE`), makes it if there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// When the URL is of another kind, or the database cannot be opened or does not fit.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url, true).await?;
        sqlx::migrate!("./migrations/sqlite").run(&store.pool).await?;
        Ok(store)
    }

    /// Opens an existing database as it is.
    ///
    /// # Errors
    /// As [`Store::open`], and when there is none.
    pub async fn open_existing(url: &str) -> Result<Self, StoreError> {
        Self::connect(url, false).await
    }

    async fn connect(url: &str, create: bool) -> Result<Self, StoreError> {
        if !url.starts_with("sqlite:") {
            return Err(StoreError::Url(url.to_owned()));
        }
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await?;
        Ok(Self { pool })
    }

    /// Closes all connections; what was written stays.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
