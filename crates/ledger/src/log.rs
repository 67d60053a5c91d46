//! The log: the Merkle tree of RFC 9162 section 2.1 over SHA-256, with the leaf forms of all statements as its data.
//!
//! A [`Log`] keeps the hash of every complete subtree, level by level (about 64 bytes a leaf), so that appending costs
//! one hash on average and a root, a path or a proof about any earlier size costs O(log n) look-ups. It keeps no leaf
//! data. The verifying functions need no log: they are what a reader of a receipt or a bundle runs.

use sha2::{Digest as _, Sha256};
use units::Digest;

/// Longest path in a tree whose size is a `u64`: one node a level.
pub const PATH_MAX: usize = 64;

/// Hash of a leaf: SHA-256 of 0x00 and the data (RFC 9162 2.1.1).
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::new_with_prefix([0x00]).chain_update(data).finalize().into())
}

/// Hash of an inner node: SHA-256 of 0x01 and both children (RFC 9162 2.1.1).
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let hasher = Sha256::new_with_prefix([0x01]).chain_update(left.as_bytes()).chain_update(right.as_bytes());
    Digest::from_bytes(hasher.finalize().into())
}

/// Root of the tree without leaves: SHA-256 of nothing (RFC 9162 2.1.1).
#[must_use]
pub fn empty_root() -> Digest {
    Digest::from_bytes(Sha256::digest([]).into())
}

/// The hashes of all complete subtrees of an append-only sequence of leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// `levels[l][i]` is the hash of the leaves from `i * 2^l` up to `(i + 1) * 2^l`; level 0 is always there once
    /// a leaf is.
    levels: Vec<Vec<Digest>>,
}

impl Log {
    /// Without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { levels: Vec::new() }
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| length(leaves))
    }

    /// Hash of a leaf, `None` beyond the last.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Option<Digest> {
        self.subtree(0, index)
    }

    /// Appends a leaf by its [`leaf_hash`].
    pub fn append(&mut self, leaf: Digest) {
        let mut hash = leaf;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(hash);
            match row.as_slice() {
                [.., left, right] if row.len().is_multiple_of(2) => hash = node_hash(left, right),
                _ => return,
            }
        }
    }

    /// Drops all leaves from `size` on; nothing happens when there are none.
    pub fn truncate(&mut self, size: u64) {
        let mut kept = size;
        for row in &mut self.levels {
            row.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
            kept /= 2;
        }
        self.levels.retain(|row| !row.is_empty());
    }

    /// Root over all leaves.
    #[must_use]
    pub fn root(&self) -> Digest {
        fold(self.peaks(self.size()))
    }

    /// Root when the log had `size` leaves; `None` if it never had.
    #[must_use]
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        (size <= self.size()).then(|| fold(self.peaks(size)))
    }

    /// Size and root that appending `leaves` would give, in O(k + log n), the log unchanged.
    #[must_use]
    pub fn extended(&self, leaves: &[Digest]) -> (u64, Digest) {
        let mut peaks = self.peaks(self.size());
        let mut size = self.size();
        for leaf in leaves {
            let mut hash = *leaf;
            // The lowest set bits of the size are the peaks that the new leaf completes, smallest last.
            for _ in 0..size.trailing_ones() {
                if let Some(left) = peaks.pop() {
                    hash = node_hash(&left, &hash);
                }
            }
            peaks.push(hash);
            size += 1;
        }
        (size, fold(peaks))
    }

    /// Inclusion path (RFC 9162 2.1.3.1) of leaf `index` in the tree of the first `size` leaves, from the leaf up.
    /// `None` when the leaf is not in it or the log is shorter.
    #[must_use]
    pub fn inclusion_path(&self, index: u64, size: u64) -> Option<Vec<Digest>> {
        if index >= size || size > self.size() {
            return None;
        }
        let (mut start, mut end) = (0, size);
        let mut path = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                path.push(self.range(middle, end));
                end = middle;
            } else {
                path.push(self.range(start, middle));
                start = middle;
            }
        }
        path.reverse();
        Some(path)
    }

    /// Consistency path (RFC 9162 2.1.4.1) from the first `old` leaves to the first `new`; empty when they are the same
    /// or `old` is 0. `None` when `old` is larger than `new` or the log is shorter.
    #[must_use]
    pub fn consistency_path(&self, old: u64, new: u64) -> Option<Vec<Digest>> {
        if old > new || new > self.size() {
            return None;
        }
        if old == 0 || old == new {
            return Some(Vec::new());
        }
        let (mut start, mut end) = (0, new);
        let mut path = Vec::new();
        // SUBPROOF of the RFC as a descent: the old tree's edge lies within start..end until they meet.
        while end != old {
            let middle = start + split(end - start);
            if old <= middle {
                path.push(self.range(middle, end));
                end = middle;
            } else {
                path.push(self.range(start, middle));
                start = middle;
            }
        }
        // The verifier already has the hash of a subtree that is the whole old tree.
        if start != 0 {
            path.push(self.range(start, end));
        }
        path.reverse();
        Some(path)
    }

    fn subtree(&self, level: usize, index: u64) -> Option<Digest> {
        self.levels.get(level)?.get(usize::try_from(index).ok()?).copied()
    }

    /// The complete subtrees that the first `size` leaves consist of, largest first.
    fn peaks(&self, size: u64) -> Vec<Digest> {
        self.range_peaks(0, size)
    }

    /// Root over the leaves `start..end`, where `start` is a multiple of the power of two at or above the length.
    fn range(&self, start: u64, end: u64) -> Digest {
        fold(self.range_peaks(start, end))
    }

    fn range_peaks(&self, start: u64, end: u64) -> Vec<Digest> {
        let mut at = start;
        let complete = |level: u32| {
            if (end - start) >> level & 1 == 0 {
                return None;
            }
            let index = at >> level;
            at += 1 << level;
            self.subtree(usize::try_from(level).ok()?, index)
        };
        (0..u64::BITS).rev().filter_map(complete).collect()
    }
}

