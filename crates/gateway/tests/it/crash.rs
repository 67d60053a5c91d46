//! Stops of every kind, and a node that is away, forgetful or ahead: each interval is booked exactly once.

use crate::community::{FakeNode, minute};
use crate::world::{BAUD, INTERVAL, POLL, World, meter_id, settings_of, simulated};
use ledger::act::Break;
use meter::SimulatedBus;
use units::{Energy, Millis};

async fn world() -> World {
    let node = FakeNode::new(&[("A-1", "im1281b")]);
    let line = SimulatedBus::new(vec![simulated(1, "im1281b", minute(0), Energy::from_mwh(5_000_000))], BAUD);
    World::new(minute(1), node, vec![settings_of("A-1", 1, "im1281b", POLL)], line).await
}

/// The chain is whole, everything booked is what the meter counted, and the outbox is empty.
async fn assert_exactly_once(world: &World, what: &str) {
    let intervals = world.node.intervals();
    for (act, seq) in intervals.iter().zip(0..) {
        assert_eq!(act.seq, seq, "{what}");
    }
    for pair in intervals.windows(2) {
        let bridged = pair[1].broken == Some(Break::Gap) && pair[0].import.end < pair[1].import.start;
        assert!(bridged || pair[0].import.end == pair[1].import.start, "{what}");
    }
    let (first, last) = (intervals.first().unwrap(), intervals.last().unwrap());
    let counted = last.import.end.checked_sub(first.import.start).unwrap();
    assert_eq!(world.node.consumed(), counted, "{what}");
    assert!(counted > Energy::ZERO, "{what}: nothing was counted");
    let stored = world.store.meter(&meter_id("A-1")).await.unwrap();
    assert_eq!(stored.outbox, [], "{what}");
    assert_eq!(stored.chain.unwrap(), world.node.chain("A-1"), "{what}");
}

#[tokio::test]
async fn a_crash_after_any_output_books_each_interval_once() {
    let end = minute(52);
    let mut whole = world().await;
    whole.run_until(end).await;
    assert_exactly_once(&whole, "without a crash").await;
    assert_eq!(whole.node.intervals().len(), 3);
    for crash in 1..=whole.done {
        let mut world = world().await;
        world.crash_after = Some(crash);
        world.run_until(end).await;
        assert_exactly_once(&world, &format!("crash after output {crash}")).await;
        let intervals = world.node.intervals();
        assert_eq!(intervals.last().unwrap().end, whole.node.intervals().last().unwrap().end, "{crash}");
        assert!(intervals.iter().all(|act| act.broken.is_none()), "{crash}: readings were lost");
    }
}

#[tokio::test]
async fn lost_answers_of_the_node_book_nothing_twice() {
    let mut repeated = 0;
    for every in [2, 3, 5] {
        let mut world = world().await;
        world.node.lose_answers(every);
        world.run_until(minute(65)).await;
        assert_exactly_once(&world, "lost answers").await;
        repeated += world.node.submissions() - u32::try_from(world.node.intervals().len()).unwrap();
    }
    assert!(repeated > 0, "no answer to a delivery was lost, so nothing was tested");
}

#[tokio::test]
async fn statements_wait_while_the_node_is_away_and_go_out_in_order() {
    let mut world = world().await;
    world.run_until(minute(20)).await;
    world.node.set_away(true);
    world.run_until(minute(20 + 5 * 15)).await;
    assert_eq!(world.gateway().unconfirmed(&meter_id("A-1")), 5);
    assert_eq!((world.happened("node_lost"), world.happened("node_back")), (1, 0));
    world.restart().await;
    world.node.set_away(false);
    world.run_until(minute(20 + 5 * 15 + 3)).await;
    assert_exactly_once(&world, "node away").await;
    assert_eq!(world.node.intervals().len(), 6);
}

#[tokio::test]
async fn a_lost_database_is_bridged_with_a_gap_from_the_nodes_head() {
    let mut world = world().await;
    world.run_until(minute(31)).await;
    world.lose_database().await;
    world.advance(INTERVAL);
    world.advance(INTERVAL);
    world.run_until(minute(95)).await;
    assert_exactly_once(&world, "lost database").await;
    let breaks: Vec<Option<Break>> = world.node.intervals().iter().map(|act| act.broken).collect();
    assert_eq!(breaks, [None, None, Some(Break::Gap), None]);
    assert_eq!(world.happened("head_taken"), 2);
}

