//! Starts and crashes of a node.

use super::{NodeHost, Running, TICK};
use crate::check::{Violation, promises};
use crate::world::{Happening, World};
use crate::{Random, Sabotage};
use node::core::{Node, Standing};
use node::record::{LogName, Record};
use node::repair::{Nobody, is_lost_checkpoint, repair};
use node::store::{Store, StoreError};
use units::{Height, Millis, StatementId, Timestamp};

/// At least what lies before the genesis document in its file.
const HEAD_MAX: usize = 64;
/// What a planted bug takes from the end of the blocks, when the log key has signed them.
const LOST_BYTES: usize = 1_500;

/// Why a store gives no node.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("the store is damaged")]
    Damaged,
    #[error("{0}")]
    Other(String),
}

impl From<StoreError> for Closed {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { .. } | StoreError::Record { .. } => Self::Damaged,
            other => Self::Other(other.to_string()),
        }
    }
}

impl NodeHost {
    /// Starts from what the disk holds. With other nodes, what is damaged is taken out first, as the shell does.
    fn start(&mut self, now: Timestamp, has_peers: bool) -> Result<(), Violation> {
        let opened = match self.open(has_peers) {
            Err(Closed::Damaged) if has_peers => {
                let repaired = repair(&mut self.disk, now, &mut Nobody);
                repaired.map_err(|error| Violation::WillNotStart(error.to_string()))?;
                self.open(has_peers)
            }
            other => other,
        };
        let (node, store) = opened.map_err(|closed| Violation::WillNotStart(closed.to_string()))?;
        self.running = Some(Running { node, store, deferred: Vec::new(), flush_planned: false });
        self.life += 1;
        self.starts += 1;
        self.connected.clear();
        self.asked.clear();
        // Blocks that were never synced may be gone, so all are looked at anew.
        self.confirmed.clear();
        Ok(())
    }

    fn open(&self, has_peers: bool) -> Result<(Node, Store), Closed> {
        let mut store = Store::open(Box::new(self.disk.clone()))?;
        let mut records = Vec::new();
        for log in [LogName::Blocks, LogName::Pool, LogName::Evidence, LogName::Anchors] {
            store.replay(log, |record: Record| {
                records.push(record);
                Ok::<(), StoreError>(())
            })?;
        }
        let is_unsure = self.disk.names().iter().any(|name| is_lost_checkpoint(name));
        let standing = Standing { has_peers, is_unsure };
        let has = |id: &StatementId| store.has_attachment(id);
        let node = Node::recover_damaged(self.config.clone(), records, &has, standing);
        Ok((node.map_err(|error| Closed::Other(error.to_string()))?, store))
    }

    pub(super) fn knows(&self, id: &StatementId) -> bool {
        self.node().is_some_and(|node| node.statement_state(id).is_some())
    }

    fn cut(&mut self, random: &mut Random, power: bool) {
        self.running = None;
        if power {
            self.disk.cut_power(random);
        }
    }
}

impl World {
    pub(crate) fn start_node(&mut self, number: usize) -> Result<(), Violation> {
        let host = &mut self.nodes[number];
        if host.running.is_some() {
            return Ok(());
        }
        host.start(self.now, self.honest > 1)?;
        if number >= self.honest {
            self.begin_life(number);
            return Ok(());
        }
        let host = &mut self.nodes[number];
        host.forget_what_damage_took();
        host.check_shown_finals(&self.said)?;
        let pending = host.acknowledged.difference(&host.dropped);
        promises::nothing_acknowledged_is_lost(pending, |id| host.knows(id))?;
        self.check_node(number)?;
        self.begin_life(number);
        Ok(())
    }

    fn begin_life(&mut self, number: usize) {
        let Some(running) = &self.nodes[number].running else { return };
        let (height, waiting) = (running.node.state().head().height, running.node.pool_size().0);
        self.note(format_args!("node {number} starts: height {}, {waiting} wait", height.number()));
        let life = self.nodes[number].life;
        self.later(TICK, Happening::NodeTick { node: number, life });
        for peer in self.peers_of(number) {
            let wait = Millis::from_ms(self.random.below(2_000));
            self.later(wait, Happening::Dial { node: number, life, peer });
        }
    }

    pub(crate) fn crash_node(&mut self, number: usize, down: Millis) {
        if self.nodes[number].running.is_none() {
            return;
        }
        let node = self.nodes[number].node();
        let (kept, reached) = node.map(|node| (node.final_height(), node.state().head().height)).unwrap_or_default();
        let signed = node.is_some() && kept == reached;
        let power = self.random.chance(self.chaos.power_cut);
        let how = if power { ", power cut" } else { "" };
        self.note(format_args!("node {number} crashes{how}, down for {} ms", down.ms()));
        self.nodes[number].cut(&mut self.random, power);
        let disk = &self.nodes[number].disk;
        match self.sabotage {
            Some(Sabotage::LoseBlocks) if signed => disk.lose_synced("blocks-00000000.seg", LOST_BYTES),
            Some(Sabotage::RollBack) if signed => {
                disk.lose_synced("blocks-00000000.seg", LOST_BYTES);
                disk.lose_synced("anchors-00000000.seg", usize::MAX);
            }
            Some(Sabotage::LoseAttachments) => disk.lose_synced("attachments-00000000.seg", LOST_BYTES),
            _ => {}
        }
        if self.random.chance(self.chaos.bit_flip) {
            self.flip_bit(number, kept, reached);
        }
        self.later(down, Happening::NodeStart(number));
    }

    /// One bit of what is not only this node's changes on its disk: of the blocks that became final, another honest node
    /// whose disk is whole has each, and the rest of the chain anybody can build again.
    fn flip_bit(&mut self, number: usize, kept: Height, reached: Height) {
        let host = &self.nodes[number];
        let (kept_before, reached_before) = host.damaged.unwrap_or_default();
        let (kept, reached) = (kept.max(host.shown_final).max(kept_before), reached.max(reached_before));
        let honest = self.nodes.get(..self.honest).unwrap_or_default().iter().enumerate();
        let others = honest.filter(|(other, _)| *other != number);
        let is_elsewhere = others.clone().any(|(_, other)| other.shown_final >= kept && other.damaged.is_none());
        if number >= self.honest || !is_elsewhere || others.clone().any(|(_, other)| other.damaged.is_some()) {
            return;
        }
        let founding = self.community.genesis.to_bytes().len() + HEAD_MAX;
        let (log, from) = if self.random.chance(70_000) { ("blocks", founding) } else { ("anchors", 0) };
        let host = &mut self.nodes[number];
        if host.disk.flip_bit(&format!("{log}-00000000.seg"), from, &mut self.random) {
            host.damaged = Some((kept, reached));
            self.note(format_args!("node {number}: a bit of its {log} is changed"));
        }
    }
}
