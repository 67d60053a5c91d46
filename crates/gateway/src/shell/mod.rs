//! The shell around [`crate::core`]: one loop that owns the gateway, its ports, its database and its timer.
//!
//! Outputs are carried out in order and nothing else touches the gateway. While the database refuses, what it is to take
//! waits in memory in its order (`held`) and is tried again; meters are polled and loads protected meanwhile, but no
//! interval is closed and no statement delivered, so that nothing is believed to be stored that is not.

mod alarm;
mod handle;
mod held;
mod live;
mod orders;
mod storage;

use crate::config::BusConfig;
use crate::core::{Gateway, Happening, Input, NodeAnswer, Output, Protection, ReadingRow, Settings, StoredMeter};
use crate::history::History;
use crate::link::NodeLink;
use crate::ports::{self, PortEvent};
use crate::store::{Days, Store, StoreError};
use crate::{Clock, Now};
use alarm::Alarm;
pub use handle::GatewayHandle;
pub use held::{HELD_EVENTS_MAX, HELD_READINGS_MAX};
use held::{Held, Next};
use ledger::{Genesis, SecretKey, SignedStatement};
use live::Live;
pub use live::{LiveBus, LiveMeter, LiveReading, Quality};
pub use orders::OrderError;
use orders::{ORDERS_MAX, Request, Waiting};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
pub use storage::Storage;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use units::{AccountId, MeterId, Micros, Millis, StatementId};

/// Ticks at least this often, because the community's clock may run at another speed than the loop's.
const TICK_MAX: Duration = Duration::from_millis(200);
/// Port events and answers waiting for the loop; beyond it ports wait.
const INPUTS_MAX: usize = 256;
/// Live readings a slow subscriber may be behind before it loses the oldest.
const LIVE_READINGS_MAX: usize = 256;

/// What a gateway needs to run.
pub struct Setup {
    /// The URL of the local file that the gateway works on.
    pub database: String,
    /// The server that it is forwarded to, and how long what is kept.
    pub storage: Storage,
    /// The buses.
    pub buses: Vec<BusConfig>,
    /// Length of an interval.
    pub interval: Millis,
    /// The ledger's genesis document.
    pub genesis: Genesis,
    /// The key that signs the readings.
    pub key: SecretKey,
    /// The node.
    pub node: Arc<dyn NodeLink>,
    /// The community's clock.
    pub clock: Arc<dyn Clock>,
    /// Protection rules, and what relays may do.
    pub protection: Protection,
}

/// Why a gateway does not start or has ended.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The loop ended by a defect.
    #[error("the gateway's loop broke down: {0}")]
    Broken(String),
}

/// A running gateway, to be stopped.
pub struct Running {
    handle: GatewayHandle,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), StoreError>>,
    /// What else works on the database.
    beside: JoinSet<()>,
}

impl Running {
    /// To look at it.
    #[must_use]
    pub const fn handle(&self) -> &GatewayHandle {
        &self.handle
    }

    /// Stops it: what it was doing with the database is brought to its end, ports and database are closed.
    ///
    /// # Errors
    /// When it had ended with an error before.
    pub async fn stop(self) -> Result<(), StartError> {
        self.stop.send_replace(true);
        let ended = self.task.await.map_err(|error| StartError::Broken(error.to_string()));
        self.beside.join_all().await;
        self.handle.history.close().await;
        self.handle.store.close().await;
        Ok(ended??)
    }
}

