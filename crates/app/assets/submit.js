// Three steps: what, check, sign. The statement is made here from the protocol, shown as it will be signed, signed here,
// and only then sent.
import { ask, element, exact, kwh, moment, money, monthName, textsOf } from "./terminal/page.js";
import { QUANTITIES, Wrong, formOf } from "./terminal/acts.js";
import * as keyring from "./terminal/keyring.js";
import { listen } from "./live.js";
import { hex } from "./wattproof/bytes.js";
import * as cbor from "./wattproof/cbor.js";
import { Key, printed, unprinted } from "./wattproof/keys.js";
import { draft, readBack, submission } from "./wattproof/statement.js";

/** How long the ledger may take to book it; a trade lives at most an hour. */
const LIFE = 30n * 60_000n;
/** Acts in a statement (docs/protocol.md section 6). */
const ACTS_MAX = 64;
const MEDIA_COSE = "application/cose";
const place = document.getElementById("submit");
const t = textsOf(place);
const ledger = JSON.parse(place.dataset.ledger);
const part = (id) => document.getElementById(id);

/** The key in use with its account, the forms, and what was drafted from them. */
const now = { entry: null, account: null, offers: [], clockAhead: 0n, forms: [], drafted: null, signature: null };
const time = () => BigInt(Date.now()) + now.clockAhead;
const nameOf = (account) => ledger.people.find((one) => one.id === printed(account))?.name ?? `${printed(account).slice(0, 12)}…`;

function complain(key, values) {
  const wrong = part("wrong");
  wrong.hidden = key === null;
  wrong.textContent = key === null ? "" : t(key, values);
  if (key !== null) wrong.dataset.wrong = key;
}

function step(name) {
  for (const one of document.querySelectorAll("[data-step]")) {
    if (one.dataset.step === name) one.setAttribute("aria-current", "step");
    else one.removeAttribute("aria-current");
  }
  part("what").hidden = name !== "what";
  part("check").hidden = name === "what" || now.isSent === true;
  part("progress").hidden = now.isSent !== true;
}

// Step one: what.

async function begin() {
  const entries = (await keyring.keys()).filter((entry) => entry.isSaved);
  if (entries.length === 0) {
    const toKeys = element("a", { class: "button main", href: "/keys" }, t("keys-make"));
    part("what").replaceChildren(element("div", { class: "empty" }, element("p", {}, t("submit-no-key")), toKeys));
    return;
  }
  const words = (entry) => t("submit-key-of", { name: entry.name, short: `${printed(entry.account).slice(0, 12)}…` });
  part("key").replaceChildren(...entries.map((entry) => element("option", { value: entry.account }, words(entry))));
  part("key").addEventListener("change", () => useKey(entries));
  await useKey(entries);
  await addWanted(new URLSearchParams(location.search));
}

/** Acts that another page asks for in the address: they fill the forms, and the person still looks at them and signs. */
async function addWanted(wanted) {
  const readings = wanted.getAll("reading").slice(0, ACTS_MAX);
  for (const reading of readings) await add("note", { reading });
  const kind = wanted.get("act");
  if (!readings.length && part("add").querySelector(`[data-add="${CSS.escape(kind ?? "")}"]`)) {
    await add(kind, { intervals: wanted.getAll("interval"), words: wanted.get("words") ?? "" });
  }
}

/** The account behind a key: its own, or the one that changed to it. */
async function useKey(entries) {
  now.entry = entries.find((entry) => entry.account === part("key").value);
  now.forms = [];
  part("acts").replaceChildren();
  allowAdding(false);
  const thumbprint = printed(now.entry.account);
  try {
    const addresses = ["/api/v1/status", `/api/v1/accounts/${thumbprint}`, "/api/v1/offers?limit=500"];
    const [status, account, offers] = await Promise.all(addresses.map(ask));
    now.clockAhead = BigInt(status.time_ms) - BigInt(Date.now());
    now.account = account ?? { id: thumbprint, meters: [], months: [], bills: [], outside: [] };
    now.offers = offers?.items ?? [];
    complain(null);
    await tellRemaining(account);
    allowAdding(true);
  } catch {
    complain("submit-node-silent");
  }
}

/** Until the account is known there is nothing to choose among. */
function allowAdding(isKnown) {
  for (const button of part("add").querySelectorAll("button")) button.disabled = !isKnown;
}