/// Joins complete subtrees, largest first, into one root (RFC 9162 2.1.1).
fn fold(peaks: Vec<Digest>) -> Digest {
    peaks.into_iter().rev().reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
}

/// The largest power of two below `length`, which is at least 2.
const fn split(length: u64) -> u64 {
    1 << (u64::BITS - 1 - (length - 1).leading_zeros())
}

fn length(row: &[Digest]) -> u64 {
    u64::try_from(row.len()).unwrap_or(u64::MAX)
}

/// The root that an inclusion path leads to (RFC 9162 2.1.3.2); `None` when the path's length cannot belong to this
/// index and size. The caller compares the root with one that it trusts.
#[must_use]
pub fn root_from_inclusion(leaf_hash: Digest, index: u64, size: u64, path: &[Digest]) -> Option<Digest> {
    if index >= size {
        return None;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = leaf_hash;
    for node in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(node, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, node);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

/// Whether the tree of `new_size` leaves with `new_root` begins with the tree of `old_size` leaves with `old_root`
/// (RFC 9162 2.1.4.2). The empty tree begins every tree, with an empty path.
#[must_use]
pub fn verify_consistency(old_size: u64, old_root: Digest, new_size: u64, new_root: Digest, path: &[Digest]) -> bool {
    if old_size == 0 {
        return path.is_empty() && old_root == empty_root() && (new_size != 0 || new_root == old_root);
    }
    if old_size >= new_size {
        return old_size == new_size && path.is_empty() && old_root == new_root;
    }
    let complete = old_size.is_power_of_two();
    let Some((first, rest)) = (if complete { Some((&old_root, path)) } else { path.split_first() }) else {
        return false;
    };
    let shift = (old_size - 1).trailing_ones();
    // Shifting by all 64 bits happens for no size that fits memory, but must not panic.
    let mut at = (old_size - 1).checked_shr(shift).unwrap_or(0);
    let mut last = (new_size - 1).checked_shr(shift).unwrap_or(0);
    let (mut old, mut new) = (*first, *first);
    for node in rest {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old = node_hash(node, &old);
            new = node_hash(node, &new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, node);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old == old_root && new == new_root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(index: u64) -> Digest {
        leaf_hash(&index.to_be_bytes())
    }

    fn log_of(size: u64) -> Log {
        let mut log = Log::new();
        (0..size).for_each(|index| log.append(leaf(index)));
        log
    }

    /// MTH of RFC 9162 2.1.1 as it is written there.
    fn root_by_definition(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&root_by_definition(left), &root_by_definition(right))
            }
        }
    }

    /// PATH of RFC 9162 2.1.3.1 as it is written there.
    fn path_by_definition(index: usize, leaves: &[Digest]) -> Vec<Digest> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut path, sibling) = if index < left.len() {
            (path_by_definition(index, left), root_by_definition(right))
        } else {
            (path_by_definition(index - left.len(), right), root_by_definition(left))
        };
        path.push(sibling);
        path
    }

    /// SUBPROOF of RFC 9162 2.1.4.1 as it is written there.
    fn subproof_by_definition(old: usize, leaves: &[Digest], whole: bool) -> Vec<Digest> {
        if old == leaves.len() {
            return if whole { Vec::new() } else { vec![root_by_definition(leaves)] };
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut path, sibling) = if old <= left.len() {
            (subproof_by_definition(old, left, whole), root_by_definition(right))
        } else {
            (subproof_by_definition(old - left.len(), right, false), root_by_definition(left))
        };
        path.push(sibling);
        path
    }

    #[test]
    fn roots_and_paths_are_those_of_the_definition() {
        let log = log_of(70);
        let leaves: Vec<Digest> = (0..70).map(leaf).collect();
        for new in 0..=70usize {
            let size = new as u64;
            let part = &leaves[..new];
            let root = root_by_definition(part);
            assert_eq!(log.root_at(size), Some(root));
            for (index, leaf) in part.iter().enumerate() {
                let path = log.inclusion_path(index as u64, size).unwrap();
                assert_eq!(path, path_by_definition(index, part));
                assert_eq!(root_from_inclusion(*leaf, index as u64, size, &path), Some(root));
            }
            for old in 1..=new {
                let path = log.consistency_path(old as u64, size).unwrap();
                assert_eq!(path, subproof_by_definition(old, part, true));
                assert!(verify_consistency(old as u64, log.root_at(old as u64).unwrap(), size, root, &path));
            }
        }
        assert_eq!(log.root_at(71), None);
    }

    #[test]
    fn extending_and_truncating_agree_with_appending() {
        let leaves: Vec<Digest> = (0..40).map(leaf).collect();
        for old in 0..40usize {
            for new in old..=40 {
                let expected = log_of(new as u64);
                assert_eq!(log_of(old as u64).extended(&leaves[old..new]), (new as u64, expected.root()));
                let mut cut = expected;
                cut.truncate(old as u64);
                assert_eq!(cut, log_of(old as u64));
            }
        }
    }

    #[test]
    fn reject_paths_that_are_cut_lengthened_or_changed() {
        let log = log_of(21);
        let root = log.root();
        for index in 0..21 {
            let path = log.inclusion_path(index, 21).unwrap();
            let fits = |index, size, path: &[Digest]| root_from_inclusion(leaf(index), index, size, path) == Some(root);
            assert!(fits(index, 21, &path));
            assert!(!fits(index, 21, &path[1..]) && !fits(index, 21, &path[..path.len() - 1]));
            assert!(!fits(index, 21, &[path.clone(), vec![root]].concat()));
            assert!(!fits((index + 1) % 21, 21, &path));
            for at in 0..path.len() {
                let mut changed = path.clone();
                changed[at] = leaf(99);
                assert!(!fits(index, 21, &changed));
            }
        }
        for old in 1..21 {
            let (old_root, path) = (log.root_at(old).unwrap(), log.consistency_path(old, 21).unwrap());
            assert!(!verify_consistency(old, log.root_at(old - 1).unwrap(), 21, root, &path));
            assert!(!verify_consistency(old, old_root, 21, leaf(1), &path));
            assert!(!verify_consistency(old, old_root, 21, root, &path[1..]));
            assert!(!verify_consistency(old, old_root, 21, root, &[path.clone(), vec![root]].concat()));
        }
    }

    #[test]
    fn the_empty_tree_begins_every_tree_and_only_itself_is_empty() {
        let (empty, root) = (empty_root(), log_of(3).root());
        assert_eq!(empty.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert!(verify_consistency(0, empty, 3, root, &[]));
        assert!(verify_consistency(0, empty, 0, empty, &[]));
        assert!(!verify_consistency(0, empty, 0, root, &[]));
        assert!(!verify_consistency(0, root, 3, root, &[]));
        assert!(!verify_consistency(0, empty, 3, root, &[root]));
        assert_eq!(root_from_inclusion(root, 0, 0, &[]), None);
        assert!(!verify_consistency(u64::MAX, root, u64::MAX - 1, root, &[]));
        assert!(!verify_consistency(u64::MAX - 1, root, u64::MAX, root, &[root; 70]));
    }
}
