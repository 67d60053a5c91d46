"""Blocks (section 9): their bytes, work and seal."""

from dataclasses import dataclass

from . import cbor
from .keys import sha256
from .refusal import at, need
from .statement import Statement

BYTES_MAX, STATEMENTS_MAX, HEADER_BYTES = 8 << 20, 8_192, 212


@dataclass(frozen=True)
class Header:
    version: int
    ledger: bytes
    height: int
    time: int
    previous: bytes
    log_size: int
    log_root: bytes
    state_root: bytes
    proposer: bytes
    difficulty: int
    extra_nonce: int
    nonce: int

    def to_bytes(self):
        return b"".join(
            value if type(value) is bytes else value.to_bytes(size, "big") for value, size in zip(self.values(), SIZES)
        )

    def values(self):
        return [getattr(self, name) for name in self.__dataclass_fields__]

    def hash(self):
        return sha256(self.to_bytes())


SIZES = (4, 32, 8, 8, 32, 8, 32, 32, 32, 8, 8, 8)


def read_header(data):
    need(len(data) == HEADER_BYTES, "a header of another length")
    values, offset = [], 0
    for field, size in zip(Header.__dataclass_fields__.values(), SIZES):
        part = data[offset : offset + size]
        values.append(part if field.type is bytes else int.from_bytes(part, "big"))
        offset += size
    return Header(*values)


class Block:
    """A block as it is written."""

    def __init__(self, data):
        need(len(data) <= BYTES_MAX, "a block of more than 8 MiB")
        header, leaves, self.seal = cbor.items(cbor.decode(data), 3)
        self.header = read_header(cbor.octets(header))
        cbor.octets(self.seal, 64)
        self.statements = []
        for index, leaf in enumerate(cbor.listed(leaves, cbor.octets, 0, STATEMENTS_MAX)):
            with at(f"statement {index}"):
                self.statements.append(Statement(leaf))

    def sealed_bytes(self):
        return b"wattproof block seal\x00" + self.header.hash()


def target(difficulty):
    return (2**256 - 1) // difficulty


def difficulty(genesis, level, parent, first):
    """Of the block after `parent`; `first` is the header of block 1, from which the schedule counts."""
    begin = 16**level
    if genesis.block_time is None or parent.height < 1:
        return begin
    ahead = genesis.block_time * (parent.height - 1) - (parent.time - first.time)
    scaled = abs(ahead * 65_536) // genesis.half_life
    whole, rest = divmod(scaled if ahead >= 0 else -scaled, 65_536)
    power = 65_536 + (195_766_423_245_049 * rest + 971_821_376 * rest**2 + 5_127 * rest**3 + 2**47 >> 48)
    moved = begin * power << whole if whole >= 0 else begin * power >> -whole
    return min(max(moved >> 16, 1), 2**56)


def level_of(difficulty):
    """floor(log16 D), kept within 1 to 5."""
    return min(max((difficulty.bit_length() - 1) // 4, 1), 5)


def check_header(header, state, is_empty):
    """Steps 1 to 3 of section 9, but for the seal."""
    parent, genesis, parameters = state.head, state.genesis, state.parameters()
    need(header.version == 1, "another protocol version")
    need(header.ledger == genesis.ledger, "a block of another ledger")
    need(header.height == parent.height + 1, "a height that does not follow")
    need(header.previous == parent.hash(), "the block before is another one")
    distance = max(genesis.block_distance, 1)
    if is_empty:
        distance = max(distance, genesis.empty_block_distance)
    need(header.time >= parent.time + distance, "too soon after the block before")
    level = parameters.level_at(header.height)
    need(
        header.difficulty == difficulty(genesis, level, parent, state.first),
        "another difficulty than follows from the parent",
    )
    need(int.from_bytes(header.hash(), "big") <= target(header.difficulty), "not enough work")
