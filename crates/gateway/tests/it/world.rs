//! The gateway's core on a virtual clock, with the real database and simulated buses; outputs can be cut off anywhere.

use crate::community::{FakeNode, gateway_key, genesis, member};
use gateway::core::{
    BusSettings, Event, Gateway, Happening, Input, MeterSettings, Output, Protection, Refusal, Settings, StoredMeter,
};
use gateway::{NodeLink, Now, Store};
use ledger::SignedStatement;
use meter::{Address, Device, Framing, Options, Profile, Replay, SimulatedBus, SimulatedMeter};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tempfile::TempDir;
use units::{Energy, EnergyBalance, Frequency, MeterId, Micros, Millis, Timestamp};

pub(crate) const BAUD: Framing = Framing::Rtu { baud: 9_600 };
pub(crate) const POLL: Millis = Millis::from_minutes(5);
pub(crate) const INTERVAL: Millis = Millis::from_minutes(15);

pub(crate) fn meter_id(name: &str) -> MeterId {
    name.parse().unwrap()
}

pub(crate) fn settings_of(meter: &str, address: u8, profile: &str, poll_every: Millis) -> MeterSettings {
    let address = Address::modbus(address).unwrap();
    let model = Arc::new(Profile::shipped(profile).unwrap());
    let device = Device { meter: meter_id(meter), address, profile: model, poll_every };
    MeterSettings { device, profile: profile.to_owned(), member: member() }
}

pub(crate) fn simulated(address: u8, profile: &str, start: Timestamp, counter_start: Energy) -> SimulatedMeter {
    let replay = Arc::new(Replay::excerpt().unwrap());
    let options = Options {
        start,
        offset_minutes: 0,
        nominal_voltage: None,
        frequency: Frequency::from_mhz(60_000),
        counter_start,
    };
    SimulatedMeter::new(
        Arc::new(Profile::shipped(profile).unwrap()),
        Address::modbus(address).unwrap(),
        replay,
        options,
    )
}

/// Temporary files; in memory where the system has a folder for that, so that syncing costs nothing.
pub(crate) fn folder() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

pub(crate) fn url(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("gateway.db").display())
}

pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) monotonic: Micros,
    pub(crate) node: FakeNode,
    pub(crate) line: SimulatedBus,
    pub(crate) events: Vec<Event>,
    pub(crate) store: Store,
    /// Outputs carried out so far.
    pub(crate) done: usize,
    /// After so many outputs everything but the database is lost, once.
    pub(crate) crash_after: Option<usize>,
    /// What orders were answered with.
    pub(crate) answers: Vec<Result<u64, Refusal>>,
    /// What the node says of the member's energy.
    pub(crate) remaining: Option<EnergyBalance>,
    /// Commands that went out on the line.
    pub(crate) commands: usize,
    protection: Protection,
    gateway: Gateway,
    meters: Vec<MeterSettings>,
    folder: TempDir,
}

impl World {
    pub(crate) async fn new(now: Timestamp, node: FakeNode, meters: Vec<MeterSettings>, line: SimulatedBus) -> Self {
        let folder = folder();
        let store = Store::open(&url(&folder)).await.unwrap();
        Self { folder, ..Self::with_store(now, node, meters, line, store).await }
    }

    /// On a database of somebody else's.
    pub(crate) async fn with_store(
        now: Timestamp,
        node: FakeNode,
        meters: Vec<MeterSettings>,
        line: SimulatedBus,
        store: Store,
    ) -> Self {
        let folder = folder();
        let protection = Protection::default();
        let gateway = resume(&store, &meters, protection.clone()).await;
        Self {
            now,
            monotonic: Micros::ZERO,
            node,
            line,
            events: Vec::new(),
            store,
            done: 0,
            crash_after: None,
            answers: Vec::new(),
            remaining: None,
            commands: 0,
            protection,
            gateway,
            meters,
            folder,
        }
    }

