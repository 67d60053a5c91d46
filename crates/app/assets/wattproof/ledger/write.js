// State records as the state tree hashes them (docs/protocol.md section 11).
import * as cbor from "../cbor.js";
import { unhex } from "../bytes.js";
import { KIND, TERMS } from "../records.js";

const pair = ({ start, end }) => [start, end];
const divided = ({ energy, bands, isEstimated }) => [energy, bands, isEstimated];
const priced = ({ energy, amount }) => [energy, amount];
const actId = (act) => act && [unhex(act.statement), act.index];
const raw = (id) => (id === null ? null : unhex(id));

const role = (span) => cbor.array(span.role, span.since, span.registered, span.until, span.retired);

const WRITERS = {
  [KIND.account]: (record) =>
    cbor.array(
      record.keys.map(({ cose, since }) => [cose, since]),
      record.roles.map(role),
      record.bindings,
      record.offers,
      raw(record.gains),
      record.revoked,
    ),
  [KIND.sheet]: (record) => [
    TERMS.map((term) => record.terms[term]),
    record.meters.map((meter) => [
      meter.meter, unhex(meter.binding), meter.factor, pair(meter.imported), meter.exported && pair(meter.exported),
      meter.isEstimated,
    ]),
    record.corrections.map(({ month, tariff, late, before }) => [month, tariff, divided(late), divided(before)]),
    record.entries,
    unhex(record.digest),
    priced(record.bought),
    priced(record.sold),
    divided(record.regular),
  ],
  [KIND.meter]: (record) => unhex(record.binding),
  [KIND.binding]: ({ head, ...record }) => [
    record.meter,
    unhex(record.signer),
    unhex(record.member),
    record.since,
    record.until,
    record.profile,
    record.factor,
    cbor.array(head.next, unhex(head.previous), head.end, head.imported, head.exported),
    record.isMain,
  ],
  [KIND.tariff]: (record) => [record.tariff.body, unhex(record.statement)],
  [KIND.month]: (record) => [
    record.isClosed ? [1, cbor.array(record.tariff)] : [0, []],
    record.supply,
    record.physical,
    record.budget,
    record.contracts,
    record.rewards,
    record.money,
    record.mainImport,
    record.mainExport,
  ],
  [KIND.bill]: (record) => cbor.array(record.until, unhex(record.statement), record.total, actId(record.claim)),
  [KIND.offer]: (record) => [unhex(record.seller), record.offer.body],
  [KIND.outside]: (record) =>
    cbor.array(
      unhex(record.member), record.meter, record.start, record.end, record.found, record.limits, actId(record.claim),
    ),
  [KIND.claim]: ({ member, answer }) => cbor.array(unhex(member), answer && [answer.decision, actId(answer.act)]),
  [KIND.load]: (record) => [record.state, record.time, unhex(record.statement)],
  [KIND.parameters]: ({ level, nextLevel, limits, nextLimits, upgrade }) =>
    cbor.array(
      level,
      nextLevel && cbor.map([1, nextLevel.level], [2, nextLevel.height]),
      limits.body,
      nextLimits && cbor.map([1, nextLimits.limits.body], [2, nextLimits.since]),
      upgrade && cbor.map([1, upgrade.version], [2, upgrade.height]),
    ),
  [KIND.key]: (record) => unhex(record.account),
  [KIND.utility]: (record) => [record.utility.body, unhex(record.statement), record.amount, record.energy],
};

/** A record with its kind. */
export const writeRecord = (kind, record) => cbor.encode([kind, WRITERS[kind](record)]);

/** How the parts of each kind's key are written. */
const asIs = (part) => part;
const PARTS = {
  [KIND.account]: [unhex], [KIND.sheet]: [asIs, unhex], [KIND.meter]: [asIs], [KIND.binding]: [unhex], [KIND.tariff]: [asIs],
  [KIND.month]: [asIs], [KIND.bill]: [unhex, asIs], [KIND.offer]: [({ until, statement, index }) => [until, unhex(statement), index]],
  [KIND.outside]: [asIs, actId], [KIND.claim]: [actId], [KIND.load]: [asIs], [KIND.parameters]: [], [KIND.key]: [unhex],
  [KIND.utility]: [asIs],
};

export const writeKey = (kind, parts) => cbor.encode([kind, ...parts.map((part, at) => PARTS[kind][at](part))]);
