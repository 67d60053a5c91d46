//! Answers damaged in every way that a line knows: what comes through as a false reading, and that no poll ends in silence.
//!
//! 10^5 answers; 10^7 with `WATTPROOF_LONG=1`. The figures are printed (`cargo test -p meter noise -- --nocapture`) and
//! stand in `docs/noisy-lines.md`.

use crate::{START, address, profile, simulated};
use meter::modbus::seal;
use meter::profile::{Protocol, RegisterType};
use meter::simulator::uart::{Uart, carried};
use meter::{Bus, BusInput, BusOutput, Device, Exchange, Framing, MeterError, Profile, Request, SimulatedBus};
use std::collections::BTreeMap;
use std::sync::Arc;
use units::{Key, Micros, Millis, Quantity, Reading};

/// Time between two answers of a meter: what a counter may have moved by meanwhile is part of the check.
const POLL_EVERY: Millis = Millis::from_seconds(10);
/// Different truthful polls of a meter.
const TRUTHS: usize = 360;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
    fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }
    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// An answer on its way.
struct Answer<'a> {
    bytes: &'a [u8],
    /// Another answer of the same meter to the same question.
    other: &'a [u8],
    /// Where its data begin.
    data: usize,
    uart: Uart,
}

/// A way to damage an answer.
type Damage = fn(&mut Dice, &Answer<'_>) -> Vec<u8>;

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

/// A run of at most 16 bits in the order of the line: its ends are wrong, what lies between is as chance has it.
fn burst(dice: &mut Dice, answer: &Answer<'_>) -> Vec<u8> {
    let mut bytes = answer.bytes.to_vec();
    let length = dice.between(1, 16);
    let from = dice.below(bytes.len() * 8 - length + 1);
    for bit in from..from + length {
        if bit == from || bit + 1 == from + length || dice.below(2) == 1 {
            flip(&mut bytes, bit);
        }
    }
    bytes
}

fn scattered_bits(dice: &mut Dice, answer: &Answer<'_>) -> Vec<u8> {
    let mut bytes = answer.bytes.to_vec();
    for _ in 0..dice.between(2, 40) {
        let bit = dice.below(bytes.len() * 8);
        flip(&mut bytes, bit);
    }
    bytes
}

fn random_bytes(dice: &mut Dice, answer: &Answer<'_>) -> Vec<u8> {
    let mut bytes = answer.bytes.to_vec();
    for _ in 0..dice.between(3, bytes.len()) {
        let place = dice.below(bytes.len());
        bytes[place] = dice.byte();
    }
    bytes
}

/// The worst case: all that is looked at besides the check value is right.
fn random_data(dice: &mut Dice, answer: &Answer<'_>) -> Vec<u8> {
    let (head, data) = answer.bytes.split_at(answer.data);
    // The last byte of DL/T 645 always is 0x16.
    let (data, end) = if answer.bytes.ends_with(&[0x16]) { data.split_at(data.len() - 1) } else { (data, &[][..]) };
    [head, &data.iter().map(|_| dice.byte()).collect::<Vec<_>>(), end].concat()
}

fn lost_and_added_bytes(dice: &mut Dice, answer: &Answer<'_>) -> Vec<u8> {
    let mut bytes = answer.bytes.to_vec();
    for _ in 0..dice.between(1, 3) {
        let place = dice.below(bytes.len());
        bytes.remove(place);
    }
    for _ in 0..dice.between(0, 6) {
        let place = dice.below(bytes.len() + 1);
        bytes.insert(place, dice.byte());
    }
    bytes
}

/// The beginning of one answer and the end of another, as when two meters or an echo talk into each other.
fn spliced(dice: &mut Dice, answer: &Answer<'_>) -> Vec<u8> {
    let cut = dice.between(1, answer.bytes.len() - 1);
    [&answer.bytes[..cut], &answer.other[cut..]].concat()
}

/// The receiver's clock is another rate, or so far off that it slips.
fn another_rate(dice: &mut Dice, answer: &Answer<'_>) -> Vec<u8> {
    let per_mille = [500, 927, 943, 948, 1_052, 1_068, 1_083, 1_500, 2_000, 4_000];
    let baud = answer.uart.baud * per_mille[dice.below(per_mille.len())] / 1_000;
    carried(answer.bytes, answer.uart, Uart { baud, ..answer.uart })
}

/// Bits of the line itself are wrong, start and stop bits among them, so that characters shift.
fn bits_of_the_line(dice: &mut Dice, answer: &Answer<'_>) -> Vec<u8> {
    let mut signal = answer.uart.send(answer.bytes);
    for _ in 0..dice.between(1, 12) {
        signal.flip(dice.below(signal.bits()));
    }
    answer.uart.hear(&signal).into_iter().map(|heard| heard.byte).collect()
}

const BURSTS: [(&str, Damage); 1] = [("bursts of up to 16 bits", burst)];
const OTHERS: [(&str, Damage); 7] = [
    ("scattered bits", scattered_bits),
    ("random bytes", random_bytes),
    ("random data behind a right head", random_data),
    ("lost and added bytes", lost_and_added_bytes),
    ("two answers spliced", spliced),
    ("another baud rate", another_rate),
    ("bits of the line, start and stop bits too", bits_of_the_line),
];

/// What a meter truly answered in one poll.
struct Truth {
    /// As it came over the line, for each request.
    heard: Vec<Vec<u8>>,
    /// The frames in it.
    frames: Vec<Vec<u8>>,
    reading: Reading,
}

/// A bus with one meter behind a line that damages one answer of each poll.
struct Line {
    bus: Bus,
    now: Micros,
    profile: Arc<Profile>,
    requests: Vec<Request>,
    uart: Uart,
    truths: Vec<Truth>,
    dice: Dice,
}

/// How a poll ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// With what the meter had said.
    True,
    /// With an error.
    Refused(MeterError),
    /// With a reading that the meter had not given.
    False(Reading),
}

