// The page of the member's keys.
import { ask, element, moment, save, textsOf } from "./terminal/page.js";
import { PassphraseTrouble } from "./terminal/der.js";
import * as keyring from "./terminal/keyring.js";
import { printed } from "./wattproof/keys.js";
import { Refused } from "./wattproof/refusal.js";

const place = document.getElementById("keys");
const t = textsOf(place);
const KINDS = { ed25519: "keys-kind-ed25519", p256: "keys-kind-p256", rsa: "keys-kind-rsa" };

function say(key, isBad = false) {
  const said = document.getElementById("said");
  said.textContent = t(key);
  said.dataset.said = key;
  said.classList.toggle("bad", isBad);
  said.hidden = false;
}

const button = (key, pressed, kind = "") => {
  const made = element("button", { class: `button ${kind}`.trim(), type: "button", "data-do": key }, t(key));
  made.addEventListener("click", pressed);
  return made;
};

async function show() {
  const entries = await keyring.keys();
  document.getElementById("none").hidden = entries.length > 0;
  document.getElementById("list").replaceChildren(...entries.map(card));
}

function card(entry) {
  const account = printed(entry.account);
  const [look, words] = entry.isSaved ? ["final", "keys-usable"] : ["warn", "keys-needs-backup"];
  const state = element("span", { class: `pill ${look}` }, t(words));
  const tools = [
    button("keys-public", () => savePublic(entry)),
    ...reveal(entry),
    button("keys-delete", (event) => reallyDelete(entry, event.target)),
  ];
  const registered = element("p", { class: "small quiet" });
  tellRegistration(account, registered);
  return element(
    "article",
    { class: "card key", "data-account": account, "data-saved": String(entry.isSaved) },
    element("div", { class: "card-head" }, element("h3", {}, entry.name), state),
    element("p", { class: "small quiet" }, `${t(KINDS[entry.kind])}, ${t("keys-made", { time: moment(entry.made) })}`),
    element("p", {}, element("span", { class: "quiet" }, `${t("keys-account")} `), element("span", { class: "hash" }, account)),
    registered,
    backup(entry),
    element("div", { class: "buttons" }, ...tools),
  );
}

/** Whether this community knows the account, and as what. */
async function tellRegistration(account, line) {
  try {
    const view = await ask(`/api/v1/accounts/${account}`);
    const roles = (view?.roles ?? []).filter((role) => role.until_ms === null || role.until_ms === undefined);
    line.textContent =
      roles.length > 0
        ? t("keys-registered", { name: roles.map((role) => t(`role-${role.role}`)).join(", ") })
        : `${t("keys-not-registered")} ${t("keys-register-how")}`;
  } catch {
    line.textContent = t("keys-node-silent");
  }
}

function backup(entry) {
  const passphrase = element("input", { type: "password", autocomplete: "new-password", id: `p-${entry.account}` });
  const saveCopy = async () => {
    await saveFile(entry, passphrase.value);
  };
  const form = element(
    "form",
    { class: "form" },
    // For whatever keeps passwords: which account it is of.
    element("input", { type: "text", autocomplete: "username", value: printed(entry.account), hidden: true }),
    element("label", { for: `p-${entry.account}` }, t("keys-passphrase-set")),
    passphrase,
    element(
      "p",
      { class: "buttons" },
      button("keys-backup", () => (passphrase.value === "" ? passphrase.focus() : saveCopy()), entry.isSaved ? "" : "main"),
      button("keys-backup-plain", () => saveFile(entry, "")),
    ),
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  return form;
}

const fileName = (entry, end) => `${entry.name.replace(/[^\p{L}\p{N}._-]+/gu, "-")}-${printed(entry.account).slice(0, 10)}.${end}`;

async function saveFile(entry, passphrase) {
  save(fileName(entry, "key"), await keyring.copyOf(entry, passphrase), "application/x-pem-file");
  await keyring.markSaved(entry);
  await show();
}

async function savePublic(entry) {
  save(fileName(entry, "pub"), await keyring.publicFile(entry), "application/x-pem-file");
}

/** The private key shows as long as the button is held, by pointer or by the space bar. */
function reveal(entry) {
  const text = element("pre", { class: "secret", hidden: true });
  const hold = button("keys-reveal", () => {});
  hold.title = t("keys-reveal-note");
  let isHeld = false;
  const begin = async () => {
    isHeld = true;
    const copy = await keyring.copyOf(entry, "");
    if (!isHeld) return;
    text.textContent = copy;
    text.hidden = false;
  };
  const end = () => {
    isHeld = false;
    text.textContent = "";
    text.hidden = true;
  };
  hold.addEventListener("pointerdown", begin);
  for (const name of ["pointerup", "pointerleave", "pointercancel", "blur", "keyup"]) hold.addEventListener(name, end);
  hold.addEventListener("keydown", (event) => event.key === " " && !event.repeat && begin());
  return [hold, text];
}

function reallyDelete(entry, at) {
  const question = element(
    "span",
    { class: "question", role: "alert" },
    t("keys-delete-sure"),
    " ",
    button("keys-delete-yes", async () => {
      await keyring.remove(entry.account);
      await show();
    }),
    button("keys-cancel", show),
  );
  at.replaceWith(question);
}

const nameFrom = (typed) => typed.trim() || t("keys-name-default");

document.getElementById("make").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  try {
    await keyring.make(form.get("kind"), nameFrom(form.get("name")));
    say("keys-made-now");
    event.target.reset();
  } catch (error) {
    say(error.name === "NotSupportedError" ? "keys-not-supported" : "keys-storage-refused", true);
  }
  await show();
});

document.getElementById("import").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [file] = document.getElementById("key-file").files;
  const passphrase = document.getElementById("open-with");
  try {
    const name = file.name.replace(/\.[a-z]+$/, "");
    const { isNew } = await keyring.takeOver(new Uint8Array(await file.arrayBuffer()), passphrase.value, nameFrom(name));
    say(isNew ? "keys-imported" : "keys-known-already");
    event.target.reset();
  } catch (error) {
    say(whyNot(error), true);
  }
  await show();
});

function whyNot(error) {
  if (error instanceof PassphraseTrouble) {
    return { missing: "keys-import-encrypted", wrong: "keys-import-wrong", scrypt: "keys-import-scrypt" }[error.message];
  }
  if (error instanceof Refused && error.message === "too weak a key") return "keys-weak";
  return error.name === "NotSupportedError" ? "keys-not-supported" : "keys-import-none";
}

if (globalThis.crypto?.subtle) {
  place.hidden = false;
  show().catch(() => say("keys-storage-refused", true));
} else {
  document.getElementById("no-crypto").hidden = false;
}
