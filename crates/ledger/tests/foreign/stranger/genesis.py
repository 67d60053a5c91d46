"""The genesis document (section 4)."""

import bisect
from dataclasses import dataclass

from . import cbor
from .keys import ED25519, ES256, RS256, Key, sha256
from .refusal import at, need

BYTES_MAX = 65_535
ENERGY_MAX = 10**18
DAY = 86_400_000


def energy(value):
    need(cbor.uint(value) <= ENERGY_MAX, "an amount above 10^18 mWh")
    return value


def usable_key(value, *algorithms):
    key = Key(value)
    need(key.is_valid(), "a key that section 3 refuses")
    need(key.algorithm in algorithms, "a key of another kind")
    return key


class Genesis:
    """A checked genesis document. Its hash is the ledger's id."""

    def __init__(self, document):
        with at("genesis"):
            need(len(document) <= BYTES_MAX, "more than 65,535 bytes")
            self.ledger = sha256(document)
            parts = cbor.fields(cbor.decode(document), (*range(1, 19), 20, 21))
            self._read_parties(parts)
            self._read_calendar(parts)
            self._read_amounts(parts)

    def _read_parties(self, parts):
        cbor.one_of(parts[1], {1})
        cbor.text(parts[2])
        self.operator = usable_key(parts[4], ED25519, ES256, RS256)
        self.log_key = usable_key(parts[5], ED25519)
        self.receipt_keys = cbor.listed(parts[6], lambda key: usable_key(key, ES256))
        self.miners = cbor.listed(parts[7], read_miner)
        accounts = [key.account for key, _ in self.miners]
        need(len(set(accounts)) == len(accounts), "a miner listed twice")

    def _read_calendar(self, parts):
        self.created = cbor.uint(parts[3])
        cbor.text(parts[8])
        self.first_month = cbor.uint(parts[9], 32)
        self.starts = cbor.listed(parts[10], cbor.uint, 2, 1201)
        need(all(a < b for a, b in zip(self.starts, self.starts[1:])), "month starts that do not rise")
        need(self.month_of(self.created) is not None, "a genesis time outside the months")
        self.offsets = cbor.listed(parts[20], read_offset, 1, 401)
        begins = [since for since, _ in self.offsets]
        need(begins[0] <= self.starts[0] and begins == sorted(set(begins)), "offsets that begin late or do not rise")
        need(all(abs(seconds) < 86_400 for _, seconds in self.offsets), "an offset of a day or more")
        cbor.text(parts[11])
        self.close_after = cbor.uint(parts[12])

    def _read_amounts(self, parts):
        self.carries_over = cbor.one_of(parts[13], {0, 1}) == 1
        order = cbor.fields(parts[14], (1, 2, 3, 4), (5,))
        self.level = cbor.one_of(order[1], range(1, 6))
        self.block_distance, self.empty_block_distance = cbor.uint(order[2]), cbor.uint(order[3])
        need(cbor.uint(order[4]) <= 512, "a final depth beyond what can be undone")
        self.block_time, self.half_life = cbor.present(order[5], self._read_retarget) or (None, None)
        rewards = cbor.fields(parts[15], (1, 2, 3))
        self.rewards = cbor.listed(rewards[1], energy, 5, 5)
        self.budget, self.fee = energy(rewards[2]), energy(rewards[3])
        cbor.boolean(parts[16])
        self.classroom = cbor.boolean(parts[17])
        need(self.classroom or not self.operator.is_weak(), "a key of 1024 bits on a ledger that is not for teaching")
        self.tenancy = cbor.boolean(parts[21])
        self.limits = read_limits(parts[18])
        need(self.limits.is_ordered(), "voltage limits that are not in order")

    def _read_retarget(self, value):
        parts = cbor.fields(value, (1, 2))
        block_time, half_life = cbor.uint(parts[1]), cbor.uint(parts[2])
        need(max(self.block_distance, self.empty_block_distance) < block_time <= DAY, "a refused block time")
        need(block_time <= half_life <= 365 * DAY, "a refused half-life")
        return block_time, half_life

    def months(self):
        return range(self.first_month, self.first_month + len(self.starts) - 1)

    def span(self, month):
        """Start and end of a month, or None outside the calendar."""
        if month not in self.months():
            return None
        index = month - self.first_month
        return self.starts[index], self.starts[index + 1]

    def month_of(self, time):
        index = bisect.bisect_right(self.starts, time) - 1
        return self.first_month + index if 0 <= index < len(self.starts) - 1 else None

    def offset_at(self, time):
        """Seconds that the wall clock is ahead of UTC, and when that changes next."""
        index = bisect.bisect_right(self.offsets, time, key=lambda offset: offset[0])
        change = self.offsets[index][0] if index < len(self.offsets) else None
        return self.offsets[max(index - 1, 0)][1], change

    def close_time(self, month):
        return self.span(month)[1] + self.close_after


@dataclass(frozen=True)
class Limits:
    """Of the supply voltage, in mV. `body` is as written: a record holds it."""

    nominal: int
    lowest: int
    highest: int
    body: dict

    def is_ordered(self):
        return self.lowest <= self.nominal <= self.highest


def read_limits(value):
    parts = cbor.fields(value, (1, 2, 3, 4))
    cbor.text(parts[4], 0, 140)
    return Limits(cbor.uint(parts[1]), cbor.uint(parts[2]), cbor.uint(parts[3]), value)


def read_offset(value):
    since, seconds = cbor.items(value, 2)
    need(-(1 << 31) <= cbor.sint(seconds) < 1 << 31, "an offset beyond 32 bits")
    return cbor.uint(since), seconds


def read_miner(value):
    parts = cbor.fields(value, (1, 2))
    return usable_key(parts[1], ED25519, ES256), cbor.digest(parts[2])