    /// The same with rules and limits.
    pub(crate) async fn protected(mut self, protection: Protection) -> Self {
        self.protection = protection;
        self.gateway = resume(&self.store, &self.meters, self.protection.clone()).await;
        self
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    pub(crate) fn happened(&self, kind: &str) -> usize {
        self.events.iter().filter(|event| event.happening.kind() == kind).count()
    }

    pub(crate) fn happenings(&self) -> Vec<&Happening> {
        self.events.iter().map(|event| &event.happening).collect()
    }

    /// Everything but the database is lost.
    pub(crate) async fn restart(&mut self) {
        self.store.close().await;
        self.store = Store::open(&url(&self.folder)).await.unwrap();
        self.gateway = resume(&self.store, &self.meters, self.protection.clone()).await;
    }

    /// The database is lost as well.
    pub(crate) async fn lose_database(&mut self) {
        self.store.close().await;
        self.folder = folder();
        self.restart().await;
    }

    /// Ends; the database stays.
    pub(crate) async fn into_folder(self) -> TempDir {
        self.store.close().await;
        self.folder
    }

    /// Runs to a time in steps of the gateway's own wishes, at most a second of virtual time each.
    pub(crate) async fn run_until(&mut self, end: Timestamp) {
        while self.now < end {
            self.step(Input::Tick).await;
            let idle = self.gateway.wake_at().since(self.monotonic).ceil_ms().ms().clamp(1, 60_000);
            self.advance(Millis::from_ms(idle));
        }
    }

    /// Time passes; the line's physics and the community's clock run alike.
    pub(crate) fn advance(&mut self, distance: Millis) {
        self.now = self.now + distance;
        self.monotonic = self.monotonic.plus(distance.into());
        self.node.set_time(self.now);
    }

    pub(crate) async fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = Now { community: self.now, monotonic: self.monotonic };
            for output in self.gateway.step(now, input) {
                inputs.extend(self.carry_out(output).await);
                self.done += 1;
                if self.crash_after == Some(self.done) {
                    self.restart().await;
                    return;
                }
            }
        }
    }

    async fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Send { bus, bytes } => {
                // The functions that write: 0x05, 0x06 and 0x10.
                self.commands += usize::from(bytes.get(1).is_some_and(|function| [5, 6, 0x10].contains(function)));
                let heard = self.line.receive(self.now, &bytes);
                return (!heard.is_empty()).then_some(Input::Received { bus, bytes: heard });
            }
            Output::StoreReading(row) => self.store.store_reading(&row).await.unwrap(),
            Output::CloseInterval(closed) => self.store.close_interval(&closed).await.unwrap(),
            Output::MarkFinal { statement, place } => self.store.mark_final(&statement, place).await.unwrap(),
            Output::TakeHead { meter, chain, withdrawn } => {
                let rows = self.store.take_head(&meter, &chain, &withdrawn).await.unwrap();
                return Some(Input::HeadTaken { meter, rows });
            }
            Output::Event(event) => {
                self.store.store_event(&event).await.unwrap();
                self.events.push(event);
            }
            Output::Deliver { meter, statement } => {
                let entry = self.store.attempt(&statement).await.unwrap();
                let signed = SignedStatement::from_leaf(&entry.bytes).unwrap();
                let answer = self.node.submit(signed.to_submission(Some(&entry.attachment)));
                return Some(Input::Answered { meter, statement, answer });
            }
            Output::AskFinal { meter, statement } => {
                let answer = self.node.progress(&statement);
                return Some(Input::Answered { meter, statement, answer });
            }
            Output::Journal(write) => self.store.journal(&write).await.unwrap(),
            Output::Ordered { answer, .. } => self.answers.push(answer),
            Output::AskVoltage => return Some(Input::Voltage(self.node.voltage())),
            Output::AskEnergy { meter, .. } => {
                let remaining = self.remaining;
                return Some(Input::Energy { meter, remaining });
            }
            Output::DeliverControl { meter, statement } => {
                let bytes = self.store.control(&statement).await.unwrap();
                let signed = SignedStatement::from_leaf(&bytes).unwrap();
                let answer = self.node.submit(signed.to_submission(None));
                return Some(Input::Answered { meter, statement, answer });
            }
            Output::AskHead { meter } => {
                let answer = self.node.head(&meter, &gateway_key().account());
                return Some(Input::Head { meter, answer });
            }
        }
        None
    }
}

async fn resume(store: &Store, meters: &[MeterSettings], protection: Protection) -> Gateway {
    let mut stored: BTreeMap<MeterId, StoredMeter> = BTreeMap::new();
    for meter in meters {
        stored.insert(meter.device.meter.clone(), store.meter(&meter.device.meter).await.unwrap());
    }
    let settings = Settings::from_genesis(&genesis(), INTERVAL).with_protection(protection);
    let buses = vec![BusSettings { framing: BAUD, meters: meters.to_vec() }];
    Gateway::resume(settings, gateway_key(), buses, stored).with_journal(store.stored_journal().await.unwrap())
}
