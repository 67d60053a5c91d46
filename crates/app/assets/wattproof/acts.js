// Acts (docs/protocol.md section 6): from CBOR to named fields. Each has its `kind`; where a rule or a record needs an
// act's bytes again, `body` keeps it as written.
import * as cbor from "./cbor.js";
import { need } from "./refusal.js";
import { readLimits } from "./genesis.js";
import { average, readTable } from "./prices.js";

export const ROLES = [0, 1, 2, 3, 4, 5, 6];
export const [OPERATOR, MEMBER, GATEWAY, METER, MINER] = ROLES;
export const [GAP, RESET, EXCHANGE, WRAP] = [1, 2, 3, 4];
const TEXT_MAX = 280;

export function meterId(value) {
  need(/^[A-Za-z0-9._-]{1,32}$/.test(cbor.text(value)), "no meter number");
  return value;
}

export function readCounters(value) {
  const [start, end] = cbor.items(value, 2);
  return { start: cbor.uint(start), end: cbor.uint(end) };
}

/** Names an act: its statement and its place there. */
export function readActId(value) {
  const [statement, index] = cbor.items(value, 2);
  return { statement: cbor.id(statement), index: cbor.u32(index) };
}

export function readOfferId(value) {
  const [until, statement, index] = cbor.items(value, 3);
  return { until: cbor.uint(until), statement: cbor.id(statement), index: cbor.u32(index) };
}

const cose = (value) => {
  need(value instanceof Map, "no key");
  return value;
};

function readRegister(body) {
  const [kind, item] = cbor.choice(body, [1, 2]);
  if (kind === 1) {
    const key = cbor.fields(item, [1, 2, 3], [4]);
    const gains = cbor.present(key[4], cbor.id);
    return { kind: "register_key", cose: cose(key[1]), role: cbor.oneOf(key[2], ROLES), since: cbor.uint(key[3]), gains };
  }
  const meter = cbor.fields(item, [1, 2, 3, 4, 5, 6, 7]);
  return {
    kind: "register_meter",
    meter: meterId(meter[1]),
    signer: cbor.id(meter[2]),
    member: cbor.id(meter[3]),
    since: cbor.uint(meter[4]),
    profile: cbor.text(meter[5]),
    factor: cbor.u32(meter[6]),
    isMain: cbor.boolean(meter[7]),
  };
}

function readRetire(body) {
  const [kind, item] = cbor.choice(body, [1, 2]);
  if (kind === 1) {
    const parts = cbor.fields(item, [1, 2, 3]);
    return { kind: "retire_role", account: cbor.id(parts[1]), role: cbor.oneOf(parts[2], ROLES), until: cbor.uint(parts[3]) };
  }
  const parts = cbor.fields(item, [1, 2]);
  return { kind: "retire_meter", meter: meterId(parts[1]), until: cbor.uint(parts[2]) };
}

function readRevoke(body) {
  return { kind: "revoke", account: cbor.id(cbor.fields(body, [1])[1]) };
}

function readRotate(body) {
  const parts = cbor.fields(body, [1, 2]);
  return { kind: "rotate", cose: cose(parts[1]), possession: cbor.octets(parts[2]) };
}

function readContract(body) {
  const parts = cbor.fields(body, [1, 2, 3]);
  return { kind: "contract", account: cbor.id(parts[1]), month: cbor.u32(parts[2]), energy: cbor.uint(parts[3]) };
}

function readEvent(value) {
  const [kind, first, last, extreme] = cbor.items(value, 4);
  return { isOver: cbor.oneOf(kind, [1, 2]) === 1, first: cbor.uint(first), last: cbor.uint(last), extreme: cbor.uint(extreme) };
}

