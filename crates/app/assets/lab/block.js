// A real block of this ledger: its header's 212 bytes field by field, and their hash, which must come out as recorded.
import { ask, element, moment } from "../terminal/page.js";
import { bigEndian, hex, number, unhex } from "../wattproof/bytes.js";
import { hash } from "../wattproof/sha256.js";
import { FIELDS, field } from "./header.js";
import { hashText, pill, zerosText } from "./show.js";

/** What people call the fields. */
const NAMES = {
  version: "field-version",
  ledger: "verify-ledger",
  height: "block-number",
  time: "block-time",
  previous: "previous-hash",
  "log-size": "field-log-size",
  "log-root": "field-log-root",
  "state-root": "field-state-root",
  proposer: "miner",
  difficulty: "difficulty",
  "extra-nonce": "field-extra-nonce",
  nonce: "nonce",
};

/** Fields that people read as numbers; the others are hashes. */
const NUMBERS = new Set(["version", "height", "time", "log-size", "difficulty", "extra-nonce", "nonce"]);

const written = (name, bytes) => (NUMBERS.has(name) ? number(bytes).toString() : hex(bytes));

/** What somebody typed as the bytes of a field; null when it is none. */
function read(name, text, size) {
  const typed = text.replaceAll(/\s/g, "").toLowerCase();
  if (!NUMBERS.has(name)) return typed.length === 2 * size && /^[0-9a-f]*$/.test(typed) ? unhex(typed) : null;
  return /^\d{1,20}$/.test(typed) && BigInt(typed) >> BigInt(8 * size) === 0n ? bigEndian(typed, size) : null;
}

export function startBlock(t, newest) {
  const form = document.getElementById("block");
  const wanted = form.elements.height;
  const place = document.getElementById("block-bytes");
  let asked = 0;

  async function load(height) {
    wanted.value = Math.min(Math.max(Math.trunc(height) || 0, 0), Number.MAX_SAFE_INTEGER);
    const number = ++asked;
    try {
      const block = await ask(`/api/v1/blocks/${wanted.value}`);
      if (number !== asked) return;
      if (block === null) place.replaceChildren(element("p", { class: "notice" }, t("lab-block-none", { height: wanted.value })));
      else await show(block);
    } catch (error) {
      place.replaceChildren(element("p", { class: "notice bad" }, t("lab-silent", { reason: error.message })));
    }
  }

  async function show(block) {
    const [real, header] = [unhex(block.header), unhex(block.header)];
    const after = await ask(`/api/v1/blocks/${block.height + 1}`).catch(() => null);
    const outcome = element("div", { class: "lab-outcome", "aria-live": "polite" });
    const bytes = element("p", { class: "hash lab-bytes" });
    const command = element("code", { id: "block-command" });
    const rows = FIELDS.map(([name, at, size]) => fieldRow(name, at, size));

    function fieldRow(name, at, size) {
      const id = `block-${name}`;
      const isNumber = NUMBERS.has(name);
      // A hash has room to wrap on a phone.
      const input = element(isNumber ? "input" : "textarea", { id, spellcheck: "false", autocomplete: "off", inputmode: isNumber ? "numeric" : "text" });
      input.value = written(name, field(header, name));
      const note = element("span", { class: "small quiet" });
      const row = element("div", { class: "lab-field" }, element("label", { for: id }, t(NAMES[name])),
        element("span", { class: "small quiet" }, t("lab-bytes-at", { from: at, until: at + size - 1 })), input, note);
      const tell = () => {
        const now = field(header, name);
        const extra = name === "time" ? `${moment(number(now))} · ` : "";
        note.textContent = isNumber ? extra + hex(now) : "";
        row.classList.toggle("changed", hex(now) !== hex(field(real, name)));
      };
      input.addEventListener("input", () => {
        const typed = read(name, input.value, size);
        input.setAttribute("aria-invalid", String(typed === null));
        if (typed === null) return;
        field(header, name).set(typed);
        tell();
        hashAgain();
      });
      tell();
      return row;
    }

    function hashAgain() {
      const found = hash(header);
      const isSame = found === block.hash;
      outcome.replaceChildren(
        element("p", {}, element("b", {}, t("lab-hash")), " ", hashText(found)),
        element("p", {}, zerosText(t, found)),
        element("p", {}, pill(isSame, t(isSame ? "lab-block-same" : "lab-block-differs"))),
      );
      if (!isSame) outcome.append(element("p", {}, element("b", {}, t("lab-block-recorded")), " ", hashText(block.hash)));
      if (after) {
        const fits = after.previous === found;
        outcome.append(element("p", {}, pill(fits, t(fits ? "lab-block-next-fits" : "lab-block-next-broken", { height: after.height }))));
      }
      bytes.replaceChildren(...FIELDS.map(([name, at, size], index) => {
        const digits = hex(header.subarray(at, at + size));
        const isChanged = digits !== hex(real.subarray(at, at + size));
        return element(isChanged ? "mark" : "span", { class: index % 2 === 1 ? "odd" : null, title: t(NAMES[name]) }, digits);
      }));
      command.textContent = `printf %s ${hex(header)} | xxd -r -p | sha256sum`;
    }

    hashAgain();
    const copy = element("button", { class: "button", type: "button", "data-copy": "block-command", "data-done": t("copied"),
      hidden: !navigator.clipboard }, t("copy"));
    const again = element("button", { class: "button", type: "button" }, t("lab-restore"));
    again.addEventListener("click", () => show(block));
    const link = element("a", { class: "button", href: `/blocks/${block.height}` }, t("lab-block-page", { height: block.height }));
    place.replaceChildren(element("div", { class: "lab-fields" }, ...rows), outcome,
      element("p", { class: "buttons" }, again, link),
      element("details", {}, element("summary", {}, t("lab-block-bytes")), bytes, element("p", { class: "small quiet" }, t("lab-check-elsewhere")),
        element("p", { class: "command" }, command, copy)));
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    load(Number(wanted.value));
  });
  for (const [id, step] of [["block-before", -1], ["block-after", 1]]) {
    document.getElementById(id).addEventListener("click", () => load(Number(wanted.value) + step));
  }
  load(newest);
}
