//! Whole communities from seeds, and planted bugs that must be found.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]

mod planted;
mod seeds;
mod store;

use meter::Replay;
use seeds::{all, long};
use sim::{run, run_double_sale, run_power_cuts};
use std::sync::Arc;

/// Seeds of a usual run, and how many times more of them a long run has.
const SEEDS: u64 = 2_000;
const LONG: u64 = 25;
/// The same of partitions across which energy is sold twice.
const DOUBLE_SALES: u64 = 250;
const DOUBLE_SALES_LONG: u64 = 4;

fn replay() -> Arc<Replay> {
    Arc::new(Replay::excerpt().unwrap())
}

#[test]
fn every_promise_holds_in_every_community() {
    let outcomes = all(SEEDS * long(LONG), run);
    let sum = |of: fn(&sim::Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    let (nodes, starts) = (sum(|outcome| outcome.size.0 as u64), sum(|outcome| outcome.starts.0));
    let (statements, blocks) = (sum(|outcome| outcome.statements as u64), sum(|outcome| outcome.blocks.0));
    let abandoned = sum(|outcome| outcome.blocks.1 as u64) - blocks;
    println!(
        "{} communities, {nodes} nodes with {starts} starts, {statements} statements, {blocks} blocks and {abandoned} \
         abandoned ones",
        outcomes.len()
    );
    let mut agreed: Vec<u64> = outcomes.iter().map(|outcome| outcome.agreed_after.ms() / 1_000).collect();
    agreed.sort_unstable();
    let share = |percent: usize| agreed[(agreed.len() - 1) * percent / 100];
    println!("the same after {} s in half of them, {} s in 99 of 100, {} s at most", share(50), share(99), share(100));
}

/// `WATTPROOF_TRACE=n` shows everything that happens in the community of a seed.
#[test]
fn the_trace_of_a_run_is_whole_and_ends_as_the_run_does() {
    let seed = seeds::number("WATTPROOF_TRACE").unwrap_or(3);
    let (lines, outcome) = sim::trace(seed, &replay());
    let outcome = outcome.unwrap_or_else(|violation| panic!("{}\n{violation}", lines.join("\n")));
    assert_eq!(lines.len() as u64, outcome.lines);
    assert_eq!(Ok(outcome), run(seed, &replay()));
    if seeds::number("WATTPROOF_TRACE").is_some() {
        println!("{}", lines.join("\n"));
    }
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_another() {
    let replay = replay();
    let outcomes = [7, 7, 8].map(|seed| run(seed, &replay).unwrap_or_else(|failure| panic!("{failure}")));
    assert_eq!(outcomes[0], outcomes[1]);
    assert_ne!(outcomes[0].trace_hash, outcomes[2].trace_hash);
}

#[test]
fn what_is_sold_on_both_sides_of_a_partition_is_booked_once_and_the_loser_is_told_why() {
    let outcomes = all(DOUBLE_SALES * long(DOUBLE_SALES_LONG), run_double_sale);
    let lost: usize = outcomes.iter().map(|outcome| outcome.sales_lost).sum();
    println!("{lost} of {} sales lost to the one on the other side", 2 * outcomes.len());
    // Neither is booked where the block of a month that has ended meanwhile was abandoned.
    assert!(lost >= outcomes.len(), "two sales of the same energy are both booked");
}

/// Power cuts of a usual run; a long one has five times as many.
const POWER_CUTS: u64 = 200;

#[test]
fn power_cuts_of_the_gateway_lose_and_double_no_acknowledged_reading() {
    let replay = replay();
    let (mut cuts, mut readings, mut seed) = (0, 0, 1_000);
    while cuts < POWER_CUTS * long(5) {
        let outcome = run_power_cuts(seed, &replay).unwrap_or_else(|failure| panic!("{failure}"));
        assert!(outcome.power_cuts > 0 && outcome.starts.1 == outcome.power_cuts + 1, "seed {seed}: {outcome:?}");
        (cuts, readings, seed) = (cuts + outcome.power_cuts, readings + outcome.readings, seed + 1);
    }
    println!("{cuts} power cuts in {} communities, {readings} readings", seed - 1_000);
}
