// State records (docs/protocol.md section 11): read from a bundle, and written by whoever replays a ledger.
import * as cbor from "./cbor.js";
import { need } from "./refusal.js";
import { concat, unhex, utf8 } from "./bytes.js";
import { digest } from "./sha256.js";
import { ROLES, meterId, readActId, readCounters, readTariff, readUtility } from "./acts.js";
import { NOTHING } from "./hours.js";
import { Key } from "./keys.js";

export const KIND = {
  account: 1, sheet: 2, meter: 3, binding: 4, tariff: 5, month: 6, bill: 7, offer: 8, outside: 9, claim: 10, load: 11,
  parameters: 12, key: 13, utility: 20,
};
export const TERMS = ["contract", "carried", "generated", "gained", "consumed", "traded", "fee", "reward"];
export const NO_DIGEST = "00".repeat(32);

export const EMPTY_SHEET = {
  terms: Object.fromEntries(TERMS.map((term) => [term, 0n])),
  meters: [],
  corrections: [],
  entries: 0n,
  digest: NO_DIGEST,
  bought: { energy: 0n, amount: 0n },
  sold: { energy: 0n, amount: 0n },
  regular: NOTHING,
};

/** The poster's formula (8). */
export const remaining = (terms) =>
  terms.contract + terms.carried + terms.generated + terms.gained + terms.reward - terms.consumed - terms.traded - terms.fee;

/** A sheet with one more entry in its list. */
export function entered(sheet, entry) {
  const next = digest(unhex(sheet.digest), cbor.encode(writeEntry(entry)));
  return { ...sheet, entries: sheet.entries + 1n, digest: cbor.id(next) };
}

export function readEntry(value) {
  const [kind, ...parts] = cbor.listed(value, (item) => item, 2, 3);
  const which = cbor.oneOf(kind, [1, 2, 3]);
  need(parts.length === (which === 1 ? 2 : 1), "an entry of a refused length");
  if (which === 1) return { kind: "act", statement: cbor.id(parts[0]), index: cbor.u32(parts[1]) };
  if (which === 2) return { kind: "reward", height: cbor.uint(parts[0]) };
  return { kind: "carried", month: cbor.u32(parts[0]) };
}

function writeEntry(entry) {
  if (entry.kind === "act") return [1, unhex(entry.statement), entry.index];
  return entry.kind === "reward" ? [2, entry.height] : [3, entry.month];
}

// Accounts.

const covers = (span, time) => span.since <= time && (span.until === null || time < span.until);

/** Whether an account has a role at a time. */
export const has = (account, role, time) => account.roles.some((span) => span.role === role && covers(span, time));

/** Has it, and no end of it is stated. */
export const keeps = (account, role, time) =>
  account.roles.some((span) => span.role === role && span.until === null && span.since <= time);

/** Once had it, has it no more, and no meter of its still counts. */
export function hasLeft(account, role, time) {
  const spans = account.roles.filter((span) => span.role === role);
  return spans.length > 0 && spans.every((span) => span.until !== null && span.until <= time) && account.bindings === 0;
}

/** The key that counts for a statement at a place in the log, or null. */
export function keyAt(account, index) {
  if (account.revoked !== null && account.revoked < index) return null;
  return account.keys.filter((span) => span.since <= index).pop()?.cose ?? null;
}

// From CBOR.

function readAccount(body) {
  const [keys, roles, bindings, offers, gains, revoked] = cbor.items(body, 6, 2);
  return {
    keys: cbor.listed(keys, (value) => {
      const [cose, since] = cbor.items(value, 2);
      return { cose: new Key(cose).cose, since: cbor.uint(since) };
    }, 1, 32),
    roles: cbor.listed(roles, (value) => {
      const [role, since, registered, until, retired] = cbor.items(value, 5, 2);
      return {
        role: cbor.oneOf(role, ROLES),
        since: cbor.uint(since),
        registered: cbor.uint(registered),
        until: cbor.present(until, cbor.uint),
        retired: cbor.present(retired, cbor.uint),
      };
    }, 0, 32),
    bindings: cbor.u32(bindings),
    offers: cbor.u32(offers),
    gains: cbor.present(gains, cbor.id),
    revoked: cbor.present(revoked, cbor.uint),
  };
}

function readDivided(value) {
  const [energy, bands, isEstimated] = cbor.items(value, 3);
  return { energy: cbor.uint(energy), bands: cbor.listed(bands, cbor.uint), isEstimated: cbor.boolean(isEstimated) };
}

function readPriced(value) {
  const [energy, amount] = cbor.items(value, 2);
  return { energy: cbor.uint(energy), amount: cbor.sint(amount) };
}

function readMeterMonth(body) {
  const [meter, binding, factor, imported, exported, isEstimated] = cbor.items(body, 6);
  return {
    meter: meterId(meter),
    binding: cbor.id(binding),
    factor: cbor.u32(factor),
    imported: readCounters(imported),
    exported: cbor.present(exported, readCounters),
    isEstimated: cbor.boolean(isEstimated),
  };
}

function readCorrection(body) {
  const [month, tariff, late, before] = cbor.items(body, 4);
  return { month: cbor.u32(month), tariff: cbor.u32(tariff), late: readDivided(late), before: readDivided(before) };
}

function readSheet(body) {
  const [terms, meters, corrections, entries, entriesDigest, bought, sold, regular] = cbor.items(body, 8);
  const amounts = cbor.listed(terms, cbor.uint, TERMS.length, TERMS.length);
  return {
    terms: Object.fromEntries(TERMS.map((term, at) => [term, amounts[at]])),
    meters: cbor.listed(meters, readMeterMonth, 0, 64),
    corrections: cbor.listed(corrections, readCorrection),
    entries: cbor.uint(entries),
    digest: cbor.id(entriesDigest),
    bought: readPriced(bought),
    sold: readPriced(sold),
    regular: readDivided(regular),
  };
}

