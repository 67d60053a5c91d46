"""The state: records under their keys, the log, and what the newest block was."""

from . import acts, cbor, records, tree
from .block import Header
from .keys import Key, sha256
from .log import Log
from .records import (
    ACCOUNT,
    BINDING,
    KEY,
    METER,
    MONTH,
    PARAMETERS,
    SHEET,
    TARIFF,
    UTILITY,
    Account,
    Month,
    Parameters,
    RoleSpan,
    Sheet,
    encoded,
)  # fmt: skip
from .refusal import need, rule

TERM_MAX = 10**18
# What a posting to a term does to the community's side of the month.
SIDES = {
    "contract": {"supply": -1, "contracts": 1},
    "carried": {"supply": -1},
    "generated": {"physical": -1},
    "consumed": {"physical": 1},
    "fee": {"budget": 1},
    "reward": {"budget": -1, "rewards": 1},
}


def touching(known, start, until):
    """The utility's bills whose periods touch a span, by rising start."""
    found = sorted((key, record) for key, record in known.items() if key[0] == UTILITY)
    return [record for (_, begin), record in found if begin < until and record.utility.until > start]


class State:
    """Section 11, from the genesis document on."""

    def __init__(self, genesis):
        self.genesis = genesis
        self.records, self.leaves, self.log, self.seen = {}, {}, Log(), {}
        self.first_open = genesis.month_of(genesis.created)
        self.first = None  # header of block 1
        self._found()
        self.head = Header(
            1, genesis.ledger, 0, genesis.created, bytes(32), 0, self.log.root(), self.root(), bytes(32), 0, 0, 0
        )

    def _found(self):
        """The accounts that genesis names; one key may be both operator and miner."""
        founders = [(self.genesis.operator, acts.OPERATOR, None)]
        founders += [(key, acts.MINER, gains) for key, gains in self.genesis.miners]
        for key, role, gains in founders:
            account = self.account(key.account) or Account(((key.cose, 0),))
            roles = (*account.roles, RoleSpan(role, self.genesis.created, 0))
            gains = account.beneficiary or gains
            self.put((ACCOUNT, key.account), records.replace(account, roles=roles, beneficiary=gains))

    def put(self, key, record):
        self.records[key] = record
        self.leaves[sha256(cbor.encode(list(key)))] = sha256(encoded(key, record))

    def remove(self, key):
        del self.records[key]
        del self.leaves[sha256(cbor.encode(list(key)))]

    def root(self):
        return tree.root(sorted(self.leaves.items()))

    # Records by what they are.

    def account(self, account):
        return self.records.get((ACCOUNT, account))

    def has(self, account, role, time):
        record = self.account(account)
        return record is not None and record.has(role, time)

    def key_of(self, account):
        record = self.account(account)
        need(record, "an unknown account")
        return Key(record.keys[-1][0])

    def user_of_key(self, key):
        """Whose key it is or was: of the account that it founded, or of the one that rotated to it."""
        thumbprint = key.account
        if (KEY, thumbprint) in self.records:
            return self.records[KEY, thumbprint].account
        return thumbprint if self.account(thumbprint) else None

    # What a bill is computed from (bills.py).

    def is_closed(self, month):
        return month < self.first_open

    def account_of(self, account):
        return self.account(account)

    def known_sheet(self, month, account):
        return self.records.get((SHEET, month, account))

    def known_month(self, month):
        return self.records.get((MONTH, month))

    def tariff_from(self, month):
        return self.records.get((TARIFF, month))

    def utilities(self, start, until):
        return touching(self.records, start, until)

    def parameters(self):
        of_genesis = Parameters(self.genesis.level, self.genesis.limits)
        return self.records.get((PARAMETERS,), of_genesis)

    def sheet(self, month, account):
        return self.records.get((SHEET, month, account), Sheet())

    def month(self, month):
        budget = self.genesis.budget
        return self.records.get((MONTH, month), Month(supply=-budget, budget=budget))

    def binding(self, binding):
        return self.records.get((BINDING, binding))

    def present_binding(self, meter):
        present = self.records.get((METER, meter))
        return present and present.binding

    def tariff(self, month):
        """The one in force: that began last at or before the month."""
        for earlier in range(month, self.genesis.first_month - 1, -1):
            if (TARIFF, earlier) in self.records:
                return self.records[TARIFF, earlier]
        return None

    def count_bindings(self, account, change):
        """A member's account counts the bindings whose chains can still grow."""
        record = self.account(account)
        self.put((ACCOUNT, account), records.replace(record, bindings=record.bindings + change))

    # Bookings (section 10).

    def post(self, month, account, term, energy, with_supply=False):
        """Moves a term of a sheet and the community's side with it. Trades with the operator come out of supply."""
        sheet, community = self.sheet(month, account), self.month(month)
        sides = SIDES.get(term, {})
        if with_supply:
            sides = {"supply": {"gained": -1, "traded": 1}[term]}
        terms = sheet.terms.plus(term, energy)
        rule(getattr(terms, term) <= TERM_MAX, "amount_too_large", f"{term} would exceed 10^18 mWh")
        moved = {side: getattr(community, side) + sign * energy for side, sign in sides.items()}
        for side, amount in moved.items():
            most = TERM_MAX if side in ("contracts", "rewards") else 2**63 - 1
            rule(-(2**63) <= amount <= most, "amount_too_large", f"the community's {side}")
        self.put((SHEET, month, account), records.replace(sheet, terms=terms))
        self.put((MONTH, month), records.replace(community, **moved))

    def enter(self, month, account, entry):
        self.put((SHEET, month, account), self.sheet(month, account).entered(entry))

    def check_balances(self):
        """Double entry: each month's sheets and the community's side sum to zero."""
        energy, money = {}, {}
        for key, record in self.records.items():
            if key[0] == SHEET:
                energy[key[1]] = energy.get(key[1], 0) + record.terms.remaining()
                money[key[1]] = money.get(key[1], 0) + record.sold[1] - record.bought[1]
            if key[0] == MONTH:
                energy[key[1]] = energy.get(key[1], 0) + record.supply + record.physical + record.budget
                money[key[1]] = money.get(key[1], 0) + record.money
        for month in energy:
            need(energy[month] == 0, f"the accounts of month {month} do not sum to zero")
            need(money[month] == 0, f"the money of month {month} does not sum to zero")
