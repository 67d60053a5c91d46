"""State records (section 11). Each can be written, and read back from a bundle."""

from dataclasses import dataclass, replace

from . import cbor
from .acts import Counters, Tariff, meter_id, read_counters, read_tariff
from .keys import Key, sha256
from .refusal import need

ACCOUNT, SHEET, METER, BINDING, TARIFF, MONTH, BILL = range(1, 8)


@dataclass(frozen=True)
class Account:
    cose: dict
    roles: tuple = ()  # of (role, since)
    beneficiary: bytes | None = None

    def to_cbor(self):
        return cbor.array(self.cose, [list(role) for role in self.roles], self.beneficiary)

    def has(self, role, time):
        return any(held == role and since <= time for held, since in self.roles)


@dataclass(frozen=True)
class Terms:
    contract: int = 0
    carried: int = 0
    generated: int = 0
    gained: int = 0
    consumed: int = 0
    traded: int = 0
    fee: int = 0
    reward: int = 0

    def to_cbor(self):
        return [getattr(self, name) for name in self.__dataclass_fields__]

    def remaining(self):
        """The poster's formula (8)."""
        plus = self.contract + self.carried + self.generated + self.gained + self.reward
        return plus - self.consumed - self.traded - self.fee

    def plus(self, term, energy):
        return replace(self, **{term: getattr(self, term) + energy})


@dataclass(frozen=True)
class MeterMonth:
    """A stretch of a meter's counters without a break."""

    meter: str
    binding: bytes
    factor: int
    imported: Counters
    exported: Counters | None
    estimated: bool

    def to_cbor(self):
        exported = self.exported and self.exported.cbor()
        return [self.meter, self.binding, self.factor, self.imported.cbor(), exported, self.estimated]


@dataclass(frozen=True)
class Correction:
    month: int
    energy: int
    price: int

    def to_cbor(self):
        return [self.month, self.energy, self.price]


@dataclass(frozen=True)
class Sheet:
    terms: Terms = Terms()
    meters: tuple = ()
    corrections: tuple = ()
    entries: int = 0
    entries_digest: bytes = bytes(32)

    def to_cbor(self):
        return [
            self.terms.to_cbor(),
            [meter.to_cbor() for meter in self.meters],
            [correction.to_cbor() for correction in self.corrections],
            self.entries,
            self.entries_digest,
        ]

    def entered(self, entry):
        digest = sha256(self.entries_digest, cbor.encode(entry))
        return replace(self, entries=self.entries + 1, entries_digest=digest)


@dataclass(frozen=True)
class Present:
    """A meter's present binding."""

    binding: bytes

    def to_cbor(self):
        return self.binding


@dataclass(frozen=True)
class Head:
    next: int
    previous: bytes
    end: int
    imported: int | None
    exported: int | None

    def to_cbor(self):
        return cbor.array(self.next, self.previous, self.end, self.imported, self.exported)


@dataclass(frozen=True)
class Binding:
    meter: str
    signer: bytes
    member: bytes
    since: int
    until: int | None
    profile: str
    factor: int
    head: Head

    def to_cbor(self):
        return [
            self.meter, self.signer, self.member, self.since, self.until,
            self.profile, self.factor, self.head.to_cbor(),
        ]  # fmt: skip


@dataclass(frozen=True)
class TariffRecord:
    tariff: Tariff
    statement: bytes

    def to_cbor(self):
        return [self.tariff.body, self.statement]


@dataclass(frozen=True)
class Month:
    """The community's side of a month. `tariff` is the one it was frozen with."""

    supply: int
    budget: int
    physical: int = 0
    contracts: int = 0
    rewards: int = 0
    closed: bool = False
    tariff: TariffRecord | None = None

    def to_cbor(self):
        status = [1, cbor.array(self.tariff and self.tariff.to_cbor())] if self.closed else [0, []]
        return [status, self.supply, self.physical, self.budget, self.contracts, self.rewards]


@dataclass(frozen=True)
class BillRecord:
    until: int
    statement: bytes
    total: int

    def to_cbor(self):
        return [self.until, self.statement, self.total]


