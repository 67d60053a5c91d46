//! The node's side of a run: its machine on the virtual disk, as its shell runs it. Records are appended at once; what is
//! shown waits until they are synced, several steps together.

use crate::auditor::Auditor;
use crate::chaos::Sabotage;
use crate::check::{self, Violation};
use crate::network::{Answer, CallId, Caller, Question};
use crate::world::{Happening, World};
use crate::{Random, VirtualDisk};
use api::{Event, StatementState, SubmitAnswer, SubmitState};
use consensus::pow::Search;
use gateway::core::{Chain, HeadAnswer, NodeAnswer, Place};
use node::core::{Config, Input, Node, Output, Refusal, ReplyId, TemplateId};
use node::record::{LogName, Record};
use node::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use units::{BlockHash, Height, MeterId, Millis, StatementId};

/// Between two ticks.
const TICK: Millis = Millis::from_seconds(2);
/// Longest wait of deferred outputs for the sync.
const FLUSH_MAX_MS: u64 = 50;
/// Longest search, and longest restart.
const SEARCH_MAX_MS: u64 = 8_000;
const RESTART_MAX_MS: u64 = 20_000;
/// Attempts of a search: far beyond what level 1 needs.
const ATTEMPTS_MAX: u64 = 100_000;
/// How often, in a hundred thousand ticks, the small logs are written anew.
const REWRITE_CHANCE: u64 = 500;

/// A node between two crashes.
pub(crate) struct Running {
    pub(crate) node: Node,
    pub(crate) store: Store,
    deferred: Vec<Output>,
    flush_planned: bool,
}

/// A node over all its lives.
pub(crate) struct NodeHost {
    config: Config,
    disk: VirtualDisk,
    pub(crate) running: Option<Running>,
    /// Counts its starts: what was begun before a crash is of no use after it.
    life: u64,
    /// What was acknowledged, and what of that the node dropped because it no longer applies.
    acknowledged: BTreeSet<StatementId>,
    dropped: BTreeSet<StatementId>,
    finals: BTreeMap<Height, BlockHash>,
    auditor: Auditor,
    pub(crate) starts: u64,
}

impl NodeHost {
    pub(crate) fn new(config: Config) -> Result<Self, Violation> {
        let disk = VirtualDisk::new();
        let genesis = config.genesis.clone();
        Store::create(Box::new(disk.clone()), &genesis.to_bytes())
            .map_err(|error| Violation::Broken(error.to_string()))?;
        Ok(Self {
            config,
            disk,
            running: None,
            life: 0,
            acknowledged: BTreeSet::new(),
            dropped: BTreeSet::new(),
            finals: BTreeMap::new(),
            auditor: Auditor::new(&genesis)?,
            starts: 0,
        })
    }

    /// What the stored chain says, as a second reader sees it.
    pub(crate) const fn audited(&self) -> &Auditor {
        &self.auditor
    }

    /// Starts from what the disk holds.
    fn start(&mut self) -> Result<(), Violation> {
        let failed = |error: &dyn std::fmt::Display| Violation::WillNotStart(error.to_string());
        let mut store = Store::open(Box::new(self.disk.clone())).map_err(|error| failed(&error))?;
        let mut records = Vec::new();
        for log in [LogName::Blocks, LogName::Pool, LogName::Evidence, LogName::Anchors] {
            let read = store.replay(log, |record: Record| {
                records.push(record);
                Ok::<(), StoreError>(())
            });
            read.map_err(|error| failed(&error))?;
        }
        let node = Node::recover(self.config.clone(), records, &|id| store.has_attachment(id));
        let node = node.map_err(|error| failed(&error))?;
        self.running = Some(Running { node, store, deferred: Vec::new(), flush_planned: false });
        self.life += 1;
        self.starts += 1;
        // Blocks that were never synced may be gone, so the second reader begins anew too.
        self.auditor = Auditor::new(&self.config.genesis)?;
        self.check()?;
        check::nothing_acknowledged_is_lost(self.acknowledged.difference(&self.dropped), |id| self.knows(id))
    }

