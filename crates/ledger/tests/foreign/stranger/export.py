"""Whole ledgers (section 14): replayed from the genesis document to the checkpoint."""

from . import cbor
from .block import Block, check_header
from .genesis import Genesis
from .log import Checkpoint
from .refusal import Refused, RuleBroken, at, need
from .rules import Booking
from .state import State

MAGIC = "wattproof ledger 1"


def verify(data):
    """Replays an export; gives the state after its last block."""
    magic, *items = cbor.decode_sequence(data)
    need(magic == MAGIC, "no ledger export")
    need(len(items) >= 2, "an export without genesis or checkpoint")
    document, *blocks, note = items
    state = State(Genesis(cbor.octets(document)))
    for height, block in enumerate(blocks, 1):
        with at(f"block {height}"):
            apply(state, Block(cbor.octets(block)))
    with at("checkpoint"):
        checkpoint = Checkpoint(cbor.text(note), state.genesis.ledger, state.genesis.log_key)
        names_header(checkpoint, state.head)
    return state


def names_header(checkpoint, header):
    same = (checkpoint.size, checkpoint.root, checkpoint.height, checkpoint.block) == (
        header.log_size,
        header.log_root,
        header.height,
        header.hash(),
    )
    need(same, "it does not name this block")


def apply(state, block):
    """The order of section 9."""
    header = block.header
    check_header(header, state, not block.statements)
    with at("seal"):
        state.key_of(header.proposer).verify(block.sealed_bytes(), block.seal)
    for statement in block.statements:
        state.log.append(statement.leaf)
    need((header.log_size, header.log_root) == (state.log.size, state.log.root()), "another log than the header's")
    # The rules of one statement cannot refuse what the signature of a later one would: any refusal refuses the block.
    booking = Booking(state, header)
    for index, statement in enumerate(block.statements):
        with at(f"statement {index}"):
            check_signature(state, statement)
            booking.book(statement)
    if block.statements:
        booking.pay_reward()
    state.check_balances()
    need(state.root() == header.state_root, "another state than the header's")
    state.head = header
    state.first = state.first or header


def check_signature(state, statement):
    """With the key that the signer's account has when the statement's turn comes."""
    key = state.key_of(statement.signer)
    try:
        statement.verify(key)
    except Refused as refused:
        raise RuleBroken("wrong_key", refused.reason) from refused
