// What a meter's own bytes say (docs/protocol.md section 8): Modbus RTU answers, read by the model's table of registers.
import * as cbor from "./cbor.js";
import { need } from "./refusal.js";
import { bytesEqual, concat, number } from "./bytes.js";
import { COUNTERS } from "./profiles.js";

const EXCHANGES_MAX = 32;
const REGISTER_BYTES = 4;

/** A frame and its path. */
export function readFrameProof(value, pathMax) {
  const [frame, path] = cbor.items(value, 2);
  const [time, exchanges] = cbor.items(frame, 2);
  cbor.uint(time);
  cbor.listed(exchanges, (pair) => cbor.listed(pair, cbor.octets, 2, 2), 0, EXCHANGES_MAX);
  return { frame, path: cbor.listed(path, cbor.id, 0, pathMax) };
}

/** The import counter in mWh; null for a model whose table is not here. */
export function counterOf(profile, frame) {
  const register = Object.hasOwn(COUNTERS, profile) ? COUNTERS[profile] : null;
  if (register === null) return null;
  for (const [request, response] of frame[1]) {
    const bytes = findRegister(register, request, response);
    if (bytes !== null) return register.type === "f32" ? singleTimes(bytes, register.scale) : number(bytes) * register.scale;
  }
  need(false, "no counter in a frame");
}

/** The register's bytes, high word first, if this answer holds it. */
function findRegister(register, request, response) {
  need(request.length === 8 && response.length >= 5, "no Modbus exchange");
  need(crc(request) === 0 && crc(response) === 0, "a frame with a wrong check sum");
  const isAnswer = bytesEqual(request.slice(0, 2), response.slice(0, 2)) && response[2] === response.length - 5;
  need(isAnswer, "an answer to another request");
  const at = (register.address - ((request[2] << 8) | request[3])) * register.bytesPerCount;
  const data = response.slice(3, -2);
  if (request[1] !== register.code || at < 0 || at > data.length - REGISTER_BYTES) return null;
  const found = data.slice(at, at + REGISTER_BYTES);
  return register.isLowFirst ? concat(found.slice(2), found.slice(0, 2)) : found;
}

/** An IEEE 754 single times a whole number, half away from zero, without floating point. */
function singleTimes(bytes, scale) {
  const bits = number(bytes);
  const exponent = Number((bits >> 23n) & 0xffn);
  need(exponent !== 0xff, "a counter that is no number");
  const fraction = bits & 0x7fffffn;
  const [mantissa, power] = exponent === 0 ? [fraction, -149] : [fraction | 0x800000n, exponent - 150];
  const scaled = mantissa * scale;
  const half = power < 0 ? 1n << BigInt(-power - 1) : 0n;
  const value = power < 0 ? (scaled + half) >> BigInt(-power) : scaled << BigInt(power);
  return bits >> 31n === 1n ? -value : value;
}

/** CRC-16/MODBUS; over data and its own check sum, low byte first, it is 0. */
function crc(data) {
  let value = 0xffff;
  for (const byte of data) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = (value >> 1) ^ (value & 1 ? 0xa001 : 0);
  }
  return value;
}
