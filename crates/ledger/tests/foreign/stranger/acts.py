"""Acts (section 6): from CBOR to named fields."""

import re
from dataclasses import dataclass

from . import cbor
from .refusal import at, need

GAP, RESET, EXCHANGE = 1, 2, 3
ROLES = OPERATOR, MEMBER, GATEWAY, METER, MINER, VALIDATOR, AUDITOR = range(7)


@dataclass(frozen=True)
class RegisterKey:
    cose: dict
    role: int
    since: int
    beneficiary: bytes | None


@dataclass(frozen=True)
class RegisterMeter:
    meter: str
    signer: bytes
    member: bytes
    since: int
    profile: str
    factor: int


@dataclass(frozen=True)
class Contract:
    account: bytes
    month: int
    energy: int


@dataclass(frozen=True)
class Counters:
    start: int
    end: int

    def cbor(self):
        return [self.start, self.end]


@dataclass(frozen=True)
class Readings:
    binding: bytes
    number: int
    previous: bytes
    start: int
    end: int
    imported: Counters
    exported: Counters | None
    count: int
    broken: int | None
    estimated: bool
    frames: bytes


@dataclass(frozen=True)
class Note:
    is_empty: bool


@dataclass(frozen=True)
class Transfer:
    to: bytes
    energy: int
    month: int


@dataclass(frozen=True)
class Tariff:
    """Kept as it was written too: a record holds it."""

    since: int
    price: int
    excess_price: int
    step: int
    body: dict


@dataclass(frozen=True)
class Bill:
    """`body` is what has to be equal, byte for byte, to what section 10 gives."""

    account: bytes
    start: int
    until: int
    months: list
    body: dict


def meter_id(value):
    need(re.fullmatch("[A-Za-z0-9._-]{1,32}", cbor.text(value)), "no meter number")
    return value


def read_counters(value):
    return Counters(*(cbor.uint(each) for each in cbor.items(value, 2)))


def read_register(body):
    need(type(body) is list and len(body) == 2, "no choice")
    if cbor.one_of(body[0], {1, 2}) == 1:
        key = cbor.fields(body[1], (1, 2, 3), (4,))
        need(type(key[1]) is dict, "no key")
        return RegisterKey(
            key[1], cbor.one_of(key[2], ROLES), cbor.uint(key[3]), cbor.present(key[4], cbor.digest)
        )
    meter = cbor.fields(body[1], (1, 2, 3, 4, 5, 6))
    return RegisterMeter(
        meter_id(meter[1]), cbor.digest(meter[2]), cbor.digest(meter[3]),
        cbor.uint(meter[4]), cbor.text(meter[5]), cbor.uint(meter[6], 32),
    )  # fmt: skip


def read_contract(body):
    parts = cbor.fields(body, (1, 2, 3))
    return Contract(cbor.digest(parts[1]), cbor.uint(parts[2], 32), cbor.uint(parts[3]))


def read_readings(body):
    parts = cbor.fields(body, (1, 2, 3, 4, 5, 6, 8, 13, 14, 15, 16), (7, 9, 10, 11, 12))
    if parts[9] is not None:
        cbor.listed(parts[9], cbor.uint, 3, 3)
    cbor.present(parts[10], cbor.uint)
    cbor.present(parts[11], cbor.sint)
    cbor.listed(parts[13], read_event, 0, 16)
    cbor.digest(parts[15])
    return Readings(
        cbor.digest(parts[1]), cbor.uint(parts[2]), cbor.digest(parts[3]),
        cbor.uint(parts[4]), cbor.uint(parts[5]),
        read_counters(parts[6]), cbor.present(parts[7], read_counters), cbor.uint(parts[8], 32),
        cbor.present(parts[12], lambda value: cbor.one_of(value, {GAP, RESET, EXCHANGE})),
        cbor.boolean(parts[14]), cbor.digest(parts[16]),
    )  # fmt: skip


def read_event(value):
    kind, first, last, extreme = cbor.items(value, 4)
    cbor.one_of(kind, {1, 2})
    return kind, cbor.uint(first), cbor.uint(last), cbor.uint(extreme)


def read_note(body):
    parts = cbor.fields(body, (1,), (2, 3, 4, 5, 6))
    cbor.uint(parts[1])
    for number in (2, 3, 5):
        cbor.present(parts[number], cbor.uint)
    cbor.present(parts[4], cbor.sint)
    remark = cbor.present(parts[6], lambda value: cbor.text(value, 0, 280))
    return Note(all(parts[number] is None for number in (2, 3, 4, 5)) and not remark)


def read_transfer(body):
    parts = cbor.fields(body, (1, 2, 3))
    return Transfer(cbor.digest(parts[1]), cbor.uint(parts[2]), cbor.uint(parts[3], 32))


def read_tariff(body):
    parts = cbor.fields(body, (1, 2, 3, 4))
    return Tariff(cbor.uint(parts[1], 32), cbor.sint(parts[2]), cbor.sint(parts[3]), cbor.sint(parts[4]), body)


def read_bill(body):
    parts = cbor.fields(body, (1, 2, 3, 4, 5))
    months = cbor.listed(parts[4], read_bill_month, 0, 12)
    cbor.sint(parts[5])
    return Bill(cbor.digest(parts[1]), cbor.uint(parts[2]), cbor.uint(parts[3]), months, body)


def read_bill_month(value):
    parts = cbor.fields(value, (1, 2, 3, 4, 5))
    cbor.listed(parts[2], cbor.uint, 8, 8)
    cbor.listed(parts[3], read_bill_meter)
    cbor.digest(parts[4])
    cbor.listed(parts[5], read_bill_line)
    return cbor.uint(parts[1], 32)


def read_bill_meter(value):
    parts = cbor.fields(value, (1, 2, 3, 4, 5, 6))
    meter_id(parts[1])
    for number, bits in ((2, 64), (3, 64), (4, 32), (5, 64)):
        cbor.uint(parts[number], bits)
    cbor.boolean(parts[6])


def read_bill_line(value):
    parts = cbor.fields(value, (1, 2, 3, 4, 5))
    cbor.one_of(parts[1], {1, 2, 3})
    cbor.uint(parts[2], 32)
    cbor.uint(parts[3])
    cbor.sint(parts[4])
    cbor.sint(parts[5])


READERS = {
    1: read_register,
    5: read_contract,
    6: read_readings,
    7: read_note,
    8: read_transfer,
    11: read_tariff,
    12: read_bill,
}


def read_act(value):
    kind, body = cbor.items(value, 2)
    need(type(kind) is int and kind in READERS, f"an unknown act {kind!r}")
    with at(f"act of kind {kind}"):
        return READERS[kind](body)
