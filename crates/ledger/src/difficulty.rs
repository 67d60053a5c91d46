//! Difficulty: how many attempts a block is expected to cost. Either a fixed level, or set by the blocks' own times so
//! that they keep a distance (the paper's problem 6).
//!
//! Invariant: the difficulty of a block is a function of genesis, the first block's time and its parent's header alone,
//! in integers, so that all nodes agree on it before anybody searches.

use minicbor::{Decode, Encode};
use units::Millis;

/// The largest difficulty that time can set: ten thousand million attempts a second take 83 days for it. Beyond that a
/// wrong clock is at work, and the bound keeps the arithmetic within its width.
pub const DIFFICULTY_MAX: u64 = 1 << 56;
/// The longest block time: an idle ledger still shows once a day that it lives.
pub const BLOCK_TIME_MAX: Millis = Millis::from_minutes(24 * 60);
/// The longest half-life: a year, beyond which the difficulty stands still in practice.
pub const HALF_LIFE_MAX: Millis = Millis::from_minutes(365 * 24 * 60);

/// The largest hash, as a big-endian integer, that satisfies a difficulty: (2^256 - 1) / D, rounded down.
/// A difficulty of 0 counts as 1.
#[must_use]
pub fn target(difficulty: u64) -> [u8; 32] {
    let divisor = u128::from(difficulty.max(1));
    let mut remainder = 0u128;
    let mut quotient = [0; 32];
    for limb in quotient.chunks_exact_mut(8) {
        let dividend = (remainder << 64) | u128::from(u64::MAX);
        remainder = dividend % divisor;
        // The remainder is below the divisor, so each quotient fits one limb; the mask states it.
        let [.., a, b, c, d, e, f, g, h] = (dividend / divisor).to_be_bytes();
        limb.copy_from_slice(&[a, b, c, d, e, f, g, h]);
    }
    quotient
}

/// The difficulty of a mining level: 16^level.
#[must_use]
pub const fn difficulty_of_level(level: u8) -> u64 {
    16u64.saturating_pow(level as u32)
}

/// The level that a block of this difficulty is paid for: the whole leading zero hexadecimal digits, kept within 1 to 5.
#[must_use]
pub fn level_of_difficulty(difficulty: u64) -> u8 {
    let digits = difficulty.max(1).ilog2() / 4;
    u8::try_from(digits.clamp(1, 5)).unwrap_or(5)
}

/// Difficulty by time: aserti3-2d (Bitcoin Cash, CHIP-2020-11-15), on difficulties instead of targets. A chain that is
/// one half-life ahead of its schedule has twice the difficulty, one that is behind by it half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BlockTime {
    /// The distance of blocks that the difficulty aims at.
    #[n(1)]
    pub target: Millis,
    /// How far ahead of schedule doubles the difficulty. Shorter follows a change sooner and trembles more.
    #[n(2)]
    pub half_life: Millis,
}

impl BlockTime {
    /// The difficulty of a block whose parent came `blocks` blocks and `elapsed` after the first block, if the first
    /// block's difficulty was `first`. At least 1, at most [`DIFFICULTY_MAX`]; rounded down.
    #[must_use]
    pub fn difficulty(&self, first: u64, blocks: u64, elapsed: Millis) -> u64 {
        let scheduled = i128::from(self.target.min(BLOCK_TIME_MAX).ms()) * i128::from(blocks);
        let ahead_ms = scheduled - i128::from(elapsed.ms());
        scaled(first.min(DIFFICULTY_MAX), self.exponent(ahead_ms))
    }

    /// A lead in half-lives, in 1/65536, rounded towards zero as in the published code. The product is below 2^108: a
    /// schedule of 2^64 blocks of 2^27 ms.
    fn exponent(&self, ahead_ms: i128) -> i128 {
        ahead_ms * RADIX / i128::from(self.half_life.ms().max(1))
    }
}

/// Fixed point of the exponent: 16 bits behind the point.
const RADIX: i128 = 1 << 16;

/// value x 2^(exponent / 65536), rounded down and bounded.
fn scaled(value: u64, exponent: i128) -> u64 {
    let whole = exponent.div_euclid(RADIX);
    // Beyond these the bounds hold whatever the value is: it is from 1 to 2^56.
    if whole >= 56 {
        return DIFFICULTY_MAX;
    }
    if whole < -57 {
        return 1;
    }
    let product = u128::from(value.max(1)) * power_of_two(exponent.rem_euclid(RADIX).unsigned_abs());
    // Below 2^73 before the shift by at most 55.
    let shift = whole.unsigned_abs();
    let shifted = if whole < 0 { product >> shift } else { product << shift };
    let bounded = (shifted >> 16).clamp(1, u128::from(DIFFICULTY_MAX));
    u64::try_from(bounded).unwrap_or(DIFFICULTY_MAX)
}

/// 65536 x 2^(fraction / 65536) for a fraction below 65536: the published cubic, off by less than 0.013 %.
const fn power_of_two(fraction: u128) -> u128 {
    let cubic = 195_766_423_245_049 * fraction + 971_821_376 * fraction * fraction + 5_127 * fraction.pow(3);
    ((cubic + (1 << 47)) >> 48) + (1 << 16)
}

#[cfg(test)]
mod tests;
