"""What ends or changes (section 12): roles, bindings, keys, and what the operator changes of genesis' rules."""

from . import acts, cbor
from .keys import Key
from .records import ACCOUNT, BINDING, KEY, PARAMETERS, KeyOwner, replace
from .refusal import Refused, RuleBroken, rule

KEYS_MAX = 32
NOTICE_BLOCKS = 100


def known_account(booking, account):
    record = booking.state.account(account)
    rule(record, "unknown_account")
    return record


def retire_role(booking, act, signer, act_id):
    rule(act.role != acts.OPERATOR, "operator_stays")
    record = known_account(booking, act.account)
    held = [at for at, span in enumerate(record.roles) if span.role == act.role and span.until is None]
    rule(held, "role_not_held")
    span = record.roles[held[0]]
    rule(span.since <= act.until and booking.genesis.month_of(act.until) is not None, "retire_time")
    rule(act.role != acts.MEMBER or record.bindings == 0, "meters_bound")
    if act.role == acts.MINER:
        need_another_miner(booking, act.account)
    roles = list(record.roles)
    roles[held[0]] = replace(span, until=act.until, retired=booking.log_index)
    booking.state.put((ACCOUNT, act.account), replace(record, roles=tuple(roles)))


def retire_meter(booking, act, signer, act_id):
    present = booking.state.present_binding(act.meter)
    rule(present, "unknown_meter")
    binding = booking.state.binding(present)
    rule(binding.is_live(), "binding_ended")
    rule(binding.head.end <= act.until and booking.genesis.month_of(act.until) is not None, "retire_time")
    binding = replace(binding, until=act.until)
    if not binding.is_live():
        booking.state.count_bindings(binding.member, -1)
    booking.state.put((BINDING, present), binding)


def revoke(booking, act, signer, act_id):
    record = known_account(booking, act.account)
    rule(not booking.has(act.account, acts.OPERATOR), "operator_stays")
    rule(record.revoked is None, "key_revoked")
    if record.keeps(acts.MINER, booking.time):
        need_another_miner(booking, act.account)
    booking.state.put((ACCOUNT, act.account), replace(record, revoked=booking.log_index))


def need_another_miner(booking, account):
    others = (record for key, record in booking.state.records.items() if key[0] == ACCOUNT and key[1] != account)
    able = (record.revoked is None and record.keeps(acts.MINER, booking.time) for record in others)
    rule(any(able), "last_miner")


def rotate(booking, act, signer, act_id):
    state, key = booking.state, Key(act.cose)
    record = known_account(booking, signer)
    booking.check_key(key, any(span.role == acts.MINER for span in record.roles))
    rule(state.user_of_key(key) is None, "key_in_use")
    rule(len(record.keys) < KEYS_MAX, "account_full")
    signed = b"wattproof rotate\x00" + booking.genesis.ledger + signer + cbor.encode(act.cose)
    try:
        key.verify(signed, act.possession)
    except Refused as refused:
        raise RuleBroken("possession", refused.reason) from refused
    keys = (*record.keys, (act.cose, booking.log_index + 1))
    state.put((ACCOUNT, signer), replace(record, keys=keys))
    state.put((KEY, key.account), KeyOwner(signer))


def level(booking, act, signer, act_id):
    rule(booking.genesis.block_time is None, "level_by_time")
    rule(1 <= act.level <= 5, "level_range")
    rule(act.height > booking.height, "not_ahead")
    present = booking.state.parameters()
    stands = present.level_at(booking.height)
    booking.state.put((PARAMETERS,), replace(present, level=stands, next_level=act))


def limits(booking, act, signer, act_id):
    rule(act.limits.is_ordered(), "limits_order")
    rule(act.since > booking.time, "not_ahead")
    present = booking.state.parameters()
    stands = present.limits_at(booking.time)
    booking.state.put((PARAMETERS,), replace(present, limits=stands, next_limits=act))


def upgrade(booking, act, signer, act_id):
    present = booking.state.parameters()
    announced = present.upgrade.version if present.upgrade else 1
    rule(act.version > announced, "version_not_above")
    rule(act.height >= booking.height + NOTICE_BLOCKS, "notice_too_short")
    booking.state.put((PARAMETERS,), replace(present, upgrade=act))
