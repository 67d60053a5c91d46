// Keys, accounts and signatures (docs/protocol.md section 3). The checks that libraries leave out are done here, so that
// no two verifiers disagree; the equations themselves are WebCrypto's, but for RSA's, which is one power.
import * as cbor from "./cbor.js";
import { need } from "./refusal.js";
import { bigEndian, bytesEqual, concat, hex, number, unhex, utf8 } from "./bytes.js";
import { digest, hash } from "./sha256.js";

export const ED25519 = -8;
export const ES256 = -7;
export const RS256 = -257;

function power(base, exponent, modulus) {
  let result = 1n;
  let square = base % modulus;
  for (let bits = exponent; bits > 0n; bits >>= 1n) {
    if (bits & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

// Edwards25519 (RFC 8032 5.1).
const P = 2n ** 255n - 19n;
const ED_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (value, modulus) => ((value % modulus) + modulus) % modulus;
const D = mod(-121665n * power(121666n, P - 2n, P), P);

/** A root modulo P, or null (RFC 8032 5.1.3). */
function squareRoot(square) {
  const wanted = mod(square, P);
  const root = power(wanted, (P + 3n) / 8n, P);
  const candidates = [root, (root * power(2n, (P - 1n) / 4n, P)) % P];
  return candidates.find((candidate) => (candidate * candidate) % P === wanted) ?? null;
}

/** The y of the points of order 1, 2, 4 and 8. Doubling a point of order 8 gives y = 0, thus D y^4 + 2 y^2 - 1 = 0. */
function findSmallOrderYs() {
  const ys = new Set([1n, P - 1n, 0n]);
  const root = squareRoot(1n + D);
  for (const numerator of [root - 1n, -root - 1n]) {
    const y = squareRoot(mod(numerator, P) * power(D, P - 2n, P));
    if (y !== null) ys.add(y).add(P - y);
  }
  return ys;
}
const SMALL_ORDER_YS = findSmallOrderYs();

const littleEndian = (bytes) => number(Uint8Array.from(bytes).reverse());
/** The y of an encoded point; the highest bit is the sign of x. */
const yOf = (point) => littleEndian(point) & ~(1n << 255n);
const isOnEdwards = (y) => squareRoot(mod(y * y - 1n, P) * power(D * y * y + 1n, P - 2n, P)) !== null;

// P-256 (SEC 2 2.4.2).
const P256 = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const P256_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
export const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

const RSA_EXPONENT = 65_537n;
const RSA_BYTES_TEACHING = 128;
const RSA_BYTES_MAX = 512;
/** `DigestInfo` of SHA-256 with its NULL parameter (RFC 8017 9.2, note 1). */
const SHA256_DIGEST_INFO = unhex("3031300d060960864801650304020105000420");

/** WebCrypto's form of a public key, made once. */
const imported = new Map();

/** A public key as a COSE_Key. */
export class Key {
  /** @param {Map} cose */
  constructor(cose) {
    need(cose instanceof Map, "no key");
    this.cose = cose;
    const kind = cbor.oneOf(cose.get(1n), [1, 2, 3]);
    if (kind === 1) this.readEd25519();
    else if (kind === 2) this.readP256();
    else this.readRsa();
    /** The account that the key founds: its thumbprint. */
    this.account = hash(cbor.encode(cose));
  }

  readEd25519() {
    const parts = cbor.fields(this.cose, [1, -1, -2]);
    cbor.oneOf(parts[-1], [6]);
    this.algorithm = ED25519;
    this.point = cbor.octets(parts[-2], 32);
  }

  readP256() {
    const parts = cbor.fields(this.cose, [1, -1, -2, -3]);
    cbor.oneOf(parts[-1], [1]);
    this.algorithm = ES256;
    this.point = concat(cbor.octets(parts[-2], 32), cbor.octets(parts[-3], 32));
  }

  readRsa() {
    const parts = cbor.fields(this.cose, [1, -1, -2]);
    need(bytesEqual(cbor.octets(parts[-2]), Uint8Array.of(1, 0, 1)), "another exponent than 65,537");
    this.algorithm = RS256;
    this.point = cbor.octets(parts[-1]);
    need(this.point.length >= RSA_BYTES_TEACHING && this.point.length <= RSA_BYTES_MAX, "a modulus of a refused length");
  }

  /** For ledgers for teaching only. */
  get isWeak() {
    return this.algorithm === RS256 && this.point.length === RSA_BYTES_TEACHING;
  }

  /** Whether section 3 accepts it as a key, on a ledger for teaching at least. */
  get isValid() {
    this.validity ??= this.findValidity();
    return this.validity;
  }

  findValidity() {
    if (this.algorithm === RS256) {
      const length = this.point.length;
      const isLong = length === RSA_BYTES_TEACHING || length >= 256;
      return isLong && this.point[0] >= 0x80 && (this.point[length - 1] & 1) === 1;
    }
    if (this.algorithm === ED25519) {
      const y = yOf(this.point);
      return y < P && !SMALL_ORDER_YS.has(y) && isOnEdwards(y);
    }
    const [x, y] = [number(this.point.slice(0, 32)), number(this.point.slice(32))];
    return x < P256 && y < P256 && mod(y * y - (x * x * x - 3n * x + P256_B), P256) === 0n;
  }

  /** Refuses a signature that is not this key's. */
  async verify(message, signature) {
    need(this.isValid, "a key that the protocol refuses");
    const fits = { [ED25519]: this.fitsEd25519, [ES256]: this.fitsP256, [RS256]: this.fitsRsa }[this.algorithm];
    need(await fits.call(this, message, signature), "the signature does not fit");
  }

  async fitsEd25519(message, signature) {
    if (signature.length !== 64 || SMALL_ORDER_YS.has(yOf(signature.slice(0, 32)))) return false;
    if (littleEndian(signature.slice(32)) >= ED_ORDER) return false;
    return this.fitsWith({ name: "Ed25519" }, { name: "Ed25519" }, this.point, message, signature);
  }

  async fitsP256(message, signature) {
    if (signature.length !== 64) return false;
    const [r, s] = [number(signature.slice(0, 32)), number(signature.slice(32))];
    if (r === 0n || r >= P256_ORDER || s === 0n || s > P256_ORDER / 2n) return false;
    const kind = { name: "ECDSA", namedCurve: "P-256" };
    const point = concat(Uint8Array.of(4), this.point);
    return this.fitsWith(kind, { name: "ECDSA", hash: "SHA-256" }, point, message, signature);
  }

  /** PKCS#1 v1.5 (RFC 8017 8.2.2): what must come out is built and compared; nothing is parsed. */
  async fitsRsa(message, signature) {
    const modulus = number(this.point);
    const value = number(signature);
    if (signature.length !== this.point.length || value >= modulus) return false;
    const info = concat(SHA256_DIGEST_INFO, digest(message));
    const filling = new Uint8Array(this.point.length - 3 - info.length).fill(0xff);
    const wanted = concat(Uint8Array.of(0, 1), filling, Uint8Array.of(0), info);
    return bytesEqual(bigEndian(power(value, RSA_EXPONENT, modulus), this.point.length), wanted);
  }

  async fitsWith(kind, algorithm, point, message, signature) {
    const subtle = globalThis.crypto?.subtle;
    if (!subtle) throw new Error("this page has no WebCrypto; open it over https, on this computer, or from a file");
    if (!imported.has(this.account)) imported.set(this.account, subtle.importKey("raw", point, kind, false, ["verify"]));
    return subtle.verify(algorithm, await imported.get(this.account), signature, message);
  }
}

const BECH32_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const BECH32_GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const BECH32M = 0x2bc830a3;
const PREFIX = "wp";

function checksum(values) {
  let check = 1;
  for (const value of values) {
    const top = check >>> 25;
    check = ((check & 0x1ffffff) << 5) ^ value;
    BECH32_GENERATORS.forEach((generator, bit) => {
      if ((top >> bit) & 1) check ^= generator;
    });
  }
  return check >>> 0;
}

const expanded = [...PREFIX].map((letter) => letter.charCodeAt(0) >> 5).concat(0, [...PREFIX].map((letter) => letter.charCodeAt(0) & 31));

/** An account id as a person sees it (bech32m, BIP 350). */
export function printed(account) {
  // 256 bits and four of padding are 52 groups of five.
  const value = BigInt("0x" + account) << 4n;
  const groups = Array.from({ length: 52 }, (_, at) => Number((value >> BigInt(5 * (51 - at))) & 31n));
  const check = checksum([...expanded, ...groups, 0, 0, 0, 0, 0, 0]) ^ BECH32M;
  for (let at = 5; at >= 0; at--) groups.push((check >>> (5 * at)) & 31);
  return `${PREFIX}1${groups.map((group) => BECH32_LETTERS[group]).join("")}`;
}

/** The account id behind what a person wrote. */
export function unprinted(text) {
  const letters = [...text.trim().toLowerCase()];
  need(text.trim().toLowerCase().startsWith(`${PREFIX}1`) && letters.length === 61, "no account number");
  const groups = letters.slice(3).map((letter) => BECH32_LETTERS.indexOf(letter));
  need(groups.every((group) => group >= 0), "no account number");
  need(checksum([...expanded, ...groups]) === BECH32M, "a mistyped account number: its check letters do not fit");
  const value = groups.slice(0, 52).reduce((sum, group) => (sum << 5n) | BigInt(group), 0n);
  need((value & 15n) === 0n, "no account number");
  return hex(bigEndian(value >> 4n, 32));
}

/** What a seal of a block signs. */
export const sealed = (blockHash) => concat(utf8("wattproof block seal\0"), unhex(blockHash));

