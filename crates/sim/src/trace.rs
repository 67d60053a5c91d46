//! What happened, in order: a hash over all of it, and the newest lines in full.

use std::collections::VecDeque;
use std::fmt;

/// Lines shown with a failure.
const RECENT_MAX: usize = 50;

/// The trace of a run. Two runs are the same if their traces' hashes are.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: u64,
    recent: VecDeque<String>,
    lines_max: usize,
    start_ms: u64,
}

/// FNV-1a of 64 bits: enough to tell two runs apart, and the same everywhere.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

impl Trace {
    pub(crate) const fn new(start_ms: u64) -> Self {
        Self { hash: FNV_OFFSET, lines: 0, recent: VecDeque::new(), lines_max: RECENT_MAX, start_ms }
    }

    /// Keeps every line, for a run that is looked at.
    pub(crate) const fn keep_all(&mut self) {
        self.lines_max = usize::MAX;
    }

    pub(crate) fn note(&mut self, now_ms: u64, what: fmt::Arguments<'_>) {
        let elapsed = now_ms.saturating_sub(self.start_ms);
        let (minutes, seconds, ms) = (elapsed / 60_000, elapsed / 1_000 % 60, elapsed % 1_000);
        let line = format!("{minutes:>4}:{seconds:02}.{ms:03}  {what}");
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
        self.lines += 1;
        if self.recent.len() == self.lines_max {
            self.recent.pop_front();
        }
        self.recent.push_back(line);
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) const fn lines(&self) -> u64 {
        self.lines
    }

    pub(crate) fn recent(&self) -> Vec<String> {
        self.recent.iter().cloned().collect()
    }
}
