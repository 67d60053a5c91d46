//! Real ports and a real clock: simulated meters on a pty are polled into the database; a faulty line gives errors, never
//! a false reading.

use crate::community::{FakeNode, gateway_key, genesis, minute};
use crate::world::{BAUD, folder, meter_id, settings_of, simulated, url};
use gateway::config::{BusConfig, Port};
use gateway::core::BusSettings;
use gateway::{Clock, Quality, Running, Setup, SimulatedPort, Simulation, start};
use meter::{Faults, SimulatedBus};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use units::{Energy, Millis, Timestamp};

/// Runs at a multiple of real time.
pub(crate) struct ScaledClock {
    pub(crate) from: Timestamp,
    pub(crate) began: Instant,
    pub(crate) speed: u64,
}

impl Clock for ScaledClock {
    fn now(&self) -> Timestamp {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap();
        self.from + Millis::from_ms(elapsed * self.speed)
    }
}

pub(crate) fn clock(speed: u64) -> Arc<dyn Clock> {
    Arc::new(ScaledClock { from: minute(1), began: Instant::now(), speed })
}

pub(crate) fn setup(folder: &TempDir, buses: Vec<BusConfig>, node: FakeNode, clock: Arc<dyn Clock>) -> Setup {
    Setup {
        protection: gateway::core::Protection::default(),
        database: url(folder),
        storage: gateway::Storage::default(),
        buses,
        interval: Millis::from_minutes(15),
        genesis: genesis(),
        key: gateway_key(),
        node: Arc::new(node),
        clock,
    }
}

/// Waits until something holds; fails after two minutes, since the machine may be busy.
pub(crate) async fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const POLL: Millis = Millis::from_ms(50);

pub(crate) fn pty_bus(simulation: &Simulation) -> BusConfig {
    let meters = vec![settings_of("A-1", 1, "im1281b", POLL), settings_of("A-2", 2, "pzem-004t-v3", POLL)];
    let port = Port::Serial { path: simulation.place().to_owned(), baud: 9_600, parity: meter::Parity::None };
    BusConfig { name: "floor".into(), port, settings: BusSettings { framing: BAUD, meters } }
}

pub(crate) fn two_meters() -> SimulatedBus {
    let first = simulated(1, "im1281b", minute(0), Energy::from_mwh(1_000_000));
    let second = simulated(2, "pzem-004t-v3", minute(0), Energy::from_mwh(7_000_000));
    SimulatedBus::new(vec![first, second], BAUD)
}