function readBinding(body) {
  const [meter, signer, member, since, until, profile, factor, head, isMain] = cbor.items(body, 9);
  const [next, previous, end, imported, exported] = cbor.items(head, 5, 2);
  return {
    meter: meterId(meter),
    signer: cbor.id(signer),
    member: cbor.id(member),
    since: cbor.uint(since),
    until: cbor.present(until, cbor.uint),
    profile: cbor.text(profile),
    factor: cbor.u32(factor),
    head: {
      next: cbor.uint(next),
      previous: cbor.id(previous),
      end: cbor.uint(end),
      imported: cbor.present(imported, cbor.uint),
      exported: cbor.present(exported, cbor.uint),
    },
    isMain: cbor.boolean(isMain),
  };
}

function readTariffRecord(body) {
  const [tariff, statement] = cbor.items(body, 2);
  return { tariff: readTariff(tariff), statement: cbor.id(statement) };
}

function readMonth(body) {
  const [status, supply, physical, budget, contracts, rewards, money, mainImport, mainExport] = cbor.items(body, 9);
  const [kind, frozen] = cbor.items(status, 2);
  const isClosed = cbor.oneOf(kind, [0, 1]) === 1;
  const [tariff] = cbor.items(frozen, 1, 1);
  need(isClosed || tariff === null, "an open month with a tariff");
  return {
    isClosed,
    tariff: cbor.present(tariff, cbor.u32),
    supply: cbor.sint(supply),
    physical: cbor.sint(physical),
    budget: cbor.sint(budget),
    contracts: cbor.uint(contracts),
    rewards: cbor.uint(rewards),
    money: cbor.sint(money),
    mainImport: cbor.uint(mainImport),
    mainExport: cbor.uint(mainExport),
  };
}

function readBillRecord(body) {
  const [until, statement, total, claim] = cbor.items(body, 4, 1);
  return { until: cbor.uint(until), statement: cbor.id(statement), total: cbor.sint(total), claim: cbor.present(claim, readActId) };
}

function readOutside(body) {
  const [member, meter, start, end, found, limits, claim] = cbor.items(body, 7, 1);
  return {
    member: cbor.id(member),
    meter: meterId(meter),
    start: cbor.uint(start),
    end: cbor.uint(end),
    found: cbor.listed(found, cbor.uint, 2, 2),
    limits: cbor.listed(limits, cbor.uint, 2, 2),
    claim: cbor.present(claim, readActId),
  };
}

function readClaimRecord(body) {
  const [member, answer] = cbor.items(body, 2, 1);
  const decided = cbor.present(answer, (value) => {
    const [decision, act] = cbor.items(value, 2);
    return { decision: cbor.oneOf(decision, [1, 2]), act: readActId(act) };
  });
  return { member: cbor.id(member), answer: decided };
}

function readUtilityRecord(body) {
  const [utility, statement, amount, energy] = cbor.items(body, 4);
  return { utility: readUtility(utility), statement: cbor.id(statement), amount: cbor.sint(amount), energy: cbor.uint(energy) };
}

/** The kinds that bundles bring: how the rest of the key is read, and the record. */
const READERS = {
  [KIND.account]: [[cbor.id], readAccount],
  [KIND.sheet]: [[cbor.u32, cbor.id], readSheet],
  [KIND.binding]: [[cbor.id], readBinding],
  [KIND.tariff]: [[cbor.u32], readTariffRecord],
  [KIND.month]: [[cbor.u32], readMonth],
  [KIND.bill]: [[cbor.id, cbor.uint], readBillRecord],
  [KIND.outside]: [[cbor.u32, readActId], readOutside],
  [KIND.claim]: [[readActId], readClaimRecord],
  [KIND.utility]: [[cbor.uint], readUtilityRecord],
};
const KINDS = Object.keys(READERS).map(Number);

/** A key as one text that tells it from all others. */
export const keyName = (kind, ...parts) =>
  [kind, ...parts.map((part) => (typeof part === "object" ? Object.values(part).join("/") : part))].join("/");

/** A key's kind, its parts and its name. */
export function readKey(value) {
  const [first, ...rest] = cbor.listed(value, (item) => item, 1);
  const kind = cbor.oneOf(first, KINDS);
  const readers = READERS[kind][0];
  need(rest.length === readers.length, "a key of a refused length");
  const parts = readers.map((reader, at) => reader(rest[at]));
  return { kind, parts, name: keyName(kind, ...parts) };
}

/** A record and its kind. */
export function readRecord(value) {
  const [kind, body] = cbor.choice(value, KINDS);
  return { kind, record: READERS[kind][1](body) };
}

/** Whether one key stands before another: by kind, then by their items. */
export function keyIsBelow(a, b) {
  if (a.kind !== b.kind) return a.kind < b.kind;
  const items = (key) => key.parts.flatMap((part) => (typeof part === "object" ? Object.values(part) : [part]));
  const [left, right] = [items(a), items(b)];
  const at = left.findIndex((item, place) => item !== right[place]);
  return at >= 0 && left[at] < right[at];
}

/** The id of a meter's binding (section 7). */
export function bindingId(statement, index) {
  const place = Uint8Array.of(index >>> 24, index >>> 16, index >>> 8, index);
  return cbor.id(digest(concat(utf8("wattproof binding\0"), unhex(statement), place)));
}
