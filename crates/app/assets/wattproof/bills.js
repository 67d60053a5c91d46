// Bills (docs/protocol.md section 10): what closed sheets and their tariffs come to in money. `books` gives the records:
// the whole state, or the few that a bundle proves.
import * as cbor from "./cbor.js";
import { rule } from "./refusal.js";
import { floorDiv, least, most, unhex } from "./bytes.js";
import { MEMBER, isSummer } from "./acts.js";
import { NOTHING, plus } from "./hours.js";
import { LINE, flatPrice, money, ofEnergy, product } from "./prices.js";
import { TERMS, hasLeft, remaining } from "./records.js";

const MONTHS_MAX = 12;
const sum = (values) => values.reduce((total, value) => total + value, 0n);

/** Whose bill, and for when. */
export class Span {
  constructor(books, account, start, until) {
    Object.assign(this, { books, genesis: books.genesis, account, start, until });
    this.months = this.findMonths();
  }

  /** The months whose sheets it is for: from a month's start or a moving in to a month's end or a moving out. */
  findMonths() {
    const months = [];
    let [at, month] = [this.start, this.genesis.monthOf(this.start)];
    while (month !== null && at < this.until && months.length < MONTHS_MAX) {
      rule(this.genesis.hasMonth(month), "bill_span");
      months.push(month);
      [at, month] = [this.genesis.span(month)[1], month + 1];
    }
    rule(months.length > 0 && at >= this.until, "bill_span");
    const last = months[months.length - 1];
    const begins = [this.genesis.span(months[0])[0], this.movedIn(months[0])].includes(this.start);
    const ends = [this.genesis.span(last)[1], this.movedOut(last)].includes(this.until);
    rule(begins && ends, "bill_span", "not whole sheets");
    return months;
  }

  bindings(month) {
    const sheet = this.books.sheetOf(month, this.account);
    return sheet ? sheet.meters.map((meter) => this.books.bindingOf(meter.binding)) : [];
  }

  movedIn(month) {
    const starts = this.bindings(month).map((binding) => binding.since);
    return starts.length === 0 ? null : starts.reduce(least);
  }

  movedOut(month) {
    const ends = this.bindings(month).map((binding) => binding.until);
    return ends.length === 0 || ends.includes(null) ? null : ends.reduce(most);
  }

  part(month) {
    const [start, end] = this.genesis.span(month);
    return [most(start, this.start), least(end, this.until)];
  }
}

/** A month's sheet with its tariff. */
function settle(span, month) {
  const { books } = span;
  rule(isSettled(span, month), "month_open");
  const sheet = books.sheetOf(month, span.account);
  const community = books.monthOf(month);
  rule(sheet !== null && community !== null, "nothing_to_bill");
  const record = books.isClosed(month) ? community.tariff && books.tariffFrom(community.tariff) : books.tariffIn(month);
  rule(record, "no_tariff");
  return { month, sheet, record, tariff: record.tariff, isSummer: isSummer(record.tariff, month) };
}

/** Nothing moves its sheet any more: it is closed, or has begun and the member has left. */
function isSettled(span, month) {
  const { books } = span;
  if (books.isClosed(month)) return true;
  const account = books.accountOf(span.account);
  return span.genesis.span(month)[0] <= books.time && account !== null && hasLeft(account, MEMBER, books.time);
}

/** Whether a month is priced together with the one before. */
function joins(month, before) {
  const isSame = month.record.statement === before.record.statement && month.isSummer === before.isSummer;
  return month.tariff.isTogether && month.tariff.table.kind !== "average" && isSame;
}

/** What was used beyond the sheet, if that has a price of its own. */
function excessOf({ tariff, sheet }) {
  if (tariff.excessPrice === null) return 0n;
  const regular = sheet.regular.energy;
  const corrected = sheet.terms.consumed - regular;
  return least(most(-remaining(sheet.terms) - corrected, 0n), regular);
}

/** The body of the bill, as CBOR has it. */
export function compute(books, account, start, until) {
  const span = new Span(books, account, start, until);
  const settled = span.months.map((month) => settle(span, month));
  const lines = runs(settled).flatMap((run) => linesOfRun(span, run));
  const step = settled[settled.length - 1].tariff.step;
  const amounts = sum(lines.map((line) => line.amount));
  const total = money(floorDiv(amounts + floorDiv(step, 2n), step) * step);
  const utilities = span.genesis.hasTenants ? covering(books, start, until).map((record) => record.utility) : [];
  if (span.genesis.hasTenants) checkTenancy(span, lines);
  const body = cbor.map(
    [1, unhex(account)],
    [2, start],
    [3, until],
    [4, settled.map(writeMonth)],
    [5, lines.map(writeLine)],
    [6, total],
    [7, utilities.map(writeFigures)],
  );
  return { body, total, lines, utilities, months: span.months, span };
}

/** Months that are priced together. */
function runs(settled) {
  const grouped = [[settled[0]]];
  settled.slice(1).forEach((month, at) => {
    if (joins(month, settled[at])) grouped[grouped.length - 1].push(month);
    else grouped.push([month]);
  });
  return grouped;
}

function writeMonth({ month, sheet, record }) {
  const terms = TERMS.map((term) => sheet.terms[term]);
  const { bands, isEstimated } = sheet.regular;
  return cbor.map([1, month], [2, terms], [3, sheet.meters.map(writeMeter)], [4, unhex(record.statement)], [5, bands], [6, isEstimated]);
}

