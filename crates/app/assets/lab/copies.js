// The last blocks as each node keeps them: copies in this page, of real headers. A changed digit breaks every later hash;
// the other copies put it right, by hash, as `wattproof audit --repair` does in a node's folder.
import { ask, element } from "../terminal/page.js";
import { hex, number, unhex } from "../wattproof/bytes.js";
import { hash } from "../wattproof/sha256.js";
import { field, setNumber } from "./header.js";
import { Search, satisfies } from "./search.js";
import { grouped, hashText, inSlices, zeros } from "./show.js";

/** Blocks of a copy: as many as fit beside each other. */
const BLOCKS = 5;
/** Copies beside this node's: more would not fit on a screen. */
const OTHERS_MAX = 3;
/** Digits of the statements' fingerprint that can be changed. */
const DIGITS = 5;
/** Digits of a hash on a cube. */
const SHOWN = 8;
const PORTION = 500;
/** Between two blocks that are put right: slow enough to be followed. */
const REPAIR_STEP_MS = 600;

const valueOf = (header, name) => number(field(header, name));
const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));

/** A node's blocks: headers that are linked anew whenever one changes. */
class Copy {
  constructor(name, blocks) {
    this.name = name;
    this.said = "";
    this.headers = blocks.map((block) => unhex(block.header));
    this.link(0);
  }

  /** Each block names the hash of the one before it: from `first` on. */
  link(first) {
    for (let at = Math.max(first, 1); at < this.headers.length; at++) {
      field(this.headers[at], "previous").set(unhex(hash(this.headers[at - 1])));
    }
    this.hashes = this.headers.map((header) => hash(header));
  }

  changeDigit(at, digit) {
    const root = hex(field(this.headers[at], "log-root"));
    const next = ((parseInt(root[digit], 16) + 1) % 16).toString(16);
    field(this.headers[at], "log-root").set(unhex(root.slice(0, digit) + next + root.slice(digit + 1)));
    this.link(at + 1);
  }
}

export async function startCopies(t, newest) {
  const place = document.getElementById("copies");
  let blocks;
  let names;
  try {
    [blocks, names] = await Promise.all([fetchBlocks(newest), fetchNames(t)]);
  } catch (error) {
    place.replaceChildren(element("p", { class: "notice bad" }, t("lab-silent", { reason: error.message })));
    return;
  }
  if (blocks.length < 2) {
    place.replaceChildren(element("p", { class: "notice" }, t("lab-copies-early")));
    return;
  }
  document.getElementById("copies-alone").hidden = !names.areInvented;
  new Table(t, place, blocks, names.list).show();
}

/** The newest final blocks, oldest first. */
async function fetchBlocks(newest) {
  const heights = Array.from({ length: Math.min(BLOCKS, newest) }, (_, at) => newest - Math.min(BLOCKS, newest) + 1 + at);
  const blocks = await Promise.all(heights.map((height) => ask(`/api/v1/blocks/${height}`)));
  return blocks.filter((block) => block !== null);
}

