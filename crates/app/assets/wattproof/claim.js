// Claim bundles (docs/protocol.md section 14): a claim, what it is about, and the answer.
import * as cbor from "./cbor.js";
import { need } from "./refusal.js";
import { same } from "./bytes.js";
import { readActId } from "./acts.js";
import { checkAttachment } from "./attachment.js";
import { Proven } from "./proven.js";
import { KIND, keyName } from "./records.js";

export const MAGIC = "wattproof claim bundle 1";

function readKept(value) {
  const [statement, bytes] = cbor.items(value, 2);
  return { statement: cbor.id(statement), bytes: cbor.octets(bytes) };
}

/** Its structure, and how much of it the claim needs. */
export class ClaimBundle extends Proven {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    const [magic, body] = cbor.items(cbor.decode(bytes), 2);
    need(magic === MAGIC, "no claim bundle");
    const parts = cbor.fields(body, [1, 2, 3, 4, 5, 6, 7]);
    super(parts[1], parts[2], parts[3], parts[5], parts[6]);
    this.claim = readActId(parts[4]);
    this.kept = cbor.listed(parts[7], readKept);
    this.namedRecords = new Set();
    this.namedStatements = new Set();
  }

  layers() {
    return [
      ["finality", () => this.checkFinality()],
      ["inclusion", () => this.checkInclusion()],
      ["signatures", () => this.checkSignatures()],
      ["structure", () => this.findClaim()],
      ["arithmetic", () => this.checkSubject()],
      ["raw_frames", () => this.checkKept()],
      ["inclusion", () => this.checkAnswer()],
      ["structure", () => this.checkNothingIdle(this.namedRecords, this.namedStatements)],
    ];
  }

  act({ statement, index }, ...kinds) {
    this.namedStatements.add(statement);
    const act = this.statement(statement).acts[index];
    need(act && kinds.includes(act.kind), "another act at that place");
    return act;
  }

  /** A record that the claim names; the state may have forgotten some. */
  known(kind, ...parts) {
    const found = this.find(kind, ...parts);
    if (found !== null) this.namedRecords.add(keyName(kind, ...parts));
    return found;
  }

  findClaim() {
    this.stated = this.act(this.claim, "claim_voltage", "claim_bill");
    this.member = this.statement(this.claim.statement).signer;
    const record = this.known(KIND.claim, this.claim);
    need(record !== null && record.member === this.member, "the state does not hold the claim for this member");
    this.answer = record.answer;
  }

  checkSubject() {
    if (this.stated.kind === "claim_bill") return this.checkBill();
    const known = this.stated.intervals.map((interval) => this.checkOutside(interval));
    return { count: known.length, isUnknown: known.includes(false) };
  }

  checkBill() {
    const record = this.known(KIND.bill, this.member, this.stated.start);
    need(record !== null && same(record.claim, this.claim), "the bill's record names another claim");
    this.namedStatements.add(record.statement);
    const isMeant = (act) => act.kind === "bill" && act.account === this.member && act.start === this.stated.start;
    const bill = this.statement(record.statement).acts.find(isMeant);
    need(bill && bill.until === record.until && bill.total === record.total, "no such bill there");
    need(this.kept.length === 0, "readings of a claim about a bill");
    return { total: bill.total, currency: this.genesis.currency };
  }

  /** By the state's own record; an old one is forgotten, and then nothing is known. */
  checkOutside(interval) {
    const readings = this.act(interval, "readings");
    const record = this.known(KIND.outside, this.genesis.monthOf(readings.start), interval);
    if (record === null) return false;
    need(record.member === this.member && same(record.claim, this.claim), "its record is about another claim");
    need(readings.voltage && same(record.found, readings.voltage.slice(0, 2)), "its record has other voltages");
    const [[low, high], [lowest, highest]] = [record.found, record.limits];
    need(low < lowest || high > highest, "its voltage is within the limits");
    return true;
  }

  /** The readings that are kept, each against its act. */
  checkKept() {
    if (this.stated.kind === "claim_bill") return null;
    const claimed = [...new Set(this.stated.intervals.map((interval) => interval.statement))];
    const kept = new Map(this.kept.map((one) => [one.statement, one.bytes]));
    const inOrder = claimed.filter((statement) => kept.has(statement));
    need(same(this.kept.map((one) => one.statement), inOrder), "readings that are not claimed, or out of order");
    const compared = this.stated.intervals.map((interval) => {
      const bytes = kept.get(interval.statement);
      return bytes !== undefined && checkAttachment(bytes, this.act(interval, "readings"));
    });
    return { count: kept.size, isUnknown: compared.includes(false) };
  }

  checkAnswer() {
    if (this.answer === null) return;
    const act = this.act(this.answer.act, "answer");
    need(same(act.claim, this.claim) && act.decision === this.answer.decision, "another answer than the state's");
  }
}
