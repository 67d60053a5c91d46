//! One bus as a state machine: who is asked when, whose answer a byte belongs to, and what silence means.
//!
//! Invariant: at any moment at most one request is under way, and only bytes that arrive while it is under way can
//! become its answer. Time is told, in microseconds since some start that never goes backwards (the physics of a line
//! has nothing to do with the community's clock); the gateway owns the port and calls [`Bus::step`].
//!
//! An RTU answer carries no number. A late answer to an *earlier* request of the same meter looks like a valid one, so
//! after a timeout the line must fall silent, and that meter is left alone for [`LATE_TIMEOUTS`] more timeouts, during
//! which whatever it sends is thrown away. A meter that is slower still needs a longer `timeout_ms` in its profile.

mod framing;
mod load;
mod receive;
mod schedule;
mod stats;
mod task;
mod verdict;

use crate::dlt645::LocalTime;
use crate::{Address, Exchange, MeterError, Profile};
pub use framing::{Framing, Parity};
use load::Measured;
pub use load::{LOAD_PERMILLE_MAX, Plan};
use receive::Receiver;
use schedule::Schedule;
pub use stats::DeviceStats;
use std::collections::VecDeque;
use std::sync::Arc;
pub use task::READ_BACK_TRIES;
use task::{Order, Task};
use units::{MeterId, Micros, Millis, Reading};
pub use verdict::{Evidence, LineVerdict, POLLS_BEFORE_VERDICT};

/// Timeouts for which a meter that did not answer is not asked again, so that its late answer meets no request.
pub const LATE_TIMEOUTS: u64 = 2;
/// Longest pause between two polls of a dead meter, unless its own rate is slower: a meter that comes back is seen
/// within a minute.
pub const BACKOFF_MAX: Micros = Micros::from_ms(60_000);
/// A line without silence for so long is reported: nobody can be polled on it.
pub const LINE_BUSY_AFTER: Micros = Micros::from_ms(5_000);

/// Orders that wait for a line: all relays of a full line, switched and looked at.
pub const ORDERS_MAX: usize = 128;

/// A meter on a bus.
#[derive(Debug, Clone)]
pub struct Device {
    /// The number printed on it.
    pub meter: MeterId,
    /// Its address on the bus.
    pub address: Address,
    /// Its model.
    pub profile: Arc<Profile>,
    /// From the start of a poll to the start of the next; zero is as often as the bus allows.
    pub poll_every: Millis,
}

/// What happens to a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusInput {
    /// Time has passed.
    Tick,
    /// Bytes arrived.
    Received(Vec<u8>),
    /// The port was opened anew: half a frame from before will never be completed.
    Reopened,
    /// A relay is to be switched, before any poll. Its state is read before, the command is sent once and never again,
    /// even without an answer, and the state is read back, at most [`READ_BACK_TRIES`] times. Orders are carried out in
    /// the order given; always answered by [`BusOutput::Switched`].
    Switch {
        /// The meter's place in the list given to [`Bus::new`].
        device: usize,
        /// On or off.
        on: bool,
        /// The caller's number, given back with the outcome.
        order: u64,
        /// When the command becomes void, by the meter's own clock; see [`crate::Relay::needs_expiry`].
        until: Option<LocalTime>,
    },
    /// A relay's state is to be read, before any poll; answered by [`BusOutput::RelayRead`].
    ReadRelay {
        /// The meter's place in the list given to [`Bus::new`].
        device: usize,
    },
}

