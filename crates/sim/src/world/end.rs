//! The end of a run: whether everything has come to its end, and what must hold then.

use super::{Happening, World};
use crate::check::{Violation, promises};
use crate::node_host::NodeHost;
use crate::people::{Errand, Progress};
use node::core::Node;
use std::collections::BTreeSet;
use units::{Millis, StatementId};

/// How long after the healing everything must have come to its end: the longest back-off, the longest clock jump, an
/// interval and the empty blocks that finality may need fit in it several times.
const HEALING_MAX: Millis = Millis::from_minutes(180);
/// How long after the healing all honest nodes must have been the same at least once: the longest time that one is down
/// (50 minutes), the longest jump of a clock, and an empty block that makes one of two branches the heavier one, twice.
const AGREEMENT_MAX: Millis = Millis::from_minutes(90);
/// Between two looks whether everything has come to its end.
pub(super) const LOOK_EVERY: Millis = Millis::from_seconds(20);

impl World {
    /// Looks whether everything has come to its end.
    pub(super) fn look(&mut self) -> Result<(), Violation> {
        let waited = self.now.since(self.chaos.healed);
        let unfinished = match self.disagreement() {
            None => {
                self.agreed_after.get_or_insert(waited);
                self.unfinished()
            }
            Some(what) if self.agreed_after.is_none() && waited > AGREEMENT_MAX => {
                return Err(Violation::NotHealed { minutes: waited.ms() / 60_000, what });
            }
            different => different,
        };
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

    fn honest_nodes(&self) -> &[NodeHost] {
        self.nodes.get(..self.honest).unwrap_or_default()
    }

    /// How honest nodes differ.
    fn disagreement(&self) -> Option<String> {
        let nodes: Vec<&Node> = self.honest_nodes().iter().filter_map(NodeHost::node).collect();
        if nodes.len() < self.honest {
            return Some("a node is not up".to_owned());
        }
        differing(&nodes)
    }

    /// What has not come to its end although the nodes agree.
    fn unfinished(&self) -> Option<String> {
        if self.gateways.iter().any(|gateway| gateway.running.is_none()) {
            return Some("a gateway is not up".to_owned());
        }
        let node = self.nodes.first().and_then(NodeHost::node)?;
        if let Some(errand) = self.errands.iter().find(|errand| !is_done(errand, node)) {
            return Some(format!("{:?} is not done", errand.task));
        }
        for household in self.community.households.iter().filter(|_| !self.gateways.is_empty()) {
            let head = node.state().meter(&household.meter).map(|(_, record)| record.head.end);
            if head.is_none_or(|end| end < self.chaos.healed) {
                return Some(format!("the chain of {} has not arrived in the healed time", household.meter));
            }
        }
        let waiting: usize = self.gateways.iter().map(|gateway| gateway.database.waiting(self.chaos.healed)).sum();
        if waiting > 0 {
            return Some(format!("{waiting} statements of outboxes are not final"));
        }
        self.lacking()
    }

    /// What must hold at the end, when nothing is under way any more.
    fn check_end(&mut self) -> Result<(), Violation> {
        for number in 0..self.honest {
            self.check_node(number)?;
            self.nodes[number].check_shown_finals(&self.said)?;
        }
        let Some(head) = self.nodes[0].node().map(|node| node.state().head().hash()) else { return Ok(()) };
        let chain = self.auditor.chain(&head)?;
        let forbidden = self.errands.iter().filter(|errand| errand.is_forbidden()).filter_map(Errand::id);
        if let Some(id) = forbidden.into_iter().find(|id| chain.committed.contains(id)) {
            return Err(Violation::ForbiddenBooked(id));
        }
        let sales: Vec<StatementId> =
            self.errands.iter().filter(|errand| errand.only.is_some()).filter_map(Errand::id).collect();
        let is_told = |id: &StatementId| self.said.reasons.contains_key(id);
        promises::sold_once(&sales, |id| chain.committed.contains(id), is_told)?;
        for (meter, readings) in chain.readings {
            for (time, import) in readings {
                let reading = (meter.clone(), *time);
                let by_eye = self.read_by_eye.get(&reading) == Some(import);
                if !by_eye && !self.gateways.iter().any(|gateway| gateway.stored.get(&reading) == Some(import)) {
                    return Err(Violation::ReadingInvented { meter: meter.clone(), time: *time });
                }
            }
        }
        self.check_readings_committed()
    }

    /// Every reading that a database took is in a committed interval, but for those after the chain's head and those
    /// that went with a lost database.
    fn check_readings_committed(&mut self) -> Result<(), Violation> {
        let Some(head) = self.nodes[0].node().map(|node| node.state().head().hash()) else { return Ok(()) };
        let chain = self.auditor.chain(&head)?;
        for gateway in &self.gateways {
            for reading in gateway.stored.keys() {
                let (meter, time) = reading;
                let committed = chain.readings.get(meter).map(Vec::as_slice).unwrap_or_default();
                let end = chain.state.meter(meter).map(|(_, record)| record.head.end).unwrap_or_default();
                let is_committed = committed.binary_search_by_key(time, |(time, _)| *time).is_ok();
                if *time < end && !is_committed && !gateway.lost.contains(reading) {
                    return Err(Violation::ReadingNotCommitted { meter: meter.clone(), time: *time });
                }
            }
        }
        Ok(())
    }

    /// Which evidence of final readings a node still lacks.
    fn lacking(&self) -> Option<String> {
        for hash in self.said.finals.values() {
            let readings = self.auditor.block(hash).map(|block| block.readings.as_slice()).unwrap_or_default();
            for (number, host) in self.honest_nodes().iter().enumerate() {
                let lacks = |id: &StatementId| !host.running.as_ref().is_some_and(|node| node.store.has_attachment(id));
                if let Some((statement, _)) = readings.iter().find(|(id, _)| lacks(id)) {
                    return Some(format!("node {number} lacks the attachment of {statement}"));
                }
            }
        }
        None
    }
}

/// Whether an errand has come to its end.
fn is_done(errand: &Errand, node: &Node) -> bool {
    let is_final = |id: StatementId| node.statement_state(&id) == Some(api::StatementState::Final);
    errand.progress == Progress::Refused || errand.id().is_some_and(is_final)
}

/// How nodes differ that should be the same.
fn differing(nodes: &[&Node]) -> Option<String> {
    let heads: BTreeSet<_> = nodes.iter().map(|node| node.state().head().hash()).collect();
    let roots: BTreeSet<_> = nodes.iter().map(|node| node.state().root()).collect();
    let finals: BTreeSet<_> = nodes.iter().map(|node| node.final_height()).collect();
    if heads.len() > 1 || roots.len() > 1 {
        let heights: Vec<u64> = nodes.iter().map(|node| node.state().head().height.number()).collect();
        return Some(format!("the nodes are at {} heads, at heights {heights:?}", heads.len()));
    }
    (finals.len() > 1).then(|| format!("blocks up to {finals:?} are final on different nodes"))
}
