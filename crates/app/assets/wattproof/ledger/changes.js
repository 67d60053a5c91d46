// What ends or changes (docs/protocol.md section 12): roles, bindings, keys, and what the operator changes of genesis' rules.
import * as cbor from "../cbor.js";
import { Refused, RuleBroken, rule } from "../refusal.js";
import { concat, unhex, utf8 } from "../bytes.js";
import { MEMBER, MINER, OPERATOR } from "../acts.js";
import { limitsAreOrdered } from "../genesis.js";
import { Key } from "../keys.js";
import { KIND, keeps } from "../records.js";
import { isLive } from "./intervals.js";

const KEYS_MAX = 32;
const NOTICE_BLOCKS = 100n;

function knownAccount(booking, account) {
  const record = booking.state.account(account);
  rule(record !== null, "unknown_account");
  return record;
}

export function retireRole(booking, act) {
  rule(act.role !== OPERATOR, "operator_stays");
  const record = knownAccount(booking, act.account);
  const at = record.roles.findIndex((span) => span.role === act.role && span.until === null);
  rule(at >= 0, "role_not_held");
  const span = record.roles[at];
  rule(span.since <= act.until && booking.genesis.monthOf(act.until) !== null, "retire_time");
  rule(act.role !== MEMBER || record.bindings === 0, "meters_bound");
  if (act.role === MINER) needAnotherMiner(booking, act.account);
  const roles = record.roles.with(at, { ...span, until: act.until, retired: booking.logIndex });
  booking.state.put(KIND.account, [act.account], { ...record, roles });
}

export function retireMeter(booking, act) {
  const { state } = booking;
  const present = state.get(KIND.meter, act.meter);
  rule(present !== null, "unknown_meter");
  const binding = state.bindingOf(present.binding);
  rule(isLive(binding), "binding_ended");
  rule(binding.head.end <= act.until && booking.genesis.monthOf(act.until) !== null, "retire_time");
  const ended = { ...binding, until: act.until };
  if (!isLive(ended)) state.countBindings(binding.member, -1);
  state.put(KIND.binding, [present.binding], ended);
}

export function revoke(booking, act) {
  const record = knownAccount(booking, act.account);
  rule(!booking.has(act.account, OPERATOR), "operator_stays");
  rule(record.revoked === null, "key_revoked");
  if (keeps(record, MINER, booking.time)) needAnotherMiner(booking, act.account);
  booking.state.put(KIND.account, [act.account], { ...record, revoked: booking.logIndex });
}

function needAnotherMiner(booking, account) {
  const others = booking.state.all(KIND.account).filter(({ parts }) => parts[0] !== account);
  rule(others.some(({ record }) => record.revoked === null && keeps(record, MINER, booking.time)), "last_miner");
}

export async function rotate(booking, act, signer) {
  const { state, genesis } = booking;
  const key = new Key(act.cose);
  const record = knownAccount(booking, signer);
  booking.checkKey(key, record.roles.some((span) => span.role === MINER));
  rule(state.userOfKey(key) === null, "key_in_use");
  rule(record.keys.length < KEYS_MAX, "account_full");
  const signed = concat(utf8("wattproof rotate\0"), unhex(genesis.ledger), unhex(signer), cbor.encode(act.cose));
  try {
    await key.verify(signed, act.possession);
  } catch (error) {
    throw error instanceof Refused ? new RuleBroken("possession", error.message) : error;
  }
  const keys = [...record.keys, { cose: act.cose, since: booking.logIndex + 1n }];
  state.put(KIND.account, [signer], { ...record, keys });
  state.put(KIND.key, [key.account], { account: signer });
}

export function level(booking, act) {
  rule(booking.genesis.blockTime === null, "level_by_time");
  rule(act.level >= 1 && act.level <= 5, "level_range");
  rule(act.height > booking.height, "not_ahead");
  const stands = booking.state.levelAt(booking.height);
  booking.state.put(KIND.parameters, [], { ...booking.state.parameters(), level: stands, nextLevel: act });
}

export function limits(booking, act) {
  rule(limitsAreOrdered(act.limits), "limits_order");
  rule(act.since > booking.time, "not_ahead");
  const stands = booking.state.limitsAt(booking.time);
  booking.state.put(KIND.parameters, [], { ...booking.state.parameters(), limits: stands, nextLimits: act });
}

export function upgrade(booking, act) {
  const present = booking.state.parameters();
  rule(act.version > (present.upgrade?.version ?? 1), "version_not_above");
  rule(act.height >= booking.height + NOTICE_BLOCKS, "notice_too_short");
  booking.state.put(KIND.parameters, [], { ...present, upgrade: act });
}
