// How an interval of a meter is booked (docs/protocol.md sections 7 and 10).
import { rule } from "../refusal.js";
import { hash } from "../sha256.js";
import { GATEWAY, METER, OPERATOR } from "../acts.js";
import { divided, plus } from "../hours.js";
import { TERM_MAX, byMonth, continued, folded, moved, shows, withPart } from "../meters.js";
import { KIND } from "../records.js";

const MINUTE = 60_000n;
const DAY = 24n * 60n * MINUTE;
export const CLOCK_AHEAD = 10n * MINUTE;
/** Months before the oldest open one whose intervals may be claimed. */
export const CLAIM_MONTHS = 3;
const NOTHING_READ = hash(new Uint8Array());

export function bookInterval(booking, act, signer, actId) {
  const { state, time } = booking;
  const binding = state.bindingOf(act.binding);
  rule(binding !== null, "unknown_binding");
  checkSigner(state, act, binding, signer, time);
  checkInterval(act, binding, time);
  const isEstimated = act.isEstimated && shows(state.genesis, binding, act.end);
  const stretch = { ...continued(act, binding.head), isEstimated };
  for (const { month, part } of byMonth(state.genesis, stretch)) {
    bookPart(state, act.binding, binding, month, part, { kind: "act", ...actId });
  }
  keepIfOutside(state, act, binding, actId);
  advance(state, act, binding, actId.statement);
}

function advance(state, act, binding, statement) {
  const exported = act.exported?.end ?? null;
  const head = { next: binding.head.next + 1n, previous: statement, end: act.end, imported: act.imported.end, exported };
  const grown = { ...binding, head };
  if (!isLive(grown)) state.countBindings(binding.member, -1);
  state.put(KIND.binding, [act.binding], grown);
}

/** Whether a binding's chain can still grow. */
export const isLive = (binding) => binding.until === null || binding.head.end < binding.until;

/** The gateway or meter that the binding names, whose role has not ended before; by hand the operator. */
function checkSigner(state, act, binding, signer, time) {
  if (act.isOperators) {
    rule(state.has(signer, OPERATOR, time), "not_the_signer");
    rule(act.count === 0 && act.columns === NOTHING_READ && act.frames === NOTHING_READ, "hand_reading");
    return;
  }
  rule(binding.signer === signer, "not_the_signer");
  const spans = state.account(signer).roles.filter((span) => [GATEWAY, METER].includes(span.role));
  rule(spans.some((span) => span.until === null || act.end <= span.until), "role_needed");
}

function checkInterval(act, binding, time) {
  rule(binding.until === null || act.end <= binding.until, "binding_ended");
  rule(act.number === binding.head.next, "wrong_sequence");
  rule(act.previous === binding.head.previous, "wrong_previous");
  const longest = act.isOperators ? 92n * DAY : DAY;
  rule(act.end > act.start && act.end - act.start <= longest, "interval_length");
  rule(act.end <= time + CLOCK_AHEAD, "interval_in_future");
}

/** In the month's sheet, or in the first open one's with a correction (section 10, late readings). */
function bookPart(state, id, binding, month, part, entry) {
  const booked = Math.max(month, state.firstOpen);
  const consumed = moved(part.imported, binding.factor);
  const generated = moved(part.exported, binding.factor);
  if (binding.isMain) {
    bookMain(state, booked, consumed, generated);
    return;
  }
  state.post(booked, binding.member, "consumed", consumed);
  if (generated > 0n) state.post(booked, binding.member, "generated", generated);
  let sheet = state.sheet(booked, binding.member);
  for (const piece of folded(part)) sheet = { ...sheet, meters: withPart(sheet.meters, id, binding, piece) };
  state.put(KIND.sheet, [booked, binding.member], divide(state, sheet, booked, binding, month, part));
  state.enter(booked, binding.member, entry);
}

/** A main meter counts beside the sheets. */
function bookMain(state, month, imported, exported) {
  const record = state.month(month);
  const [mainImport, mainExport] = [record.mainImport + imported, record.mainExport + exported];
  rule(mainImport <= TERM_MAX && mainExport <= TERM_MAX, "amount_too_large");
  state.put(KIND.month, [month], { ...record, mainImport, mainExport });
}

/** Adds a part to the sheet's own use, or to the correction of a closed month that had a tariff. */
function divide(state, sheet, booked, { member, factor }, month, part) {
  const lateUnder = booked === month ? null : state.tariffIn(month);
  if (lateUnder === null) {
    const more = divided(state.genesis, state.tariffIn(booked)?.tariff, booked, part, factor);
    return { ...sheet, regular: plus(sheet.regular, more) };
  }
  const late = divided(state.genesis, lateUnder.tariff, month, part, factor);
  const at = sheet.corrections.findIndex((known) => known.month === month);
  if (at >= 0) {
    const known = sheet.corrections[at];
    return { ...sheet, corrections: sheet.corrections.with(at, { ...known, late: plus(known.late, late) }) };
  }
  const before = knownUse(state, member, month, booked);
  return { ...sheet, corrections: [...sheet.corrections, { month, tariff: lateUnder.tariff.since, late, before }] };
}

/** Of a closed month so far: its own use, and what came late before the open month. */
function knownUse(state, member, of, booked) {
  let known = state.sheet(of, member).regular;
  for (let month = of + 1; month < booked; month++) {
    for (const correction of state.sheet(month, member).corrections) {
      if (correction.month === of) known = plus(known, correction.late);
    }
  }
  return known;
}

/** A member's interval whose voltage left the limits that were in force at its start may be claimed for a while. */
function keepIfOutside(state, act, binding, actId) {
  const limits = state.limitsAt(act.start);
  if (act.voltage === null || binding.isMain) return;
  const [lowest, highest] = act.voltage;
  if (lowest >= limits.lowest && highest <= limits.highest) return;
  const month = state.genesis.monthOf(act.start);
  rule(month !== null, "outside_calendar");
  if (month + CLAIM_MONTHS < state.firstOpen) return;
  const record = {
    member: binding.member,
    meter: binding.meter,
    start: act.start,
    end: act.end,
    found: [lowest, highest],
    limits: [limits.lowest, limits.highest],
    claim: null,
  };
  state.put(KIND.outside, [month, actId], record);
}
