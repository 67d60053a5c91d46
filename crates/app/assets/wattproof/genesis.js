// The genesis document (docs/protocol.md section 4). Its hash is the ledger's id.
import * as cbor from "./cbor.js";
import { need } from "./refusal.js";
import { rises } from "./bytes.js";
import { hash } from "./sha256.js";
import { ED25519, ES256, Key, RS256 } from "./keys.js";

const BYTES_MAX = 65_535;
const ENERGY_MAX = 10n ** 18n;
const DAY = 86_400_000n;
const OFFSET_SECONDS_END = 86_400n;
/** Blocks below the head that the log key anchors. */
const FINAL_DEPTH_MAX = 512n;

function energy(value) {
  need(cbor.uint(value) <= ENERGY_MAX, "an amount above 10^18 mWh");
  return value;
}

function usableKey(value, ...algorithms) {
  const key = new Key(value);
  need(key.isValid, "a key that the protocol refuses");
  need(algorithms.includes(key.algorithm), "a key of another kind");
  return key;
}

/** Limits of the supply voltage, in mV; `body` is as written. */
export function readLimits(value) {
  const parts = cbor.fields(value, [1, 2, 3, 4]);
  cbor.text(parts[4], 140);
  return { nominal: cbor.uint(parts[1]), lowest: cbor.uint(parts[2]), highest: cbor.uint(parts[3]), body: value };
}

export const limitsAreOrdered = (limits) => limits.lowest <= limits.nominal && limits.nominal <= limits.highest;

function readMiner(value) {
  const parts = cbor.fields(value, [1, 2]);
  return { key: usableKey(parts[1], ED25519, ES256), gains: cbor.id(parts[2]) };
}

function readOffset(value) {
  const [since, seconds] = cbor.items(value, 2);
  need(cbor.sint(seconds) > -OFFSET_SECONDS_END && seconds < OFFSET_SECONDS_END, "an offset of a day or more");
  return { since: cbor.uint(since), seconds };
}

export class Genesis {
  /** @param {Uint8Array} document */
  constructor(document) {
    need(document.length <= BYTES_MAX, "a genesis document of more than 65,535 bytes");
    this.document = document;
    this.ledger = hash(document);
    const required = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21];
    const parts = cbor.fields(cbor.decode(document), required);
    cbor.oneOf(parts[1], [1]);
    this.name = cbor.text(parts[2]);
    this.readParties(parts);
    this.readCalendar(parts);
    this.readAmounts(parts);
  }

  readParties(parts) {
    this.operator = usableKey(parts[4], ED25519, ES256, RS256);
    this.logKey = usableKey(parts[5], ED25519);
    this.receiptKeys = cbor.listed(parts[6], (key) => usableKey(key, ES256));
    this.miners = cbor.listed(parts[7], readMiner);
    const accounts = this.miners.map((miner) => miner.key.account);
    need(new Set(accounts).size === accounts.length, "a miner listed twice");
  }

  readCalendar(parts) {
    this.created = cbor.uint(parts[3]);
    this.timeZone = cbor.text(parts[8]);
    this.firstMonth = cbor.u32(parts[9]);
    this.starts = cbor.listed(parts[10], cbor.uint, 2, 1201);
    need(rises(this.starts), "month starts that do not rise");
    need(this.monthOf(this.created) !== null, "a genesis time outside the months");
    this.offsets = cbor.listed(parts[20], readOffset, 1, 401);
    const begins = this.offsets.map((offset) => offset.since);
    need(begins[0] <= this.starts[0] && rises(begins), "offsets that begin late or do not rise");
    this.currency = cbor.text(parts[11]);
    this.closeAfter = cbor.uint(parts[12]);
  }

  readAmounts(parts) {
    this.carriesOver = cbor.oneOf(parts[13], [0, 1]) === 1;
    const order = cbor.fields(parts[14], [1, 2, 3, 4], [5]);
    this.level = cbor.oneOf(order[1], [1, 2, 3, 4, 5]);
    this.blockDistance = cbor.uint(order[2]);
    this.emptyBlockDistance = cbor.uint(order[3]);
    need(cbor.uint(order[4]) <= FINAL_DEPTH_MAX, "a depth of final blocks above 512");
    this.blockTime = null;
    this.halfLife = null;
    if (order[5] !== null) this.readRetarget(order[5]);
    const rewards = cbor.fields(parts[15], [1, 2, 3]);
    this.rewards = cbor.listed(rewards[1], energy, 5, 5);
    this.budget = energy(rewards[2]);
    this.fee = energy(rewards[3]);
    cbor.boolean(parts[16]);
    this.isClassroom = cbor.boolean(parts[17]);
    need(this.isClassroom || !this.operator.isWeak, "a key of 1024 bits on a ledger that is not for teaching");
    this.hasTenants = cbor.boolean(parts[21]);
    this.limits = readLimits(parts[18]);
    need(limitsAreOrdered(this.limits), "voltage limits that are not in order");
  }

  readRetarget(value) {
    const parts = cbor.fields(value, [1, 2]);
    [this.blockTime, this.halfLife] = [cbor.uint(parts[1]), cbor.uint(parts[2])];
    const isAbove = this.blockDistance < this.blockTime && this.emptyBlockDistance < this.blockTime;
    need(isAbove && this.blockTime <= DAY, "a refused block time");
    need(this.blockTime <= this.halfLife && this.halfLife <= 365n * DAY, "a refused half-life");
  }

  hasMonth(month) {
    return month >= this.firstMonth && month < this.firstMonth + this.starts.length - 1;
  }

  /** Start and end of a month, or null outside the calendar. */
  span(month) {
    if (!this.hasMonth(month)) return null;
    const index = month - this.firstMonth;
    return [this.starts[index], this.starts[index + 1]];
  }

  monthOf(time) {
    const after = this.starts.findIndex((start) => start > time);
    return after <= 0 ? null : this.firstMonth + after - 1;
  }

  /** Seconds that the wall clock is ahead of UTC, and when that changes next. */
  offsetAt(time) {
    const after = this.offsets.findIndex((offset) => offset.since > time);
    const index = after < 0 ? this.offsets.length : after;
    return [this.offsets[Math.max(index - 1, 0)].seconds, this.offsets[index]?.since ?? null];
  }

  closeTime(month) {
    return this.span(month)[1] + this.closeAfter;
  }
}