/// What a bus wants done, or found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusOutput {
    /// Bytes to write to the port.
    Send(Vec<u8>),
    /// A meter answered.
    Reading {
        /// Its place in the list given to [`Bus::new`].
        device: usize,
        /// What it said.
        reading: Reading,
        /// The frames that say so.
        exchanges: Vec<Exchange>,
    },
    /// A poll gave no reading.
    Failed {
        /// The meter's place in the list given to [`Bus::new`].
        device: usize,
        /// Why.
        error: MeterError,
        /// The bytes that came instead, at most a frame and as much noise.
        raw: Vec<u8>,
    },
    /// An order is done, or will not be.
    Switched {
        /// The meter's place in the list given to [`Bus::new`].
        device: usize,
        /// The caller's number.
        order: u64,
        /// What the relay showed before; `None` when it could not be asked.
        before: Option<bool>,
        /// What it showed last after the command; `None` when it could not be asked.
        after: Option<bool>,
        /// Whether the meter confirmed the command. An error does not say that the relay stayed as it was: see `after`.
        result: Result<(), MeterError>,
        /// The frames, in order, those of the command among them if it was answered.
        exchanges: Vec<Exchange>,
    },
    /// A relay's state was asked for.
    RelayRead {
        /// The meter's place in the list given to [`Bus::new`].
        device: usize,
        /// On, or why it is not known.
        state: Result<bool, MeterError>,
    },
    /// Nothing is understood on this line: told once, until a valid frame comes.
    Judged {
        /// What it looks like.
        verdict: LineVerdict,
    },
}

/// What the line is doing.
#[derive(Debug)]
enum Line {
    /// Nobody is asked. Free from `until` on, which moves on while bytes keep coming; noisy since `since`.
    Quiet { until: Micros, since: Micros },
    /// A request is out.
    Waiting { asked: Micros, deadline: Micros },
}

/// One bus and the meters on it.
#[derive(Debug)]
pub struct Bus {
    devices: Vec<Device>,
    schedule: Schedule,
    stats: Vec<DeviceStats>,
    framing: Framing,
    line: Line,
    orders: VecDeque<Order>,
    task: Option<Task>,
    receiver: Receiver,
    measured: Measured,
    evidence: Evidence,
    judged: Option<LineVerdict>,
}

impl Bus {
    /// A bus at rest; every device is due at once.
    #[must_use]
    pub fn new(devices: Vec<Device>, framing: Framing) -> Self {
        Self {
            schedule: Schedule::new(&devices),
            stats: vec![DeviceStats::default(); devices.len()],
            devices,
            framing,
            line: Line::Quiet { until: Micros::ZERO, since: Micros::ZERO },
            orders: VecDeque::new(),
            task: None,
            receiver: Receiver::new(framing),
            measured: Measured::default(),
            evidence: Evidence::default(),
            judged: None,
        }
    }

