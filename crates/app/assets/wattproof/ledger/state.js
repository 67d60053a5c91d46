// The state of a ledger that is replayed (docs/protocol.md sections 10 and 11): records under their keys, and the log.
import { need, rule } from "../refusal.js";
import { hash } from "../sha256.js";
import { MINER, OPERATOR } from "../acts.js";
import { touching } from "../bills.js";
import { Key } from "../keys.js";
import { Log } from "../log.js";
import { TERM_MAX } from "../meters.js";
import { EMPTY_SHEET, KIND, NO_DIGEST, entered, has, keyName, remaining } from "../records.js";
import { Tree } from "../tree.js";
import { writeKey, writeRecord } from "./write.js";

/** What a posting to a term does to the community's side of the month. */
const SIDES = {
  contract: { supply: -1n, contracts: 1n },
  carried: { supply: -1n },
  generated: { physical: -1n },
  consumed: { physical: 1n },
  fee: { budget: 1n },
  reward: { budget: -1n, rewards: 1n },
};
const WITH_SUPPLY = { gained: { supply: -1n }, traded: { supply: 1n } };
const TO_TERM_MAX = ["contracts", "rewards"];
const BALANCE_MAX = 2n ** 63n - 1n;

export const NEW_ACCOUNT = { keys: [], roles: [], bindings: 0, offers: 0, gains: null, revoked: null };

export class State {
  /** @param {import("../genesis.js").Genesis} genesis */
  constructor(genesis) {
    this.genesis = genesis;
    /** By kind, so that one kind can be gone through: name of the key to { parts, record }. */
    this.kinds = new Map(Object.values(KIND).map((kind) => [kind, new Map()]));
    this.tree = new Tree();
    this.log = new Log();
    this.firstOpen = genesis.monthOf(genesis.created);
    /** Ids of statements that could be sent again, with their expiry. */
    this.seen = new Map();
    this.first = null;
    this.found();
    const hashOfGenesis = hash(this.genesisHeader());
    this.head = { height: 0n, time: genesis.created, hash: hashOfGenesis, logSize: 0n };
  }

  /** The accounts that genesis names; one key may be both operator and miner. */
  found() {
    const founders = [{ key: this.genesis.operator, role: OPERATOR, gains: null }];
    for (const { key, gains } of this.genesis.miners) founders.push({ key, role: MINER, gains });
    for (const { key, role, gains } of founders) {
      const account = this.account(key.account) ?? { ...NEW_ACCOUNT, keys: [{ cose: key.cose, since: 0n }] };
      const span = { role, since: this.genesis.created, registered: 0n, until: null, retired: null };
      const record = { ...account, roles: [...account.roles, span], gains: account.gains ?? gains };
      this.put(KIND.account, [key.account], record);
    }
  }

  genesisHeader() {
    const bytes = new Uint8Array(212);
    const view = new DataView(bytes.buffer);
    const put = (digits, at) => digits.match(/../g).forEach((pair, index) => (bytes[at + index] = parseInt(pair, 16)));
    view.setUint32(0, 1);
    put(this.genesis.ledger, 4);
    view.setBigUint64(44, this.genesis.created);
    put(NO_DIGEST, 52);
    put(this.log.root(), 92);
    put(this.tree.root(), 124);
    return bytes;
  }

  // Records.

  get(kind, ...parts) {
    return this.kinds.get(kind).get(keyName(kind, ...parts))?.record ?? null;
  }

  put(kind, parts, record) {
    this.kinds.get(kind).set(keyName(kind, ...parts), { parts, record });
    this.tree.put(hash(writeKey(kind, parts)), hash(writeRecord(kind, record)));
  }

  remove(kind, parts) {
    this.kinds.get(kind).delete(keyName(kind, ...parts));
    this.tree.remove(hash(writeKey(kind, parts)));
  }

  /** All of a kind, as { parts, record }. */
  all(kind) {
    return [...this.kinds.get(kind).values()];
  }

  account(account) {
    return this.get(KIND.account, account);
  }

  has(account, role, time) {
    const record = this.account(account);
    return record !== null && has(record, role, time);
  }

  keyOf(account) {
    const record = this.account(account);
    need(record, "an unknown account");
    return new Key(record.keys[record.keys.length - 1].cose);
  }