function readReadings(body) {
  const parts = cbor.fields(body, [1, 2, 3, 4, 5, 6, 8, 13, 14, 15, 16, 17], [7, 9, 10, 11, 12, 18]);
  return {
    kind: "readings",
    binding: cbor.id(parts[1]),
    number: cbor.uint(parts[2]),
    previous: cbor.id(parts[3]),
    start: cbor.uint(parts[4]),
    end: cbor.uint(parts[5]),
    imported: readCounters(parts[6]),
    exported: cbor.present(parts[7], readCounters),
    count: cbor.u32(parts[8]),
    voltage: cbor.present(parts[9], (value) => cbor.listed(value, cbor.uint, 3, 3)),
    peakCurrent: cbor.present(parts[10], cbor.uint),
    peakPower: cbor.present(parts[11], cbor.sint),
    events: cbor.listed(parts[13], readEvent, 0, 16),
    broken: cbor.present(parts[12], (value) => cbor.oneOf(value, [GAP, RESET, EXCHANGE, WRAP])),
    isEstimated: cbor.boolean(parts[14]),
    columns: cbor.id(parts[15]),
    frames: cbor.id(parts[16]),
    isOperators: cbor.oneOf(parts[17], [0, 1, 2]) !== 0,
    wrapsAt: cbor.present(parts[18], cbor.uint),
  };
}

function readNote(body) {
  const parts = cbor.fields(body, [1], [2, 3, 4, 5, 6]);
  const values = {
    voltage: cbor.present(parts[2], cbor.uint),
    current: cbor.present(parts[3], cbor.uint),
    power: cbor.present(parts[4], cbor.sint),
    energy: cbor.present(parts[5], cbor.uint),
  };
  const remark = cbor.present(parts[6], (value) => cbor.text(value, TEXT_MAX));
  const isEmpty = Object.values(values).every((value) => value === null) && !remark;
  return { kind: "note", time: cbor.uint(parts[1]), ...values, isEmpty, remark };
}

function readTransfer(body) {
  const parts = cbor.fields(body, [1, 2, 3]);
  return { kind: "transfer", to: cbor.id(parts[1]), energy: cbor.uint(parts[2]), month: cbor.u32(parts[3]) };
}

function readOffer(body) {
  const parts = cbor.fields(body, [2, 3, 4, 5], [1]);
  return {
    kind: "offer",
    to: cbor.present(parts[1], cbor.id),
    energy: cbor.uint(parts[2]),
    price: cbor.sint(parts[3]),
    month: cbor.u32(parts[4]),
    until: cbor.uint(parts[5]),
    body,
  };
}

const readAccept = (body) => ({ kind: "accept", offer: readOfferId(cbor.fields(body, [1])[1]) });
const readWithdraw = (body) => ({ kind: "withdraw", offer: readOfferId(cbor.fields(body, [1])[1]) });

export function readTariff(body) {
  const parts = cbor.fields(body, [1, 2, 4, 6], [3, 5]);
  return {
    kind: "tariff",
    since: cbor.u32(parts[1]),
    table: readTable(parts[2]),
    excessPrice: cbor.present(parts[3], cbor.sint),
    step: cbor.sint(parts[4]),
    summer: cbor.present(parts[5], (value) => cbor.items(value, 2).map(cbor.u32)),
    isTogether: cbor.oneOf(parts[6], [1, 2]) === 2,
    body,
  };
}

/** Whether a month (counted from year 0) is one of a tariff's summer. */
export function isSummer(tariff, month) {
  if (tariff.summer === null) return false;
  const number = (month % 12) + 1;
  const [first, last] = tariff.summer;
  return first <= last ? first <= number && number <= last : first <= number || number <= last;
}

export function readUtility(body) {
  const parts = cbor.fields(body, [1, 2, 3, 4, 5]);
  const [amount, energy] = [cbor.sint(parts[3]), cbor.uint(parts[4])];
  return {
    kind: "utility",
    start: cbor.uint(parts[1]),
    until: cbor.uint(parts[2]),
    amount,
    energy,
    isCommon: cbor.boolean(parts[5]),
    /** Of a kWh, rounded down so that nobody is charged above it. */
    average: energy === 0n ? null : average(amount, energy),
    body,
  };
}

function readBillMeter(value) {
  const parts = cbor.fields(value, [1, 2, 3, 4, 5, 6]);
  return {
    meter: meterId(parts[1]),
    previous: cbor.uint(parts[2]),
    present: cbor.uint(parts[3]),
    factor: cbor.u32(parts[4]),
    energy: cbor.uint(parts[5]),
    isEstimated: cbor.boolean(parts[6]),
  };
}

