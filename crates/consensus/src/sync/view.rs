//! What pages and operators see of the peers.

use super::peer::Kind;
use super::{Anchor, Sync};
use crate::peer::{Head, PeerId};
use units::Millis;

/// How a peer stands to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// It has not answered yet.
    New,
    /// Its newest block is this node's.
    Same,
    /// Its newest block is an earlier one of this node's.
    Behind,
    /// It has blocks that this node fetches.
    Ahead,
    /// It is on a branch that is not followed: this node's has as much work, or the newest anchor.
    Branch,
    /// Its chain leaves this node's below the newest anchor.
    OtherHistory,
    /// It keeps blocks of a protocol version that this program does not know.
    NewerProgram,
    /// A node of another ledger.
    OtherLedger,
    /// No node answers there.
    NotANode,
    /// It was not reached, several times in a row.
    Unreachable,
    /// It is left alone for so long.
    Banned(
        /// What is left of the ban.
        Millis,
    ),
    /// It is not connected.
    Away,
}

/// A peer as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// Which.
    pub peer: PeerId,
    /// How it stands to this node.
    pub state: PeerState,
    /// Where it said last that its chain ends.
    pub head: Option<Head>,
    /// The newest checkpoint that it showed; checked.
    pub anchor: Option<Anchor>,
    /// What is held against it, 0 to [`super::SCORE_MAX`].
    pub score: u32,
    /// What went wrong last, in words.
    pub failure: Option<String>,
    /// Questions put to it.
    pub asked: u64,
    /// Questions that it answered.
    pub answered: u64,
}

/// What happened since this node was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Reorganisations: switches that undid own blocks.
    pub reorganisations: u64,
    /// Blocks that the deepest of them undid.
    pub deepest: u64,
    /// Branches seen that begin at a block which had a follower already.
    pub forks: u64,
}

impl Sync {
    /// All peers, in the order of their numbers.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerView> {
        let view = |(id, peer): (&PeerId, &super::peer::Peer)| PeerView {
            peer: *id,
            state: self.state_of(peer),
            head: peer.head.clone(),
            anchor: peer.anchor.clone(),
            score: peer.conduct.score(),
            failure: peer.failure.clone(),
            asked: peer.asked,
            answered: peer.answered,
        };
        self.peers.iter().map(view).collect()
    }

    fn state_of(&self, peer: &super::peer::Peer) -> PeerState {
        if let Some(left) = peer.conduct.ban_left(self.clock.run) {
            return PeerState::Banned(left);
        }
        match peer.kind {
            _ if !peer.is_connected => PeerState::Away,
            _ if peer.is_unreachable() => PeerState::Unreachable,
            Kind::OtherLedger => PeerState::OtherLedger,
            Kind::NotANode => PeerState::NotANode,
            Kind::NewerProgram => PeerState::NewerProgram,
            Kind::Unknown => PeerState::New,
            Kind::Node => self.standing(peer),
        }
    }

    fn standing(&self, peer: &super::peer::Peer) -> PeerState {
        let own = self.tree.head();
        let Some(head) = &peer.head else { return PeerState::New };
        if peer.is_apart {
            PeerState::OtherHistory
        } else if head.hash == own.hash {
            PeerState::Same
        } else if self.tree.is_own(head.height, &head.hash) {
            PeerState::Behind
        } else {
            let link = self.tree.get(&head.hash);
            let is_branch = link.is_some_and(|link| {
                link.work <= own.work && !self.tree.holds(&link.hash, own.header.height, &own.hash)
            });
            if is_branch { PeerState::Branch } else { PeerState::Ahead }
        }
    }

    /// What happened since this node was started.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        Counters { forks: self.tree.forks(), ..self.counters }
    }

    /// Blocks known by their headers that the own chain is to go on with.
    #[must_use]
    pub fn blocks_ahead(&self) -> usize {
        self.blocks.ahead()
    }

    /// Attachments that are looked for.
    #[must_use]
    pub fn attachments_wanted(&self) -> usize {
        self.gossip.wanted()
    }

    /// Headers and bytes of blocks in memory, for whoever watches the bounds.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        (self.tree.len(), self.blocks.bytes())
    }
}
