//! Threads for independent jobs: the cores that the pure crates do not know of.
//!
//! Scoped threads of the standard library, started for each call: what is handed out lasts milliseconds, starting a
//! thread some ten microseconds. A pool that lives on (rayon) would save those and cost a dependency.

use ledger::Jobs;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// As many threads as there are cores.
#[derive(Debug, Clone, Copy)]
pub struct Threads(usize);

impl Threads {
    /// For the cores that this process may use.
    #[must_use]
    pub fn all() -> Self {
        Self(thread::available_parallelism().map_or(1, NonZero::get))
    }
}

impl Jobs for Threads {
    fn run(&self, count: usize, job: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let work = || {
            let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            numbers.take_while(|number| *number < count).for_each(job);
        };
        thread::scope(|scope| {
            for _ in 1..self.0.min(count) {
                // Without another thread this one does all.
                drop(thread::Builder::new().name("jobs".into()).spawn_scoped(scope, work));
            }
            work();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_runs_once_on_however_many_threads() {
        for threads in [1, 2, 7] {
            for count in [0, 1, 2, 100] {
                let runs: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                Threads(threads).run(count, &|number| {
                    runs[number].fetch_add(1, Ordering::Relaxed);
                });
                assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1), "{count} on {threads}");
            }
        }
    }
}
