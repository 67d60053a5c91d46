//! Anchors: the log key's checkpoints, which alone make blocks final.
//!
//! Invariant: the newest anchor's block is the tree's root, so nothing below it is ever undone. A newer anchor on another
//! branch makes that branch the only one that may be chosen; one that contradicts ours is evidence, and never followed.

use super::conduct::Misdeed;
use super::tree::Link;
use super::{Contradiction, ITSELF, Output, Sync, Turn};
use crate::peer::PeerId;
use ledger::{Checkpoint, CheckpointError, PublicKey};
use std::collections::{BTreeMap, BTreeSet};
use units::{BlockHash, Height};

/// A checkpoint that the log key signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
}

/// Contradictions that are told once each; whoever makes more of them is told of enough.
const TOLD_MAX: usize = 64;

/// What is known of anchors.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    /// The newest for a block of the own chain.
    pub(super) newest: Option<Anchor>,
    /// A newer one whose block the own chain does not have yet, and who showed it first.
    pub(super) sought: Option<(PeerId, Anchor)>,
    /// Blocks that the own chain had and lost, and that the log key had signed: a branch as high as one of them without
    /// it is never followed.
    pub(super) lost: BTreeMap<Height, BlockHash>,
    pub(super) told: BTreeSet<(Height, BlockHash)>,
}

impl Anchors {
    /// Opens a note; the signature of one that is known was looked at before.
    fn open(&self, note: &str, log_key: &PublicKey) -> Result<Anchor, CheckpointError> {
        let known = [self.newest.as_ref(), self.sought.as_ref().map(|(_, anchor)| anchor)];
        match known.into_iter().flatten().find(|known| known.note == note) {
            Some(anchor) => Ok(anchor.clone()),
            None => Ok(Anchor { checkpoint: Checkpoint::open(note, log_key)?, note: note.to_owned() }),
        }
    }
}

impl Sync {
    /// This node's store holds a checkpoint for a block that its chain lacks, because blocks were lost: the branch with the
    /// newest such block is followed as soon as a peer shows it, and none without them. A note that the log key did not
    /// sign is passed over.
    pub fn seek(&mut self, note: &str) {
        let Ok(checkpoint) = Checkpoint::open(note, &self.log_key) else { return };
        if checkpoint.ledger != self.ledger || self.tree.own_hash(checkpoint.height).is_some() {
            return;
        }
        self.anchors.lost.insert(checkpoint.height, checkpoint.block);
        let sought = self.anchors.sought.as_ref().map(|(_, sought)| sought.checkpoint.height);
        if sought.is_none_or(|sought| checkpoint.height > sought) {
            self.anchors.sought = Some((ITSELF, Anchor { checkpoint, note: note.to_owned() }));
        }
    }

    /// Whether a branch has what the log key signed of the own chain before that was lost, as far as it goes.
    pub(super) fn keeps_what_was_signed(&self, tip: &Link) -> bool {
        let below = self.anchors.lost.range(..=tip.header.height);
        below.into_iter().all(|(height, block)| self.tree.holds(&tip.hash, *height, block))
    }

