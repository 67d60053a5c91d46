// The page that checks a file, and the same as one file on a disk: only this browser's own computation counts.
import { element, exact, fill, kwh, moment } from "./terminal/page.js";
import { forget, genesisOf, ledgers, remember } from "./terminal/ledgers.js";
import { verify } from "./wattproof/verify.js";
import { printed } from "./wattproof/keys.js";

const place = document.getElementById("verify");
const result = document.getElementById("result");
const languages = JSON.parse(place.dataset.texts);
let shown = null;

const t = (key, values) => fill(languages[document.documentElement.lang]?.[key] ?? key, values);
const keyOf = (name) => name.replaceAll("_", "-");
const VERDICT_MARKS = { verified: "\u2713", origin_unknown: "?", failed: "\u2717" };
const MARKS = { passed: "\u2713", unknown: "?", failed: "\u2717" };

/** Text of a layer's outcome. */
function sentence({ layer, outcome, count }) {
  const key = layer === "origin" && outcome === "unknown" ? "verify-origin-unknown-layer" : `verify-${keyOf(layer)}-${outcome}`;
  return t(key, { count: (count ?? 0).toLocaleString("en") });
}

/** Checks bytes against the ledger that is remembered under the file's number. */
async function check(bytes, name) {
  result.hidden = false;
  result.replaceChildren(element("p", { class: "quiet" }, t("verify-busy")));
  let report = await verify(bytes);
  const trusted = report.ledger === null ? null : genesisOf(report.ledger);
  if (trusted !== null) report = await verify(bytes, trusted);
  shown = { report, bytes, name };
  show();
}

function show() {
  const { report, name } = shown;
  const isPartly = report.findings.some(({ layer, outcome }) => outcome === "unknown" && layer !== "origin");
  const verdict = keyOf(report.verdict);
  result.dataset.verdict = report.verdict;
  result.replaceChildren(
    element("h2", {}, t("verify-result")),
    element(
      "div",
      { class: `verdict ${report.verdict}`, id: "verdict" },
      element("span", { class: "verdict-mark", "aria-hidden": "true" }, VERDICT_MARKS[report.verdict]),
      element("div", {}, element("b", {}, t(`verify-${verdict}`)), element("p", {}, t(`verify-${verdict}-note`))),
    ),
    ...(report.verdict === "origin_unknown" && report.subject?.genesis ? [rememberButton(report)] : []),
    facts(report, name),
    ...(report.subject?.bill && report.verdict !== "failed" ? [meterTable(report.subject.bill)] : []),
    element("h3", {}, t("verify-layers")),
    element("ul", { class: "layers" }, ...report.findings.map(layerRow)),
    ...(isPartly && report.verdict !== "failed" ? [element("p", { class: "small quiet" }, t("verify-partly"))] : []),
  );
}

function layerRow(finding) {
  const mark = element("span", { class: "layer-mark", "aria-hidden": "true" }, MARKS[finding.outcome]);
  const words = element("div", {}, element("p", {}, sentence(finding)));
  if (finding.outcome === "failed") {
    words.append(element("p", { class: "small" }, `${t("verify-detail")}: `, element("code", { lang: "en" }, finding.reason)));
  }
  return element("li", { class: finding.outcome, "data-layer": finding.layer }, mark, words);
}

function rememberButton({ subject: { genesis } }) {
  const button = element("button", { class: "button", type: "button", id: "remember" }, t("verify-remember"));
  button.addEventListener("click", async () => {
    remember(genesis);
    showKnown();
    await check(shown.bytes, shown.name);
  });
  return element("p", { class: "buttons" }, button);
}

/** What the file says, for the reader to compare; of a file that is wrong, only what it is. */
function facts({ kind, ledger, subject, verdict }, name) {
  const rows = [["verify-kind", `${t(`cli-kind-${keyOf(kind)}`)} (${name})`]];
  if (subject?.genesis?.name) rows.push(["verify-community", subject.genesis.name]);
  if (ledger !== null) rows.push(["verify-ledger", element("span", { class: "hash" }, ledger)]);
  if (subject?.bill && verdict !== "failed") {
    const { account, start, until, total } = subject.bill;
    rows.push(["verify-account", element("span", { class: "hash" }, printed(account))]);
    rows.push(["verify-span", `${moment(start, subject.genesis.timeZone)} \u2013 ${moment(until, subject.genesis.timeZone)}`]);
    rows.push(["verify-total", element("b", { class: "total" }, `${subject.genesis.currency} ${exact(total, 4, 2)}`)]);
  }
  if (subject?.statement?.acts) rows.push(["verify-acts", subject.statement.acts.map((act) => act.kind).join(", ")]);
  return element("dl", { class: "fields" }, ...rows.flatMap(([key, value]) => [element("dt", {}, t(key)), element("dd", {}, value)]));
}

