//! What a gateway's database promises, held for SQLite, MariaDB and PostgreSQL by the same cases: on a server everything
//! arrives through the forwarding, as it does in life.

use crate::community::{FakeNode, member, minute};
use crate::servers::{self, PASSWORD, PASSWORD_IN_URL};
use crate::world::{BAUD, POLL, World, folder, meter_id, settings_of, simulated, url};
use gateway::core::{Event, Happening, Input, Order, ReadingRow};
use gateway::mirror::{Forwarding, Link};
use gateway::store::{Position, StoredReading};
use gateway::{Archive, DatabaseUrl, Store, StoreError, audit};
use ledger::attachment::{Exchange, Frame};
use meter::SimulatedBus;
use std::sync::Arc;
use tempfile::TempDir;
use units::{Energy, Key, Quantity, Reading, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    MariaDb,
    Postgres,
}

pub(crate) const BACKENDS: [Backend; 3] = [Backend::Sqlite, Backend::MariaDb, Backend::Postgres];

impl Backend {
    fn server(self) -> Option<&'static servers::Server> {
        match self {
            Self::Sqlite => None,
            Self::MariaDb => Some(servers::shared(servers::Kind::MariaDb)),
            Self::Postgres => Some(servers::shared(servers::Kind::Postgres)),
        }
    }
}

/// A local file, and the database that is read: the file itself or the server that it is forwarded to.
pub(crate) struct Bench {
    backend: Backend,
    pub(crate) store: Store,
    folder: TempDir,
    /// The database's name on the server.
    name: String,
    /// The URL of what is read.
    url: String,
}

impl Bench {
    pub(crate) async fn new(backend: Backend) -> Self {
        let folder = folder();
        let store = Store::open(&url(&folder)).await.unwrap();
        let (name, read) = match backend.server() {
            Some(server) => server.database(),
            None => (String::new(), url(&folder)),
        };
        let bench = Self { backend, store, folder, name, url: read };
        if backend.server().is_some() {
            bench.store.log_changes().await.unwrap();
        }
        bench
    }

    pub(crate) fn server_url(&self) -> DatabaseUrl {
        self.url.parse().unwrap()
    }

    /// Everything that waits goes to the server.
    pub(crate) async fn forward_all(&self) {
        if self.backend == Backend::Sqlite {
            return;
        }
        let mut link = Link::connect(&self.server_url()).await.unwrap();
        let spool = self.store.mirror_state().await.unwrap().spool;
        let position = link.position(&spool).await.unwrap();
        let mut forwarding = Forwarding::new(spool, position);
        while forwarding.forward(&self.store, &mut link).await.unwrap() {}
    }

    pub(crate) async fn read(&self) -> Archive {
        self.forward_all().await;
        Archive::open(&self.url).await.unwrap()
    }

    /// Changes the local file.
    pub(crate) async fn by_hand_in_file(&self, sql: &'static str) {
        let pool = sqlx::SqlitePool::connect(&url(&self.folder)).await.unwrap();
        sqlx::query(sql).execute(&pool).await.unwrap();
        pool.close().await;
    }

    /// Changes the database behind the program's back.
    pub(crate) async fn by_hand(&self, sql: &'static str) {
        match self.backend.server() {
            Some(server) => {
                server.client_of(Some(&self.name), sql).unwrap();
            }
            None => self.by_hand_in_file(sql).await,
        }
    }

    async fn rows(&self) -> Vec<StoredReading> {
        let archive = self.read().await;
        let rows = archive.readings(&meter_id("A-1"), minute(0), Timestamp::from_ms(u64::MAX), 10_000).await.unwrap();
        archive.close().await;
        rows
    }
}

pub(crate) fn row(meter: &str, time: Timestamp, reading: Reading) -> ReadingRow {
    let exchanges = vec![Exchange { request: vec![1, 2, 0], response: (0..=255).collect() }];
    let frame = Arc::new(Frame { time, exchanges });
    let profile = "im1281b".to_owned();
    ReadingRow { meter: meter_id(meter), member: member(), operator: member(), profile, time, reading, frame }
}

