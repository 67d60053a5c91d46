//! A compressed sparse Merkle tree over 256-bit keys: one root for all state records, and proofs of presence and absence.
//!
//! The shape is that of the Jellyfish Merkle tree (Gao, Hu, Wu 2021): a subtree without records hashes to 32 zero
//! bytes, a subtree with one record is that record's leaf, wherever it stands, and an inner node stands only above two
//! records or more. So root and shape follow from the set of records alone, whatever the order of changes. Leaf:
//! SHA-256(0x00, key, value); inner: SHA-256(0x01, left, right). Keys and values are digests that the caller computes.
//!
//! A change costs O(log n) hashes for keys that are digests; a clone shares all nodes and costs nothing until changed.

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use units::Digest;

/// Root of a subtree without records.
pub const EMPTY: Digest = Digest::from_bytes([0; 32]);

/// Bits of a key, so the longest path, and the deepest recursion here.
pub const DEPTH_MAX: usize = 256;

fn leaf_hash(key: &Digest, value: &Digest) -> Digest {
    hash(0x00, key, value)
}

fn inner_hash(left: &Digest, right: &Digest) -> Digest {
    hash(0x01, left, right)
}

fn hash(prefix: u8, first: &Digest, second: &Digest) -> Digest {
    let hasher = Sha256::new_with_prefix([prefix]).chain_update(first.as_bytes()).chain_update(second.as_bytes());
    Digest::from_bytes(hasher.finalize().into())
}

/// Bit `depth` of a key, the first bit being the highest of its first byte; true goes right.
fn goes_right(key: &Digest, depth: usize) -> bool {
    key.as_bytes()[depth / 8] >> (7 - depth % 8) & 1 == 1
}

/// Number of leading bits that two keys share; 256 when they are the same.
fn shared_bits(a: &Digest, b: &Digest) -> usize {
    (0..DEPTH_MAX).find(|depth| goes_right(a, *depth) != goes_right(b, *depth)).unwrap_or(DEPTH_MAX)
}

#[derive(Debug, Clone)]
enum Node {
    Empty,
    Leaf { key: Digest, value: Digest, hash: Digest },
    Inner { children: Arc<[Node; 2]>, hash: Digest },
}

impl Node {
    fn leaf(key: Digest, value: Digest) -> Self {
        Self::Leaf { key, value, hash: leaf_hash(&key, &value) }
    }

    /// An inner node, or what stands in its place when it would hold fewer than two records.
    fn join(children: Arc<[Self; 2]>) -> Self {
        match &*children {
            [Self::Empty, only @ (Self::Empty | Self::Leaf { .. })] | [only @ Self::Leaf { .. }, Self::Empty] => {
                only.clone()
            }
            [left, right] => {
                let hash = inner_hash(&left.hash(), &right.hash());
                Self::Inner { children, hash }
            }
        }
    }

    const fn hash(&self) -> Digest {
        match self {
            Self::Empty => EMPTY,
            Self::Leaf { hash, .. } | Self::Inner { hash, .. } => *hash,
        }
    }

    fn insert(self, depth: usize, key: Digest, value: Digest) -> Self {
        match self {
            Self::Empty => Self::leaf(key, value),
            Self::Leaf { key: present, .. } if present == key => Self::leaf(key, value),
            Self::Leaf { key: present, .. } => {
                let (one, other) = (self, Self::leaf(key, value));
                let shared = shared_bits(&present, &key);
                let fork = if goes_right(&key, shared) { [one, other] } else { [other, one] };
                // Above the fork, down from `depth`, one child of each inner node is empty.
                (depth..shared).rev().fold(Self::join(Arc::new(fork)), |node, level| {
                    let pair = if goes_right(&key, level) { [Self::Empty, node] } else { [node, Self::Empty] };
                    Self::join(Arc::new(pair))
                })
            }
            Self::Inner { children, .. } => {
                Self::change_child(children, depth, &key, |child| child.insert(depth + 1, key, value))
            }
        }
    }

    fn remove(self, depth: usize, key: &Digest) -> Self {
        match self {
            Self::Leaf { key: present, .. } if present == *key => Self::Empty,
            Self::Inner { children, .. } => {
                Self::change_child(children, depth, key, |child| child.remove(depth + 1, key))
            }
            other => other,
        }
    }

    /// Many changes at once, sorted by key and each key once, so that every inner node on the way is hashed once.
    fn update(self, depth: usize, changes: &[(Digest, Option<Digest>)]) -> Self {
        match (changes, self) {
            ([], node) => node,
            ([(key, Some(value))], node) => node.insert(depth, *key, *value),
            ([(key, None)], node) => node.remove(depth, key),
            (_, Self::Leaf { key, value, .. }) => {
                let mut changes = changes.to_vec();
                // A change of the leaf's own key replaces it.
                if let Err(place) = changes.binary_search_by_key(&key, |(key, _)| *key) {
                    changes.insert(place, (key, Some(value)));
                }
                Self::Empty.update(depth, &changes)
            }
            (_, Self::Empty) => Self::update_children(Arc::new([Self::Empty, Self::Empty]), depth, changes),
            (_, Self::Inner { children, .. }) => Self::update_children(children, depth, changes),
        }
    }