function readBillMonth(value) {
  const parts = cbor.fields(value, [1, 2, 3, 4, 5, 6]);
  cbor.listed(parts[2], cbor.uint, 8, 8);
  cbor.listed(parts[5], cbor.uint);
  cbor.boolean(parts[6]);
  return { month: cbor.u32(parts[1]), meters: cbor.listed(parts[3], readBillMeter), tariff: cbor.id(parts[4]) };
}

function readBillLine(value) {
  const parts = cbor.fields(value, [1, 2, 3, 7], [4, 5, 6]);
  cbor.oneOf(parts[1], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  cbor.u32(parts[2]);
  cbor.u32(parts[3]);
  cbor.present(parts[4], cbor.text);
  cbor.present(parts[5], cbor.uint);
  cbor.present(parts[6], cbor.sint);
  return cbor.sint(parts[7]);
}

function readFigures(value) {
  const parts = cbor.fields(value, [1, 2, 3, 4, 5, 6]);
  for (const key of [1, 2, 4]) cbor.uint(parts[key]);
  cbor.sint(parts[3]);
  cbor.sint(parts[5]);
  cbor.boolean(parts[6]);
}

function readBill(body) {
  const parts = cbor.fields(body, [1, 2, 3, 4, 5, 6, 7]);
  cbor.listed(parts[5], readBillLine);
  cbor.listed(parts[7], readFigures);
  return {
    kind: "bill",
    account: cbor.id(parts[1]),
    start: cbor.uint(parts[2]),
    until: cbor.uint(parts[3]),
    months: cbor.listed(parts[4], readBillMonth, 0, 12),
    total: cbor.sint(parts[6]),
    body,
  };
}

function readClaim(body) {
  const [kind, item] = cbor.choice(body, [1, 2]);
  const parts = cbor.fields(item, [1, 2]);
  const text = cbor.text(parts[2], TEXT_MAX);
  if (kind === 1) return { kind: "claim_voltage", intervals: cbor.listed(parts[1], readActId, 1, 16), text };
  return { kind: "claim_bill", start: cbor.uint(parts[1]), text };
}

function readAnswer(body) {
  const parts = cbor.fields(body, [1, 2, 3]);
  cbor.text(parts[3], TEXT_MAX);
  return { kind: "answer", claim: readActId(parts[1]), decision: cbor.oneOf(parts[2], [1, 2]) };
}

function readControl(body) {
  const parts = cbor.fields(body, [1, 2, 3, 4, 5, 6, 7]);
  cbor.oneOf(parts[3], [1, 2, 3]);
  cbor.text(parts[4], 64);
  cbor.text(parts[5], 140);
  cbor.oneOf(parts[6], [0, 1, 2]);
  return { kind: "control", meter: meterId(parts[1]), time: cbor.uint(parts[2]), after: cbor.oneOf(parts[7], [0, 1, 2]) };
}

function readParameter(body) {
  const [kind, item] = cbor.choice(body, [1, 2]);
  const parts = cbor.fields(item, [1, 2]);
  if (kind === 1) {
    need(cbor.uint(parts[1]) < 256n, "no level");
    return { kind: "level", level: Number(parts[1]), height: cbor.uint(parts[2]) };
  }
  return { kind: "limits", limits: readLimits(parts[1]), since: cbor.uint(parts[2]) };
}

function readUpgrade(body) {
  const parts = cbor.fields(body, [1, 2]);
  return { kind: "upgrade", version: cbor.u32(parts[1]), height: cbor.uint(parts[2]) };
}

const READERS = [
  null, readRegister, readRetire, readRevoke, readRotate, readContract, readReadings, readNote, readTransfer, readOffer,
  readAccept, readTariff, readBill, readClaim, readAnswer, readControl, readParameter, readUpgrade, readUtility,
  readWithdraw,
];

export function readAct(value) {
  const [kind, body] = cbor.items(value, 2);
  const reader = typeof kind === "bigint" && kind > 0n ? READERS[Number(kind)] : undefined;
  need(reader, "an unknown act");
  return reader(body);
}
