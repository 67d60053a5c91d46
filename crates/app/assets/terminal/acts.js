// The forms of what a member states, and the acts that they make (docs/protocol.md section 6).
import { ask, element, exact, kwh, moment, money, monthNumber, typed } from "./page.js";
import { unhex, utf8 } from "../wattproof/bytes.js";
import * as cbor from "../wattproof/cbor.js";
import { LINE } from "../wattproof/prices.js";
import { unprinted } from "../wattproof/keys.js";
import { TERMS } from "../wattproof/records.js";
import { act } from "../wattproof/statement.js";

const TEXT_BYTES_MAX = 280;
const INTERVALS_MAX = 16;
const OFFER_MINUTES = [15, 60, 24 * 60];
const OTHER = "other";

/** What a person typed cannot be stated; the message is a text's key and its values. */
export class Wrong extends Error {
  constructor(key, values = {}) {
    super(key);
    this.values = values;
  }
}

/**
 * What forms choose among.
 * @typedef {{t: Function, ledger: object, account: object, offers: object[], time: () => bigint, wanted: object}} Choices
 * `wanted` is what another page asked for: {@link claimVoltage} takes `intervals` ("statement.act") and `words`,
 * {@link note} a `reading` ("meter@milliseconds").
 */

/** The fields of each kind: a form is its elements and a function that gives the act. */
const FORMS = { transfer, offer, accept, withdraw, note, bill, claim_bill: claimBill, claim_voltage: claimVoltage };

/** @returns {Promise<{fields: Node[], make: () => Array}>} */
export const formOf = (kind, choices) => FORMS[kind](choices);

let made = 0;

function labelled(label, control, name) {
  const id = `f${++made}`;
  control.id = id;
  control.dataset.field = name;
  return element("div", {}, element("label", { for: id }, label), control);
}

const options = (choices) => choices.map(([value, label]) => element("option", { value }, label));
const select = (choices) => element("select", {}, ...options(choices));
const input = (attributes = {}) => element("input", { autocomplete: "off", ...attributes });

/** A form with nothing to choose among. */
function nothing(t, key) {
  const make = () => {
    throw new Wrong(key);
  };
  return { fields: [element("p", { class: "quiet" }, t(key))], make };
}

function needText(control) {
  const text = control.value.trim();
  if (utf8(text).length > TEXT_BYTES_MAX) throw new Wrong("submit-too-long");
  return text;
}

function needNumber(control, scale, label) {
  const value = typed(control.value, scale);
  if (value === null) throw new Wrong("submit-bad-number", { name: label });
  return value;
}

/** A choice of who receives, with a place for an account that is not listed. */
function receiver({ t, ledger, account }, first) {
  const people = ledger.people.filter((one) => one.id !== account.id).map((one) => [one.id, one.name]);
  const chosen = select([...first, ...people, [OTHER, t("submit-to-other")]]);
  const other = input({ hidden: true, placeholder: "wp1…", "aria-label": t("submit-to-other") });
  other.dataset.field = "other";
  chosen.addEventListener("change", () => (other.hidden = chosen.value !== OTHER));
  other.hidden = chosen.value !== OTHER;
  const read = () => {
    if (chosen.value === "") return null;
    try {
      return unprinted(chosen.value === OTHER ? other.value : chosen.value);
    } catch {
      throw new Wrong("submit-bad-account");
    }
  };
  return { field: element("div", { class: "field" }, labelled(t("submit-to"), chosen, "to"), other), read };
}

const monthOf = ({ ledger }) => select(ledger.months.map((month) => [month, month]));

async function transfer(choices) {
  const { t } = choices;
  const to = receiver(choices, []);
  const energy = input({ inputmode: "decimal" });
  const month = monthOf(choices);
  return {
    fields: [to.field, labelled(t("submit-energy"), energy, "energy"), labelled(t("month"), month, "month")],
    make: () => act.transfer(to.read(), needNumber(energy, 6, t("submit-energy")), monthNumber(month.value)),
  };
}

