//! A running gateway whose database server is stopped, killed and started again under load: nothing is lost, everything is
//! there once and in order.

use crate::polling::{clock, pty_bus, setup, two_meters, wait_for};
use crate::servers::{Kind, Server};
use crate::world::{folder, meter_id, url};
use crate::{community::FakeNode, community::minute};
use gateway::mirror::{Forwarding, Link};
use gateway::{Archive, SimulatedPort, Simulation, Store, audit, start};
use std::sync::Arc;
use std::time::Duration;
use units::Timestamp;

async fn survives_outages(kind: Kind) {
    let mut server = tokio::task::spawn_blocking(move || Server::start(kind)).await.unwrap();
    let (name, server_url) = server.database();
    let (folder, clock) = (folder(), clock(600));
    let simulation = Simulation::start(SimulatedPort::Pty, two_meters(), Arc::clone(&clock)).await.unwrap();
    let node = FakeNode::new(&[("A-1", "im1281b"), ("A-2", "pzem-004t-v3")]);
    node.set_time(minute(60 * 24 * 7));
    let mut setup = setup(&folder, vec![pty_bus(&simulation)], node.clone(), clock);
    setup.storage.server = Some(server_url.parse().unwrap());
    setup.storage.spool_rows_max = 1_000_000;
    setup.storage.spool_days = 30;
    let running = start(setup).await.unwrap();
    let handle = running.handle().clone();
    let has_all = || handle.mirror().is_some_and(|mirror| mirror.lost.is_none() && mirror.waiting < 50);
    let count = |server: &Server| -> usize {
        server.client_of(Some(&name), "SELECT count(*) FROM readings").map_or(0, |count| count.parse().unwrap())
    };
    wait_for("the first rows on the server", || count(&server) > 20).await;
    // It stands still for a while; its connections stay open.
    server.pause();
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.resume();
    wait_for("forwarding after the standstill", has_all).await;
    for _ in 0..2 {
        let answers = || handle.snapshot().iter().map(|meter| meter.answers).sum::<u64>();
        server.kill_9();
        wait_for("the loss", || handle.mirror().is_some_and(|mirror| mirror.lost.is_some())).await;
        let before = answers();
        wait_for("answers while the server is away", || answers() > before + 20).await;
        assert!(handle.trouble().is_none(), "the local file takes readings all the while");
        let pieces = handle.readings(&meter_id("A-1"), minute(0), Timestamp::from_ms(u64::MAX), 10).await.unwrap();
        assert!(!pieces[0].rows.is_empty(), "the local file answers in the server's place");
        // Killed while it stands still is the same.
        server = tokio::task::spawn_blocking(move || {
            server.start_again();
            server
        })
        .await
        .unwrap();
        wait_for("the return", has_all).await;
        wait_for("its being told", || handle.mirror().is_some_and(|mirror| mirror.lost.is_none())).await;
    }
    running.stop().await.unwrap();

    let store = Store::open(&url(&folder)).await.unwrap();
    let spool = store.mirror_state().await.unwrap().spool;
    let mut link = Link::connect(&server_url.parse().unwrap()).await.unwrap();
    let position = link.position(&spool).await.unwrap();
    assert_eq!(position, store.mirror_state().await.unwrap().position, "a stop ends between two batches");
    let mut forwarding = Forwarding::new(spool, position);
    while forwarding.forward(&store, &mut link).await.unwrap() {}
    let archive = Archive::open(&server_url).await.unwrap();
    for meter in ["A-1", "A-2"].map(meter_id) {
        let all = async |archive: &Archive| archive.newest(&meter, 10_000).await.unwrap();
        let (here, there) = (all(store.archive()).await, all(&archive).await);
        assert!(here.len() > 50, "{} rows", here.len());
        let rows = |rows: &[gateway::store::StoredReading]| {
            rows.iter().map(|row| (row.row.clone(), row.statement)).collect::<Vec<_>>()
        };
        assert_eq!(rows(&there), rows(&here), "{kind:?}: the same rows, once each");
        assert!(there.windows(2).all(|pair| pair[0].id > pair[1].id), "{kind:?}: inserted in the order of time");
        assert_eq!(archive.chain(&meter).await.unwrap(), store.archive().chain(&meter).await.unwrap());
        assert_eq!(archive.queued(&meter).await.unwrap(), store.archive().queued(&meter).await.unwrap());
    }
    for (event, times) in [("archive_lost", 2..=3), ("archive_back", 2..=3), ("archive_begun_anew", 0..=0)] {
        let told = server.client_of(Some(&name), &format!("SELECT count(*) FROM events WHERE kind = '{event}'"));
        let told: usize = told.unwrap().parse().unwrap();
        assert!(times.contains(&told), "{kind:?}: {event} was told {told} times");
    }
    archive.close().await;
    let report = audit(&server_url, &node, &meter::Profile::shipped).await.unwrap();
    assert_eq!((report.findings.as_slice(), report.intervals > 0), ([].as_slice(), true), "{kind:?}");
    store.close().await;
    drop(simulation);
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_stopped_and_killed_under_load_has_everything_once_and_in_order() {
    survives_outages(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_stopped_and_killed_under_load_has_everything_once_and_in_order() {
    survives_outages(Kind::Postgres).await;
}

/// A copy of the file put back, or another server: the positions do not fit, and everything is forwarded again.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_or_server_that_was_put_back_is_noticed_and_everything_forwarded_again() {
    let server = crate::servers::shared(Kind::Postgres);
    let (name, first) = server.database();
    let folder = folder();
    let run = async |server_url: &str, minutes: std::ops::Range<u64>| {
        let store = Store::open(&url(&folder)).await.unwrap();
        store.log_changes().await.unwrap();
        for number in minutes {
            store.store_reading(&crate::databases::row("A-1", minute(number), units::Reading::new())).await.unwrap();
        }
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let mirror = gateway::mirror::Mirror::new(store.clone(), server_url.parse().unwrap(), 10_000, clock(1));
        let task = tokio::spawn(mirror.run(stopped));
        let deadline = std::time::Instant::now() + Duration::from_secs(120);
        while store.changes_waiting().await.unwrap() > 0 && std::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.send_replace(true);
        task.await.unwrap();
        store.close().await;
    };
    let count = |name: &str| server.client_of(Some(name), "SELECT count(*) FROM readings").unwrap();
    run(&first, 0..10).await;
    assert_eq!(count(&name), "10");
    let copy = std::fs::read(folder.path().join("gateway.db")).unwrap();
    run(&first, 10..20).await;
    assert_eq!(count(&name), "20");
    // The copy is put back, and gets other readings under the same numbers.
    for rest in ["gateway.db-wal", "gateway.db-shm"] {
        let _none = std::fs::remove_file(folder.path().join(rest));
    }
    std::fs::write(folder.path().join("gateway.db"), copy).unwrap();
    run(&first, 20..30).await;
    assert_eq!(count(&name), "30");
    // Another, empty server.
    let (name, second) = server.database();
    run(&second, 30..31).await;
    assert_eq!(count(&name), "21", "everything that the file holds");
    let anew = server.client_of(Some(&name), "SELECT count(*) FROM events WHERE kind = 'archive_begun_anew'").unwrap();
    assert_eq!(anew, "2");
}
