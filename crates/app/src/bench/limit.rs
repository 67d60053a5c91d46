//! Bare computations that figures are held against, and the search that is nearly one.

use super::table::Figure;
use super::{Work, on_all_cores};
use consensus::pow::Search;
use ed25519_dalek::{Signer as _, SigningKey};
use ledger::{Engine, Header};
use sha2::block_api::compress256;
use std::hint::black_box;
use std::time::Duration;
use units::{AccountId, BlockHash, Digest, Height, LedgerId, Timestamp};

/// Attempts of one call: long enough that asking the clock costs nothing.
const PORTION: u64 = 1 << 16;
/// Rounds in which figure and limit take turns, so that whatever else the machine does meets both.
const ROUNDS: u32 = 4;

/// Attempts of the proof-of-work search a second, against the block compression alone.
pub(super) fn attempts(time: Duration) -> Figure {
    let header = unreachable_header();
    let (mut searched, mut compressed) = (Work::default(), Work::default());
    for round in 0..ROUNDS {
        let slice = time / (2 * ROUNDS);
        searched.add(on_all_cores(slice, |worker| {
            let search = Search::new(&header);
            black_box(search.run(u64::from(round) << 48 | worker << 40, PORTION));
            PORTION
        }));
        compressed.add(on_all_cores(slice, |worker| {
            // Each from the same state, as attempts are: a chain of them would wait for itself.
            let block = [[worker.to_be_bytes()[7]; 64]];
            let mut sink = 0;
            for _ in 0..PORTION {
                let mut state = [0x6a09_e667; 8];
                compress256(&mut state, black_box(&block));
                sink ^= state[0];
            }
            black_box(sink);
            PORTION
        }));
    }
    Figure::rate("proof-of-work attempts, all cores", "/s", searched.per_second(), ">= 0.90")
        .against("sha2 compression alone", compressed.per_second())
}

/// A header that no nonce satisfies within a lifetime.
fn unreachable_header() -> Header {
    Header {
        version: 1,
        ledger: LedgerId::from_bytes([1; 32]),
        height: Height::from_number(1),
        time: Timestamp::from_ms(1),
        previous: BlockHash::from_bytes([2; 32]),
        log_size: 1,
        log_root: Digest::from_bytes([3; 32]),
        state_root: Digest::from_bytes([4; 32]),
        proposer: AccountId::from_bytes([5; 32]),
        engine: Engine { difficulty: u64::MAX, extra_nonce: 0, nonce: 0 },
    }
}

/// Strict verifications of Ed25519 a second on all cores, of messages of a statement's length.
pub(super) fn verifications(time: Duration, message_bytes: usize) -> Work {
    const PORTION: u64 = 64;
    let key = SigningKey::from_bytes(&[7; 32]);
    let message = vec![9; message_bytes];
    let signature = key.sign(&message);
    let public = key.verifying_key();
    on_all_cores(time, |_| {
        (0..PORTION).filter(|_| public.verify_strict(black_box(&message), &signature).is_ok()).count() as u64
    })
}