async function offer(choices) {
  const { t, ledger, time } = choices;
  const to = receiver(choices, [["", t("submit-to-anybody")]]);
  const [energy, price] = [input({ inputmode: "decimal" }), input({ inputmode: "decimal" })];
  const month = monthOf(choices);
  const stands = select(OFFER_MINUTES.map((minutes) => [String(minutes), t("submit-until-minutes", { count: minutes })]));
  const priceLabel = t("submit-price", { name: ledger.currency });
  const make = () => {
    const until = time() + BigInt(stands.value) * 60_000n;
    const [amount, each] = [needNumber(energy, 6, t("submit-energy")), needNumber(price, 4, priceLabel)];
    return act.offer(to.read(), amount, each, monthNumber(month.value), until);
  };
  const fields = [
    to.field,
    labelled(t("submit-energy"), energy, "energy"),
    labelled(priceLabel, price, "price"),
    labelled(t("month"), month, "month"),
    labelled(t("submit-until"), stands, "until"),
  ];
  return { fields, make };
}

function openOffer({ t, offers }, isMeant, make) {
  const found = offers.filter(isMeant);
  if (found.length === 0) return nothing(t, "submit-no-offers");
  const words = (one) => `${kwh(one.energy_mwh)} ${t("kwh")} × ${money(one.price_1e4)}, ${one.month}`;
  const chosen = select(found.map((one, at) => [String(at), words(one)]));
  const id = () => {
    const one = found[Number(chosen.value)];
    return { until: BigInt(one.until_ms), statement: one.statement, index: one.act_index };
  };
  return { fields: [labelled(t("submit-offer"), chosen, "offer")], make: () => make(id()) };
}

async function accept(choices) {
  const { account } = choices;
  return openOffer(choices, (one) => one.seller !== account.id && [null, undefined, account.id].includes(one.to), act.accept);
}

async function withdraw(choices) {
  return openOffer(choices, (one) => one.seller === choices.account.id, act.withdraw);
}

/** What a note may hold: the reading's name, the note's field and its number, the unit's decimals, and words. */
export const QUANTITIES = [
  { name: "voltage_mv", note: "voltage", key: 2, scale: 3, label: "voltage", unit: "V" },
  { name: "current_ua", note: "current", key: 3, scale: 6, label: "current", unit: "A" },
  { name: "active_power_mw", note: "power", key: 4, scale: 3, label: "active-power", unit: "W" },
  { name: "energy_import_mwh", note: "energy", key: 5, scale: 6, label: "counter", unit: "kWh" },
];

/** What a member states of their own meter: the newest booked reading, and a remark. */
async function note({ t, account, time, wanted }) {
  const [meter, at] = (wanted.reading ?? "").split("@");
  const asked = at ? [readingAt(meter, Number(at))] : (account.meters ?? []).map(newestReading);
  const readings = (await Promise.all(asked)).filter((reading) => reading !== null);
  const held = (reading) => QUANTITIES.filter(({ name }) => reading?.[name] !== undefined);
  const value = (reading, { name, scale, label, unit }) => `${t(label)} ${exact(BigInt(reading[name]), scale, 1)} ${unit}`;
  const words = (reading) => `${reading.meter}: ${held(reading).map((quantity) => value(reading, quantity)).join(", ")}`;
  const chosen = select([...readings.map((reading, at) => [String(at), words(reading)]), ["", t("submit-reading-none")]]);
  const remark = input();
  const make = () => {
    const reading = chosen.value === "" ? null : readings[Number(chosen.value)];
    const text = needText(remark);
    if (reading === null && text === "") throw new Wrong("submit-empty-note");
    const values = held(reading).map(({ name, key }) => [key, BigInt(reading[name])]);
    return [7, cbor.map([1, BigInt(reading?.time_ms ?? time())], ...values, [6, text || null])];
  };
  const none = readings.length === 0 ? [element("p", { class: "quiet" }, t("submit-no-meters"))] : [];
  return { fields: [...none, labelled(t("submit-reading"), chosen, "reading"), labelled(t("submit-remark"), remark, "remark")], make };
}

async function readingAt(meter, time) {
  const place = `/api/v1/meters/${encodeURIComponent(meter)}/readings?from=${time}&until=${time + 1}&limit=1`;
  const reading = (await ask(place).catch(() => null))?.items[0];
  return reading ? { ...reading, meter } : null;
}

async function newestReading(meter) {
  const view = await ask(`/api/v1/meters/${encodeURIComponent(meter)}`);
  const end = view?.head?.end_ms;
  if (!end) return null;
  const day = 24 * 60 * 60_000;
  const page = await ask(`/api/v1/meters/${encodeURIComponent(meter)}/readings?from=${Math.max(end - day, 0)}&limit=500`).catch(() => null);
  const newest = page?.items.at(-1);
  return newest ? { ...newest, meter } : null;
}

