// Bill bundles (docs/protocol.md section 14): a bill with everything that its check needs, layer by layer.
import * as cbor from "./cbor.js";
import { Refused, need } from "./refusal.js";
import { bytesEqual, rises, same } from "./bytes.js";
import { GAP, WRAP } from "./acts.js";
import { compute, touching } from "./bills.js";
import { counterOf, readFrameProof } from "./frames.js";
import { NOTHING, divided, plus } from "./hours.js";
import { leafHash, rootFromPath } from "./log.js";
import { byMonth, continued, folded, moved, shows, stretchOf, withPart } from "./meters.js";
import { product } from "./prices.js";
import { PATH_MAX, Proven } from "./proven.js";
import { EMPTY_SHEET, KIND, entered, keyName, readEntry } from "./records.js";

export const MAGIC = "wattproof bill bundle 1";

function readMonthEntries(value) {
  const [month, entries] = cbor.items(value, 2);
  return { month: cbor.u32(month), entries: cbor.listed(entries, readEntry) };
}

function readFrame(value) {
  const [statement, isLast, salt, proof] = cbor.items(value, 4);
  return { statement: cbor.id(statement), isLast: cbor.boolean(isLast), salt: cbor.octets(salt, 32), ...readFrameProof(proof, PATH_MAX) };
}

/** Its structure; the checks of the layers stand on each other in order. */
export class BillBundle extends Proven {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    const [magic, body] = cbor.items(cbor.decode(bytes), 2);
    need(magic === MAGIC, "no bill bundle");
    const parts = cbor.fields(body, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    super(parts[1], parts[2], parts[3], parts[5], parts[6]);
    this.months = cbor.listed(parts[7], readMonthEntries);
    this.frames = cbor.listed(parts[8], readFrame);
    need(rises(this.months, (a, b) => a.month < b.month), "months that are not in order");
    this.billing = cbor.id(parts[4]);
    this.bill = this.statement(this.billing).acts[cbor.u32(parts[9])];
    need(this.bill?.kind === "bill", "no bill at that place");
    this.account = this.bill.account;
    const billed = this.bill.months.map((month) => month.month);
    need(same(this.months.map((month) => month.month), billed), "the lists of entries are not those of the bill's months");
  }

  /** The layers in order: each with its name and its check. */
  layers() {
    return [
      ["finality", () => this.checkFinality()],
      ["inclusion", () => this.checkInclusion()],
      ["signatures", () => this.checkSignatures()],
      ["inclusion", () => this.checkEntries()],
      ["structure", () => this.checkCompleteness()],
      ["meter_sequence", () => this.checkMeters()],
      ["raw_frames", () => this.checkFrames()],
      ["arithmetic", () => this.checkArithmetic()],
      ["tariff", () => this.checkTariffs()],
    ];
  }

  sheet(month) {
    return this.record(KIND.sheet, month, this.account);
  }

  /** The sheets' chains of hashes prove that the lists are complete. */
  checkEntries() {
    for (const { month, entries } of this.months) {
      const sheet = this.sheet(month);
      const listed = entries.reduce(entered, EMPTY_SHEET);
      need(listed.entries === sheet.entries && listed.digest === sheet.digest, `the list of entries of month ${month} is not complete`);
    }
  }

  checkCompleteness() {
    const records = new Set();
    const statements = new Set([this.billing]);
    const tariffs = new Set();
    const spans = [[this.bill.start, this.bill.until]];
    for (const { month, entries } of this.months) {
      records.add(keyName(KIND.sheet, month, this.account)).add(keyName(KIND.month, month));
      this.nameTariffs(month, records, tariffs);
      for (const correction of this.sheet(month).corrections) {
        tariffs.add(correction.tariff);
        spans.push(this.genesis.span(correction.month));
      }
      this.nameStatements(entries, records, statements);
    }
    for (const since of tariffs) records.add(keyName(KIND.tariff, since));
    for (const { utility } of spans.flatMap((span) => this.utilities(...span))) records.add(keyName(KIND.utility, utility.start));
    for (const name of records) {
      const found = this.state.get(name);
      if (found && [KIND.tariff, KIND.utility].includes(found.key.kind)) statements.add(found.record.statement);
    }
    this.checkNothingIdle(records, statements);
  }

