// Price tables (docs/protocol.md sections 6 and 10): what a use of energy costs, line by line.
import * as cbor from "./cbor.js";
import { need, rule } from "./refusal.js";
import { floorDiv, least, most, rises } from "./bytes.js";

export const LINE = {
  energy: 1, excess: 2, correction: 3, bracket: 4, band: 5, fixed: 6, surcharge: 7, minimum: 8, bought: 9, sold: 10,
};
const MINUTES_OF_A_DAY = 1_440;
const UINT_MAX = 2n ** 64n - 1n;
/** mWh of a kWh: a price is that of a kWh. */
const KWH = 1_000_000n;

export function money(amount) {
  rule(BigInt.asIntN(64, amount) === amount, "amount_too_large", "an amount of money beyond 64 bits");
  return amount;
}

/** Half up to 1e-4 of the currency unit. */
export const product = (energy, price) => money(floorDiv(energy * price + KWH / 2n, KWH));

/** Of the utility's bill, a kWh. */
export const average = (amount, energy) => floorDiv(amount * KWH, energy);

const line = (kind, amount, energy = null, price = null, band = null) => ({ kind, amount, energy, price, band });

export function ofEnergy(kind, energy, price, band = null) {
  rule(price !== null, "no_tariff", "no price for the season");
  return line(kind, product(energy, price), energy, price, band);
}

const priceAt = (seasonal, isSummer) => (isSummer && seasonal.summer !== null ? seasonal.summer : seasonal.other);

function readSeasonal(value) {
  const [other, summer] = cbor.items(value, 2, 2);
  return { other: cbor.present(other, cbor.sint), summer: cbor.present(summer, cbor.sint) };
}

/** A price that is there when it is needed; below zero is another fault. */
function checkPrice(price, hasSummer, everywhere = true) {
  const amounts = [price.other, price.summer].filter((amount) => amount !== null);
  rule(amounts.every((amount) => amount >= 0n), "tariff_amounts");
  rule(price.summer === null || hasSummer, "tariff_table", "summer prices without a summer");
  rule(price.other !== null || !everywhere, "tariff_table", "a season lacks its price");
}

/** What is priced together: { isSummer, months, energy, bands, average }. */

class Flat {
  kind = "flat";
  constructor(value) {
    this.price = readSeasonal(value);
  }
  check(hasSummer) {
    checkPrice(this.price, hasSummer);
  }
  lines(used) {
    return [ofEnergy(LINE.energy, used.energy, priceAt(this.price, used.isSummer))];
  }
}

class Brackets {
  kind = "brackets";
  constructor(value) {
    const [brackets, minimum] = cbor.items(value, 2);
    this.brackets = cbor.listed(brackets, (bracket) => {
      const [price, limit] = cbor.items(bracket, 2, 1);
      return { price: readSeasonal(price), limit: cbor.present(limit, cbor.uint) };
    }, 0, 16);
    this.minimum = cbor.sint(minimum);
  }
  check(hasSummer) {
    rule(this.minimum >= 0n, "tariff_amounts");
    const limits = this.brackets.map((bracket) => bracket.limit);
    const last = limits.length - 1;
    rule(last >= 0 && limits[last] === null && !limits.slice(0, last).includes(null), "tariff_table", "limits");
    rule(rises([0n, ...limits.slice(0, last)]), "tariff_table", "limits that do not rise");
    for (const bracket of this.brackets) checkPrice(bracket.price, hasSummer);
  }
  lines(used) {
    const lines = [];
    let below = 0n;
    for (const bracket of this.brackets) {
      const limit = bracket.limit === null ? used.energy : least(bracket.limit * used.months, UINT_MAX);
      const held = most(least(used.energy, limit) - below, 0n);
      if (held > 0n || lines.length === 0) lines.push(ofEnergy(LINE.bracket, held, priceAt(bracket.price, used.isSummer)));
      below = most(limit, below);
    }
    const missing = this.minimum * used.months - lines.reduce((sum, one) => sum + one.amount, 0n);
    if (missing > 0n) lines.push(line(LINE.minimum, money(missing)));
    return lines;
  }
}

