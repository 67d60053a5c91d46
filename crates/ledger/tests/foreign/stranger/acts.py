"""Acts (section 6): from CBOR to named fields."""

import re
from dataclasses import dataclass

from . import cbor, prices
from .genesis import Limits, read_limits
from .refusal import at, need

GAP, RESET, EXCHANGE, WRAP = 1, 2, 3, 4
OF_METER, BY_HAND, IMPORTED = 0, 1, 2
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
    main: bool


@dataclass(frozen=True)
class RetireRole:
    account: bytes
    role: int
    until: int


@dataclass(frozen=True)
class RetireMeter:
    meter: str
    until: int


@dataclass(frozen=True)
class Revoke:
    account: bytes


@dataclass(frozen=True)
class Rotate:
    cose: dict
    possession: bytes


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
    voltage: list | None
    peak_current: int | None
    peak_power: int | None
    events: list
    broken: int | None
    estimated: bool
    columns: bytes
    frames: bytes
    source: int
    wraps_at: int | None

    @property
    def is_operators(self):
        return self.source != OF_METER


@dataclass(frozen=True)
class Note:
    is_empty: bool


@dataclass(frozen=True)
class Transfer:
    to: bytes
    energy: int
    month: int


@dataclass(frozen=True)
class Offer:
    to: bytes | None
    energy: int
    price: int
    month: int
    until: int
    body: dict


@dataclass(frozen=True)
class Accept:
    offer: tuple


@dataclass(frozen=True)
class Withdraw:
    offer: tuple


@dataclass(frozen=True)
class ClaimVoltage:
    intervals: list


@dataclass(frozen=True)
class ClaimBill:
    start: int


@dataclass(frozen=True)
class Answer:
    claim: tuple
    decision: int


@dataclass(frozen=True)
class Control:
    meter: str
    time: int
    after: int


@dataclass(frozen=True)
class NewLevel:
    level: int
    height: int


@dataclass(frozen=True)
class NewLimits:
    limits: Limits
    since: int


@dataclass(frozen=True)
class Upgrade:
    version: int
    height: int


@dataclass(frozen=True)
class Tariff:
    """Kept as it was written too: a record holds it."""

    since: int
    table: object
    excess_price: int | None
    step: int
    summer: tuple | None  # first and last month, 1 to 12
    grouping: int
    body: dict

    def is_summer(self, month):
        number = month % 12 + 1
        if self.summer is None:
            return False
        first, last = self.summer
        return first <= number <= last if first <= last else first <= number or number <= last


@dataclass(frozen=True)
class Utility:
    """The utility's bill. Kept as it was written too: a record holds it."""

    start: int
    until: int
    amount: int
    energy: int
    common: bool
    body: dict

    def average(self):
        """Of a kWh, rounded down so that nobody is charged above it."""
        return prices.average(self.amount, self.energy)


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


def read_choice(body, kinds=(1, 2)):
    """[kind, its one item]."""
    kind, item = cbor.items(body, 2)
    return cbor.one_of(kind, set(kinds)), item


def read_act_id(value):
    statement, index = cbor.items(value, 2)
    return cbor.digest(statement), cbor.uint(index, 32)


def read_offer_id(value):
    until, statement, index = cbor.items(value, 3)
    return cbor.uint(until), cbor.digest(statement), cbor.uint(index, 32)


def read_register(body):
    kind, item = read_choice(body)
    if kind == 1:
        key = cbor.fields(item, (1, 2, 3), (4,))
        need(type(key[1]) is dict, "no key")
        return RegisterKey(key[1], cbor.one_of(key[2], ROLES), cbor.uint(key[3]), cbor.present(key[4], cbor.digest))
    meter = cbor.fields(item, (1, 2, 3, 4, 5, 6, 7))
    return RegisterMeter(
        meter_id(meter[1]), cbor.digest(meter[2]), cbor.digest(meter[3]),
        cbor.uint(meter[4]), cbor.text(meter[5]), cbor.uint(meter[6], 32), cbor.boolean(meter[7]),
    )  # fmt: skip


def read_contract(body):
    parts = cbor.fields(body, (1, 2, 3))
    return Contract(cbor.digest(parts[1]), cbor.uint(parts[2], 32), cbor.uint(parts[3]))


def read_readings(body):
    parts = cbor.fields(body, (1, 2, 3, 4, 5, 6, 8, 13, 14, 15, 16, 17), (7, 9, 10, 11, 12, 18))
    return Readings(
        cbor.digest(parts[1]), cbor.uint(parts[2]), cbor.digest(parts[3]),
        cbor.uint(parts[4]), cbor.uint(parts[5]),
        read_counters(parts[6]), cbor.present(parts[7], read_counters), cbor.uint(parts[8], 32),
        cbor.present(parts[9], lambda value: cbor.listed(value, cbor.uint, 3, 3)),
        cbor.present(parts[10], cbor.uint), cbor.present(parts[11], cbor.sint),
        cbor.listed(parts[13], read_event, 0, 16),
        cbor.present(parts[12], lambda value: cbor.one_of(value, {GAP, RESET, EXCHANGE, WRAP})),
        cbor.boolean(parts[14]), cbor.digest(parts[15]), cbor.digest(parts[16]),
        cbor.one_of(parts[17], {OF_METER, BY_HAND, IMPORTED}), cbor.present(parts[18], cbor.uint),
    )  # fmt: skip


def read_event(value):
    kind, first, last, extreme = cbor.items(value, 4)
    cbor.one_of(kind, {1, 2})
    return kind, cbor.uint(first), cbor.uint(last), cbor.uint(extreme)