  nameTariffs(month, records, tariffs) {
    if (this.isClosed(month)) {
      const { tariff } = this.record(KIND.month, month);
      need(tariff !== null, `month ${month} was closed without a tariff`);
      tariffs.add(tariff);
      return;
    }
    // Only who has left is billed for an open month.
    const inForce = this.tariffIn(month);
    need(inForce !== null, `the tariff of month ${month} is missing`);
    records.add(keyName(KIND.account, this.account));
    tariffs.add(inForce.tariff.since);
  }

  nameStatements(entries, records, statements) {
    const listed = new Set(entries.filter((entry) => entry.kind === "act").map((entry) => entry.statement));
    const chains = new Map();
    for (const act of [...listed].flatMap((id) => this.statement(id).acts)) {
      if (act.kind === "accept") statements.add(act.offer.statement);
      if (act.kind === "readings" && !chains.has(act.binding)) chains.set(act.binding, act);
    }
    for (const id of listed) statements.add(id);
    for (const [binding, first] of chains) {
      records.add(keyName(KIND.binding, binding));
      if (first.number > 0n && first.broken === null) statements.add(first.previous);
    }
  }

  /** Signer, statement, act and number of entries, in the order of the list. */
  actsOf(month) {
    const counted = new Map();
    for (const entry of this.months.find((one) => one.month === month).entries) {
      if (entry.kind !== "act") continue;
      const name = `${entry.statement}/${entry.index}`;
      counted.set(name, { entry, count: (counted.get(name)?.count ?? 0) + 1 });
    }
    return [...counted.values()].map(({ entry, count }) => {
      const statement = this.statement(entry.statement);
      const act = statement.acts[entry.index];
      need(act, "an act that the statement lacks");
      return { signer: statement.signer, statement: statement.id, act, count };
    });
  }

  checkMeters() {
    let count = 0;
    for (const { month } of this.months) {
      const chains = new Map();
      for (const one of this.actsOf(month).filter(({ act }) => act.kind === "readings")) {
        chains.set(one.act.binding, [...(chains.get(one.act.binding) ?? []), one]);
        count += 1;
      }
      const known = new Set(this.sheet(month).meters.map((meter) => meter.binding));
      need(known.size === chains.size && [...known].every((id) => chains.has(id)), "intervals and counters are not of the same meters");
      const booked = [...chains].flatMap(([id, chain]) => this.checkChain(month, id, chain));
      this.checkDivision(month, booked);
    }
    return count === 0 ? null : { count };
  }

  /** The intervals follow each other, and give the sheet's stretches. Gives parts and factor. */
  checkChain(month, id, chain) {
    const binding = this.record(KIND.binding, id);
    need(binding.member === this.account, "the meter is another member's");
    const stated = this.sheet(month).meters.filter((meter) => meter.binding === id);
    const parts = [];
    let built = [];
    let before = null;
    for (const { signer, statement, act, count } of chain) {
      const expected = act.isOperators ? this.genesis.operator.account : binding.signer;
      need(signer === expected, "an interval that the meter's signer did not sign");
      const follows = before === null || (act.number === before.act.number + 1n && act.previous === before.statement);
      need(follows, `meter ${binding.meter}: number ${act.number} does not follow`);
      for (const part of this.partsIn(month, act, before?.act ?? null, count, stated)) {
        for (const piece of folded(part)) built = withPart(built, id, binding, piece);
        parts.push({ part, factor: binding.factor });
      }
      before = { act, statement };
    }
    need(same(built, stated), `meter ${binding.meter}: the intervals give other counters than the sheet's`);
    return parts;
  }

  /** The last `count` parts of an interval up to the month: parts of closed months are booked here too. */
  partsIn(month, act, before, count, stated) {
    if (before === null && act.broken === GAP) return [this.partAfterUnknown(month, act, stated[0])];
    if (before === null && act.broken === WRAP) return [this.partOfUnknownWrap(month, act, stated)];
    const stretch = before === null ? stretchOf(act) : continued(act, headAfter(before));
    const isEstimated = act.isEstimated && shows(this.genesis, this.record(KIND.binding, act.binding), act.end);
    const parts = byMonth(this.genesis, { ...stretch, isEstimated }, this.genesis.span(month)[1]).map(({ part }) => part);
    need(count <= parts.length, "more entries than parts");
    return parts.slice(-count);
  }

