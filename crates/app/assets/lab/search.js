// The search for a nonce, as a node does it: the header's first 192 bytes stand still, so that an attempt costs one
// compression (docs/protocol.md section 9).
import { BEGIN, compress, compressWords } from "../wattproof/sha256.js";

const HEADER_BITS = 212 * 8;
const HASHES_END = 2n ** 256n;
const WORD = 2 ** 32;

/** The highest hash that satisfies a difficulty, as eight words. */
function target(difficulty) {
  const highest = (HASHES_END - 1n) / difficulty;
  return Uint32Array.from({ length: 8 }, (_, at) => Number((highest >> BigInt(32 * (7 - at))) & 0xffffffffn));
}

/** Whether a hash, as hexadecimal digits, satisfies a difficulty. */
export function satisfies(hash, difficulty) {
  return difficulty === 0n || BigInt(`0x${hash}`) <= (HASHES_END - 1n) / difficulty;
}

/** A search over the nonces of one header; the nonce that is in it does not matter. */
export class Search {
  /**
   * @param {Uint8Array} header 212 bytes
   * @param {bigint} difficulty expected attempts, at least 1
   */
  constructor(header, difficulty) {
    const view = new DataView(header.buffer, header.byteOffset, header.length);
    this.midstate = Uint32Array.from(BEGIN);
    for (let at = 0; at < 192; at += 64) compress(this.midstate, view, at);
    this.words = new Int32Array(64);
    this.tail = new Int32Array(16);
    for (let word = 0; word < 5; word++) this.tail[word] = view.getUint32(192 + 4 * word);
    this.tail[5] = 0x80000000;
    this.tail[15] = HEADER_BITS;
    this.target = target(difficulty);
    this.state = new Uint32Array(8);
  }

  /** The first of so many nonces, from `first` on, that satisfies the difficulty; null if none does. */
  run(first, attempts) {
    const { state, words } = this;
    for (let nonce = first; nonce < first + attempts; nonce++) {
      state.set(this.midstate);
      words.set(this.tail);
      words[3] = nonce / WORD;
      words[4] = nonce;
      compressWords(state, words);
      if (state[0] <= this.target[0] && this.isLow()) return nonce;
    }
    return null;
  }

  isLow() {
    for (let word = 0; word < 8; word++) {
      if (this.state[word] !== this.target[word]) return this.state[word] < this.target[word];
    }
    return true;
  }
}