    fn knows(&self, id: &StatementId) -> bool {
        self.running.as_ref().is_some_and(|running| running.node.statement_state(id).is_some())
    }

    /// Checks what was promised against what is there, once everything stored is synced.
    fn check(&mut self) -> Result<(), Violation> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let head = running.node.state().head().clone();
        while self.auditor.height() < head.height.number() {
            let missing = || Violation::Replay("the store lacks a block that the node has".to_owned());
            let block = running.store.block(self.auditor.height() + 1);
            let block = block.map_err(|error| Violation::Replay(error.to_string()))?.ok_or_else(missing)?;
            let store = &mut running.store;
            self.auditor.take(&block, &mut |id| match store.attachment(id) {
                Ok(Some(bytes)) => Ok(bytes),
                Ok(None) => Err("it is not stored".to_owned()),
                Err(error) => Err(error.to_string()),
            })?;
        }
        if self.auditor.state.head().hash() != head.hash() || self.auditor.state.root() != running.node.state().root() {
            return Err(Violation::Replay("another head or state than the node's".to_owned()));
        }
        let node = &running.node;
        check::final_stays_final(&self.finals, |height| node.hash(height))?;
        let newest = self.finals.last_key_value().map_or(0, |(height, _)| height.number());
        for height in newest..=node.final_height().number() {
            let height = Height::from_number(height);
            self.finals.extend(node.hash(height).map(|hash| (height, hash)));
        }
        let pending = self.acknowledged.difference(&self.dropped).filter(|id| !self.auditor.committed.contains(id));
        check::nothing_acknowledged_is_lost(pending, |id| node.statement_state(id).is_some())
    }

    fn cut(&mut self, random: &mut Random, power: bool) {
        self.running = None;
        if power {
            self.disk.cut_power(random);
        }
    }
}

impl World {
    pub(crate) fn start_node(&mut self) -> Result<(), Violation> {
        if self.node.running.is_some() {
            return Ok(());
        }
        self.node.start()?;
        let Some(running) = &self.node.running else { return Ok(()) };
        let (height, waiting) = (running.node.state().head().height, running.node.pool_size().0);
        self.note(format_args!("node starts: height {}, {waiting} wait", height.number()));
        let life = self.node.life;
        self.later(TICK, Happening::NodeTick { life });
        Ok(())
    }

    pub(crate) fn crash_node(&mut self, down: Millis) {
        if self.node.running.is_none() {
            return;
        }
        let power = self.random.chance(self.chaos.power_cut);
        self.note(format_args!("node crashes{}, down for {} ms", if power { ", power cut" } else { "" }, down.ms()));
        self.node.cut(&mut self.random, power);
        if self.sabotage == Some(Sabotage::LoseBlocks) {
            self.node.disk.lose_synced("blocks-00000000.seg", 1_500);
        }
        self.later(down, Happening::NodeStart);
    }

    pub(crate) fn tick_node(&mut self, life: u64) -> Result<(), Violation> {
        if life != self.node.life || self.node.running.is_none() {
            return Ok(());
        }
        self.later(TICK, Happening::NodeTick { life });
        self.node_input(Input::Tick)?;
        self.flush_node()?;
        if self.random.chance(REWRITE_CHANCE) {
            self.rewrite_small_logs()?;
        }
        Ok(())
    }

    /// As the node's shell does when they have grown: of both only a part still matters.
    fn rewrite_small_logs(&mut self) -> Result<(), Violation> {
        let Some(Running { node, store, .. }) = &mut self.node.running else { return Ok(()) };
        let pooled = node.pool().map(|pooled| Record::Pooled {
            received: pooled.received,
            leaf: pooled.statement.signed().leaf().to_vec(),
        });
        let pooled: Vec<Record> = pooled.collect();
        let anchor = node.anchor().map(|anchor| Record::Anchor(anchor.note.clone()));
        let rewritten = store.rewrite(LogName::Pool, &pooled).and_then(|()| match anchor {
            Some(anchor) => store.rewrite(LogName::Anchors, &[anchor]),
            None => Ok(()),
        });
        rewritten.map_err(|error| Violation::Broken(error.to_string()))
    }