  /** A gap whose beginning is not in the bundle: the sheet's own counters within the bounds that are known. */
  partAfterUnknown(month, act, stated) {
    need(stated.imported.start <= act.imported.start, "a gap that begins above its own interval");
    const [monthStart, monthEnd] = this.genesis.span(month);
    const isWhole = act.end <= monthEnd;
    const way = (pair, shown) => ({ start: shown.start, end: isWhole ? pair.end : shown.end });
    return {
      start: act.start > monthStart ? act.start : monthStart,
      end: act.end,
      imported: way(act.imported, stated.imported),
      exported: act.exported && stated.exported && way(act.exported, stated.exported),
      isEstimated: stated.isEstimated,
      wrapsAt: null,
      isUnknown: true,
    };
  }

  /** The same where a counter began at zero again, here or in an earlier month. */
  partOfUnknownWrap(month, act, stated) {
    const [monthStart, monthEnd] = this.genesis.span(month);
    const isWhole = act.end <= monthEnd;
    const way = (pair, shown) => {
      if (pair === null || shown.includes(null)) return null;
      const { start } = shown[0];
      let [end, behindZero] = [pair.end, start <= pair.end ? 0n : act.wrapsAt];
      if (!isWhole) {
        end = shown[shown.length - 1].end;
        behindZero = shown.length > 1 && shown[0].end === act.wrapsAt ? act.wrapsAt : 0n;
      }
      const moves = end + behindZero - start;
      need(act.wrapsAt !== null && start < act.wrapsAt, "a counter above where it begins at zero again");
      need(moves >= 0n && moves <= act.wrapsAt / 2n, "a wrap of more than half the way round");
      return { start, end: end + behindZero };
    };
    return {
      start: act.start > monthStart ? act.start : monthStart,
      end: act.end,
      imported: way(act.imported, stated.map((meter) => meter.imported)),
      exported: way(act.exported, stated.map((meter) => meter.exported)),
      isEstimated: stated[0].isEstimated,
      wrapsAt: act.wrapsAt,
      isUnknown: true,
    };
  }

  /** What the parts add up to by month, and by band where every part is known. */
  checkDivision(month, booked) {
    const sheet = this.sheet(month);
    const late = new Map(sheet.corrections.map((correction) => [correction.month, NOTHING]));
    let regular = NOTHING;
    for (const { part, factor } of booked) {
      const of = this.genesis.monthOf(part.start);
      if (of !== month && late.has(of)) late.set(of, plus(late.get(of), this.divided(of, part, factor)));
      else regular = plus(regular, this.divided(month, part, factor));
    }
    need(regular.energy === sheet.regular.energy, "the intervals give another use than the sheet's");
    const isTold = booked.every(({ part }) => !part.isUnknown);
    const stated = new Map(sheet.corrections.map((correction) => [correction.month, correction.late]));
    need(!isTold || same(regular, sheet.regular), "the intervals give other bands than the sheet's");
    need(!isTold || same(late, stated), "the intervals give other corrections than the sheet's");
    if (!isTold && sheet.regular.bands.length > 0) this.hasUntoldBands = true;
  }

  /** Under the tariff that the month was frozen with; of a corrected month, the correction names it. */
  divided(month, part, factor) {
    const corrections = this.months.flatMap((one) => this.sheet(one.month).corrections);
    const community = this.monthOf(month);
    const since = community ? community.tariff : (corrections.find((one) => one.month === month)?.tariff ?? null);
    const record = since === null ? null : this.tariffFrom(since);
    return divided(this.genesis, record?.tariff, month, part, factor);
  }

  /** The frames stand in the tree that the interval commits to, and say its counters. */
  checkFrames() {
    const read = new Set();
    for (const { statement, isLast, salt, frame, path } of this.frames) {
      const act = this.statement(statement).acts.find((one) => one.kind === "readings");
      need(act && act.count > 0, "a frame of a statement without readings");
      const root = rootFromPath(leafHash(salt, cbor.encode(frame)), isLast ? BigInt(act.count) - 1n : 0n, BigInt(act.count), path);
      need(root === act.frames, "a raw frame is not the one that was signed");
      const { profile, meter } = this.record(KIND.binding, act.binding);
      const said = counterOf(profile, frame);
      const stated = isLast ? act.imported.end : act.imported.start;
      if (said !== null && said !== stated) throw new Refused(`meter ${meter}: its own bytes say ${said} mWh, the statement ${stated} mWh`);
      if (said !== null) read.add(meter);
    }
    const billed = this.bill.months.flatMap((month) => month.meters.map((meter) => meter.meter));
    if (billed.length === 0) return null;
    return { count: this.frames.length, isUnknown: !billed.every((meter) => read.has(meter)) };
  }

