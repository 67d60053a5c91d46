//! A run: what happens next, until everything that was begun has come to its end.

use crate::chaos::{Chaos, Mishap, Sabotage};
use crate::check::Violation;
use crate::community::Community;
use crate::errand::{self, Errand, Progress, errands};
use crate::gateway_host::{GatewayHost, Heard};
use crate::network::{Answer, CallId, Caller, DELAY_MAX_MS, Question, SLOW_MAX_MS};
use crate::node_host::NodeHost;
use crate::random::Random;
use crate::trace::Trace;
use gateway::core::{Input, NodeAnswer};
use meter::{Disturbance, Faults, Replay};
use node::core::{Config, TemplateId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use units::{Millis, Timestamp, Voltage};

/// How long after the healing everything must have come to its end: the longest back-off, the longest clock jump, an
/// interval and the empty blocks that finality may need fit in it several times.
const HEALING_MAX: Millis = Millis::from_minutes(180);
/// Between two looks whether everything has come to its end.
const LOOK_EVERY: Millis = Millis::from_minutes(1);
/// Pause before somebody tries an errand again.
const ERRAND_PAUSE: Millis = Millis::from_seconds(20);

/// What happens.
#[derive(Debug)]
pub(crate) enum Happening {
    NodeStart,
    NodeTick { life: u64 },
    NodeFlush { life: u64 },
    Mined { life: u64, template: TemplateId, nonce: u64 },
    GatewayStart,
    GatewayWake,
    Received { bus: usize, bytes: Vec<u8> },
    PortBack { bus: usize },
    Question { call: CallId, question: Question },
    Answer { call: CallId, answer: Answer },
    TimeOut { call: CallId },
    Errand(usize),
    Mishap(Mishap),
    Look,
}

/// Everything there is.
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) random: Random,
    pub(crate) chaos: Chaos,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) community: Community,
    pub(crate) node: NodeHost,
    pub(crate) gateway: GatewayHost,
    // The network.
    pub(crate) calls: BTreeMap<CallId, Caller>,
    pub(crate) next_call: u64,
    // People.
    errands: Vec<Errand>,
    // The run.
    queue: BTreeMap<(Timestamp, u64), Happening>,
    planned: u64,
    steps: u64,
    trace: Trace,
    healed: bool,
    done: bool,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Hash of everything that happened.
    pub trace_hash: u64,
    /// Happenings.
    pub steps: u64,
    /// Lines of the trace.
    pub lines: u64,
    /// Blocks of the chain.
    pub blocks: u64,
    /// Readings that the gateway stored.
    pub readings: usize,
    /// Statements in the chain.
    pub statements: usize,
    /// How often the gateway's power was cut.
    pub power_cuts: u64,
    /// Starts of the node and of the gateway, the first ones counted.
    pub starts: (u64, u64),
    /// Hash of the newest block.
    pub head: String,
}

/// A run that found something wrong. Its text names the seed and shows what happened last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed, to see it again.
    pub seed: u64,
    /// What was found.
    pub violation: Violation,
    /// The newest lines of the trace.
    pub recent: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.violation)?;
        writeln!(f, "the last {} events (minutes:seconds from the start):", self.recent.len())?;
        self.recent.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl std::error::Error for Failure {}

/// Runs the community of a seed to its end.
///
/// # Errors
/// With what a checker found wrong, and what happened before.
pub fn run(seed: u64, replay: &Arc<Replay>) -> Result<Outcome, Box<Failure>> {
    run_with(seed, replay, Chaos::new, None)
}

/// Runs the community of a seed whose gateway loses its power again and again, and with nothing else in the way.
///
/// # Errors
/// As [`run`].
pub fn run_power_cuts(seed: u64, replay: &Arc<Replay>) -> Result<Outcome, Box<Failure>> {
    run_with(seed, replay, |_, _| Chaos::power_cuts(), None)
}

