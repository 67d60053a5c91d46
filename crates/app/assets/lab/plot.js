// Nonces over levels on a logarithmic axis: each block a dot, the theory a line, the paper's blocks crosses.
const WIDTH = 760;
const HEIGHT = 380;
const [LEFT, RIGHT, TOP, BOTTOM] = [76, 8, 12, 30];
/** The axis ends at 16^6, above what fifty blocks of level 5 come to. */
const POWERS = 6;

function svg(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const high = (nonce) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - Math.min(Math.log(nonce) / Math.log(16), POWERS) / POWERS);
const round = (value) => value.toFixed(1);

/**
 * @param {{level: number, theory: number, paper: number[], ours: number[]}[]} levels
 * @param {number} runs blocks that are looked for at each level
 */
export function plot(t, levels, runs) {
  const made = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "lab-plot", role: "img", "aria-label": t("lab-plot-label") });
  for (let power = 0; power <= POWERS; power++) {
    const y = round(high(16 ** power));
    made.append(svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y }));
    made.append(svg("text", { x: LEFT - 8, y, class: "tick-y" }, (16 ** power).toLocaleString("en")));
  }
  const column = (WIDTH - LEFT - RIGHT) / levels.length;
  levels.forEach(({ level, theory, paper, ours }, at) => {
    const [left, width] = [LEFT + at * column + 10, column - 20];
    const across = (index, count) => left + (width * (index + 0.5)) / Math.max(count, 1);
    made.append(svg("text", { x: round(left + width / 2), y: HEIGHT - 8, class: "tick-x" }, t("lab-level", { level })));
    for (const [index, nonce] of paper.entries()) made.append(cross(across(index, paper.length), high(nonce)));
    // At most some hundred dots a level: more would only hide each other.
    const every = Math.max(1, Math.ceil(ours.length / 200));
    for (let index = 0; index < ours.length; index += every) {
      made.append(svg("circle", { class: "ours", cx: round(across(index, runs)), cy: round(high(ours[index])), r: 2.6 }));
    }
    const bar = (kind, value) => made.append(svg("line", { class: kind, x1: round(left), x2: round(left + width), y1: round(high(value)), y2: round(high(value)) }));
    bar("theory", theory);
    bar("paper-mean", mean(paper));
    if (ours.length > 0) bar("ours-mean", mean(ours));
  });
  return made;
}

function cross(x, y) {
  return svg("path", { class: "paper", d: `M${round(x - 2.6)} ${round(y - 2.6)}l5.2 5.2m0 -5.2l-5.2 5.2` });
}
