// How hashes are shown, and work that leaves the page usable.
import { element } from "../terminal/page.js";

/** Leading zero digits: the level that a hash satisfies. */
export const zeros = (hash) => /^0*/.exec(hash)[0].length;

/** A hash, or its first digits, with the leading zeros marked. */
export function hashText(hash, digits = hash.length) {
  const count = Math.min(zeros(hash), digits);
  const marked = count > 0 ? element("b", { class: "zeros" }, hash.slice(0, count)) : null;
  return element("span", { class: "hash" }, marked, hash.slice(count, digits) + (digits < hash.length ? "\u2026" : ""));
}

export const grouped = (count) => Math.round(count).toLocaleString("en");

/** How many zeros a hash begins with, in words. */
export function zerosText(t, hash) {
  const count = zeros(hash);
  return count === 0 ? t("lab-zeros-none") : t("lab-zeros", { count, level: count });
}

/** Two frames of a screen; longer, and typing would be felt to wait. */
const SLICE_MS = 30;

/** Calls `step` until it gives something, in slices between which the page lives; null once it is called off. */
export async function inSlices(step, signal) {
  while (!signal.aborted) {
    const end = performance.now() + SLICE_MS;
    while (performance.now() < end) {
      const found = step();
      if (found !== null) return found;
    }
    await new Promise((resume) => setTimeout(resume));
  }
  return null;
}

/** A pill that says whether all is well. */
export function pill(isGood, words) {
  return element("span", { class: `pill ${isGood ? "final" : "bad"}` }, `${isGood ? "\u2713" : "\u2717"} ${words}`);
}