    fn update_children(mut children: Arc<[Self; 2]>, depth: usize, changes: &[(Digest, Option<Digest>)]) -> Self {
        let (left, right) = changes.split_at(changes.partition_point(|(key, _)| !goes_right(key, depth)));
        for (child, changes) in Arc::make_mut(&mut children).iter_mut().zip([left, right]) {
            *child = std::mem::replace(child, Self::Empty).update(depth + 1, changes);
        }
        Self::join(children)
    }

    fn change_child(
        mut children: Arc<[Self; 2]>,
        depth: usize,
        key: &Digest,
        change: impl FnOnce(Self) -> Self,
    ) -> Self {
        let child = &mut Arc::make_mut(&mut children)[usize::from(goes_right(key, depth))];
        *child = change(std::mem::replace(child, Self::Empty));
        Self::join(children)
    }
}

/// The tree.
#[derive(Debug, Clone)]
pub struct SparseTree {
    root: Node,
}

impl Default for SparseTree {
    fn default() -> Self {
        Self::new()
    }
}

impl SparseTree {
    /// Without records.
    #[must_use]
    pub const fn new() -> Self {
        Self { root: Node::Empty }
    }

    /// Root over all records; [`EMPTY`] without records.
    #[must_use]
    pub const fn root(&self) -> Digest {
        self.root.hash()
    }

    /// Puts a record, replacing an earlier value of the same key.
    pub fn insert(&mut self, key: Digest, value: Digest) {
        self.root = std::mem::replace(&mut self.root, Node::Empty).insert(0, key, value);
    }

    /// Takes a record away; nothing happens when there is none.
    pub fn remove(&mut self, key: &Digest) {
        self.root = std::mem::replace(&mut self.root, Node::Empty).remove(0, key);
    }

    /// Puts records, and takes away those whose value is `None`.
    pub fn update(&mut self, changes: BTreeMap<Digest, Option<Digest>>) {
        let changes: Vec<_> = changes.into_iter().collect();
        self.root = std::mem::replace(&mut self.root, Node::Empty).update(0, &changes);
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &Digest) -> Option<Digest> {
        match self.descend(key, |_| ()) {
            Node::Leaf { key: present, value, .. } if present == key => Some(*value),
            _ => None,
        }
    }

    /// Proof of what [`SparseTree::get`] says about a key: of its value, or of its absence.
    #[must_use]
    pub fn proof(&self, key: &Digest) -> SparseProof {
        let mut siblings = Vec::new();
        let end = self.descend(key, |sibling| siblings.push(sibling.hash()));
        let other = match end {
            Node::Leaf { key: present, value, .. } if present != key => Some((*present, *value)),
            _ => None,
        };
        SparseProof { siblings, other }
    }

    /// Walks towards a key, past each sibling, to the leaf or the empty subtree at the end.
    fn descend(&self, key: &Digest, mut pass: impl FnMut(&Node)) -> &Node {
        let mut node = &self.root;
        let mut depth = 0;
        while let Node::Inner { children, .. } = node {
            let side = usize::from(goes_right(key, depth));
            pass(&children[1 - side]);
            node = &children[side];
            depth += 1;
        }
        node
    }
}

/// A way from the root towards a key. Encoded as `[[sibling, ...]]`, or `[[sibling, ...], [key, value]]`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SparseProof {
    /// Hashes beside the way, from the root down.
    #[cbor(n(0), decode_with = "crate::cbor::bounded::<DEPTH_MAX, _, _>")]
    siblings: Vec<Digest>,
    /// The record of another key that the way ends at; proves absence.
    #[n(1)]
    other: Option<(Digest, Digest)>,
}

