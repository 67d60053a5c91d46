// Deterministic CBOR (docs/protocol.md section 2; RFC 8949 4.2.1). The reader takes the one encoding of a value and no
// other, so that what was read would be written the same. Integers are bigints, byte strings are Uint8Array.
import { Refused, need } from "./refusal.js";
import { concat, hex, utf8 } from "./bytes.js";

/** An item with a tag. */
export class Tagged {
  constructor(tag, value) {
    this.tag = tag;
    this.value = value;
  }
}

/** Nested items; the protocol's deepest have about ten. */
const DEPTH_MAX = 32;
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;

function head(major, value) {
  const argument = BigInt(value);
  if (argument < 24n) return Uint8Array.of((major << 5) | Number(argument));
  for (const [extra, size] of [[24, 1], [25, 2], [26, 4], [27, 8]]) {
    if (argument >> BigInt(8 * size) !== 0n) continue;
    const bytes = new Uint8Array(1 + size);
    bytes[0] = (major << 5) | extra;
    for (let at = 0; at < size; at++) bytes[size - at] = Number((argument >> BigInt(8 * at)) & 0xffn);
    return bytes;
  }
  throw new Refused("an integer beyond 64 bits");
}

function isBelow(a, b) {
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at++) if (a[at] !== b[at]) return a[at] < b[at];
  return a.length < b.length;
}

/** The one encoding of bigints and whole numbers, bytes, texts, booleans, null, arrays, maps and tags. */
export function encode(value) {
  if (value === null) return Uint8Array.of(NULL);
  if (typeof value === "boolean") return Uint8Array.of(value ? TRUE : FALSE);
  if (typeof value === "bigint" || Number.isSafeInteger(value)) {
    const whole = BigInt(value);
    return whole >= 0n ? head(0, whole) : head(1, -1n - whole);
  }
  if (value instanceof Uint8Array) return concat(head(2, value.length), value);
  if (typeof value === "string") {
    const bytes = utf8(value);
    return concat(head(3, bytes.length), bytes);
  }
  if (Array.isArray(value)) return concat(head(4, value.length), ...value.map(encode));
  if (value instanceof Map) {
    const pairs = [...value].map(([key, item]) => [encode(key), encode(item)]);
    pairs.sort(([a], [b]) => (isBelow(a, b) ? -1 : 1));
    return concat(head(5, pairs.length), ...pairs.flat());
  }
  if (value instanceof Tagged) return concat(head(6, value.tag), encode(value.value));
  throw new Refused(`an item that the protocol does not know (${typeof value})`);
}

/** A map of the entries that are there. */
export function map(...entries) {
  return new Map(entries.filter(([, value]) => value !== null && value !== undefined).map(([key, value]) => [BigInt(key), value]));
}

/** An array as written: absent items at its end are left out. */
export function array(...items) {
  while (items.length > 0 && items[items.length - 1] === null) items.pop();
  return items;
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
    this.text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  }

  take(size) {
    need(size <= this.bytes.length - this.at, "it ends too early");
    this.at += size;
    return this.bytes.slice(this.at - size, this.at);
  }

  /** The argument behind an initial byte, in its shortest form. */
  argument(initial) {
    const extra = initial & 31;
    if (extra < 24) return extra;
    need(extra < 28, "a length that is not definite");
    const size = 1 << (extra - 24);
    let value = 0n;
    for (const byte of this.take(size)) value = (value << 8n) | BigInt(byte);
    const lowest = extra === 24 ? 24n : 1n << BigInt(4 * size);
    need(value >= lowest, "an integer that is not in its shortest form");
    return value <= 0xffffffffn ? Number(value) : value;
  }

  length(initial) {
    const length = this.argument(initial);
    need(typeof length === "number" && length <= this.bytes.length - this.at, "it ends too early");
    return length;
  }

  item(depth) {
    need(depth < DEPTH_MAX, "items within items without end");
    const [initial] = this.take(1);
    switch (initial >> 5) {
      case 0:
        return BigInt(this.argument(initial));
      case 1:
        return -1n - BigInt(this.argument(initial));
      case 2:
        return this.take(this.length(initial));
      case 3:
        return this.read(this.take(this.length(initial)));
      case 4:
        return Array.from({ length: this.length(initial) }, () => this.item(depth + 1));
      case 5:
        return this.map(this.length(initial), depth);
      case 6:
        return new Tagged(Number(this.argument(initial)), this.item(depth + 1));
      default:
        need(initial >= FALSE && initial <= NULL, "a float, or an item that the protocol does not know");
        return [false, true, null][initial - FALSE];
    }
  }

  read(bytes) {
    try {
      return this.text.decode(bytes);
    } catch {
      throw new Refused("a text that is no UTF-8");
    }
  }

  map(length, depth) {
    const found = new Map();
    let before = null;
    for (let count = 0; count < length; count++) {
      const start = this.at;
      const key = this.item(depth + 1);
      const written = this.bytes.subarray(start, this.at);
      need(before === null || isBelow(before, written), "map keys that are not in order, or twice");
      need(typeof key === "bigint" || typeof key === "string", "a map key that is neither number nor text");
      before = written;
      found.set(key, this.item(depth + 1));
    }
    return found;
  }
}