/// The same with a planted bug, which must be found.
///
/// # Errors
/// As [`run`]; that is what is expected here.
pub fn run_sabotaged(seed: u64, replay: &Arc<Replay>, sabotage: Sabotage) -> Result<Outcome, Box<Failure>> {
    let chaos = match sabotage {
        Sabotage::AcknowledgeUnsynced | Sabotage::TearTransaction => |_: &mut Random, _| Chaos::power_cuts(),
        _ => Chaos::new,
    };
    run_with(seed, replay, chaos, Some(sabotage))
}

fn run_with(
    seed: u64,
    replay: &Arc<Replay>,
    chaos: fn(&mut Random, Timestamp) -> Chaos,
    sabotage: Option<Sabotage>,
) -> Result<Outcome, Box<Failure>> {
    let fail = |violation, recent| Box::new(Failure { seed, violation, recent });
    let mut world =
        World::new(seed, Arc::clone(replay), chaos, sabotage).map_err(|violation| fail(violation, Vec::new()))?;
    match world.live() {
        Ok(()) => Ok(world.outcome()),
        Err(violation) => Err(fail(violation, world.trace.recent())),
    }
}

impl World {
    fn new(
        seed: u64,
        replay: Arc<Replay>,
        chaos: fn(&mut Random, Timestamp) -> Chaos,
        sabotage: Option<Sabotage>,
    ) -> Result<Self, Violation> {
        let mut random = Random::new(seed);
        let community = Community::new(&mut random.fork(), replay)?;
        let start = community.start;
        let chaos = chaos(&mut random.fork(), start);
        let errands = errands(&mut random.fork(), &community, chaos.healed);
        let config = Config {
            genesis: community.genesis.clone(),
            miner: Some(community.miner.clone()),
            log_key: Some(community.log_key.clone()),
            automatic: true,
        };
        let faults = Faults::of_each(random.next(), chaos.bus_fault);
        let lines = community.lines()?.into_iter().map(|line| line.with_faults(faults)).collect();
        let mut world = Self {
            now: start,
            random,
            chaos,
            sabotage,
            node: NodeHost::new(config)?,
            gateway: GatewayHost::new(lines, start),
            community,
            calls: BTreeMap::new(),
            next_call: 0,
            errands,
            queue: BTreeMap::new(),
            planned: 0,
            steps: 0,
            trace: Trace::new(start.ms()),
            healed: false,
            done: false,
        };
        world.begin();
        Ok(world)
    }

    fn begin(&mut self) {
        self.at(self.now, Happening::NodeStart);
        let gateway = Millis::from_ms(self.random.below(60_000));
        self.later(gateway, Happening::GatewayStart);
        for (at, mishap) in self.chaos.mishaps.clone() {
            self.at(at, Happening::Mishap(mishap));
        }
        for number in 0..self.errands.len() {
            self.at(self.errands[number].at, Happening::Errand(number));
        }
    }

    fn live(&mut self) -> Result<(), Violation> {
        while !self.done {
            let Some(((at, _), happening)) = self.queue.pop_first() else {
                return Err(Violation::Broken("nothing is to happen any more".to_owned()));
            };
            self.now = at;
            self.steps += 1;
            self.happen(happening)?;
        }
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Violation> {
        match happening {
            Happening::NodeStart => self.start_node()?,
            Happening::NodeTick { life } => self.tick_node(life)?,
            Happening::NodeFlush { life } => self.flush_planned(life)?,
            Happening::Mined { life, template, nonce } => self.mined(life, template, nonce)?,
            Happening::GatewayStart => self.start_gateway()?,
            Happening::GatewayWake => self.wake_gateway(),
            Happening::Received { bus, bytes } => {
                if !self.gateway.lost_ports.contains(&bus) {
                    self.gateway_input(Input::Received { bus, bytes });
                }
            }
            Happening::PortBack { bus } => self.port(bus, true),
            Happening::Question { call, question } => self.question(call, question)?,
            Happening::Answer { call, answer } => self.answered(call, Some(answer)),
            Happening::TimeOut { call } => self.answered(call, None),
            Happening::Errand(number) => self.run_errand(number)?,
            Happening::Mishap(mishap) => self.mishap(mishap)?,
            Happening::Look => self.look()?,
        }
        Ok(())
    }

    pub(crate) fn at(&mut self, at: Timestamp, happening: Happening) {
        self.planned += 1;
        self.queue.insert((at, self.planned), happening);
    }

    pub(crate) fn later(&mut self, wait: Millis, happening: Happening) {
        self.at(self.now + wait, happening);
    }

    pub(crate) fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.note(self.now.ms(), what);
    }

