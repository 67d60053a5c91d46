//! The gateway's side of a run: its machine, its database, the simulated meters, as its shell runs it.

use crate::chaos::Sabotage;
use crate::check::{Violation, nothing_stored_is_lost};
use crate::database::Database;
use crate::network::{Caller, Question};
use crate::world::{Happening, World};
use gateway::Now;
use gateway::core::{Gateway, HeadAnswer, Input, JournalWrite, NodeAnswer, Output, Settings, StoredMeter};
use meter::SimulatedBus;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use units::{Energy, MeterId, Millis, StatementId, Timestamp};

/// Ticks at least this often, for the ends of intervals.
const TICK: Millis = Millis::from_seconds(5);
const RESTART_MAX_MS: u64 = 20_000;
/// Time of a byte on the wire at 9600 baud, in us, and what a meter thinks before it answers.
const BYTE_US: u64 = 1_146;
const THINK_MS: (u64, u64) = (5, 60);

/// A gateway over all its lives.
pub(crate) struct GatewayHost {
    pub(crate) running: Option<Gateway>,
    pub(crate) life: u64,
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
    pub(crate) fn start_gateway(&mut self) -> Result<(), Violation> {
        if self.gateway.running.is_some() {
            return Ok(());
        }
        nothing_stored_is_lost(&self.gateway.acknowledged, |reading| self.gateway.database.has(reading))?;
        let meters = self.community.households.iter().map(|household| household.meter.clone());
        let mut stored: BTreeMap<MeterId, StoredMeter> = BTreeMap::new();
        for meter in meters {
            let mut found = self.gateway.database.meter(&meter);
            if self.sabotage == Some(Sabotage::ForgetReading) && !found.rows.is_empty() {
                found.rows.remove(0);
            }
            stored.insert(meter, found);
        }
        let rows: usize = stored.values().map(|meter| meter.rows.len()).sum();
        let waiting: usize = stored.values().map(|meter| meter.outbox.len()).sum();
        let settings = Settings::from_genesis(&self.community.genesis, self.community.interval);
        let key = self.community.gateway.clone();
        let journal = self.gateway.database.stored_journal();
        self.gateway.running =
            Some(Gateway::resume(settings, key, self.community.buses()?, stored).with_journal(journal));
        self.gateway.life += 1;
        self.gateway.starts += 1;
        self.gateway.started = self.now;
        self.gateway.next_wake = None;
        self.note(format_args!("gateway starts: {rows} readings open, {waiting} statements wait"));
        self.gateway_input(Input::Tick);
        Ok(())
    }

    pub(crate) fn crash_gateway(&mut self, down: Millis) {
        if self.gateway.running.take().is_some() {
            self.note(format_args!("gateway crashes, down for {} ms", down.ms()));
            self.later(down, Happening::GatewayStart);
        }
    }