pub(crate) async fn running(
    folder: &TempDir,
    bus: SimulatedBus,
    speed: u64,
) -> (Simulation, Running, FakeNode, Arc<dyn Clock>) {
    let clock = clock(speed);
    let simulation = Simulation::start(SimulatedPort::Pty, bus, Arc::clone(&clock)).await.unwrap();
    let node = FakeNode::new(&[("A-1", "im1281b"), ("A-2", "pzem-004t-v3")]);
    node.set_time(minute(60 * 24));
    let setup = setup(folder, vec![pty_bus(&simulation)], node.clone(), Arc::clone(&clock));
    (simulation, start(setup).await.unwrap(), node, clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_meters_of_a_pty_are_told_apart_stored_and_stated() {
    let folder = folder();
    // A quarter of an hour in a second and a half.
    let (simulation, running, node, _) = running(&folder, two_meters(), 600).await;
    let handle = running.handle().clone();
    wait_for("two intervals of each meter", || node.intervals().len() >= 4).await;
    let live = handle.snapshot();
    assert_eq!(live.iter().map(|meter| meter.quality).collect::<Vec<_>>(), [Quality::Fresh; 2]);
    assert!(handle.buses()[0].open && handle.trouble().is_none());
    running.stop().await.unwrap();

    let store = gateway::Store::open_existing(&url(&folder)).await.unwrap();
    for (meter, model, counter) in [("A-1", (1, "im1281b"), 1_000_000), ("A-2", (2, "pzem-004t-v3"), 7_000_000)] {
        let rows = store.readings(&meter_id(meter), minute(0), minute(60 * 24), 1_000).await.unwrap();
        assert!(rows.len() > 10, "{meter}: {} rows", rows.len());
        let truth = simulated(model.0, model.1, minute(0), Energy::from_mwh(counter));
        let profile = meter::Profile::shipped(model.1).unwrap();
        for stored in &rows {
            let reading = &stored.row.reading;
            let import = reading.energy_import().unwrap();
            // The answer was made between the question and the row's time; the counter is rounded to the display's step.
            let (late, early) =
                (truth.counter_at(stored.row.time), truth.counter_at(stored.row.time - Millis::from_minutes(3)));
            assert!(import.mwh() <= late.mwh() + 1_000 && import.mwh() + 1_000 >= early.mwh(), "{meter}");
            assert!(
                reading.apparent_power().is_some() && reading.reactive_power().is_some(),
                "{meter}: no derived powers"
            );
            let exchanges: Vec<meter::Exchange> = stored
                .row
                .frame
                .exchanges
                .iter()
                .map(|exchange| meter::Exchange {
                    request: exchange.request.clone(),
                    response: exchange.response.clone(),
                })
                .collect();
            assert_eq!(
                profile.reading(meter::Address::modbus(model.0).unwrap(), &exchanges).unwrap().with_derived_powers(),
                *reading,
                "{meter}"
            );
        }
        let stated = rows.iter().filter(|row| row.statement.is_some()).count();
        assert!(stated > 0, "{meter}");
    }
    drop(simulation);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_line_gives_typed_errors_and_no_false_reading() {
    let folder = folder();
    let bus = two_meters().with_faults(Faults::of_each(7, 150));
    let (_simulation, running, _, clock) = running(&folder, bus, 1).await;
    let handle = running.handle().clone();
    wait_for("enough errors of several kinds and enough answers", || {
        let live = handle.snapshot();
        let errors: u64 = live.iter().flat_map(|meter| meter.errors.values()).sum();
        let kinds = live.iter().flat_map(|meter| meter.errors.keys()).collect::<std::collections::BTreeSet<_>>();
        errors >= 12 && kinds.len() >= 2 && live.iter().all(|meter| meter.answers >= 5)
    })
    .await;
    let end = clock.now();
    let store = handle.store().clone();
    for (meter, counter) in [("A-1", 1_000_000), ("A-2", 7_000_000)] {
        let rows = store.readings(&meter_id(meter), minute(0), end, 1_000).await.unwrap();
        assert!(rows.len() >= 5);
        for stored in rows {
            // A frame of the other meter, or a damaged one that got through, would show another counter.
            let import = stored.row.reading.energy_import().unwrap().mwh();
            assert!((counter..counter + 200_000).contains(&import), "{meter}: {import}");
        }
    }
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_vanishes_is_reported_and_opened_again() {
    let folder = folder();
    let clock = clock(1);
    let listen = SimulatedPort::Tcp("127.0.0.1:0".parse().unwrap());
    let simulation = Simulation::start(listen, two_meters(), Arc::clone(&clock)).await.unwrap();
    let address = simulation.place().parse().unwrap();
    let mut bus = pty_bus(&simulation);
    bus.port = Port::Tcp(address);
    let node = FakeNode::new(&[("A-1", "im1281b"), ("A-2", "pzem-004t-v3")]);
    let running = start(setup(&folder, vec![bus], node, Arc::clone(&clock))).await.unwrap();
    let handle = running.handle().clone();
    wait_for("the first answers", || handle.snapshot().iter().all(|meter| meter.answers > 0)).await;
    drop(simulation);
    wait_for("the port's loss", || handle.buses()[0].lost.is_some()).await;
    let again = Simulation::start(SimulatedPort::Tcp(address), two_meters(), clock).await.unwrap();
    let before: u64 = handle.snapshot().iter().map(|meter| meter.answers).sum();
    wait_for("answers after the port is back", || {
        handle.buses()[0].open && handle.snapshot().iter().map(|meter| meter.answers).sum::<u64>() > before
    })
    .await;
    running.stop().await.unwrap();
    drop(again);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_is_reported_and_tried_again_without_losing_a_reading() {
    let folder = folder();
    let (_simulation, running, _, _) = running(&folder, two_meters(), 1).await;
    let handle = running.handle().clone();
    wait_for("the first answers", || handle.snapshot().iter().all(|meter| meter.answers > 0)).await;
    let pool = sqlx::SqlitePool::connect(&url(&folder)).await.unwrap();
    sqlx::query("ALTER TABLE readings RENAME TO gone").execute(&pool).await.unwrap();
    wait_for("the trouble", || handle.trouble().is_some()).await;
    let answered = || handle.snapshot().iter().map(|meter| meter.answers).sum::<u64>();
    let before = answered();
    sqlx::query("ALTER TABLE gone RENAME TO readings").execute(&pool).await.unwrap();
    wait_for("the end of the trouble", || handle.trouble().is_none() && answered() > before).await;
    running.stop().await.unwrap();
    let (rows,): (i64,) = sqlx::query_as("SELECT count(*) FROM readings").fetch_one(&pool).await.unwrap();
    assert!(u64::try_from(rows).unwrap() > before, "{rows} rows of more than {before} answers");
    pool.close().await;
}
