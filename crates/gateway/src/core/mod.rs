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
mod message;
mod outbox;
mod settings;
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
pub use message::{Chain, Input, Output, ReadingRow, StoredMeter};
pub use outbox::{
    ASK_FINAL_EVERY, BACKOFF_FIRST, BACKOFF_MAX, HeadAnswer, IN_FLIGHT_MAX, NodeAnswer, Place, Queued, UNCONFIRMED_MAX,
};
pub use settings::{ASK_VOLTAGE_EVERY, BusSettings, MeterSettings, Settings, VoltageSpan};

use ledger::SecretKey;
use line::Line;
use meter::{Bus, BusInput, BusOutput, DeviceStats};
use outbox::{HeadVerdict, Outbox, Queue};
use std::collections::BTreeMap;
use switching::Switching;
use units::{AccountId, MeterId, Micros, Millis, Reading, StatementId, Timestamp};

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
            HeadAnswer::Head { .. } if self.store_lost => queue.failed(now.monotonic.whole_ms()),
            HeadAnswer::NotBound(reason) => {
                queue.failed(now.monotonic.whole_ms());
                tell(Happening::NotBound(reason));
            }
            HeadAnswer::Head { chain, is_final } => match queue.compare(line.chain.as_ref(), &chain, is_final) {
                HeadVerdict::Same => queue.head_known(now.monotonic.whole_ms()),
                HeadVerdict::Unsettled => queue.failed(now.monotonic.whole_ms()),
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
