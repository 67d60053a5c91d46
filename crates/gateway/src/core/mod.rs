//! The gateway as one pure function: what happened in, what is to be done out.
//!
//! Invariants: the shell carries outputs out strictly in order, and each is durable before the next begins; whatever is
//! lost after some output is found again by [`Gateway::resume`] from what is stored. A reading is stored before anything is made of it, a
//! statement is stored (with its attachment, its readings marked, and the chain's new head, in one transaction) before it
//! is delivered, and it is delivered until the node calls it final. No clock, port, database or randomness is known here.

mod buses;
mod counters;
mod event;
mod interval;
mod line;
mod loads;
mod outbox;
mod switching;

pub use crate::clock::Now;
pub use buses::LineTrouble;
pub use counters::{CounterBreak, CounterRules};
pub use event::{Event, Happening, Rejection};
pub use interval::{ClosedInterval, IntervalError, Span, close};
pub use line::{LastReading, ROWS_WAITING_MAX};
pub use loads::{
    Deed, Entry, JournalWrite, KEY_BYTES_MAX, Limit, LoadLimits, LoadView, Lock, LockView, Order, Outcome, Protection,
    Refusal, Reset, Rule, RuleView, Schedule, Side, StoredJournal, Trigger, state_name,
};
pub use outbox::{
    ASK_FINAL_EVERY, BACKOFF_FIRST, BACKOFF_MAX, HeadAnswer, IN_FLIGHT_MAX, NodeAnswer, Place, Queued, UNCONFIRMED_MAX,
};

use ledger::attachment::Frame;
use ledger::state::ChainHead;
use ledger::{Genesis, Offset, SecretKey};
use line::Line;
use meter::{Bus, BusInput, BusOutput, Device, DeviceStats, Framing};
use outbox::{HeadVerdict, Outbox, Queue};
use std::collections::BTreeMap;
use std::sync::Arc;
use switching::Switching;
use units::{
    AccountId, BindingId, EnergyBalance, LedgerId, MeterId, Micros, Millis, Reading, StatementId, Timestamp, Voltage,
};

/// What the ledger and the configuration settle for all meters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The ledger that statements are made for.
    pub ledger: LedgerId,
    /// The operator's account, stored with each reading.
    pub operator: AccountId,
    /// Month starts, at which intervals are cut.
    pub month_starts: Vec<Timestamp>,
    /// The community's voltage limits and from when, in order of time; the first holds from the beginning.
    pub voltage: Vec<VoltageSpan>,
    /// Length of an interval; a divisor of a day.
    pub interval: Millis,
    /// The community's time zone, for what is switched by hours of the day.
    pub offsets: Vec<Offset>,
    /// Protection rules, and what relays may do.
    pub protection: Protection,
}

impl Settings {
    /// From the ledger's genesis document.
    #[must_use]
    pub fn from_genesis(genesis: &Genesis, interval: Millis) -> Self {
        Self {
            ledger: genesis.ledger(),
            operator: genesis.operator.account(),
            month_starts: genesis.month_starts.clone(),
            voltage: vec![VoltageSpan {
                from: Timestamp::default(),
                min: genesis.voltage_limits.min,
                max: genesis.voltage_limits.max,
            }],
            interval,
            offsets: genesis.offsets.clone(),
            protection: Protection::default(),
        }
    }

    /// With rules and limits.
    #[must_use]
    pub fn with_protection(self, protection: Protection) -> Self {
        Self { protection, ..self }
    }
}

/// Voltage limits from a time on. An interval is held against those in force at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoltageSpan {
    /// From when.
    pub from: Timestamp,
    /// Voltage below which an interval has an event.
    pub min: Voltage,
    /// Voltage above which an interval has an event.
    pub max: Voltage,
}

/// How often the node is asked for the limits: they are changed ahead of their time, at most some times in a life.
pub const ASK_VOLTAGE_EVERY: Millis = Millis::from_minutes(10);