def encoded(key, record):
    """A record as the state tree hashes it; the kind is the key's."""
    return cbor.encode([key[0], record.to_cbor()])


# Back from CBOR, as bundles bring them.


def read_key(value):
    readers = {
        ACCOUNT: (cbor.digest,),
        SHEET: (lambda month: cbor.uint(month, 32), cbor.digest),
        METER: (meter_id,),
        BINDING: (cbor.digest,),
        TARIFF: (lambda month: cbor.uint(month, 32),),
        MONTH: (lambda month: cbor.uint(month, 32),),
        BILL: (cbor.digest, cbor.uint),
    }
    kind = cbor.one_of(cbor.listed(value, lambda item: item, 1)[0], readers)
    parts = cbor.items(value, 1 + len(readers[kind]))[1:]
    return (kind, *(reader(part) for reader, part in zip(readers[kind], parts)))


def read_record(value):
    """(kind, record)."""
    readers = {
        ACCOUNT: read_account,
        SHEET: read_sheet,
        METER: lambda body: Present(cbor.digest(body)),
        BINDING: read_binding,
        TARIFF: read_tariff_record,
        MONTH: read_month,
        BILL: read_bill_record,
    }
    kind, body = cbor.items(value, 2)
    return kind, readers[cbor.one_of(kind, readers)](body)


def read_account(body):
    cose, roles, beneficiary = cbor.items(body, 3, 1)
    read_role = lambda role: tuple(cbor.uint(part) for part in cbor.items(role, 2))  # noqa: E731
    return Account(Key(cose).cose, tuple(cbor.listed(roles, read_role)), cbor.present(beneficiary, cbor.digest))


def read_terms(body):
    return Terms(*cbor.listed(body, cbor.uint, 8, 8))


def read_sheet(body):
    terms, meters, corrections, entries, digest = cbor.items(body, 5)
    return Sheet(
        read_terms(terms),
        tuple(cbor.listed(meters, read_meter_month, 0, 64)),
        tuple(cbor.listed(corrections, read_correction)),
        cbor.uint(entries),
        cbor.digest(digest),
    )


def read_meter_month(body):
    meter, binding, factor, imported, exported, estimated = cbor.items(body, 6)
    return MeterMonth(
        meter_id(meter), cbor.digest(binding), cbor.uint(factor, 32), read_counters(imported),
        cbor.present(exported, read_counters), cbor.boolean(estimated),
    )  # fmt: skip


def read_correction(body):
    month, energy, price = cbor.items(body, 3)
    return Correction(cbor.uint(month, 32), cbor.uint(energy), cbor.sint(price))


def read_binding(body):
    meter, signer, member, since, until, profile, factor, head = cbor.items(body, 8)
    number, previous, end, imported, exported = cbor.items(head, 5, 2)
    return Binding(
        meter_id(meter), cbor.digest(signer), cbor.digest(member), cbor.uint(since), cbor.present(until, cbor.uint),
        cbor.text(profile), cbor.uint(factor, 32),
        Head(
            cbor.uint(number), cbor.digest(previous), cbor.uint(end),
            cbor.present(imported, cbor.uint), cbor.present(exported, cbor.uint),
        ),
    )  # fmt: skip


def read_tariff_record(body):
    tariff, statement = cbor.items(body, 2)
    return TariffRecord(read_tariff(tariff), cbor.digest(statement))


def read_month(body):
    status, supply, physical, budget, contracts, rewards = cbor.items(body, 6)
    kind, frozen = cbor.items(status, 2)
    closed = cbor.one_of(kind, {0, 1}) == 1
    (tariff,) = cbor.items(frozen, 1, 1)
    need(closed or tariff is None, "an open month with a tariff")
    return Month(
        cbor.sint(supply), cbor.sint(budget), cbor.sint(physical), cbor.uint(contracts), cbor.uint(rewards),
        closed, cbor.present(tariff, read_tariff_record),
    )  # fmt: skip


def read_bill_record(body):
    until, statement, total = cbor.items(body, 3)
    return BillRecord(cbor.uint(until), cbor.digest(statement), cbor.sint(total))
