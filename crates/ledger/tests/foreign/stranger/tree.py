"""The state tree (section 11): a sparse Merkle tree over H(key) -> H(record)."""

from .keys import sha256
from .refusal import need

EMPTY = bytes(32)


def leaf(key, value):
    return sha256(b"\x00", key, value)


def node(left, right):
    return sha256(b"\x01", left, right)


def bit(key, depth):
    """Bits are read from the highest of the first byte."""
    return key[depth // 8] >> 7 - depth % 8 & 1


def root(leaves, depth=0):
    """The root of [(key, value)] with rising keys that share their first `depth` bits."""
    if not leaves:
        return EMPTY
    if len(leaves) == 1:
        return leaf(*leaves[0])
    cut = next((at for at, (key, _) in enumerate(leaves) if bit(key, depth)), len(leaves))
    return node(root(leaves[:cut], depth + 1), root(leaves[cut:], depth + 1))


def fold(start, key, siblings):
    """From a subtree at the depth of the siblings' number up to the root."""
    result = start
    for depth in range(len(siblings) - 1, -1, -1):
        pair = (siblings[depth], result) if bit(key, depth) else (result, siblings[depth])
        result = node(*pair)
    return result


def root_of_presence(key, value, siblings):
    need(len(siblings) <= 256, "more siblings than a key has bits")
    return fold(leaf(key, value), key, siblings)


def root_of_absence(key, siblings, other):
    """The way towards the key ends at nothing, or at the record of another key that shares its bits so far."""
    need(len(siblings) <= 256, "more siblings than a key has bits")
    if other is None:
        return fold(EMPTY, key, siblings)
    shared = all(bit(key, depth) == bit(other[0], depth) for depth in range(len(siblings)))
    need(other[0] != key and shared, "the record at the way's end is not another one on the same way")
    return fold(leaf(*other), key, siblings)