function writeMeter({ meter, imported, factor, isEstimated }) {
  const energy = (imported.end - imported.start) * BigInt(factor);
  return cbor.map([1, meter], [2, imported.start], [3, imported.end], [4, factor], [5, energy], [6, isEstimated]);
}

const writeLine = ({ kind, month, months, band, energy, price, amount }) =>
  cbor.map([1, kind], [2, month], [3, months], [4, band], [5, energy], [6, price], [7, amount]);

const writeFigures = ({ start, until, average, energy, amount, isCommon }) =>
  cbor.map([1, start], [2, until], [3, average], [4, energy], [5, amount], [6, isCommon]);

function linesOfRun(span, run) {
  const first = run[0];
  const { tariff } = first;
  const used = run.map((month) => month.sheet.regular).reduce(plus, NOTHING);
  const excess = sum(run.map(excessOf));
  const average = tariff.table.kind === "average" ? lowestAverage(span.books, ...span.part(first.month)) : null;
  const use = { isSummer: first.isSummer, months: BigInt(run.length), energy: used.energy - excess, bands: used.bands, average };
  const lines = tariff.table.lines(use);
  if (excess > 0n) lines.push(ofEnergy(LINE.excess, excess, tariff.excessPrice));
  const found = lines.map((line) => ({ ...line, month: first.month, months: run.length }));
  for (const { month, sheet } of run) {
    for (const correction of sheet.corrections) found.push(correctionLine(span.books, correction));
    for (const [kind, sign, side] of [[LINE.bought, 1n, sheet.bought], [LINE.sold, -1n, sheet.sold]]) {
      const amount = money(sign * side.amount);
      if (side.energy > 0n) found.push({ kind, amount, energy: side.energy, price: null, band: null, month, months: 1 });
    }
  }
  return found;
}

/** At the closed month's own tariff: at its price, or by the difference that the late energy makes to the month. */
function correctionLine(books, correction) {
  const record = books.tariffFrom(correction.tariff);
  rule(record, "no_tariff");
  const { table } = record.tariff;
  const late = correction.late.energy;
  const inSummer = isSummer(record.tariff, correction.month);
  const at = { month: correction.month, months: 1 };
  if (table.kind === "flat") return { ...ofEnergy(LINE.correction, late, flatPrice(table, inSummer)), ...at };
  if (table.kind === "average") {
    const price = lowestAverage(books, ...books.genesis.span(correction.month));
    return { ...ofEnergy(LINE.correction, late, price), ...at };
  }
  const alone = ({ energy, bands }) =>
    sum(table.lines({ isSummer: inSummer, months: 1n, energy, bands, average: null }).map((line) => line.amount));
  const difference = alone(plus(correction.before, correction.late)) - alone(correction.before);
  return { kind: LINE.correction, amount: money(difference), energy: late, price: null, band: null, ...at };
}

// The tenancy rule.

/** The utility's bills that cover a span together, by rising start. */
function covering(books, start, until) {
  const found = [];
  let covered = start;
  for (const record of books.utilities(start, until)) {
    if (record.utility.start > covered) break;
    covered = record.utility.until;
    found.push(record);
  }
  rule(covered >= until, "utility_bill_missing");
  return found;
}

function lowestAverage(books, start, until) {
  const averages = covering(books, start, until).map((record) => record.utility.average);
  rule(averages.length > 0, "bill_span");
  return averages.reduce(least);
}

/** The time that a line is for; a correction is for the whole of its own month. */
function timeOf(span, line) {
  if (line.kind === LINE.correction) return span.genesis.span(line.month);
  return [span.part(line.month)[0], span.part(line.month + line.months - 1)[1]];
}

const charges = (lines) => lines.filter((line) => ![LINE.bought, LINE.sold].includes(line.kind));

/** No kWh above the utility's average, and nothing but kWh. */
function checkTenancy(span, lines) {
  for (const line of charges(lines)) {
    const lowest = lowestAverage(span.books, ...timeOf(span, line));
    const isOfEnergy = ![LINE.fixed, LINE.minimum, LINE.surcharge].includes(line.kind) && line.energy !== null;
    rule(isOfEnergy, "tenancy_price");
    const fits = line.price !== null ? line.price <= lowest : line.amount <= product(line.energy, lowest);
    rule(fits, "tenancy_price", `the utility's average is ${lowest}`);
  }
}

/** What a bill adds to each bill of the utility, named by its start. */
export function charged({ span, lines, total, utilities }) {
  const sums = new Map();
  const add = (start, amount, energy) => {
    const before = sums.get(start) ?? { amount: 0n, energy: 0n };
    sums.set(start, { amount: before.amount + amount, energy: before.energy + energy });
  };
  for (const line of charges(lines)) {
    let [start, end] = timeOf(span, line);
    let rest = [line.amount, line.energy ?? 0n];
    for (const { utility } of covering(span.books, start, end)) {
      const until = least(utility.until, end);
      const parts = rest.map((whole) => floorDiv(whole * (until - start), most(end - start, 1n)));
      rest = rest.map((whole, at) => whole - parts[at]);
      start = until;
      add(utility.start, ...parts);
    }
  }
  const rounding = total - sum(lines.map((line) => line.amount));
  if (utilities.length > 0) add(utilities[utilities.length - 1].start, rounding, 0n);
  return sums;
}

/** Of these records of the utility's bills, those that touch a time, by rising start. */
export function touching(records, start, until) {
  const found = records.filter(({ utility }) => utility.start < until && utility.until > start);
  return found.sort((a, b) => (a.utility.start < b.utility.start ? -1 : 1));
}
