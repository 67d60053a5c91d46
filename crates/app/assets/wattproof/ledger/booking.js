// What a block does to the state (docs/protocol.md section 9, step 6): ends, month closes, acts by their rules (section 12),
// reward.
import * as cbor from "../cbor.js";
import { RuleBroken, need, rule } from "../refusal.js";
import { bytesEqual, least, most } from "../bytes.js";
import { GATEWAY, MEMBER, METER, MINER, OPERATOR } from "../acts.js";
import { charged, compute } from "../bills.js";
import { levelOf } from "../block.js";
import { Key, RS256 } from "../keys.js";
import { KIND, bindingId, keeps, remaining } from "../records.js";
import * as changes from "./changes.js";
import * as claims from "./claims.js";
import { CLAIM_MONTHS, CLOCK_AHEAD, bookInterval, isLive } from "./intervals.js";
import { NEW_ACCOUNT } from "./state.js";
import * as trades from "./trades.js";

/** Acts of the operator alone. */
const OPERATORS = [
  "register_key", "register_meter", "retire_role", "retire_meter", "revoke", "contract", "tariff", "answer", "level",
  "limits", "upgrade", "utility",
];
const ROLES_MAX = 32;

/** A block being booked. */
export class Booking {
  constructor(state, header) {
    Object.assign(this, { state, genesis: state.genesis, time: header.time, height: header.height });
    this.level = levelOf(header.difficulty);
    this.logIndex = state.head.logSize;
    this.month = this.genesis.monthOf(this.time);
    need(this.month !== null, "a block outside the calendar");
    const { upgrade } = state.parameters();
    need(upgrade === null || this.height < upgrade.height, "a protocol version that this verifier does not know");
    const proposer = state.account(header.proposer);
    need(this.has(header.proposer, MINER) && proposer.revoked === null, "the proposer is no miner");
    this.gains = proposer.gains;
    for (const [id, expires] of state.seen) if (expires <= this.time) state.seen.delete(id);
    trades.dropEndedOffers(state, this.time);
    this.closeMonths();
  }

  has(account, role) {
    return this.state.has(account, role, this.time);
  }

  // Months.

  closeMonths() {
    const { state, genesis } = this;
    while (genesis.hasMonth(state.firstOpen) && genesis.closeTime(state.firstOpen) <= this.time) {
      if (state.monthOf(state.firstOpen) !== null) this.close(state.firstOpen);
      state.firstOpen += 1;
      const old = state.all(KIND.outside).filter(({ parts }) => parts[0] + CLAIM_MONTHS < state.firstOpen);
      for (const { parts } of old) state.remove(KIND.outside, parts);
    }
  }

  close(month) {
    const { state, genesis } = this;
    const tariff = state.tariffIn(month)?.tariff.since ?? null;
    state.put(KIND.month, [month], { ...state.month(month), isClosed: true, tariff });
    if (!genesis.carriesOver || genesis.span(month + 1) === null) return;
    const sheets = state.all(KIND.sheet).filter(({ parts }) => parts[0] === month);
    sheets.sort((a, b) => (a.parts[1] < b.parts[1] ? -1 : 1));
    for (const { parts, record } of sheets) {
      const left = remaining(record.terms);
      if (left > 0n && this.has(parts[1], MEMBER)) this.postIfItFits(month + 1, parts[1], "carried", left, { kind: "carried", month });
    }
  }

  /** What nobody signed cannot be refused: at a term's bound it is left out. */
  postIfItFits(month, account, term, energy, entry) {
    try {
      this.state.post(month, account, term, energy);
    } catch (error) {
      if (error instanceof RuleBroken) return;
      throw error;
    }
    this.state.enter(month, account, entry);
  }

  payReward() {
    const left = this.state.month(this.month).budget;
    const reward = least(this.genesis.rewards[this.level - 1], most(left, 0n));
    if (reward === 0n || this.gains === null || !this.has(this.gains, MEMBER)) return;
    this.postIfItFits(this.month, this.gains, "reward", reward, { kind: "reward", height: this.height });
  }

  // Statements.