class Average {
  kind = "average";
  check() {}
  lines(used) {
    return [ofEnergy(LINE.energy, used.energy, used.average)];
  }
}

const readWeek = (value) =>
  cbor.items(value, 3).map((plan) =>
    cbor.listed(plan, (change) => {
      const [minute, band] = cbor.items(change, 2);
      return { minute: cbor.u32(minute), band: cbor.u32(band) };
    }, 0, 24),
  );

class TimeOfUse {
  kind = "time_of_use";
  constructor(value) {
    const parts = cbor.fields(value, [1, 3, 4, 6], [2, 5]);
    this.fixed = cbor.sint(parts[1]);
    this.surcharge = cbor.present(parts[2], (pair) => {
      const [above, price] = cbor.items(pair, 2);
      return { above: cbor.uint(above), price: cbor.sint(price) };
    });
    this.bands = cbor.listed(parts[3], (band) => {
      const [name, price] = cbor.items(band, 2);
      return { name: cbor.text(name), price: readSeasonal(price) };
    }, 0, 8);
    this.other = readWeek(parts[4]);
    this.summer = cbor.present(parts[5], readWeek);
    this.offDays = cbor.listed(parts[6], cbor.u32, 0, 366);
  }
  week(isSummer) {
    return isSummer && this.summer ? this.summer : this.other;
  }
  check(hasSummer) {
    rule(this.fixed >= 0n && (!this.surcharge || this.surcharge.price >= 0n), "tariff_amounts");
    const names = this.bands.map((band) => band.name);
    const areNames = names.every((name) => /^[a-z0-9_]{1,32}$/.test(name)) && new Set(names).size === names.length;
    rule(names.length > 0 && areNames, "tariff_table", "bands");
    for (const band of this.bands) checkPrice(band.price, hasSummer, false);
    rule(this.summer === null || hasSummer, "tariff_table", "summer hours without a summer");
    for (const isSummer of hasSummer ? [false, true] : [false]) {
      for (const plan of this.week(isSummer)) this.checkPlan(plan, isSummer);
    }
    rule(rises(this.offDays), "tariff_table", "off-peak days");
  }
  checkPlan(plan, isSummer) {
    const minutes = plan.map((change) => change.minute);
    const isDay = minutes[0] === 0 && rises(minutes) && minutes[minutes.length - 1] < MINUTES_OF_A_DAY;
    rule(isDay, "tariff_table", "a plan");
    for (const { band } of plan) {
      rule(band < this.bands.length, "tariff_table", "a plan's band");
      rule(priceAt(this.bands[band].price, isSummer) !== null, "tariff_table", "a band's price");
    }
  }
  lines(used) {
    const lines = this.fixed === 0n ? [] : [line(LINE.fixed, money(this.fixed * used.months))];
    this.bands.forEach((band, at) => {
      const energy = used.bands[at] ?? 0n;
      if (energy > 0n) lines.push(ofEnergy(LINE.band, energy, priceAt(band.price, used.isSummer), band.name));
    });
    const above = this.surcharge ? used.energy - this.surcharge.above * used.months : 0n;
    if (above > 0n) lines.push(ofEnergy(LINE.surcharge, above, this.surcharge.price));
    return lines;
  }
}

/** The price of a flat table in a season. */
export const flatPrice = (table, isSummer) => priceAt(table.price, isSummer);

export function readTable(value) {
  const [kind, ...parts] = cbor.listed(value, (item) => item, 1, 2);
  const Table = { 1: Flat, 2: Brackets, 3: TimeOfUse, 4: Average }[cbor.oneOf(kind, [1, 2, 3, 4])];
  need(parts.length === (Table === Average ? 0 : 1), "a price table of a refused length");
  return new Table(...parts);
}
