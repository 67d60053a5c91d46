//! Steps of a node, and what it wants done.

use super::checks::rows_of;
use super::questions::node_answer;
use super::{Letter, Running, TICK};
use crate::Sabotage;
use crate::check::{Violation, promises};
use crate::network::{Answer, CallId};
use crate::world::{Happening, World};
use api::{Event, SubmitAnswer};
use consensus::pow::Search;
use gateway::core::NodeAnswer;
use node::core::{Input, Output, Refusal, ReplyId, TemplateId};
use node::record::{LogName, Record};
use units::{Energy, Height, Millis, StatementId, Timestamp};

/// Longest wait of deferred outputs for the sync.
const FLUSH_MAX_MS: u64 = 50;
/// Longest search, and longest restart.
const SEARCH_MAX_MS: u64 = 8_000;
const RESTART_MAX_MS: u64 = 20_000;
/// Attempts of a search: far beyond what level 1 needs.
const ATTEMPTS_MAX: u64 = 100_000;
/// How often, in a hundred thousand ticks, the small logs are written anew.
const REWRITE_CHANCE: u64 = 500;

impl World {
    pub(crate) fn tick_node(&mut self, number: usize, life: u64) -> Result<(), Violation> {
        if life != self.nodes[number].life || self.nodes[number].running.is_none() {
            return Ok(());
        }
        self.later(TICK, Happening::NodeTick { node: number, life });
        self.node_input(number, Input::Tick)?;
        self.flush_node(number)?;
        if self.random.chance(REWRITE_CHANCE) {
            self.rewrite_small_logs(number)?;
        }
        Ok(())
    }

    /// As the node's shell does when they have grown: of both only a part still matters.
    fn rewrite_small_logs(&mut self, number: usize) -> Result<(), Violation> {
        let Some(Running { node, store, .. }) = &mut self.nodes[number].running else { return Ok(()) };
        let pooled = node.pool().map(|pooled| Record::Pooled {
            received: pooled.received,
            leaf: pooled.statement.signed().leaf().to_vec(),
        });
        let pooled: Vec<Record> = pooled.collect();
        let anchor = node.anchor().filter(|_| node.lost().is_none()).map(|anchor| Record::Anchor(anchor.note.clone()));
        let rewritten = store.rewrite(LogName::Pool, &pooled).and_then(|()| match anchor {
            Some(anchor) => store.rewrite(LogName::Anchors, &[anchor]),
            None => Ok(()),
        });
        rewritten.map_err(|error| Violation::Broken(error.to_string()))
    }

    /// One step of a node. A crash may come before any of its outputs.
    pub(crate) fn node_input(&mut self, number: usize, input: Input) -> Result<(), Violation> {
        let now = self.nodes[number].time(self.now);
        let Some(running) = &mut self.nodes[number].running else { return Ok(()) };
        for output in running.node.step(now, input) {
            if self.crashes_here(number) {
                return Ok(());
            }
            match output {
                Output::Store(record) => self.store(number, &record)?,
                Output::ListMissing { above } => self.list_missing(number, above)?,
                Output::Halt(reason) => return Err(Violation::Halted(reason)),
                shown => {
                    let Some(running) = &mut self.nodes[number].running else { return Ok(()) };
                    running.deferred.push(shown);
                }
            }
        }
        self.plan_flush(number);
        Ok(())
    }

    /// Looks through stored blocks for readings without their attachments.
    fn list_missing(&mut self, number: usize, above: Height) -> Result<(), Violation> {
        let Some(running) = &mut self.nodes[number].running else { return Ok(()) };
        let (through, readings) = node::missing_attachments(&mut running.store, above);
        self.node_input(number, Input::Missing { through, readings })
    }

    fn crashes_here(&mut self, number: usize) -> bool {
        let crashes = self.random.chance(self.chaos.node_crash);
        if crashes {
            let down = Millis::from_ms(self.random.below(RESTART_MAX_MS));
            self.crash_node(number, down);
        }
        crashes
    }

    fn store(&mut self, number: usize, record: &Record) -> Result<(), Violation> {
        match record {
            Record::Dropped(id) => self.gives_up(number, id)?,
            Record::Attachment { statement, bytes } => {
                let lost = |reason| Violation::AttachmentLost { statement: *statement, reason };
                let mut rows = rows_of(bytes).map_err(lost)?;
                match self.sabotage {
                    Some(Sabotage::RepeatReading) => rows.splice(0..0, rows.first().copied()).for_each(drop),
                    Some(Sabotage::Miscount) => rows.iter_mut().rev().take(1).for_each(one_more),
                    _ => {}
                }
                self.auditor.attachment(*statement, rows);
            }
            _ => {}
        }
        let Some(running) = &mut self.nodes[number].running else { return Ok(()) };
        running.store.append(record).map_err(|error| Violation::Broken(error.to_string()))
    }

    fn gives_up(&mut self, number: usize, id: &StatementId) -> Result<(), Violation> {
        // Readings have no expiry, and where nobody else writes the chain, what they need was there when they were taken.
        let is_alone = self.nodes.len() + self.liars.len() == 1;
        let host = &mut self.nodes[number];
        let is_reading = self.gateways.iter().any(|gateway| gateway.database.submission(id).is_some());
        if is_alone && is_reading && host.acknowledged.contains(id) {
            return Err(Violation::ReadingsDropped(*id));
        }
        host.dropped.insert(*id);
        Ok(())
    }

