//! The gateway's database: readings with their raw frames, the outbox, the chains' heads, events.
//!
//! Contract of every method that writes: durable on return, wholly or not at all, and safe to repeat after an error.
//! SQLite in WAL mode with `synchronous = FULL` keeps it. The gateway always works on this local file, so that polling,
//! protection, signing and starting wait for no network. Tables are added as `migrations/README.md` says.

mod archive;
mod changes;
pub(crate) mod database;
mod days;
mod error;
mod events;
mod journal;
mod outbox;
mod readings;
mod retention;
mod rollup;
mod row;
pub(crate) mod tables;
mod url;

pub use archive::Archive;
pub use changes::{Batch, MirrorState, Position, Rows};
use database::Database;
pub use days::Days;
pub use error::StoreError;
pub use journal::{JOURNAL_MAX, JournalRow, StoredEntry, cause_name, load_state_name};
pub use outbox::OutboxEntry;
pub use retention::{Removed, Retention};
pub use rollup::{Level, MINUTES_TOGETHER, Point, Rollup};
pub use row::StoredReading;
use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use std::ops::{Deref, DerefMut};
pub use url::DatabaseUrl;

/// Events kept: months of a noisy line. The oldest give way.
pub const EVENTS_MAX: i64 = 100_000;
/// Readings in one answer.
pub const READINGS_MAX: u32 = 10_000;
/// The gateway's own file.
#[derive(Debug, Clone)]
pub struct Store {
    archive: Archive,
    pool: SqlitePool,
}

impl Store {
    /// Opens a file by its URL (`sqlite://FILE`), makes it if there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// When the URL is of another kind, or the file cannot be opened or does not fit.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::connect(url, true).await?;
        sqlx::migrate!("./migrations/sqlite").run(&store.pool).await?;
        Ok(store)
    }

    /// Opens an existing file as it is.
    ///
    /// # Errors
    /// As [`Store::open`], and when there is none.
    pub async fn open_existing(url: &str) -> Result<Self, StoreError> {
        Self::connect(url, false).await
    }

    async fn connect(url: &str, create: bool) -> Result<Self, StoreError> {
        let url: DatabaseUrl = url.parse()?;
        match Database::connect(&url, create).await? {
            Database::Sqlite(pool) => Ok(Self { archive: Archive { database: Database::Sqlite(pool.clone()) }, pool }),
            Database::MySql(_) | Database::Postgres(_) => Err(StoreError::Url(url.to_string())),
        }
    }

    /// Closes all connections; what was written stays.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// For reading.
    #[must_use]
    pub const fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Whether the file would take rows: a transaction that writes nothing is begun and taken back.
    ///
    /// # Errors
    /// When the file refuses.
    pub async fn try_writing(&self) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
        sqlx::query("ROLLBACK").execute(&mut *connection).await?;
        Ok(())
    }

    /// A transaction of its own for whatever belongs together: the log of changes ends no batch in its midst.
    async fn begin(&self) -> Result<Writing, StoreError> {
        let mut writing = Writing { connection: self.pool.acquire().await?, is_open: true };
        // Locked from the beginning: one that reads first and writes then could be refused in its midst.
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *writing).await?;
        sqlx::query("UPDATE mirror SET transaction_number = transaction_number + 1 WHERE is_active = 1")
            .execute(&mut *writing)
            .await?;
        Ok(writing)
    }
}

/// A transaction under way. Dropped before it is committed, it takes its connection with it: after a full disk SQLite has
/// ended the transaction by itself or not, and a new connection knows.
#[derive(Debug)]
pub(crate) struct Writing {
    connection: PoolConnection<Sqlite>,
    is_open: bool,
}

impl Writing {
    async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("COMMIT").execute(&mut *self.connection).await?;
        self.is_open = false;
        Ok(())
    }
}

impl Deref for Writing {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if self.is_open {
            self.connection.close_on_drop();
        }
    }
}