/// A meter, where it is asked and who is billed for it.
#[derive(Debug, Clone)]
pub struct MeterSettings {
    /// Number, address, profile, rate.
    pub device: Device,
    /// The profile's name, stored with each reading so that its frames can be decoded again.
    pub profile: String,
    /// The member's account, stored with each reading.
    pub member: AccountId,
}

/// A bus and its meters.
#[derive(Debug, Clone)]
pub struct BusSettings {
    /// How frames are told apart.
    pub framing: Framing,
    /// The meters, in the order asked.
    pub meters: Vec<MeterSettings>,
}

/// A meter's chain: the binding and where its chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The binding.
    pub binding: BindingId,
    /// The head.
    pub head: ChainHead,
}

/// A believed reading with its raw frames: one row of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingRow {
    /// The meter.
    pub meter: MeterId,
    /// The member's account.
    pub member: AccountId,
    /// The operator's account.
    pub operator: AccountId,
    /// The profile's name.
    pub profile: String,
    /// When the answer arrived, by the community's clock.
    pub time: Timestamp,
    /// What the meter said, and the powers that follow from it.
    pub reading: Reading,
    /// The bytes that say so.
    pub frame: Arc<Frame>,
}

/// What the database holds of a meter, for a start after a stop of any kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredMeter {
    /// Its chain, if one was ever known.
    pub chain: Option<Chain>,
    /// Readings in no interval yet, none before the chain's end, in order of time, at most [`ROWS_WAITING_MAX`].
    pub rows: Vec<ReadingRow>,
    /// Its newest reading.
    pub last: Option<LastReading>,
    /// Statements that are not final, in the order of their chain.
    pub outbox: Vec<Queued>,
}

/// What happens to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// Bytes arrived on a bus.
    Received {
        /// The bus.
        bus: usize,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A bus's port was opened.
    PortOpened {
        /// The bus.
        bus: usize,
    },
    /// A bus's port vanished, or could not be opened.
    PortLost {
        /// The bus.
        bus: usize,
        /// Why.
        reason: String,
    },
    /// The node answered [`Output::Deliver`] or [`Output::AskFinal`].
    Answered {
        /// Of which meter.
        meter: MeterId,
        /// The statement.
        statement: StatementId,
        /// What it said.
        answer: NodeAnswer,
    },
    /// The node answered [`Output::AskHead`].
    Head {
        /// Of which meter.
        meter: MeterId,
        /// What it said.
        answer: HeadAnswer,
    },
    /// [`Output::TakeHead`] was carried out. Must be the next input after the outputs that it came with, unless
    /// [`Input::StoreLost`] was told in between.
    HeadTaken {
        /// Of which meter.
        meter: MeterId,
        /// The meter's readings in no interval, none before the head's end, in order of time.
        rows: Vec<ReadingRow>,
    },
    /// Somebody wants a load switched; answered with [`Output::Ordered`].
    Order {
        /// Whom to answer.
        ticket: u64,
        /// What.
        order: Order,
    },
    /// Somebody takes latches back; answered with [`Output::Ordered`].
    Reset {
        /// Whom to answer.
        ticket: u64,
        /// What.
        reset: Reset,
    },
    /// The node answered [`Output::AskVoltage`]: the limits in force and those to come; `None` when it does not say.
    Voltage(Option<Vec<VoltageSpan>>),
    /// The node answered [`Output::AskEnergy`].
    Energy {
        /// Of which meter.
        meter: MeterId,
        /// What its member has left of this month; `None` when the node does not say.
        remaining: Option<EnergyBalance>,
    },
    /// The database refuses: what it is to take waits in memory, in order.
    StoreLost {
        /// Why.
        reason: String,
    },
    /// The database has taken everything that waited.
    StoreBack,
    /// The oldest readings that waited for the database are given up, so they must be in no interval.
    GivenUp {
        /// Of which meter.
        meter: MeterId,
        /// How many.
        readings: usize,
        /// The newest of them.
        until: Timestamp,
    },
}