/// Starts a gateway: opens its database, goes on from what is stored, polls and delivers until it is stopped.
///
/// # Errors
/// When the database cannot be opened or read.
pub async fn start(setup: Setup) -> Result<Running, StartError> {
    let store = Store::open(&setup.database).await?;
    let mut stored: BTreeMap<MeterId, StoredMeter> = BTreeMap::new();
    for meter in setup.buses.iter().flat_map(|bus| &bus.settings.meters) {
        stored.insert(meter.device.meter.clone(), store.meter(&meter.device.meter).await?);
    }
    let live = Arc::new(Mutex::new(Live::new(&setup.buses)));
    let (readings, _) = broadcast::channel(LIVE_READINGS_MAX);
    let (stop, stopped) = watch::channel(false);
    let (order_to, orders) = mpsc::channel(ORDERS_MAX);
    let mut beside = JoinSet::new();
    let days = Days::new(setup.genesis.offsets.clone());
    let mirror = storage::start(&setup.storage, &store, days, &setup.clock, &stopped, &mut beside).await?;
    let handle = GatewayHandle {
        live: Arc::clone(&live),
        readings: readings.clone(),
        store: store.clone(),
        history: History::new(store.archive().clone(), setup.storage.server.clone()),
        mirror,
        clock: Arc::clone(&setup.clock),
        mqtt: Arc::default(),
        orders: order_to,
    };
    let settings = Settings::from_genesis(&setup.genesis, setup.interval).with_protection(setup.protection);
    let signer = setup.key.account();
    let buses = setup.buses.iter().map(|bus| bus.settings.clone()).collect();
    let gateway = Gateway::resume(settings, setup.key, buses, stored).with_journal(store.stored_journal().await?);
    let (answer_to, answers) = mpsc::channel(INPUTS_MAX);
    let (event_to, events) = mpsc::channel(INPUTS_MAX);
    let mut tasks = JoinSet::new();
    let mut ports = Vec::new();
    for (at, bus) in setup.buses.into_iter().enumerate() {
        let (request_to, requests) = mpsc::channel(ports::SEND_QUEUE);
        tasks.spawn(ports::serve(at, bus.port, requests, event_to.clone()));
        ports.push(request_to);
    }
    let (node, clock) = (setup.node, setup.clock);
    let shell = Shell {
        gateway,
        store,
        clock,
        node,
        signer,
        started: Instant::now(),
        ports,
        live,
        readings,
        answer_to,
        held: Held::new(),
        stopped,
        waiting: Waiting::default(),
    };
    let task = tokio::spawn(shell.run(events, answers, orders, tasks));
    Ok(Running { handle, stop, task, beside })
}

struct Shell {
    gateway: Gateway,
    store: Store,
    clock: Arc<dyn Clock>,
    node: Arc<dyn NodeLink>,
    signer: AccountId,
    started: Instant,
    ports: Vec<mpsc::Sender<Vec<u8>>>,
    live: Arc<Mutex<Live>>,
    readings: broadcast::Sender<LiveReading>,
    answer_to: mpsc::Sender<Input>,
    held: Held,
    stopped: watch::Receiver<bool>,
    waiting: Waiting,
}

impl Shell {
    async fn run(
        mut self,
        mut events: mpsc::Receiver<PortEvent>,
        mut answers: mpsc::Receiver<Input>,
        mut orders: mpsc::Receiver<Request>,
        // Held, because its tasks end with it.
        _ports: JoinSet<()>,
    ) -> Result<(), StoreError> {
        let mut stopped = self.stopped.clone();
        let alarm = Alarm::start();
        self.step(Input::Tick).await;
        self.live().take_loads(&self.gateway, self.now());
        loop {
            let wake = Duration::from_micros(self.gateway.wake_at().us()).saturating_sub(self.started.elapsed());
            let retry = self.held.retry_at().map_or(TICK_MAX, |at| at.saturating_duration_since(Instant::now()));
            let input = tokio::select! {
                // Bytes that have arrived are looked at before the time-out that waits for them.
                biased;
                _ = stopped.wait_for(|stop| *stop) => break,
                Some(event) = events.recv() => self.port_input(event),
                Some(request) = orders.recv() => self.waiting.input(request),
                Some(answer) = answers.recv() => answer,
                () = alarm.wait(wake.min(TICK_MAX).min(retry)) => Input::Tick,
            };
            self.step(input).await;
            if self.held.retry_at().is_some_and(|at| at <= Instant::now()) {
                // An error is shown already, and the next try is set.
                let _refused = self.try_again().await;
            }
        }
        self.last_try().await
    }

    fn port_input(&self, event: PortEvent) -> Input {
        match event {
            PortEvent::Received { bus, bytes } => Input::Received { bus, bytes },
            PortEvent::Opened { bus } => {
                self.live().port(bus, None);
                Input::PortOpened { bus }
            }
            PortEvent::Lost { bus, reason } => {
                self.live().port(bus, Some(reason.clone()));
                Input::PortLost { bus, reason }
            }
        }
    }