/** Nodes that take part: what is final is the same on each of them. A node alone gets two invented neighbours. */
async function fetchNames(t) {
  const peers = (await ask("/api/v1/peers")).items.filter((peer) => peer.state === "connected");
  const addresses = peers.slice(0, OTHERS_MAX).map((peer) => peer.address.replace(/^https?:\/\//, ""));
  const areInvented = addresses.length === 0;
  const others = areInvented ? [t("lab-copy-b"), t("lab-copy-c")] : addresses;
  return { list: [t("peers-this-node"), ...others], areInvented };
}

class Table {
  constructor(t, place, blocks, names) {
    [this.t, this.place, this.blocks] = [t, place, blocks];
    this.copies = names.map((name) => new Copy(name, blocks));
    this.busy = null;
  }

  isRight(copy, at) {
    return copy.hashes[at] === this.blocks[at].hash;
  }

  show() {
    const focused = document.activeElement?.id;
    this.place.replaceChildren(...this.copies.map((copy, number) => this.row(copy, number)));
    if (focused) document.getElementById(focused)?.focus();
  }

  row(copy, number) {
    const first = this.blocks.findIndex((_, at) => !this.isRight(copy, at));
    const isWhole = first < 0;
    const wrong = this.blocks.filter((_, at) => !this.isRight(copy, at)).length;
    const words = isWhole ? this.t("lab-copy-whole") : this.t("lab-copy-broken", { count: wrong, height: this.blocks[first].height });
    const state = element("span", { class: `pill ${isWhole ? "final" : "bad"}` }, `${isWhole ? "\u2713" : "\u2717"} ${words}`);
    const head = element("div", { class: "card-head" }, element("h3", { id: `copy-${number}` }, copy.name), state);
    const cubes = element("ol", { class: "lab-copy", "aria-labelledby": `copy-${number}` }, ...copy.headers.map((_, at) => this.cube(copy, number, at)));
    const tools = element("p", { class: "buttons" }, ...(isWhole ? [] : this.tools(copy, number)));
    return element("section", { class: "lab-row", "data-copy-row": String(number) }, head, cubes, tools,
      element("p", { class: "small lab-said", role: "status" }, copy.said));
  }

  cube(copy, number, at) {
    const { t } = this;
    const [header, found, real] = [copy.headers[at], copy.hashes[at], this.blocks[at]];
    const isRight = this.isRight(copy, at);
    const hasWork = satisfies(found, valueOf(header, "difficulty"));
    const root = hex(field(header, "log-root"));
    const digits = Array.from(root.slice(0, DIGITS), (digit, index) => this.digit(copy, number, at, index, digit));
    const isChanged = root !== real.log_root;
    const verdict = isRight ? t("lab-cube-right") : hasWork ? t("lab-cube-other") : t("lab-cube-no-work", { count: zeros(found) });
    return element("li", { class: isRight ? "right" : "wrong" },
      element("b", {}, `#${real.height}`),
      element("dl", {},
        element("dt", {}, t("lab-cube-previous")), element("dd", {}, hashText(hex(field(header, "previous")), SHOWN)),
        element("dt", {}, t("lab-cube-data")), element("dd", { class: isChanged ? "digits changed" : "digits" }, ...digits, "\u2026"),
        element("dt", {}, t("lab-cube-nonce")), element("dd", {}, grouped(Number(valueOf(header, "nonce")))),
        element("dt", {}, t("hash")), element("dd", {}, hashText(found, SHOWN))),
      element("p", { class: "small" }, `${isRight ? "\u2713" : "\u2717"} ${verdict}`));
  }

  digit(copy, number, at, index, digit) {
    const label = this.t("lab-digit", { name: copy.name, height: this.blocks[at].height, count: index + 1, short: digit });
    const button = element("button", { type: "button", id: `digit-${number}-${at}-${index}`, "aria-label": label, class: "digit" }, digit);
    button.addEventListener("click", () => {
      if (this.busy !== null) return;
      copy.changeDigit(at, index);
      copy.said = this.t("lab-copy-changed", { height: this.blocks[at].height, count: this.blocks.length - at - 1 });
      this.show();
    });
    return button;
  }

  tools(copy, number) {
    const { t } = this;
    const act = (key, main, work) => {
      const button = element("button", { type: "button", class: main ? "button main" : "button", id: `${key}-${number}`, disabled: this.busy !== null }, t(key));
      button.addEventListener("click", work);
      return button;
    };
    const at = copy.headers.findIndex((header, index) => !satisfies(copy.hashes[index], valueOf(header, "difficulty")));
    const made = [act("lab-ask-peers", true, () => this.repair(copy))];
    if (at >= 0) made.push(act("lab-mine-again", false, () => this.mine(copy, at)));
    if (this.busy !== null) {
      const stop = element("button", { type: "button", class: "button", id: `lab-stop-${number}` }, t("lab-stop"));
      stop.addEventListener("click", () => this.busy.abort());
      made.push(stop);
    }
    return made;
  }

  /** A cheat's way: a new nonce for the first block without work. The next one is then due. */
  async mine(copy, at) {
    this.busy = new AbortController();
    copy.said = this.t("lab-mining", { height: this.blocks[at].height });
    this.show();
    const search = new Search(copy.headers[at], valueOf(copy.headers[at], "difficulty"));
    let first = 0;
    const step = () => {
      const found = search.run(first, PORTION);
      first += PORTION;
      return found;
    };
    const nonce = await inSlices(step, this.busy.signal);
    this.busy = null;
    if (nonce === null) copy.said = "";
    else {
      setNumber(copy.headers[at], "nonce", nonce);
      copy.link(at + 1);
      const isLast = at === this.blocks.length - 1;
      copy.said = this.t(isLast ? "lab-mined-all" : "lab-mined", { count: grouped(nonce + 1), height: this.blocks[at].height });
    }
    this.show();
  }

  /** Block by block from another copy, taken only where its hash is the one that the signed checkpoint leads to. */
  async repair(copy) {
    this.busy = new AbortController();
    let fetched = 0;
    for (let at = 0; at < this.blocks.length && !this.busy.signal.aborted; at++) {
      if (this.isRight(copy, at)) continue;
      const from = this.copies.find((other) => other !== copy && this.isRight(other, at));
      const height = this.blocks[at].height;
      if (from === undefined) {
        copy.said = this.t("lab-repair-nobody", { height });
        break;
      }
      if (fetched > 0) await pause(REPAIR_STEP_MS);
      copy.headers[at] = from.headers[at].slice();
      copy.hashes[at] = hash(copy.headers[at]);
      fetched += 1;
      copy.said = this.t("lab-repair-step", { height, name: from.name });
      this.show();
    }
    this.busy = null;
    if (this.blocks.every((_, at) => this.isRight(copy, at))) copy.said = this.t("lab-repaired", { count: fetched });
    this.show();
  }
}
