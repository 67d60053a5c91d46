// Offline verification in layers, origin first (docs/protocol.md section 14), by what the file says alone. What cannot be
// checked is reported as unknown, never as passed.
import * as cbor from "./cbor.js";
import { Refused } from "./refusal.js";
import { BillBundle, MAGIC as BILL } from "./bill.js";
import { ClaimBundle, MAGIC as CLAIM } from "./claim.js";
import { openCheckpoint, readCheckpoint } from "./checkpoint.js";
import { Genesis } from "./genesis.js";
import { LedgerExport, MAGIC as LEDGER } from "./ledger/replay.js";
import { Transparent } from "./transparent.js";

export const LAYERS = [
  "origin", "structure", "signatures", "inclusion", "finality", "meter_sequence", "raw_frames", "arithmetic", "tariff",
];
/** First byte of a tagged COSE_Sign1 (RFC 9052 4.2). */
const TAG_SIGN1 = 0xd2;

/**
 * @typedef {{layer: string, outcome: "passed"|"unknown"|"failed", count?: number, reason?: string}} Finding
 * @typedef {{kind: string, ledger: string|null, verdict: "verified"|"origin_unknown"|"failed", findings: Finding[], subject: object|null}} Report
 */

const startsWith = (bytes, begin) => begin.every((byte, at) => bytes[at] === byte);
const bundleStart = (magic) => Uint8Array.of(0x82, ...cbor.encode(magic));

function kindOf(bytes) {
  if (startsWith(bytes, bundleStart(BILL))) return "bill_bundle";
  if (startsWith(bytes, bundleStart(CLAIM))) return "claim_bundle";
  if (startsWith(bytes, cbor.encode(LEDGER))) return "ledger_export";
  if (bytes[0] === TAG_SIGN1) return "transparent_statement";
  if (startsWith(bytes, new TextEncoder().encode("wattproof/"))) return "checkpoint";
  return bytes.length > 0 && bytes[0] >> 5 === 5 ? "genesis" : "unknown";
}

const READERS = { bill_bundle: BillBundle, claim_bundle: ClaimBundle, ledger_export: LedgerExport, transparent_statement: Transparent };

/**
 * Verifies a file of any kind that the program writes.
 * @param {Uint8Array} bytes
 * @param {Uint8Array|null} trusted the genesis document of the ledger that the reader trusts
 * @returns {Promise<Report>}
 */
export async function verify(bytes, trusted = null) {
  const kind = kindOf(bytes);
  const report = { kind, ledger: null, findings: [], subject: null };
  try {
    const genesis = trusted === null ? null : new Genesis(trusted);
    if (kind === "checkpoint") await verifyCheckpoint(report, bytes, genesis);
    else if (READERS[kind]) await verifyLayers(report, new READERS[kind](bytes), genesis);
    else verifyGenesis(report, bytes, genesis);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    report.findings.push({ layer: error.layer ?? "structure", outcome: "failed", reason: error.message });
  }
  report.findings = inOrder(report.findings);
  report.verdict = verdictOf(report.findings);
  return report;
}

function originOf(report, ledger, trusted) {
  report.ledger = ledger;
  const outcome = trusted === null ? "unknown" : trusted.ledger === ledger ? "passed" : "failed";
  report.findings.push({ layer: "origin", outcome, reason: ledger });
}

async function verifyLayers(report, file, trusted) {
  originOf(report, file.genesis?.ledger ?? file.statement.ledger, trusted);
  report.subject = file;
  report.findings.push({ layer: "structure", outcome: "passed" });
  for (const [layer, check] of file.layers(trusted)) await runLayer(report, layer, check);
}

async function runLayer(report, layer, check) {
  try {
    const found = await check();
    // Null says that the file has nothing of this layer.
    if (found === null) return;
    const { isUnknown = false, count } = found ?? {};
    report.findings.push({ layer, outcome: isUnknown ? "unknown" : "passed", count });
  } catch (error) {
    if (error instanceof Refused) error.layer = layer;
    throw error;
  }
}

async function verifyCheckpoint(report, bytes, trusted) {
  const note = new TextDecoder().decode(bytes);
  const { ledger } = readCheckpoint(note);
  originOf(report, ledger, trusted);
  await runLayer(report, "finality", async () => {
    if (trusted === null) return { isUnknown: true };
    const { size } = await openCheckpoint(note, trusted.ledger, trusted.logKey);
    return { count: Number(size) };
  });
}

function verifyGenesis(report, bytes, trusted) {
  if (report.kind === "unknown") throw new Refused("no file that a ledger writes");
  const genesis = new Genesis(bytes);
  originOf(report, genesis.ledger, trusted);
  report.subject = { genesis };
  report.findings.push({ layer: "structure", outcome: "passed" });
}

const WORST = ["passed", "unknown", "failed"];

/** One finding a layer, the worst; in the order of layers. */
function inOrder(findings) {
  return LAYERS.flatMap((layer) => {
    const found = findings.filter((finding) => finding.layer === layer);
    if (found.length === 0) return [];
    const worst = Math.max(...found.map((finding) => WORST.indexOf(finding.outcome)));
    const shown = found.find((finding) => finding.outcome === WORST[worst]);
    return [{ ...shown, count: found.find((finding) => finding.count !== undefined)?.count }];
  });
}

function verdictOf(findings) {
  if (findings.some((finding) => finding.outcome === "failed")) return "failed";
  return findings[0]?.layer === "origin" && findings[0].outcome === "passed" ? "verified" : "origin_unknown";
}
