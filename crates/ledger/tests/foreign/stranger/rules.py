"""What a block does to the state (section 9, step 6): ends, month closes, acts by their rules (section 12), reward."""

import re

from . import acts, bills, cbor, changes, claims, meters, prices, trades
from .block import level_of
from .keys import RS256, Key, sha256
from .records import (
    ACCOUNT,
    BILL,
    BINDING,
    METER,
    MONTH,
    OUTSIDE,
    SHEET,
    TARIFF,
    UTILITY,
    Account,
    BillRecord,
    Binding,
    Head,
    Present,
    RoleSpan,
    TariffRecord,
    UtilityRecord,
    replace,
)  # fmt: skip
from .refusal import RuleBroken, at, need, rule

# Acts of the operator alone.
OPERATORS = (
    acts.RegisterKey, acts.RegisterMeter, acts.RetireRole, acts.RetireMeter, acts.Revoke, acts.Contract, acts.Tariff,
    acts.Answer, acts.NewLevel, acts.NewLimits, acts.Upgrade, acts.Utility,
)  # fmt: skip
ROLES_MAX = 32


class Booking:
    """A block being booked."""

    def __init__(self, state, header):
        self.state, self.genesis, self.time, self.height = state, state.genesis, header.time, header.height
        self.level = level_of(header.difficulty)
        self.log_size, self.statements = state.head.log_size, 0
        self.month = self.genesis.month_of(self.time)
        need(self.month is not None, "a block outside the calendar")
        need(state.parameters().version_at(self.height) == 1, "a protocol version that this verifier does not know")
        proposer = state.account(header.proposer)
        need(proposer.has(acts.MINER, self.time) and proposer.revoked is None, "the proposer is no miner")
        self.beneficiary = proposer.beneficiary
        state.seen = {seen: expires for seen, expires in state.seen.items() if expires > self.time}
        trades.drop_ended_offers(state, self.time)
        self.close_months()

    def has(self, account, role):
        return self.state.has(account, role, self.time)

    @property
    def log_index(self):
        """Place in the log of the statement in hand."""
        return self.log_size + self.statements

    # Months.

    def close_months(self):
        state = self.state
        while state.first_open in self.genesis.months() and self.genesis.close_time(state.first_open) <= self.time:
            if (MONTH, state.first_open) in state.records:
                self.close(state.first_open)
            state.first_open += 1
            old = [
                key for key in state.records if key[0] == OUTSIDE and key[1] + meters.CLAIM_MONTHS < state.first_open
            ]
            for key in old:
                state.remove(key)

    def close(self, month):
        state = self.state
        tariff = state.tariff(month)
        state.put((MONTH, month), replace(state.month(month), closed=True, tariff=tariff and tariff.tariff.since))
        if not self.genesis.carries_over or self.genesis.span(month + 1) is None:
            return
        sheets = sorted((key, sheet) for key, sheet in state.records.items() if key[:2] == (SHEET, month))
        for (_, _, account), sheet in sheets:
            if sheet.terms.remaining() > 0 and self.has(account, acts.MEMBER):
                self.post_if_it_fits(month + 1, account, "carried", sheet.terms.remaining(), [3, month])

    def post_if_it_fits(self, month, account, term, energy, entry):
        """What nobody signed cannot be refused: at a term's bound it is left out."""
        try:
            self.state.post(month, account, term, energy)
        except RuleBroken:
            return
        self.state.enter(month, account, entry)

    def pay_reward(self):
        left = self.state.month(self.month).budget
        reward = min(self.genesis.rewards[self.level - 1], max(left, 0))
        if reward > 0 and self.beneficiary and self.has(self.beneficiary, acts.MEMBER):
            self.post_if_it_fits(self.month, self.beneficiary, "reward", reward, [2, self.height])

    # Statements.

    def book(self, statement):
        signer = self.state.account(statement.signer)
        rule(statement.ledger == self.genesis.ledger, "wrong_ledger")
        rule(statement.issued <= self.time + meters.CLOCK_AHEAD, "issued_in_future")
        rule(statement.expires is None or statement.expires > self.time, "expired")
        rule(statement.id not in self.state.seen, "duplicate")
        rule(signer.revoked is None, "key_revoked")
        for index, act in enumerate(statement.acts):
            with at(f"act {index}"):
                if isinstance(act, OPERATORS):
                    self.need_role(statement.signer, acts.OPERATOR)
                ACTS[type(act)](self, act, statement.signer, (statement.id, index))
        if statement.expires is not None:
            self.state.seen[statement.id] = statement.expires
        self.statements += 1

    def need_role(self, account, *roles):
        rule(any(self.has(account, role) for role in roles), "role_needed")

    def need_open(self, month):
        rule(month in self.genesis.months(), "outside_calendar")
        rule(month >= self.state.first_open, "month_closed")

    def check_key(self, key, is_miners):
        rule(key.is_valid(), "key_invalid")
        rule(self.genesis.classroom or not key.is_weak(), "weak_key")
        rule(not is_miners or key.algorithm != RS256, "miner_key")

    # Acts: the act, who signed it, and its statement's id with its index there.

    def register_key(self, act, signer, act_id):
        key = Key(act.cose)
        self.check_key(key, act.role == acts.MINER)
        rule(act.role != acts.OPERATOR, "operator_by_genesis")
        gains = act.beneficiary
        rule((gains is not None) == (act.role == acts.MINER), "beneficiary")
        rule(gains is None or self.has(gains, acts.MEMBER) or self.has(gains, acts.OPERATOR), "beneficiary")
        rule(self.state.user_of_key(key) in (None, key.account), "key_in_use")
        record = self.state.account(key.account) or Account(((key.cose, self.log_index + 1),))
        rule(record.revoked is None, "key_revoked")
        goes_on = [span for span in record.roles if span.role == act.role and not (span.until or 2**64) <= act.since]
        rule(not goes_on, "already_registered")
        opened = self.genesis.span(self.state.first_open)
        bills_of = [bill for kind, bill in self.state.records.items() if kind[:2] == (BILL, key.account)]
        final = [bill for bill in bills_of if opened and bill.until > opened[0]]
        rule(act.role != acts.MEMBER or not final, "sheet_billed")
        rule(len(record.roles) < ROLES_MAX, "account_full")
        self.check_key(Key(record.keys[-1][0]), act.role == acts.MINER)
        roles = (*record.roles, RoleSpan(act.role, act.since, self.log_index))
        gains = gains or record.beneficiary
        self.state.put((ACCOUNT, key.account), replace(record, roles=roles, beneficiary=gains))

    def register_meter(self, act, signer, act_id):
        rule(self.has(act.signer, acts.GATEWAY) or self.has(act.signer, acts.METER), "meter_party", "signer")
        member = self.state.account(act.member)
        needed = acts.OPERATOR if act.main else acts.MEMBER
        rule(member is not None and member.keeps(needed, self.time), "meter_party", "member")
        rule(act.factor > 0 and re.fullmatch("[a-z0-9-]{1,32}", act.profile), "meter_description")
        rule(self.genesis.month_of(act.since) is not None, "outside_calendar")
        new = sha256(b"wattproof binding\x00", act_id[0], act_id[1].to_bytes(4, "big"))
        imported, exported = self.end_binding(act)
        head = Head(0, new, act.since, imported, exported)
        binding = Binding(act.meter, act.signer, act.member, act.since, None, act.profile, act.factor, head, act.main)
        self.state.count_bindings(act.member, 1)
        self.state.put((BINDING, new), binding)
        self.state.put((METER, act.meter), Present(new))

    def end_binding(self, act):
        """The present one ends where the new one begins; gives its counters."""
        present = self.state.present_binding(act.meter)
        if present is None:
            return None, None
        binding = self.state.binding(present)
        rule(binding.head.end == act.since, "binding_not_at_head")
        if binding.is_live():
            self.state.count_bindings(binding.member, -1)
        self.state.put((BINDING, present), replace(binding, until=act.since))
        return binding.head.imported, binding.head.exported

    def contract(self, act, signer, act_id):
        rule(self.has(act.account, acts.MEMBER), "not_a_member")
        self.need_open(act.month)
        rise = act.energy - self.state.sheet(act.month, act.account).terms.contract
        rule(rise >= 0, "contract_lowered")
        self.state.post(act.month, act.account, "contract", rise)
        self.state.enter(act.month, act.account, [1, *act_id])

    def readings(self, act, signer, act_id):
        meters.book_interval(self.state, act, signer, *act_id, self.time)

    def note(self, act, signer, act_id):
        self.need_role(signer, acts.MEMBER)
        rule(not act.is_empty, "empty_note")

    def tariff(self, act, signer, act_id):
        first, last = act.summer or (1, 1)
        rule(1 <= first <= 12 and 1 <= last <= 12, "tariff_table", "summer")
        act.table.check(act.summer is not None)
        rule((act.excess_price or 0) >= 0 and act.step >= 1, "tariff_amounts")
        one_price = act.table.kind in (prices.TIME_OF_USE, prices.AVERAGE)
        rule(not one_price or act.excess_price is None, "tariff_excess")
        rule(act.table.kind != prices.AVERAGE or self.genesis.tenancy, "no_tenancy")
        self.need_open(act.since)
        rule(act.since > self.month or self.state.tariff(act.since) is None, "tariff_too_late")
        if act.table.kind == prices.TIME_OF_USE:
            later = (record for key, record in self.state.records.items() if key[0] == SHEET and key[1] >= act.since)
            rule(not any(sheet.meters for sheet in later), "tariff_after_readings")
        self.state.put((TARIFF, act.since), TariffRecord(act, act_id[0]))

    def utility(self, act, signer, act_id):
        rule(self.genesis.tenancy, "no_tenancy")
        rule(act.energy > 0 and act.amount >= 0, "utility_amounts")
        rule(act.start < act.until and self.genesis.month_of(act.start) is not None, "utility_period")
        present = self.state.records.get((UTILITY, act.start))
        untouched = present is not None and (present.amount, present.energy) == (0, 0)
        restated = untouched and present.utility.until == act.until
        rule(restated or not self.state.utilities(act.start, act.until), "utility_period")
        self.state.put((UTILITY, act.start), UtilityRecord(act, act_id[0]))

    def bill(self, act, signer, act_id):
        rule(signer == act.account or self.has(signer, acts.OPERATOR), "bill_signer")
        computed = bills.compute(self.state, act.account, act.start, act.until)
        months = [month[1] for month in computed[4]]
        start, end = self.genesis.span(months[0])[0], self.genesis.span(months[-1])[1]
        for key, earlier in self.state.records.items():
            if key[:2] == (BILL, act.account):
                rule(earlier.until <= start or end <= key[2], "bill_overlaps")
        rule(cbor.encode(computed) == cbor.encode(act.body), "bill_differs", f"the total is {computed[6]}")
        if self.genesis.tenancy:
            span = bills.Span(self.state, act.account, act.start, act.until)
            for utility, (amount, energy) in bills.charged(span, computed).items():
                self.charge_utility(utility, amount, energy)
        self.state.put((BILL, act.account, act.start), BillRecord(act.until, act_id[0], computed[6]))

    def charge_utility(self, utility, amount, energy):
        """What tenants pay together is at most the utility's bill."""
        record = self.state.records[UTILITY, utility]
        record = replace(record, amount=record.amount + amount, energy=record.energy + energy)
        rule(record.amount <= record.utility.amount, "tenancy_sum")
        rule(record.energy <= record.utility.energy, "tenancy_energy")
        self.state.put((UTILITY, utility), record)


ACTS = {
    acts.RegisterKey: Booking.register_key,
    acts.RegisterMeter: Booking.register_meter,
    acts.RetireRole: changes.retire_role,
    acts.RetireMeter: changes.retire_meter,
    acts.Revoke: changes.revoke,
    acts.Rotate: changes.rotate,
    acts.Contract: Booking.contract,
    acts.Readings: Booking.readings,
    acts.Note: Booking.note,
    acts.Transfer: trades.transfer,
    acts.Offer: trades.offer,
    acts.Accept: trades.accept,
    acts.Withdraw: trades.withdraw,
    acts.Tariff: Booking.tariff,
    acts.Bill: Booking.bill,
    acts.Utility: Booking.utility,
    acts.ClaimVoltage: claims.claim_voltage,
    acts.ClaimBill: claims.claim_bill,
    acts.Answer: claims.answer,
    acts.Control: claims.control,
    acts.NewLevel: changes.level,
    acts.NewLimits: changes.limits,
    acts.Upgrade: changes.upgrade,
}
