// Statements with their receipts (docs/protocol.md section 13; RFC 9942).
import * as cbor from "./cbor.js";
import { need } from "./refusal.js";
import { rises, unhex } from "./bytes.js";
import { ES256, Key } from "./keys.js";
import { leafHash, rootFromPath } from "./log.js";
import { PATH_MAX } from "./proven.js";
import { Statement, readSign1, toBeSigned } from "./statement.js";

const [RECEIPTS, KEYS, STRUCTURE, PROOFS, SIZE] = [394, -70_002, 395, 396, -70_003];
const INCLUSION = -1;
const RECEIPT_BYTES_MAX = 8_192;
const RECEIPTS_MAX = 16;
const TAG_SIGN1 = 18;

/** A statement with receipts. Whether their keys are the ledger's, genesis says. */
export class Transparent {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    const { head, unprotected, payload, signature } = readSign1(bytes);
    const header = cbor.fields(unprotected, [RECEIPTS, KEYS]);
    this.statement = new Statement(cbor.encode(new cbor.Tagged(TAG_SIGN1, [head, new Map(), payload, signature])));
    const keys = cbor.listed(header[KEYS], (value) => new Key(value), 1, RECEIPTS_MAX + 1);
    need(rises(keys.map((key) => key.account)), "keys that are not in order");
    this.keys = new Map(keys.map((key) => [key.account, key]));
    this.receipts = cbor.listed(header[RECEIPTS], (value) => readReceipt(cbor.octets(value)), 1, RECEIPTS_MAX);
  }

  layers(trusted) {
    return [
      ["signatures", () => this.checkSignature()],
      ["inclusion", () => this.checkReceipts()],
      ["finality", () => this.checkKeys(trusted)],
    ];
  }

  /** The signer's first key has the account's id as its thumbprint; of a later one only the ledger tells whose it is. */
  async checkSignature() {
    const used = new Set(this.receipts.map((receipt) => receipt.account));
    const isFirst = this.keys.has(this.statement.signer);
    const signers = isFirst ? [this.statement.signer] : [...this.keys.keys()].filter((account) => !used.has(account));
    need(signers.length === 1, "the signer's key is missing, or a key signed nothing here");
    await this.statement.verify(this.keys.get(signers[0]));
    const needed = new Set([...used, ...signers]);
    need([...this.keys.keys()].every((account) => needed.has(account)), "a key that signed nothing here");
    return { count: 1, isUnknown: !isFirst };
  }

  async checkReceipts() {
    const leaf = leafHash(this.statement.leaf);
    for (const { account, size, index, path, check } of this.receipts) {
      const root = rootFromPath(leaf, index, size, path);
      need(this.keys.has(account), "the receipt's key is missing");
      await check(this.keys.get(account), root);
    }
    return { count: Number(this.receipts[0].size) };
  }

  /** A receipt counts as finality only if its key is one that the trusted genesis names. */
  checkKeys(trusted) {
    if (trusted === null) return { isUnknown: true };
    const known = trusted.receiptKeys.map((key) => key.account);
    need(this.receipts.every((receipt) => known.includes(receipt.account)), "a receipt key that is not one of this ledger");
    return { count: this.receipts.length };
  }
}

/** Of inclusion. */
function readReceipt(bytes) {
  need(bytes.length <= RECEIPT_BYTES_MAX, "a receipt of more than 8,192 bytes");
  const { head, unprotected, payload, signature } = readSign1(bytes);
  const header = cbor.fields(cbor.decode(head), [1, 4, STRUCTURE, SIZE]);
  cbor.oneOf(header[1], [ES256]);
  cbor.oneOf(header[STRUCTURE], [1]);
  need(payload === null, "a receipt that brings its root");
  const proofs = cbor.fields(cbor.fields(unprotected, [PROOFS])[PROOFS], [INCLUSION]);
  const [proof] = cbor.listed(proofs[INCLUSION], cbor.octets, 1, 1);
  const [size, index, path] = cbor.items(cbor.decode(proof), 3);
  need(cbor.uint(size) === cbor.uint(header[SIZE]), "a path of another log");
  return {
    account: cbor.id(header[4]),
    size,
    index: cbor.uint(index),
    path: cbor.listed(path, cbor.id, 0, PATH_MAX),
    async check(key, root) {
      need(key.algorithm === ES256, "a key of another kind than receipts have");
      await key.verify(toBeSigned(head, unhex(root)), signature);
    },
  };
}
