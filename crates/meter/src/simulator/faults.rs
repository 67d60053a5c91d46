//! Faults of a line from a seed: the same seed gives the same faults.

/// How often what goes wrong with an answer, each in a thousandth of all answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Where the sequence of faults begins.
    pub seed: u64,
    /// One bit is flipped.
    pub flip: u16,
    /// The end is cut off.
    pub cut: u16,
    /// Nothing arrives.
    pub drop: u16,
    /// It arrives twice.
    pub duplicate: u16,
    /// It is held back and arrives with the next answer.
    pub delay: u16,
}

impl Faults {
    /// A perfect line.
    pub const NONE: Self = Self { seed: 0, flip: 0, cut: 0, drop: 0, duplicate: 0, delay: 0 };

    /// Every fault equally often, `each` in a thousand answers.
    #[must_use]
    pub const fn of_each(seed: u64, each: u16) -> Self {
        Self { seed, flip: each, cut: each, drop: each, duplicate: each, delay: each }
    }

    /// What arrives of an answer, after what was `held` back of earlier ones.
    pub(super) fn apply(&mut self, mut answer: Vec<u8>, held: &mut Vec<u8>) -> Vec<u8> {
        let mut arrived = std::mem::take(held);
        if answer.is_empty() {
            return arrived;
        }
        if self.happens(self.flip) {
            let bit = self.below(answer.len() * 8);
            answer[bit / 8] ^= 1 << (bit % 8);
        }
        if self.happens(self.cut) {
            answer.truncate(self.below(answer.len()));
        }
        if self.happens(self.duplicate) {
            answer.extend_from_within(..);
        }
        if self.happens(self.delay) {
            *held = answer;
        } else if !self.happens(self.drop) {
            arrived.extend(answer);
        }
        arrived
    }

    fn happens(&mut self, per_mille: u16) -> bool {
        per_mille > 0 && self.below(1_000) < usize::from(per_mille)
    }

    /// A number below `bound`; the slight bias of the remainder does not matter for faults.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % bound).unwrap_or_default()
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
    fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.seed ^ self.seed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }
}
