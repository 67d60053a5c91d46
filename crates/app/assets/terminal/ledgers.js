// The ledgers that this browser remembers, by what the reader said: number, genesis document, since when.
import { fromBase64, toBase64 } from "../wattproof/bytes.js";

const PLACE = "wattproof.ledgers";

function stored() {
  try {
    return JSON.parse(localStorage.getItem(PLACE)) ?? {};
  } catch {
    // A page from disk, or a private window, may keep nothing; then nothing is remembered.
    return {};
  }
}

export const ledgers = () => Object.entries(stored()).map(([ledger, { name, since }]) => ({ ledger, name, since }));

/** The genesis document of a ledger, or null. */
export function genesisOf(ledger) {
  const found = stored()[ledger];
  return found ? fromBase64(found.genesis) : null;
}

/** @param {import("../wattproof/genesis.js").Genesis} genesis */
export function remember(genesis) {
  const known = stored();
  known[genesis.ledger] = { name: genesis.name, genesis: toBase64(genesis.document), since: Date.now() };
  localStorage.setItem(PLACE, JSON.stringify(known));
}

export function forget(ledger) {
  const known = stored();
  delete known[ledger];
  localStorage.setItem(PLACE, JSON.stringify(known));
}
