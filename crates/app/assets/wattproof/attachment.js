// Attachments (docs/protocol.md section 8): the readings of an interval and the frames at its ends, against the act.
import * as cbor from "./cbor.js";
import { need } from "./refusal.js";
import { floorDiv, least, most, rises, same } from "./bytes.js";
import { hash } from "./sha256.js";
import { readFrameProof } from "./frames.js";
import { leafHash, rootFromPath } from "./log.js";
import { PATH_MAX } from "./proven.js";

const ROWS_MAX = 4_096;
const COLUMNS_MAX = 64;
/** From this many rows on the columns are packed; those this verifier compares by their hash only. */
const PACKED_FROM = 64;
const BYTES_MAX = 1 << 20;
const NO_FRAMES = hash(new Uint8Array());
const QUANTITIES = [
  "voltage_mv", "current_ua", "active_power_mw", "reactive_power_mvar", "apparent_power_mva", "power_factor_1e4",
  "frequency_mhz", "energy_import_mwh", "energy_export_mwh",
];
const CHANNELS = ["", "_l1", "_l2", "_l3", "_ch1", "_ch2"];
const NAMES = QUANTITIES.flatMap((quantity) => CHANNELS.map((channel) => quantity + channel));

/**
 * Compares an attachment with its act.
 * @returns {boolean} whether every reading was compared; packed ones are not unpacked
 */
export function checkAttachment(bytes, act) {
  need(bytes.length <= BYTES_MAX, "readings that are too large");
  const parts = cbor.fields(cbor.decode(bytes), [1, 2, 3], [4]);
  const [salt, columns, frameCount] = [cbor.octets(parts[1], 32), cbor.octets(parts[2]), cbor.u32(parts[3])];
  const ends = cbor.present(parts[4], (pair) => cbor.listed(pair, (proof) => readFrameProof(proof, PATH_MAX), 2, 2));
  need(hash(salt, columns) === act.columns, "other readings than those that were signed");
  need(framesRoot(salt, frameCount, ends) === act.frames, "other frames than those that were signed");
  const table = readTable(columns);
  need(table.count === act.count, "another number of readings than the act's");
  need(ends === null || frameCount === act.count, "frames, but not one for each reading");
  if (table.times === null) return false;
  const [first, last] = [table.times[0], table.times[table.times.length - 1]];
  need(ends === null || same(ends.map((end) => end.frame[0]), [first, last]), "frames of other readings");
  checkValues(table, act);
  return true;
}

function framesRoot(salt, count, ends) {
  if (ends === null) {
    need(count === 0, "frames, but none at the ends");
    return NO_FRAMES;
  }
  need(count > 0, "no frames, but those at the ends");
  const places = [0n, BigInt(count) - 1n];
  const [a, b] = ends.map(({ frame, path }, at) =>
    rootFromPath(leafHash(salt, cbor.encode(frame)), places[at], BigInt(count), path),
  );
  need(a === b, "the two frames are not of one tree");
  return a;
}

function readTable(bytes) {
  const parts = cbor.fields(cbor.decode(bytes), [1, 2, 3, 4]);
  const count = cbor.u32(parts[2]);
  need(count >= 1 && count <= ROWS_MAX, "no readings, or more than 4,096");
  const isPacked = cbor.oneOf(parts[1], [0, 1]) === 1;
  need(isPacked === count >= PACKED_FROM, "packed, or not packed, against the rule");
  const columns = cbor.listed(parts[4], (column) => cbor.items(column, 3), 0, COLUMNS_MAX);
  const names = columns.map(([name]) => cbor.text(name));
  need(same(names, NAMES.filter((name) => names.includes(name))), "columns that are unknown or not in order");
  if (isPacked) return { count, times: null };
  const times = cbor.listed(parts[3], cbor.uint, count, count);
  need(rises(times), "times that do not rise");
  const series = new Map(columns.map(([name, presence, values]) => {
    const rows = presence === null ? times : rowsOf(times, cbor.octets(presence));
    const read = cbor.listed(values, cbor.sint, rows.length, rows.length);
    return [name, rows.map((time, at) => ({ time, value: read[at] }))];
  }));
  return { count, times, series };
}

/** The rows that have a value: a bit for each, lowest first. */
function rowsOf(times, presence) {
  need(presence.length === Math.ceil(times.length / 8), "presence bits of another number of rows");
  const bits = Array.from({ length: presence.length * 8 }, (_, at) => (presence[at >> 3] >> (at & 7)) & 1);
  const rows = times.filter((_, at) => bits[at]);
  const isNeeded = rows.length > 0 && rows.length < times.length;
  need(isNeeded && bits.slice(times.length).every((bit) => bit === 0), "presence bits without need, or beyond the rows");
  return rows;
}

function checkValues({ times, series }, act) {
  const of = (quantity) => CHANNELS.flatMap((channel) => series.get(quantity + channel) ?? []);
  const values = (pairs) => pairs.map((pair) => pair.value);
  const highest = (found) => (found.length === 0 ? null : found.reduce(most));
  need(times.every((time) => act.start <= time && time < act.end), "a reading outside the interval");
  const volts = values(of("voltage_mv"));
  const mean = () => floorDiv(volts.reduce((a, b) => a + b), BigInt(volts.length));
  need(same(act.voltage, volts.length === 0 ? null : [volts.reduce(least), volts.reduce(most), mean()]), "other voltages");
  need(act.peakCurrent === highest(values(of("current_ua"))), "another highest current");
  need(act.peakPower === highest(values(series.get("active_power_mw") ?? [])), "another highest power");
  checkCounter(values(series.get("energy_import_mwh") ?? []), act.imported, act.isEstimated);
  checkCounter(values(series.get("energy_export_mwh") ?? []), act.exported, act.isEstimated);
  for (const event of act.events) {
    const within = values(of("voltage_mv").filter(({ time }) => event.first <= time && time <= event.last));
    need(within.length > 0 && event.extreme === within.reduce(event.isOver ? most : least), "another extreme of an event");
  }
}

/** The act's counters enclose those of the readings; unless estimated, the last one ends the interval. */
function checkCounter(counters, stated, isEstimated) {
  need(rises(counters, (a, b) => a <= b), "a counter that falls");
  need((stated === null) === (counters.length === 0), "a counter that came or went");
  if (stated === null) return;
  const last = counters[counters.length - 1];
  need(stated.start <= counters[0] && last <= stated.end, "a counter outside the interval's");
  need(isEstimated || last === stated.end, "another counter at the interval's end");
}
