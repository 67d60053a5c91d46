"""State records (section 11). Each can be written, and read back from a bundle."""

from dataclasses import dataclass, replace

from . import cbor
from .acts import (
    ROLES,
    Counters,
    NewLevel,
    NewLimits,
    Offer,
    Tariff,
    Upgrade,
    Utility,
    meter_id,
    read_act_id,
    read_counters,
    read_tariff,
    read_utility,
)
from .genesis import Limits
from .hours import Divided
from .keys import Key, sha256
from .refusal import need

ACCOUNT, SHEET, METER, BINDING, TARIFF, MONTH, BILL, OFFER, OUTSIDE, CLAIM, LOAD, PARAMETERS, KEY = range(1, 14)
UTILITY = 20


@dataclass(frozen=True)
class RoleSpan:
    """A role from when to when, and where in the log that was stated."""

    role: int
    since: int
    registered: int
    until: int | None = None
    retired: int | None = None

    def to_cbor(self):
        return cbor.array(self.role, self.since, self.registered, self.until, self.retired)

    def covers(self, time):
        return self.since <= time and (self.until is None or time < self.until)


@dataclass(frozen=True)
class Account:
    keys: tuple  # of (COSE_Key, place in the log from which it signs), the present one last
    roles: tuple = ()
    bindings: int = 0
    offers: int = 0
    beneficiary: bytes | None = None
    revoked: int | None = None

    def to_cbor(self):
        keys = [[cose, since] for cose, since in self.keys]
        roles = [role.to_cbor() for role in self.roles]
        return cbor.array(keys, roles, self.bindings, self.offers, self.beneficiary, self.revoked)

    def key_at(self, index):
        """The key that counts for a statement at a place in the log."""
        if self.revoked is not None and self.revoked < index:
            return None
        return next((cose for cose, since in reversed(self.keys) if since <= index), None)

    def has(self, role, time):
        return any(span.role == role and span.covers(time) for span in self.roles)

    def has_left(self, role, time):
        """Once had it, has it no more, and no meter of its still counts."""
        spans = [span for span in self.roles if span.role == role]
        ended = all(span.until is not None and span.until <= time for span in spans)
        return bool(spans) and ended and self.bindings == 0

    def keeps(self, role, time):
        """Has it, and no end of it is stated."""
        return any(span.role == role and span.until is None and span.since <= time for span in self.roles)


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
    """Late energy of a closed month, under the tariff that began with `tariff`; `before` is what was known of it."""

    month: int
    tariff: int
    late: Divided
    before: Divided

    def to_cbor(self):
        return [self.month, self.tariff, self.late.to_cbor(), self.before.to_cbor()]