fn plain(minutes: u64) -> ReadingRow {
    let mut reading = Reading::new();
    reading.insert(Quantity::EnergyImport, i64::try_from(minutes).unwrap());
    row("A-1", minute(minutes), reading)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_comes_back_as_it_was_written_however_unusual() {
    for backend in BACKENDS {
        let bench = Bench::new(backend).await;
        let key = |name: &str| name.parse::<Key>().unwrap();
        let mut full = Reading::new();
        for (at, quantity) in (0..).zip(Quantity::ALL) {
            full.insert(quantity, if at % 2 == 0 { i64::MAX } else { i64::MIN });
        }
        full.insert(key("voltage_mv_l1"), i64::MIN);
        full.insert(key("active_power_mw_ch2"), -1);
        let mut odd = row("A-1", minute(2), full.clone());
        odd.profile = "\u{96fb}\u{8868}'\"\\%_;--\u{1f50c}\n?$1".to_owned();
        let written = [
            row("A-1", minute(1), Reading::new()),
            odd,
            row("A-1", Timestamp::from_ms(9_223_372_036_854_775_806), full),
        ];
        for row in &written {
            bench.store.store_reading(row).await.unwrap();
        }
        let found: Vec<ReadingRow> = bench.rows().await.into_iter().map(|stored| stored.row).collect();
        assert_eq!(found, written, "{backend:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_stored_or_forwarded_twice_is_there_once_in_order_and_within_limits() {
    for backend in BACKENDS {
        let bench = Bench::new(backend).await;
        for minutes in [3, 1, 2, 3, 1] {
            bench.store.store_reading(&plain(minutes)).await.unwrap();
        }
        bench.store.store_reading(&row("a-1", minute(1), Reading::new())).await.unwrap();
        let archive = bench.read().await;
        bench.store.log_everything_again().await.unwrap();
        bench.forward_all().await;
        let minutes = async |from, until, limit| {
            let rows = archive.readings(&meter_id("A-1"), minute(from), minute(until), limit).await.unwrap();
            rows.iter().map(|row| row.row.reading.energy_import().unwrap().mwh()).collect::<Vec<_>>()
        };
        assert_eq!(minutes(0, 100, 10).await, [1, 2, 3], "{backend:?}");
        assert_eq!(minutes(1, 3, 10).await, [1, 2], "{backend:?}: from is in it, until is not");
        assert_eq!(minutes(0, 100, 2).await, [1, 2], "{backend:?}: the oldest");
        assert_eq!(minutes(4, 100, 2).await.len(), 0, "{backend:?}");
        // Numbers that differ in case are two meters.
        assert_eq!(archive.readings(&meter_id("a-1"), minute(0), minute(9), 9).await.unwrap().len(), 1, "{backend:?}");
        archive.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_cut_off_leaves_nothing_and_one_that_was_committed_is_not_written_again() {
    for backend in [Backend::MariaDb, Backend::Postgres] {
        // Where the cut falls, and what the server then has.
        for (steps, has) in [(0, 0), (1, 0), (2, 0), (3, 5), (4, 5)] {
            let bench = Bench::new(backend).await;
            let spool = bench.store.mirror_state().await.unwrap().spool;
            for minutes in 1..=5 {
                bench.store.store_reading(&plain(minutes)).await.unwrap();
            }
            let batch = bench.store.batch_after(Position::default(), 1_000).await.unwrap().unwrap();
            assert_eq!(batch.count(), 5);
            let mut link = Link::connect(&bench.server_url()).await.unwrap();
            let begun = link.position(&spool).await.unwrap();
            for step in 0..steps {
                match step {
                    0 => link.begin(&spool, begun).await.unwrap(),
                    1 => link.write(&spool, &batch.rows[0]).await.unwrap(),
                    2 => link.commit(&spool, batch.end).await.unwrap(),
                    _ => bench.store.forwarded(batch.end).await.unwrap(),
                }
            }
            drop(link);
            let archive = Archive::open(&bench.url).await.unwrap();
            let there = archive.readings(&meter_id("A-1"), minute(0), minute(60), 100).await.unwrap().len();
            assert_eq!(there, has, "{backend:?}, cut after step {steps}");
            archive.close().await;
            // Who comes after looks at the server's position.
            let mut link = Link::connect(&bench.server_url()).await.unwrap();
            let position = link.position(&spool).await.unwrap();
            assert_eq!(position, if has == 0 { Position::default() } else { batch.end });
            assert_eq!(bench.store.has_entry(batch.end).await.unwrap(), steps < 4);
            let mut stale = Forwarding::new(spool, Position { number: -1, mark: 0 });
            let stale = stale.forward(&bench.store, &mut link).await;
            assert!(matches!(stale, Err(StoreError::Moved)) || steps == 4, "{backend:?}: {stale:?}");
            drop(link);
            bench.forward_all().await;
            assert_eq!(bench.rows().await.len(), 5, "{backend:?}, after the cut at step {steps}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_ends_where_a_transaction_ends() {
    let bench = Bench::new(Backend::Postgres).await;
    let together: Vec<ReadingRow> = (1..=10).map(plain).collect();
    bench.store.store_readings(&together).await.unwrap();
    bench.store.store_reading(&plain(11)).await.unwrap();
    let batch = bench.store.batch_after(Position::default(), 3).await.unwrap().unwrap();
    assert_eq!(batch.count(), 10, "whole transactions");
    bench.store.forwarded(batch.end).await.unwrap();
    assert_eq!(bench.store.batch_after(Position::default(), 3).await.unwrap().unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_gateways_tables_are_on_every_database_and_the_audit_compares_each_row() {
    for backend in BACKENDS {
        let bench = Bench::new(backend).await;
        let node = FakeNode::new(&[("A-1", "sdm120")]);
        let line = SimulatedBus::new(vec![simulated(1, "sdm120", minute(0), Energy::from_mwh(5_000_000))], BAUD);
        let meters = vec![settings_of("A-1", 1, "sdm120", POLL)];
        let mut world = World::with_store(minute(1), node.clone(), meters, line, bench.store.clone()).await;
        for end in [20, 32, 65] {
            world.run_until(minute(end)).await;
            bench.forward_all().await;
        }
        let event = Event {
            time: minute(66),
            meter: None,
            bus: Some(3),
            happening: Happening::NodeLost("\u{1f50c}'".into()),
            raw: vec![0, 255],
        };
        bench.store.store_event(&event).await.unwrap();
        let archive = bench.read().await;
        let local = bench.store.archive();
        for meter in [meter_id("A-1")] {
            assert_eq!(archive.chain(&meter).await.unwrap(), local.chain(&meter).await.unwrap(), "{backend:?}");
            assert_eq!(archive.queued(&meter).await.unwrap(), local.queued(&meter).await.unwrap(), "{backend:?}");
            let rows = async |archive: &Archive| {
                let rows = archive.readings(&meter, minute(0), minute(99), 1_000).await.unwrap();
                rows.into_iter().map(|row| (row.row, row.statement)).collect::<Vec<_>>()
            };
            assert_eq!(rows(&archive).await, rows(local).await, "{backend:?}");
        }
        archive.close().await;
        let report = audit(&bench.url, &node, &meter::Profile::shipped).await.unwrap();
        assert_eq!((report.findings.as_slice(), report.intervals >= 4), ([].as_slice(), true), "{backend:?}");
        bench.by_hand("UPDATE readings SET voltage_mv = voltage_mv + 1 WHERE id = 2").await;
        bench.by_hand("DELETE FROM readings WHERE id = 3").await;
        let findings = audit(&bench.url, &node, &meter::Profile::shipped).await.unwrap().findings;
        let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|said| said.contains("readings row 2") && said.contains("voltage_mv")), "{said:?}");
        assert!(said.iter().any(|said| said.contains("is missing")), "{backend:?}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_row_of_the_journal_of_loads_is_named_and_so_is_one_that_is_gone() {
    const MODEL: &str = "dds238-2-zn-sr";
    for backend in BACKENDS {
        let bench = Bench::new(backend).await;
        let node = FakeNode::new(&[("A-1", MODEL)]);
        let line = SimulatedBus::new(vec![simulated(1, MODEL, minute(0), Energy::from_wh(5_000))], BAUD);
        let meters = vec![settings_of("A-1", 1, MODEL, POLL)];
        let mut world = World::with_store(minute(1), node.clone(), meters, line, bench.store.clone()).await;
        for (end, on) in [(20, false), (40, true), (60, false)] {
            world.run_until(minute(end)).await;
            let order = Order { meter: meter_id("A-1"), on, who: "Lee".into(), why: "away".into(), key: None };
            world.step(Input::Order { ticket: end, order }).await;
        }
        world.run_until(minute(80)).await;
        assert_eq!((world.answers.len(), node.controls().len()), (3, 3), "{backend:?}: {:?}", world.answers);
        bench.forward_all().await;
        let report = audit(&bench.url, &node, &meter::Profile::shipped).await.unwrap();
        assert_eq!((report.switchings, report.findings), (3, Vec::new()), "{backend:?}");
        // Each change is made on top of the ones before it.
        for (sql, said) in [
            (
                "UPDATE journal SET who = 'Chen' WHERE id = 1",
                "journal row 1 (meter A-1): who is `Chen` in the database, `Lee`",
            ),
            ("UPDATE journal SET why = 'fire' WHERE id = 1", "why is `fire` in the database, `away` in the ledger"),
            ("UPDATE journal SET cause = 'schedule' WHERE id = 1", "cause is `schedule` in the database, `person`"),
            ("UPDATE journal SET deed = 'on' WHERE id = 1", "deed is `on` in the database, `off` in the ledger"),
            ("UPDATE journal SET before_state = 'on' WHERE id = 2", "before_state is `on` in the database, `off`"),
            ("UPDATE journal SET after_state = 'off' WHERE id = 2", "after_state is `off` in the database, `on`"),
            ("UPDATE journal SET ended_ms = ended_ms + 1 WHERE id = 2", "journal row 2 (meter A-1): ended_ms is"),
            ("UPDATE journal SET meter = 'A-2' WHERE id = 2", "journal row 2 (meter A-2): meter is `A-2`"),
            (
                "UPDATE journal SET cause = 'whim' WHERE id = 1",
                "journal row 1: table journal, row 1, column cause: `whim`",
            ),
            ("UPDATE journal SET statement = NULL WHERE id = 3", "is missing"),
            ("DELETE FROM journal WHERE id = 2", "is missing"),
        ] {
            bench.by_hand(sql).await;
            let findings = audit(&bench.url, &node, &meter::Profile::shipped).await.unwrap().findings;
            let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
            assert!(all.iter().any(|found| found.contains(said)), "{backend:?}, {sql}: {all:?}");
        }
        let findings = audit(&bench.url, &node, &meter::Profile::shipped).await.unwrap().findings;
        let missing = findings.iter().filter(|found| found.to_string().contains("is missing")).count();
        assert_eq!(missing, 3, "{backend:?}: {findings:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_changed_by_hand_is_an_error_that_names_row_and_column() {
    for backend in BACKENDS {
        for (sql, column, value) in [
            ("UPDATE readings SET member_account = 'somebody' WHERE id = 2", "member_account", "somebody"),
            ("UPDATE readings SET statement = 'x' WHERE id = 2", "statement", "x"),
            ("UPDATE readings SET channels = '[1]' WHERE id = 2", "channels", "[1]"),
            ("UPDATE readings SET time_ms = -5 WHERE id = 2", "time_ms", "-5"),
        ] {
            let bench = Bench::new(backend).await;
            for minutes in 1..=3 {
                bench.store.store_reading(&plain(minutes)).await.unwrap();
            }
            bench.forward_all().await;
            bench.by_hand(sql).await;
            let archive = Archive::open(&bench.url).await.unwrap();
            let read = archive.newest(&meter_id("A-1"), 10).await.unwrap_err();
            let StoreError::Value { table, row, column: found, value: shown } = &read else { panic!("{read}") };
            assert_eq!((*table, *row, *found, shown.as_str()), ("readings", 2, column, value), "{backend:?}");
            archive.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_whole_batches_while_one_writes_and_what_was_written_is_there_after_a_reopening() {
    for backend in BACKENDS {
        let bench = Bench::new(backend).await;
        let archive = bench.read().await;
        let writer = async {
            for block in 0..20 {
                let rows: Vec<ReadingRow> = (block * 10..block * 10 + 10).map(plain).collect();
                bench.store.store_readings(&rows).await.unwrap();
                bench.forward_all().await;
            }
        };
        let reader = async {
            let mut seen = 0;
            while seen < 200 {
                let rows = archive.readings(&meter_id("A-1"), minute(0), minute(999), 1_000).await.unwrap();
                assert!(rows.len() % 10 == 0 && rows.len() >= seen, "{backend:?}: {} rows", rows.len());
                seen = rows.len();
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(writer, reader);
        archive.close().await;
        bench.store.close().await;
        let again = Store::open(&url(&bench.folder)).await.unwrap();
        assert_eq!(again.readings(&meter_id("A-1"), minute(0), minute(999), 1_000).await.unwrap().len(), 200);
        let archive = Archive::open(&bench.url).await.unwrap();
        assert_eq!(archive.readings(&meter_id("A-1"), minute(0), minute(999), 1_000).await.unwrap().len(), 200);
        archive.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_newer_version_are_refused() {
    for backend in BACKENDS {
        let bench = Bench::new(backend).await;
        bench.forward_all().await;
        if backend == Backend::Sqlite {
            bench
                .by_hand(
                    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (999, 'later', 1, x'00', 0)",
                )
                .await;
        } else {
            bench.by_hand("UPDATE _sqlx_migrations SET version = 999 WHERE version = 1").await;
        }
        let error = match backend {
            Backend::Sqlite => Store::open(&bench.url).await.map(drop).unwrap_err(),
            _ => Link::connect(&bench.server_url()).await.map(drop).unwrap_err(),
        };
        let said = error.to_string();
        assert!(said.contains("do not fit") && said.contains("newer version"), "{backend:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_reached_says_why_and_never_the_password() {
    for kind in [servers::Kind::MariaDb, servers::Kind::Postgres] {
        let server = servers::shared(kind);
        let (name, right) = server.database();
        let port = format!(":{}/", server.port);
        for (from, to, expected) in [
            (PASSWORD_IN_URL, "wr0ng%40secret", "are user, password and the database's name right?"),
            (servers::USER, "nobody", "are user, password and the database's name right?"),
            (&*name, "nowhere", "are user, password and the database's name right?"),
            (&*port, ":1/", "is the server up"),
            ("127.0.0.1", "no-such-host.invalid", "is the server up"),
        ] {
            let wrong = right.replace(from, to);
            assert_ne!(wrong, right);
            for said in [
                Archive::open(&wrong).await.map(drop).unwrap_err().to_string(),
                Link::connect(&wrong.parse().unwrap()).await.map(drop).unwrap_err().to_string(),
            ] {
                assert!(said.contains(expected), "{to}: {said}");
                for secret in [PASSWORD, PASSWORD_IN_URL, "wr0ng%40secret", "wr0ng@secret"] {
                    assert!(!said.contains(secret), "{said}");
                }
            }
        }
    }
    let said = Archive::open("sqlite:///no/such/folder/gateway.db").await.map(drop).unwrap_err().to_string();
    assert!(said.starts_with("sqlite:///no/such/folder/gateway.db: "), "{said}");
}