impl Line {
    fn new(name: &str, seed: u64) -> Self {
        let (profile, address) = (profile(name), address(name, 1));
        let framing = match profile.protocol() {
            Protocol::Modbus => Framing::Rtu { baud: 9_600 },
            Protocol::Dlt645 => Framing::Dlt645 { baud: 2_400 },
        };
        let device =
            Device { meter: "M1".parse().unwrap(), address, profile: profile.clone(), poll_every: Millis::ZERO };
        let mut far = SimulatedBus::new(vec![simulated(name, 1)], framing);
        let requests = profile.requests(address);
        let truth = |number: usize| {
            let at = START + Millis::from_ms(POLL_EVERY.ms() * u64::try_from(number).unwrap());
            let heard: Vec<Vec<u8>> = requests.iter().map(|request| far.receive(at, &request.serial())).collect();
            let frame = |(request, heard): (&Request, &Vec<u8>)| request.find(heard).unwrap().unwrap().to_vec();
            let frames: Vec<Vec<u8>> = requests.iter().zip(&heard).map(frame).collect();
            let exchange = |(request, response): (&Request, &Vec<u8>)| Exchange {
                request: request.frame(),
                response: response.clone(),
            };
            let exchanges: Vec<Exchange> = requests.iter().zip(&frames).map(exchange).collect();
            Truth { reading: profile.reading(address, &exchanges).unwrap(), heard, frames }
        };
        let truths = (0..TRUTHS).map(truth).collect();
        let uart = Uart { baud: framing.baud().unwrap(), parity: framing.parity() };
        let (bus, now, dice) = (Bus::new(vec![device], framing), Micros::ZERO, Dice(seed));
        Self { bus, now, profile, requests, uart, truths, dice }
    }

    /// What is heard of the answer to a read.
    fn damaged(&mut self, this: usize, read: usize, damage: Damage) -> Vec<u8> {
        let other = self.dice.below(TRUTHS);
        let (bytes, other) = (&self.truths[this].heard[read], &self.truths[other].heard[read]);
        let data = match self.profile.protocol() {
            Protocol::Modbus => 3,
            // Wake bytes, then the frame up to its identifier.
            Protocol::Dlt645 => bytes.len() - self.truths[this].frames[read].len() + 14,
        };
        let heard = damage(&mut self.dice, &Answer { bytes, other, data, uart: self.uart });
        // A whole answer of another time is no damage, and nothing could tell it.
        if heard == *other { bytes.clone() } else { heard }
    }