function meterTable(bill) {
  const columns = ["meter-number", "previous-counter", "present-counter", "factor", "used"];
  const head = columns.map((key, at) => element("th", { scope: "col", class: at > 0 ? "num" : null }, t(key)));
  const rows = bill.months.flatMap((month) => month.meters).map((meter) => {
    const values = [kwh(meter.previous), kwh(meter.present), String(meter.factor), `${kwh(meter.energy)} ${t("kwh")}`];
    const cells = values.map((value, at) => element("td", { class: "num", "data-label": t(columns[at + 1]) }, value));
    return element("tr", {}, element("th", { scope: "row" }, meter.meter + (meter.isEstimated ? ` (${t("estimated")})` : "")), ...cells);
  });
  return element(
    "div",
    {},
    element("table", { class: "cards-on-phone" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)),
    element("p", { class: "small quiet" }, t("verify-meters-note")),
  );
}

function showKnown() {
  const known = ledgers().map(({ ledger, name, since }) => {
    const button = element("button", { class: "button", type: "button" }, t("verify-forget"));
    button.addEventListener("click", () => {
      forget(ledger);
      showKnown();
    });
    const words = element("p", {}, element("b", {}, name), ` ${t("verify-known-since", { time: moment(since) })}`);
    const number = element("p", { class: "hash small" }, ledger);
    return element("li", { class: "statement" }, words, number, element("p", { class: "buttons" }, button));
  });
  const none = element("p", { class: "quiet" }, t("verify-known-none"));
  document.getElementById("known").replaceChildren(known.length === 0 ? none : element("ul", {}, ...known));
}

function complain(key, error) {
  result.hidden = false;
  result.replaceChildren(element("p", { class: "notice bad" }, t(key, { reason: error.message })));
}

async function read(file) {
  try {
    await check(new Uint8Array(await file.arrayBuffer()), file.name);
  } catch (error) {
    complain("verify-unreadable", error);
  }
}

/** The bill of an account's month, from the server that brought the page; its word counts for nothing. */
async function fetchBill(account, month) {
  try {
    const answer = await fetch(`/api/v1/accounts/${encodeURIComponent(account)}/months/${encodeURIComponent(month)}/bill.cbor`);
    if (!answer.ok) throw new Error((await answer.json()).detail);
    await check(new Uint8Array(await answer.arrayBuffer()), `bill-${month}.cbor`);
  } catch (error) {
    complain("verify-fetch-failed", error);
  }
}

/** Alone on a disk there is no server that changes the language. */
function offerLanguages() {
  const names = { "zh-TW": "中文", en: "English" };
  const links = Object.keys(languages).map((lang) => {
    const current = lang === document.documentElement.lang ? "true" : null;
    const link = element("a", { href: `#${lang}`, lang, "aria-current": current }, names[lang]);
    link.addEventListener("click", (event) => {
      event.preventDefault();
      speak(lang);
    });
    return link;
  });
  document.getElementById("languages").replaceChildren(...links);
}

function speak(lang) {
  document.documentElement.lang = lang;
  for (const words of document.querySelectorAll("[data-text]")) words.textContent = t(words.dataset.text);
  offerLanguages();
  showKnown();
  if (shown !== null) show();
}

const drop = document.getElementById("drop");
const input = document.getElementById("file");
input.addEventListener("change", () => input.files.length > 0 && read(input.files[0]));
addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
addEventListener("dragleave", () => drop.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (event.dataTransfer.files.length > 0) read(event.dataTransfer.files[0]);
});

if (document.getElementById("languages")) {
  speak(Object.keys(languages).find((lang) => navigator.language.startsWith(lang.slice(0, 2))) ?? document.documentElement.lang);
}
if (globalThis.crypto?.subtle) {
  showKnown();
  const wanted = new URLSearchParams(location.search);
  if (wanted.has("account") && wanted.has("month")) fetchBill(wanted.get("account"), wanted.get("month"));
} else {
  document.getElementById("no-crypto").hidden = false;
  input.disabled = true;
}