    fn live(&self) -> std::sync::MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        let monotonic = Micros::from_us(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX));
        Now { community: self.clock.now(), monotonic }
    }

    /// One input and whatever follows from it at once.
    async fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.now();
            let outputs = self.gateway.step(now, input);
            let polled = outputs.iter().any(|output| matches!(output, Output::StoreReading(_) | Output::Event(_)));
            let switched = outputs.iter().any(|output| matches!(output, Output::Journal(_)));
            if polled || switched {
                self.live().take_loads(&self.gateway, now);
            }
            for output in outputs {
                inputs.extend(self.carry_out(output).await);
            }
            if polled {
                self.live().take_stats(&self.gateway, now);
            }
        }
    }

    /// Carries one output out, or holds it while the database refuses; gives the inputs that follow from it at once.
    async fn carry_out(&mut self, output: Output) -> Vec<Input> {
        match &output {
            Output::Send { .. }
            | Output::AskFinal { .. }
            | Output::AskHead { .. }
            | Output::AskEnergy { .. }
            | Output::AskVoltage
            | Output::Ordered { .. } => {
                self.send_or_ask(output);
                return Vec::new();
            }
            Output::StoreReading(row) => self.live().reading(&live_reading(row)),
            Output::Journal(write) => self.live().journal_written(write),
            Output::Event(event) => report(&event.happening, event.meter.as_ref()),
            _ => {}
        }
        if !self.held.is_empty() {
            return self.held.push(output);
        }
        match self.store_output(output.clone()).await {
            Ok(input) => input.into_iter().collect(),
            Err(error) => {
                self.refused(&error);
                let reason = error.to_string();
                let mut inputs = self.held.push(output);
                inputs.push(Input::StoreLost { reason });
                inputs
            }
        }
    }

    /// What needs no database.
    fn send_or_ask(&mut self, output: Output) {
        match output {
            Output::Send { bus, bytes } => {
                if let Some(port) = self.ports.get(bus) {
                    // A port that is away takes nothing; the bus times out and asks again.
                    let _full = port.try_send(bytes);
                }
            }
            Output::AskFinal { meter, statement } => self.call(move |node, _| {
                let answer = node.progress(&statement);
                Input::Answered { meter, statement, answer }
            }),
            Output::AskHead { meter } => self.call(move |node, signer| {
                let answer = node.head(&meter, &signer);
                Input::Head { meter, answer }
            }),
            Output::AskVoltage => self.call(|node, _| Input::Voltage(node.voltage())),
            Output::AskEnergy { meter, member } => self.call(move |node, _| {
                let remaining = node.remaining(&member);
                Input::Energy { meter, remaining }
            }),
            Output::Ordered { ticket, answer } => self.waiting.answer(ticket, answer),
            _ => {}
        }
    }

    /// What needs the database, tried once.
    async fn store_output(&self, output: Output) -> Result<Option<Input>, StoreError> {
        match output {
            Output::StoreReading(row) => self.store_readings(&[row]).await?,
            Output::CloseInterval(closed) => self.store.close_interval(&closed).await?,
            Output::MarkFinal { statement, place } => self.store.mark_final(&statement, place).await?,
            Output::Event(event) => self.store.store_event(&event).await?,
            Output::TakeHead { meter, chain, withdrawn } => {
                let rows = self.store.take_head(&meter, &chain, &withdrawn).await?;
                return Ok(Some(Input::HeadTaken { meter, rows }));
            }
            Output::Journal(write) => self.store.journal(&write).await?,
            Output::Deliver { meter, statement } => self.deliver(meter, statement).await,
            Output::DeliverControl { meter, statement } => self.deliver_control(meter, statement).await,
            Output::Send { .. }
            | Output::AskFinal { .. }
            | Output::AskHead { .. }
            | Output::AskEnergy { .. }
            | Output::AskVoltage
            | Output::Ordered { .. } => {}
        }
        Ok(None)
    }

    /// Stores readings together and tells who listens.
    async fn store_readings(&self, rows: &[ReadingRow]) -> Result<(), StoreError> {
        self.store.store_readings(rows).await?;
        for row in rows {
            // Nobody listening is no error.
            let _nobody = self.readings.send(live_reading(row));
        }
        Ok(())
    }

    /// Tries what is held, as far as the database takes it now.
    async fn try_again(&mut self) -> Result<(), StoreError> {
        if let Some(next) = self.held.next() {
            let stored = match &next {
                Next::Readings(rows) => self.store_readings(rows).await.map(|()| None),
                Next::One(output) => self.store_output(output.clone()).await,
            };
            match stored {
                Ok(input) => {
                    self.held.done(&next);
                    if let Some(input) = input {
                        self.step(input).await;
                    }
                }
                Err(error) => {
                    self.refused(&error);
                    return Err(error);
                }
            }
        }
        if self.held.is_empty() {
            tracing::info!("the database takes readings again");
            self.live().trouble = None;
            self.step(Input::StoreBack).await;
        }
        Ok(())
    }

    fn refused(&mut self, error: &StoreError) {
        tracing::error!(%error, "the database refuses; it is tried again");
        self.held.refused();
        let waiting = self.held.readings();
        self.live().trouble = Some(format!("{error} ({waiting} readings wait in memory)"));
    }

    /// The gateway is to stop: what is held is stored now or lost.
    async fn last_try(&mut self) -> Result<(), StoreError> {
        while !self.held.is_empty() {
            if let Err(error) = self.try_again().await {
                tracing::error!(readings = self.held.readings(), "readings that the database never took are lost");
                return Err(error);
            }
        }
        Ok(())
    }

    async fn deliver(&self, meter: MeterId, statement: StatementId) {
        let prepared = match self.store.attempt(&statement).await {
            Ok(entry) => SignedStatement::from_leaf(&entry.bytes)
                .map(|signed| signed.to_submission(Some(&entry.attachment)))
                .map_err(|error| format!("the outbox holds a damaged statement: {error}")),
            Err(error) => Err(error.to_string()),
        };
        self.call(move |node, _| {
            let answer = prepared.map_or_else(NodeAnswer::Unreachable, |submission| node.submit(submission));
            Input::Answered { meter, statement, answer }
        });
    }

    async fn deliver_control(&self, meter: MeterId, statement: StatementId) {
        let prepared = match self.store.control(&statement).await {
            Ok(bytes) => SignedStatement::from_leaf(&bytes)
                .map(|signed| signed.to_submission(None))
                .map_err(|error| format!("the journal holds a damaged statement: {error}")),
            Err(error) => Err(error.to_string()),
        };
        self.call(move |node, _| {
            let answer = prepared.map_or_else(NodeAnswer::Unreachable, |submission| node.submit(submission));
            Input::Answered { meter, statement, answer }
        });
    }

    /// Asks the node on a thread of its own; the answer comes back as an input.
    fn call(&self, ask: impl FnOnce(&dyn NodeLink, AccountId) -> Input + Send + 'static) {
        let (node, signer, answer_to) = (Arc::clone(&self.node), self.signer, self.answer_to.clone());
        tokio::task::spawn_blocking(move || {
            // After the loop's end nobody wants the answer; the question is asked again at the next start.
            let _ended = answer_to.blocking_send(ask(&*node, signer));
        });
    }
}

fn live_reading(row: &ReadingRow) -> LiveReading {
    LiveReading { meter: row.meter.clone(), time: row.time, reading: row.reading.clone() }
}

fn report(happening: &Happening, meter: Option<&MeterId>) {
    let meter = meter.map(MeterId::as_str).unwrap_or_default();
    match happening {
        Happening::PortOpened | Happening::NodeBack | Happening::StoreBack => tracing::info!("{happening}"),
        Happening::HeadTaken { withdrawn: 0, .. } => tracing::info!(meter, "{happening}"),
        Happening::PollFailed(_) => tracing::debug!(meter, "{happening}"),
        _ => tracing::warn!(meter, "{happening}"),
    }
}
