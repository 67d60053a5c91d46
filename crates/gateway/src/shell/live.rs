//! What the gateway shows of itself: newest values, their age and quality, how polls and ports fare.

use crate::Now;
use crate::config::{BusConfig, Port};
use crate::core::{self, Gateway, LineTrouble, LoadView, RuleView};
use meter::Address;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use units::{MeterId, Millis, Reading, Timestamp};

/// Polls without a reading after which a value counts as stale.
const STALE_AFTER_POLLS: u64 = 3;
/// A value is never stale before this age, so that a fast poll rate does not flicker.
const STALE_AFTER_MIN: Millis = Millis::from_seconds(2);

/// How far a value can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// Never read.
    Missing,
    /// Read within the last few polls.
    Fresh,
    /// Older than that.
    Stale,
}

/// A reading as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveReading {
    /// The meter.
    pub meter: MeterId,
    /// When it was taken.
    pub time: Timestamp,
    /// What the meter said.
    pub reading: Reading,
}

/// A meter at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveMeter {
    /// The meter.
    pub meter: MeterId,
    /// Its bus.
    pub bus: String,
    /// Its address on the bus.
    pub address: Address,
    /// Maker and model.
    pub model: String,
    /// How often it is asked.
    pub poll_every: Millis,
    /// Its newest reading since the gateway's start.
    pub reading: Option<Reading>,
    /// When that was taken, by the community's clock.
    pub time: Option<Timestamp>,
    /// How long ago that was, by the gateway's own clock.
    pub age: Option<Millis>,
    /// How far it can be relied on.
    pub quality: Quality,
    /// Polls begun.
    pub polls: u64,
    /// Polls that gave a reading.
    pub answers: u64,
    /// Polls that gave none, by kind.
    pub errors: BTreeMap<&'static str, u64>,
    /// Statements that are not final.
    pub unconfirmed: usize,
    /// End of the oldest interval whose statement is not final.
    pub unconfirmed_since: Option<Timestamp>,
}

/// A bus at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveBus {
    /// Its name.
    pub name: String,
    /// Device or address.
    pub place: String,
    /// Whether its port is open.
    pub open: bool,
    /// Why it is not, if it was lost.
    pub lost: Option<String>,
    /// Its meters.
    pub meters: Vec<MeterId>,
    /// Thousandths of the line's time that its schedule needs; above 900 some meters may be asked less often.
    pub load_planned_permille: u64,
    /// Thousandths of the line's time that were taken in the last minute or two; `None` at the start.
    pub load_measured_permille: Option<u64>,
    /// Why nothing is understood on its line; `None` while something is.
    pub line: Option<LineTrouble>,
}

