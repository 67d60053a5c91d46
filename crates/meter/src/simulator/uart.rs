//! A serial line bit by bit: what a receiver hears when its rate or its parity is not the sender's, or when the line is
//! disturbed for a few bits.
//!
//! A character is a start bit (low), eight data bits with the lowest first, a parity bit if there is one, and a stop bit
//! (high); between characters the line rests high. The receiver waits for a falling edge and then looks at the middle of
//! each bit by its own clock, as the 16-fold sampling of real receivers comes out.

use crate::bus::Parity;

impl Parity {
    /// The parity bit of a byte; `None` without one.
    const fn bit(self, byte: u8) -> Option<bool> {
        let odd = byte.count_ones() % 2 == 1;
        match self {
            Self::None => None,
            Self::Even => Some(odd),
            Self::Odd => Some(!odd),
        }
    }
}

/// How a side of the line is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uart {
    /// Bits in a second, at least 1.
    pub baud: u32,
    /// Its parity.
    pub parity: Parity,
}

/// What a receiver took for a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Its data bits.
    pub byte: u8,
    /// Whether its stop bit was high. Operating systems pass such a byte on by default, without a word.
    pub stop: bool,
    /// Whether its parity was right; `true` without parity.
    pub parity: bool,
}

/// The level of a line over time, one step a bit of its sender; high before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    baud: u32,
    levels: Vec<bool>,
}

impl Signal {
    /// How many bits were sent.
    #[must_use]
    pub const fn bits(&self) -> usize {
        self.levels.len()
    }

    /// Turns a bit over; beyond the end nothing happens.
    pub fn flip(&mut self, bit: usize) {
        if let Some(level) = self.levels.get_mut(bit) {
            *level = !*level;
        }
    }

    fn level(&self, bit: usize) -> bool {
        self.levels.get(bit).copied().unwrap_or(true)
    }
}

impl Uart {
    /// Eight data bits, no parity, one stop bit.
    #[must_use]
    pub const fn new(baud: u32) -> Self {
        Self { baud, parity: Parity::None }
    }

    /// The line while bytes are sent without a pause between them.
    #[must_use]
    pub fn send(self, bytes: &[u8]) -> Signal {
        let mut levels = Vec::with_capacity(bytes.len() * 11);
        for byte in bytes {
            levels.push(false);
            levels.extend((0..8).map(|bit| byte >> bit & 1 == 1));
            levels.extend(self.parity.bit(*byte));
            levels.push(true);
        }
        Signal { baud: self.baud, levels }
    }

    /// What this side hears of a line.
    #[must_use]
    pub fn hear(self, signal: &Signal) -> Vec<Heard> {
        // Time runs in half bits of both sides at once, so that every edge and every sample is a whole number: a sender's
        // bit lasts `sent` of them and a receiver's half bit `half`.
        let (sent, half) = (2 * u64::from(self.baud.max(1)), u64::from(signal.baud.max(1)));
        let bit_at = |time: u64| usize::try_from(time / sent).unwrap_or(usize::MAX);
        let mut heard = Vec::new();
        let mut from = 0;
        while let Some(edge) = (from..signal.bits()).find(|bit| !signal.level(*bit)) {
            let begin = u64::try_from(edge).unwrap_or(u64::MAX) * sent;
            let sample = |bit: u64| signal.level(bit_at(begin + (2 * bit + 1) * half));
            let has_parity = self.parity != Parity::None;
            let byte = (0..8).fold(0, |byte, bit| byte | u8::from(sample(bit + 1)) << bit);
            let stop_at = if has_parity { 10 } else { 9 };
            let end = bit_at(begin + (2 * stop_at + 1) * half);
            if sample(0) {
                // Too short for a start bit: a spike.
                from = bit_at(begin + half).max(edge + 1);
            } else {
                let parity = self.parity.bit(byte).is_none_or(|bit| bit == sample(9));
                heard.push(Heard { byte, stop: sample(stop_at), parity });
                // Without a stop bit the line must rise before the next character can begin.
                from = (end..signal.bits()).find(|bit| signal.level(*bit)).unwrap_or(usize::MAX);
            }
        }
        heard
    }
}

/// The bytes that arrive at `to` of what `from` sends, as an operating system passes them on.
#[must_use]
pub fn carried(bytes: &[u8], from: Uart, to: Uart) -> Vec<u8> {
    to.hear(&from.send(bytes)).into_iter().map(|heard| heard.byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: [u8; 9] = [0x01, 0x04, 0x04, 0x43, 0x66, 0x33, 0x33, 0x5A, 0xFA];

    #[test]
    fn sides_with_the_same_setting_understand_each_other() {
        for baud in [1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200] {
            for parity in [Parity::None, Parity::Even, Parity::Odd] {
                let uart = Uart { baud, parity };
                let heard = uart.hear(&uart.send(&ANSWER));
                assert!(heard.iter().all(|heard| heard.stop && heard.parity), "{uart:?}");
                assert_eq!(carried(&ANSWER, uart, uart), ANSWER, "{uart:?}");
            }
        }
    }

    #[test]
    fn clocks_that_differ_by_three_per_cent_still_understand_each_other_and_by_ten_do_not() {
        for (heard_at, understood) in [(9_312, true), (9_888, true), (8_640, false), (10_560, false)] {
            let same = carried(&ANSWER, Uart::new(9_600), Uart::new(heard_at)) == ANSWER;
            assert_eq!(same, understood, "9600 heard at {heard_at}");
        }
    }

    #[test]
    fn a_receiver_at_half_the_rate_hears_fewer_bytes_and_one_at_twice_the_rate_more() {
        let heard = |baud| carried(&ANSWER, Uart::new(9_600), Uart::new(baud));
        assert!(heard(4_800).len() < ANSWER.len(), "{:02X?}", heard(4_800));
        assert!(heard(19_200).len() > ANSWER.len(), "{:02X?}", heard(19_200));
        assert!(heard(1_200).len() <= 2, "{:02X?}", heard(1_200));
    }

    #[test]
    fn one_character_at_half_and_twice_the_rate_is_what_its_bits_say() {
        // 0x00 at 9600 is nine low bits: at 19200 the first nine of eighteen half bits, without a stop bit.
        let zero = Uart::new(19_200).hear(&Uart::new(9_600).send(&[0]));
        assert_eq!(zero, [Heard { byte: 0, stop: false, parity: true }]);
        // 0xFF at 9600 is one low bit: at 19200 two, start and lowest bit.
        assert_eq!(carried(&[0xFF], Uart::new(9_600), Uart::new(19_200)), [0xFE]);
        // At 4800 one low bit of 9600 ends where the middle of the start bit is looked for.
        assert_eq!(carried(&[0xFF], Uart::new(9_600), Uart::new(4_800)), []);
    }

    #[test]
    fn a_missing_parity_is_heard_as_wrong_or_as_a_missing_stop_bit() {
        let even = Uart { baud: 2_400, parity: Parity::Even };
        let heard = even.hear(&Uart::new(2_400).send(&ANSWER));
        assert!(heard.iter().any(|heard| !heard.parity || !heard.stop), "{heard:?}");
    }

    #[test]
    fn a_flipped_start_bit_shifts_the_character() {
        let uart = Uart::new(9_600);
        let mut signal = uart.send(&ANSWER);
        signal.flip(0);
        assert_ne!(uart.hear(&signal).into_iter().map(|heard| heard.byte).collect::<Vec<_>>(), ANSWER);
        signal.flip(0);
        signal.flip(1_000);
        assert_eq!(uart.hear(&signal).len(), ANSWER.len());
    }
}
