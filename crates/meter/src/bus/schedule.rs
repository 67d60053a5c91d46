//! When each device is due.

use super::{BACKOFF_MAX, Device, LATE_TIMEOUTS};
use units::Micros;

/// Doublings after which the back-off no longer grows by itself.
const DOUBLINGS_MAX: u32 = 10;

#[derive(Debug)]
pub(super) struct Schedule {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    due: Micros,
    every: Micros,
    /// Polls in a row without any answer.
    silences: u32,
    /// Polls in a row of which nothing was understood.
    failures: u32,
    /// Until when an answer to an earlier request may come.
    late_until: Micros,
}

impl Schedule {
    pub(super) fn new(devices: &[Device]) -> Self {
        let entry = |device: &Device| Entry {
            due: Micros::ZERO,
            every: device.poll_every.into(),
            silences: 0,
            failures: 0,
            late_until: Micros::ZERO,
        };
        Self { entries: devices.iter().map(entry).collect() }
    }

    /// The earliest time at which anybody is due; the end of time without devices.
    pub(super) fn next_due(&self) -> Micros {
        self.entries.iter().map(|entry| entry.due).min().unwrap_or(Micros::MAX)
    }

    /// Whose turn it is: of those due, who has been due longest, so that on an overloaded bus nobody starves.
    pub(super) fn due(&self, now: Micros) -> Option<usize> {
        let due = self.entries.iter().enumerate().filter(|(_, entry)| entry.due <= now);
        due.min_by_key(|(_, entry)| entry.due).map(|(device, _)| device)
    }

    /// A poll begins: the next one keeps the beat, and beats that were missed are not made up for.
    pub(super) fn started(&mut self, now: Micros, device: usize) {
        let entry = &mut self.entries[device];
        let beat = entry.due.plus(entry.every);
        entry.due = if beat > now { beat } else { now.plus(entry.every) };
    }

    /// An answer of the device to an earlier request may come until then.
    pub(super) fn may_be_late(&mut self, until: Micros, device: usize) {
        let entry = &mut self.entries[device];
        entry.late_until = entry.late_until.max(until);
    }

    /// Until when that is so; the end of time for no such device.
    pub(super) fn late_until(&self, device: usize) -> Micros {
        self.entries.get(device).map_or(Micros::MAX, |entry| entry.late_until)
    }

    /// The fewest failures in a row of any device.
    pub(super) fn failures_min(&self) -> u32 {
        self.entries.iter().map(|entry| entry.failures).min().unwrap_or(0)
    }

    /// Whether anything of the device's answer was understood.
    pub(super) fn understood(&mut self, device: usize, is_understood: bool) {
        let entry = &mut self.entries[device];
        entry.failures = if is_understood { 0 } else { entry.failures.saturating_add(1) };
    }

    /// The device is alive.
    pub(super) fn finished(&mut self, now: Micros, device: usize) {
        let entry = &mut self.entries[device];
        entry.silences = 0;
        entry.due = entry.due.max(now);
    }

    /// It answered with bytes that are no answer: alive, but something may still come late.
    pub(super) fn garbled(&mut self, now: Micros, device: usize, timeout: Micros) {
        self.finished(now, device);
        let entry = &mut self.entries[device];
        entry.due = entry.due.max(now.plus(timeout.times(LATE_TIMEOUTS)));
    }

    /// It did not answer: the pause doubles with each silence, for this device alone.
    pub(super) fn silent(&mut self, now: Micros, device: usize, waited: Micros) {
        let entry = &mut self.entries[device];
        let late = waited.times(LATE_TIMEOUTS);
        let pause = late.max(entry.every).times(1 << entry.silences.min(DOUBLINGS_MAX));
        entry.silences = entry.silences.saturating_add(1);
        // The first silence may be one lost frame, so then the beat is kept where it leaves time for a late answer.
        let earliest = if entry.silences == 1 { late } else { pause.min(BACKOFF_MAX.max(entry.every)) };
        entry.due = entry.due.max(now.plus(earliest));
    }
}