    /// One input and whatever follows from it at once. A crash may come before any output.
    pub(crate) fn gateway_input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.gateway.now(self.now);
            let Some(gateway) = &mut self.gateway.running else { return };
            for output in gateway.step(now, input) {
                if self.random.chance(self.chaos.gateway_crash) {
                    if self.random.chance(self.chaos.power_cut) {
                        self.cut_gateway_power(output);
                    }
                    let down = Millis::from_ms(self.random.below(RESTART_MAX_MS));
                    self.crash_gateway(down);
                    return;
                }
                if let Output::StoreReading(row) = &output {
                    let reading = (row.meter.clone(), row.time);
                    self.gateway.newest = Some(reading.clone());
                    self.gateway.acknowledged.insert(reading);
                }
                inputs.extend(self.carry_out(output));
            }
        }
        self.plan_wake();
    }

    /// The power fails while an output is carried out. A write of the database is lost, torn, which its journal makes the
    /// same, or whole; the gateway hears of none of it. What was acknowledged before is safe.
    fn cut_gateway_power(&mut self, under_way: Output) {
        self.gateway.power_cuts += 1;
        if self.sabotage == Some(Sabotage::AcknowledgeUnsynced)
            && let Some(newest) = self.gateway.newest.take()
        {
            self.gateway.database.forget(&newest);
        }
        match under_way {
            Output::CloseInterval(closed) if self.sabotage == Some(Sabotage::TearTransaction) => {
                self.gateway.database.tear_interval(&closed);
            }
            Output::StoreReading(_) | Output::CloseInterval(_) | Output::MarkFinal { .. } | Output::TakeHead { .. }
                if self.random.chance(50_000) =>
            {
                self.note(format_args!("power cut behind a write"));
                // What would follow from it, nobody learns.
                let _unheard = self.carry_out(under_way);
            }
            _ => self.note(format_args!("power cut before a write")),
        }
    }

    fn plan_wake(&mut self) {
        let Some(gateway) = &self.gateway.running else { return };
        let wanted = self.gateway.started + gateway.wake_at().ceil_ms();
        let at = wanted.min(self.now + TICK).max(self.now + Millis::from_ms(1));
        if self.gateway.next_wake.is_none_or(|planned| at < planned || planned <= self.now) {
            self.gateway.next_wake = Some(at);
            self.at(at, Happening::GatewayWake);
        }
    }

    pub(crate) fn wake_gateway(&mut self) {
        if self.gateway.next_wake == Some(self.now) {
            self.gateway.next_wake = None;
            self.gateway_input(Input::Tick);
        }
    }

    fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Send { bus, bytes } => self.send(bus, &bytes),
            Output::StoreReading(row) => {
                let import = row.reading.energy_import().unwrap_or_default();
                self.gateway.stored.entry((row.meter.clone(), row.time)).or_insert(import);
                self.note(format_args!("reading {} {}", row.meter, import));
                self.gateway.database.store_reading(row);
            }
            Output::CloseInterval(closed) => {
                let (seq, id) = (closed.chain.head.next_seq - 1, closed.statement.id());
                self.note(format_args!("interval {} {seq} {} closed", closed.meter, id));
                self.gateway.database.close_interval(*closed);
            }
            Output::MarkFinal { statement, .. } => {
                self.note(format_args!("gateway hears that {} is final", statement));
                self.gateway.database.mark_final(&statement);
            }
            Output::TakeHead { meter, chain, withdrawn } => {
                let (next, count) = (chain.head.next_seq, withdrawn.len());
                self.note(format_args!("gateway takes head {next} of {meter}, {count} withdrawn"));
                let rows = self.gateway.database.take_head(&meter, chain, &withdrawn);
                return Some(Input::HeadTaken { meter, rows });
            }
            Output::Deliver { meter, statement } => match self.gateway.database.submission(&statement) {
                Some(submission) => self.gateway_asks(meter, Some(statement), Question::Submit(submission)),
                None => {
                    let answer = NodeAnswer::Unreachable("not in the outbox".to_owned());
                    return Some(Input::Answered { meter, statement, answer });
                }
            },
            Output::AskFinal { meter, statement } => {
                self.gateway_asks(meter, Some(statement), Question::Progress(statement));
            }
            Output::AskHead { meter } => {
                let question = Question::Head(meter.clone());
                self.gateway_asks(meter, None, question);
            }
            Output::Journal(write) => {
                self.note(format_args!("journal: {}", told(&write)));
                self.gateway.database.journal(write);
            }
            Output::Ordered { answer: Ok(number), .. } => self.note(format_args!("order {number} is taken")),
            Output::Ordered { answer: Err(refusal), .. } => self.note(format_args!("order refused: {refusal}")),
            Output::AskVoltage => return Some(Input::Voltage(None)),
            Output::AskEnergy { meter, .. } => return Some(Input::Energy { meter, remaining: None }),
            Output::DeliverControl { meter, statement } => match self.gateway.database.control(&statement) {
                Some(submission) => self.gateway_asks(meter, Some(statement), Question::Submit(submission)),
                None => {
                    let answer = NodeAnswer::Unreachable("not in the journal".to_owned());
                    return Some(Input::Answered { meter, statement, answer });
                }
            },
            Output::Event(event) => self.note(format_args!("gateway: {}", event.happening)),
        }
        None
    }

    fn gateway_asks(&mut self, meter: MeterId, about: Option<StatementId>, question: Question) {
        let life = self.gateway.life;
        self.ask(Caller::Gateway { life, meter, about }, question);
    }

    pub(crate) fn gateway_heard(&mut self, life: u64, meter: MeterId, about: Option<StatementId>, answer: Heard) {
        if life != self.gateway.life {
            return;
        }
        let unreachable = || "no answer".to_owned();
        let input = match (about, answer) {
            (Some(statement), Heard::Statement(answer)) => Input::Answered { meter, statement, answer },
            (Some(statement), _) => {
                Input::Answered { meter, statement, answer: NodeAnswer::Unreachable(unreachable()) }
            }
            (None, Heard::Head(answer)) => Input::Head { meter, answer },
            (None, _) => Input::Head { meter, answer: HeadAnswer::Unreachable(unreachable()) },
        };
        self.gateway_input(input);
    }

    /// The bytes go over the wire, the meter thinks, its answer comes in one piece or several.
    fn send(&mut self, bus: usize, bytes: &[u8]) {
        if self.gateway.lost_ports.contains(&bus) {
            return;
        }
        let Some(line) = self.gateway.lines.get_mut(bus) else { return };
        let heard = line.receive(self.now, bytes);
        if heard.is_empty() {
            return;
        }
        let bytes_on_wire = |count: usize| u64::try_from(count).unwrap_or_default() * BYTE_US / 1_000;
        let thought = self.random.between(THINK_MS.0, THINK_MS.1);
        let mut wait = bytes_on_wire(bytes.len()) + thought;
        let pieces = usize::try_from(self.random.between(1, 3)).unwrap_or(1);
        for piece in heard.chunks(heard.len().div_ceil(pieces)) {
            wait += bytes_on_wire(piece.len());
            self.later(Millis::from_ms(wait), Happening::Received { bus, bytes: piece.to_vec() });
        }
    }

    pub(crate) fn port(&mut self, bus: usize, is_back: bool) {
        let input = if is_back {
            self.gateway.lost_ports.remove(&bus);
            Input::PortOpened { bus }
        } else {
            self.gateway.lost_ports.insert(bus);
            Input::PortLost { bus, reason: "pulled out".to_owned() }
        };
        self.gateway_input(input);
    }
}

/// A write of the journal in a few words.
fn told(write: &JournalWrite) -> String {
    match write {
        JournalWrite::Entry(entry, _) => {
            let (number, meter, deed, outcome) = (entry.number, &entry.meter, entry.deed.name(), entry.outcome.name());
            format!("{number} {meter} {deed} {outcome}")
        }
        JournalWrite::Lock(lock) => format!("{} held off by {}", lock.meter, lock.rule),
        JournalWrite::Unlock { meter, rule } => format!("{meter} let go by {rule}"),
        JournalWrite::Stated { statement, .. } => format!("{statement} is final"),
    }
}

/// What the gateway hears of a question.
pub(crate) enum Heard {
    Statement(NodeAnswer),
    Head(HeadAnswer),
    Nothing,
}