    /// One step of the node. A crash may come before any of its outputs.
    fn node_input(&mut self, input: Input) -> Result<(), Violation> {
        let now = self.now;
        let Some(running) = &mut self.node.running else { return Ok(()) };
        let outputs = running.node.step(now, input);
        for output in outputs {
            if self.random.chance(self.chaos.node_crash) {
                let down = Millis::from_ms(self.random.below(RESTART_MAX_MS));
                self.crash_node(down);
                return Ok(());
            }
            let Some(running) = &mut self.node.running else { return Ok(()) };
            match output {
                Output::Store(record) => {
                    if let Record::Dropped(id) = &record {
                        // Readings have no expiry, and what their chain needs was there when they were taken.
                        if self.gateway.database.submission(id).is_some() && self.node.acknowledged.contains(id) {
                            return Err(Violation::ReadingsDropped(*id));
                        }
                        self.node.dropped.insert(*id);
                    }
                    let synced = match &record {
                        // What the log key signed must never be more durable than the block that it signed.
                        Record::Anchor(_) => running.store.sync(),
                        _ => Ok(()),
                    };
                    let stored = synced.and_then(|()| running.store.append(&record));
                    stored.map_err(|error| Violation::Broken(error.to_string()))?;
                }
                Output::Halt(reason) => return Err(Violation::Halted(reason)),
                shown => running.deferred.push(shown),
            }
        }
        self.plan_flush();
        Ok(())
    }

    fn plan_flush(&mut self) {
        let life = self.node.life;
        let Some(running) = &mut self.node.running else { return };
        if !running.flush_planned {
            running.flush_planned = true;
            let wait = Millis::from_ms(self.random.below(FLUSH_MAX_MS));
            self.later(wait, Happening::NodeFlush { life });
        }
    }

    pub(crate) fn flush_planned(&mut self, life: u64) -> Result<(), Violation> {
        if life == self.node.life { self.flush_node() } else { Ok(()) }
    }

    /// Syncs, then shows what waited for it.
    fn flush_node(&mut self) -> Result<(), Violation> {
        let lies = self.sabotage == Some(Sabotage::AnswerBeforeSync);
        let Some(running) = &mut self.node.running else { return Ok(()) };
        running.flush_planned = false;
        let deferred = std::mem::take(&mut running.deferred);
        if !lies {
            running.store.sync().map_err(|error| Violation::Broken(error.to_string()))?;
        }
        for output in deferred {
            if self.random.chance(self.chaos.node_crash) {
                let down = Millis::from_ms(self.random.below(RESTART_MAX_MS));
                self.crash_node(down);
                return Ok(());
            }
            self.show(output);
        }
        self.node.check()
    }

    fn show(&mut self, output: Output) {
        match output {
            Output::Reply { reply: ReplyId(call), answer } => {
                match &answer {
                    Ok(SubmitAnswer { id, state, .. }) => {
                        self.node.acknowledged.insert(*id);
                        self.node.dropped.remove(id);
                        self.note(format_args!("node takes {}: {state:?}", id));
                    }
                    Err(refusal) => self.note(format_args!("node refuses: {}", refusal.name())),
                }
                self.answer(CallId(call), Answer::Statement(node_answer(answer)));
            }
            Output::Search { template, header } => {
                let nonce = Search::new(&header).run(0, ATTEMPTS_MAX);
                let wait = Millis::from_ms(self.random.below(SEARCH_MAX_MS));
                let life = self.node.life;
                if let Some(nonce) = nonce {
                    self.later(wait, Happening::Mined { life, template, nonce });
                }
            }
            Output::Publish(Event::Dropped { id, rule, .. }) => {
                self.note(format_args!("node drops {}: {rule}", id));
            }
            Output::Publish(Event::Block { block }) => {
                self.note(format_args!("block {}: {}", block.height.number(), block.hash));
            }
            Output::Publish(Event::MonthClosed { month }) => self.note(format_args!("{month} closes")),
            Output::Warn(reason) => self.note(format_args!("node warns: {reason}")),
            // One node has no peers.
            Output::Ask { .. } | Output::Announce { .. } | Output::Banned { .. } | Output::Contradiction { .. } => {}
            Output::EndSearch | Output::ListMissing { .. } | Output::Unindex { .. } => {}
            Output::Publish(_) | Output::Index(_) | Output::Store(_) | Output::Halt(_) => {}
        }
    }

