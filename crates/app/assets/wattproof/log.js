// The log's tree of hashes (RFC 9162 2.1).
import { need } from "./refusal.js";
import { hash } from "./sha256.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const EMPTY = hash(new Uint8Array());

export const leafHash = (...data) => hash(LEAF, ...data);
export const nodeHash = (left, right) => hash(NODE, left, right);

/** A growing tree: the roots of its full subtrees, largest first. */
export class Log {
  constructor() {
    this.size = 0n;
    this.peaks = [];
  }

  append(data) {
    this.size += 1n;
    let peak = { leaves: 1, root: leafHash(data) };
    while (this.peaks.length > 0 && this.peaks[this.peaks.length - 1].leaves === peak.leaves) {
      const left = this.peaks.pop();
      peak = { leaves: 2 * peak.leaves, root: nodeHash(left.root, peak.root) };
    }
    this.peaks.push(peak);
  }

  root() {
    if (this.peaks.length === 0) return EMPTY;
    return this.peaks.map((peak) => peak.root).reduceRight((right, left) => nodeHash(left, right));
  }
}

/** RFC 9162 2.1.3.2: the root that an inclusion path leads to. */
export function rootFromPath(leaf, index, size, path) {
  need(index < size, "a place beyond the log");
  let [at, last, result] = [index, size - 1n, leaf];
  for (const node of path) {
    need(last !== 0n, "a path that is too long");
    if (at & 1n || at === last) {
      result = nodeHash(node, result);
      while (at !== 0n && !(at & 1n)) [at, last] = [at >> 1n, last >> 1n];
    } else {
      result = nodeHash(result, node);
    }
    [at, last] = [at >> 1n, last >> 1n];
  }
  need(last === 0n, "a path that is too short");
  return result;
}

/** RFC 9162 2.1.4.2: the two roots that a consistency path leads to; the older one counts where it is a subtree. */
export function rootsFromGrowth(older, newer, olderRoot, path) {
  need(older > 0n && older <= newer, "an older log without statements, or larger than the newer");
  if (older === newer) {
    need(path.length === 0, "a path between equal logs");
    return [olderRoot, olderRoot];
  }
  const nodes = (older & (older - 1n)) === 0n ? [olderRoot, ...path] : [...path];
  need(nodes.length > 0, "a path that is too short");
  let [at, last] = [older - 1n, newer - 1n];
  while (at & 1n) [at, last] = [at >> 1n, last >> 1n];
  let [first, second] = [nodes[0], nodes[0]];
  for (const node of nodes.slice(1)) {
    need(last !== 0n, "a path that is too long");
    if (at & 1n || at === last) {
      [first, second] = [nodeHash(node, first), nodeHash(node, second)];
      while (at !== 0n && !(at & 1n)) [at, last] = [at >> 1n, last >> 1n];
    } else {
      second = nodeHash(second, node);
    }
    [at, last] = [at >> 1n, last >> 1n];
  }
  need(last === 0n, "a path that is too short");
  return [first, second];
}
