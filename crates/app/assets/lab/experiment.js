// The paper's experiment (its table 3 and figure 31) in this browser, beside theory and the paper's own figures. A seed
// gives the nonces that `wattproof experiment difficulty --seed` gives.
import { element, save } from "../terminal/page.js";
import { plot } from "./plot.js";
import { grouped } from "./show.js";

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const figure = (value) => (value < 1000 ? value.toFixed(2) : grouped(value));
/** Redrawing for every block of level 1 would take longer than finding it. */
const DRAW_EVERY_MS = 150;

/** @param {number[][]} paper the paper's nonces, level by level */
export function startExperiment(t, paper) {
  const form = document.getElementById("experiment");
  const [start, stop, csv, said, table, chart, command] = ["start", "stop", "csv", "said", "table", "chart", "command"].map((name) =>
    document.getElementById(`experiment-${name}`));
  let [worker, found, wanted, drawn] = [null, [], chosen(), 0];

  function chosen() {
    const levels = [...form.querySelectorAll("[name=level]:checked")].map((box) => Number(box.value));
    const typed = form.elements.seed.value.trim();
    return { levels, runs: Number(form.elements.runs.value), seed: /^\d{1,15}$/.test(typed) ? Number(typed) : 0 };
  }

  function tellCommand() {
    const { levels, runs, seed } = chosen();
    const span = levels.length === 0 ? "1-5" : `${Math.min(...levels)}-${Math.max(...levels)}`;
    command.textContent = `wattproof experiment difficulty --levels ${span} --runs ${runs} --seed ${seed}`;
  }

  const ofLevel = (level) => found.filter((one) => one.level === level);

  function row(level) {
    const ours = ofLevel(level);
    const seconds = ours.reduce((sum, one) => sum + one.seconds, 0);
    const own = ours.length === 0 ? null : mean(ours.map((one) => one.nonce));
    const cells = [
      ["lab-exp-runs", `${ours.length} / ${wanted.runs}`],
      ["lab-exp-mean", own === null ? "\u2013" : figure(own)],
      ["lab-exp-theory", grouped(16 ** level)],
      ["lab-exp-ratio", own === null ? "\u2013" : `${Math.round((100 * own) / 16 ** level)} %`],
      ["lab-exp-paper", figure(mean(paper[level - 1]))],
      ["lab-exp-rate", seconds < 0.05 ? "\u2013" : grouped((own * ours.length) / seconds)],
      ["lab-exp-time", own === null ? "\u2013" : `${seconds.toFixed(1)} s`],
    ];
    return element("tr", {}, element("th", { scope: "row", "data-level": String(level) }, t("lab-level", { level })),
      ...cells.map(([key, value]) => element("td", { class: "num", "data-label": t(key) }, value)));
  }

  function show() {
    drawn = performance.now();
    table.replaceChildren(...[1, 2, 3, 4, 5].map(row));
    const levels = [1, 2, 3, 4, 5].map((level) => ({ level, theory: 16 ** level, paper: paper[level - 1], ours: ofLevel(level).map((one) => one.nonce) }));
    chart.replaceChildren(plot(t, levels, wanted.runs));
  }

  function finish(key, values) {
    worker?.terminate();
    worker = null;
    [start.hidden, stop.hidden, csv.hidden] = [false, true, found.length === 0];
    said.textContent = t(key, values);
    show();
  }

  function hear({ data }) {
    if (data.done) {
      const spread = Math.round(100 / Math.sqrt(wanted.runs));
      finish("lab-exp-done", { count: grouped(found.reduce((sum, one) => sum + one.nonce, 0)), left: spread });
      return;
    }
    if (data.nonce !== undefined) found.push(data);
    else said.textContent = t("lab-exp-progress", { level: data.level, count: data.run, tried: grouped(data.tried) });
    if (performance.now() - drawn > DRAW_EVERY_MS) {
      show();
      if (data.nonce !== undefined) said.textContent = t("lab-exp-progress", { level: data.level, count: data.run, tried: grouped(data.nonce) });
    }
  }

  form.addEventListener("input", tellCommand);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (worker !== null) return;
    if (chosen().levels.length === 0) {
      said.textContent = t("lab-exp-no-level");
      return;
    }
    [wanted, found] = [chosen(), []];
    [start.hidden, stop.hidden, csv.hidden] = [true, false, true];
    worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", hear);
    worker.addEventListener("error", () => finish("lab-exp-broken"));
    worker.postMessage(wanted);
    show();
  });
  stop.addEventListener("click", () => finish("lab-exp-stopped"));
  csv.addEventListener("click", () => {
    const lines = found.map((one) => `${one.level},${one.run},${one.nonce},${one.nonce},${one.seconds.toFixed(9)}`);
    save(`nonces-seed-${wanted.seed}.csv`, `level,run,attempts,nonce,seconds\n${lines.join("\n")}\n`, "text/csv");
  });
  tellCommand();
  show();
}