/** The items of a CBOR sequence (RFC 8742). */
export function decodeSequence(bytes) {
  const reader = new Reader(bytes);
  const items = [];
  while (reader.at < bytes.length) items.push(reader.item(0));
  return items;
}

/** The one item that the bytes hold. */
export function decode(bytes) {
  const reader = new Reader(bytes);
  const item = reader.item(0);
  need(reader.at === bytes.length, "bytes after the end");
  return item;
}

// What a value must be. Each gives the value back.

/** An unsigned integer of 64 bits. */
export function uint(value) {
  need(typeof value === "bigint" && value >= 0n && value >> 64n === 0n, "no unsigned integer of 64 bits");
  return value;
}

/** An unsigned integer of 32 bits, as a number. */
export function u32(value) {
  need(typeof value === "bigint" && value >= 0n && value >> 32n === 0n, "no unsigned integer of 32 bits");
  return Number(value);
}

/** A signed integer of 64 bits. */
export function sint(value) {
  need(typeof value === "bigint" && BigInt.asIntN(64, value) === value, "no signed integer of 64 bits");
  return value;
}

export function boolean(value) {
  need(typeof value === "boolean", "no boolean");
  return value;
}

export function text(value, bytesMax = Infinity) {
  need(typeof value === "string" && utf8(value).length <= bytesMax, "no text, or too long a one");
  return value;
}

export function octets(value, size = null) {
  need(value instanceof Uint8Array && (size === null || value.length === size), `no byte string of ${size ?? "any"} bytes`);
  return value;
}

/** 32 bytes, as hexadecimal digits. */
export const id = (value) => hex(octets(value, 32));

/** One of these small numbers, as a number. */
export function oneOf(value, allowed) {
  need(typeof value === "bigint" && allowed.includes(Number(value)), `${String(value)} is none of ${allowed.join(", ")}`);
  return Number(value);
}

/** An array of like items. */
export function listed(value, item, least = 0, most = Infinity) {
  need(Array.isArray(value), "no array");
  need(least <= value.length && value.length <= most, `an array of ${value.length} items`);
  return value.map((each) => item(each));
}

/** An array of `count` items, of which the last `optional` may be left out; absent ones are given as null. */
export function items(value, count, optional = 0) {
  need(Array.isArray(value) && count - optional <= value.length && value.length <= count, "an array of a refused length");
  need(value.length === count - optional || value[value.length - 1] !== null, "null at an array's end");
  return [...value, ...Array(count - value.length).fill(null)];
}

/** A map with exactly these keys, as an object; absent ones are null. */
export function fields(value, required, optional = []) {
  need(value instanceof Map, "no map");
  const found = {};
  for (const key of [...required, ...optional]) found[key] = value.get(BigInt(key)) ?? null;
  need(required.every((key) => found[key] !== null), "a map key is missing");
  const known = [...required, ...optional].filter((key) => value.has(BigInt(key)));
  need(known.length === value.size && [...value.values()].every((item) => item !== null), "a map key that is unknown, or null");
  return found;
}

/** Reads what is there. */
export const present = (value, reader) => (value === null ? null : reader(value));

/** A choice [kind, one item]. */
export function choice(value, kinds) {
  const [kind, item] = items(value, 2);
  return [oneOf(kind, kinds), item];
}