def read_retire(body):
    kind, item = read_choice(body)
    if kind == 1:
        parts = cbor.fields(item, (1, 2, 3))
        return RetireRole(cbor.digest(parts[1]), cbor.one_of(parts[2], ROLES), cbor.uint(parts[3]))
    parts = cbor.fields(item, (1, 2))
    return RetireMeter(meter_id(parts[1]), cbor.uint(parts[2]))


def read_revoke(body):
    return Revoke(cbor.digest(cbor.fields(body, (1,))[1]))


def read_rotate(body):
    parts = cbor.fields(body, (1, 2))
    need(type(parts[1]) is dict, "no key")
    return Rotate(parts[1], cbor.octets(parts[2]))


def read_offer(body):
    parts = cbor.fields(body, (2, 3, 4, 5), (1,))
    return Offer(
        cbor.present(parts[1], cbor.digest), cbor.uint(parts[2]), cbor.sint(parts[3]),
        cbor.uint(parts[4], 32), cbor.uint(parts[5]), body,
    )  # fmt: skip


def read_accept(body):
    return Accept(read_offer_id(cbor.fields(body, (1,))[1]))


def read_withdraw(body):
    return Withdraw(read_offer_id(cbor.fields(body, (1,))[1]))


def read_claim(body):
    kind, item = read_choice(body)
    parts = cbor.fields(item, (1, 2))
    cbor.text(parts[2], 0, 280)
    if kind == 1:
        return ClaimVoltage(cbor.listed(parts[1], read_act_id, 1, 16))
    return ClaimBill(cbor.uint(parts[1]))


def read_answer(body):
    parts = cbor.fields(body, (1, 2, 3))
    cbor.text(parts[3], 0, 280)
    return Answer(read_act_id(parts[1]), cbor.one_of(parts[2], {1, 2}))


def read_control(body):
    parts = cbor.fields(body, range(1, 8))
    cbor.one_of(parts[3], {1, 2, 3})
    cbor.text(parts[4], 0, 64)
    cbor.text(parts[5], 0, 140)
    cbor.one_of(parts[6], {0, 1, 2})
    return Control(meter_id(parts[1]), cbor.uint(parts[2]), cbor.one_of(parts[7], {0, 1, 2}))


def read_parameter(body):
    kind, item = read_choice(body)
    parts = cbor.fields(item, (1, 2))
    if kind == 1:
        return NewLevel(cbor.uint(parts[1], 8), cbor.uint(parts[2]))
    return NewLimits(read_limits(parts[1]), cbor.uint(parts[2]))


def read_upgrade(body):
    parts = cbor.fields(body, (1, 2))
    return Upgrade(cbor.uint(parts[1], 32), cbor.uint(parts[2]))


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
    parts = cbor.fields(body, (1, 2, 4, 6), (3, 5))
    return Tariff(
        cbor.uint(parts[1], 32), prices.read_table(parts[2]), cbor.present(parts[3], cbor.sint), cbor.sint(parts[4]),
        cbor.present(parts[5], read_summer), cbor.one_of(parts[6], {1, 2}), body,
    )  # fmt: skip


def read_summer(value):
    first, last = cbor.items(value, 2)
    return cbor.uint(first, 32), cbor.uint(last, 32)


def read_utility(body):
    parts = cbor.fields(body, (1, 2, 3, 4, 5))
    return Utility(
        cbor.uint(parts[1]), cbor.uint(parts[2]), cbor.sint(parts[3]), cbor.uint(parts[4]), cbor.boolean(parts[5]), body
    )


def read_bill(body):
    parts = cbor.fields(body, range(1, 8))
    months = cbor.listed(parts[4], read_bill_month, 0, 12)
    cbor.listed(parts[5], read_bill_line)
    cbor.sint(parts[6])
    cbor.listed(parts[7], read_figures)
    return Bill(cbor.digest(parts[1]), cbor.uint(parts[2]), cbor.uint(parts[3]), months, body)


def read_bill_month(value):
    parts = cbor.fields(value, range(1, 7))
    cbor.listed(parts[2], cbor.uint, 8, 8)
    cbor.listed(parts[3], read_bill_meter)
    cbor.digest(parts[4])
    cbor.listed(parts[5], cbor.uint)
    cbor.boolean(parts[6])
    return cbor.uint(parts[1], 32)


def read_bill_meter(value):
    parts = cbor.fields(value, range(1, 7))
    meter_id(parts[1])
    for number, bits in ((2, 64), (3, 64), (4, 32), (5, 64)):
        cbor.uint(parts[number], bits)
    cbor.boolean(parts[6])


def read_bill_line(value):
    parts = cbor.fields(value, (1, 2, 3, 7), (4, 5, 6))
    cbor.one_of(parts[1], range(1, 11))
    cbor.uint(parts[2], 32)
    cbor.uint(parts[3], 32)
    cbor.present(parts[4], cbor.text)
    cbor.present(parts[5], cbor.uint)
    cbor.present(parts[6], cbor.sint)
    cbor.sint(parts[7])


def read_figures(value):
    parts = cbor.fields(value, range(1, 7))
    for number in (1, 2, 4):
        cbor.uint(parts[number])
    cbor.sint(parts[3])
    cbor.sint(parts[5])
    cbor.boolean(parts[6])


READERS = {
    1: read_register,
    2: read_retire,
    3: read_revoke,
    4: read_rotate,
    5: read_contract,
    6: read_readings,
    7: read_note,
    8: read_transfer,
    9: read_offer,
    10: read_accept,
    11: read_tariff,
    12: read_bill,
    13: read_claim,
    14: read_answer,
    15: read_control,
    16: read_parameter,
    17: read_upgrade,
    18: read_utility,
    19: read_withdraw,
}


def read_act(value):
    kind, body = cbor.items(value, 2)
    need(type(kind) is int and kind in READERS, f"an unknown act {kind!r}")
    with at(f"act of kind {kind}"):
        return READERS[kind](body)