    pub(crate) fn mined(&mut self, life: u64, template: TemplateId, nonce: u64) -> Result<(), Violation> {
        if life != self.node.life {
            return Ok(());
        }
        self.node_input(Input::Mined { template, extra_nonce: 0, nonce, attempts: nonce + 1 })
    }

    /// A question arrives. Nothing is answered that is not durable.
    pub(crate) fn question(&mut self, call: CallId, question: Question) -> Result<(), Violation> {
        if let Question::Submit(bytes) = question {
            return self.node_input(Input::Submit { bytes, reply: ReplyId(call.0) });
        }
        self.flush_node()?;
        let Some(running) = &self.node.running else { return Ok(()) };
        let answer = match &question {
            Question::Progress(id) => Answer::Statement(progress(&running.node, id)),
            Question::Head(meter) => Answer::Head(head(&running.node, meter, &self.community.gateway.account())),
            Question::Submit(_) => return Ok(()),
        };
        self.answer(call, answer);
        Ok(())
    }

    fn answer(&mut self, call: CallId, answer: Answer) {
        let Some(delay) = self.message_delay() else { return };
        self.later(delay, Happening::Answer { call, answer });
    }

    /// Asks the node; the caller hears of the answer, or of the time-out.
    pub(crate) fn ask(&mut self, caller: Caller, question: Question) {
        let call = CallId(self.next_call);
        self.next_call += 1;
        let swallowed = self.sabotage == Some(Sabotage::SwallowDeliveries)
            && matches!((&caller, &question), (Caller::Gateway { .. }, Question::Submit(_)));
        self.calls.insert(call, caller);
        self.later(crate::network::TIMEOUT, Happening::TimeOut { call });
        let copies = if self.random.chance(self.chaos.message_repeated) { 2 } else { 1 };
        for _ in 0..if swallowed { 0 } else { copies } {
            if let Some(delay) = self.message_delay() {
                self.later(delay, Happening::Question { call, question: question.clone() });
            }
        }
    }
}

/// As the HTTP interface answers, and as the gateway's link reads it.
fn node_answer(answer: Result<SubmitAnswer, Refusal>) -> NodeAnswer {
    match answer {
        Ok(SubmitAnswer { state: SubmitState::Final, place: Some(place), .. }) => NodeAnswer::Final(of(place)),
        Ok(_) => NodeAnswer::Pending,
        Err(Refusal::PoolFull) => NodeAnswer::Unreachable("too much waits".to_owned()),
        Err(refusal) => NodeAnswer::Refused(refusal.name().to_owned()),
    }
}

const fn of(place: api::Place) -> Place {
    Place { height: place.height.number(), log_index: place.log_index }
}

fn progress(node: &Node, id: &StatementId) -> NodeAnswer {
    match (node.statement_state(id), node.place(id)) {
        (Some(StatementState::Final), Some(place)) => NodeAnswer::Final(of(place)),
        (Some(_), _) => NodeAnswer::Pending,
        (None, _) => NodeAnswer::Unknown,
    }
}

fn head(node: &Node, meter: &MeterId, signer: &units::AccountId) -> HeadAnswer {
    match node.state().meter(meter) {
        Some((binding, record)) if record.signer == *signer => {
            HeadAnswer::Head(Chain { binding, head: record.head.clone() })
        }
        _ => HeadAnswer::NotBound("not registered with this key".to_owned()),
    }
}