    /// How long a message is on its way; `None` when it is lost.
    pub(crate) fn message_delay(&mut self) -> Option<Millis> {
        if self.random.chance(self.chaos.message_lost) {
            return None;
        }
        let most = if self.random.chance(self.chaos.message_slow) { SLOW_MAX_MS } else { DELAY_MAX_MS };
        Some(Millis::from_ms(self.random.between(1, most)))
    }

    /// An answer comes, or the time for it is up; whichever is first.
    fn answered(&mut self, call: CallId, answer: Option<Answer>) {
        let Some(caller) = self.calls.remove(&call) else { return };
        match (caller, answer) {
            (Caller::Gateway { life, meter, about }, answer) => {
                let heard = match answer {
                    Some(Answer::Statement(answer)) => Heard::Statement(answer),
                    Some(Answer::Head(answer)) => Heard::Head(answer),
                    None => Heard::Nothing,
                };
                self.gateway_heard(life, meter, about, heard);
            }
            (Caller::Errand(number), answer) => self.errand_answered(number, answer),
        }
    }

    fn run_errand(&mut self, number: usize) -> Result<(), Violation> {
        let now = self.now;
        let errand = &mut self.errands[number];
        if errand.progress != Progress::Open {
            return Ok(());
        }
        if errand.statement.is_none() {
            let state = self.node.running.as_ref().map(|running| running.node.state());
            errand.statement = errand::statement(&self.community, errand, number, now, state)?;
        }
        match &errand.statement {
            Some(statement) => {
                let question = Question::Submit(statement.to_submission(None));
                self.ask(Caller::Errand(number), question);
            }
            None => self.later(ERRAND_PAUSE, Happening::Errand(number)),
        }
        Ok(())
    }

    fn errand_answered(&mut self, number: usize, answer: Option<Answer>) {
        let errand = &mut self.errands[number];
        match answer {
            Some(Answer::Statement(NodeAnswer::Pending | NodeAnswer::Final(_))) => errand.progress = Progress::Taken,
            Some(Answer::Statement(NodeAnswer::Refused(_))) if !errand.is_needed() => {
                errand.progress = Progress::Refused;
            }
            answer => {
                // Refused is refused for a reason that passes, such as an open month: made anew.
                if answer.is_some_and(|answer| matches!(answer, Answer::Statement(NodeAnswer::Refused(_)))) {
                    errand.statement = None;
                }
                self.later(ERRAND_PAUSE, Happening::Errand(number));
            }
        }
    }

    fn mishap(&mut self, mishap: Mishap) -> Result<(), Violation> {
        self.note(format_args!("{mishap:?}"));
        match mishap {
            Mishap::NodeDown(length) => self.crash_node(length),
            Mishap::GatewayDown(length) => self.crash_gateway(length),
            Mishap::GatewayClock(ahead) => self.gateway.clock_ahead_ms = ahead,
            Mishap::DatabaseLost => {
                self.crash_gateway(Millis::from_seconds(30));
                self.gateway.lose_database();
            }
            Mishap::PortLost(bus, length) => {
                self.port(bus, false);
                self.later(length, Happening::PortBack { bus });
            }
            Mishap::MeterReplaced(number) => {
                let meter = self.community.meter(number, true)?;
                self.with_meter(number, |place| *place = meter);
            }
            Mishap::OverVoltage(number, length) => {
                let (from, until) = (self.now, self.now + length);
                let disturbance = Disturbance { from, until, voltage: Voltage::from_mv(130_000) };
                self.with_meter(number, |meter| meter.set_disturbance(Some(disturbance)));
            }
            Mishap::Healed => self.heal(),
        }
        Ok(())
    }

    fn with_meter(&mut self, number: usize, change: impl FnOnce(&mut meter::SimulatedMeter)) {
        let household = &self.community.households[number];
        let line = self.gateway.lines.get_mut(household.bus);
        if let Some(meter) = line.and_then(|line| line.meters_mut().get_mut(household.device)) {
            change(meter);
        }
    }

