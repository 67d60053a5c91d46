//! Finality: what the log key signed, here or elsewhere, and what follows from it.

use super::{Anchor, Node, Output};
use crate::record::Record;
use api::Event;
use ledger::Checkpoint;
use units::Height;

impl Node {
    /// Signs the block `final_depth` below the head, unless that is done. What was signed is stored before it is shown. It
    /// is never taken back, so no later signature can contradict it.
    pub(super) fn sign_anchor(&mut self, outputs: &mut Vec<Output>) {
        // Where the log key signed a newer block than this chain has, this chain is an older copy: it is followed first.
        let Some(key) = self.config.log_key.as_ref().filter(|_| !self.sync().is_behind_anchor()) else { return };
        if self.is_unsure {
            if !self.sync().is_confirmed() {
                return;
            }
            self.is_unsure = false;
        }
        let depth = u64::from(self.config.genesis.order.final_depth);
        // The genesis block needs no signature: its hash names the ledger.
        let target = self.state.head().height.number().checked_sub(depth).filter(|target| *target > 0);
        let Some(target) = target.map(Height::from_number).filter(|target| *target > self.final_height()) else {
            return;
        };
        let Some(header) = self.chain.unsettled_header(target) else { return };
        let checkpoint = Checkpoint::for_header(header);
        match checkpoint.sign(key) {
            Ok(note) => {
                self.peers.anchored(note.clone());
                self.keep_anchor(checkpoint, note, outputs);
            }
            Err(error) => outputs.push(Output::Halt(format!("the log key cannot sign: {error}"))),
        }
    }

    /// Takes a checkpoint that the log key signed elsewhere, for a block of the present chain. An older one, one of another
    /// block, and one that nobody signed are passed over.
    pub(super) fn take_anchor(&mut self, note: String, outputs: &mut Vec<Output>) {
        let Ok(checkpoint) = Checkpoint::open(&note, &self.config.genesis.log_key) else { return };
        let fits = checkpoint.ledger == self.state.ledger() && self.hash(checkpoint.height) == Some(checkpoint.block);
        if fits && checkpoint.height > self.final_height() {
            self.keep_anchor(checkpoint, note, outputs);
        }
    }

    fn keep_anchor(&mut self, checkpoint: Checkpoint, note: String, outputs: &mut Vec<Output>) {
        outputs.push(Output::Store(Record::Anchor(note.clone())));
        outputs.push(Output::Publish(Event::Final { height: checkpoint.height, log_size: checkpoint.size }));
        self.chain.settle(checkpoint.height);
        self.anchor = Some(Anchor { checkpoint, note });
    }

    /// The newest block that the log key signed and that damage took from this chain, until it is back.
    #[must_use]
    pub fn lost(&self) -> Option<Height> {
        self.lost.filter(|lost| self.final_height() < *lost)
    }
    /// The newest checkpoint.
    #[must_use]
    pub const fn anchor(&self) -> Option<&Anchor> {
        self.anchor.as_ref()
    }
    /// The newest final block; genesis before the first checkpoint.
    #[must_use]
    pub fn final_height(&self) -> Height {
        self.anchor.as_ref().map_or(Height::GENESIS, |anchor| anchor.checkpoint.height)
    }
    /// Statements in the log after the newest final block.
    #[must_use]
    pub fn final_log_size(&self) -> u64 {
        self.anchor.as_ref().map_or(0, |anchor| anchor.checkpoint.size)
    }
}