  async book(statement) {
    const { state } = this;
    rule(statement.ledger === this.genesis.ledger, "wrong_ledger");
    rule(statement.issued <= this.time + CLOCK_AHEAD, "issued_in_future");
    rule(statement.expires === null || statement.expires > this.time, "expired");
    rule(!state.seen.has(statement.id), "duplicate");
    rule(state.account(statement.signer).revoked === null, "key_revoked");
    for (const [index, act] of statement.acts.entries()) {
      if (OPERATORS.includes(act.kind)) this.needRole(statement.signer, OPERATOR);
      await ACTS[act.kind](this, act, statement.signer, { statement: statement.id, index });
    }
    if (statement.expires !== null) state.seen.set(statement.id, statement.expires);
    this.logIndex += 1n;
  }

  needRole(account, ...roles) {
    rule(roles.some((role) => this.has(account, role)), "role_needed");
  }

  needOpen(month) {
    rule(this.genesis.hasMonth(month), "outside_calendar");
    rule(month >= this.state.firstOpen, "month_closed");
  }

  checkKey(key, isMiners) {
    rule(key.isValid, "key_invalid");
    rule(this.genesis.isClassroom || !key.isWeak, "weak_key");
    rule(!isMiners || key.algorithm !== RS256, "miner_key");
  }
}

// Acts: the booking, the act, who signed it, and its statement's id with its index there.

function registerKey(booking, act) {
  const { state } = booking;
  const key = new Key(act.cose);
  booking.checkKey(key, act.role === MINER);
  rule(act.role !== OPERATOR, "operator_by_genesis");
  rule((act.gains !== null) === (act.role === MINER), "beneficiary");
  rule(act.gains === null || booking.has(act.gains, MEMBER) || booking.has(act.gains, OPERATOR), "beneficiary");
  rule([null, key.account].includes(state.userOfKey(key)), "key_in_use");
  const record = state.account(key.account) ?? { ...NEW_ACCOUNT, keys: [{ cose: key.cose, since: booking.logIndex + 1n }] };
  rule(record.revoked === null, "key_revoked");
  const goesOn = (span) => span.role === act.role && (span.until === null || span.until > act.since);
  rule(!record.roles.some(goesOn), "already_registered");
  rule(act.role !== MEMBER || !hasFinalBill(state, key.account), "sheet_billed");
  rule(record.roles.length < ROLES_MAX, "account_full");
  booking.checkKey(new Key(record.keys[record.keys.length - 1].cose), act.role === MINER);
  const span = { role: act.role, since: act.since, registered: booking.logIndex, until: null, retired: null };
  state.put(KIND.account, [key.account], { ...record, roles: [...record.roles, span], gains: act.gains ?? record.gains });
}

/** A bill of who left, that ends after the first open month began. */
function hasFinalBill(state, account) {
  const opened = state.genesis.span(state.firstOpen);
  const bills = state.all(KIND.bill).filter(({ parts }) => parts[0] === account);
  return opened !== null && bills.some(({ record }) => record.until > opened[0]);
}

function registerMeter(booking, act, signer, actId) {
  const { state } = booking;
  rule(booking.has(act.signer, GATEWAY) || booking.has(act.signer, METER), "meter_party", "signer");
  const member = state.account(act.member);
  rule(member !== null && keeps(member, act.isMain ? OPERATOR : MEMBER, booking.time), "meter_party", "member");
  rule(act.factor > 0 && /^[a-z0-9-]{1,32}$/.test(act.profile), "meter_description");
  rule(booking.genesis.monthOf(act.since) !== null, "outside_calendar");
  const id = bindingId(actId.statement, actId.index);
  const { imported, exported } = endBinding(state, act);
  const head = { next: 0n, previous: id, end: act.since, imported, exported };
  const { meter, since, profile, factor, isMain } = act;
  state.countBindings(act.member, 1);
  state.put(KIND.binding, [id], { meter, signer: act.signer, member: act.member, since, until: null, profile, factor, head, isMain });
  state.put(KIND.meter, [meter], { binding: id });
}

/** The present one ends where the new one begins; gives its counters. */
function endBinding(state, act) {
  const present = state.get(KIND.meter, act.meter);
  if (present === null) return { imported: null, exported: null };
  const binding = state.bindingOf(present.binding);
  rule(binding.head.end === act.since, "binding_not_at_head");
  if (isLive(binding)) state.countBindings(binding.member, -1);
  state.put(KIND.binding, [present.binding], { ...binding, until: act.since });
  return binding.head;
}

