// Whole ledgers (docs/protocol.md section 14): replayed from the genesis document to the checkpoint.
import * as cbor from "../cbor.js";
import { Refused, RuleBroken, need } from "../refusal.js";
import { Block, checkHeader } from "../block.js";
import { checkNames, openCheckpoint } from "../checkpoint.js";
import { Genesis } from "../genesis.js";
import { sealed } from "../keys.js";
import { Booking } from "./booking.js";
import { State } from "./state.js";

export const MAGIC = "wattproof ledger 1";

export class LedgerExport {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    const [magic, genesis, ...rest] = cbor.decodeSequence(bytes);
    need(magic === MAGIC && rest.length > 0, "no ledger export");
    this.genesis = new Genesis(cbor.octets(genesis));
    this.note = cbor.text(rest.pop());
    this.blocks = rest.map((block) => cbor.octets(block));
  }

  layers() {
    return [
      ["structure", () => this.replay()],
      ["signatures", () => ({ count: Number(this.state.log.size) })],
      ["finality", () => this.checkFinality()],
      ["arithmetic", () => this.state.checkBalances()],
    ];
  }

  async replay() {
    this.state = new State(this.genesis);
    for (const [at, bytes] of this.blocks.entries()) {
      try {
        await apply(this.state, new Block(bytes));
      } catch (error) {
        if (error instanceof RuleBroken || !(error instanceof Refused)) throw error;
        throw new Refused(`block ${at + 1}: ${error.message}`);
      }
    }
    return { count: this.blocks.length };
  }

  async checkFinality() {
    const checkpoint = await openCheckpoint(this.note, this.genesis.ledger, this.genesis.logKey);
    checkNames(checkpoint, this.state.head);
    return { count: this.blocks.length };
  }
}

/** The order of section 9. */
async function apply(state, block) {
  const { header, statements } = block;
  checkHeader(header, state, statements.length === 0);
  const checks = [state.keyOf(header.proposer).verify(sealed(header.hash), block.seal)];
  for (const { leaf } of statements) state.log.append(leaf);
  need(header.logSize === state.log.size && header.logRoot === state.log.root(), "another log than the header's");
  const booking = new Booking(state, header);
  try {
    for (const statement of statements) {
      // The key is the one that the signer has when the statement's turn comes.
      checks.push(signedBy(statement, state.keyOf(statement.signer)));
      await booking.book(statement);
    }
  } finally {
    await Promise.all(checks);
  }
  if (statements.length > 0) booking.payReward();
  need(state.tree.root() === header.stateRoot, "another state than the header's");
  state.head = header;
  state.first ??= header;
}

async function signedBy(statement, key) {
  try {
    await statement.verify(key);
  } catch (error) {
    throw error instanceof Refused ? new RuleBroken("wrong_key", error.message) : error;
  }
}
