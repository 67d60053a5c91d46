// The checkpoint on a bill, against the last one that this browser has seen: the log may grow, and only grow.
import { ask, moment, textsOf } from "./terminal/page.js";
import { unhex } from "./wattproof/bytes.js";
import * as cbor from "./wattproof/cbor.js";
import { openCheckpoint, readCheckpoint } from "./wattproof/checkpoint.js";
import { Key } from "./wattproof/keys.js";
import { rootsFromGrowth } from "./wattproof/log.js";

const PLACE = "wattproof.checkpoint";
const box = document.getElementById("checkpoint");

/** What was seen last: { ledger, logKey, note, time }. */
function lastSeen() {
  try {
    return JSON.parse(localStorage.getItem(PLACE));
  } catch {
    return null;
  }
}

function keep(note, logKey, ledger) {
  localStorage.setItem(PLACE, JSON.stringify({ ledger, logKey, note, time: Date.now() }));
}

/** The text that says how the page's checkpoint stands to the last one, and whether it is bad. */
async function compare(note, ledger, logKey) {
  const seen = lastSeen();
  const time = seen && moment(seen.time);
  if (seen && seen.ledger !== ledger) return { key: "seen-other-ledger", values: { time }, isBad: true };
  let now;
  try {
    // The log key is the first one that this browser was shown; a server cannot take another later.
    now = await openCheckpoint(note, ledger, new Key(cbor.decode(unhex(seen?.logKey ?? logKey))));
  } catch {
    return { key: "seen-bad-signature", values: {}, isBad: true };
  }
  if (seen === null) {
    keep(note, logKey, ledger);
    return { key: "seen-first", values: {} };
  }
  const before = readCheckpoint(seen.note);
  if (now.size < before.size) return { key: "seen-older", values: { time }, isBad: true };
  const isSame = await begins(before, now);
  if (!isSame) return { key: "seen-rewritten", values: { time }, isBad: true };
  keep(note, seen.logKey, ledger);
  const key = now.size === before.size ? "seen-same" : "seen-grown";
  return { key, values: { time, count: now.size.toLocaleString("en") } };
}

/** Whether the later log begins with the earlier one (RFC 9162 2.1.4). */
async function begins(before, now) {
  if (before.size === now.size) return before.root === now.root;
  if (before.size === 0n) return true;
  const proof = await ask(`/api/v1/log/consistency?from=${before.size}&to=${now.size}`);
  // A server that has no path cannot show that it only added.
  if (proof === null) return false;
  try {
    const [first, second] = rootsFromGrowth(before.size, now.size, before.root, proof.path);
    return first === before.root && second === now.root;
  } catch {
    return false;
  }
}

async function show() {
  const said = document.getElementById("checkpoint-seen");
  const t = textsOf(box);
  const { ledger, logKey } = box.dataset;
  let found;
  try {
    found = await compare(document.getElementById("checkpoint-note").textContent, ledger, logKey);
  } catch (error) {
    found = { key: "seen-unknown", values: { reason: error.message } };
  }
  said.textContent = t(found.key, found.values);
  said.dataset.seen = found.key;
  said.classList.toggle("notice", found.isBad === true);
  said.classList.toggle("bad", found.isBad === true);
  said.hidden = false;
}

if (box && globalThis.crypto?.subtle) show();
