//! The tables as data against what each of the three databases says of its own: a column that is in one migration and not in
//! another would be lost on its way, or stop the forwarding.

#[path = "../../../tests/it/servers.rs"]
mod servers;

use super::{Key, Kind, TABLES, Table};
use crate::mirror::Link;
use crate::store::Store;
use servers::Server;
use sqlx::AssertSqlSafe;
use std::collections::{BTreeMap, BTreeSet};

/// Tables of the local file that stay there.
const OF_THE_FILE: &[&str] = &["changes", "load_locks", "mirror", "rollups_due", "thinned"];
/// Tables of a server that are not forwarded.
const OF_A_SERVER: &[&str] = &["mirror_positions", "thinned"];

/// What a database says of one of its tables.
#[derive(Debug, Default, PartialEq, Eq)]
struct Described {
    columns: Vec<(String, Kind)>,
    /// The columns of each unique index but the row's number.
    unique: BTreeSet<String>,
}

type Catalogue = BTreeMap<String, Described>;

fn kind(name: &str) -> Kind {
    match name.to_lowercase().as_str() {
        "bigint" | "integer" => Kind::Integer,
        "text" | "longtext" | "varchar" => Kind::Text,
        "blob" | "longblob" | "bytea" => Kind::Bytes,
        other => panic!("a column of the kind {other}"),
    }
}

/// Out of lines `table|column|kind` in the order of the columns, and `table|columns of a unique index`.
fn catalogue(columns: &str, unique: &str) -> Catalogue {
    let mut found = Catalogue::new();
    for line in columns.lines() {
        let [table, column, of] = line.split(['|', '\t']).collect::<Vec<_>>()[..] else { panic!("{line}") };
        found.entry(table.to_owned()).or_default().columns.push((column.to_owned(), kind(of)));
    }
    for line in unique.lines() {
        let (table, columns) = line.split_once(['|', '\t']).unwrap();
        found.entry(table.to_owned()).or_default().unique.insert(columns.to_owned());
    }
    // The driver's own note of what was migrated.
    found.remove("_sqlx_migrations");
    found
}

async fn of_the_file() -> Catalogue {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("gateway.db").display());
    let store = Store::open(&url).await.unwrap();
    let ask = async |sql: &'static str| {
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&store.pool).await.unwrap();
        rows.join("\n")
    };
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
                  AND name <> '_sqlx_migrations' ORDER BY name";
    let (mut columns, mut unique) = (String::new(), String::new());
    for table in ask(tables).await.lines() {
        let column = format!("SELECT '{table}|' || name || '|' || type FROM pragma_table_info('{table}') ORDER BY cid");
        let index = format!(
            "SELECT '{table}|' || (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(list.name) \
             ORDER BY seqno)) FROM pragma_index_list('{table}') list WHERE \"unique\" = 1"
        );
        for (sql, lines) in [(column, &mut columns), (index, &mut unique)] {
            let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&store.pool).await.unwrap();
            rows.iter().for_each(|row| *lines += &format!("{row}\n"));
        }
    }
    store.close().await;
    catalogue(&columns, &unique)
}

async fn of_a_server(kind: servers::Kind) -> Catalogue {
    let server = Server::start(kind);
    let (name, url) = server.database();
    drop(Link::connect(&url.parse().unwrap()).await.unwrap());
    let (schema, unique) = match kind {
        servers::Kind::MariaDb => (
            "database()",
            "SELECT table_name, group_concat(column_name ORDER BY seq_in_index) FROM information_schema.statistics \
             WHERE table_schema = database() AND non_unique = 0 AND index_name <> 'PRIMARY' \
             GROUP BY table_name, index_name",
        ),
        servers::Kind::Postgres => (
            "current_schema()",
            "SELECT c.relname, string_agg(a.attname, ',' ORDER BY k.place) FROM pg_index i \
             JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(number, place) \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number \
             WHERE n.nspname = 'public' AND i.indisunique AND NOT i.indisprimary GROUP BY c.relname, i.indexrelid",
        ),
    };
    let columns = format!(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = {schema} \
         AND table_name <> '_sqlx_migrations' ORDER BY table_name, ordinal_position"
    );
    let ask = |sql: &str| server.client_of(Some(&name), sql).unwrap();
    catalogue(&ask(&columns), &ask(unique))
}

/// What a database should say of a table.
fn expected(table: &Table, is_server: bool) -> (Vec<(String, Kind)>, Option<String>) {
    let mut columns = vec![("id".to_owned(), Kind::Integer)];
    columns.extend(table.columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)));
    let key = match table.key {
        Key::Columns(key) => Some(key.join(",")),
        Key::Spool if is_server => {
            columns.extend([("spool".to_owned(), Kind::Text), ("spool_id".to_owned(), Kind::Integer)]);
            Some("spool,spool_id".to_owned())
        }
        Key::Spool => None,
    };
    (columns, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_as_data_are_what_all_three_databases_say_they_have() {
    for (name, found, others) in [
        ("SQLite", of_the_file().await, OF_THE_FILE),
        ("MariaDB", of_a_server(servers::Kind::MariaDb).await, OF_A_SERVER),
        ("PostgreSQL", of_a_server(servers::Kind::Postgres).await, OF_A_SERVER),
    ] {
        for table in TABLES {
            let (columns, key) = expected(table, name != "SQLite");
            let described = found.get(table.name).unwrap_or_else(|| panic!("{name} has no table {}", table.name));
            assert_eq!(described.columns, columns, "{name}: table {}", table.name);
            if let Some(key) = key {
                assert!(described.unique.contains(&key), "{name}: table {}: {:?}", table.name, described.unique);
            }
        }
        let known: BTreeSet<&str> = TABLES.iter().map(|table| table.name).chain(others.iter().copied()).collect();
        let there: BTreeSet<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(there, known, "{name}: every table is forwarded, or named here as one that is not");
    }
}
