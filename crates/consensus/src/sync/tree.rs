//! The tree of headers: the node's own chain, and above its newest final block the branches that peers show.
//!
//! Invariant: every link's parent is a link too, except the root's; the own chain from the root to its head is among
//! them. A link that is neither own nor below a peer's tip is swept away, so what is held is bounded by the peers.

use super::Own;
use crate::peer::LOCATOR_MAX;
use ledger::Header;
use std::collections::{BTreeMap, BTreeSet};
use units::{BlockHash, Height};

/// A header in the tree.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) hash: BlockHash,
    pub(super) header: Header,
    /// Sum of the difficulties above the root that was there first; each proven by its header's hash.
    pub(super) work: u128,
    /// Counted up: of equal work, what was seen first stays.
    pub(super) seen: u64,
    /// Whether a block that follows it was seen.
    has_child: bool,
}

/// The newest blocks that a locator names one by one; between older ones the gap doubles.
const LOCATOR_DENSE: u64 = 10;

/// The tree.
#[derive(Debug)]
pub(super) struct Tree {
    /// Hash of every block of the own chain by height, final ones below the root included.
    own: Vec<BlockHash>,
    links: BTreeMap<BlockHash, Link>,
    root: Link,
    head: Link,
    seen: u64,
    forks: u64,
}

fn index(height: Height) -> usize {
    usize::try_from(height.number()).unwrap_or(usize::MAX)
}

impl Tree {
    pub(super) fn new(own: Own) -> Self {
        let Own { below, root, above, .. } = own;
        let root = Link { hash: root.hash(), header: root, work: 0, seen: 0, has_child: false };
        let mut hashes = below;
        hashes.push(root.hash);
        let links = BTreeMap::from([(root.hash, root.clone())]);
        let mut tree = Self { own: hashes, links, head: root.clone(), root, seen: 0, forks: 0 };
        for header in above {
            tree.extend(&header);
        }
        tree
    }