async function tellRemaining(account) {
  const note = part("key-note");
  if (account === null) {
    note.textContent = t("submit-not-registered");
    return;
  }
  const month = account.months?.find((one) => one === ledger.months[0]);
  const sheet = month ? await ask(`/api/v1/accounts/${account.id}/months/${month}`) : null;
  note.textContent = sheet ? t("submit-remaining", { energy: kwh(sheet.terms.remaining_mwh) }) : "";
}

async function add(kind, wanted = {}) {
  const { fields, make } = await formOf(kind, { t, ledger, account: now.account, offers: now.offers, time, wanted });
  const remove = element("button", { class: "button", type: "button" }, t("submit-remove"));
  const legend = element("legend", {}, t(`act-${kind.replace("_", "-")}`));
  const box = element("fieldset", { class: "act form", "data-act": kind }, legend, ...fields, element("p", { class: "buttons" }, remove));
  const form = { box, make };
  remove.addEventListener("click", () => {
    now.forms = now.forms.filter((one) => one !== form);
    box.remove();
  });
  now.forms.push(form);
  part("acts").append(box);
  box.querySelector("select, input")?.focus();
}

// Step two: check.

function check() {
  try {
    if (now.forms.length === 0) throw new Wrong("submit-add-first");
    const acts = now.forms.map((form) => form.make());
    const issued = time();
    now.drafted = draft({
      account: unprinted(now.account.id),
      algorithm: keyring.algorithmOf(now.entry),
      ledger: ledger.id,
      nonce: crypto.getRandomValues(new Uint8Array(16)),
      issued,
      expires: issued + LIFE,
      acts,
    });
    now.expires = issued + LIFE;
    now.signature = null;
    now.isSent = false;
    complain(null);
    showReceipt();
    part("sign").hidden = false;
    part("send").hidden = true;
    step("check");
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    complain(error.message, error.values);
  }
}

/** What the bytes say that are signed, not what the forms were meant to say. */
function showReceipt() {
  const acts = readBack(now.drafted);
  const receivers = [...new Set(acts.map((act) => act.to).filter((to) => to))].map(nameOf);
  const rows = [
    ["submit-receipt-sender", `${now.entry.name} (${now.account.id})`],
    ["submit-receipt-receiver", receivers.length > 0 ? receivers.join(", ") : t("submit-nobody")],
    ["submit-receipt-content", element("ul", {}, ...acts.map((act) => element("li", {}, sentence(act))))],
    ["submit-receipt-expires", moment(now.expires, ledger.zone)],
    ["submit-receipt-ledger", element("span", { class: "hash" }, ledger.id)],
    ["submit-receipt-key", element("span", { class: "hash" }, hex(now.entry.cose))],
    ["submit-receipt-id", element("span", { class: "hash", id: "statement-id" }, now.drafted.id)],
  ];
  if (now.signature !== null) {
    const signature = element("span", { class: "hash", id: "signature" }, hex(now.signature));
    rows.push(["submit-receipt-signature", element("div", {}, element("p", { class: "small" }, t("submit-signed")), signature)]);
  }
  part("receipt").replaceChildren(...rows.flatMap(([key, value]) => [element("dt", {}, t(key)), element("dd", {}, value)]));
}

function sentence(act) {
  const name = act.to ? nameOf(act.to) : t("submit-to-anybody");
  const trade = { name, energy: act.energy && kwh(act.energy), month: act.month === undefined ? "" : monthName(act.month) };
  switch (act.kind) {
    case "transfer":
      return t("submit-line-transfer", trade);
    case "offer":
      return t("submit-line-offer", { ...trade, price: money(act.price), time: moment(act.until, ledger.zone) });
    case "accept":
    case "withdraw":
      return t(`submit-line-${act.kind}`, { short: `${act.offer.statement.slice(0, 12)}…` });
    case "note":
      return t("submit-line-note", { name: noteWords(act) });
    case "bill":
      return t("submit-line-bill", { month: monthName(act.months[0].month), amount: `${ledger.currency} ${money(act.total)}` });
    case "claim_bill":
      return t("submit-line-claim-bill", { time: moment(act.start, ledger.zone), reason: act.text });
    default:
      return t("submit-line-claim-voltage", { count: act.intervals.length, reason: act.text });
  }
}

