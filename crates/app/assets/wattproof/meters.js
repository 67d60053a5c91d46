// Intervals of meters (docs/protocol.md section 7): they continue their chain or say why not, and only differences are
// booked. A stretch is { start, end, imported, exported, isEstimated, wrapsAt, isUnknown }.
import { rule } from "./refusal.js";
import { GAP, WRAP } from "./acts.js";

export const TERM_MAX = 10n ** 18n;
const STRETCHES_MAX = 64;

/** What an interval books: itself, with the gap before it if it is one. */
export function continued(act, head) {
  rule((act.wrapsAt !== null) === (act.broken === WRAP), "counter_wrap");
  for (const pair of [act.imported, act.exported]) rule(pair === null || pair.start <= pair.end, "counter_backwards");
  const here = stretchOf(act);
  rule(act.start >= head.end, "start_discontinuous");
  if (head.imported === null) return here;
  if (act.broken === null) {
    rule(act.start === head.end, "start_discontinuous");
    const continues = act.imported.start === head.imported && (act.exported?.start ?? null) === head.exported;
    rule(continues, "counter_discontinuous");
    return here;
  }
  if (act.broken === WRAP) return wrapped(here, head, act.wrapsAt);
  return act.broken === GAP ? joined(here, head) : here;
}

export function stretchOf(act) {
  const { start, end, imported, exported, isEstimated } = act;
  return { start, end, imported, exported, isEstimated, wrapsAt: null, isUnknown: false };
}

/** A counter began at zero again; what it moved on the way counts. */
function wrapped(here, head, wrapsAt) {
  rule((here.exported === null) === (head.exported === null), "counter_discontinuous", "a counter came or went");
  let hasFallen = false;
  const way = (pair, start) => {
    if (pair === null) return null;
    rule(start < wrapsAt && pair.end < wrapsAt, "counter_wrap");
    if (pair.start >= start) return { start, end: pair.end };
    hasFallen = true;
    const end = pair.end + wrapsAt;
    rule(end - start <= wrapsAt / 2n, "counter_wrap");
    return { start, end };
  };
  const imported = way(here.imported, head.imported);
  const exported = way(here.exported, head.exported);
  rule(hasFallen, "counter_wrap");
  return { ...here, start: head.end, imported, exported, wrapsAt };
}

/** A gap: the counters ran on while nobody read them. */
function joined(here, head) {
  rule((here.exported === null) === (head.exported === null), "counter_discontinuous", "a counter came or went");
  const way = (pair, start) => {
    if (pair === null) return null;
    rule(pair.start >= start, "counter_discontinuous");
    return { start, end: pair.end };
  };
  return { ...here, start: head.end, imported: way(here.imported, head.imported), exported: way(here.exported, head.exported) };
}

/** Before and after a point in time; the counters' share rounds down. */
export function cut(stretch, at) {
  const [elapsed, length] = [at - stretch.start, stretch.end - stretch.start];
  const counter = (pair) => pair.start + ((pair.end - pair.start) * elapsed) / length;
  const before = (pair) => pair && { start: pair.start, end: counter(pair) };
  const after = (pair) => pair && { start: counter(pair), end: pair.end };
  const { imported, exported } = stretch;
  return [
    { ...stretch, end: at, imported: before(imported), exported: before(exported), isEstimated: true },
    { ...stretch, start: at, imported: after(imported), exported: after(exported), isEstimated: true },
  ];
}

/** A stretch within each month that it touches. */
export function byMonth(genesis, stretch, until = stretch.end) {
  const parts = [];
  let rest = stretch;
  while (rest !== null && rest.start < rest.end && rest.start < until) {
    const month = genesis.monthOf(rest.start);
    rule(month !== null, "outside_calendar");
    const end = genesis.span(month)[1];
    const [part, after] = end < rest.end ? cut(rest, end) : [rest, null];
    parts.push({ month, part });
    rest = after;
  }
  return parts;
}

/** As the displays show it: up to where a counter begins at zero again, and from there on. */
export function folded(stretch) {
  if (stretch.wrapsAt === null) return [stretch];
  const ways = [stretch.imported, stretch.exported].map((pair) => pair && fold(pair, stretch.wrapsAt));
  if (ways.every((way) => way === null || way.length === 1)) {
    return [{ ...stretch, imported: ways[0][0], exported: ways[1] && ways[1][0] }];
  }
  const [imported, exported] = ways.map((way) =>
    way === null || way.length === 2 ? way : [{ start: way[0].start, end: way[0].start }, way[0]],
  );
  return [0, 1].map((at) => ({ ...stretch, imported: imported[at], exported: exported && exported[at] }));
}

function fold(pair, wrapsAt) {
  if (pair.start >= wrapsAt) return [{ start: pair.start - wrapsAt, end: pair.end - wrapsAt }];
  if (pair.end <= wrapsAt) return [pair];
  return [{ start: pair.start, end: wrapsAt }, { start: 0n, end: pair.end - wrapsAt }];
}

/** Whether a bill may show the counter of this time: a month begins, or the binding ends. */
export function shows(genesis, binding, end) {
  const month = genesis.monthOf(end);
  return end === binding.until || (month !== null && genesis.span(month)[0] === end);
}

export function moved(pair, factor) {
  const energy = pair ? (pair.end - pair.start) * BigInt(factor) : 0n;
  rule(energy <= TERM_MAX, "amount_too_large");
  return energy;
}

/** A sheet's stretches with one more part: the binding's last one goes on where the counters do; otherwise a new one begins. */
export function withPart(meters, id, binding, part) {
  const at = meters.findLastIndex((meter) => meter.binding === id);
  const last = meters[at];
  const goesOn =
    last && last.imported.end === part.imported.start && (last.exported?.end ?? null) === (part.exported?.start ?? null);
  if (goesOn) {
    const longer = {
      ...last,
      imported: { start: last.imported.start, end: part.imported.end },
      exported: part.exported && { start: last.exported.start, end: part.exported.end },
      isEstimated: last.isEstimated || part.isEstimated,
    };
    return meters.with(at, longer);
  }
  rule(meters.length < STRETCHES_MAX, "too_many_breaks");
  const { imported, exported, isEstimated } = part;
  return [...meters, { meter: binding.meter, binding: id, factor: binding.factor, imported, exported, isEstimated }];
}