    /// The meters on it, in the order given.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// How frames are told apart on it.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.framing
    }

    /// How a device has fared; `None` beyond the list.
    #[must_use]
    pub fn stats(&self, device: usize) -> Option<&DeviceStats> {
        self.stats.get(device)
    }

    /// What its schedule asks of the line.
    #[must_use]
    pub fn plan(&self) -> Plan {
        Plan::new(&self.devices, self.framing)
    }

    /// Thousandths of the last minute or two in which the line was taken; `None` in the first second.
    #[must_use]
    pub fn load_permille(&self, now: Micros) -> Option<u64> {
        self.measured.permille(now)
    }

    /// What the line was judged to be; `None` while it is understood, or has not failed often enough.
    #[must_use]
    pub const fn verdict(&self) -> Option<LineVerdict> {
        self.judged
    }

    /// When it next wants a [`BusInput::Tick`], if nothing arrives before.
    #[must_use]
    pub fn wake_at(&self) -> Micros {
        match self.line {
            Line::Waiting { deadline, .. } => deadline,
            Line::Quiet { until, .. } if self.task.is_some() => until,
            Line::Quiet { until, .. } => until.max(self.schedule.next_due().min(self.next_order())),
        }
    }

    /// Takes what happened at `now` and says what to do. Never blocks, never fails; errors are outputs.
    pub fn step(&mut self, now: Micros, input: BusInput) -> Vec<BusOutput> {
        let mut outputs = Vec::new();
        match input {
            BusInput::Tick => {}
            BusInput::Received(bytes) => self.received(now, &bytes, &mut outputs),
            BusInput::Reopened => self.receiver.clear(),
            BusInput::Switch { device, on, order, until } => {
                self.order(Order::Switch { device, on, order, until }, &mut outputs);
            }
            BusInput::ReadRelay { device } => self.order(Order::Look { device }, &mut outputs),
        }
        self.expire(now, &mut outputs);
        self.advance(now, &mut outputs);
        outputs
    }

    fn order(&mut self, order: Order, outputs: &mut Vec<BusOutput>) {
        let waiting = self.orders.len();
        if order.device() >= self.devices.len() {
            outputs.push(order.refused(MeterError::NoRelay { model: "no such meter".to_owned() }));
        } else if waiting >= ORDERS_MAX {
            outputs.push(order.refused(MeterError::TooManyOrders { waiting }));
        } else {
            self.orders.push_back(order);
        }
    }

    /// When the first order may go: a late answer of its meter must not be taken for the one to come.
    fn next_order(&self) -> Micros {
        self.orders.front().map_or(Micros::MAX, |order| self.schedule.late_until(order.device()))
    }

    /// Bytes belong to the request under way; without one they are late or foreign and only show that the line is busy.
    fn received(&mut self, now: Micros, bytes: &[u8], outputs: &mut Vec<BusOutput>) {
        for chunk in bytes.chunks(Receiver::CHUNK_BYTES) {
            let request = match (&self.line, &self.task) {
                (Line::Waiting { .. }, Some(task)) => task.request(),
                _ => None,
            };
            match self.receiver.take(chunk, request) {
                None if request.is_some() => {}
                None => self.disturb(now),
                Some(Ok(exchange)) => self.answered(now, exchange, outputs),
                Some(Err(error)) => self.fail(now, error, outputs),
            }
        }
    }

    /// Bytes that nobody waits for push the silence on.
    fn disturb(&mut self, now: Micros) {
        let silence = self.framing.silence();
        if let Line::Quiet { until, since } = &mut self.line {
            // Noise that begins after the line was already free begins its own disturbance.
            *since = if now > *until { now } else { *since };
            *until = (*until).max(now.plus(silence));
        }
    }

    fn answered(&mut self, now: Micros, exchange: Exchange, outputs: &mut Vec<BusOutput>) {
        self.understood();
        let Some(task) = &mut self.task else { return };
        let device = task.device();
        let mut pause = Micros::ZERO;
        match task {
            Task::Poll { exchanges, .. } => exchanges.push(exchange),
            Task::Switch(switch) => pause = switch.take(&self.devices[device], Ok(exchange)),
            Task::Look { .. } => return self.looked(now, Ok(exchange), outputs),
        }
        self.rest(now, device, pause);
        if self.task.as_ref().is_some_and(|task| task.request().is_none()) {
            self.finish(now, outputs);
        }
    }

    /// A valid frame came: rate and wiring are right.
    fn understood(&mut self) {
        (self.evidence, self.judged) = (Evidence::default(), None);
    }

    /// All is answered.
    fn finish(&mut self, now: Micros, outputs: &mut Vec<BusOutput>) {
        match self.task.take() {
            Some(Task::Poll { device, exchanges, .. }) => self.finish_poll(now, device, exchanges, outputs),
            Some(Task::Switch(switch)) => outputs.push(switch.finish(None)),
            Some(Task::Look { .. }) | None => {}
        }
    }

    /// The profile turns the answers into a reading, or says why not.
    fn finish_poll(&mut self, now: Micros, device: usize, exchanges: Vec<Exchange>, outputs: &mut Vec<BusOutput>) {
        let Device { address, profile, .. } = &self.devices[device];
        match profile.reading(*address, &exchanges) {
            Ok(reading) => {
                self.stats[device].answered(now);
                self.schedule.understood(device, true);
                self.schedule.finished(now, device);
                outputs.push(BusOutput::Reading { device, reading, exchanges });
            }
            Err(error) => {
                let raw = exchanges.into_iter().flat_map(|exchange| exchange.response).collect();
                self.report(now, device, error, raw, outputs);
            }
        }
    }

    /// A look at a relay ends, whatever came.
    fn looked(&mut self, now: Micros, answer: Result<Exchange, MeterError>, outputs: &mut Vec<BusOutput>) {
        let Some(Task::Look { device, request }) = self.task.take() else { return };
        self.rest(now, device, Micros::ZERO);
        let Device { profile, .. } = &self.devices[device];
        let state = answer.and_then(|exchange| {
            let data = request.parse(&exchange.response)?;
            let no_relay = || MeterError::NoRelay { model: profile.model().to_owned() };
            profile.relay().ok_or_else(no_relay)?.state(&data)
        });
        outputs.push(BusOutput::RelayRead { device, state });
    }

    fn fail(&mut self, now: Micros, error: MeterError, outputs: &mut Vec<BusOutput>) {
        let raw = self.receiver.take_raw();
        let Some(task) = self.task.take() else { return };
        let device = task.device();
        let late = self.late(&error, device);
        self.schedule.may_be_late(now.plus(late), device);
        self.rest(now, device, Micros::ZERO);
        match task {
            Task::Poll { .. } => self.report(now, device, error, raw, outputs),
            Task::Look { .. } => outputs.push(BusOutput::RelayRead { device, state: Err(error) }),
            Task::Switch(mut switch) => {
                let pause = switch.take(&self.devices[device], Err(error)).max(late);
                self.rest(now, device, pause);
                self.task = Some(Task::Switch(switch));
                if self.task.as_ref().is_some_and(|task| task.request().is_none()) {
                    self.finish(now, outputs);
                }
            }
        }
    }

    /// For how long an answer may still come after an error, as if it were one to the next question.
    fn late(&self, error: &MeterError, device: usize) -> Micros {
        match error {
            MeterError::NoAnswer { waited } => Micros::from(*waited).times(LATE_TIMEOUTS),
            // Refusals are answers; nothing is under way after them.
            error if error.is_refusal() => Micros::ZERO,
            MeterError::Frame(_) | MeterError::Dlt645(_) => {
                Micros::from(self.devices[device].profile.timeout()).times(LATE_TIMEOUTS)
            }
            _ => Micros::ZERO,
        }
    }

    fn report(&mut self, now: Micros, device: usize, error: MeterError, raw: Vec<u8>, outputs: &mut Vec<BusOutput>) {
        self.stats[device].failed(&error);
        match error {
            MeterError::NoAnswer { waited } => self.schedule.silent(now, device, waited.into()),
            // A meter that answers badly is alive; a late answer of its may still come.
            MeterError::Frame(_) | MeterError::Dlt645(_) => {
                self.schedule.garbled(now, device, self.devices[device].profile.timeout().into());
            }
            _ => self.schedule.finished(now, device),
        }
        let verdict = self.judge(device, &error, &raw);
        outputs.push(BusOutput::Failed { device, error, raw });
        outputs.extend(verdict.map(|verdict| BusOutput::Judged { verdict }));
    }

    /// What the line looks like, once every meter has failed often enough without one valid frame between.
    fn judge(&mut self, device: usize, error: &MeterError, raw: &[u8]) -> Option<LineVerdict> {
        self.schedule.understood(device, !error.is_unintelligible());
        if !error.is_unintelligible() {
            self.understood();
            return None;
        }
        self.evidence.take(raw);
        let all_failed = self.schedule.failures_min() >= POLLS_BEFORE_VERDICT;
        if self.judged.is_some() || self.framing.baud().is_none() || !all_failed {
            return None;
        }
        self.judged = Some(self.evidence.verdict());
        self.judged
    }

    /// The line is left alone for its own silence, and longer where the meter or the task needs it.
    fn rest(&mut self, now: Micros, device: usize, pause: Micros) {
        // A meter's own pause is a need of its serial side, which over TCP its gateway keeps.
        let own = match self.framing {
            Framing::Tcp => Micros::ZERO,
            Framing::Rtu { .. } | Framing::Dlt645 { .. } => self.devices[device].profile.gap().into(),
        };
        let gap = self.framing.silence().max(own);
        if let Line::Waiting { asked, .. } = self.line {
            self.measured.add(now, now.since(asked).plus(gap));
        }
        // A pause that is longer than the line needs is no disturbance.
        let since = now.plus(pause.since(gap));
        self.line = Line::Quiet { until: now.plus(gap.max(pause)), since };
    }

    /// Ends a wait whose time is up, and reports a line that does not fall silent.
    fn expire(&mut self, now: Micros, outputs: &mut Vec<BusOutput>) {
        match self.line {
            Line::Waiting { asked, deadline } if now >= deadline => {
                let request = self.task.as_ref().and_then(Task::request);
                let error = request.and_then(|request| self.receiver.diagnose(request));
                let waited = now.since(asked).whole_ms();
                self.fail(now, error.unwrap_or(MeterError::NoAnswer { waited }), outputs);
            }
            Line::Quiet { until, since } if now < until && now >= since.plus(LINE_BUSY_AFTER) => {
                self.line = Line::Quiet { until, since: now };
                self.busy(now, now.since(since).whole_ms(), outputs);
            }
            _ => {}
        }
    }

    /// The line has been busy for long: whoever waits for it is told.
    fn busy(&mut self, now: Micros, busy: Millis, outputs: &mut Vec<BusOutput>) {
        let error = MeterError::LineBusy { busy };
        match self.task.take() {
            Some(Task::Switch(switch)) => outputs.push(switch.finish(Some(error.clone()))),
            Some(Task::Look { device, .. }) => {
                outputs.push(BusOutput::RelayRead { device, state: Err(error.clone()) });
            }
            Some(Task::Poll { device, .. }) => return self.report(now, device, error, Vec::new(), outputs),
            None => {}
        }
        outputs.extend(self.orders.drain(..).map(|order| order.refused(error.clone())));
        if let Some(device) = self.start(now) {
            self.report(now, device, error, Vec::new(), outputs);
        }
    }

    /// Whose turn it is, counted as polled.
    fn start(&mut self, now: Micros) -> Option<usize> {
        let device = self.schedule.due(now)?;
        self.schedule.started(now, device);
        self.stats[device].asked();
        Some(device)
    }

    /// The next order that can be carried out, or the next poll.
    fn next_task(&mut self, now: Micros, outputs: &mut Vec<BusOutput>) -> Option<Task> {
        while self.next_order() <= now {
            let order = self.orders.pop_front()?;
            match Task::order(order, &self.devices[order.device()]) {
                Ok(task) => return Some(task),
                Err(error) => outputs.push(order.refused(error)),
            }
        }
        let device = self.start(now)?;
        Some(Task::poll(device, &self.devices[device]))
    }

    /// Sends the next request if the line is free and there is something to do.
    fn advance(&mut self, now: Micros, outputs: &mut Vec<BusOutput>) {
        let Line::Quiet { until, .. } = self.line else { return };
        if now < until {
            return;
        }
        if self.task.is_none() {
            self.task = self.next_task(now, outputs);
        }
        let Some(task) = &self.task else { return };
        let Device { address, profile, .. } = &self.devices[task.device()];
        let sent = task.request().and_then(|request| Some((self.receiver.begin(request)?, request)));
        let Some((bytes, request)) = sent else {
            let (model, address, framing) = (profile.model().to_owned(), *address, self.framing);
            return self.fail(now, MeterError::NotOnThisLine { model, address, framing }, outputs);
        };
        let deadline = now.plus(self.framing.wire_time(request)).plus(profile.timeout().into());
        outputs.push(BusOutput::Send(bytes));
        self.line = Line::Waiting { asked: now, deadline };
    }
}
