// Bytes, their hexadecimal digits, base64 and text. Identifiers are kept as hexadecimal digits, which compare and sort as
// their bytes do.
import { need } from "./refusal.js";

const encoder = new TextEncoder();
const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** @param {Uint8Array[]} parts */
export function concat(...parts) {
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export const utf8 = (text) => encoder.encode(text);

export function hex(bytes) {
  let digits = "";
  for (const byte of bytes) digits += DIGITS[byte];
  return digits;
}

export function unhex(digits) {
  need(/^([0-9a-f]{2})*$/.test(digits), "no hexadecimal digits");
  return Uint8Array.from({ length: digits.length / 2 }, (_, at) => parseInt(digits.slice(2 * at, 2 * at + 2), 16));
}

export function bytesEqual(a, b) {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** Bytes as a big-endian number. */
export const number = (bytes) => (bytes.length === 0 ? 0n : BigInt("0x" + hex(bytes)));

/** A number as so many big-endian bytes. */
export function bigEndian(value, size) {
  return unhex(BigInt(value).toString(16).padStart(2 * size, "0"));
}

export function toBase64(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** The one encoding with padding and without idle bits (RFC 4648 section 4). */
export function fromBase64(text) {
  need(/^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0, "no base64");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  need(toBase64(bytes) === text, "base64 with idle bits");
  return bytes;
}

/** Whether two values are the same throughout: numbers, texts, bytes, lists, maps and plain objects. */
export function same(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Uint8Array) return b instanceof Uint8Array && bytesEqual(a, b);
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, at) => same(item, b[at]));
  if (a instanceof Map) return b instanceof Map && same([...a], [...b]);
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => name in b && same(a[name], b[name]));
}

/** Division rounded down, whatever the signs. */
export function floorDiv(a, b) {
  const quotient = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

export const least = (a, b) => (a < b ? a : b);
export const most = (a, b) => (a > b ? a : b);

/** Whether each value is below the next. */
export function rises(values, isBelow = (a, b) => a < b) {
  return values.every((value, at) => at === 0 || isBelow(values[at - 1], value));
}