#[tokio::test]
async fn after_a_lost_database_a_head_is_taken_once_it_is_final() {
    let mut world = world().await;
    world.run_until(minute(31)).await;
    world.node.set_unsettled(true);
    world.lose_database().await;
    world.run_until(minute(65)).await;
    assert_eq!((world.happened("head_taken"), world.node.intervals().len()), (1, 2));
    world.node.set_unsettled(false);
    world.run_until(minute(95)).await;
    assert_exactly_once(&world, "head final at last").await;
    assert_eq!((world.happened("head_taken"), world.happened("node_behind")), (2, 0));
}

#[tokio::test]
async fn a_new_binding_takes_over_what_the_old_one_did_not_state() {
    let mut world = world().await;
    world.run_until(minute(31)).await;
    // The operator binds the meter anew from the head's end on; the gateway learns it by a refusal.
    world.node.register("A-1", "im1281b", minute(30));
    world.run_until(minute(80)).await;
    assert_eq!((world.happened("refused"), world.happened("head_taken")), (1, 2), "{:?}", world.happenings());
    let intervals = world.node.intervals();
    assert_eq!(intervals.iter().map(|act| act.seq).collect::<Vec<_>>(), [0, 1, 0, 1, 2]);
    assert!(intervals.iter().all(|act| act.broken.is_none()));
    assert_eq!(intervals[2].start, minute(30));
}

#[tokio::test]
async fn an_unregistered_meter_is_read_and_stored_until_it_is_bound() {
    let node = FakeNode::new(&[]);
    let line = SimulatedBus::new(vec![simulated(1, "im1281b", minute(0), Energy::ZERO)], BAUD);
    let mut world = World::new(minute(1), node, vec![settings_of("A-1", 1, "im1281b", POLL)], line).await;
    world.run_until(minute(40)).await;
    assert!(world.happened("not_bound") > 0);
    assert_eq!(world.node.intervals(), []);
    world.node.register("A-1", "im1281b", minute(15));
    world.run_until(minute(50)).await;
    let starts: Vec<_> = world.node.intervals().iter().map(|act| act.start).collect();
    assert_eq!(starts, [minute(15), minute(30)]);
}

#[tokio::test]
async fn a_counter_that_fell_is_booked_once_a_second_reading_confirms_it() {
    let mut world = world().await;
    world.run_until(minute(20)).await;
    world.line = SimulatedBus::new(vec![simulated(1, "im1281b", minute(20), Energy::ZERO)], BAUD);
    world.run_until(minute(50)).await;
    assert_eq!(world.happened("counter_fell"), 1);
    let breaks: Vec<Option<Break>> = world.node.intervals().iter().map(|act| act.broken).collect();
    assert_eq!(breaks, [None, None, Some(Break::Reset), None]);
}

#[tokio::test]
async fn one_wrong_counter_is_no_reset_and_no_consumption() {
    for wrong in [Energy::ZERO, Energy::from_mwh(9_000_000_000)] {
        let mut world = world().await;
        world.run_until(minute(20)).await;
        let right = world.line.clone();
        world.line = SimulatedBus::new(vec![simulated(1, "im1281b", minute(20), wrong)], BAUD);
        world.run_until(minute(20) + POLL).await;
        world.line = right;
        world.run_until(minute(50)).await;
        assert_eq!(world.happened("counter_fell") + world.happened("counter_leapt"), 1, "{wrong}");
        assert!(
            world.events.iter().any(|event| event.happening.kind().starts_with("counter") && !event.raw.is_empty())
        );
        assert_exactly_once(&world, "one wrong counter").await;
        assert!(world.node.intervals().iter().all(|act| act.broken.is_none()), "{wrong}");
    }
}

#[tokio::test]
async fn a_clock_set_back_books_nothing_twice() {
    let mut world = world().await;
    world.run_until(minute(22)).await;
    world.now = world.now - Millis::from_minutes(10);
    world.run_until(minute(50)).await;
    assert!(world.happened("clock_back") > 0);
    assert_exactly_once(&world, "clock set back").await;
}
