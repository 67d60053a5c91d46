"""The log's Merkle tree (RFC 9162 2.1) and the checkpoint that signs it (section 13)."""

import base64
import re

from .keys import sha256
from .refusal import Refused, need


def leaf_hash(data):
    return sha256(b"\x00", data)


def node_hash(left, right):
    return sha256(b"\x01", left, right)


class Log:
    """A growing tree: the roots of its full subtrees, largest first."""

    def __init__(self):
        self.size = 0
        self.peaks = []  # (leaves, root)

    def append(self, data):
        self.size += 1
        self.peaks.append((1, leaf_hash(data)))
        while len(self.peaks) > 1 and self.peaks[-2][0] == self.peaks[-1][0]:
            (leaves, right), (_, left) = self.peaks.pop(), self.peaks.pop()
            self.peaks.append((2 * leaves, node_hash(left, right)))

    def root(self):
        if not self.peaks:
            return sha256(b"")
        root = self.peaks[-1][1]
        for _, left in reversed(self.peaks[:-1]):
            root = node_hash(left, root)
        return root


def root_from_path(leaf, index, size, path):
    """RFC 9162 2.1.3.2: the root that an inclusion path leads to."""
    need(index < size, "an index beyond the tree")
    at, last, result = index, size - 1, leaf
    for node in path:
        need(last != 0, "a path that is too long")
        if at & 1 or at == last:
            result = node_hash(node, result)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            result = node_hash(result, node)
        at, last = at >> 1, last >> 1
    need(last == 0, "a path that is too short")
    return result


def roots_from_growth(old, new, old_root, path):
    """RFC 9162 2.1.4.2: the two roots that a consistency path leads to; the older one counts where it is a subtree."""
    need(0 < old <= new, "an older tree without leaves, or larger than the newer")
    if old == new:
        need(not path, "a path between equal trees")
        return old_root, old_root
    nodes = [old_root, *path] if old & old - 1 == 0 else list(path)
    need(nodes, "a path that is too short")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = nodes[0]
    for node in nodes[1:]:
        need(last != 0, "a path that is too long")
        if at & 1 or at == last:
            first, second = node_hash(node, first), node_hash(node, second)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, node)
        at, last = at >> 1, last >> 1
    need(last == 0, "a path that is too short")
    return first, second


NUMBER, HASH = "(0|[1-9][0-9]{0,19})", "([A-Za-z0-9+/]{43}=)"
NOTE_BYTES_MAX = 1024


class Checkpoint:
    """A signed note (C2SP tlog-checkpoint) whose signature has been checked."""

    def __init__(self, note, ledger, log_key):
        need(len(note.encode()) <= NOTE_BYTES_MAX, "a note of more than 1,024 bytes")
        origin = f"wattproof/{ledger.hex()}"
        lines = [re.escape(origin), NUMBER, HASH, "height " + NUMBER, "block " + HASH]
        form = "\n".join(lines) + "\n\n— " + re.escape(origin) + " ([A-Za-z0-9+/]+={0,2})\n"
        match = re.fullmatch(form, note)
        need(match, "no checkpoint of this ledger")
        size, root, height, block, signature = match.groups()
        self.size, self.height = int(size), int(height)
        self.root, self.block = canonical_base64(root), canonical_base64(block)
        need(self.size < 2**64 and self.height < 2**64, "a number beyond 64 bits")
        signature = canonical_base64(signature)
        key_id = sha256(origin.encode(), b"\n\x01", log_key.point)[:4]
        need(signature[:4] == key_id, "the note is signed by another key than the log's")
        log_key.verify(note.split("\n\n")[0].encode() + b"\n", signature[4:])


def canonical_base64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Refused("no base64") from error
    need(base64.b64encode(data).decode() == text, "base64 with idle bits")
    return data
