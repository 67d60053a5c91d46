//! Derived rows in SQLite: lists of blocks, statements, acts, sheet entries and meter intervals.
//!
//! Invariant: every row follows from the blocks; the file may be deleted at any time and is then rebuilt by replay. So
//! nothing here is synced with care, and nothing that is signed or shown as proven comes from here alone: hashes, sheets'
//! entry digests and statement ids are compared where rows are used, and [`Tables::differences`] compares every value.

mod compare;
mod intervals;
mod write;

pub use compare::{Correction, Difference};
pub use intervals::IntervalRow;

use crate::core::Committed;
use ledger::Header;
use ledger::state::Entry;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::path::Path;
use units::{AccountId, Height, LedgerId, MeterId, Month, StatementId, Timestamp};

/// Why the tables fail. They can always be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    /// SQLite refuses.
    #[error("derived tables: {0}; they can be deleted and are rebuilt on the next start")]
    Sqlite(#[from] rusqlite::Error),
    /// A row is not what it should be.
    #[error("derived tables: {0}; they do not fit the ledger, delete them and they are rebuilt on the next start")]
    Row(String),
}

/// Raised when the columns change; another number means a rebuild.
const SCHEMA_VERSION: i64 = 2;

const SCHEMA: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE blocks (
        height INTEGER PRIMARY KEY, hash BLOB NOT NULL, header BLOB NOT NULL, size_bytes INTEGER NOT NULL,
        reward_mwh INTEGER NOT NULL, beneficiary BLOB);
    CREATE TABLE statements (
        log_index INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, height INTEGER NOT NULL, position INTEGER NOT NULL,
        signer BLOB NOT NULL, issued_ms INTEGER NOT NULL, expires_ms INTEGER, size_bytes INTEGER NOT NULL);
    CREATE TABLE acts (
        log_index INTEGER NOT NULL, act_index INTEGER NOT NULL, act TEXT NOT NULL,
        PRIMARY KEY (log_index, act_index)) WITHOUT ROWID;
    CREATE TABLE entries (
        month INTEGER NOT NULL, account BLOB NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL,
        statement BLOB, act_index INTEGER, carried_from INTEGER, height INTEGER NOT NULL,
        PRIMARY KEY (month, account, number)) WITHOUT ROWID;
    CREATE TABLE intervals (
        meter TEXT NOT NULL, end_ms INTEGER NOT NULL, log_index INTEGER NOT NULL, start_ms INTEGER NOT NULL,
        binding BLOB NOT NULL, seq INTEGER NOT NULL, import_start_mwh INTEGER NOT NULL,
        import_end_mwh INTEGER NOT NULL, statement BLOB NOT NULL, count INTEGER NOT NULL, voltage_min_mv INTEGER,
        voltage_max_mv INTEGER, peak_current_ua INTEGER, peak_power_mw INTEGER,
        PRIMARY KEY (meter, end_ms, log_index)) WITHOUT ROWID;
";

/// An interval with its import counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterRow {
    /// Start.
    pub start: Timestamp,
    /// End.
    pub end: Timestamp,
    /// Counter at the start.
    pub first: units::Energy,
    /// Counter at the end.
    pub last: units::Energy,
}

/// The derived tables.
#[derive(Debug)]
pub struct Tables {
    connection: Connection,
    height: Height,
}

/// What happens to the chain that rows are derived from.
#[derive(Debug)]
pub enum Change {
    /// A block joins it.
    Derive(Box<Committed>),
    /// It goes on from this height.
    Delete {
        /// The newest block that stays.
        above: Height,
    },
}

/// A sheet entry with the block that booked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// The entry.
    pub entry: Entry,
    /// The block.
    pub height: Height,
}

/// SQLite's integers are signed; times and amounts of a ledger keep below 2^63.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn natural(value: i64) -> Result<u64, TablesError> {
    u64::try_from(value).map_err(|_| TablesError::Row(format!("{value} where no negative number can be")))
}

fn bytes32(value: &[u8]) -> Result<[u8; 32], TablesError> {
    value.try_into().map_err(|_| TablesError::Row(format!("{} bytes where an id has 32", value.len())))
}