function noteWords(act) {
  const values = QUANTITIES.filter(({ note }) => act[note] !== null);
  const words = values.map(({ note, scale, label, unit }) => `${t(label)} ${exact(act[note], scale, 1)} ${unit}`);
  return [moment(act.time, ledger.zone), ...words, act.remark].filter((one) => one).join(", ");
}

// Step three: sign, then send.

async function sign() {
  try {
    const signature = await keyring.sign(now.entry, now.drafted.signedBytes);
    await new Key(cbor.decode(now.entry.cose)).verify(now.drafted.signedBytes, signature);
    now.signature = signature;
  } catch (error) {
    complain("submit-sign-failed", { reason: error.message });
    return;
  }
  showReceipt();
  part("sign").hidden = true;
  part("send").hidden = false;
  step("sign");
  part("send").focus();
}

async function send() {
  now.isSent = true;
  step("sign");
  showStages("sending");
  part("refusal").hidden = true;
  let answer;
  try {
    const body = submission(now.drafted, now.signature);
    answer = await fetch("/api/v1/statements", { method: "POST", headers: { "Content-Type": MEDIA_COSE }, body });
  } catch {
    refuse("submit-no-answer", {});
    now.isSent = false;
    part("check").hidden = false;
    return;
  }
  const body = await answer.json();
  if (!answer.ok) return tellRefusal((body.type ?? "").replace("/problems/", ""), body.detail);
  if (body.id !== now.drafted.id) return refuse("submit-changed", {});
  await follow();
}

function refuse(key, values, ...more) {
  const box = part("refusal");
  box.hidden = false;
  box.dataset.refused = key;
  box.replaceChildren(element("div", {}, element("p", {}, t(key, values)), ...more));
}

/** In the reader's words, and in the rule's own. */
function tellRefusal(name, detail, key = "submit-refused") {
  const known = `refused-${name.replaceAll("_", "-")}`;
  const words = t(known);
  const rule = `${t("submit-refused-rule", { rule: name })} (${detail})`;
  refuse(key, { reason: words === known ? detail : words }, element("p", { class: "small", lang: "en" }, rule));
  part("refusal").dataset.rule = name;
  showStages("refused");
}

/** Asks where the statement stands; called whenever the node says that something happened. */
async function follow() {
  if (now.isSent !== true) return;
  const view = await ask(`/api/v1/statements/${now.drafted.id}`).catch(() => null);
  showStages(view === null ? "pending" : view.state, view?.place?.height);
}

const ORDER = ["sending", "pending", "committed", "final"];

function showStages(state, height = "") {
  const reached = ORDER.indexOf(state);
  const words = [
    state === "sending" ? t("submit-sending") : t("submit-status-sent"),
    t("submit-status-pool"),
    t("submit-status-block", { height: reached < 2 ? "…" : height }),
    t("submit-status-final"),
  ];
  const rows = words.map((text, at) => element("li", { class: at <= reached ? "done" : "", "data-stage": ORDER[at] }, text));
  part("stages").replaceChildren(...rows);
  part("stages").dataset.state = state;
  if (state === "final") offerEvidence();
}

/** A claim that is final can be saved with every reading of its intervals, as a file that proves itself. */
function offerEvidence() {
  const claims = readBack(now.drafted).map((act, at) => [act.kind, at]).filter(([kind]) => kind.startsWith("claim_"));
  const links = claims.map(([, at]) => {
    const href = `/api/v1/statements/${now.drafted.id}/acts/${at}/claim.cbor`;
    return element("a", { class: "button", href, download: `claim-${now.drafted.id.slice(0, 12)}-${at}.cbor` }, t("download-claim"));
  });
  part("evidence").replaceChildren(...links);
}

for (const name of ["accepted", "block", "final"]) listen(name, follow);
listen("dropped", (event) => {
  if (now.isSent === true && event.id === now.drafted.id) tellRefusal(event.rule, event.reason, "submit-status-dropped");
});

part("add").addEventListener("click", (event) => event.target.dataset.add && add(event.target.dataset.add));
part("to-check").addEventListener("click", check);
part("back").addEventListener("click", () => step("what"));
part("sign").addEventListener("click", sign);
part("send").addEventListener("click", send);
part("again").addEventListener("click", () => location.reload());

if (globalThis.crypto?.subtle) {
  place.hidden = false;
  begin();
} else {
  part("no-crypto").hidden = false;
}
