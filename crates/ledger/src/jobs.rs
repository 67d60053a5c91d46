//! Independent jobs: this crate has no threads, so whoever has some lends them.

use std::sync::OnceLock;

/// Runs independent jobs, on as many threads as it has.
pub trait Jobs: Sync {
    /// Calls `job` exactly once with each number below `count`, in any order, and returns when all calls have.
    fn run(&self, count: usize, job: &(dyn Fn(usize) + Sync));
}

/// No threads: in order, on the caller's.
#[derive(Debug, Clone, Copy)]
pub struct OneByOne;

impl Jobs for OneByOne {
    fn run(&self, count: usize, job: &(dyn Fn(usize) + Sync)) {
        (0..count).for_each(job);
    }
}

/// Most calls of one job: handing it out then costs little beside it.
const CHUNK_MAX: usize = 16;
/// Jobs wanted from few calls, so that many cores have something to do.
const CHUNKS: usize = 64;

/// Results of a function of the numbers below `count`, in their order.
pub fn map<T: Send + Sync>(jobs: &dyn Jobs, count: usize, of: &(dyn Fn(usize) -> T + Sync)) -> Vec<T> {
    let length = (count / CHUNKS).clamp(1, CHUNK_MAX);
    let results = |chunk: usize| (chunk * length..count.min((chunk + 1) * length)).map(of).collect();
    let chunks: Vec<OnceLock<Vec<T>>> = (0..count.div_ceil(length)).map(|_| OnceLock::new()).collect();
    jobs.run(chunks.len(), &|chunk| drop(chunks[chunk].set(results(chunk))));
    // A job that was left out would be a defect of the lender; its results are then made here.
    let made = |(chunk, made): (usize, OnceLock<Vec<T>>)| made.into_inner().unwrap_or_else(|| results(chunk));
    chunks.into_iter().enumerate().flat_map(made).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs backwards, and leaves out one job.
    struct Careless;

    impl Jobs for Careless {
        fn run(&self, count: usize, job: &(dyn Fn(usize) + Sync)) {
            (0..count).rev().filter(|number| *number != 1).for_each(job);
        }
    }

    #[test]
    fn results_stand_in_order_whoever_runs_the_jobs() {
        for count in [0, 1, 63, 64, 200, 3_000] {
            let expected: Vec<usize> = (0..count).map(|number| number * 3).collect();
            assert_eq!(map(&OneByOne, count, &|number| number * 3), expected);
            assert_eq!(map(&Careless, count, &|number| number * 3), expected);
        }
    }
}
