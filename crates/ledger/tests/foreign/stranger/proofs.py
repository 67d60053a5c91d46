"""Proofs that stand on checkpoints alone: that the state lacks a record (section 11), and how the log grew (section 13)."""

from . import cbor, receipt, tree
from .block import read_header
from .export import names_header
from .genesis import Genesis
from .keys import sha256
from .log import Checkpoint
from .records import read_key
from .refusal import at, need


def verify_absence(data):
    """[genesis, checkpoint, header, key, state proof]."""
    document, note, header, key, proof = cbor.items(cbor.decode(data), 5)
    genesis, header, key = Genesis(cbor.octets(document)), read_header(cbor.octets(header)), read_key(key)
    with at("checkpoint"):
        need(header.ledger == genesis.ledger, "a header of another ledger")
        names_header(open_checkpoint(note, genesis), header)
    siblings, other = cbor.items(proof, 2, 1)
    other = cbor.present(other, lambda pair: cbor.listed(pair, cbor.digest, 2, 2))
    place = sha256(cbor.encode(list(key)))
    root = tree.root_of_absence(place, cbor.listed(siblings, cbor.digest, 0, 256), other)
    need(root == header.state_root, "it is not shown that the record is not in the state")
    return f"no record of kind {key[0]} there at height {header.height}"


def verify_growth(data):
    """[genesis, earlier checkpoint, later checkpoint, receipt]."""
    document, *notes, grown = cbor.items(cbor.decode(data), 4)
    genesis = Genesis(cbor.octets(document))
    with at("checkpoints"):
        old, new = (open_checkpoint(note, genesis) for note in notes)
    with at("receipt"):
        receipt.check_growth(cbor.octets(grown), old, new, genesis)
    return f"the log of {new.size} statements begins with that of {old.size}"


def open_checkpoint(note, genesis):
    return Checkpoint(cbor.text(note), genesis.ledger, genesis.log_key)
