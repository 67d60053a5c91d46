//! How long everything takes on a line, and when its meters are away.

use super::dice::Dice;
use super::uart::Uart;
use std::ops::RangeInclusive;
use std::time::Duration;
use units::{Millis, Timestamp};

/// Earliest and latest that a late answer comes after its time, ms.
const LATE_MS: RangeInclusive<u64> = 300..=3_000;
/// Bits of a character by the Modbus specification, which fills a missing parity bit with a second stop bit (MODBUS over
/// Serial Line V1.02, 2.5.1).
const CHARACTER_BITS: u32 = 11;

/// How long bytes, meters and radios take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// Bits in a second on the wire; a character takes eleven of them.
    pub baud: u32,
    /// How long a meter thinks between a question and its answer, from the shortest to the longest.
    pub think: RangeInclusive<Millis>,
    /// How long a radio holds what it carries, each way; zero on a wire.
    pub hop: RangeInclusive<Millis>,
}

/// A byte on its way to the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// How long after the question's last byte was handed over.
    pub after: Duration,
    /// The byte.
    pub byte: u8,
}

impl Timing {
    /// A wire whose meters think 5 to 60 ms.
    #[must_use]
    pub const fn wire(baud: u32) -> Self {
        let think = Millis::from_ms(5)..=Millis::from_ms(60);
        Self { baud, think, hop: Millis::ZERO..=Millis::ZERO }
    }

    /// A 433 MHz radio as a transparent line (the paper's YL-100T): the wire, and 20 to 60 ms each way in the radios.
    #[must_use]
    pub const fn radio(baud: u32) -> Self {
        Self { hop: Millis::from_ms(20)..=Millis::from_ms(60), ..Self::wire(baud) }
    }

    /// How long so many characters are on the wire.
    #[must_use]
    pub fn characters(&self, count: usize) -> Duration {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Duration::from_secs(1) * CHARACTER_BITS * count / self.baud.max(1)
    }

    /// How long it is from a question of so many bytes to the first bit of its answer.
    pub(super) fn until_answer(&self, question: usize, dice: &mut Dice) -> Duration {
        let there_and_back = drawn(&self.hop, dice) + drawn(&self.hop, dice);
        self.characters(question) + there_and_back + drawn(&self.think, dice)
    }
}

/// How much too late a late answer is.
pub(super) fn lateness(dice: &mut Dice) -> Duration {
    Duration::from_millis(dice.between(*LATE_MS.start(), *LATE_MS.end()))
}

/// A duration out of a range, to the microsecond.
fn drawn(range: &RangeInclusive<Millis>, dice: &mut Dice) -> Duration {
    let us = |millis: &Millis| millis.ms().saturating_mul(1_000);
    Duration::from_micros(dice.between(us(range.start()), us(range.end())))
}

/// Meters that die and come back: time is cut into spells, and in some of them a meter does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outages {
    /// Decides who is away when.
    pub seed: u64,
    /// Of a thousand spells of a meter, so many are outages.
    pub per_mille: u16,
    /// How long a spell is.
    pub spell: Millis,
}

impl Outages {
    /// Nobody is ever away.
    pub const NONE: Self = Self { seed: 0, per_mille: 0, spell: Millis::from_minutes(1) };

    /// Whether the meter at a place of the line is away; a function of the time alone.
    #[must_use]
    pub const fn is_away(&self, place: u64, now: Timestamp) -> bool {
        let spell = now.ms() / if self.spell.ms() == 0 { 1 } else { self.spell.ms() };
        let mut dice = Dice::new(self.seed ^ place.wrapping_mul(0xA076_1D64_78BD_642F) ^ spell.rotate_left(32));
        dice.happens(self.per_mille)
    }
}

/// Rates at the two ends of a line, when they are not the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// The meters' side.
    pub meters: Uart,
    /// The master's.
    pub master: Uart,
}

impl Mismatch {
    /// Two rates, both without parity.
    #[must_use]
    pub const fn of_rates(meters: u32, master: u32) -> Self {
        Self { meters: Uart::new(meters), master: Uart::new(master) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_takes_eleven_bits() {
        for (baud, count, us) in [(9_600, 1, 1_145), (9_600, 45, 51_562), (2_400, 9, 41_250), (115_200, 256, 24_444)] {
            let took = Timing::wire(baud).characters(count).as_micros();
            assert_eq!(took, us, "{count} characters at {baud}");
        }
    }

    #[test]
    fn a_meter_is_away_in_as_many_spells_as_it_is_set_and_comes_back() {
        let outages = Outages { seed: 3, per_mille: 200, spell: Millis::from_minutes(5) };
        let spells =
            |place| (0..5_000).map(move |spell| outages.is_away(place, Timestamp::from_ms(spell * 300_000 + 17)));
        for place in 0..3 {
            let away = spells(place).filter(|away| *away).count();
            // Five standard deviations of a binomial of 5,000 and 0.2.
            assert!((858..=1_142).contains(&away), "meter {place}: {away}");
        }
        assert!(spells(0).zip(spells(1)).any(|(first, second)| first != second), "all at once is another fault");
        assert!((0..1_000).all(|ms| !Outages::NONE.is_away(0, Timestamp::from_ms(ms * 60_000))));
        let within = |ms| outages.is_away(1, Timestamp::from_ms(ms));
        assert!((0..300_000).step_by(1_000).all(|ms| within(ms) == within(0)), "a spell is one or the other");
    }
}