/// What the gateway wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write bytes to a bus's port.
    Send {
        /// The bus.
        bus: usize,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Store a reading, one row.
    StoreReading(ReadingRow),
    /// Store statement and attachment in the outbox, mark the interval's readings and move the chain's head, in one
    /// transaction.
    CloseInterval(Box<ClosedInterval>),
    /// Send a statement of the outbox to the node; answered with [`Input::Answered`].
    Deliver {
        /// Of which meter.
        meter: MeterId,
        /// The statement.
        statement: StatementId,
    },
    /// Ask the node whether a statement is final; answered with [`Input::Answered`].
    AskFinal {
        /// Of which meter.
        meter: MeterId,
        /// The statement.
        statement: StatementId,
    },
    /// Ask the node for a meter's binding and head; answered with [`Input::Head`].
    AskHead {
        /// The meter.
        meter: MeterId,
    },
    /// Note that a statement is final. Only the one that the node was asked about has its place known.
    MarkFinal {
        /// The statement.
        statement: StatementId,
        /// Where it stands.
        place: Option<Place>,
    },
    /// Store the chain and withdraw statements, freeing their readings, in one transaction; answered with
    /// [`Input::HeadTaken`] at once.
    TakeHead {
        /// Of which meter.
        meter: MeterId,
        /// The chain from now on.
        chain: Chain,
        /// What is withdrawn.
        withdrawn: Vec<StatementId>,
    },
    /// Store an event and show it.
    Event(Event),
    /// Send a statement of the journal to the node; answered with [`Input::Answered`].
    DeliverControl {
        /// Of which meter.
        meter: MeterId,
        /// The statement.
        statement: StatementId,
    },
    /// Write into the journal of loads, durably before the next output.
    Journal(JournalWrite),
    /// Answer an order: its number in the journal, or why it is refused.
    Ordered {
        /// Whom.
        ticket: u64,
        /// What.
        answer: Result<u64, Refusal>,
    },
    /// Ask the node for the community's voltage limits; answered with [`Input::Voltage`].
    AskVoltage,
    /// Ask the node how much of the month's energy a member has left; answered with [`Input::Energy`].
    AskEnergy {
        /// For the rules of which meter.
        meter: MeterId,
        /// The member.
        member: AccountId,
    },
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    settings: Settings,
    key: SecretKey,
    buses: Vec<(Bus, Vec<MeterSettings>)>,
    lines: BTreeMap<MeterId, Line>,
    outbox: Outbox,
    switching: Switching,
    node_lost: bool,
    plans_told: bool,
    ask_voltage_at: Millis,
    /// The database refuses: nothing is closed or delivered until it is back.
    store_lost: bool,
}

impl Gateway {
    /// Begins, or goes on from what is stored. Meters whose chain is unknown ask the node first.
    #[must_use]
    pub fn resume(
        settings: Settings,
        key: SecretKey,
        buses: Vec<BusSettings>,
        mut stored: BTreeMap<MeterId, StoredMeter>,
    ) -> Self {
        let (mut lines, mut outbox) = (BTreeMap::new(), Outbox::default());
        for MeterSettings { device, .. } in buses.iter().flat_map(|bus| &bus.meters) {
            let StoredMeter { chain, rows, last, outbox: entries } = stored.remove(&device.meter).unwrap_or_default();
            let mut queue = Queue::default();
            queue.resume(entries, chain.is_none());
            outbox.queues.insert(device.meter.clone(), queue);
            let mut line = Line::new(device);
            line.resume(chain, rows, last);
            lines.insert(device.meter.clone(), line);
        }
        let switching = Switching::new(&settings, &buses);
        let bus = |BusSettings { framing, meters }: BusSettings| {
            let devices = meters.iter().map(|meter| meter.device.clone()).collect();
            (Bus::new(devices, framing), meters)
        };
        let buses = buses.into_iter().map(bus).collect();
        Self {
            settings,
            key,
            buses,
            lines,
            outbox,
            switching,
            node_lost: false,
            plans_told: false,
            ask_voltage_at: Millis::ZERO,
            store_lost: false,
        }
    }

