"""Claim bundles (section 14): a claim, what it is about, and the answer."""

from . import acts, cbor
from .attachment import Attachment
from .proven import Proven
from .records import BILL, CLAIM, OUTSIDE
from .refusal import at, need

MAGIC = "wattproof claim bundle 1"


def is_bundle(data):
    return data.startswith(b"\x82" + cbor.encode(MAGIC))


def verify(data):
    """Every layer in turn; says what was found."""
    bundle = ClaimBundle(data)
    for layer in ("finality", "inclusion", "signatures", "claim", "answer"):
        with at(layer):
            getattr(bundle, "check_" + layer)()
    bundle.check_nothing_idle(bundle.named_records, bundle.named_statements)
    answer = {None: "not answered", 1: "accepted", 2: "refused"}[bundle.answer and bundle.answer[0]]
    return f"a claim, {bundle.found}, {answer}"


class ClaimBundle(Proven):
    """Its structure, and how much of it the claim needs."""

    def __init__(self, data):
        magic, body = cbor.items(cbor.decode(data), 2)
        need(magic == MAGIC, "no claim bundle")
        parts = cbor.fields(body, range(1, 8))
        super().__init__(parts[1], parts[2], parts[3], parts[5], parts[6])
        self.claim = acts.read_act_id(parts[4])
        self.readings = cbor.listed(parts[7], read_interval)
        self.named_records, self.named_statements = set(), set()

    def act(self, act_id, kind):
        statement, index = act_id
        self.named_statements.add(statement)
        signed = self.statement(statement)
        need(index < len(signed.acts) and isinstance(signed.acts[index], kind), "another act at that place")
        return signed.acts[index]

    def known(self, *key):
        """A record that the claim names; the state may have forgotten some."""
        if key in self.state:
            self.named_records.add(key)
        return self.state.get(key)

    # Layers.

    def check_claim(self):
        act = self.act(self.claim, (acts.ClaimVoltage, acts.ClaimBill))
        self.member = self.statement(self.claim[0]).signer
        record = self.known(CLAIM, self.claim)
        need(record and record.member == self.member, "the state does not hold the claim for this member")
        self.answer = record.answer
        if isinstance(act, acts.ClaimVoltage):
            self.check_intervals(act)
        else:
            self.check_bill(act)

    def check_bill(self, act):
        record = self.known(BILL, self.member, act.start)
        need(record and record.claim == self.claim, "the bill's record names another claim")
        self.named_statements.add(record.statement)
        bills = [one for one in self.statement(record.statement).acts if isinstance(one, acts.Bill)]
        meant = [bill for bill in bills if (bill.account, bill.start) == (self.member, act.start)]
        need(meant and (meant[0].until, meant[0].body[6]) == (record.until, record.total), "no such bill there")
        need(not self.readings, "readings of a claim about a bill")
        self.found = f"about a bill of {record.total} (1e-4)"

    def check_intervals(self, act):
        kept, compared, outside = dict(self.readings), 0, 0
        for number, interval in enumerate(act.intervals):
            with at(f"interval {number}"):
                readings = self.act(interval, acts.Readings)
                outside += self.check_outside(interval, readings)
                if interval[0] in kept:
                    compared += Attachment(kept[interval[0]]).check(readings)
        claimed = list(dict.fromkeys(statement for statement, _ in act.intervals))
        listed = [statement for statement, _ in self.readings]
        need(listed == [one for one in claimed if one in kept], "readings that are not claimed, or out of order")
        self.found = f"{outside} of {len(act.intervals)} intervals known to be outside the limits, {compared} readings"

    def check_outside(self, interval, readings):
        """By the state's own record; an old one is forgotten."""
        record = self.known(OUTSIDE, self.genesis.month_of(readings.start), interval)
        if record is None:
            return False
        need((record.member, record.claim) == (self.member, self.claim), "its record is about another claim")
        need(readings.voltage and record.found == tuple(readings.voltage[:2]), "its record has other voltages")
        (low, high), (least, most) = record.found, record.limits
        need(low < least or high > most, "its voltage is within the limits")
        return True

    def check_answer(self):
        if self.answer:
            decision, act_id = self.answer
            stated = self.act(act_id, acts.Answer)
            need((stated.claim, stated.decision) == (self.claim, decision), "another answer than the state's")


def read_interval(value):
    statement, data = cbor.items(value, 2)
    return cbor.digest(statement), cbor.octets(data)
