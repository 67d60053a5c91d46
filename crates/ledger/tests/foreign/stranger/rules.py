"""What a block does to the state (section 9, step 6): month closes, acts by their rules (section 12), reward."""

import re

from . import acts, bills, cbor, meters
from .block import level_of
from .keys import RS256, Key, sha256
from .records import (
    ACCOUNT, BILL, BINDING, METER, MONTH, SHEET, TARIFF,
    Account, BillRecord, Binding, Head, Present, TariffRecord, replace,
)  # fmt: skip
from .refusal import RuleBroken, at, need, rule


class Booking:
    """A block being booked."""

    def __init__(self, state, header):
        self.state, self.genesis, self.time, self.height = state, state.genesis, header.time, header.height
        self.level = level_of(header.difficulty)
        self.month = self.genesis.month_of(self.time)
        need(self.month is not None, "a block outside the calendar")
        need(self.has(header.proposer, acts.MINER), "the proposer is no miner")
        self.beneficiary = state.account(header.proposer).beneficiary
        state.seen = {seen: expires for seen, expires in state.seen.items() if expires > self.time}
        self.close_months()

    def has(self, account, role):
        return self.state.has(account, role, self.time)

    # Months.

    def close_months(self):
        state = self.state
        while state.first_open in self.genesis.months() and self.genesis.close_time(state.first_open) <= self.time:
            if (MONTH, state.first_open) in state.records:
                self.close(state.first_open)
            state.first_open += 1

    def close(self, month):
        state = self.state
        state.put((MONTH, month), replace(state.month(month), closed=True, tariff=state.tariff(month)))
        if not self.genesis.carries_over or self.genesis.span(month + 1) is None:
            return
        sheets = sorted((key, sheet) for key, sheet in state.records.items() if key[:2] == (SHEET, month))
        for (_, _, account), sheet in sheets:
            if sheet.terms.remaining() > 0:
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
        rule(statement.ledger == self.genesis.ledger, "wrong_ledger")
        rule(statement.issued <= self.time + meters.CLOCK_AHEAD, "issued_in_future")
        rule(statement.expires is None or statement.expires > self.time, "expired")
        rule(statement.id not in self.state.seen, "duplicate")
        for index, act in enumerate(statement.acts):
            with at(f"act {index}"):
                ACTS[type(act)](self, act, statement, index)
        if statement.expires is not None:
            self.state.seen[statement.id] = statement.expires

    def need_role(self, account, *roles):
        rule(any(self.has(account, role) for role in roles), "role_needed")

    def need_open(self, month):
        rule(month in self.genesis.months(), "outside_calendar")
        rule(month >= self.state.first_open, "month_closed")

    def register_key(self, act, statement, index):
        self.need_role(statement.signer, acts.OPERATOR)
        key = Key(act.cose)
        rule(key.is_valid(), "key_invalid")
        rule(self.genesis.classroom or not key.is_weak(), "weak_key")
        rule(act.role != acts.OPERATOR, "operator_by_genesis")
        rule(act.role != acts.MINER or key.algorithm != RS256, "miner_key")
        names_one = act.beneficiary is not None
        rule(names_one == (act.role == acts.MINER), "beneficiary")
        gains = names_one and (self.has(act.beneficiary, acts.MEMBER) or self.has(act.beneficiary, acts.OPERATOR))
        rule(gains or not names_one, "beneficiary")
        record = self.state.account(key.account) or Account(key.cose)
        rule(all(role != act.role for role, _ in record.roles), "already_registered")
        roles = (*record.roles, (act.role, act.since))
        self.state.put((ACCOUNT, key.account), Account(key.cose, roles, record.beneficiary or act.beneficiary))

    def register_meter(self, act, statement, index):
        self.need_role(statement.signer, acts.OPERATOR)
        rule(self.has(act.signer, acts.GATEWAY) or self.has(act.signer, acts.METER), "meter_party", "signer")
        rule(self.has(act.member, acts.MEMBER), "meter_party", "member")
        rule(act.factor > 0 and re.fullmatch("[a-z0-9-]{1,32}", act.profile), "meter_description")
        rule(self.genesis.month_of(act.since) is not None, "outside_calendar")
        new = sha256(b"wattproof binding\x00", statement.id, index.to_bytes(4, "big"))
        imported, exported = self.end_binding(act)
        head = Head(0, new, act.since, imported, exported)
        binding = Binding(act.meter, act.signer, act.member, act.since, None, act.profile, act.factor, head)
        self.state.put((BINDING, new), binding)
        self.state.put((METER, act.meter), Present(new))

    def end_binding(self, act):
        """The present one ends where the new one begins; gives its counters."""
        present = self.state.present_binding(act.meter)
        if present is None:
            return None, None
        binding = self.state.binding(present)
        rule(binding.head.end == act.since, "binding_not_at_head")
        self.state.put((BINDING, present), replace(binding, until=act.since))
        return binding.head.imported, binding.head.exported

    def contract(self, act, statement, index):
        self.need_role(statement.signer, acts.OPERATOR)
        rule(self.has(act.account, acts.MEMBER), "not_a_member")
        self.need_open(act.month)
        rise = act.energy - self.state.sheet(act.month, act.account).terms.contract
        rule(rise >= 0, "contract_lowered")
        self.state.post(act.month, act.account, "contract", rise)
        self.state.enter(act.month, act.account, [1, statement.id, index])

    def readings(self, act, statement, index):
        meters.book_interval(self.state, act, statement.signer, statement.id, index, self.time)

    def note(self, act, statement, index):
        self.need_role(statement.signer, acts.MEMBER)
        rule(not act.is_empty, "empty_note")

    def transfer(self, act, statement, index):
        state, seller, entry = self.state, statement.signer, [1, statement.id, index]
        by_operator, to_operator = self.has(seller, acts.OPERATOR), self.has(act.to, acts.OPERATOR)
        self.need_role(seller, acts.OPERATOR, acts.MEMBER)
        rule(to_operator or self.has(act.to, acts.MEMBER), "not_a_member")
        rule(act.energy > 0 and act.to != seller and not (by_operator and to_operator), "empty_transfer")
        self.need_open(act.month)
        if by_operator:
            state.post(act.month, act.to, "gained", act.energy, with_supply=True)
            state.enter(act.month, act.to, entry)
            return
        fee = self.genesis.fee
        remaining = state.sheet(act.month, seller).terms.remaining()
        rule(remaining >= act.energy + fee, "energy_used_up")
        if fee > 0:
            state.post(act.month, seller, "fee", fee)
        state.post(act.month, seller, "traded", act.energy, with_supply=to_operator)
        if not to_operator:
            state.post(act.month, act.to, "gained", act.energy)
            state.enter(act.month, act.to, entry)
        state.enter(act.month, seller, entry)

    def tariff(self, act, statement, index):
        self.need_role(statement.signer, acts.OPERATOR)
        rule(act.price >= 0 and act.excess_price >= 0 and act.step >= 1, "tariff_amounts")
        self.need_open(act.since)
        rule(act.since > self.month or self.state.tariff(act.since) is None, "tariff_too_late")
        self.state.put((TARIFF, act.since), TariffRecord(act, statement.id))

    def bill(self, act, statement, index):
        rule(statement.signer == act.account or self.has(statement.signer, acts.OPERATOR), "bill_signer")
        computed = bills.compute(
            self.genesis, act.account, act.start, act.until, lambda month: self.billed(month, act.account)
        )
        for key, earlier in self.state.records.items():
            if key[:2] == (BILL, act.account):
                rule(earlier.until <= act.start or act.until <= key[2], "bill_overlaps")
        rule(cbor.encode(computed) == cbor.encode(act.body), "bill_differs", f"the total is {computed[5]}")
        self.state.put((BILL, act.account, act.start), BillRecord(act.until, statement.id, computed[5]))

    def billed(self, month, account):
        rule(month < self.state.first_open, "month_open")
        rule((SHEET, month, account) in self.state.records, "nothing_to_bill")
        return self.state.sheet(month, account), self.state.month(month)


ACTS = {
    acts.RegisterKey: Booking.register_key,
    acts.RegisterMeter: Booking.register_meter,
    acts.Contract: Booking.contract,
    acts.Readings: Booking.readings,
    acts.Note: Booking.note,
    acts.Transfer: Booking.transfer,
    acts.Tariff: Booking.tariff,
    acts.Bill: Booking.bill,
}
