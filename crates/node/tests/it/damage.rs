//! What a disk or a hand changed in a node's folder: the audit finds each, and names the place.

use crate::running::Running;
use node::audit::audit;
use rusqlite::Connection;
use std::fs;
use std::path::Path;

/// The audit's findings as a person reads them.
fn findings(folder: &Path) -> Vec<String> {
    match audit(folder) {
        Ok(report) => report.findings.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// Every byte with `WATTPROOF_LONG=1`; otherwise the first and last ones of each file, where its marks stand, and a
/// sample of the others.
fn places(length: usize) -> impl Iterator<Item = usize> {
    const ENDS: usize = 24;
    const STEP: usize = 61;
    let every = std::env::var_os("WATTPROOF_LONG").is_some();
    (0..length).filter(move |at| every || *at < ENDS || at + ENDS >= length || at % STEP == 0)
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_stored_ledger_is_found_and_its_place_named() {
    let running = Running::new();
    let (node, _) = running.billed();
    node.shutdown();
    let folder = running.path();
    assert_eq!(findings(folder), Vec::<String>::new());
    let mut flipped = 0;
    for log in ["blocks", "attachments", "pool", "anchors"] {
        let name = format!("{log}-00000000.seg");
        let whole = fs::read(folder.join(&name)).unwrap();
        for at in places(whole.len()) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(folder.join(&name), damaged).unwrap();
            let found = findings(folder);
            let names =
                |finding: &String| [name.as_str(), "block", "statement"].iter().any(|word| finding.contains(word));
            assert!(found.iter().any(names), "byte {at} of {name}: {found:?}");
            flipped += 1;
        }
        fs::write(folder.join(&name), whole).unwrap();
    }
    assert_eq!(findings(folder), Vec::<String>::new());
    println!("{flipped} bytes flipped, each found");
}

#[test]
fn a_changed_value_in_any_column_of_any_derived_table_is_found_and_its_row_named() {
    let running = Running::new();
    let (node, _) = running.billed();
    node.shutdown();
    let (file, kept) = (running.path().join("tables.sqlite"), running.path().join("kept"));
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE").unwrap();
    let tables = list(&connection, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1");
    let columns_of = |table: &str| list(&connection, &format!("SELECT name FROM pragma_table_info('{table}')"));
    let columns: Vec<_> = tables.iter().map(|table| (table, columns_of(table))).collect();
    drop(connection);
    fs::copy(&file, &kept).unwrap();
    for (table, columns) in &columns {
        for column in columns {
            let connection = Connection::open(&file).unwrap();
            assert_eq!(connection.execute(&change(&connection, table, column), []).unwrap(), 1, "{table}.{column}");
            drop(connection);
            let found = findings(running.path());
            // Without their key row the tables are none at all.
            let place = if *table == "meta" { "table".to_owned() } else { format!("table {table}") };
            assert!(found.iter().any(|one| one.contains(&place)), "{table}.{column}: {found:?}");
            fs::copy(&kept, &file).unwrap();
        }
    }
    assert!(columns.len() >= 6, "{columns:?}");
    assert_eq!(findings(running.path()), Vec::<String>::new());
}

/// Another value of the same type in one row.
fn change(connection: &Connection, table: &str, column: &str) -> String {
    let key = list(connection, &format!("SELECT name FROM pragma_table_info('{table}') WHERE pk > 0")).join(", ");
    format!(
        "UPDATE {table} SET {column} = CASE typeof({column}) WHEN 'integer' THEN {column} + 1000000
             WHEN 'blob' THEN zeroblob(length({column})) WHEN 'text' THEN {column} || 'x' ELSE 7 END
         WHERE ({key}) = (SELECT {key} FROM {table} LIMIT 1)"
    )
}

fn list(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}
