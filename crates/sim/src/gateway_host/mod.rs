//! A gateway's side of a run: its machine, its database, the simulated meters, as its shell runs it.

mod outputs;

pub(crate) use outputs::Heard;

use crate::Sabotage;
use crate::check::Violation;
use crate::check::promises::nothing_stored_is_lost;
use crate::database::Database;
use crate::world::{Happening, World};
use gateway::Now;
use gateway::core::{Gateway, Input, Settings, StoredMeter};
use meter::SimulatedBus;
use std::collections::{BTreeMap, BTreeSet};
use units::{Energy, MeterId, Millis, Timestamp};

/// A gateway over all its lives.
pub(crate) struct GatewayHost {
    pub(crate) running: Option<Gateway>,
    pub(crate) life: u64,
    /// The node that it delivers to; another one when that does not answer.
    pub(crate) node: usize,
    /// When it was started, which its monotonic clock counts from.
    started: Timestamp,
    /// How far its clock is ahead.
    pub(crate) clock_ahead_ms: i64,
    pub(crate) database: Database,
    pub(crate) lines: Vec<SimulatedBus>,
    pub(crate) lost_ports: BTreeSet<usize>,
    next_wake: Option<Timestamp>,
    /// Every reading that was ever stored.
    pub(crate) stored: BTreeMap<(MeterId, Timestamp), Energy>,
    /// Those of which the gateway was told so, since the database began.
    acknowledged: BTreeSet<(MeterId, Timestamp)>,
    /// The newest of those.
    newest: Option<(MeterId, Timestamp)>,
    /// Those that went with a lost database.
    pub(crate) lost: BTreeSet<(MeterId, Timestamp)>,
    pub(crate) starts: u64,
    pub(crate) power_cuts: u64,
}

impl GatewayHost {
    pub(crate) fn new(lines: Vec<SimulatedBus>, now: Timestamp) -> Self {
        Self {
            running: None,
            life: 0,
            node: 0,
            started: now,
            clock_ahead_ms: 0,
            database: Database::default(),
            lines,
            lost_ports: BTreeSet::new(),
            next_wake: None,
            stored: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            newest: None,
            lost: BTreeSet::new(),
            starts: 0,
            power_cuts: 0,
        }
    }

    fn now(&self, now: Timestamp) -> Now {
        let community = Timestamp::from_ms(now.ms().saturating_add_signed(self.clock_ahead_ms));
        Now { community, monotonic: now.since(self.started).into() }
    }

    pub(crate) fn lose_database(&mut self) {
        self.database = Database::default();
        self.lost = self.stored.keys().cloned().collect();
        self.acknowledged.clear();
        self.newest = None;
    }
}

impl World {
    pub(crate) fn start_gateway(&mut self, number: usize) -> Result<(), Violation> {
        let host = &mut self.gateways[number];
        if host.running.is_some() {
            return Ok(());
        }
        nothing_stored_is_lost(&host.acknowledged, |reading| host.database.has(reading))?;
        let meters = self.community.read_by(number).map(|(_, household)| household.meter.clone());
        let mut stored: BTreeMap<MeterId, StoredMeter> = BTreeMap::new();
        for meter in meters {
            let mut found = host.database.meter(&meter);
            if self.sabotage == Some(Sabotage::ForgetReading) && !found.rows.is_empty() {
                found.rows.remove(0);
            }
            stored.insert(meter, found);
        }
        let rows: usize = stored.values().map(|meter| meter.rows.len()).sum();
        let waiting: usize = stored.values().map(|meter| meter.outbox.len()).sum();
        let settings = Settings::from_genesis(&self.community.genesis, self.community.interval);
        let key = self.community.gateways[number].clone();
        let journal = host.database.stored_journal();
        let resumed = Gateway::resume(settings, key, self.community.buses(number)?, stored);
        host.running = Some(resumed.with_journal(journal));
        host.life += 1;
        host.starts += 1;
        host.started = self.now;
        host.next_wake = None;
        self.note(format_args!("gateway {number} starts: {rows} readings open, {waiting} statements wait"));
        self.gateway_input(number, Input::Tick);
        Ok(())
    }

    pub(crate) fn crash_gateway(&mut self, number: usize, down: Millis) {
        if self.gateways[number].running.take().is_some() {
            self.note(format_args!("gateway {number} crashes, down for {} ms", down.ms()));
            self.later(down, Happening::GatewayStart(number));
        }
    }
}
