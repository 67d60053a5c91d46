//! A run: what happens next, until everything that was begun has come to its end.

mod end;
mod mishaps;
mod run;

pub use run::{Failure, Outcome, run, run_double_sale, run_power_cuts, run_sabotaged, trace};

use crate::Sabotage;
use crate::auditor::Auditor;
use crate::chaos::{Chaos, Mishap};
use crate::check::Violation;
use crate::community::{Community, Shape};
use crate::gateway_host::{GatewayHost, Heard};
use crate::liar::Lie;
use crate::network::{Answer, CallId, Caller, DELAY_MAX_MS, Links, Question, SLOW_MAX_MS};
use crate::node_host::{Letter, NodeHost, Said};
use crate::people::{self, Errand};
use crate::random::Random;
use crate::trace::Trace;
use gateway::core::Input;
use meter::{Faults, Replay};
use node::core::{Config, TemplateId};
use run::Theme;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use units::{Energy, MeterId, Millis, Timestamp};

/// What happens. Nodes, gateways and errands are named by their numbers.
#[derive(Debug)]
pub(crate) enum Happening {
    NodeStart(usize),
    NodeTick { node: usize, life: u64 },
    NodeFlush { node: usize, life: u64 },
    Mined { node: usize, life: u64, template: TemplateId, nonce: u64 },
    GatewayStart(usize),
    GatewayWake(usize),
    Received { gateway: usize, bus: usize, bytes: Vec<u8> },
    PortBack { gateway: usize, bus: usize },
    Question { node: usize, call: CallId, question: Question },
    Answer { call: CallId, answer: Answer },
    TimeOut { call: CallId },
    Dial { node: usize, life: u64, peer: usize },
    Letter { from: usize, to: usize, letter: Box<Letter> },
    LiarSpeaks(usize),
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
    pub(crate) nodes: Vec<NodeHost>,
    /// How many of them, from the first on, keep the rules to the end.
    pub(crate) honest: usize,
    /// Peers beyond the nodes.
    pub(crate) liars: Vec<Lie>,
    pub(crate) gateways: Vec<GatewayHost>,
    pub(crate) auditor: Auditor,
    pub(crate) said: Said,
    // The network.
    pub(crate) links: Links,
    pub(crate) calls: BTreeMap<CallId, Caller>,
    pub(crate) next_call: u64,
    // People.
    pub(crate) errands: Vec<Errand>,
    /// What the operator read by eye.
    pub(crate) read_by_eye: BTreeMap<(MeterId, Timestamp), Energy>,
    // The run.
    queue: BTreeMap<(Timestamp, u64), Happening>,
    planned: u64,
    steps: u64,
    trace: Trace,
    /// How long after the healing all honest nodes were the same for the first time.
    agreed_after: Option<Millis>,
    done: bool,
}

impl World {
    fn new(seed: u64, replay: Arc<Replay>, theme: Theme) -> Result<Self, Violation> {
        let mut random = Random::new(seed);
        let shape = theme.shape(&mut random.fork());
        let mut community = Community::new(&mut random.fork(), shape, replay)?;
        theme.adjust(&mut community);
        let start = community.start;
        let chaos = theme.chaos(&mut random.fork(), shape, start);
        let errands = match chaos.first_cut() {
            Some(cut) if theme.is_double_sale() => people::sales(&mut random.fork(), &community, cut),
            _ => people::errands(&mut random.fork(), &community, chaos.healed),
        };
        let liars = (0..shape.liars).map(|_| Lie::any(&mut random)).collect();
        let mut world = Self {
            now: start,
            sabotage: theme.sabotage(),
            nodes: nodes(&community, theme.sabotage())?,
            honest: shape.nodes,
            liars,
            gateways: gateways(&community, &chaos, shape, &mut random)?,
            random,
            chaos,
            auditor: Auditor::new(&community.genesis)?,
            said: Said::default(),
            community,
            links: Links::default(),
            calls: BTreeMap::new(),
            next_call: 0,
            errands,
            read_by_eye: BTreeMap::new(),
            queue: BTreeMap::new(),
            planned: 0,
            steps: 0,
            trace: Trace::new(start.ms()),
            agreed_after: None,
            done: false,
        };
        world.begin();
        Ok(world)
    }

    fn begin(&mut self) {
        for node in 0..self.nodes.len() {
            self.at(self.now, Happening::NodeStart(node));
        }
        for liar in 0..self.liars.len() {
            self.at(self.now, Happening::LiarSpeaks(liar));
        }
        for gateway in 0..self.gateways.len() {
            let wait = Millis::from_ms(self.random.below(60_000));
            self.later(wait, Happening::GatewayStart(gateway));
        }
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
            Happening::NodeStart(node) => self.start_node(node)?,
            Happening::NodeTick { node, life } => self.tick_node(node, life)?,
            Happening::NodeFlush { node, life } => self.flush_planned(node, life)?,
            Happening::Mined { node, life, template, nonce } => self.mined(node, life, template, nonce)?,
            Happening::GatewayStart(gateway) => self.start_gateway(gateway)?,
            Happening::GatewayWake(gateway) => self.wake_gateway(gateway),
            Happening::Received { gateway, bus, bytes } => {
                if !self.gateways[gateway].lost_ports.contains(&bus) {
                    self.gateway_input(gateway, Input::Received { bus, bytes });
                }
            }
            Happening::PortBack { gateway, bus } => self.port(gateway, bus, true),
            Happening::Question { node, call, question } => self.question(node, call, question)?,
            Happening::Answer { call, answer } => self.answered(call, Some(answer)),
            Happening::TimeOut { call } => self.answered(call, None),
            Happening::Dial { node, life, peer } => self.dial(node, life, peer)?,
            Happening::Letter { from, to, letter } => self.letter(from, to, *letter)?,
            Happening::LiarSpeaks(liar) => self.liar_speaks(liar)?,
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
            (Caller::Gateway { gateway, life, meter, about }, answer) => {
                let heard = match answer {
                    Some(Answer::Statement(answer)) => Heard::Statement(answer),
                    Some(Answer::Head(answer)) => Heard::Head(answer),
                    None => Heard::Nothing,
                };
                self.gateway_heard(gateway, life, meter, about, heard);
            }
            (Caller::Errand(number), answer) => self.errand_answered(number, answer),
        }
    }
}

/// The nodes of a community, each with a miner; the first has the log key, and with a planted bug the second has it too.
fn nodes(community: &Community, sabotage: Option<Sabotage>) -> Result<Vec<NodeHost>, Violation> {
    let signs = |number| number == 0 || number == 1 && sabotage == Some(Sabotage::SecondLogKey);
    let config = |(number, miner): (usize, &ledger::SecretKey)| Config {
        genesis: community.genesis.clone(),
        miner: Some(miner.clone()),
        log_key: signs(number).then(|| community.log_key.clone()),
        automatic: true,
    };
    community.miners.iter().enumerate().map(|miner| NodeHost::new(config(miner))).collect()
}

fn gateways(
    community: &Community,
    chaos: &Chaos,
    shape: Shape,
    random: &mut Random,
) -> Result<Vec<GatewayHost>, Violation> {
    let mut hosts = Vec::new();
    for gateway in 0..shape.gateways {
        let faults = Faults::of_each(random.next(), chaos.bus_fault);
        let lines = community.lines(gateway)?.into_iter().map(|line| line.with_faults(faults)).collect();
        hosts.push(GatewayHost::new(lines, community.start));
    }
    Ok(hosts)
}
