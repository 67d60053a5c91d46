// Where each field lies in a header's 212 bytes (docs/protocol.md section 9), and how the experiment lays out its own.
import { bigEndian, utf8 } from "../wattproof/bytes.js";
import { digest } from "../wattproof/sha256.js";

/** Name, first byte and bytes. */
export const FIELDS = [
  ["version", 0, 4],
  ["ledger", 4, 32],
  ["height", 36, 8],
  ["time", 44, 8],
  ["previous", 52, 32],
  ["log-size", 84, 8],
  ["log-root", 92, 32],
  ["state-root", 124, 32],
  ["proposer", 156, 32],
  ["difficulty", 188, 8],
  ["extra-nonce", 196, 8],
  ["nonce", 204, 8],
];
const PLACES = new Map(FIELDS.map(([name, at, size]) => [name, { at, size }]));

/** The bytes of a field, as a view that can be written through. */
export function field(header, name) {
  const { at, size } = PLACES.get(name);
  return header.subarray(at, at + size);
}

export function setNumber(header, name, value) {
  field(header, name).set(bigEndian(value, PLACES.get(name).size));
}

const named = (what) => digest(utf8(`wattproof experiment ${what}`));

/** The first header of the experiment's chain: the same bytes as those of `wattproof experiment difficulty`. */
export function firstOf(level, seed) {
  const header = new Uint8Array(212);
  setNumber(header, "version", 1);
  field(header, "ledger").set(named("ledger"));
  setNumber(header, "height", 1);
  field(header, "previous").set(named(`level ${level} seed ${seed}`));
  // The root of a log without statements is the hash of nothing (RFC 9162 2.1.1).
  field(header, "log-root").set(digest());
  field(header, "proposer").set(named("miner"));
  setNumber(header, "difficulty", 16n ** BigInt(level));
  return header;
}
