// The state tree (docs/protocol.md section 11): a sparse tree of hashes over H(key) -> H(record).
import { need } from "./refusal.js";
import { hash } from "./sha256.js";
import { bytesEqual, unhex } from "./bytes.js";

const EMPTY = "00".repeat(32);
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const BITS = 256;

const leafHash = (key, value) => hash(LEAF, key, value);
const nodeHash = (left, right) => hash(NODE, left, right);
/** Bits are read from the highest of the first byte. */
const bit = (key, depth) => (key[depth >> 3] >> (7 - (depth & 7))) & 1;

function fold(start, key, siblings) {
  let result = start;
  for (let depth = siblings.length - 1; depth >= 0; depth--) {
    result = bit(key, depth) ? nodeHash(siblings[depth], result) : nodeHash(result, siblings[depth]);
  }
  return result;
}

/** The root in which a record stands. */
export function rootOfPresence(key, value, siblings) {
  need(siblings.length <= BITS, "more siblings than a key has bits");
  return fold(leafHash(key, value), unhex(key), siblings);
}

/** The root in which there is no record under a key: its way ends at nothing, or at another one on the same way. */
export function rootOfAbsence(key, siblings, other) {
  need(siblings.length <= BITS, "more siblings than a key has bits");
  const bytes = unhex(key);
  if (other === null) return fold(EMPTY, bytes, siblings);
  const otherBytes = unhex(other.key);
  const isOnTheWay = siblings.every((_, depth) => bit(bytes, depth) === bit(otherBytes, depth));
  need(!bytesEqual(bytes, otherBytes) && isOnTheWay, "the record at the way's end is not another one on the same way");
  return fold(leafHash(other.key, other.value), bytes, siblings);
}

/** A tree that keeps what it hashed, so that a change costs one way from the root. */
export class Tree {
  constructor() {
    this.top = null;
  }

  put(key, value) {
    this.top = put(this.top, { key: unhex(key), hash: leafHash(key, value) }, 0);
  }

  remove(key) {
    this.top = remove(this.top, unhex(key), 0);
  }

  root() {
    return hashOf(this.top);
  }
}

const isLeaf = (node) => node.key !== undefined;
const branch = (sides) => ({ sides, hash: null });

function put(node, leaf, depth) {
  if (node === null) return leaf;
  if (isLeaf(node)) {
    if (bytesEqual(node.key, leaf.key)) return leaf;
    const sides = [null, null];
    sides[bit(node.key, depth)] = node;
    return put(branch(sides), leaf, depth);
  }
  const side = bit(leaf.key, depth);
  node.sides[side] = put(node.sides[side], leaf, depth + 1);
  node.hash = null;
  return node;
}

function remove(node, key, depth) {
  if (node === null) return null;
  if (isLeaf(node)) return bytesEqual(node.key, key) ? null : node;
  const side = bit(key, depth);
  node.sides[side] = remove(node.sides[side], key, depth + 1);
  node.hash = null;
  // A subtree with one record is that record, at any depth.
  const [rest, ...more] = node.sides.filter((one) => one !== null);
  return more.length === 0 && (rest === undefined || isLeaf(rest)) ? (rest ?? null) : node;
}

function hashOf(node) {
  if (node === null) return EMPTY;
  node.hash ??= nodeHash(hashOf(node.sides[0]), hashOf(node.sides[1]));
  return node.hash;
}
