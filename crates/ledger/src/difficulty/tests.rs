//! The integer exponential against its publication and against the real one.

use super::*;
use proptest::prelude::*;

/// The parameters of the published vectors: blocks of ten minutes, a half-life of two days.
const PUBLISHED: BlockTime =
    BlockTime { target: Millis::from_minutes(10), half_life: Millis::from_minutes(2 * 24 * 60) };

/// Where a run of vectors starts, as mantissa and exponent (base 256) of its target.
struct Anchor(u64, u32);

impl Anchor {
    /// The mantissa of the target after the block of a height (the anchor has height 1 and its parent time 0), rounded
    /// down at the exponent that the vector gives it with.
    fn target(&self, height: i128, time_s: i128, exponent: u32) -> u64 {
        // Sixteen bits more than the mantissa has, as the 256-bit target of the publication has.
        let behind_ms = (time_s - 600 * height) * 1_000;
        let target = scaled(self.0 << 16, PUBLISHED.exponent(behind_ms));
        let moved = 8 * (i64::from(exponent) - i64::from(self.1));
        target >> (16 + moved)
    }
}

/// From the test vectors of the specification (run05: halvings; run08: hash power that vanishes), which are targets; a
/// difficulty moves by the same function the other way.
#[test]
fn the_exponential_gives_the_published_targets() {
    let halving = Anchor(0x00_ffff, 0x1d);
    for (height, time, exponent, mantissa) in [
        (2, 0, 0x1d, 0x00_fec5),
        (290, 0, 0x1c, 0x7f_62c0),
        (578, 0, 0x1c, 0x3f_b160),
        (1_154, 0, 0x1c, 0x0f_ec58),
        (2_306, 0, 0x1c, 0x00_fec5),
    ] {
        assert_eq!(halving.target(height, time, exponent), mantissa, "height {height}");
    }
    let vanishing = Anchor(0x02_aee8, 0x18);
    for (height, time, exponent, mantissa) in [
        (2, 1_200, 0x18, 0x02_aee8),
        (3, 1_310, 0x18, 0x02_ad91),
        (9, 7_099, 0x18, 0x02_b39c),
        (13, 9_975, 0x18, 0x02_b4ee),
        (66, 145_532, 0x18, 0x04_1a91),
        (135, 572_167, 0x18, 0x13_3f13),
        (187, 1_078_358, 0x19, 0x00_8158),
        (223, 1_619_846, 0x19, 0x04_10f7),
        (281, 2_529_858, 0x1a, 0x00_881c),
    ] {
        assert_eq!(vanishing.target(height, time, exponent), mantissa, "height {height}");
    }
}

/// The specification states an error of at most 0.013 %.
#[test]
fn the_cubic_is_within_its_stated_error_everywhere_and_never_falls() {
    let mut before = 0;
    for fraction in 0..1 << 16 {
        let cubic = power_of_two(fraction);
        let exact = 65_536.0 * (fraction as f64 / 65_536.0).exp2();
        assert!((cubic as f64 / exact - 1.0).abs() < 0.000_13, "2^({fraction} / 65536)");
        assert!(cubic >= before);
        before = cubic;
    }
    assert_eq!((power_of_two(0), before), (65_536, 131_071));
}

/// Blocks of 10 s, a half-life of 60 s; from level 3, 4,096.
#[test]
fn a_chain_ahead_of_its_schedule_gets_harder_and_one_behind_gets_easier() {
    let rule = BlockTime { target: Millis::from_seconds(10), half_life: Millis::from_seconds(60) };
    for (blocks, elapsed_s, difficulty) in [
        (0, 0, 4_096),
        (10, 100, 4_096),
        (6, 0, 8_192),
        (12, 60, 8_192),
        (12, 180, 2_048),
        (1, 11, 4_049),
        (1, 9, 4_143),
        (0, 12 * 60, 1),
        (0, 13 * 60, 1),
        (0, u64::MAX / 1_000, 1),
        (44 * 6, 0, DIFFICULTY_MAX),
        (44 * 6 - 6, 0, DIFFICULTY_MAX / 2),
        (u64::MAX, 0, DIFFICULTY_MAX),
    ] {
        let found = rule.difficulty(4_096, blocks, Millis::from_seconds(elapsed_s));
        assert_eq!(found, difficulty, "{blocks} blocks in {elapsed_s} s");
    }
}

#[test]
fn a_level_is_the_whole_hexadecimal_digits_of_the_difficulty() {
    for (difficulty, level) in
        [(0, 1), (1, 1), (16, 1), (255, 1), (256, 2), (4_095, 2), (4_096, 3), (65_536, 4), (1 << 20, 5), (u64::MAX, 5)]
    {
        assert_eq!(level_of_difficulty(difficulty), level, "{difficulty}");
    }
    assert!((1..=5).all(|level| level_of_difficulty(difficulty_of_level(level)) == level));
}

proptest! {
    /// No input overflows, and more blocks in less time are never easier.
    #[test]
    fn the_difficulty_is_bounded_and_rises_with_the_lead(
        first: u64, blocks: u64, more: u64, elapsed: u64, less: u64, target: u64, half_life: u64,
    ) {
        let rule = BlockTime { target: Millis::from_ms(target), half_life: Millis::from_ms(half_life) };
        let at = |blocks, elapsed| rule.difficulty(first, blocks, Millis::from_ms(elapsed));
        let difficulty = at(blocks, elapsed);
        prop_assert!((1..=DIFFICULTY_MAX).contains(&difficulty));
        prop_assert!(at(blocks.saturating_add(more), elapsed.saturating_sub(less)) >= difficulty);
    }

    /// Within the bounds it is the first difficulty times 2^(lead / half-life), to the cubic's error and a whole attempt.
    #[test]
    fn the_difficulty_follows_the_real_exponential(
        level in 1u8..=5, blocks in 0u64..2_000, elapsed in 0u64..20_000_000, half_life in 600_000u64..6_000_000,
    ) {
        let rule = BlockTime { target: Millis::from_seconds(10), half_life: Millis::from_ms(half_life) };
        let first = difficulty_of_level(level);
        let lead = blocks as f64 * 10_000.0 - elapsed as f64;
        let exact = first as f64 * (lead / half_life as f64).exp2();
        prop_assume!(exact < DIFFICULTY_MAX as f64);
        let found = rule.difficulty(first, blocks, Millis::from_ms(elapsed)) as f64;
        // The exponent's 16 bits add 1.1e-5 to the cubic's 1.3e-4.
        prop_assert!((found - exact.max(1.0)).abs() <= exact * 0.000_15 + 1.0, "{found}, exactly {exact}");
    }
}
