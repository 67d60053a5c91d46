//! Faults of a line from a seed: the same seed gives the same faults.

use super::dice::Dice;
use std::fmt;
use std::str::FromStr;

/// What may go wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// One bit is turned over.
    Flip,
    /// Up to 16 bits in a row are damaged.
    Burst,
    /// The end is cut off.
    Cut,
    /// Nothing arrives.
    Loss,
    /// It arrives twice.
    Duplicate,
    /// It arrives late: after the time that its question had.
    Late,
    /// Bytes of nobody come before it.
    Noise,
}

/// Longest burst, in bits: what CRC-16 finds without exception.
const BURST_BITS_MAX: u64 = 16;
/// Most bytes of nobody before an answer.
const NOISE_BYTES_MAX: u64 = 8;

impl Fault {
    /// All of them, in the order in which they are tried on an answer.
    pub const ALL: [Self; 7] =
        [Self::Flip, Self::Burst, Self::Cut, Self::Duplicate, Self::Noise, Self::Late, Self::Loss];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flip => "flip",
            Self::Burst => "burst",
            Self::Cut => "cut",
            Self::Loss => "loss",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::Noise => "noise",
        }
    }

    /// What it does, in a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Flip => "one bit is turned over",
            Self::Burst => "up to 16 bits in a row are damaged",
            Self::Cut => "the end is cut off",
            Self::Loss => "nothing arrives",
            Self::Duplicate => "it arrives twice",
            Self::Late => "it arrives 0.3 to 3 s late, when nobody waits for it any more",
            Self::Noise => "up to 8 bytes of nobody come before it",
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Flip => 0,
            Self::Burst => 1,
            Self::Cut => 2,
            Self::Duplicate => 3,
            Self::Noise => 4,
            Self::Late => 5,
            Self::Loss => 6,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = String;
    /// The error lists the names there are.
    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|fault| fault.name() == text);
        found.ok_or_else(|| format!("`{text}` is no fault; there are {}", names()))
    }
}

/// How often what goes wrong with an answer, each in a thousandth of all answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    seed: u64,
    per_mille: [u16; Fault::ALL.len()],
}

impl Faults {
    /// A perfect line.
    pub const NONE: Self = Self { seed: 0, per_mille: [0; Fault::ALL.len()] };

    /// A line whose faults begin where the seed says; none yet.
    #[must_use]
    pub const fn of_seed(seed: u64) -> Self {
        Self { seed, ..Self::NONE }
    }

    /// Every fault equally often, `each` in a thousand answers.
    #[must_use]
    pub const fn of_each(seed: u64, each: u16) -> Self {
        Self { seed, per_mille: [each; Fault::ALL.len()] }
    }

    /// The same with a fault in so many of a thousand answers; 0 is never, 1,000 always.
    #[must_use]
    pub const fn with(mut self, fault: Fault, per_mille: u16) -> Self {
        self.per_mille[fault.index()] = per_mille;
        self
    }

    /// How often a fault happens, in a thousandth of all answers.
    #[must_use]
    pub const fn per_mille(&self, fault: Fault) -> u16 {
        self.per_mille[fault.index()]
    }
}

/// What a line made of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spoilt {
    pub(super) bytes: Vec<u8>,
    pub(super) is_late: bool,
}

/// A line that spoils what it carries.
#[derive(Debug, Clone)]
pub(super) struct Spoiler {
    faults: Faults,
    dice: Dice,
}

impl Spoiler {
    pub(super) const fn new(faults: Faults) -> Self {
        Self { faults, dice: Dice::new(faults.seed) }
    }

    /// What arrives of an answer; `None` when nothing does.
    pub(super) fn spoil(&mut self, mut bytes: Vec<u8>) -> Option<Spoilt> {
        let (mut is_late, mut is_lost) = (false, bytes.is_empty());
        for fault in Fault::ALL {
            if bytes.is_empty() || !self.dice.happens(self.faults.per_mille(fault)) {
                continue;
            }
            match fault {
                Fault::Flip => self.damage(&mut bytes, 1),
                Fault::Burst => self.damage(&mut bytes, BURST_BITS_MAX),
                Fault::Cut => bytes.truncate(self.dice.place(bytes.len())),
                Fault::Duplicate => bytes.extend_from_within(..),
                Fault::Noise => bytes = self.noise().chain(bytes).collect(),
                Fault::Late => is_late = true,
                Fault::Loss => is_lost = true,
            }
        }
        (!is_lost).then_some(Spoilt { bytes, is_late })
    }