async function bill({ t, account, ledger }) {
  const billed = (month) => account.bills.some((one) => one.from_ms === month.from_ms);
  const closed = (account.months ?? []).filter((month) => month < ledger.months[0]);
  const bills = await Promise.all(closed.map((month) => ask(`/api/v1/accounts/${account.id}/months/${month}/bill`).catch(() => null)));
  const found = bills.filter((one) => one !== null && !billed(one));
  if (found.length === 0) return nothing(t, "submit-no-bills");
  const chosen = select(found.map((one, at) => [String(at), `${one.months[0].month}: ${ledger.currency} ${money(one.total_1e4)}`]));
  return { fields: [labelled(t("submit-bill"), chosen, "bill")], make: () => act.bill(billBody(found[Number(chosen.value)])) };
}

/** The bill as the ledger computed it, in the bytes to sign; the ledger refuses it if one digit is another. */
export function billBody(view) {
  const months = view.months.map((month) =>
    cbor.map(
      [1, monthNumber(month.month)],
      [2, TERMS.map((term) => BigInt(month.terms[`${term}_mwh`]))],
      [3, month.meters.map(meterBody)],
      [4, unhex(month.tariff)],
      [5, month.bands_mwh],
      [6, month.bands_estimated],
    ),
  );
  return cbor.map(
    [1, unhex(unprinted(view.account))],
    [2, view.from_ms],
    [3, view.until_ms],
    [4, months],
    [5, view.lines.map(lineBody)],
    [6, view.total_1e4],
    [7, view.utilities.map(figuresBody)],
  );
}

const numbered = (...values) => cbor.map(...values.map((value, at) => [at + 1, value]));
const meterBody = (meter) =>
  numbered(meter.meter, meter.previous_mwh, meter.present_mwh, meter.factor, meter.energy_mwh, meter.estimated);
const lineBody = ({ kind, month, months, ...line }) =>
  numbered(LINE[kind], monthNumber(month), months, line.band, line.energy_mwh, line.unit_price_1e4, line.amount_1e4);
const figuresBody = (one) =>
  numbered(one.from_ms, one.until_ms, one.average_1e4, one.energy_mwh, one.amount_1e4, one.common_facilities);

async function claimBill({ t, account, ledger }) {
  const found = (account.bills ?? []).filter((one) => !one.claim);
  if (found.length === 0) return nothing(t, "submit-no-bills");
  const chosen = select(found.map((one) => [String(one.from_ms), `${moment(one.from_ms, ledger.zone)}: ${money(one.total_1e4)}`]));
  const words = input();
  return {
    fields: [labelled(t("submit-bill"), chosen, "bill"), labelled(t("submit-words"), words, "words")],
    make: () => act.claimBill(BigInt(chosen.value), needText(words)),
  };
}

async function claimVoltage({ t, account, ledger, wanted }) {
  const claimable = (account.outside ?? []).filter((one) => !one.claim);
  const isWanted = (one) => (wanted.intervals ?? []).includes(`${one.statement}.${one.act_index}`);
  const asked = claimable.filter(isWanted).slice(0, INTERVALS_MAX);
  const found = asked.length > 0 ? asked : claimable.slice(0, INTERVALS_MAX);
  if (found.length === 0) return nothing(t, "submit-no-intervals");
  const volts = (value) => exact(BigInt(value ?? 0), 3, 1);
  const range = (one) => `${volts(one.voltage_min_mv)}\u2013${volts(one.voltage_max_mv)} V`;
  const line = (one) => `${one.meter ?? ""} ${moment(one.start_ms, ledger.zone)}: ${range(one)}`;
  const boxes = found.map((one, at) => [one, element("input", { type: "checkbox", checked: asked.length > 0 || at === 0 })]);
  const rows = boxes.map(([one, box]) => element("label", { class: "tick" }, box, element("span", {}, line(one))));
  const words = input({ value: wanted.words ?? "" });
  const make = () => {
    const intervals = boxes.filter(([, box]) => box.checked).map(([one]) => ({ statement: one.statement, index: one.act_index }));
    if (intervals.length === 0) throw new Wrong("submit-no-intervals");
    return act.claimVoltage(intervals, needText(words));
  };
  const box = element("fieldset", { class: "choices" }, element("legend", {}, t("submit-interval")), ...rows);
  return { fields: [box, labelled(t("submit-words"), words, "words")], make };
}