  /** Whose key it is or was: of the account that it founded, or of the one that rotated to it. */
  userOfKey({ account }) {
    return this.get(KIND.key, account)?.account ?? (this.account(account) ? account : null);
  }

  sheet(month, account) {
    return this.get(KIND.sheet, month, account) ?? EMPTY_SHEET;
  }

  month(month) {
    const { budget } = this.genesis;
    const begun = { isClosed: false, tariff: null, supply: -budget, physical: 0n, budget, contracts: 0n, rewards: 0n };
    return this.get(KIND.month, month) ?? { ...begun, money: 0n, mainImport: 0n, mainExport: 0n };
  }

  parameters() {
    const { level, limits } = this.genesis;
    return this.get(KIND.parameters) ?? { level, limits, nextLevel: null, nextLimits: null, upgrade: null };
  }

  levelAt(height) {
    const { level, nextLevel } = this.parameters();
    return nextLevel === null || height < nextLevel.height ? level : nextLevel.level;
  }

  limitsAt(time) {
    const { limits, nextLimits } = this.parameters();
    return nextLimits === null || time < nextLimits.since ? limits : nextLimits.limits;
  }

  /** A member's account counts the bindings whose chains can still grow. */
  countBindings(account, change) {
    const record = this.account(account);
    this.put(KIND.account, [account], { ...record, bindings: record.bindings + change });
  }

  // What a bill is computed from (bills.js).

  get time() {
    return this.head.time;
  }

  isClosed(month) {
    return month < this.firstOpen;
  }

  accountOf(account) {
    return this.account(account);
  }

  sheetOf(month, account) {
    return this.get(KIND.sheet, month, account);
  }

  monthOf(month) {
    return this.get(KIND.month, month);
  }

  tariffFrom(month) {
    return this.get(KIND.tariff, month);
  }

  /** The one in force: that began last at or before the month. */
  tariffIn(month) {
    const begun = this.all(KIND.tariff).filter(({ parts }) => parts[0] <= month);
    return begun.sort((a, b) => a.parts[0] - b.parts[0]).pop()?.record ?? null;
  }

  bindingOf(id) {
    return this.get(KIND.binding, id);
  }

  utilities(start, until) {
    return touching(this.all(KIND.utility).map(({ record }) => record), start, until);
  }

  // Bookings.

  /** Moves a term of a sheet and the community's side with it. Trades with the operator come out of supply. */
  post(month, account, term, energy, withSupply = false) {
    const sheet = this.sheet(month, account);
    const terms = { ...sheet.terms, [term]: sheet.terms[term] + energy };
    rule(terms[term] <= TERM_MAX, "amount_too_large", `${term} would exceed 10^18 mWh`);
    const community = { ...this.month(month) };
    for (const [side, sign] of Object.entries((withSupply ? WITH_SUPPLY[term] : SIDES[term]) ?? {})) {
      community[side] += sign * energy;
      const highest = TO_TERM_MAX.includes(side) ? TERM_MAX : BALANCE_MAX;
      rule(community[side] >= -BALANCE_MAX - 1n && community[side] <= highest, "amount_too_large", `the community's ${side}`);
    }
    this.put(KIND.sheet, [month, account], { ...sheet, terms });
    this.put(KIND.month, [month], community);
  }

  enter(month, account, entry) {
    this.put(KIND.sheet, [month, account], entered(this.sheet(month, account), entry));
  }

  /** Double entry: each month's sheets and the community's side sum to zero. */
  checkBalances() {
    const sums = new Map();
    const add = (month, energy, money) => {
      const before = sums.get(month) ?? { energy: 0n, money: 0n };
      sums.set(month, { energy: before.energy + energy, money: before.money + money });
    };
    for (const { parts, record } of this.all(KIND.sheet)) {
      add(parts[0], remaining(record.terms), record.sold.amount - record.bought.amount);
    }
    for (const { parts, record } of this.all(KIND.month)) {
      add(parts[0], record.supply + record.physical + record.budget, record.money);
    }
    for (const [month, { energy, money }] of sums) {
      need(energy === 0n && money === 0n, `the accounts of month ${month} do not sum to zero`);
    }
  }
}
