// Checkpoints (docs/protocol.md section 13): signed notes of C2SP tlog-checkpoint.
import { need } from "./refusal.js";
import { bytesEqual, concat, fromBase64, hex, utf8 } from "./bytes.js";
import { digest } from "./sha256.js";

const NUMBER = "(0|[1-9][0-9]{0,19})";
const HASH = "([A-Za-z0-9+/]{43}=)";
const FORM = new RegExp(
  `^wattproof/([0-9a-f]{64})\\n${NUMBER}\\n${HASH}\\nheight ${NUMBER}\\nblock ${HASH}\\n\\n` +
    "\u2014 wattproof/([0-9a-f]{64}) ([A-Za-z0-9+/]+={0,2})\\n$",
);
const BYTES_MAX = 1024;
const NUMBER_END = 2n ** 64n;

/**
 * What a note says; its signature is still to be checked.
 * @returns {{ledger: string, size: bigint, root: string, height: bigint, block: string, body: string, keyId: Uint8Array, signature: Uint8Array}}
 */
export function readCheckpoint(note) {
  need(utf8(note).length <= BYTES_MAX, "a checkpoint of more than 1,024 bytes");
  const match = FORM.exec(note);
  need(match && match[1] === match[6], "no checkpoint of a ledger");
  const [, ledger, size, root, height, block, , signed] = match;
  const signature = fromBase64(signed);
  const found = {
    ledger,
    size: BigInt(size),
    root: hex(fromBase64(root)),
    height: BigInt(height),
    block: hex(fromBase64(block)),
    body: note.slice(0, note.indexOf("\n\n") + 1),
    keyId: signature.slice(0, 4),
    signature: signature.slice(4),
  };
  need(found.size < NUMBER_END && found.height < NUMBER_END, "a number beyond 64 bits");
  return found;
}

/** A note that this ledger's log key signed. */
export async function openCheckpoint(note, ledger, logKey) {
  const checkpoint = readCheckpoint(note);
  need(checkpoint.ledger === ledger, "a checkpoint of another ledger");
  const keyId = digest(concat(utf8(`wattproof/${ledger}\n`), Uint8Array.of(1), logKey.point)).slice(0, 4);
  need(bytesEqual(keyId, checkpoint.keyId), "signed by another key than the log's");
  await logKey.verify(utf8(checkpoint.body), checkpoint.signature);
  return checkpoint;
}

/** Whether a checkpoint names a block's header. */
export function checkNames(checkpoint, header) {
  const names =
    checkpoint.size === header.logSize &&
    checkpoint.root === header.logRoot &&
    checkpoint.height === header.height &&
    checkpoint.block === header.hash;
  need(names, "the checkpoint does not name this block");
}
