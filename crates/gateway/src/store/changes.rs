//! The log of changes: which rows of the local file are still to be forwarded to a server, in which order.
//!
//! Triggers write it in the transaction of the change, whoever makes the change. An entry names a row, not its values: a
//! batch takes the rows as they are now, in one snapshot, so that forwarding a batch twice gives the same as once, and a
//! row that changed often is sent once. A batch ends where a transaction ends.

use super::database::{Columns, Value, found_in_file};
use super::row::integer;
use super::tables::{TABLES, Table};
use super::{Store, StoreError};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row as _};
use units::Timestamp;

/// Where in the log something stands: an entry's number and its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The entry's number.
    pub number: i64,
    /// Its mark: another in a copy of the file.
    pub mark: i64,
}

/// Rows of one table, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    pub(crate) table: Table,
    /// The rows' ids in the local file.
    pub(crate) ids: Vec<i64>,
    /// Each row's values, in the order of the table's columns.
    pub(crate) rows: Vec<Vec<Value>>,
}

/// What is forwarded in one transaction of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Where it ends.
    pub end: Position,
    /// Rows by table.
    pub rows: Vec<Rows>,
}

impl Batch {
    /// How many rows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows.iter().map(|rows| rows.rows.len()).sum()
    }
}

/// How the local file stands to the server that it is forwarded to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorState {
    /// The file's identity.
    pub spool: String,
    /// Up to where the server has it.
    pub position: Position,
}

impl Store {
    /// Begins to log changes. What is there already is logged first, so that a server gets all of it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn log_changes(&self) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        if is_active(&mut transaction).await? {
            // A newer version may have brought a table.
            make_triggers(&mut transaction).await?;
        } else {
            run(&mut transaction, "UPDATE mirror SET is_active = 1").await?;
            make_triggers(&mut transaction).await?;
            log_everything(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Logs no more changes and forgets those that were not forwarded: there is no server.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn log_no_changes(&self) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        if is_active(&mut transaction).await? {
            for table in TABLES {
                for change in CHANGES {
                    let sql = format!("DROP TRIGGER IF EXISTS {}_{}", table.name, change.to_lowercase());
                    run(&mut transaction, &sql).await?;
                }
            }
            run(&mut transaction, "DELETE FROM changes").await?;
            run(&mut transaction, "UPDATE mirror SET is_active = 0").await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Identity and position.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn mirror_state(&self) -> Result<MirrorState, StoreError> {
        let row = sqlx::query("SELECT spool, position, mark FROM mirror").fetch_one(&self.pool).await?;
        let position = Position { number: row.try_get("position")?, mark: row.try_get("mark")? };
        Ok(MirrorState { spool: row.try_get("spool")?, position })
    }

    /// Changes that wait.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn changes_waiting(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM changes").fetch_one(&self.pool).await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Whether the log has an entry of this number and mark.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn has_entry(&self, position: Position) -> Result<bool, StoreError> {
        let found: Option<i64> = sqlx::query_scalar("SELECT id FROM changes WHERE id = ? AND mark = ?")
            .bind(position.number)
            .bind(position.mark)
            .fetch_optional(&self.pool)
            .await?;
        Ok(found.is_some())
    }

    /// The oldest changes after a position, at least as many as said if there are, up to the end of a transaction; `None`
    /// without any.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn batch_after(&self, position: Position, entries: usize) -> Result<Option<Batch>, StoreError> {
        // One snapshot for the log and the rows that it names.
        let mut snapshot = self.pool.begin().await?;
        let last: Option<i64> = sqlx::query_scalar(
            "SELECT transaction_number FROM \
             (SELECT id, transaction_number FROM changes WHERE id > ? ORDER BY id LIMIT ?) ORDER BY id DESC LIMIT 1",
        )
        .bind(position.number)
        .bind(i64::try_from(entries).unwrap_or(i64::MAX))
        .fetch_optional(&mut *snapshot)
        .await?;
        let Some(last) = last else { return Ok(None) };
        let end = sqlx::query("SELECT id, mark FROM changes WHERE transaction_number = ? ORDER BY id DESC LIMIT 1")
            .bind(last)
            .fetch_one(&mut *snapshot)
            .await?;
        let end = Position { number: end.try_get("id")?, mark: end.try_get("mark")? };
        let mut rows = Vec::new();
        for table in TABLES {
            let found = changed_rows(&mut snapshot, *table, position.number, end.number).await?;
            if !found.rows.is_empty() {
                rows.push(found);
            }
        }
        Ok(Some(Batch { end, rows }))
    }

    /// The server has everything up to here.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forwarded(&self, position: Position) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM changes WHERE id <= ?").bind(position.number).execute(&mut *transaction).await?;
        sqlx::query("UPDATE mirror SET position = ?, mark = ?")
            .bind(position.number)
            .bind(position.mark)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Server and file do not belong together: everything that the file holds is logged again.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn log_everything_again(&self) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        log_everything(&mut transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Gives the oldest readings up that wait for the server, down to a bound: only such as are final, so that the ledger
    /// has them. Gives how many, and of which time the oldest and newest are.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn give_up_waiting(&self, rows_max: u64) -> Result<Option<(u64, Timestamp, Timestamp)>, StoreError> {
        let waiting = self.changes_waiting().await?;
        let Some(excess) = waiting.checked_sub(rows_max).filter(|excess| *excess > 0) else { return Ok(None) };
        let mut transaction = self.begin().await?;
        let doomed = "SELECT readings.id FROM readings WHERE id IN (SELECT row_id FROM changes WHERE table_name = 'readings') \
                      AND EXISTS (SELECT 1 FROM outbox WHERE outbox.statement = readings.statement AND state = 'final') \
                      AND time_ms < (SELECT max(time_ms) FROM readings newest WHERE newest.meter = readings.meter) \
                      ORDER BY time_ms LIMIT ?";
        run(&mut transaction, "CREATE TEMP TABLE IF NOT EXISTS doomed (id INTEGER PRIMARY KEY)").await?;
        run(&mut transaction, "DELETE FROM doomed").await?;
        sqlx::query(AssertSqlSafe(format!("INSERT INTO doomed {doomed}")))
            .bind(integer(excess))
            .execute(&mut *transaction)
            .await?;
        let span = sqlx::query(
            "SELECT count(*), min(time_ms), max(time_ms) FROM readings WHERE id IN (SELECT id FROM doomed)",
        )
        .fetch_one(&mut *transaction)
        .await?;
        let (count, from, until): (i64, Option<i64>, Option<i64>) =
            (span.try_get(0)?, span.try_get(1)?, span.try_get(2)?);
        run(
            &mut transaction,
            "DELETE FROM changes WHERE table_name = 'readings' AND row_id IN (SELECT id FROM doomed)",
        )
        .await?;
        run(&mut transaction, "DELETE FROM readings WHERE id IN (SELECT id FROM doomed)").await?;
        transaction.commit().await?;
        let time = |ms: Option<i64>| Timestamp::from_ms(u64::try_from(ms.unwrap_or_default()).unwrap_or_default());
        Ok((count > 0).then(|| (u64::try_from(count).unwrap_or_default(), time(from), time(until))))
    }
}