impl Tables {
    /// Opens the tables in a file, empty ones if they are missing, of another version or of another ledger.
    ///
    /// # Errors
    /// When SQLite refuses even after the file was deleted.
    pub fn open(path: &Path, ledger: LedgerId) -> Result<Self, TablesError> {
        match Self::open_existing(Connection::open(path)?, ledger) {
            Ok(Some(tables)) => Ok(tables),
            Ok(None) | Err(_) => {
                for suffix in ["", "-wal", "-shm"] {
                    let mut file = path.as_os_str().to_owned();
                    file.push(suffix);
                    // A file that cannot be deleted makes the next lines fail.
                    drop(std::fs::remove_file(file));
                }
                Self::create(Connection::open(path)?, ledger)
            }
        }
    }

    /// Opens existing tables for reading, while a node may be writing; `None` without any.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn open_for_reading(path: &Path, ledger: LedgerId) -> Result<Option<Self>, TablesError> {
        if !path.exists() {
            return Ok(None);
        }
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(path, flags)?;
        // One snapshot for everything that is read here.
        connection.execute_batch("BEGIN")?;
        Self::with_height(connection, ledger)
    }

    /// Empty tables that vanish when closed.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn temporary(ledger: LedgerId) -> Result<Self, TablesError> {
        Self::create(Connection::open("")?, ledger)
    }

    fn create(connection: Connection, ledger: LedgerId) -> Result<Self, TablesError> {
        set_up(&connection)?;
        connection.execute_batch(SCHEMA)?;
        let put = "INSERT INTO meta (key, value) VALUES (?1, ?2)";
        connection.execute(put, params!["schema", SCHEMA_VERSION])?;
        connection.execute(put, params!["ledger", ledger.as_bytes()])?;
        connection.execute(put, params!["height", 0])?;
        Ok(Self { connection, height: Height::GENESIS })
    }

    fn open_existing(connection: Connection, ledger: LedgerId) -> Result<Option<Self>, TablesError> {
        set_up(&connection)?;
        Self::with_height(connection, ledger)
    }

    fn with_height(connection: Connection, ledger: LedgerId) -> Result<Option<Self>, TablesError> {
        let schema: i64 = meta(&connection, "schema")?;
        let stored: Vec<u8> = meta(&connection, "ledger")?;
        let height = Height::from_number(natural(meta(&connection, "height")?)?);
        let fits = schema == SCHEMA_VERSION && stored == ledger.as_bytes();
        Ok(fits.then_some(Self { connection, height }))
    }

    /// Removes all rows.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn clear(&mut self) -> Result<(), TablesError> {
        self.connection.execute_batch(
            "BEGIN; DELETE FROM blocks; DELETE FROM statements; DELETE FROM acts; DELETE FROM entries;
             DELETE FROM intervals; UPDATE meta SET value = 0 WHERE key = 'height'; COMMIT",
        )?;
        self.height = Height::GENESIS;
        Ok(())
    }

    /// The newest block that rows are derived from.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.height
    }

    /// Derives and deletes the rows of blocks in order, in one transaction. Blocks up to [`Tables::height`] are skipped.
    ///
    /// # Errors
    /// When SQLite refuses, or a block is missing before one; the tables are then as they were.
    pub fn change(&mut self, changes: &[Change]) -> Result<(), TablesError> {
        let mut height = self.height;
        let transaction = self.connection.transaction()?;
        for change in changes {
            match change {
                Change::Delete { above } if *above < height => {
                    write::delete_above(&transaction, *above)?;
                    height = *above;
                }
                Change::Derive(committed) if committed.block.header().height > height => {
                    let of_block = committed.block.header().height;
                    if of_block != height.next() {
                        return Err(TablesError::Row(format!("rows of block {} are missing", height.next())));
                    }
                    write::block(&transaction, committed)?;
                    height = of_block;
                }
                Change::Delete { .. } | Change::Derive(_) => {}
            }
        }
        transaction.execute("UPDATE meta SET value = ?1 WHERE key = 'height'", [integer(height.number())])?;
        transaction.commit()?;
        self.height = height;
        Ok(())
    }

    /// Header and wire size of a block.
    ///
    /// # Errors
    /// When SQLite refuses or the row is malformed.
    pub fn header(&self, height: Height) -> Result<Option<(Header, u64)>, TablesError> {
        let query = "SELECT header, size_bytes FROM blocks WHERE height = ?1";
        let mut statement = self.connection.prepare_cached(query)?;
        let row = statement.query_row([integer(height.number())], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)));
        let Some((bytes, size)) = row.optional()? else { return Ok(None) };
        let header = <&[u8; Header::BYTES]>::try_from(bytes.as_slice());
        let header = header.map_err(|_| TablesError::Row(format!("the header of block {height}")))?;
        Ok(Some((Header::from_bytes(header), natural(size)?)))
    }

    /// Reward paid by a block, and to whom.
    ///
    /// # Errors
    /// When SQLite refuses or the row is malformed.
    pub fn reward(&self, height: Height) -> Result<Option<(AccountId, units::Energy)>, TablesError> {
        let query = "SELECT beneficiary, reward_mwh FROM blocks WHERE height = ?1";
        let mut statement = self.connection.prepare_cached(query)?;
        let row = statement.query_row([integer(height.number())], |row| {
            Ok((row.get::<_, Option<Vec<u8>>>(0)?, row.get::<_, i64>(1)?))
        });
        let Some((Some(account), reward)) = row.optional()? else { return Ok(None) };
        Ok(Some((AccountId::from_bytes(bytes32(&account)?), units::Energy::from_mwh(natural(reward)?))))
    }

    /// What moved a sheet, in order.
    ///
    /// # Errors
    /// When SQLite refuses or a row is malformed.
    pub fn entries(&self, month: Month, account: &AccountId) -> Result<Vec<EntryRow>, TablesError> {
        let query = "SELECT kind, statement, act_index, carried_from, height FROM entries
                     WHERE month = ?1 AND account = ?2 ORDER BY number";
        let mut statement = self.connection.prepare_cached(query)?;
        let mut rows = statement.query(params![month.index(), account.as_bytes()])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            let height = Height::from_number(natural(row.get(4)?)?);
            let kind: String = row.get(0)?;
            let entry = match kind.as_str() {
                "act" => Entry::Act(StatementId::from_bytes(bytes32(&row.get::<_, Vec<u8>>(1)?)?), row.get(2)?),
                "reward" => Entry::Reward(height),
                "carried" => Entry::Carried(month_of(row.get(3)?)?),
                other => return Err(TablesError::Row(format!("a sheet entry of kind `{other}`"))),
            };
            entries.push(EntryRow { entry, height });
        }
        Ok(entries)
    }

    /// A meter's intervals within a span, oldest first, with the counters at their ends, at most `limit`.
    ///
    /// # Errors
    /// When SQLite refuses or a row is malformed.
    pub fn counters(
        &self,
        meter: &MeterId,
        (from, until): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<CounterRow>, TablesError> {
        let query = "SELECT start_ms, end_ms, import_start_mwh, import_end_mwh FROM intervals
                     WHERE meter = ?1 AND end_ms > ?2 AND start_ms < ?3 ORDER BY end_ms, log_index LIMIT ?4";
        let mut statement = self.connection.prepare_cached(query)?;
        let (from, until) = (integer(from.ms()), integer(until.ms()));
        let mut rows = statement.query(params![meter.as_str(), from, until, limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let time = |at| Ok::<_, TablesError>(Timestamp::from_ms(natural(row.get(at)?)?));
            let energy = |at| Ok::<_, TablesError>(units::Energy::from_mwh(natural(row.get(at)?)?));
            found.push(CounterRow { start: time(0)?, end: time(1)?, first: energy(2)?, last: energy(3)? });
        }
        Ok(found)
    }

    /// Statements with a meter's intervals that overlap a span, oldest first, at most `limit`.
    ///
    /// # Errors
    /// When SQLite refuses or a row is malformed.
    pub fn intervals(
        &self,
        meter: &MeterId,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<StatementId>, TablesError> {
        let query = "SELECT statement FROM intervals WHERE meter = ?1 AND end_ms > ?2 AND start_ms < ?3
                     ORDER BY end_ms, log_index LIMIT ?4";
        let mut statement = self.connection.prepare_cached(query)?;
        let (from, until) = (integer(from.ms()), integer(until.ms()));
        let mut rows = statement.query(params![meter.as_str(), from, until, limit])?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            ids.push(StatementId::from_bytes(bytes32(&row.get::<_, Vec<u8>>(0)?)?));
        }
        Ok(ids)
    }
}

/// Rows are derived, so a power cut may take the last ones: no syncing. A reader never waits for the writer.
fn set_up(connection: &Connection) -> Result<(), TablesError> {
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")?;
    Ok(())
}

fn meta<T: rusqlite::types::FromSql>(connection: &Connection, key: &str) -> Result<T, TablesError> {
    Ok(connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))?)
}

/// A month from its index.
fn month_of(index: u32) -> Result<Month, TablesError> {
    Month::new(index / 12, index % 12 + 1).ok_or_else(|| TablesError::Row(format!("{index} is no month")))
}