    /// One poll with one of its answers damaged. Panics if it ends in nothing.
    fn poll(&mut self, number: usize, damage: Damage) -> End {
        let this = number % TRUTHS;
        let (mut read, victim) = (0, self.dice.below(self.requests.len()));
        for _ in 0..100 {
            self.now = self.now.max(self.bus.wake_at());
            let mut outputs = self.bus.step(self.now, BusInput::Tick);
            if outputs.iter().any(|output| matches!(output, BusOutput::Send(_))) {
                let heard = match read {
                    read if read == victim => self.damaged(this, read, damage),
                    read => self.truths[this].heard[read].clone(),
                };
                read += 1;
                let cut = self.dice.below(heard.len() + 1);
                for piece in [&heard[..cut], &heard[cut..]] {
                    outputs.extend(self.bus.step(self.now, BusInput::Received(piece.to_vec())));
                }
            }
            if let Some(end) = outputs.into_iter().find_map(|output| self.end(this, output)) {
                return end;
            }
        }
        panic!("poll {number} ended in silence");
    }

    fn end(&self, this: usize, output: BusOutput) -> Option<End> {
        match output {
            BusOutput::Failed { error, .. } => Some(End::Refused(error)),
            BusOutput::Reading { reading, exchanges, .. } => {
                let said = exchanges.iter().map(|exchange| &exchange.response).eq(&self.truths[this].frames);
                let said = said || reading == self.truths[this].reading;
                Some(if said { End::True } else { End::False(reading) })
            }
            _ => None,
        }
    }

    /// Whether every counter could have moved to this since the poll before: it does not go back, and moves by no more than
    /// the model's greatest power can in the time, and a step of a display; the gateway's rule.
    fn counters_are_possible(&self, number: usize, reading: &Reading) -> bool {
        let before = &self.truths[(number % TRUTHS).saturating_sub(1)].reading;
        let power = self.profile.keys().filter(|key| key.quantity == Quantity::ActivePower);
        // A model without a power register has no such limit.
        let power = power.filter_map(|key| self.profile.limits(key)).map(|limits| *limits.end()).max();
        let hours = |power: i64| power * i64::try_from(POLL_EVERY.ms()).unwrap() / 3_600_000;
        let most = power.map_or(i64::MAX / 2, |power| hours(power) + 10_000);
        let is_counter = |key: &Key| matches!(key.quantity, Quantity::EnergyImport | Quantity::EnergyExport);
        reading.iter().filter(|(key, _)| is_counter(key)).all(|(key, value)| {
            let before = before.get(key).unwrap();
            (before..=before + most).contains(&value)
        })
    }
}

/// What became of damaged answers.
#[derive(Debug, Default)]
struct Count {
    /// In each of them one answer was damaged.
    polls: u64,
    unharmed: u64,
    /// Frames that passed every check of form though they were false.
    passed: u64,
    by_limits: u64,
    by_powers: u64,
    by_counter: u64,
    left: u64,
    errors: BTreeMap<&'static str, u64>,
}

impl Count {
    fn take(&mut self, end: End, counters_are_possible: impl FnOnce(&Reading) -> bool) {
        self.polls += 1;
        match end {
            End::True => self.unharmed += 1,
            End::Refused(error) => {
                *self.errors.entry(error.kind()).or_default() += 1;
                match error {
                    MeterError::Implausible { .. } | MeterError::NotANumber { .. } => self.by_limits += 1,
                    MeterError::PowersDisagree { .. } => self.by_powers += 1,
                    _ => return,
                }
                self.passed += 1;
            }
            End::False(reading) => {
                self.passed += 1;
                if counters_are_possible(&reading) { self.left += 1 } else { self.by_counter += 1 }
            }
        }
    }

    fn print(&self, title: &str) {
        println!(
            "{title}: {} answers, {} unharmed, {} false readings of right form; refused by limits {}, powers {}, counter \
             {}; left {}; errors {:?}",
            self.polls,
            self.unharmed,
            self.passed,
            self.by_limits,
            self.by_powers,
            self.by_counter,
            self.left,
            self.errors
        );
    }
}

/// So many answers; a hundred times as many in a long run.
fn answers(usual: u64) -> u64 {
    if std::env::var_os("WATTPROOF_LONG").is_some() { usual * 100 } else { usual }
}