@dataclass(frozen=True)
class Sheet:
    terms: Terms = Terms()
    meters: tuple = ()
    corrections: tuple = ()
    entries: int = 0
    entries_digest: bytes = bytes(32)
    bought: tuple = (0, 0)  # energy, amount
    sold: tuple = (0, 0)
    regular: Divided = Divided()

    def to_cbor(self):
        return [
            self.terms.to_cbor(),
            [meter.to_cbor() for meter in self.meters],
            [correction.to_cbor() for correction in self.corrections],
            self.entries,
            self.entries_digest,
            list(self.bought),
            list(self.sold),
            self.regular.to_cbor(),
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
    main: bool

    def to_cbor(self):
        return [
            self.meter, self.signer, self.member, self.since, self.until,
            self.profile, self.factor, self.head.to_cbor(), self.main,
        ]  # fmt: skip

    def is_live(self):
        """Whether its chain can still grow."""
        return self.until is None or self.head.end < self.until


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
    money: int = 0
    main_import: int = 0
    main_export: int = 0
    closed: bool = False
    tariff: int | None = None  # the month that it began with

    def to_cbor(self):
        status = [1, cbor.array(self.tariff)] if self.closed else [0, []]
        return [
            status, self.supply, self.physical, self.budget, self.contracts, self.rewards,
            self.money, self.main_import, self.main_export,
        ]  # fmt: skip


@dataclass(frozen=True)
class BillRecord:
    until: int
    statement: bytes
    total: int
    claim: tuple | None = None

    def to_cbor(self):
        return cbor.array(self.until, self.statement, self.total, self.claim and list(self.claim))


@dataclass(frozen=True)
class UtilityRecord:
    """A utility's bill, and what tenants have been charged against it."""

    utility: Utility
    statement: bytes
    amount: int = 0
    energy: int = 0

    def to_cbor(self):
        return [self.utility.body, self.statement, self.amount, self.energy]


@dataclass(frozen=True)
class OpenOffer:
    seller: bytes
    offer: Offer

    def to_cbor(self):
        return [self.seller, self.offer.body]


@dataclass(frozen=True)
class Outside:
    """An interval whose voltage was outside the limits."""

    member: bytes
    meter: str
    start: int
    end: int
    found: tuple
    limits: tuple
    claim: tuple | None = None

    def to_cbor(self):
        parts = [self.member, self.meter, self.start, self.end, list(self.found), list(self.limits)]
        return cbor.array(*parts, self.claim and list(self.claim))


@dataclass(frozen=True)
class Claim:
    member: bytes
    answer: tuple | None = None  # decision, act

    def to_cbor(self):
        return cbor.array(self.member, self.answer and [self.answer[0], list(self.answer[1])])


@dataclass(frozen=True)
class Load:
    state: int
    time: int
    statement: bytes

    def to_cbor(self):
        return [self.state, self.time, self.statement]


@dataclass(frozen=True)
class Parameters:
    """What stands, and what stands next; of genesis until somebody changes it."""

    level: int
    limits: Limits
    next_level: NewLevel | None = None
    next_limits: NewLimits | None = None
    upgrade: Upgrade | None = None

    def to_cbor(self):
        level, limits, upgrade = self.next_level, self.next_limits, self.upgrade
        return cbor.array(
            self.level,
            level and {1: level.level, 2: level.height},
            self.limits.body,
            limits and {1: limits.limits.body, 2: limits.since},
            upgrade and {1: upgrade.version, 2: upgrade.height},
        )

    def level_at(self, height):
        ahead = self.next_level is None or height < self.next_level.height
        return self.level if ahead else self.next_level.level

    def limits_at(self, time):
        ahead = self.next_limits is None or time < self.next_limits.since
        return self.limits if ahead else self.next_limits.limits

    def version_at(self, height):
        return 1 if self.upgrade is None or height < self.upgrade.height else self.upgrade.version


@dataclass(frozen=True)
class KeyOwner:
    """Whose a later key is."""

    account: bytes

    def to_cbor(self):
        return self.account


def encoded(key, record):
    """A record as the state tree hashes it; the kind is the key's."""
    return cbor.encode([key[0], record.to_cbor()])


# Back from CBOR: the kinds that bundles bring.


def read_key(value):
    readers = {
        ACCOUNT: (cbor.digest,),
        SHEET: (read_month_number, cbor.digest),
        BINDING: (cbor.digest,),
        TARIFF: (read_month_number,),
        MONTH: (read_month_number,),
        BILL: (cbor.digest, cbor.uint),
        OUTSIDE: (read_month_number, read_act_id),
        CLAIM: (read_act_id,),
        UTILITY: (cbor.uint,),
    }
    kind = cbor.one_of(cbor.listed(value, lambda item: item, 1)[0], readers)
    parts = cbor.items(value, 1 + len(readers[kind]))[1:]
    return (kind, *(reader(part) for reader, part in zip(readers[kind], parts)))


def read_month_number(value):
    return cbor.uint(value, 32)


def read_record(value):
    """(kind, record)."""
    readers = {
        ACCOUNT: read_account,
        SHEET: read_sheet,
        BINDING: read_binding,
        TARIFF: read_tariff_record,
        MONTH: read_month,
        BILL: read_bill_record,
        OUTSIDE: read_outside,
        CLAIM: read_claim_record,
        UTILITY: read_utility_record,
    }
    kind, body = cbor.items(value, 2)
    return kind, readers[cbor.one_of(kind, readers)](body)


def read_account(body):
    keys, roles, bindings, offers, beneficiary, revoked = cbor.items(body, 6, 2)
    return Account(
        tuple(cbor.listed(keys, read_key_span, 1, 32)),
        tuple(cbor.listed(roles, read_role_span, 0, 32)),
        cbor.uint(bindings, 32),
        cbor.uint(offers, 32),
        cbor.present(beneficiary, cbor.digest),
        cbor.present(revoked, cbor.uint),
    )


def read_key_span(value):
    cose, since = cbor.items(value, 2)
    return Key(cose).cose, cbor.uint(since)


def read_role_span(value):
    role, since, registered, until, retired = cbor.items(value, 5, 2)
    return RoleSpan(
        cbor.one_of(role, ROLES),
        cbor.uint(since),
        cbor.uint(registered),
        cbor.present(until, cbor.uint),
        cbor.present(retired, cbor.uint),
    )


def read_terms(body):
    return Terms(*cbor.listed(body, cbor.uint, 8, 8))


def read_sheet(body):
    terms, meters, corrections, entries, digest, bought, sold, regular = cbor.items(body, 8)
    return Sheet(
        read_terms(terms),
        tuple(cbor.listed(meters, read_meter_month, 0, 64)),
        tuple(cbor.listed(corrections, read_correction)),
        cbor.uint(entries),
        cbor.digest(digest),
        read_priced(bought),
        read_priced(sold),
        read_divided(regular),
    )


def read_divided(value):
    energy, bands, estimated = cbor.items(value, 3)
    return Divided(cbor.uint(energy), tuple(cbor.listed(bands, cbor.uint)), cbor.boolean(estimated))


def read_utility_record(value):
    utility, statement, amount, energy = cbor.items(value, 4)
    return UtilityRecord(read_utility(utility), cbor.digest(statement), cbor.sint(amount), cbor.uint(energy))


def read_bill_record(value):
    until, statement, total, claim = cbor.items(value, 4, 1)
    return BillRecord(cbor.uint(until), cbor.digest(statement), cbor.sint(total), cbor.present(claim, read_act_id))


def read_outside(value):
    member, meter, start, end, found, limits, claim = cbor.items(value, 7, 1)
    return Outside(
        cbor.digest(member), meter_id(meter), cbor.uint(start), cbor.uint(end),
        tuple(cbor.listed(found, cbor.uint, 2, 2)), tuple(cbor.listed(limits, cbor.uint, 2, 2)),
        cbor.present(claim, read_act_id),
    )  # fmt: skip


def read_claim_record(value):
    member, answer = cbor.items(value, 2, 1)
    return Claim(cbor.digest(member), cbor.present(answer, read_decision))


def read_decision(value):
    decision, act = cbor.items(value, 2)
    return cbor.one_of(decision, {1, 2}), read_act_id(act)


def read_priced(value):
    energy, amount = cbor.items(value, 2)
    return cbor.uint(energy), cbor.sint(amount)


def read_meter_month(body):
    meter, binding, factor, imported, exported, estimated = cbor.items(body, 6)
    return MeterMonth(
        meter_id(meter), cbor.digest(binding), cbor.uint(factor, 32), read_counters(imported),
        cbor.present(exported, read_counters), cbor.boolean(estimated),
    )  # fmt: skip


def read_correction(body):
    month, tariff, late, before = cbor.items(body, 4)
    return Correction(cbor.uint(month, 32), cbor.uint(tariff, 32), read_divided(late), read_divided(before))


def read_binding(body):
    meter, signer, member, since, until, profile, factor, head, main = cbor.items(body, 9)
    number, previous, end, imported, exported = cbor.items(head, 5, 2)
    return Binding(
        meter_id(meter), cbor.digest(signer), cbor.digest(member), cbor.uint(since), cbor.present(until, cbor.uint),
        cbor.text(profile), cbor.uint(factor, 32),
        Head(
            cbor.uint(number), cbor.digest(previous), cbor.uint(end),
            cbor.present(imported, cbor.uint), cbor.present(exported, cbor.uint),
        ),
        cbor.boolean(main),
    )  # fmt: skip


def read_tariff_record(body):
    tariff, statement = cbor.items(body, 2)
    return TariffRecord(read_tariff(tariff), cbor.digest(statement))


def read_month(body):
    status, supply, physical, budget, contracts, rewards, money, main_import, main_export = cbor.items(body, 9)
    kind, frozen = cbor.items(status, 2)
    closed = cbor.one_of(kind, {0, 1}) == 1
    (tariff,) = cbor.items(frozen, 1, 1)
    need(closed or tariff is None, "an open month with a tariff")
    return Month(
        cbor.sint(supply), cbor.sint(budget), cbor.sint(physical), cbor.uint(contracts), cbor.uint(rewards),
        cbor.sint(money), cbor.uint(main_import), cbor.uint(main_export), closed,
        cbor.present(tariff, read_month_number),
    )  # fmt: skip
