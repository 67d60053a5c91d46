// The experiment's search, beside the page: consecutive blocks of each level, the nonce counted up from 1.
import { digest } from "../wattproof/sha256.js";
import { field, firstOf, setNumber } from "./header.js";
import { Search } from "./search.js";

/** Attempts between two words about how far it is. */
const PORTION = 1 << 18;

/** The first nonce that satisfies the difficulty. */
function found(header, level, told) {
  const search = new Search(header, 16n ** BigInt(level));
  for (let first = 1; ; first += PORTION) {
    const nonce = search.run(first, PORTION);
    if (nonce !== null) return nonce;
    told(first + PORTION - 1);
  }
}

addEventListener("message", ({ data: { levels, runs, seed } }) => {
  for (const level of levels) {
    const header = firstOf(level, seed);
    for (let run = 1; run <= runs; run++) {
      const start = performance.now();
      const nonce = found(header, level, (tried) => postMessage({ level, run, tried }));
      postMessage({ level, run, nonce, seconds: (performance.now() - start) / 1000 });
      setNumber(header, "nonce", nonce);
      field(header, "previous").set(digest(header));
      setNumber(header, "height", run + 1);
    }
  }
  postMessage({ done: true });
});