    pub(super) const fn root(&self) -> &Link {
        &self.root
    }
    pub(super) const fn head(&self) -> &Link {
        &self.head
    }
    pub(super) fn get(&self, hash: &BlockHash) -> Option<&Link> {
        self.links.get(hash)
    }
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }
    /// Branches that began at a block which had a follower already.
    pub(super) const fn forks(&self) -> u64 {
        self.forks
    }
    pub(super) fn own_hash(&self, height: Height) -> Option<BlockHash> {
        self.own.get(index(height)).copied()
    }
    pub(super) fn is_own(&self, height: Height, hash: &BlockHash) -> bool {
        self.own.get(index(height)) == Some(hash)
    }

    /// Adds a header whose parent is a link; `None` when that is not so.
    pub(super) fn insert(&mut self, header: &Header) -> Option<Link> {
        let hash = header.hash();
        if let Some(link) = self.links.get(&hash) {
            return Some(link.clone());
        }
        let parent = self.links.get_mut(&header.previous)?;
        let work = parent.work.saturating_add(u128::from(header.engine.difficulty.max(1)));
        self.forks = self.forks.saturating_add(u64::from(parent.has_child));
        parent.has_child = true;
        self.seen += 1;
        let link = Link { hash, header: header.clone(), work, seen: self.seen, has_child: false };
        self.links.insert(hash, link.clone());
        Some(link)
    }

    /// The own chain grows by a header that follows its head; whether it does.
    pub(super) fn extend(&mut self, header: &Header) -> bool {
        if header.previous != self.head.hash {
            return false;
        }
        let Some(link) = self.insert(header) else { return false };
        self.own.push(link.hash);
        self.head = link;
        true
    }

    /// The own chain goes on from `fork` with these links; those that are not here are left out.
    pub(super) fn switch(&mut self, fork: Height, blocks: &[BlockHash]) {
        let Some(at) = self.own_hash(fork).and_then(|hash| self.links.get(&hash)).cloned() else { return };
        self.own.truncate(index(fork).saturating_add(1));
        self.head = at;
        for block in blocks {
            let Some(header) = self.links.get(block).map(|link| link.header.clone()) else { return };
            self.extend(&header);
        }
    }

    /// Moves the root up the own chain; branches that leave it below are gone.
    pub(super) fn set_root(&mut self, height: Height) {
        let Some(link) = self.own_hash(height).and_then(|hash| self.links.get(&hash)).cloned() else { return };
        self.root = link;
        let mut by_height: Vec<(Height, BlockHash, BlockHash)> = self
            .links
            .values()
            .filter(|link| link.header.height > height)
            .map(|link| (link.header.height, link.hash, link.header.previous))
            .collect();
        by_height.sort_unstable();
        let mut kept = BTreeSet::from([self.root.hash]);
        for (_, hash, previous) in by_height {
            if kept.contains(&previous) {
                kept.insert(hash);
            }
        }
        self.links.retain(|hash, _| kept.contains(hash));
    }

    /// Forgets what is neither own nor at or below one of these tips.
    pub(super) fn sweep(&mut self, tips: impl Iterator<Item = BlockHash>) {
        let own = &self.own[index(self.root.header.height).min(self.own.len())..];
        let mut kept: BTreeSet<BlockHash> = own.iter().copied().collect();
        for tip in tips {
            let mut at = tip;
            while let Some(link) = self.links.get(&at) {
                if !kept.insert(at) {
                    break;
                }
                at = link.header.previous;
            }
        }
        self.links.retain(|hash, _| kept.contains(hash));
    }

    /// Takes a block and all that builds on it out, unless it is own; gives what was taken out.
    pub(super) fn remove(&mut self, hash: &BlockHash) -> BTreeSet<BlockHash> {
        let Some(link) = self.links.get(hash) else { return BTreeSet::new() };
        if self.is_own(link.header.height, hash) {
            return BTreeSet::new();
        }
        let above = self.links.values().filter(|other| other.header.height > link.header.height);
        let mut by_height: Vec<_> = above.map(|link| (link.header.height, link.hash, link.header.previous)).collect();
        by_height.sort_unstable();
        let mut gone = BTreeSet::from([*hash]);
        for (_, hash, previous) in by_height {
            if gone.contains(&previous) {
                gone.insert(hash);
            }
        }
        self.links.retain(|hash, _| !gone.contains(hash));
        gone
    }

    /// Where the branch of a link leaves the own chain, and its blocks from there on, oldest first.
    pub(super) fn path_from_own(&self, tip: &BlockHash) -> Option<(Height, Vec<BlockHash>)> {
        let mut path = Vec::new();
        let mut link = self.links.get(tip)?;
        while !self.is_own(link.header.height, &link.hash) {
            path.push(link.hash);
            link = self.links.get(&link.header.previous)?;
        }
        path.reverse();
        Some((link.header.height, path))
    }

    /// The block at a height of a link's branch, down to the root.
    pub(super) fn ancestor_at(&self, tip: &BlockHash, height: Height) -> Option<BlockHash> {
        let mut link = self.links.get(tip)?;
        while link.header.height > height {
            if self.is_own(link.header.height, &link.hash) {
                return self.own_hash(height);
            }
            link = self.links.get(&link.header.previous)?;
        }
        (link.header.height == height).then_some(link.hash)
    }

    /// Whether a link is `block` or builds on it.
    pub(super) fn holds(&self, tip: &BlockHash, height: Height, block: &BlockHash) -> bool {
        self.ancestor_at(tip, height).as_ref() == Some(block)
    }

    /// Hashes by which a peer finds where its chain leaves what is known of it: its own tip, then the own chain, newest
    /// first, with growing gaps, genesis last.
    pub(super) fn locator(&self, tip: Option<BlockHash>) -> Vec<BlockHash> {
        let mut locator: Vec<BlockHash> = tip.into_iter().collect();
        let mut height = self.head.header.height.number();
        let (mut named, mut gap) = (0, 1);
        while height > 0 && locator.len() < LOCATOR_MAX - 1 {
            locator.extend(self.own_hash(Height::from_number(height)).filter(|hash| Some(*hash) != tip));
            named += 1;
            if named >= LOCATOR_DENSE {
                gap *= 2;
            }
            height = height.saturating_sub(gap);
        }
        locator.extend(self.own_hash(Height::GENESIS));
        locator
    }
}
