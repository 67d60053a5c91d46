//! Random histories of a counter: whatever happens on the line or to the meter, booked energy is the energy that flowed,
//! but for what a reset lost.

use crate::core::line::{Line, shared_frame};
use crate::core::{Chain, Protection, ReadingRow, Settings, close};
use ledger::SecretKey;
use ledger::act::{Act, Break};
use ledger::state::ChainHead;
use meter::{Device, Profile};
use std::sync::Arc;
use units::{AccountId, BindingId, Energy, LedgerId, Millis, Quantity, Reading, StatementId, Timestamp};

/// The PZEM's: 9999.999 kWh, then zero; it carries 23 kW.
const MODULUS_MWH: u64 = 10_000_000_000;
const POLL: Millis = Millis::from_seconds(60);
const START: Timestamp = Timestamp::from_ms(1_782_864_000_000);

/// Numbers from a seed (SplitMix64, Steele and others 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

struct History {
    dice: Dice,
    line: Line,
    settings: Settings,
    key: SecretKey,
    now: Timestamp,
    /// What flowed since the start, in mWh.
    flowed: u64,
    counter: u64,
    /// The counter of the newest believed reading.
    shown: u64,
    /// Of each believed row: its time, what had flowed, and what resets had lost.
    believed: Vec<(Timestamp, u64, u64)>,
    lost: u64,
    was_reset: bool,
    booked: u64,
    breaks: Vec<Break>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let counter = [0, 5_000_000_000, 9_990_000_000, 9_999_900_000][usize::try_from(dice.below(4)).unwrap()];
        let profile = Arc::new(Profile::shipped("pzem-004t-v3").unwrap());
        let device = Device { meter: "M-1".parse().unwrap(), address: "1".parse().unwrap(), profile, poll_every: POLL };
        let mut line = Line::new(&device);
        let head = ChainHead {
            next_seq: 0,
            previous: StatementId::from_bytes([0; 32]),
            end: START,
            import: None,
            export: None,
        };
        line.chain = Some(Chain { binding: BindingId::from_bytes([7; 32]), head });
        let settings = Settings {
            ledger: LedgerId::from_bytes([1; 32]),
            operator: AccountId::from_bytes([2; 32]),
            month_starts: vec![START],
            voltage: Vec::new(),
            offsets: Vec::new(),
            protection: Protection::default(),
            interval: Millis::from_minutes(15),
        };
        let (key, now) = (SecretKey::ed25519([3; 32]), START + Millis::from_seconds(1));
        let (flowed, lost, booked, was_reset) = (0, 0, 0, false);
        let (believed, breaks) = (Vec::new(), Vec::new());
        Self { dice, line, settings, key, now, flowed, counter, shown: 0, believed, lost, was_reset, booked, breaks }
    }

    fn run(mut self, polls: u32) -> Self {
        let mut noise_before = false;
        for _ in 0..polls {
            let elapsed = if !self.was_reset && self.dice.below(40) == 0 {
                POLL.ms() * (1 + self.dice.below(600))
            } else {
                POLL.ms()
            };
            self.pass(elapsed);
            let far = |counter: u64| (20_000_000..9_000_000_000).contains(&counter);
            if self.dice.below(150) == 0 && far(self.counter) && far(self.shown) {
                // Set back, and seen before it is above what the last reading showed: else nothing tells it from running on.
                self.counter = self.dice.below(5_000_000);
                self.was_reset = true;
            }
            let is_noise =
                !self.believed.is_empty() && !noise_before && elapsed == POLL.ms() && self.dice.below(25) == 0;
            noise_before = is_noise;
            // The first reading of a meter has nothing to be held against, and after a long silence anything that the meter could have carried meanwhile is believed.
            let shown = if is_noise { self.far_away() } else { self.counter };
            self.read(shown, is_noise);
            self.close_due();
        }
        self.pass(self.settings.interval.ms());
        self.close_due();
        self
    }

    /// Time passes, with at most 20 kW.
    fn pass(&mut self, elapsed: u64) {
        let energy = self.dice.below(20_000_000 * elapsed / 3_600_000);
        self.now = self.now + Millis::from_ms(elapsed);
        self.flowed += energy;
        self.counter = (self.counter + energy) % MODULUS_MWH;
    }

    fn far_away(&mut self) -> u64 {
        (self.counter + 1_000_000_000 + self.dice.below(3_000_000_000)) % 8_000_000_000
    }

    fn read(&mut self, shown: u64, is_noise: bool) {
        let mut reading = Reading::new();
        reading.insert(Quantity::EnergyImport, i64::try_from(shown).unwrap());
        let verdict = self.line.judge(self.now, &reading);
        if is_noise {
            return assert!(verdict.is_err(), "believed {shown} where the counter stood at {}", self.counter);
        }
        if verdict.is_err() {
            return;
        }
        let before = self.believed.last().map_or(0, |(_, flowed, _)| *flowed);
        if std::mem::take(&mut self.was_reset) {
            self.lost += self.flowed - before;
        }
        self.believed.push((self.now, self.flowed, self.lost));
        self.shown = shown;
        let account = AccountId::from_bytes([2; 32]);
        let frame = shared_frame(self.now, Vec::new());
        let (meter, profile, time) = (self.line.meter.clone(), "pzem-004t-v3".to_owned(), self.now);
        let row = ReadingRow { meter, member: account, operator: account, profile, time, reading, frame };
        assert_eq!(self.line.push(row), 0);
    }

    /// States what is due and books it as docs/protocol.md says.
    fn close_due(&mut self) {
        while let Some((chain, span)) = self.line.due(&self.settings, self.now) {
            let rows: Vec<ReadingRow> = self.line.rows.drain(..span.rows).collect();
            let meter = (&self.line.meter, self.line.rules());
            let closed = close(&self.settings, &self.key, meter, &chain, span, &rows).unwrap();
            let Act::Readings(act) = &closed.statement.payload().acts[0] else { panic!("no readings") };
            let (start, end) = (act.import.start.mwh(), act.import.end.mwh());
            let head = chain.head.import.map_or(start, Energy::mwh);
            self.booked += match act.broken {
                None => {
                    assert_eq!(head, start);
                    end - start
                }
                Some(Break::Reset | Break::Exchange) => end - start,
                Some(Break::Gap) => end - head,
                Some(Break::Wrap) => act.wraps_at.unwrap().mwh() - head + end,
            };
            self.breaks.extend(act.broken);
            let last = rows.last().unwrap().time;
            self.line.chain = Some(closed.chain);
            let (_, flowed, lost) = *self.believed.iter().find(|(time, ..)| *time == last).unwrap();
            let first = self.believed[0].1;
            assert_eq!(self.booked, flowed - first - lost, "booked against flowed, at {}", last.since(START).ms());
        }
    }
}

#[test]
fn booked_energy_is_what_flowed_but_for_what_a_reset_lost() {
    let long = std::env::var("WATTPROOF_LONG").is_ok_and(|value| value == "1");
    let mut seen = [0; 3];
    for seed in 0..if long { 20_000 } else { 300 } {
        let history = History::new(seed).run(400);
        for (count, wanted) in seen.iter_mut().zip([Break::Gap, Break::Reset, Break::Wrap]) {
            *count += history.breaks.iter().filter(|broken| **broken == wanted).count();
        }
    }
    assert!(seen.iter().all(|count| *count > 30), "gaps, resets and wraps: {seen:?}");
}