/// What a trigger is made for. Rows that are removed stay on the server, which has its own retention.
const CHANGES: [&str; 2] = ["INSERT", "UPDATE"];

async fn is_active(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let active: i64 = sqlx::query_scalar("SELECT is_active FROM mirror").fetch_one(connection).await?;
    Ok(active != 0)
}

async fn make_triggers(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    for table in TABLES {
        for change in CHANGES {
            let name = format!("{}_{}", table.name, change.to_lowercase());
            let sql = format!(
                "CREATE TRIGGER IF NOT EXISTS {name} AFTER {change} ON {table} BEGIN \
                 INSERT INTO changes (table_name, row_id, transaction_number) \
                 VALUES ('{table}', NEW.id, (SELECT transaction_number FROM mirror)); END",
                table = table.name
            );
            run(connection, &sql).await?;
        }
    }
    Ok(())
}

/// Rows logged as one transaction when everything is: the server takes them bit by bit.
const TOGETHER: i64 = 1_000;

async fn log_everything(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    for table in TABLES {
        let sql = format!(
            "INSERT INTO changes (table_name, row_id, transaction_number) SELECT '{table}', id, \
             (SELECT transaction_number FROM mirror) + (row_number() OVER (ORDER BY id)) / {TOGETHER} \
             FROM {table} ORDER BY id",
            table = table.name
        );
        run(connection, &sql).await?;
        run(
            connection,
            "UPDATE mirror SET transaction_number = \
             1 + max(transaction_number, coalesce((SELECT max(transaction_number) FROM changes), 0))",
        )
        .await?;
    }
    Ok(())
}

/// Rows that entries of the log name, after one number and up to another.
async fn changed_rows(
    connection: &mut SqliteConnection,
    table: Table,
    after: i64,
    until: i64,
) -> Result<Rows, StoreError> {
    let of: Columns = table.of();
    let sql = of.select(
        "WHERE id IN (SELECT row_id FROM changes WHERE table_name = ? AND changes.id > ? AND changes.id <= ?) ORDER BY id",
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(table.name).bind(after).bind(until).fetch_all(connection).await?;
    let mut changed = Rows { table, ids: Vec::with_capacity(rows.len()), rows: Vec::with_capacity(rows.len()) };
    for row in rows {
        let found = found_in_file(&row, of)?;
        changed.ids.push(found.id);
        changed.rows.push(found.values);
    }
    Ok(changed)
}

async fn run(connection: &mut SqliteConnection, sql: &str) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(connection).await?;
    Ok(())
}
