//! From an order or a reading to a relay that moved, a journal that says so, and a statement in the ledger; over stops of
//! every kind.

use crate::community::{FakeNode, minute};
use crate::polling::{clock, setup, wait_for};
use crate::world::{BAUD, POLL, World, folder, meter_id, settings_of, simulated};
use gateway::config::{BusConfig, Port};
use gateway::core::{BusSettings, Deed, Input, Limit, LoadLimits, Order, Outcome, Protection, Rule, Side, Trigger};
use gateway::store::StoredEntry;
use gateway::{SimulatedPort, Simulation, start};
use ledger::act::{Cause, LoadState};
use meter::{Disturbance, SimulatedBus};
use std::collections::BTreeMap;
use units::{Energy, Millis, Quantity, Timestamp, Voltage};

const MODEL: &str = "dds238-2-zn-sr";

fn over_voltage() -> Rule {
    let trigger = Trigger::Value(Limit {
        quantity: Quantity::Voltage,
        side: Side::Above,
        limit: 253_000,
        delay: Millis::ZERO,
        release: 250_000,
        release_delay: Millis::ZERO,
    });
    Rule { name: "over-voltage".into(), meters: vec![meter_id("A-1")], trigger, latch: false, dry_run: false }
}

async fn world(rules: Vec<Rule>) -> World {
    let node = FakeNode::new(&[("A-1", MODEL)]);
    let line = SimulatedBus::new(vec![simulated(1, MODEL, minute(0), Energy::from_wh(5_000))], BAUD);
    let limits = LoadLimits { min_off: Millis::from_seconds(1), ..LoadLimits::default() };
    let protection = Protection { rules, limits: BTreeMap::from([(meter_id("A-1"), limits)]), ..Protection::default() };
    let world = World::new(minute(1), node, vec![settings_of("A-1", 1, MODEL, POLL)], line).await;
    world.protected(protection).await
}

fn order(on: bool) -> Input {
    let order = Order { meter: meter_id("A-1"), on, who: "Lee".into(), why: "away".into(), key: None };
    Input::Order { ticket: 1, order }
}

async fn journal(world: &World) -> Vec<StoredEntry> {
    let mut entries = world.store.journal_entries(None, 100).await.unwrap();
    entries.reverse();
    entries
}

/// What the meter really shows at the relay's side: whether current flows.
async fn currents(world: &World, from: Timestamp) -> Vec<i64> {
    let rows = world.store.readings(&meter_id("A-1"), from, minute(10_000), 100).await.unwrap();
    rows.iter().filter_map(|row| row.row.reading.get(Quantity::Current)).collect()
}

#[tokio::test]
async fn an_order_moves_the_relay_once_and_stands_in_the_ledger() {
    let mut world = world(Vec::new()).await;
    world.run_until(minute(20)).await;
    assert!(currents(&world, minute(1)).await.iter().all(|current| *current > 0));
    world.step(order(false)).await;
    world.run_until(minute(40)).await;
    assert_eq!(world.answers, [Ok(1)]);
    let after = currents(&world, minute(21)).await;
    assert!(after.len() > 2 && after.iter().all(|current| *current == 0), "{after:?}");
    assert_eq!(world.commands, 1, "a command goes out once");
    let entries = journal(&world).await;
    let [StoredEntry { entry, stated, place, .. }] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((&entry.outcome, entry.before, entry.after), (&Outcome::Switched, LoadState::On, LoadState::Off));
    assert_eq!((stated.as_deref(), place.is_some()), (Some("final"), true));
    let controls = world.node.controls();
    let [control] = controls.as_slice() else { panic!("{controls:?}") };
    assert_eq!((control.who.as_str(), control.why.as_str(), control.by), ("Lee", "away", Cause::Person));
    assert_eq!((control.before, control.after), (LoadState::On, LoadState::Off));
    assert_eq!(world.gateway().unconfirmed_controls(), 0);
}

