// Time of day (docs/protocol.md section 10): how the energy of a stretch divides among the bands of a tariff.
import { floorDiv, least } from "./bytes.js";
import { isSummer } from "./acts.js";

const DAY = 86_400_000n;
const MINUTE = 60_000n;

/** Energy, and the same by band. */
export const NOTHING = { energy: 0n, bands: [], isEstimated: false };

export function plus(a, b) {
  const width = Math.max(a.bands.length, b.bands.length);
  const bands = Array.from({ length: width }, (_, at) => (a.bands[at] ?? 0n) + (b.bands[at] ?? 0n));
  return { energy: a.energy + b.energy, bands, isEstimated: a.isEstimated || b.isEstimated };
}

/** The energy of a stretch within a month, under a tariff or none. */
export function divided(genesis, tariff, month, part, factor) {
  const times = BigInt(factor);
  const energy = (part.imported.end - part.imported.start) * times;
  if (!tariff || tariff.table.kind !== "time_of_use") return { ...NOTHING, energy };
  const bands = tariff.table.bands.map(() => 0n);
  const week = tariff.table.week(isSummer(tariff, month));
  let [counter, at, isEstimated] = [part.imported.start, part.start, false];
  while (at < part.end) {
    const [band, until] = bandUntil(genesis, tariff.table, week, at, part.end);
    const share = ((part.imported.end - counter) * (until - at)) / (part.end - at);
    bands[band] += share;
    counter += share;
    isEstimated ||= until < part.end;
    at = until;
  }
  return { energy, bands: bands.map((band) => band * times), isEstimated };
}

/** The band at a moment, and the first later one with another band, at most `limit`. */
function bandUntil(genesis, table, week, time, limit) {
  let [band, until] = changeAfter(genesis, table, week, time);
  while (until < limit) {
    const [next, after] = changeAfter(genesis, table, week, until);
    if (next !== band) return [band, until];
    until = after;
  }
  return [band, limit];
}

/** The band at a moment, and when the plan, the day or the wall clock's offset changes next. */
function changeAfter(genesis, table, week, time) {
  const [offset, change] = genesis.offsetAt(time);
  const wall = time + offset * 1_000n;
  const day = floorDiv(wall, DAY);
  const local = wall - day * DAY;
  const plan = week[kindOfDay(table, Number(day))];
  const begun = plan.filter((entry) => BigInt(entry.minute) * MINUTE <= local);
  const later = plan.find((entry) => BigInt(entry.minute) * MINUTE > local);
  const until = time + (later ? BigInt(later.minute) * MINUTE : DAY) - local;
  return [begun[begun.length - 1].band, change === null ? until : least(until, change)];
}

/** 0 weekday, 1 Saturday, 2 Sunday or a listed date. 1970-01-01 was a Thursday. */
function kindOfDay(table, day) {
  const weekday = (((day + 3) % 7) + 7) % 7;
  if (weekday === 6 || table.offDays.includes(day)) return 2;
  return weekday === 5 ? 1 : 0;
}