    /// Takes what happened and says what to do. Never blocks, never fails; errors are events.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.tell_plans(now, &mut outputs);
        match input {
            Input::Tick => {}
            Input::Voltage(spans) => {
                self.settings.voltage = spans
                    .filter(|spans| !spans.is_empty())
                    .unwrap_or_else(|| std::mem::take(&mut self.settings.voltage));
            }
            Input::Received { bus, bytes } => self.bus(now, bus, BusInput::Received(bytes), &mut outputs),
            Input::PortOpened { bus } => {
                outputs.push(event(now, None, Some(bus), Happening::PortOpened, Vec::new()));
                self.bus(now, bus, BusInput::Reopened, &mut outputs);
            }
            Input::PortLost { bus, reason } => {
                outputs.push(event(now, None, Some(bus), Happening::PortLost(reason), Vec::new()));
            }
            Input::Answered { meter, statement, answer } => {
                self.answered(now, &meter, statement, &answer, &mut outputs);
            }
            Input::Head { meter, answer } => self.head(now, &meter, answer, &mut outputs),
            Input::HeadTaken { meter, rows } => {
                if let Some(line) = self.lines.get_mut(&meter) {
                    line.take(rows);
                }
            }
            Input::Order { ticket, order } => self.order(now, ticket, order, &mut outputs),
            Input::Reset { ticket, reset } => self.reset(now, ticket, reset, &mut outputs),
            Input::Energy { meter, remaining } => self.energy(now, &meter, remaining, &mut outputs),
            Input::StoreLost { reason } => {
                self.store_lost = true;
                outputs.push(event(now, None, None, Happening::StoreLost(reason), Vec::new()));
            }
            Input::StoreBack => {
                self.store_lost = false;
                outputs.push(event(now, None, None, Happening::StoreBack, Vec::new()));
            }
            Input::GivenUp { meter, readings, until } => {
                if let Some(line) = self.lines.get_mut(&meter) {
                    line.rows.retain(|row| row.time > until);
                }
                outputs.push(event(now, Some(meter), None, Happening::NotStored { readings }, Vec::new()));
            }
        }
        // Loads first: control goes before polling.
        self.serve_loads(now, &mut outputs);
        for bus in 0..self.buses.len() {
            self.bus(now, bus, BusInput::Tick, &mut outputs);
        }
        if self.store_lost {
            return outputs;
        }
        self.close_due(now, &mut outputs);
        if now.monotonic.whole_ms() >= self.ask_voltage_at {
            self.ask_voltage_at = line::later(now.monotonic.whole_ms(), ASK_VOLTAGE_EVERY);
            outputs.push(Output::AskVoltage);
        }
        // A chain that is about to be taken is not built upon before its rows are there.
        if !outputs.iter().any(|output| matches!(output, Output::TakeHead { .. })) {
            outputs.extend(self.outbox.due(now.monotonic.whole_ms()));
        }
        self.deliver_controls(now, &mut outputs);
        outputs
    }

    /// When a bus or the outbox next wants a [`Input::Tick`]. Ends of intervals are the community's time: tick for them
    /// as often as its clock may move on.
    #[must_use]
    pub fn wake_at(&self) -> Micros {
        let buses = self.buses.iter().map(|(bus, _)| bus.wake_at());
        let queues = self.outbox.queues.values().filter_map(Queue::wake_at).filter(|_| !self.store_lost);
        let others = queues.chain(self.loads_wake_at()).map(Micros::from);
        buses.chain(others).min().unwrap_or(Micros::MAX)
    }

    /// How a device of a bus fares.
    #[must_use]
    pub fn stats(&self, bus: usize, device: usize) -> Option<&DeviceStats> {
        self.buses.get(bus).and_then(|(bus, _)| bus.stats(device))
    }

    /// Statements of a meter that are not final.
    #[must_use]
    pub fn unconfirmed(&self, meter: &MeterId) -> usize {
        self.outbox.queues.get(meter).map_or(0, Queue::len)
    }

    /// End of a meter's oldest interval that is not final.
    #[must_use]
    pub fn unconfirmed_since(&self, meter: &MeterId) -> Option<Timestamp> {
        self.outbox.queues.get(meter).and_then(Queue::oldest)
    }

    /// Where a meter's chain stands, once known.
    #[must_use]
    pub fn chain(&self, meter: &MeterId) -> Option<&Chain> {
        self.lines.get(meter).and_then(|line| line.chain.as_ref())
    }

    fn bus(&mut self, now: Now, at: usize, input: BusInput, outputs: &mut Vec<Output>) {
        let Some((bus, _)) = self.buses.get_mut(at) else { return };
        for output in bus.step(now.monotonic, input) {
            let Some((_, meters)) = self.buses.get(at) else { return };
            match output {
                BusOutput::Judged { verdict } => self.judged(now, at, verdict, outputs),
                BusOutput::Switched { order, before, after, result, .. } => {
                    self.switched(now, order, [before, after], result, outputs);
                }
                BusOutput::RelayRead { device, state } => self.relay_read(now, (at, device), state, outputs),
                BusOutput::Send(bytes) => outputs.push(Output::Send { bus: at, bytes }),
                BusOutput::Failed { device, error, raw } => {
                    let meter = meters.get(device).map(|meter| meter.device.meter.clone());
                    outputs.push(event(now, meter, Some(at), Happening::PollFailed(error), raw));
                }
                BusOutput::Reading { device, reading, exchanges } => {
                    let Some(meter) = meters.get(device) else { continue };
                    let Some(line) = self.lines.get_mut(&meter.device.meter) else { continue };
                    let believed = accept(now, at, self.settings.operator, meter, line, (reading, exchanges), outputs);
                    if line.wants_head(now.community)
                        && let Some(queue) = self.outbox.queues.get_mut(&line.meter)
                    {
                        queue.ask_head();
                    }
                    if let Some(reading) = believed {
                        let meter = meter.device.meter.clone();
                        self.protect(now, &meter, &reading, outputs);
                    }
                }
            }
        }
    }

    fn close_due(&mut self, now: Now, outputs: &mut Vec<Output>) {
        for line in self.lines.values_mut() {
            while let Some((chain, span)) = line.due(&self.settings, now.community) {
                let rows: Vec<ReadingRow> = line.rows.drain(..span.rows).collect();
                match close(&self.settings, &self.key, (&line.meter, line.rules()), &chain, span, &rows) {
                    Ok(closed) => {
                        if let Some(broken) = closed.broken {
                            let meter = Some(line.meter.clone());
                            outputs.push(event(now, meter, None, Happening::Counter(broken), Vec::new()));
                        }
                        line.chain = Some(closed.chain.clone());
                        let (statement, binding) = (closed.statement.id(), chain.binding);
                        let queued = Queued { statement, binding, seq: chain.head.next_seq, end: span.end };
                        outputs.push(Output::CloseInterval(Box::new(closed)));
                        if let Some(queue) = self.outbox.queues.get_mut(&line.meter) {
                            queue.push(queued);
                        }
                    }
                    // The rows stay in the database and the next interval says that there is a gap.
                    Err(error) => {
                        let happening = Happening::NotStated(error.to_string());
                        outputs.push(event(now, Some(line.meter.clone()), None, happening, Vec::new()));
                    }
                }
            }
        }
    }

    fn answered(
        &mut self,
        now: Now,
        meter: &MeterId,
        statement: StatementId,
        answer: &NodeAnswer,
        outputs: &mut Vec<Output>,
    ) {
        let reason = if let NodeAnswer::Unreachable(reason) = answer { Some(reason.as_str()) } else { None };
        self.node_heard(now, reason, outputs);
        if self.control_answered(now, meter, statement, answer, outputs) {
            return;
        }
        let Some(queue) = self.outbox.queues.get_mut(meter) else { return };
        let (done, refused) = queue.answered(now.monotonic.whole_ms(), statement, answer);
        for id in done {
            let place = if let NodeAnswer::Final(place) = answer { Some(*place) } else { None };
            outputs.push(Output::MarkFinal { statement: id, place: place.filter(|_| id == statement) });
        }
        if let Some(reason) = refused {
            let happening = Happening::Refused { statement, reason };
            outputs.push(event(now, Some(meter.clone()), None, happening, Vec::new()));
        }
    }

    fn head(&mut self, now: Now, meter: &MeterId, answer: HeadAnswer, outputs: &mut Vec<Output>) {
        let reason = if let HeadAnswer::Unreachable(reason) = &answer { Some(reason.as_str()) } else { None };
        self.node_heard(now, reason, outputs);
        let (Some(queue), Some(line)) = (self.outbox.queues.get_mut(meter), self.lines.get_mut(meter)) else { return };
        if !queue.head_answered() {
            return;
        }
        let mut tell = |happening| outputs.push(event(now, Some(meter.clone()), None, happening, Vec::new()));
        match answer {
            HeadAnswer::Unreachable(_) => queue.failed(now.monotonic.whole_ms()),
            // Asked again when a head that is taken can be stored.
            HeadAnswer::Head(_) if self.store_lost => queue.failed(now.monotonic.whole_ms()),
            HeadAnswer::NotBound(reason) => {
                queue.failed(now.monotonic.whole_ms());
                tell(Happening::NotBound(reason));
            }
            HeadAnswer::Head(chain) => match queue.compare(line.chain.as_ref(), &chain) {
                HeadVerdict::Same => queue.head_known(now.monotonic.whole_ms()),
                HeadVerdict::Behind => {
                    let gateway = line.chain.as_ref().map_or(0, |chain| chain.head.next_seq);
                    queue.failed(now.monotonic.whole_ms());
                    tell(Happening::NodeBehind { node: chain.head.next_seq, gateway });
                }
                HeadVerdict::Take { withdrawn } => {
                    queue.head_known(now.monotonic.whole_ms());
                    let next_seq = chain.head.next_seq;
                    tell(Happening::HeadTaken { next_seq, withdrawn: withdrawn.len() });
                    // Its rows come back from the database, those of the withdrawn statements among them.
                    line.rows.clear();
                    line.chain = Some(chain.clone());
                    outputs.push(Output::TakeHead { meter: meter.clone(), chain, withdrawn });
                }
            },
        }
    }

    /// Tells once when the node falls silent, and once when it is back.
    fn node_heard(&mut self, now: Now, lost: Option<&str>, outputs: &mut Vec<Output>) {
        let happening = match lost {
            Some(reason) if !self.node_lost => Happening::NodeLost(reason.to_owned()),
            None if self.node_lost => Happening::NodeBack,
            _ => return,
        };
        self.node_lost = lost.is_some();
        outputs.push(event(now, None, None, happening, Vec::new()));
    }
}

