"""Claims, answers, and the journal of loads (sections 7 and 12)."""

from . import acts
from .meters import CLOCK_AHEAD
from .records import BILL, CLAIM, LOAD, OUTSIDE, Claim, Load, replace
from .refusal import rule


def need_former_member(booking, signer):
    """Whoever has moved out may still contest what was billed."""
    rule(any(span.role == acts.MEMBER for span in booking.state.account(signer).roles), "role_needed")


def claim_voltage(booking, act, signer, act_id):
    state = booking.state
    need_former_member(booking, signer)
    for interval in act.intervals:
        found = [key for key in state.records if key[0] == OUTSIDE and key[2] == interval]
        rule(found and state.records[found[0]].member == signer, "unknown_interval")
        record = state.records[found[0]]
        rule(record.claim is None, "already_claimed")
        state.put(found[0], replace(record, claim=act_id))
    state.put((CLAIM, act_id), Claim(signer))


def claim_bill(booking, act, signer, act_id):
    state, key = booking.state, (BILL, signer, act.start)
    need_former_member(booking, signer)
    rule(key in state.records, "unknown_bill")
    bill = state.records[key]
    rule(bill.claim is None, "already_claimed")
    state.put(key, replace(bill, claim=act_id))
    state.put((CLAIM, act_id), Claim(signer))


def answer(booking, act, signer, act_id):
    claim = booking.state.records.get((CLAIM, act.claim))
    rule(claim, "unknown_claim")
    rule(claim.answer is None, "already_answered")
    booking.state.put((CLAIM, act.claim), replace(claim, answer=(act.decision, act_id)))


def control(booking, act, signer, act_id):
    state = booking.state
    present = state.present_binding(act.meter)
    rule(present, "unknown_meter")
    binding = state.binding(present)
    rule(binding.signer == signer, "not_the_signer")
    rule(binding.until is None or act.time < binding.until, "binding_ended")
    rule(binding.since <= act.time <= booking.time + CLOCK_AHEAD, "control_time")
    known = state.records.get((LOAD, act.meter))
    if known is None or known.time <= act.time:
        state.put((LOAD, act.meter), Load(act.after, act.time, act_id[0]))
