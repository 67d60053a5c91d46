//! Many seeds on all cores.
//!
//! `WATTPROOF_SEED=n` replays one, `WATTPROOF_SEEDS=n` runs the first n, without those before
//! `WATTPROOF_FROM=m`, `WATTPROOF_LONG=1` runs many times as many.

use crate::replay;
use meter::Replay;
use sim::{Failure, Outcome};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap())
}

/// How many times as many seeds as usual: `factor` in a long run.
pub(crate) fn long(factor: u64) -> u64 {
    if number("WATTPROOF_LONG") == Some(1) { factor } else { 1 }
}

/// Runs the first `count` seeds, or those that the environment asks for. After a failure no new seed is begun.
///
/// # Panics
/// With every failure and its seed.
pub(crate) fn all(count: u64, run: fn(u64, &Arc<Replay>) -> Result<Outcome, Box<Failure>>) -> Vec<Outcome> {
    let (first, end) = match number("WATTPROOF_SEED") {
        Some(seed) => (seed, seed + 1),
        None => (number("WATTPROOF_FROM").unwrap_or(0), number("WATTPROOF_SEEDS").unwrap_or(count)),
    };
    let (replay, next, stop) = (replay(), AtomicU64::new(first), AtomicBool::new(false));
    let (outcomes, failures) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    match run(seed, &replay) {
                        Ok(outcome) => outcomes.lock().unwrap().push(outcome),
                        Err(failure) => {
                            stop.store(true, Ordering::Relaxed);
                            failures.lock().unwrap().push(failure);
                        }
                    }
                }
            });
        }
    });
    let replayed = "run it again with WATTPROOF_SEED=";
    let failures = failures.into_inner().unwrap();
    let texts: Vec<String> = failures.iter().map(|failure| format!("{failure}\n{replayed}{}", failure.seed)).collect();
    assert!(texts.is_empty(), "{}", texts.join("\n"));
    outcomes.into_inner().unwrap()
}
