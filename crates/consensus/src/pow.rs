//! Proof of work: one SHA-256 compression an attempt.
//!
//! A header's 212 bytes are hashed as four 64-byte blocks: three that stand still during a search, whose compressed state
//! (the midstate) is kept, and one that holds the rest, the nonce and the padding (FIPS 180-4 5.1.1):
//!
//! ```text
//! 0          4               12       20          29          56       64
//! difficulty  extra nonce     nonce    0x80, then zeros        bit length
//! (low half)
//! ```

use ledger::{Header, target};
use sha2::block_api::compress256;

/// Initial hash value of SHA-256 (FIPS 180-4 5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Bytes of a SHA-256 block.
const BLOCK: usize = 64;
/// Bytes of the header in its last block.
const TAIL: usize = Header::BYTES - Header::MIDSTATE_BYTES;
/// Place of the nonce in the last block.
const NONCE: usize = TAIL - 8;
/// The header's length in bits, as the padding states it.
const LENGTH_BITS: [u8; 8] = (Header::BYTES as u64 * 8).to_be_bytes();

/// Attempts whose blocks are laid out together: enough that none waits for its nonce, few enough for the stack.
const ROUND: usize = 16;

/// Whether a header's hash satisfies the difficulty that it states. Whether it states the right one is the rules' to say.
#[must_use]
pub fn satisfies(header: &Header) -> bool {
    *header.hash().as_bytes() <= target(header.engine.difficulty)
}

/// A search over the nonces of one header.
#[derive(Debug, Clone)]
pub struct Search {
    midstate: [u32; 8],
    last_block: [u8; BLOCK],
    target: [u32; 8],
}

impl Search {
    /// Prepares a search; the header's own nonce does not matter.
    #[must_use]
    pub fn new(header: &Header) -> Self {
        let bytes = header.to_bytes();
        let (still, tail) = bytes.split_at(Header::MIDSTATE_BYTES);
        let mut midstate = INITIAL;
        compress256(&mut midstate, still.as_chunks::<BLOCK>().0);
        let mut last_block = [0; BLOCK];
        last_block[..TAIL].copy_from_slice(tail);
        last_block[TAIL] = 0x80;
        last_block[BLOCK - LENGTH_BITS.len()..].copy_from_slice(&LENGTH_BITS);
        Self { midstate, last_block, target: words(&target(header.engine.difficulty)) }
    }

    /// Tries `attempts` nonces from `first_nonce` on and gives the first that satisfies the difficulty. Nonces go on from
    /// 0 after the last. Allocates nothing.
    #[must_use]
    pub fn run(&self, first_nonce: u64, attempts: u64) -> Option<u64> {
        let mut blocks = [self.last_block; ROUND];
        let (mut nonce, mut left) = (first_nonce, attempts);
        while left > 0 {
            let round = left.min(ROUND as u64);
            // All nonces of a round are written before the first is hashed: the compression loads 16 bytes at once, and a
            // load that overlaps a shorter store just made would wait until that has reached the cache.
            for (block, offset) in blocks.iter_mut().zip(0..round) {
                block[NONCE..TAIL].copy_from_slice(&nonce.wrapping_add(offset).to_be_bytes());
            }
            for (block, offset) in blocks.iter().zip(0..round) {
                let mut state = self.midstate;
                compress256(&mut state, std::slice::from_ref(block));
                // Words compare as the big-endian bytes that they are written as. Nearly all attempts fail at the first.
                if state[0] <= self.target[0] && state <= self.target {
                    return Some(nonce.wrapping_add(offset));
                }
            }
            nonce = nonce.wrapping_add(round);
            left -= round;
        }
        None
    }
}