#[derive(Debug)]
struct Entry {
    meter: LiveMeter,
    place: (usize, usize),
    read_at: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Live {
    entries: Vec<Entry>,
    pub(super) buses: Vec<LiveBus>,
    pub(super) trouble: Option<String>,
    loads: Vec<LoadView>,
    loads_at: Instant,
    pub(super) rules: Vec<RuleView>,
    /// The newest entries of the journal, newest first.
    pub(super) journal: Vec<core::Entry>,
    /// Entries with an outcome since the start, by meter and outcome.
    pub(super) outcomes: BTreeMap<(MeterId, &'static str), u64>,
}

impl Live {
    pub(super) fn new(buses: &[BusConfig]) -> Self {
        let mut entries = Vec::new();
        for (at, bus) in buses.iter().enumerate() {
            for (device, settings) in bus.settings.meters.iter().enumerate() {
                let meter = LiveMeter {
                    meter: settings.device.meter.clone(),
                    bus: bus.name.clone(),
                    address: settings.device.address,
                    model: settings.device.profile.model().to_owned(),
                    poll_every: settings.device.poll_every,
                    reading: None,
                    time: None,
                    age: None,
                    quality: Quality::Missing,
                    polls: 0,
                    answers: 0,
                    errors: BTreeMap::new(),
                    unconfirmed: 0,
                    unconfirmed_since: None,
                };
                entries.push(Entry { meter, place: (at, device), read_at: None });
            }
        }
        let buses = buses.iter().map(live_bus).collect();
        let (loads, rules, journal) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            entries,
            buses,
            trouble: None,
            loads,
            loads_at: Instant::now(),
            rules,
            journal,
            outcomes: BTreeMap::new(),
        }
    }

    pub(super) fn take_loads(&mut self, gateway: &Gateway, now: Now) {
        self.loads = gateway.loads(now);
        self.loads_at = Instant::now();
        self.rules = gateway.rules();
        self.journal = gateway.recent_entries().cloned().collect();
        self.journal.reverse();
    }

    /// Counts what came of an order or a rule's act, once it is known.
    pub(super) fn journal_written(&mut self, write: &core::JournalWrite) {
        if let core::JournalWrite::Entry(entry, _) = write
            && entry.outcome.is_final()
        {
            *self.outcomes.entry((entry.meter.clone(), entry.outcome.name())).or_default() += 1;
        }
    }

    /// As they were taken, the time since then counted.
    pub(super) fn loads(&self) -> Vec<LoadView> {
        let since = millis(self.loads_at.elapsed());
        let later = |age: Millis| Millis::from_ms(age.ms().saturating_add(since.ms()));
        let less = |wait: Millis| Millis::from_ms(wait.ms().saturating_sub(since.ms()));
        let now = |load: &LoadView| LoadView {
            state_age: load.state_age.map(later),
            on_in: less(load.on_in),
            off_in: less(load.off_in),
            ..load.clone()
        };
        self.loads.iter().map(now).collect()
    }

    pub(super) fn meters(&self) -> Vec<LiveMeter> {
        self.entries.iter().map(Entry::now).collect()
    }

    pub(super) fn port(&mut self, bus: usize, lost: Option<String>) {
        if let Some(bus) = self.buses.get_mut(bus) {
            (bus.open, bus.lost) = (lost.is_none(), lost);
        }
    }

    pub(super) fn reading(&mut self, reading: &LiveReading) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.meter.meter == reading.meter) {
            entry.meter.reading = Some(reading.reading.clone());
            entry.meter.time = Some(reading.time);
            entry.read_at = Some(Instant::now());
        }
    }

    pub(super) fn take_stats(&mut self, gateway: &Gateway, now: Now) {
        for (at, bus) in self.buses.iter_mut().enumerate() {
            bus.load_measured_permille = gateway.bus_load(at, now.monotonic).and_then(|(_, measured)| measured);
            bus.line = gateway.line_trouble(at);
        }
        for Entry { meter, place: (bus, device), .. } in &mut self.entries {
            meter.unconfirmed = gateway.unconfirmed(&meter.meter);
            meter.unconfirmed_since = gateway.unconfirmed_since(&meter.meter);
            if let Some(stats) = gateway.stats(*bus, *device) {
                (meter.polls, meter.answers, meter.errors) = (stats.polls, stats.answers, stats.errors.clone());
            }
        }
    }
}

impl Entry {
    fn now(&self) -> LiveMeter {
        let age = self.read_at.map(|at| millis(at.elapsed()));
        let limit = (self.meter.poll_every.ms().saturating_mul(STALE_AFTER_POLLS)).max(STALE_AFTER_MIN.ms());
        let quality = match age {
            None => Quality::Missing,
            Some(age) if age.ms() <= limit => Quality::Fresh,
            Some(_) => Quality::Stale,
        };
        LiveMeter { age, quality, ..self.meter.clone() }
    }
}

fn live_bus(bus: &BusConfig) -> LiveBus {
    let place = match &bus.port {
        Port::Serial { path, .. } => path.clone(),
        Port::Tcp(address) => address.to_string(),
    };
    let meters = bus.settings.meters.iter().map(|meter| meter.device.meter.clone()).collect();
    let devices = bus.settings.meters.iter().map(|meter| &meter.device);
    let load_planned_permille = meter::Plan::new(devices, bus.settings.framing).permille;
    LiveBus {
        name: bus.name.clone(),
        place,
        open: false,
        lost: None,
        meters,
        load_planned_permille,
        load_measured_permille: None,
        line: None,
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::from_ms(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
