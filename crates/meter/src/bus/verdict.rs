//! What is wrong with a line of which nothing is understood: silence, noise, or another rate.
//!
//! A meter that is set to another rate mostly keeps silent, because it does not understand the question either; bytes
//! that are garbage come from radios whose ends differ, from converters, from a second master, or from a meter that talks
//! unasked. So silence of *all* meters names the rate among the causes, and garbage is looked at bit by bit:
//!
//! A character heard at twice the sender's rate or more has every bit of the sender at least twice, so no single bit stands
//! between two others; among bytes of the right rate, and in noise, half of all runs are single bits. A sender that is
//! faster leaves no such mark, but the same question then brings the same first bytes, which noise does not; that holds up
//! to about twice the rate, while of a sender four times as fast too few bytes are left.

use std::collections::BTreeMap;

/// Polls of each meter of a line that must fail, without one valid frame between, before the line is judged.
pub const POLLS_BEFORE_VERDICT: u32 = 3;
/// Complete runs of bits that must all be long before a slower sender is named: noise has them all long once in 4,096.
const RUNS_MIN: u32 = 12;
/// A run that no character shows the end of: start bit and eight data bits.
const CHARACTER_RUN: u32 = 9;
/// Bytes at the beginning of what came that are compared between polls.
const LEAD_BYTES: usize = 2;
/// Answers that must begin alike: three, of which noise makes the second and third by chance once in four billion.
const LEADS_MIN: u32 = 3;
/// Different beginnings that are counted; more are noise.
const LEADS_KEPT: usize = 32;
/// Rates that meters, radios and adapters have.
const RATES: [u32; 8] = [1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200];

/// What a line on which nothing is understood looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineVerdict {
    /// Not one byte.
    Silent,
    /// Bytes without any order: bad contacts, no termination, a cable beside a motor.
    Noise,
    /// Bytes in the shape of another rate: a sender about `by` times as slow.
    SlowerSender {
        /// How many times as slow.
        by: u32,
    },
    /// The same garbage to the same question: a faster sender, another parity, or another protocol.
    OtherSetting,
}

impl LineVerdict {
    /// A short stable name to count by.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Silent => "line_silent",
            Self::Noise => "line_noise",
            Self::SlowerSender { .. } | Self::OtherSetting => "line_other_rate",
        }
    }

    /// Rates to try in place of `baud`, the likeliest first; `usual` are those that the line's models come with.
    #[must_use]
    pub fn rates_to_try(self, baud: u32, usual: &[u32]) -> Vec<u32> {
        let likely = match self {
            Self::SlowerSender { by } => baud / by.max(1),
            // Faster ones first; among them the nearest.
            Self::OtherSetting => baud.saturating_mul(2),
            Self::Silent | Self::Noise => baud,
        };
        let is_usual = |rate: &u32| !matches!(self, Self::SlowerSender { .. }) && usual.contains(rate);
        let far = |rate: &u32| (likely.max(*rate) * 16).checked_div(likely.min(*rate)).unwrap_or(u32::MAX);
        let slower = |rate: &u32| matches!(self, Self::OtherSetting) && *rate < baud;
        let mut rates: Vec<u32> = RATES.into_iter().filter(|rate| *rate != baud).collect();
        rates.sort_by_key(|rate| (!is_usual(rate), slower(rate), far(rate), *rate));
        rates
    }
}

/// What came instead of answers since the last valid frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    silences: u32,
    garbage: u32,
    runs: u32,
    /// Bytes in which the line did not rise once.
    lows: u32,
    shortest_run: Option<u32>,
    leads: BTreeMap<Vec<u8>, u32>,
}

impl Evidence {
    /// Takes what came instead of an answer.
    pub fn take(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.silences = self.silences.saturating_add(1);
            return;
        }
        self.garbage = self.garbage.saturating_add(1);
        let lows = bytes.iter().filter(|byte| **byte == 0).count();
        self.lows = self.lows.saturating_add(u32::try_from(lows).unwrap_or(u32::MAX));
        for run in bytes.iter().flat_map(|byte| complete_runs(*byte)) {
            self.runs = self.runs.saturating_add(1);
            self.shortest_run = Some(self.shortest_run.map_or(run, |shortest| shortest.min(run)));
        }
        let lead = bytes[..bytes.len().min(LEAD_BYTES)].to_vec();
        if self.leads.len() < LEADS_KEPT || self.leads.contains_key(&lead) {
            *self.leads.entry(lead).or_default() += 1;
        }
    }

    /// What it looks like; meaningful after some failures of every meter.
    #[must_use]
    pub fn verdict(&self) -> LineVerdict {
        if self.garbage == 0 {
            return LineVerdict::Silent;
        }
        if let Some(by) = self.shortest_run.filter(|run| *run > 1 && self.runs >= RUNS_MIN) {
            return LineVerdict::SlowerSender { by };
        }
        if self.runs == 0 && self.lows >= RUNS_MIN {
            return LineVerdict::SlowerSender { by: CHARACTER_RUN };
        }
        if self.leads.values().any(|count| *count >= LEADS_MIN) {
            LineVerdict::OtherSetting
        } else {
            LineVerdict::Noise
        }
    }
}

/// Lengths of the runs of equal bits in a character, its start bit among them and the lowest bit first; without the last
/// one, which may go on into the stop bit.
fn complete_runs(byte: u8) -> Vec<u32> {
    let (mut runs, mut level, mut length) = (Vec::new(), false, 1);
    for bit in (0..8).map(|bit| byte >> bit & 1 == 1) {
        if bit == level {
            length += 1;
        } else {
            runs.push(length);
            (level, length) = (bit, 1);
        }
    }
    runs
}
