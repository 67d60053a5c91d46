// What every bundle stands on (docs/protocol.md section 14): a checkpoint, statements in its log, records in its state, keys
// in those.
import * as cbor from "./cbor.js";
import { Refused, need } from "./refusal.js";
import { rises } from "./bytes.js";
import { hash } from "./sha256.js";
import { readHeader } from "./block.js";
import { checkNames, openCheckpoint } from "./checkpoint.js";
import { Genesis } from "./genesis.js";
import { Key } from "./keys.js";
import { leafHash, rootFromPath } from "./log.js";
import { KIND, keyAt, keyIsBelow, keyName, readKey, readRecord } from "./records.js";
import { Statement } from "./statement.js";
import { rootOfPresence } from "./tree.js";

/** A path in the log, and siblings in a state proof: bits of a size and of a key. */
export const PATH_MAX = 64;
const SIBLINGS_MAX = 256;

function readStatement(value) {
  const [index, leaf, path] = cbor.items(value, 3);
  return { index: cbor.uint(index), statement: new Statement(cbor.octets(leaf)), path: cbor.listed(path, cbor.id, 0, PATH_MAX) };
}

function readProvenRecord(value) {
  const [written, body, proof] = cbor.items(value, 3);
  const key = readKey(written);
  const { kind, record } = readRecord(body);
  need(kind === key.kind, "a record of another kind than its key's");
  const [siblings, other] = cbor.items(proof, 2, 1);
  need(other === null, "a proof of absence");
  return {
    key,
    record,
    place: hash(cbor.encode(written)),
    value: hash(cbor.encode(body)),
    siblings: cbor.listed(siblings, cbor.id, 0, SIBLINGS_MAX),
  };
}

/** The parts of a bundle that all kinds have. The checks of the layers stand on each other in order. */
export class Proven {
  constructor(genesis, note, header, statements, records) {
    this.genesis = new Genesis(cbor.octets(genesis));
    this.note = cbor.text(note);
    this.header = readHeader(cbor.octets(header));
    this.listed = cbor.listed(statements, readStatement);
    this.records = cbor.listed(records, readProvenRecord);
    need(rises(this.listed, (a, b) => a.index < b.index), "statements that are not in the order of the log");
    need(rises(this.records, (a, b) => keyIsBelow(a.key, b.key)), "records that are not in order");
    this.statements = new Map(this.listed.map((one) => [one.statement.id, one.statement]));
    this.state = new Map(this.records.map((one) => [one.key.name, one]));
    need(this.statements.size === this.listed.length, "a statement twice");
  }

  statement(id) {
    const found = this.statements.get(id);
    if (!found) throw new Refused(`statement ${id} is missing`);
    return found;
  }

  /** A record that may be missing. */
  find(kind, ...parts) {
    return this.state.get(keyName(kind, ...parts))?.record ?? null;
  }

  record(kind, ...parts) {
    const found = this.find(kind, ...parts);
    need(found !== null, `a record of kind ${kind} is missing`);
    return found;
  }

  all(kind) {
    return this.records.filter((one) => one.key.kind === kind).map((one) => one.record);
  }

  async checkFinality() {
    need(this.header.ledger === this.genesis.ledger, "a header of another ledger");
    const checkpoint = await openCheckpoint(this.note, this.genesis.ledger, this.genesis.logKey);
    checkNames(checkpoint, this.header);
    return { count: Number(this.header.height) };
  }

  checkInclusion() {
    for (const { index, statement, path } of this.listed) {
      const root = rootFromPath(leafHash(statement.leaf), index, this.header.logSize, path);
      need(root === this.header.logRoot, `statement ${index} is not in the log`);
    }
    for (const { key, place, value, siblings } of this.records) {
      need(rootOfPresence(place, value, siblings) === this.header.stateRoot, `the state does not hold the record ${key.name}`);
    }
    return { count: Number(this.header.logSize) };
  }

  /** With the key that the signer's account had at the statement's place in the log. */
  async checkSignatures() {
    const checks = this.listed.map(async ({ index, statement }) => {
      need(statement.ledger === this.genesis.ledger, "a statement of another ledger");
      const cose = keyAt(this.record(KIND.account, statement.signer), index);
      need(cose !== null, "a signer without a key");
      await statement.verify(new Key(cose));
    });
    await Promise.all(checks);
    return { count: checks.length };
  }

  /** Nothing is missing, and nothing is there that nothing here names. */
  checkNothingIdle(records, statements) {
    for (const statement of this.statements.values()) records.add(keyName(KIND.account, statement.signer));
    const areRecords = records.size === this.state.size && [...records].every((name) => this.state.has(name));
    need(areRecords, "records that nothing names, or too few");
    const areStatements = statements.size === this.statements.size && [...statements].every((id) => this.statements.has(id));
    need(areStatements, "statements that nothing names, or too few");
  }
}