    fn plan_flush(&mut self, number: usize) {
        let life = self.nodes[number].life;
        let Some(running) = &mut self.nodes[number].running else { return };
        if !running.flush_planned {
            running.flush_planned = true;
            let wait = Millis::from_ms(self.random.below(FLUSH_MAX_MS));
            self.later(wait, Happening::NodeFlush { node: number, life });
        }
    }

    pub(crate) fn flush_planned(&mut self, number: usize, life: u64) -> Result<(), Violation> {
        if life == self.nodes[number].life { self.flush_node(number) } else { Ok(()) }
    }

    /// Syncs, then shows what waited for it.
    pub(super) fn flush_node(&mut self, number: usize) -> Result<(), Violation> {
        let lies = self.sabotage == Some(Sabotage::AnswerBeforeSync);
        let Some(running) = &mut self.nodes[number].running else { return Ok(()) };
        running.flush_planned = false;
        let deferred = std::mem::take(&mut running.deferred);
        if !lies {
            running.store.sync().map_err(|error| Violation::Broken(error.to_string()))?;
        }
        if deferred.is_empty() {
            return Ok(());
        }
        // Before anybody hears of it.
        self.check_node(number)?;
        for output in deferred {
            if self.crashes_here(number) {
                return Ok(());
            }
            self.show(number, output)?;
        }
        Ok(())
    }

    fn show(&mut self, number: usize, output: Output) -> Result<(), Violation> {
        match output {
            Output::Reply { reply: ReplyId(call), answer } => self.reply(number, CallId(call), answer)?,
            Output::Search { template, header } => {
                let nonce = Search::new(&header).run(0, ATTEMPTS_MAX);
                let wait = Millis::from_ms(self.random.below(SEARCH_MAX_MS));
                let life = self.nodes[number].life;
                if let Some(nonce) = nonce {
                    self.later(wait, Happening::Mined { node: number, life, template, nonce });
                }
            }
            Output::Publish(event) => self.hear(number, event),
            Output::Ask { peer, id, ask } => self.ask_peer(number, peer, id, ask),
            Output::Announce { head } => self.tell_peers(number, &Letter::Head(head)),
            Output::Banned { peer, reason, .. } => {
                self.note(format_args!("node {number} leaves {} alone: {reason}", peer.0));
                let peer = usize::try_from(peer.0).unwrap_or(usize::MAX);
                let are_honest = number < self.honest && peer < self.honest;
                promises::honest_not_banned(number, peer, are_honest, &reason)?;
            }
            Output::Contradiction { peer, contradiction } => {
                self.note(format_args!("node {number} finds a contradiction at {}: {contradiction}", peer.0));
            }
            Output::Unindex { above } => self.note(format_args!("node {number} goes back to {}", above.number())),
            Output::Warn(reason) => self.note(format_args!("node {number} warns: {reason}")),
            Output::Index(_) | Output::EndSearch | Output::Store(_) | Output::ListMissing { .. } | Output::Halt(_) => {}
        }
        Ok(())
    }

    fn reply(&mut self, number: usize, call: CallId, answer: Result<SubmitAnswer, Refusal>) -> Result<(), Violation> {
        match &answer {
            Ok(SubmitAnswer { id, state, .. }) => {
                let host = &mut self.nodes[number];
                host.acknowledged.insert(*id);
                // It may have been given up in the same breath.
                if host.knows(id) {
                    host.dropped.remove(id);
                }
                self.note(format_args!("node {number} takes {id}: {state:?}"));
            }
            Err(refusal) => self.note(format_args!("node {number} refuses: {}", refusal.name())),
        }
        let id = answer.as_ref().ok().map(|answer| answer.id);
        if let Some(id) = id.filter(|_| self.sabotage == Some(Sabotage::DropReadings)) {
            self.store(number, &Record::Dropped(id))?;
        }
        let answer = node_answer(answer);
        if let (Some(id), NodeAnswer::Final(place)) = (id, &answer) {
            self.check_told(id, *place)?;
        }
        self.answer(number, call, Answer::Statement(answer))
    }

    fn hear(&mut self, number: usize, event: Event) {
        match event {
            Event::Accepted { id, .. } => self.tell_peers(number, &Letter::Offer(id)),
            Event::Dropped { id, rule, .. } => {
                self.note(format_args!("node {number} drops {id}: {rule}"));
                self.tell(id, rule);
            }
            Event::Block { block } => {
                self.note(format_args!("node {number} has block {}: {}", block.height.number(), block.hash));
            }
            Event::MonthClosed { month } => self.note(format_args!("node {number}: {month} closes")),
            _ => {}
        }
    }

    /// Somebody hears why a statement is not booked.
    pub(crate) fn tell(&mut self, id: StatementId, rule: String) {
        if self.sabotage != Some(Sabotage::DropSilently) {
            self.said.reasons.entry(id).or_default().insert(rule);
        }
    }

    pub(crate) fn mined(
        &mut self,
        number: usize,
        life: u64,
        template: TemplateId,
        nonce: u64,
    ) -> Result<(), Violation> {
        if life != self.nodes[number].life {
            return Ok(());
        }
        self.node_input(number, Input::Mined { template, extra_nonce: 0, nonce, attempts: nonce + 1 })
    }
}

/// A planted bug's reading of a counter.
fn one_more((_, import): &mut (Timestamp, Energy)) {
    *import = Energy::from_mwh(import.mwh() + 1);
}
