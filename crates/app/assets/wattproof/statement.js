// Statements (docs/protocol.md section 5): read in leaf form, and made.
import * as cbor from "./cbor.js";
import { need } from "./refusal.js";
import { unhex } from "./bytes.js";
import { hash } from "./sha256.js";
import { ED25519, ES256, RS256, printed } from "./keys.js";
import { readAct } from "./acts.js";

export const STATEMENT_BYTES_MAX = 65_535;
export const CONTENT_TYPE = "application/wattproof-statement+cbor";
const TAG_SIGN1 = 18;
const MINUTE = 60_000n;
const LIFE_OF_A_TRADE = 60n * MINUTE;
const LIFE = 31n * 24n * 60n * MINUTE;
const TRADES = ["transfer", "offer", "accept"];

/** The four items of a tagged COSE_Sign1 (RFC 9052 4.2). */
export function readSign1(bytes) {
  const tagged = cbor.decode(bytes);
  need(tagged instanceof cbor.Tagged && tagged.tag === TAG_SIGN1, "no signed statement");
  const [head, unprotected, payload, signature] = cbor.items(tagged.value, 4);
  return { head: cbor.octets(head), unprotected, payload, signature: cbor.octets(signature) };
}

/** What is signed: the `Sig_structure` with empty external data (RFC 9052 4.4). */
export const toBeSigned = (head, payload) => cbor.encode(["Signature1", head, new Uint8Array(), payload]);

/** A statement as it is written. Its signature and the rules are still to be checked. */
export class Statement {
  /** @param {Uint8Array} leaf */
  constructor(leaf) {
    need(leaf.length <= STATEMENT_BYTES_MAX, "a statement of more than 65,535 bytes");
    this.leaf = leaf;
    const { head, unprotected, payload, signature } = readSign1(leaf);
    need(unprotected instanceof Map && unprotected.size === 0, "an unprotected header in a leaf form");
    this.signature = signature;
    this.signedBytes = toBeSigned(head, cbor.octets(payload));
    this.id = hash(this.signedBytes);
    this.readPayload(cbor.decode(payload));
    this.readHeader(cbor.decode(head));
  }

  readPayload(payload) {
    const parts = cbor.fields(payload, [1, 2, 3, 5], [4]);
    this.ledger = cbor.id(parts[1]);
    cbor.octets(parts[2], 16);
    this.issued = cbor.uint(parts[3]);
    this.expires = cbor.present(parts[4], cbor.uint);
    this.acts = cbor.listed(parts[5], readAct, 1, 64);
    if (this.expires === null) {
      need(this.acts.every((act) => act.kind === "readings"), "no expiry");
      return;
    }
    const longest = this.acts.some((act) => TRADES.includes(act.kind)) ? LIFE_OF_A_TRADE : LIFE;
    need(this.issued < this.expires && this.expires <= this.issued + longest, "a life that is empty or too long");
  }

  readHeader(header) {
    const parts = cbor.fields(header, [1, 3, 4, 15]);
    this.algorithm = cbor.oneOf(parts[1], [ED25519, ES256, RS256]);
    need(parts[3] === CONTENT_TYPE, "another content type");
    this.signer = cbor.id(parts[4]);
    const claims = cbor.fields(parts[15], [1, 2]);
    need(claims[1] === printed(this.signer), "two signers are named");
    need(claims[2] === `wattproof:${this.ledger}`, "two ledgers are named");
  }

  async verify(key) {
    need(key.algorithm === this.algorithm, "signed by another algorithm than the key's");
    await key.verify(this.signedBytes, this.signature);
  }
}

/**
 * A statement that is not signed yet.
 * @param {{account: string, algorithm: number, ledger: string, nonce: Uint8Array, issued: bigint, expires: bigint, acts: Array}} parts
 */
export function draft({ account, algorithm, ledger, nonce, issued, expires, acts }) {
  const claims = cbor.map([1, printed(account)], [2, `wattproof:${ledger}`]);
  const head = cbor.encode(cbor.map([1, algorithm], [3, CONTENT_TYPE], [4, unhex(account)], [15, claims]));
  const payload = cbor.encode(cbor.map([1, unhex(ledger)], [2, nonce], [3, issued], [4, expires], [5, acts]));
  const signedBytes = toBeSigned(head, payload);
  return { head, payload, signedBytes, id: hash(signedBytes) };
}

/** The submission of a draft with its signature. */
export function submission(drafted, signature) {
  return cbor.encode(new cbor.Tagged(TAG_SIGN1, [drafted.head, new Map(), drafted.payload, signature]));
}

/** Acts to sign. Amounts are in the ledger's own units: mWh, 1e-4 of the currency unit, ms. */
export const act = {
  transfer: (to, energy, month) => [8, cbor.map([1, unhex(to)], [2, energy], [3, month])],
  offer: (to, energy, price, month, until) => [9, cbor.map([1, to && unhex(to)], [2, energy], [3, price], [4, month], [5, until])],
  accept: (offer) => [10, cbor.map([1, offerId(offer)])],
  withdraw: (offer) => [19, cbor.map([1, offerId(offer)])],
  claimVoltage: (intervals, words) => [13, [1, cbor.map([1, intervals.map(actId)], [2, words])]],
  claimBill: (start, words) => [13, [2, cbor.map([1, start], [2, words])]],
  bill: (body) => [12, body],
};
const actId = ({ statement, index }) => [unhex(statement), index];
const offerId = ({ until, statement, index }) => [until, unhex(statement), index];

/** An act as a person may read it again: the bytes that will be signed, taken apart. */
export const readBack = (drafted) => cbor.decode(drafted.payload).get(5n).map(readAct);
