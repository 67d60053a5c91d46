// Small helpers of the pages that work by script: texts, elements, figures.

/** Puts values into the places `#name#` of a text. */
export function fill(text, values = {}) {
  return text.replace(/#([a-z]+)#/g, (place, name) => (name in values ? String(values[name]) : place));
}

/** The texts that come with an element, as a function of key and values. */
export function textsOf(element) {
  const texts = JSON.parse(element.dataset.texts);
  return (key, values) => fill(texts[key] ?? key, values);
}

/**
 * An element with attributes and children. Text goes in as text, never as markup.
 * @param {string} tag
 * @param {Record<string, string|boolean|null>} attributes
 * @param {...(Node|string|null)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A point in time in the reader's language, on the clock of a time zone; on the reader's own without one. */
export function moment(ms, timeZone) {
  const form = { dateStyle: "medium", timeStyle: "medium" };
  try {
    return new Intl.DateTimeFormat(document.documentElement.lang, { ...form, timeZone }).format(Number(ms));
  } catch {
    // A zone that this browser does not know.
    return new Intl.DateTimeFormat(document.documentElement.lang, form).format(Number(ms));
  }
}

const grouped = (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ",");

/** An integer of 10^-scale with every digit, at least `places` decimals. */
export function exact(value, scale, places) {
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0");
  let fraction = digits.slice(-scale);
  while (fraction.length > places && fraction.endsWith("0")) fraction = fraction.slice(0, -1);
  return (value < 0n ? "\u2212" : "") + grouped(digits.slice(0, -scale)) + "." + fraction;
}

export const kwh = (mwh) => exact(BigInt(mwh), 6, 1);
export const money = (amount) => exact(BigInt(amount), 4, 2);

/** A decimal that a person typed as an integer of 10^-scale; null when it is none above zero. */
export function typed(text, scale) {
  const match = /^\s*(\d{1,12})(?:\.(\d{1,9}))?\s*$/.exec(text);
  if (!match || (match[2] ?? "").length > scale) return null;
  const value = BigInt(match[1] + (match[2] ?? "").padEnd(scale, "0"));
  return value > 0n ? value : null;
}

/** `2026-07` of a month counted from year 0, and back. */
export const monthName = (month) => `${Math.floor(month / 12)}-${String((month % 12) + 1).padStart(2, "0")}`;
export function monthNumber(name) {
  const [year, month] = name.split("-").map(Number);
  return year * 12 + month - 1;
}

/** Lets the browser save bytes or text as a file. */
export function save(name, content, type) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** An answer of the interface, or null where there is nothing. Throws what the server says otherwise. */
export async function ask(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" } });
  if (answer.status === 404) return null;
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail ?? body.title ?? String(answer.status));
  return body;
}