/// Books a reading if it is believed, and gives it back then.
fn accept(
    now: Now,
    bus: usize,
    operator: AccountId,
    settings: &MeterSettings,
    line: &mut Line,
    (reading, exchanges): (Reading, Vec<meter::Exchange>),
    outputs: &mut Vec<Output>,
) -> Option<Reading> {
    let (time, meter) = (now.community, settings.device.meter.clone());
    let frame = line::shared_frame(time, exchanges);
    if let Err(rejection) = line.judge(time, &reading) {
        let raw = frame.exchanges.iter().flat_map(|exchange| exchange.response.iter().copied()).collect();
        outputs.push(event(now, Some(meter), Some(bus), Happening::Rejected(rejection), raw));
        return None;
    }
    let (member, profile) = (settings.member, settings.profile.clone());
    let reading = reading.with_derived_powers();
    let believed = reading.clone();
    let row = ReadingRow { meter, member, operator, profile, time, reading, frame };
    outputs.push(Output::StoreReading(row.clone()));
    let given_up = line.push(row);
    if given_up > 0 {
        let happening = Happening::WaitedTooLong { readings: given_up };
        outputs.push(event(now, Some(line.meter.clone()), None, happening, Vec::new()));
    }
    Some(believed)
}

fn event(now: Now, meter: Option<MeterId>, bus: Option<usize>, happening: Happening, raw: Vec<u8>) -> Output {
    Output::Event(Event { time: now.community, meter, bus, happening, raw })
}
