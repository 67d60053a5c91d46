//! What a node says against what it stores, and against what other nodes said.

use super::{NodeHost, Running, Said};
use crate::Sabotage;
use crate::auditor::Auditor;
use crate::check::{Violation, promises};
use crate::world::World;
use ledger::act::Readings;
use ledger::attachment::{Attachment, Row};
use units::{BlockHash, Energy, Height, Timestamp};

impl World {
    /// Checks what was promised against what is there, once everything stored is synced.
    pub(crate) fn check_node(&mut self, number: usize) -> Result<(), Violation> {
        if number >= self.honest {
            return Ok(());
        }
        let sabotage = self.sabotage;
        let is_alone = self.nodes.len() == 1;
        let host = &mut self.nodes[number];
        host.confirm_chain(&mut self.auditor, is_alone, sabotage)?;
        host.check_finals(&mut self.said)?;
        host.check_acknowledged()
    }
}

impl NodeHost {
    /// Looks at the blocks that became part of its chain since the last time, in memory and on its disk.
    fn confirm_chain(
        &mut self,
        auditor: &mut Auditor,
        is_alone: bool,
        sabotage: Option<Sabotage>,
    ) -> Result<(), Violation> {
        let Some(Running { node, store, .. }) = &mut self.running else { return Ok(()) };
        let head = node.state().head();
        let mut parting = head.height;
        while parting > Height::GENESIS && place(&self.confirmed, parting) != node.hash(parting) {
            parting = Height::from_number(parting.number() - 1);
        }
        if parting == head.height && self.confirmed.len() == index(head.height) {
            return Ok(());
        }
        if parting < self.shown_final && !self.confirmed.is_empty() {
            let (height, is) = (parting.next(), node.hash(parting.next()));
            let was = place(&self.confirmed, height).unwrap_or(BlockHash::from_bytes([0; 32]));
            return Err(Violation::FinalChanged { height, was, is });
        }
        self.confirmed.truncate(index(parting));
        for height in parting.number() + 1..=head.height.number() {
            let missing = || Violation::Replay(format!("the store lacks block {height}, which the node has"));
            let block = store.block(height).map_err(|error| Violation::Replay(error.to_string()))?;
            let mut block = block.ok_or_else(missing)?;
            if sabotage == Some(Sabotage::ReadOtherBytes) {
                block.reverse();
            }
            let hash = auditor.take(&block, sabotage)?;
            if node.hash(Height::from_number(height)) != Some(hash) {
                return Err(Violation::Replay(format!("the store's block {height} is not the node's")));
            }
            self.confirmed.push(hash);
            let readings = auditor.block(&hash).map(|block| block.readings.as_slice()).unwrap_or_default();
            for (statement, readings) in readings {
                let lost = |reason| Violation::AttachmentLost { statement: *statement, reason };
                let stored = store.attachment(statement).map_err(|error| lost(error.to_string()))?;
                match stored {
                    Some(bytes) => fits(&bytes, readings).map_err(lost)?,
                    None if is_alone => return Err(lost("nobody else has it".to_owned())),
                    None => {}
                }
            }
        }
        let root = auditor.block(&head.hash()).map(|block| block.header.state_root);
        if head.height > Height::GENESIS && root != Some(node.state().root()) {
            return Err(Violation::Replay("another state than the chain gives".to_owned()));
        }
        Ok(())
    }

    /// What it holds for final is what every node does, and what the log key signed.
    fn check_finals(&mut self, said: &mut Said) -> Result<(), Violation> {
        let Some(node) = self.running.as_ref().map(|running| &running.node) else { return Ok(()) };
        if let Some(anchor) = node.anchor() {
            let (height, signed) = (anchor.checkpoint.height, anchor.checkpoint.block);
            promises::anchor_on_chain(height, signed, node.hash(height))?;
        }
        let newest = node.final_height();
        for height in self.shown_final.number()..=newest.number() {
            let height = Height::from_number(height);
            let Some(hash) = node.hash(height) else { continue };
            promises::finals_agree(&said.finals, height, hash)?;
            said.finals.insert(height, hash);
        }
        self.shown_final = self.shown_final.max(newest);
        let head = node.state().head().height;
        self.damaged = self.damaged.filter(|(kept, reached)| *kept > newest || *reached > head);
        Ok(())
    }

    /// Of a chain that damage shortened, what it still has must be what it was. The rest it fetches again: final blocks,
    /// those whose statements it had crossed off its pool, and those whose keys other statements are signed with.
    pub(super) fn forget_what_damage_took(&mut self) {
        if let Some(node) = self.running.as_ref().map(|running| &running.node).filter(|_| self.damaged.is_some()) {
            self.shown_final = self.shown_final.min(node.final_height());
            self.acknowledged.retain(|id| node.statement_state(id).is_some());
        }
    }

    /// What it acknowledged is in its pool or chain, or was given up. What is final needs no more looking at.
    fn check_acknowledged(&mut self) -> Result<(), Violation> {
        let Some(node) = self.running.as_ref().map(|running| &running.node) else { return Ok(()) };
        let dropped = &self.dropped;
        self.acknowledged.retain(|id| node.statement_state(id) != Some(api::StatementState::Final));
        let pending = self.acknowledged.iter().filter(|id| !dropped.contains(id));
        promises::nothing_acknowledged_is_lost(pending, |id| node.statement_state(id).is_some())
    }

    /// What it ever showed as final is on its chain.
    pub(crate) fn check_shown_finals(&self, said: &Said) -> Result<(), Violation> {
        let Some(node) = self.node() else { return Ok(()) };
        promises::final_stays_final(said.finals.range(..=self.shown_final), |height| node.hash(height))
    }
}

fn fits(attachment: &[u8], readings: &Readings) -> Result<(), String> {
    let attachment = Attachment::from_bytes(attachment).map_err(|error| error.to_string())?;
    attachment.check(readings).map_err(|error| error.to_string())
}

/// Readings of an attachment that a node stores, as the auditor keeps them.
pub(super) fn rows_of(attachment: &[u8]) -> Result<Vec<(Timestamp, Energy)>, String> {
    let attachment = Attachment::from_bytes(attachment).map_err(|error| error.to_string())?;
    let rows = attachment.rows().map_err(|error| error.to_string())?;
    let row = |row: &Row| (row.time, row.reading.energy_import().unwrap_or_default());
    Ok(rows.iter().map(row).collect())
}

fn index(height: Height) -> usize {
    usize::try_from(height.number()).unwrap_or(usize::MAX)
}

fn place(confirmed: &[BlockHash], height: Height) -> Option<BlockHash> {
    index(height).checked_sub(1).and_then(|index| confirmed.get(index)).copied()
}
