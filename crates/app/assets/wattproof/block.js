// Blocks (docs/protocol.md section 9): their bytes, difficulty and work.
import * as cbor from "./cbor.js";
import { need } from "./refusal.js";
import { hex, least, most, number } from "./bytes.js";
import { hash } from "./sha256.js";
import { Statement } from "./statement.js";

export const HEADER_BYTES = 212;
const BLOCK_BYTES_MAX = 8 << 20;
const STATEMENTS_MAX = 8_192;
const HASHES_END = 2n ** 256n;

/**
 * @returns {{version: bigint, ledger: string, height: bigint, time: bigint, previous: string, logSize: bigint, logRoot: string,
 *   stateRoot: string, proposer: string, difficulty: bigint, hash: string}}
 */
export function readHeader(bytes) {
  need(bytes.length === HEADER_BYTES, "a header of another length");
  const digits = (at) => hex(bytes.slice(at, at + 32));
  const value = (at, size = 8) => number(bytes.slice(at, at + size));
  return {
    version: value(0, 4),
    ledger: digits(4),
    height: value(36),
    time: value(44),
    previous: digits(52),
    logSize: value(84),
    logRoot: digits(92),
    stateRoot: digits(124),
    proposer: digits(156),
    difficulty: value(188),
    hash: hash(bytes),
  };
}

/** A block as it is written. */
export class Block {
  constructor(bytes) {
    need(bytes.length <= BLOCK_BYTES_MAX, "a block of more than 8 MiB");
    const [header, leaves, seal] = cbor.items(cbor.decode(bytes), 3);
    this.header = readHeader(cbor.octets(header));
    this.seal = cbor.octets(seal, 64);
    this.statements = cbor.listed(leaves, (leaf) => new Statement(cbor.octets(leaf)), 0, STATEMENTS_MAX);
  }
}

/** Of the block after `parent`; `first` is the header of block 1, from which the schedule counts. */
function difficultyAfter(genesis, level, parent, first) {
  const begin = 16n ** BigInt(level);
  if (genesis.blockTime === null || parent.height < 1n) return begin;
  const ahead = genesis.blockTime * (parent.height - 1n) - (parent.time - first.time);
  // Of bigints, division rounds towards zero, and shifts and masks are those of two's complement.
  const scaled = (ahead * 65_536n) / genesis.halfLife;
  const whole = scaled >> 16n;
  const rest = scaled & 0xffffn;
  const power = 65_536n + ((195_766_423_245_049n * rest + 971_821_376n * rest ** 2n + 5_127n * rest ** 3n + 2n ** 47n) >> 48n);
  // Beyond either bound the result is the bound; a shift by millions of bits would only take long.
  if (whole > 128n) return 2n ** 56n;
  if (whole < -128n) return 1n;
  const moved = whole >= 0n ? (begin * power) << whole : (begin * power) >> -whole;
  return least(most(moved >> 16n, 1n), 2n ** 56n);
}

/** floor(log16 D), kept within 1 to 5. */
export function levelOf(difficulty) {
  return Math.min(Math.max(Math.floor((difficulty.toString(2).length - 1) / 4), 1), 5);
}

/** Steps 1 to 3 of section 9, but for the seal. */
export function checkHeader(header, state, isEmpty) {
  const { head, genesis } = state;
  need(header.version === 1n, "another protocol version");
  need(header.ledger === genesis.ledger, "a block of another ledger");
  need(header.height === head.height + 1n, "a height that does not follow");
  need(header.previous === head.hash, "the block before is another one");
  const distance = most(most(genesis.blockDistance, 1n), isEmpty ? genesis.emptyBlockDistance : 0n);
  need(header.time >= head.time + distance, "too soon after the block before");
  const level = state.levelAt(header.height);
  need(header.difficulty === difficultyAfter(genesis, level, head, state.first), "another difficulty than follows from the block before");
  need(BigInt("0x" + header.hash) <= (HASHES_END - 1n) / header.difficulty, "not enough work");
}