impl SparseProof {
    /// Whether, in the tree with this root, the key has this value, or for `None` no value at all.
    #[must_use]
    pub fn verify(&self, key: &Digest, value: Option<&Digest>, root: &Digest) -> bool {
        let depth = self.siblings.len();
        let end = match (value, &self.other) {
            (Some(value), None) => leaf_hash(key, value),
            (None, None) => EMPTY,
            (None, Some((other, other_value))) if other != key && shared_bits(other, key) >= depth => {
                leaf_hash(other, other_value)
            }
            _ => return false,
        };
        if depth > DEPTH_MAX {
            return false;
        }
        let step = |below: Digest, (level, sibling): (usize, &Digest)| {
            if goes_right(key, level) { inner_hash(sibling, &below) } else { inner_hash(&below, sibling) }
        };
        self.siblings.iter().enumerate().rev().fold(end, step) == *root
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbor;
    use proptest::prelude::*;

    /// The root by its definition, from the set of records.
    fn root_by_definition(records: &[(Digest, Digest)], depth: usize) -> Digest {
        match records {
            [] => EMPTY,
            [(key, value)] => leaf_hash(key, value),
            _ => {
                let (right, left): (Vec<_>, Vec<_>) = records.iter().partition(|(key, _)| goes_right(key, depth));
                inner_hash(&root_by_definition(&left, depth + 1), &root_by_definition(&right, depth + 1))
            }
        }
    }

    /// Few keys, many of them with long shared beginnings, so that forks, chains and collapses all happen.
    fn key() -> impl Strategy<Value = Digest> {
        (0u8..4, 0u8..4, 0u8..3).prop_map(|(first, middle, last)| {
            let mut bytes = [0; 32];
            (bytes[0], bytes[9], bytes[31]) = (first << 5, middle, last);
            Digest::from_bytes(bytes)
        })
    }

    fn change() -> impl Strategy<Value = (Digest, Option<u8>)> {
        (key(), proptest::option::weighted(0.6, any::<u8>()))
    }

    fn digest(byte: u8) -> Digest {
        Digest::from_bytes([byte; 32])
    }

    proptest! {
        #[test]
        fn root_follows_from_the_records_alone(changes in proptest::collection::vec(change(), 0..60), probe in key()) {
            let (mut tree, mut records) = (SparseTree::new(), BTreeMap::new());
            for (key, value) in changes {
                match value.map(digest) {
                    Some(value) => { tree.insert(key, value); records.insert(key, value); }
                    None => { tree.remove(&key); records.remove(&key); }
                }
                let list: Vec<_> = records.iter().map(|(key, value)| (*key, *value)).collect();
                prop_assert_eq!(tree.root(), root_by_definition(&list, 0));
            }
            prop_assert_eq!(tree.get(&probe), records.get(&probe).copied());
            let mut backwards = SparseTree::new();
            records.iter().rev().for_each(|(key, value)| backwards.insert(*key, *value));
            prop_assert_eq!(backwards.root(), tree.root());
        }

        #[test]
        fn many_changes_at_once_give_what_one_after_the_other_does(
            before in proptest::collection::btree_map(key(), any::<u8>(), 0..40),
            changes in proptest::collection::btree_map(key(), proptest::option::weighted(0.6, any::<u8>()), 0..40),
        ) {
            let mut tree = SparseTree::new();
            before.iter().for_each(|(key, value)| tree.insert(*key, digest(*value)));
            let (kept, mut at_once) = (tree.root(), tree.clone());
            at_once.update(changes.iter().map(|(key, value)| (*key, value.map(digest))).collect());
            prop_assert_eq!(tree.root(), kept);
            for (key, value) in &changes {
                match value {
                    Some(value) => tree.insert(*key, digest(*value)),
                    None => tree.remove(key),
                }
            }
            prop_assert_eq!(at_once.root(), tree.root());
            for key in before.keys().chain(changes.keys()) {
                prop_assert_eq!(at_once.get(key), tree.get(key));
                prop_assert!(at_once.proof(key).verify(key, tree.get(key).as_ref(), &tree.root()));
            }
        }

        #[test]
        fn proofs_hold_and_no_changed_bit_does(
            records in proptest::collection::btree_map(key(), any::<u8>(), 0..30), probe in key(), bit in any::<prop::sample::Index>(),
        ) {
            let mut tree = SparseTree::new();
            records.iter().for_each(|(key, value)| tree.insert(*key, digest(*value)));
            let (proof, value) = (tree.proof(&probe), tree.get(&probe));
            prop_assert!(proof.verify(&probe, value.as_ref(), &tree.root()));
            let denied = if value.is_some() { None } else { Some(digest(1)) };
            prop_assert!(!proof.verify(&probe, denied.as_ref(), &tree.root()));

            let bytes = cbor::encode(&proof);
            prop_assert_eq!(cbor::decode::<SparseProof>(&bytes), Ok(proof));
            let bit = bit.index(bytes.len() * 8);
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(other) = cbor::decode::<SparseProof>(&flipped) {
                prop_assert!(!other.verify(&probe, value.as_ref(), &tree.root()));
            }
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(proof) = cbor::decode::<SparseProof>(&bytes) {
                prop_assert_eq!(cbor::encode(&proof), bytes);
            }
        }
    }

    #[test]
    fn keys_that_differ_in_the_last_bit_are_told_apart() {
        let (mut a, mut b) = ([0xaa; 32], [0xaa; 32]);
        (a[31], b[31]) = (0, 1);
        let (a, b) = (Digest::from_bytes(a), Digest::from_bytes(b));
        let mut tree = SparseTree::new();
        tree.insert(a, digest(1));
        tree.insert(b, digest(2));
        assert_eq!((tree.get(&a), tree.get(&b)), (Some(digest(1)), Some(digest(2))));
        assert_eq!(tree.proof(&a).siblings.len(), DEPTH_MAX);
        let root = tree.root();
        let kept = tree.clone();
        tree.remove(&b);
        assert_eq!(tree.root(), leaf_hash(&a, &digest(1)));
        assert_eq!(kept.root(), root);
    }

    #[test]
    fn reject_more_siblings_than_a_key_has_bits() {
        let proof = SparseProof { siblings: vec![EMPTY; DEPTH_MAX + 1], other: None };
        assert!(!proof.verify(&EMPTY, None, &EMPTY));
        assert!(cbor::decode::<SparseProof>(&cbor::encode(&proof)).is_err());
    }
}
