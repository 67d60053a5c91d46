// The paper's function by hand: data, previous hash and nonce in, a hash out, its zeros counted.
import { hash } from "../wattproof/sha256.js";
import { utf8 } from "../wattproof/bytes.js";
import { grouped, hashText, inSlices, zeros, zerosText } from "./show.js";

/** Attempts between two looks at the clock. */
const PORTION = 200;

export function startHand(t) {
  const form = document.getElementById("hand");
  const { data, previous, nonce, level } = form.elements;
  const [out, said, command, find] = ["hand-hash", "hand-said", "hand-command", "hand-find"].map((id) => document.getElementById(id));
  const numberOf = () => Math.min(Math.max(Math.trunc(Number(nonce.value)) || 0, 0), Number.MAX_SAFE_INTEGER);
  const before = () => `${data.value}|${previous.value}|`;
  let searching = null;

  function show(words = "") {
    const text = before() + numberOf();
    const found = hash(utf8(text));
    out.replaceChildren(hashText(found));
    said.textContent = words + zerosText(t, found);
    command.textContent = `printf %s '${text.replaceAll("'", "'\\''")}' | sha256sum`;
  }

  /** Counts the nonce up until the hash has the zeros of the level. */
  async function search() {
    if (searching !== null) {
      searching.abort();
      return;
    }
    searching = new AbortController();
    find.textContent = t("lab-stop");
    const [text, wanted, first] = [before(), Number(level.value), numberOf() + 1];
    let at = first;
    const step = () => {
      for (const end = at + PORTION; at < end; at++) if (zeros(hash(utf8(text + at))) >= wanted) return at;
      nonce.value = at;
      return null;
    };
    const found = await inSlices(step, searching.signal);
    searching = null;
    find.textContent = t("lab-hand-find");
    if (before() !== text) return show();
    nonce.value = at;
    show(found === null ? "" : `${t("lab-hand-found", { count: grouped(found - first + 1) })} `);
  }

  form.addEventListener("input", (event) => {
    if (event.target !== level) searching?.abort();
    show();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    nonce.value = numberOf() + 1;
    show();
  });
  find.addEventListener("click", search);
  document.getElementById("hand-chain").addEventListener("click", () => {
    previous.value = out.textContent;
    nonce.value = 0;
    show(`${t("lab-hand-chained")} `);
  });
  show();
}
