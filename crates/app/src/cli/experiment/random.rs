//! Random numbers that a seed repeats. Not for keys.

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): one addition and a mixing function, which is enough for a simulation.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Evenly above 0 and up to 1, in steps of 2^-53.
    fn fraction(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Exponentially distributed with mean 1.
    pub(super) fn exponential(&mut self) -> f64 {
        -self.fraction().ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_the_published_generator() {
        let mut random = Random::from_seed(1_234_567);
        let numbers = [(); 3].map(|()| random.next());
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn draws_have_mean_and_deviation_one() {
        let mut random = Random::from_seed(0);
        let draws: Vec<f64> = (0..100_000).map(|_| random.exponential()).collect();
        let summary = super::super::statistics::Summary::of(&draws);
        assert!((summary.mean - 1.0).abs() < 0.02 && (summary.deviation - 1.0).abs() < 0.03, "{summary:?}");
    }
}