/// Damages so many answers in all, of each model in each way.
fn damaged(models: &[&str], damages: &[(&str, Damage)], answers: u64) -> Count {
    let mut total = Count::default();
    let share = answers.div_ceil(u64::try_from(models.len() * damages.len()).unwrap());
    for (seed, model) in (1..).zip(models) {
        let mut line = Line::new(model, seed);
        for (name, damage) in damages {
            let mut count = Count::default();
            for number in 0..usize::try_from(share).unwrap() {
                let end = line.poll(number, *damage);
                count.take(end, |reading| line.counters_are_possible(number, reading));
            }
            let stats = line.bus.stats(0).unwrap();
            assert_eq!(stats.polls, stats.answers + stats.errors.values().sum::<u64>(), "every gap is reported");
            count.print(&format!("{model}, {name}"));
            total.add(count);
        }
    }
    total
}

impl Count {
    fn add(&mut self, other: Self) {
        self.polls += other.polls;
        self.unharmed += other.unharmed;
        self.passed += other.passed;
        self.by_limits += other.by_limits;
        self.by_powers += other.by_powers;
        self.by_counter += other.by_counter;
        self.left += other.left;
        for (kind, count) in other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
    }
}

fn models(protocol: Protocol) -> Vec<&'static str> {
    Profile::shipped_names().into_iter().filter(|name| profile(name).protocol() == protocol).collect()
}

/// Most that a count may be which is expected to be `expected`: five standard deviations of a Poisson distribution more,
/// and a handful for small counts.
fn at_most(expected: u64) -> u64 {
    expected + 5 * expected.isqrt() + 5
}

#[test]
fn a_burst_of_up_to_16_bits_never_gives_a_modbus_reading() {
    let count = damaged(&models(Protocol::Modbus), &BURSTS, answers(50_000));
    count.print("Modbus, all bursts");
    assert_eq!((count.passed, count.left), (0, 0), "CRC-16 finds every burst of up to 16 bits");
}

#[test]
fn other_damage_passes_modbus_at_most_once_in_65536() {
    let count = damaged(&models(Protocol::Modbus), &OTHERS, answers(50_000));
    count.print("Modbus, all other damage");
    let most = at_most(count.polls / 65_536 + 1);
    assert!(count.passed <= most, "{} passed, {most} are allowed", count.passed);
}

#[test]
fn damage_passes_dlt645_at_most_once_in_256_and_plausibility_leaves_at_most_one_in_50000() {
    let bursts = damaged(&models(Protocol::Dlt645), &BURSTS, answers(10_000));
    bursts.print("DL/T 645, all bursts");
    let others = damaged(&models(Protocol::Dlt645), &OTHERS, answers(40_000));
    others.print("DL/T 645, all other damage");
    for count in [bursts, others] {
        let (passed, left) = (at_most(count.polls / 256), at_most(count.polls / 50_000 + 1));
        assert!(count.passed <= passed, "{} passed, {passed} are allowed", count.passed);
        assert!(count.left <= left, "{} are left, {left} are allowed", count.left);
    }
}

/// False answers whose check value fits, as one in 65,536 does by chance: what plausibility alone is worth. Of integers few
/// are possible values; of singles half are numbers near zero, so a meter that gives few of them leaves more.
#[test]
fn plausibility_leaves_no_random_integers_and_few_random_singles() {
    let sealed: Damage = |dice, answer| {
        let mut frame = random_data(dice, answer);
        frame.truncate(frame.len() - 2);
        seal(frame)
    };
    let has_singles =
        |name: &&str| profile(name).registers().iter().any(|register| register.coding == RegisterType::F32);
    let (singles, integers): (Vec<&str>, Vec<&str>) = models(Protocol::Modbus).into_iter().partition(has_singles);
    for (title, models, left_per_mille) in [("integers", integers, 0), ("singles", singles, 200)] {
        let count = damaged(&models, &[("random data sealed again", sealed)], answers(10_000));
        count.print(&format!("Modbus, random {title} sealed again"));
        assert!(count.left * 1_000 <= count.passed * left_per_mille, "{} of {} are left", count.left, count.passed);
    }
}