/// A digest as the eight words that SHA-256 computes with.
fn words(digest: &[u8; 32]) -> [u32; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(digest.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{Engine, difficulty_of_level};
    use units::{AccountId, BlockHash, Digest, Height, LedgerId, Timestamp};

    /// A header that differs in every field from those of other numbers.
    fn header(number: u64, difficulty: u64) -> Header {
        let filled = |offset: u64| -> [u8; 32] {
            let mut bytes = [offset.to_le_bytes()[0]; 32];
            bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            bytes
        };
        Header {
            version: 1,
            ledger: LedgerId::from_bytes(filled(1)),
            height: Height::from_number(number),
            time: Timestamp::from_ms(number * 1_000),
            previous: BlockHash::from_bytes(filled(2)),
            log_size: number,
            log_root: Digest::from_bytes(filled(3)),
            state_root: Digest::from_bytes(filled(4)),
            proposer: AccountId::from_bytes(filled(5)),
            engine: Engine { difficulty, extra_nonce: number, nonce: 0 },
        }
    }

    fn with_nonce(header: &Header, nonce: u64) -> Header {
        Header { engine: Engine { nonce, ..header.engine }, ..header.clone() }
    }

    #[test]
    fn the_search_agrees_with_the_hash_of_the_header() {
        // Difficulties around powers of 16, of 2, and of neither, so that the comparison is exact in every word.
        for difficulty in [1, 2, 3, 15, 16, 17, 100, 255, 256] {
            let header = header(difficulty, difficulty);
            let search = Search::new(&header);
            for nonce in (0..500).chain(u64::MAX - 10..=u64::MAX) {
                let expected = satisfies(&with_nonce(&header, nonce)).then_some(nonce);
                assert_eq!(search.run(nonce, 1), expected, "difficulty {difficulty}, nonce {nonce}");
            }
        }
    }

    #[test]
    fn the_first_nonce_that_satisfies_is_found_and_none_beyond_the_attempts() {
        let header = header(7, difficulty_of_level(2));
        let search = Search::new(&header);
        let found = search.run(0, u64::MAX).unwrap();
        assert!(found > 0 && satisfies(&with_nonce(&header, found)));
        assert_eq!(search.run(0, found), None);
        assert!((0..found).all(|nonce| !satisfies(&with_nonce(&header, nonce))));
        assert_eq!(search.run(u64::MAX, found + 2), search.run(u64::MAX, 1).or(Some(found)));
    }

    #[test]
    fn every_attempt_of_a_round_and_none_beyond_it_is_tried() {
        let header = header(11, 8);
        let search = Search::new(&header);
        for first in (0..40).chain([u64::MAX - 20]) {
            for attempts in 0..40 {
                let tried = |offset: u64| first.wrapping_add(offset);
                let expected = (0..attempts).map(tried).find(|nonce| satisfies(&with_nonce(&header, *nonce)));
                assert_eq!(search.run(first, attempts), expected, "{attempts} attempts from {first}");
            }
        }
    }

    #[test]
    fn a_level_is_its_number_of_leading_zero_hex_digits() {
        for level in 1..=5u8 {
            let printed = Digest::from_bytes(target(difficulty_of_level(level))).to_string();
            let digits = usize::from(level);
            assert_eq!(printed, format!("{}{}", "0".repeat(digits), "f".repeat(64 - digits)));
        }
        let header = header(3, difficulty_of_level(3));
        let found = Search::new(&header).run(0, u64::MAX).unwrap();
        assert!(with_nonce(&header, found).hash().to_string().starts_with("000"));
    }

    #[test]
    fn the_mean_search_takes_as_many_attempts_as_the_difficulty_says() {
        const HEADERS: u64 = 500;
        let difficulty = difficulty_of_level(2);
        let attempts = |number| Search::new(&header(number, difficulty)).run(0, u64::MAX).unwrap() + 1;
        let sum: u64 = (0..HEADERS).map(attempts).sum();
        // Geometric: the standard deviation of one search is about its mean, 256; of the sum of 500, 256 * sqrt(500).
        let expected = difficulty * HEADERS;
        let five_sigma = 5 * difficulty * (HEADERS.isqrt() + 1);
        assert!(sum.abs_diff(expected) < five_sigma, "{sum} attempts, {expected} expected");
    }
}
