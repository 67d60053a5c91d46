//! Whole communities from seeds, and planted bugs that must be found.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]

mod store;

use meter::Replay;
use sim::{Sabotage, Violation, run, run_power_cuts, run_sabotaged};
use std::sync::Arc;

/// Seeds of a usual run; a release build runs them within half a minute on two cores.
const SEEDS: u64 = 100;
/// How many times more of them a long run has.
const LONG: u64 = 50;

fn replay() -> Arc<Replay> {
    Arc::new(Replay::excerpt().unwrap())
}

/// Seeds from the environment: `WATTPROOF_SEED=n` replays one, `WATTPROOF_SEEDS=n` runs the first n, `WATTPROOF_LONG=1`
/// runs fifty times as many.
fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse::<u64>().unwrap());
    if let Some(seed) = number("WATTPROOF_SEED") {
        return vec![seed];
    }
    let factor = if number("WATTPROOF_LONG") == Some(1) { LONG } else { 1 };
    (0..number("WATTPROOF_SEEDS").unwrap_or(SEEDS) * factor).collect()
}

#[test]
fn every_promise_holds_in_every_community() {
    let (replay, seeds) = (replay(), seeds());
    let mut failures = Vec::new();
    std::thread::scope(|scope| {
        let (even, odd): (Vec<u64>, Vec<u64>) = seeds.iter().partition(|seed| *seed % 2 == 0);
        let workers = [even, odd].map(|seeds| {
            let replay = Arc::clone(&replay);
            scope.spawn(move || seeds.into_iter().find_map(|seed| run(seed, &replay).err()))
        });
        failures.extend(workers.into_iter().filter_map(|worker| worker.join().unwrap()));
    });
    let replayed = "run it again with WATTPROOF_SEED=";
    let texts: Vec<String> = failures.iter().map(|failure| format!("{failure}\n{replayed}{}", failure.seed)).collect();
    assert!(texts.is_empty(), "{}", texts.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_another() {
    let replay = replay();
    let outcomes = [7, 7, 8].map(|seed| run(seed, &replay).unwrap_or_else(|failure| panic!("{failure}")));
    assert_eq!(outcomes[0], outcomes[1]);
    assert_ne!(outcomes[0].trace_hash, outcomes[2].trace_hash);
}

/// The violation that a planted bug leads to, in the first of some seeds that meet it.
fn found(sabotage: Sabotage) -> Option<Violation> {
    let replay = replay();
    (0..40).find_map(|seed| run_sabotaged(seed, &replay, sabotage).err()).map(|failure| failure.violation)
}

#[test]
fn a_node_that_acknowledges_before_it_syncs_is_found() {
    let found = found(Sabotage::AnswerBeforeSync);
    assert!(matches!(found, Some(Violation::AcknowledgedLost(_) | Violation::FinalChanged { .. })), "{found:?}");
}

#[test]
fn a_gateway_that_forgets_a_stored_reading_is_found() {
    let found = found(Sabotage::ForgetReading);
    assert!(matches!(found, Some(Violation::ReadingNotCommitted { .. })), "{found:?}");
}

#[test]
fn a_disk_that_loses_synced_blocks_is_found() {
    let found = found(Sabotage::LoseBlocks);
    assert!(matches!(found, Some(Violation::WillNotStart(_))), "{found:?}");
}

#[test]
fn statements_that_never_arrive_are_found() {
    let found = found(Sabotage::SwallowDeliveries);
    assert!(matches!(found, Some(Violation::NotHealed { .. })), "{found:?}");
}

/// Power cuts of a usual run; a long one has five times as many.
const POWER_CUTS: u64 = 200;

#[test]
fn power_cuts_of_the_gateway_lose_and_double_no_acknowledged_reading() {
    let replay = replay();
    let factor = if std::env::var("WATTPROOF_LONG").is_ok_and(|long| long == "1") { 5 } else { 1 };
    let (mut cuts, mut readings, mut seed) = (0, 0, 1_000);
    while cuts < POWER_CUTS * factor {
        let outcome = run_power_cuts(seed, &replay).unwrap_or_else(|failure| panic!("{failure}"));
        assert!(outcome.power_cuts > 0 && outcome.starts.1 == outcome.power_cuts + 1, "seed {seed}: {outcome:?}");
        (cuts, readings, seed) = (cuts + outcome.power_cuts, readings + outcome.readings, seed + 1);
    }
    println!("{cuts} power cuts in {} communities, {readings} readings", seed - 1_000);
}

#[test]
fn a_database_that_acknowledges_before_it_syncs_is_found() {
    let found = found(Sabotage::AcknowledgeUnsynced);
    assert!(matches!(found, Some(Violation::StoredReadingLost { .. })), "{found:?}");
}

#[test]
fn a_database_that_leaves_half_a_transaction_is_found() {
    let found = found(Sabotage::TearTransaction);
    assert!(matches!(found, Some(Violation::ReadingNotCommitted { .. })), "{found:?}");
}