#[tokio::test]
async fn a_crash_after_any_output_sends_no_command_twice_and_every_entry_has_one_outcome() {
    let mut whole = world(Vec::new()).await;
    whole.run_until(minute(17)).await;
    let before = whole.done;
    whole.step(order(false)).await;
    whole.run_until(minute(23)).await;
    let (mut cut_off, mut lost) = (0, 0);
    for crash in before + 1..=whole.done {
        let mut world = world(Vec::new()).await;
        world.crash_after = Some(crash);
        world.run_until(minute(17)).await;
        world.step(order(false)).await;
        world.run_until(minute(40)).await;
        let what = format!("crash after output {crash}");
        let entries = journal(&world).await;
        assert!(entries.len() <= 1 && world.commands <= entries.len(), "{what}: {entries:?}");
        let is_on = world.line.meters_mut()[0].is_on();
        for StoredEntry { entry, stated, .. } in &entries {
            assert!(entry.outcome.is_final(), "{what}: {entry:?}");
            assert_eq!(entry.after, if is_on { LoadState::On } else { LoadState::Off }, "{what}: {entry:?}");
            assert_eq!(stated.as_deref(), Some("final"), "{what}");
            cut_off += usize::from(entry.outcome == Outcome::Unknown);
        }
        lost += usize::from(entries.is_empty());
        assert_eq!(world.node.controls().len(), entries.len(), "{what}");
    }
    assert!(cut_off > 0, "no crash fell between a command and its outcome");
    assert!(lost <= 1, "an order that is in the journal is not lost");
}

#[tokio::test]
async fn protection_acts_while_the_node_is_away_and_the_ledger_hears_of_it_later() {
    let mut world = world(vec![over_voltage()]).await;
    world.run_until(minute(20)).await;
    world.node.set_away(true);
    let too_high = Disturbance { from: minute(20), until: minute(40), voltage: Voltage::from_mv(260_000) };
    world.line.meters_mut()[0].set_disturbance(Some(too_high));
    world.run_until(minute(35)).await;
    assert!(currents(&world, minute(27)).await.iter().all(|current| *current == 0));
    assert_eq!(world.node.controls().len(), 0);
    world.restart().await;
    world.run_until(minute(39)).await;
    let refused = order(true);
    world.step(refused).await;
    assert_eq!(world.answers.last().unwrap().as_ref().unwrap_err().name(), "locked_by_rule", "a lock outlives a stop");
    world.node.set_away(false);
    world.run_until(minute(60)).await;
    let controls = world.node.controls();
    let told: Vec<_> = controls.iter().map(|control| (control.by, control.who.as_str(), control.after)).collect();
    let rule = "over-voltage";
    assert_eq!(told, [(Cause::Protection, rule, LoadState::Off), (Cause::Protection, rule, LoadState::On)]);
    assert!(currents(&world, minute(51)).await.iter().all(|current| *current > 0));
    assert_eq!(world.commands, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_over_a_real_line_makes_the_current_fall() {
    let folder = folder();
    let clock = clock(60);
    let line = SimulatedBus::new(vec![simulated(1, MODEL, minute(0), Energy::from_wh(5_000))], BAUD);
    let simulation = Simulation::start(SimulatedPort::Pty, line, clock.clone()).await.unwrap();
    let port = Port::Serial { path: simulation.place().to_owned(), baud: 9_600, parity: meter::Parity::None };
    let meters = vec![settings_of("A-1", 1, MODEL, Millis::from_seconds(1))];
    let bus = BusConfig { name: "floor".into(), port, settings: BusSettings { framing: BAUD, meters } };
    let node = FakeNode::new(&[("A-1", MODEL)]);
    let running = start(setup(&folder, vec![bus], node.clone(), clock.clone())).await.unwrap();
    let handle = running.handle().clone();
    let current = || {
        node.set_time(clock.now());
        handle.snapshot()[0].reading.as_ref().and_then(|reading| reading.get(Quantity::Current))
    };
    wait_for("a reading with current", || current().is_some_and(|current| current > 0)).await;
    let order = |on| Order { meter: meter_id("A-1"), on, who: "Lee".into(), why: "away".into(), key: Some("k".into()) };
    let number = handle.switch(order(false)).await.unwrap();
    assert_eq!(handle.switch(order(false)).await, Ok(number), "a double click");
    wait_for("no current", || current() == Some(0)).await;
    let entry = handle.store().journal_entry(number).await.unwrap().unwrap().entry;
    assert_eq!((entry.deed, entry.outcome, entry.after), (Deed::Off, Outcome::Switched, LoadState::Off));
    wait_for("the statement", || {
        node.set_time(clock.now());
        node.controls().len() == 1
    })
    .await;
    assert_eq!(handle.loads()[0].state, Some(false));
    running.stop().await.unwrap();
}