    /// Whether a connected peer has shown a checkpoint at least as new as the newest here; for a node that does not know
    /// what its own log key signed last.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        let newest = self.anchors.newest.as_ref().map(|anchor| anchor.checkpoint.height);
        let shown = self.peers.values().filter(|peer| peer.is_connected).filter_map(|peer| peer.anchor.as_ref());
        let is_behind = self.anchors.sought.is_some();
        !is_behind && shown.into_iter().any(|anchor| Some(anchor.checkpoint.height) >= newest)
    }

    /// A peer shows a checkpoint.
    pub(super) fn hear_anchor(&mut self, turn: &mut Turn<'_>, id: PeerId, note: &str) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.anchor.as_ref().is_some_and(|known| known.note == note) {
            return;
        }
        let anchor = match self.anchors.open(note, &self.log_key) {
            Ok(anchor) => anchor,
            Err(error) => return self.blame(turn, id, &Misdeed::Anchor(error)),
        };
        peer.anchor = Some(anchor.clone());
        if anchor.checkpoint.ledger == self.ledger {
            self.consider(turn, id, anchor);
        }
    }

    fn consider(&mut self, turn: &mut Turn<'_>, id: PeerId, anchor: Anchor) {
        let Checkpoint { height, block, .. } = anchor.checkpoint;
        let is_newer = height > self.tree.root().header.height;
        match self.tree.own_hash(height) {
            Some(own) if own == block && is_newer => self.take_anchor(turn, anchor),
            Some(own) if own != block && !is_newer => self.tell_two_histories(turn, id, &anchor),
            Some(own) if own == block => {}
            _ => self.look_for(turn, id, anchor),
        }
    }

    fn look_for(&mut self, turn: &mut Turn<'_>, id: PeerId, anchor: Anchor) {
        let Checkpoint { height, block, .. } = anchor.checkpoint;
        if self.blocks.is_bad(&block) {
            return self.tell(turn, id, (height, block), Contradiction::BadBlock { note: anchor.note });
        }
        let sought = self.anchors.sought.as_ref().map(|(_, sought)| sought.checkpoint.height);
        if sought.is_none_or(|sought| height > sought) {
            self.anchors.sought = Some((id, anchor));
            self.blocks.look_again();
        }
    }

    /// The newest anchor is now this one, for a block of the own chain.
    fn take_anchor(&mut self, turn: &mut Turn<'_>, anchor: Anchor) {
        let height = anchor.checkpoint.height;
        let own = self.tree.own_hash(height).and_then(|hash| self.tree.get(&hash));
        if own.is_none_or(|link| Checkpoint::for_header(&link.header) != anchor.checkpoint) {
            // The hash is that of a header with another log: only a defective log key signs that.
            return;
        }
        turn.outputs.push(Output::Anchor { note: anchor.note.clone() });
        self.rise(anchor);
        self.announce(turn);
    }

    fn rise(&mut self, anchor: Anchor) {
        self.tree.set_root(anchor.checkpoint.height);
        self.anchors.lost.retain(|height, _| *height > anchor.checkpoint.height);
        self.anchors.newest = Some(anchor);
        self.drop_lost_tips();
        self.blocks.look_again();
    }

    /// The own log key signed a block of the own chain.
    pub(super) fn anchored(&mut self, turn: &mut Turn<'_>, note: Option<&str>) {
        let Some(note) = note else { return };
        let Ok(checkpoint) = Checkpoint::open(note, &self.log_key) else { return };
        let is_newer = checkpoint.height > self.tree.root().header.height;
        if is_newer && self.tree.is_own(checkpoint.height, &checkpoint.block) {
            self.rise(Anchor { checkpoint, note: note.to_owned() });
            self.announce(turn);
        }
    }

    /// Looks whether the own chain has come to the anchor that was sought.
    pub(super) fn settle_anchor(&mut self, turn: &mut Turn<'_>) {
        let Some((id, anchor)) = self.anchors.sought.take() else { return };
        let Checkpoint { height, block, .. } = anchor.checkpoint;
        if height <= self.tree.root().header.height || self.tree.is_own(height, &block) {
            self.consider(turn, id, anchor);
        } else if self.blocks.is_bad(&block) {
            self.tell(turn, id, (height, block), Contradiction::BadBlock { note: anchor.note });
        } else {
            self.anchors.sought = Some((id, anchor));
        }
    }

    /// Two notes of the log key that no one history holds.
    pub(super) fn tell_two_histories(&mut self, turn: &mut Turn<'_>, id: PeerId, theirs: &Anchor) {
        let Some(ours) = self.anchors.newest.as_ref().map(|anchor| anchor.note.clone()) else { return };
        let Checkpoint { height, block, .. } = theirs.checkpoint;
        let contradiction = Contradiction::TwoHistories { ours, theirs: theirs.note.clone() };
        self.tell(turn, id, (height, block), contradiction);
    }

    pub(super) fn tell(
        &mut self,
        turn: &mut Turn<'_>,
        peer: PeerId,
        what: (Height, BlockHash),
        contradiction: Contradiction,
    ) {
        if self.anchors.told.len() < TOLD_MAX && self.anchors.told.insert(what) {
            turn.outputs.push(Output::Contradiction { peer, contradiction });
        }
    }
}
