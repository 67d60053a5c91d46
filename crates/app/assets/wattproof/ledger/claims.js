// Claims, answers, and the journal of loads (docs/protocol.md sections 7 and 12).
import { rule } from "../refusal.js";
import { same } from "../bytes.js";
import { MEMBER } from "../acts.js";
import { KIND } from "../records.js";
import { CLOCK_AHEAD } from "./intervals.js";

/** Whoever has moved out may still contest what was billed. */
function needFormerMember(booking, signer) {
  rule(booking.state.account(signer).roles.some((span) => span.role === MEMBER), "role_needed");
}

export function claimVoltage(booking, act, signer, actId) {
  const { state } = booking;
  needFormerMember(booking, signer);
  for (const interval of act.intervals) {
    const found = state.all(KIND.outside).find(({ parts }) => same(parts[1], interval));
    rule(found && found.record.member === signer, "unknown_interval");
    rule(found.record.claim === null, "already_claimed");
    state.put(KIND.outside, found.parts, { ...found.record, claim: actId });
  }
  state.put(KIND.claim, [actId], { member: signer, answer: null });
}

export function claimBill(booking, act, signer, actId) {
  const { state } = booking;
  needFormerMember(booking, signer);
  const bill = state.get(KIND.bill, signer, act.start);
  rule(bill !== null, "unknown_bill");
  rule(bill.claim === null, "already_claimed");
  state.put(KIND.bill, [signer, act.start], { ...bill, claim: actId });
  state.put(KIND.claim, [actId], { member: signer, answer: null });
}

export function answer(booking, act, signer, actId) {
  const claim = booking.state.get(KIND.claim, act.claim);
  rule(claim !== null, "unknown_claim");
  rule(claim.answer === null, "already_answered");
  booking.state.put(KIND.claim, [act.claim], { ...claim, answer: { decision: act.decision, act: actId } });
}

export function control(booking, act, signer, actId) {
  const { state } = booking;
  const present = state.get(KIND.meter, act.meter);
  rule(present !== null, "unknown_meter");
  const binding = state.bindingOf(present.binding);
  rule(binding.signer === signer, "not_the_signer");
  rule(binding.until === null || act.time < binding.until, "binding_ended");
  rule(binding.since <= act.time && act.time <= booking.time + CLOCK_AHEAD, "control_time");
  const known = state.get(KIND.load, act.meter);
  if (known !== null && known.time > act.time) return;
  state.put(KIND.load, [act.meter], { state: act.after, time: act.time, statement: actId.statement });
}