    /// Damages a run of at most so many bits: its ends are turned over, what lies between is as chance has it.
    fn damage(&mut self, bytes: &mut [u8], bits_max: u64) {
        let length = usize::try_from(self.dice.between(1, bits_max)).unwrap_or(1).min(bytes.len() * 8);
        let from = self.dice.place(bytes.len() * 8 - length + 1);
        for bit in from..from + length {
            let is_end = bit == from || bit + 1 == from + length;
            if is_end || self.dice.below(2) == 1 {
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    fn noise(&mut self) -> impl Iterator<Item = u8> + use<> {
        let count = self.dice.between(1, NOISE_BYTES_MAX);
        let bytes: Vec<u8> = (0..count).map(|_| self.dice.next().to_le_bytes()[0]).collect();
        bytes.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What arrives of `[1, 2, .. 16]` when one fault always happens.
    fn spoilt(fault: Fault, seed: u64) -> Option<Spoilt> {
        Spoiler::new(Faults::of_seed(seed).with(fault, 1_000)).spoil((1..=16).collect())
    }

    /// First and last damaged bit of an answer.
    fn damaged(bytes: &[u8]) -> Option<(usize, usize)> {
        let sent: Vec<u8> = (1..=16).collect();
        let differs = |bit: &usize| (sent[bit / 8] ^ bytes[bit / 8]) >> (bit % 8) & 1 == 1;
        let bits: Vec<usize> = (0..128).filter(differs).collect();
        Some((*bits.first()?, *bits.last()?))
    }

    #[test]
    fn each_fault_does_what_it_says_and_nothing_else() {
        let whole: Vec<u8> = (1..=16).collect();
        for seed in 0..200 {
            let flipped = spoilt(Fault::Flip, seed).unwrap().bytes;
            assert!(damaged(&flipped).is_some_and(|(first, last)| first == last), "seed {seed}");
            let burst = spoilt(Fault::Burst, seed).unwrap().bytes;
            assert!(damaged(&burst).is_some_and(|(first, last)| last - first < 16), "seed {seed}");
            let cut = spoilt(Fault::Cut, seed).unwrap().bytes;
            assert!(cut.len() < 16 && whole.starts_with(&cut), "seed {seed}");
            assert_eq!(spoilt(Fault::Loss, seed), None);
            assert_eq!(spoilt(Fault::Duplicate, seed).unwrap().bytes, [whole.clone(), whole.clone()].concat());
            assert_eq!(spoilt(Fault::Late, seed), Some(Spoilt { bytes: whole.clone(), is_late: true }));
            let noisy = spoilt(Fault::Noise, seed).unwrap().bytes;
            assert!((17..=24).contains(&noisy.len()) && noisy.ends_with(&whole), "seed {seed}");
        }
    }

    #[test]
    fn a_fault_is_as_frequent_as_it_is_set() {
        for fault in Fault::ALL {
            let mut line = Spoiler::new(Faults::of_seed(5).with(fault, 100));
            let answer = vec![0x55; 20];
            let perfect = Spoilt { bytes: answer.clone(), is_late: false };
            let hit = (0..10_000).filter(|_| line.spoil(answer.clone()).as_ref() != Some(&perfect)).count();
            // Five standard deviations of a binomial of 10,000 and 0.1.
            assert!((850..=1_150).contains(&hit), "{fault}: {hit}");
        }
    }

    #[test]
    fn a_fault_is_named_as_it_is_written() {
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!((fault.to_string().parse(), fault.index()), (Ok(fault), place));
        }
        let error = "`storm` is no fault; there are flip, burst, cut, duplicate, noise, late, loss";
        assert_eq!("storm".parse::<Fault>(), Err(error.to_owned()));
    }
}
