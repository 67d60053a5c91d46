//! The search itself: consecutive blocks with an empty, fixed body, the nonce counted up from 1 on one thread.
//!
//! Only height and previous hash differ from block to block, as in the paper; nothing else in the header is random, so the
//! same seed gives the same nonces on every machine.

use consensus::pow::Search;
use ledger::{Engine, Header, difficulty_of_level, log};
use sha2::{Digest as _, Sha256};
use std::time::{Duration, Instant};
use units::{AccountId, BlockHash, Digest, Height, LedgerId, Timestamp};

/// A block found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) level: u8,
    /// From 1.
    pub(super) number: u32,
    /// Counted from 1, so that it is the number of attempts too.
    pub(super) nonce: u64,
    pub(super) time: Duration,
}

/// Attempts between two chances to tell how far the search is: half a second or less.
const PORTION: u64 = 1 << 22;

/// Finds consecutive blocks of a level. `told` is called after each block and now and then within a long search.
pub(super) fn chain(level: u8, runs: u32, seed: u64, mut told: impl FnMut(u32)) -> Vec<Run> {
    let mut header = first(level, seed);
    let mut found = Vec::new();
    for number in 1..=runs {
        let start = Instant::now();
        let search = Search::new(&header);
        let mut from = 1;
        let nonce = loop {
            if let Some(nonce) = search.run(from, PORTION) {
                break nonce;
            }
            from += PORTION;
            told(number - 1);
        };
        found.push(Run { level, number, nonce, time: start.elapsed() });
        told(number);
        header.engine.nonce = nonce;
        header.previous = header.hash();
        header.height = header.height.next();
    }
    found
}

/// The first header of a level's chain. What stands for the block before it is made from the seed.
fn first(level: u8, seed: u64) -> Header {
    let named = |what: &str| -> [u8; 32] { Sha256::digest(format!("wattproof experiment {what}")).into() };
    Header {
        version: ledger::Genesis::VERSION,
        ledger: LedgerId::from_bytes(named("ledger")),
        height: Height::from_number(1),
        time: Timestamp::from_ms(0),
        previous: BlockHash::from_bytes(named(&format!("level {level} seed {seed}"))),
        log_size: 0,
        log_root: log::Log::new().root(),
        state_root: Digest::from_bytes([0; 32]),
        proposer: AccountId::from_bytes(named("miner")),
        engine: Engine { difficulty: difficulty_of_level(level), extra_nonce: 0, nonce: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_has_the_first_nonce_that_satisfies_and_follows_the_one_before() {
        let runs = chain(2, 20, 7, |_| {});
        let mut header = first(2, 7);
        for run in &runs {
            let satisfies = |nonce: u64| {
                let engine = Engine { nonce, ..header.engine };
                consensus::pow::satisfies(&Header { engine, ..header.clone() })
            };
            assert_eq!((1..).find(|nonce| satisfies(*nonce)), Some(run.nonce), "run {}", run.number);
            header.engine.nonce = run.nonce;
            header.previous = header.hash();
            header.height = header.height.next();
        }
        let nonces = |seed| chain(2, 20, seed, |_| {}).iter().map(|run| run.nonce).collect::<Vec<_>>();
        assert_eq!(nonces(7), runs.iter().map(|run| run.nonce).collect::<Vec<_>>());
        assert_ne!(nonces(7), nonces(8));
    }
}