function contract(booking, act, signer, actId) {
  const { state } = booking;
  rule(booking.has(act.account, MEMBER), "not_a_member");
  booking.needOpen(act.month);
  const rise = act.energy - state.sheet(act.month, act.account).terms.contract;
  rule(rise >= 0n, "contract_lowered");
  state.post(act.month, act.account, "contract", rise);
  state.enter(act.month, act.account, { kind: "act", ...actId });
}

function note(booking, act, signer) {
  booking.needRole(signer, MEMBER);
  rule(!act.isEmpty, "empty_note");
}

function tariff(booking, act, signer, actId) {
  const { state, genesis } = booking;
  const months = act.summer ?? [1, 1];
  rule(months.every((month) => month >= 1 && month <= 12), "tariff_table", "summer");
  act.table.check(act.summer !== null);
  rule((act.excessPrice ?? 0n) >= 0n && act.step >= 1n, "tariff_amounts");
  const isWhole = ["time_of_use", "average"].includes(act.table.kind);
  rule(!isWhole || act.excessPrice === null, "tariff_excess");
  rule(act.table.kind !== "average" || genesis.hasTenants, "no_tenancy");
  booking.needOpen(act.since);
  rule(act.since > booking.month || state.tariffIn(act.since) === null, "tariff_too_late");
  if (act.table.kind === "time_of_use") {
    const isRead = ({ parts, record }) => parts[0] >= act.since && record.meters.length > 0;
    rule(!state.all(KIND.sheet).some(isRead), "tariff_after_readings");
  }
  state.put(KIND.tariff, [act.since], { tariff: act, statement: actId.statement });
}

function utility(booking, act, signer, actId) {
  const { state, genesis } = booking;
  rule(genesis.hasTenants, "no_tenancy");
  rule(act.energy > 0n && act.amount >= 0n, "utility_amounts");
  rule(act.start < act.until && genesis.monthOf(act.start) !== null, "utility_period");
  const present = state.get(KIND.utility, act.start);
  const isUntouched = present !== null && present.amount === 0n && present.energy === 0n;
  const isRestated = isUntouched && present.utility.until === act.until;
  rule(isRestated || state.utilities(act.start, act.until).length === 0, "utility_period");
  state.put(KIND.utility, [act.start], { utility: act, statement: actId.statement, amount: 0n, energy: 0n });
}

function bill(booking, act, signer, actId) {
  const { state, genesis } = booking;
  rule(signer === act.account || booking.has(signer, OPERATOR), "bill_signer");
  const computed = compute(state, act.account, act.start, act.until);
  const start = genesis.span(computed.months[0])[0];
  const end = genesis.span(computed.months[computed.months.length - 1])[1];
  for (const { parts, record } of state.all(KIND.bill).filter(({ parts }) => parts[0] === act.account)) {
    rule(record.until <= start || end <= parts[1], "bill_overlaps");
  }
  rule(bytesEqual(cbor.encode(computed.body), cbor.encode(act.body)), "bill_differs", `the total is ${computed.total}`);
  if (genesis.hasTenants) for (const [at, sums] of charged(computed)) chargeUtility(state, at, sums);
  state.put(KIND.bill, [act.account, act.start], { until: act.until, statement: actId.statement, total: computed.total, claim: null });
}

/** What tenants pay together is at most the utility's bill. */
function chargeUtility(state, start, sums) {
  const record = state.get(KIND.utility, start);
  const [amount, energy] = [record.amount + sums.amount, record.energy + sums.energy];
  rule(amount <= record.utility.amount, "tenancy_sum");
  rule(energy <= record.utility.energy, "tenancy_energy");
  state.put(KIND.utility, [start], { ...record, amount, energy });
}

const ACTS = {
  register_key: registerKey,
  register_meter: registerMeter,
  retire_role: changes.retireRole,
  retire_meter: changes.retireMeter,
  revoke: changes.revoke,
  rotate: changes.rotate,
  contract,
  readings: bookInterval,
  note,
  transfer: trades.transfer,
  offer: trades.offer,
  accept: trades.accept,
  withdraw: trades.withdraw,
  tariff,
  bill,
  utility,
  claim_voltage: claims.claimVoltage,
  claim_bill: claims.claimBill,
  answer: claims.answer,
  control: claims.control,
  level: changes.level,
  limits: changes.limits,
  upgrade: changes.upgrade,
};
