// The little of DER (X.690) that key files need: PKCS#8 (RFC 5958), PBES2 (RFC 8018), PEM (RFC 7468).
import { need } from "../wattproof/refusal.js";
import { concat, fromBase64, hex, toBase64, unhex } from "../wattproof/bytes.js";

const [INTEGER, OCTETS, NULL, OID, SEQUENCE] = [0x02, 0x04, 0x05, 0x06, 0x30];
const LABEL = "PRIVATE KEY";
const ENCRYPTED = "ENCRYPTED PRIVATE KEY";
/** Object identifiers in their bytes. */
const ED25519 = "2b6570";
const EC = "2a8648ce3d0201";
const P256 = "2a8648ce3d030107";
const RSA = "2a864886f70d010101";
const PBES2 = "2a864886f70d01050d";
const PBKDF2 = "2a864886f70d01050c";
const SCRYPT = "2b06010401da47040b";
const HMAC_SHA256 = "2a864886f70d0209";
const AES256_CBC = "60864801650304012a";
/** OWASP's figure for PBKDF2 with HMAC-SHA-256 (Password Storage Cheat Sheet, 2023). */
const ROUNDS = 600_000;
const ROUNDS_MAX = 10_000_000;

function tlv(tag, ...contents) {
  const content = concat(...contents);
  const size = content.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return concat(Uint8Array.of(tag, ...length), content);
}

/** The items in some bytes: [{ tag, content }]. */
function items(bytes) {
  const found = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at++];
    let size = bytes[at++];
    if (size > 127) {
      const count = size & 127;
      need(count >= 1 && count <= 2, "a length that no key has");
      size = count === 1 ? bytes[at] : (bytes[at] << 8) | bytes[at + 1];
      at += count;
    }
    need(Number.isInteger(size) && at + size <= bytes.length, "no key");
    found.push({ tag, content: bytes.slice(at, at + size) });
    at += size;
  }
  return found;
}

const inside = (item, tag = SEQUENCE) => {
  need(item?.tag === tag, "no key");
  return items(item.content);
};
const oid = (item) => {
  need(item?.tag === OID, "no key");
  return hex(item.content);
};

/** `-----BEGIN ...` around base64. */
export function pem(label, bytes) {
  const lines = toBase64(bytes).match(/.{1,64}/g).join("\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

function unpem(text, label) {
  const match = new RegExp(`-----BEGIN ${label}-----\\s*([A-Za-z0-9+/=\\s]+?)\\s*-----END ${label}-----`).exec(text);
  return match && fromBase64(match[1].replace(/\s/g, ""));
}

/**
 * The private key in a file, as PKCS#8 that WebCrypto takes, with its kind.
 * @param {Uint8Array} bytes
 * @param {string} passphrase
 */
export async function readPrivateKey(bytes, passphrase) {
  const text = new TextDecoder().decode(bytes);
  const encrypted = unpem(text, ENCRYPTED);
  const der = encrypted === null ? (unpem(text, LABEL) ?? bytes) : await decrypt(encrypted, passphrase);
  const [version, algorithm, key] = inside(items(der)[0]);
  need(version?.tag === INTEGER && key?.tag === OCTETS, "no key");
  const [kind, parameters] = inside(algorithm);
  // Written anew as the first version: WebCrypto refuses attributes and a public key behind the private one.
  const pkcs8 = tlv(SEQUENCE, tlv(INTEGER, Uint8Array.of(0)), tlv(SEQUENCE, algorithm.content), tlv(OCTETS, key.content));
  if (oid(kind) === ED25519) return { kind: "ed25519", pkcs8 };
  if (oid(kind) === EC && oid(parameters) === P256) return { kind: "p256", pkcs8 };
  need(oid(kind) === RSA, "a key of another kind");
  return { kind: "rsa", pkcs8 };
}

/** What a person did about the passphrase is wrong: "missing", "wrong" or "scrypt". */
export class PassphraseTrouble extends Error {}

async function decrypt(der, passphrase) {
  const [algorithm, sealed] = inside(items(der)[0]);
  const [scheme, parameters] = inside(algorithm);
  need(oid(scheme) === PBES2, "an encryption that browsers do not know");
  const [derivation, cipher] = inside(parameters);
  const [function_, settings] = inside(derivation);
  if (oid(function_) === SCRYPT) throw new PassphraseTrouble("scrypt");
  const [salt, rounds, ...rest] = inside(settings);
  const hmac = rest.find((item) => item.tag === SEQUENCE);
  const [mode, iv] = inside(cipher);
  const isKnown = oid(function_) === PBKDF2 && hmac && oid(items(hmac.content)[0]) === HMAC_SHA256 && oid(mode) === AES256_CBC;
  need(isKnown, "an encryption that browsers do not know");
  if (passphrase === "") throw new PassphraseTrouble("missing");
  const count = parseInt(hex(rounds.content), 16);
  need(count > 0 && count <= ROUNDS_MAX, "a cost beyond reason");
  const key = await derive(passphrase, salt.content, count, "decrypt");
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-CBC", iv: iv.content }, key, sealed.content));
  } catch {
    throw new PassphraseTrouble("wrong");
  }
}

async function derive(passphrase, salt, iterations, use) {
  const base = await crypto.subtle.importKey("raw", new TextEncoder().encode(passphrase), "PBKDF2", false, ["deriveKey"]);
  const derivation = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  return crypto.subtle.deriveKey(derivation, base, { name: "AES-CBC", length: 256 }, false, [use]);
}

/** A private key as PEM; encrypted if there is a passphrase, in a form that `wattproof key` and OpenSSL open. */
export async function writePrivateKey(pkcs8, passphrase) {
  if (passphrase === "") return pem(LABEL, pkcs8);
  const [salt, iv] = [16, 16].map((size) => crypto.getRandomValues(new Uint8Array(size)));
  const key = await derive(passphrase, salt, ROUNDS, "encrypt");
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CBC", iv }, key, pkcs8));
  const rounds = unhex(ROUNDS.toString(16).padStart(6, "0"));
  const hmac = tlv(SEQUENCE, tlv(OID, unhex(HMAC_SHA256)), tlv(NULL));
  const derivation = tlv(SEQUENCE, tlv(OID, unhex(PBKDF2)), tlv(SEQUENCE, tlv(OCTETS, salt), tlv(INTEGER, rounds), hmac));
  const cipher = tlv(SEQUENCE, tlv(OID, unhex(AES256_CBC)), tlv(OCTETS, iv));
  const algorithm = tlv(SEQUENCE, tlv(OID, unhex(PBES2)), tlv(SEQUENCE, derivation, cipher));
  return pem(ENCRYPTED, tlv(SEQUENCE, algorithm, tlv(OCTETS, sealed)));
}