  checkArithmetic() {
    for (const { month } of this.months) {
      need(same(this.termsOf(month), this.sheet(month).terms), `month ${month}: the acts give other sums than the sheet says`);
      this.checkPriced(month);
    }
    const computed = compute(this, this.account, this.bill.start, this.bill.until);
    const isSame = bytesEqual(cbor.encode(computed.body), cbor.encode(this.bill.body));
    need(isSame, `computed again the total is ${computed.total} (1e-4), the bill says ${this.bill.total}`);
    return { isUnknown: this.hasUntoldBands === true, total: this.bill.total, currency: this.genesis.currency };
  }

  /** From the acts. Rewards and what was carried over depend on others; the state root vouches for them. */
  termsOf(month) {
    const sheet = this.sheet(month);
    const terms = { ...EMPTY_SHEET.terms };
    for (const { signer, act } of this.actsOf(month)) {
      if (act.kind === "contract") terms.contract = act.energy;
      if (act.kind !== "transfer" && act.kind !== "accept") continue;
      const { seller, energy } = act.kind === "transfer" ? { seller: signer, energy: act.energy } : this.offerOf(act);
      if (seller === this.account) {
        terms.traded += energy;
        terms.fee += this.genesis.fee;
      } else {
        terms.gained += energy;
      }
    }
    for (const { imported, exported, factor } of sheet.meters) {
      terms.consumed += moved(imported, factor);
      terms.generated += moved(exported, factor);
    }
    const kinds = new Set(this.months.find((one) => one.month === month).entries.map((entry) => entry.kind));
    if (kinds.has("reward")) terms.reward = sheet.terms.reward;
    if (kinds.has("carried")) terms.carried = sheet.terms.carried;
    return terms;
  }

  /** The offer that was accepted, and its seller. */
  offerOf({ offer: { statement, index } }) {
    const { acts, signer } = this.statement(statement);
    need(acts[index]?.kind === "offer", "no offer at that place");
    return { seller: signer, energy: acts[index].energy, price: acts[index].price };
  }

  /** What was bought and sold at a price, from the accepted offers. */
  checkPriced(month) {
    const sides = { bought: { energy: 0n, amount: 0n }, sold: { energy: 0n, amount: 0n } };
    for (const { signer, act } of this.actsOf(month).filter((one) => one.act.kind === "accept")) {
      const { seller, energy, price } = this.offerOf(act);
      need(this.account === seller || this.account === signer, "a trade of others");
      const side = seller === this.account ? sides.sold : sides.bought;
      side.energy += energy;
      side.amount += product(energy, price);
    }
    const { bought, sold } = this.sheet(month);
    need(same(sides, { bought, sold }), `month ${month}: the accepted offers give other sums than the sheet`);
  }

  /** Tariffs and the utility's bills are those of their statements. */
  checkTariffs() {
    const isStated = (statement, body) => this.statement(statement).acts.some((act) => act.body && same(act.body, body));
    for (const { tariff, statement } of this.all(KIND.tariff)) {
      need(isStated(statement, tariff.body), "a tariff that its statement lacks");
    }
    for (const { utility, statement } of this.all(KIND.utility)) {
      need(isStated(statement, utility.body), "a bill of the utility that its statement lacks");
    }
    return { count: this.all(KIND.tariff).length };
  }

  // What a bill is computed from (bills.js).

  get time() {
    return this.header.time;
  }

  isClosed(month) {
    return this.record(KIND.month, month).isClosed;
  }

  accountOf(account) {
    return this.find(KIND.account, account);
  }

  sheetOf(month, account) {
    return this.find(KIND.sheet, month, account);
  }

  monthOf(month) {
    return this.find(KIND.month, month);
  }

  tariffFrom(month) {
    return this.find(KIND.tariff, month);
  }

  /** In force in an open month; that no later one is, the ledger saw to when it accepted the bill, which names it. */
  tariffIn(month) {
    return this.all(KIND.tariff).findLast(({ tariff }) => tariff.since <= month) ?? null;
  }

  bindingOf(id) {
    return this.record(KIND.binding, id);
  }

  utilities(start, until) {
    return touching(this.all(KIND.utility), start, until);
  }
}

/** The head of a meter's chain after an interval. */
export const headAfter = (act) => ({ end: act.end, imported: act.imported.end, exported: act.exported?.end ?? null });
