//! Starts and crashes of a node.

use super::{NodeHost, Running, TICK};
use crate::check::{Violation, promises};
use crate::world::{Happening, World};
use crate::{Random, Sabotage};
use node::core::Node;
use node::record::{LogName, Record};
use node::store::{Store, StoreError};
use units::{Millis, StatementId};

/// What a planted bug takes from the end of the blocks, when the log key has signed them.
const LOST_BYTES: usize = 1_500;

impl NodeHost {
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
        self.connected.clear();
        self.asked.clear();
        // Blocks that were never synced may be gone, so all are looked at anew.
        self.confirmed.clear();
        Ok(())
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
        host.start()?;
        if number >= self.honest {
            self.begin_life(number);
            return Ok(());
        }
        let host = &self.nodes[number];
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
        let signed = node.is_some_and(|node| node.final_height() == node.state().head().height);
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
        self.later(down, Happening::NodeStart(number));
    }
}