    fn heal(&mut self) {
        self.healed = true;
        self.chaos.heal();
        self.gateway.clock_ahead_ms = 0;
        let lines = std::mem::take(&mut self.gateway.lines);
        self.gateway.lines = lines.into_iter().map(|line| line.with_faults(Faults::NONE)).collect();
        self.later(LOOK_EVERY, Happening::Look);
    }

    /// Looks whether everything has come to its end.
    fn look(&mut self) -> Result<(), Violation> {
        let unfinished = self.unfinished();
        let waited = self.now.since(self.chaos.healed);
        match unfinished {
            None => {
                self.check_end()?;
                self.done = true;
            }
            Some(what) if waited > HEALING_MAX => {
                return Err(Violation::NotHealed { minutes: waited.ms() / 60_000, what });
            }
            Some(_) => self.later(LOOK_EVERY, Happening::Look),
        }
        Ok(())
    }

    /// What has not come to its end.
    fn unfinished(&self) -> Option<String> {
        let (Some(running), Some(_)) = (&self.node.running, &self.gateway.running) else {
            return Some("somebody is not up".to_owned());
        };
        let node = &running.node;
        let errand = self.errands.iter().find(|errand| errand.is_needed() && !self.is_final(errand));
        if let Some(errand) = errand {
            return Some(format!("{:?} is not done", errand.task));
        }
        for household in &self.community.households {
            let head = node.state().meter(&household.meter).map(|(_, record)| record.head.end);
            if head.is_none_or(|end| end < self.chaos.healed) {
                return Some(format!("the chain of {} has not arrived in the healed time", household.meter));
            }
        }
        let waiting = self.gateway.database.waiting(self.chaos.healed);
        (waiting > 0).then(|| format!("{waiting} statements of the outbox are not final"))
    }

    fn is_final(&self, errand: &Errand) -> bool {
        let Some(running) = &self.node.running else { return false };
        errand.id().is_some_and(|id| running.node.statement_state(&id) == Some(api::StatementState::Final))
    }

    /// What must hold at the end, when nothing is under way any more.
    fn check_end(&self) -> Result<(), Violation> {
        let audited = self.node.audited();
        let forbidden = self.errands.iter().filter(|errand| errand.is_forbidden()).filter_map(Errand::id);
        if let Some(id) = forbidden.into_iter().find(|id| audited.committed.contains(id)) {
            return Err(Violation::ForbiddenBooked(id));
        }
        for (meter, readings) in &audited.readings {
            for (time, import) in readings {
                if self.gateway.stored.get(&(meter.clone(), *time)) != Some(import) {
                    return Err(Violation::ReadingInvented { meter: meter.clone(), time: *time });
                }
            }
        }
        self.check_readings_committed()
    }

    /// Every reading that the database took is in a committed interval, but for those after the chain's head and those
    /// that went with a lost database.
    fn check_readings_committed(&self) -> Result<(), Violation> {
        let audited = self.node.audited();
        for (meter, time) in self.gateway.stored.keys() {
            let committed = audited.readings.get(meter).map(Vec::as_slice).unwrap_or_default();
            let head = audited.state.meter(meter).map(|(_, record)| record.head.end).unwrap_or_default();
            let is_committed = committed.binary_search_by_key(time, |(time, _)| *time).is_ok();
            let is_lost = self.gateway.lost.contains(&(meter.clone(), *time));
            if *time < head && !is_committed && !is_lost {
                return Err(Violation::ReadingNotCommitted { meter: meter.clone(), time: *time });
            }
        }
        Ok(())
    }

    fn outcome(&self) -> Outcome {
        let audited = self.node.audited();
        Outcome {
            trace_hash: self.trace.hash(),
            steps: self.steps,
            lines: self.trace.lines(),
            blocks: audited.height(),
            readings: self.gateway.stored.len(),
            statements: audited.committed.len(),
            power_cuts: self.gateway.power_cuts,
            starts: (self.node.starts, self.gateway.starts),
            head: audited.state.head().hash().to_string(),
        }
    }
}
