// The member's keys: made by WebCrypto, kept in this browser's own database (IndexedDB), never sent.
import { bigEndian, number } from "../wattproof/bytes.js";
import * as cbor from "../wattproof/cbor.js";
import { ED25519, ES256, Key, P256_ORDER, RS256 } from "../wattproof/keys.js";
import { need } from "../wattproof/refusal.js";
import { readPrivateKey, writePrivateKey, pem } from "./der.js";

const DATABASE = "wattproof";
const STORE = "keys";
const RSA_BITS = 2048;
const ALGORITHMS = {
  ed25519: { name: "Ed25519" },
  p256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  rsa: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: RSA_BITS, publicExponent: Uint8Array.of(1, 0, 1) },
};
const COSE = { ed25519: ED25519, p256: ES256, rsa: RS256 };

/** @typedef {{account: string, name: string, kind: "ed25519"|"p256"|"rsa", cose: Uint8Array, private: CryptoKey, made: number, isSaved: boolean}} Entry */

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "account" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function within(mode, work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = work(transaction.objectStore(STORE));
      // A change counts once it is written.
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** @returns {Promise<Entry[]>} oldest first */
export async function keys() {
  const all = await within("readonly", (store) => store.getAll());
  return all.sort((a, b) => a.made - b.made);
}

const put = (entry) => within("readwrite", (store) => store.put(entry));
export const remove = (account) => within("readwrite", (store) => store.delete(account));

const fromBase64Url = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));

/** The public COSE_Key of a private key (docs/protocol.md section 3). */
async function publicKey(kind, key) {
  const jwk = await crypto.subtle.exportKey("jwk", key);
  if (kind === "ed25519") return cbor.map([1, 1], [-1, 6], [-2, fromBase64Url(jwk.x)]);
  if (kind === "p256") return cbor.map([1, 2], [-1, 1], [-2, fromBase64Url(jwk.x)], [-3, fromBase64Url(jwk.y)]);
  return cbor.map([1, 3], [-1, fromBase64Url(jwk.n)], [-2, fromBase64Url(jwk.e)]);
}

async function entryOf(kind, key, name, isSaved) {
  const cose = await publicKey(kind, key);
  const { account } = new Key(cbor.decode(cbor.encode(cose)));
  return { account, name, kind, cose: cbor.encode(cose), private: key, made: Date.now(), isSaved };
}

/** Makes a key. It may sign once a copy of it is saved. */
export async function make(kind, name) {
  const pair = await crypto.subtle.generateKey(ALGORITHMS[kind], true, ["sign", "verify"]);
  const entry = await entryOf(kind, pair.privateKey, name, false);
  await put(entry);
  return entry;
}

/**
 * Takes over a key file; whoever has the file has a copy.
 * @returns {Promise<{entry: Entry, isNew: boolean}>}
 */
export async function takeOver(bytes, passphrase, name) {
  const { kind, pkcs8 } = await readPrivateKey(bytes, passphrase);
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, ALGORITHMS[kind], true, ["sign"]);
  const entry = await entryOf(kind, key, name, true);
  const public_ = new Key(cbor.decode(entry.cose));
  need(public_.isValid && !public_.isWeak, "too weak a key");
  const known = (await keys()).find(({ account }) => account === entry.account);
  if (known) return { entry: known, isNew: false };
  await put(entry);
  return { entry, isNew: true };
}

/** The private key as the text of a file. */
export async function copyOf(entry, passphrase) {
  return writePrivateKey(new Uint8Array(await crypto.subtle.exportKey("pkcs8", entry.private)), passphrase);
}

/** The public key as the text of a file. */
export async function publicFile(entry) {
  const jwk = await crypto.subtle.exportKey("jwk", entry.private);
  const open_ = { ...jwk, d: undefined, p: undefined, q: undefined, dp: undefined, dq: undefined, qi: undefined, key_ops: ["verify"] };
  const key = await crypto.subtle.importKey("jwk", open_, ALGORITHMS[entry.kind], true, ["verify"]);
  return pem("PUBLIC KEY", new Uint8Array(await crypto.subtle.exportKey("spki", key)));
}

export const markSaved = (entry) => put({ ...entry, isSaved: true });

/** COSE's number of the algorithm that a key signs with. */
export const algorithmOf = (entry) => COSE[entry.kind];

/** Signs, in the one form that the protocol takes. */
export async function sign(entry, bytes) {
  const signature = new Uint8Array(await crypto.subtle.sign(ALGORITHMS[entry.kind], entry.private, bytes));
  if (entry.kind !== "p256") return signature;
  // Of the two forms of an ECDSA signature, the one with the lower s.
  const s = number(signature.slice(32));
  if (s <= P256_ORDER / 2n) return signature;
  signature.set(bigEndian(P256_ORDER - s, 32), 32);
  return signature;
}
