// Draws a meter's course with uPlot in place of the server's still picture, and carries it on with live readings.
import { figure, listen } from "./live.js";

const section = document.getElementById("chart");
const labels = section && section.dataset.labels ? JSON.parse(section.dataset.labels) : null;
const POINTS_MAX = 2000;

const color = (name) => {
  // light-dark() values have to be resolved by the browser.
  const probe = document.createElement("i");
  probe.className = "visually-hidden";
  section.append(probe);
  probe.style.color = `var(${name})`;
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
};

async function begin() {
  const answer = await fetch(section.dataset.source, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const rows = (await answer.json()).items;
  const place = section.querySelector(".chart");
  const tools = section.querySelector(".chart-tools");
  let chosen = labels.series[0];
  let plot;

  const data = () => {
    const held = rows.filter((row) => row[chosen[0]] !== undefined);
    return [held.map((row) => row.time_ms / 1000), held.map((row) => row[chosen[0]] / 10 ** chosen[3])];
  };
  const size = () => ({ width: place.clientWidth, height: Math.max(220, Math.min(320, place.clientWidth * 0.42)) });
  const value = (number) => (number === null ? "–" : `${figure(number * 10 ** chosen[3], chosen[3], chosen[4])} ${chosen[2]}`);
  const draw = () => {
    plot?.destroy();
    place.replaceChildren();
    const axis = { stroke: color("--ink-2"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1 } };
    const fromZero = chosen[0] === "active_power_mw" || chosen[0] === "current_ua";
    plot = new window.uPlot(
      {
        ...size(),
        tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), labels.zone),
        fmtDate: (template) => window.uPlot.fmtDate(template),
        axes: [{ ...axis, values: times }, { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => tick.toLocaleString("en")) }],
        scales: { y: fromZero ? { range: (_, least, most) => [Math.min(0, least), most * 1.08 || 1] } : {} },
        series: [
          { label: labels.time, value: (_, seconds) => (seconds === null ? "–" : clock(seconds, true)) },
          { label: chosen[1], stroke: color("--accent"), fill: color("--accent-soft"), width: 2, points: { show: false }, value: (_, number) => value(number) },
        ],
      },
      data(),
      place,
    );
  };
  const clock = (seconds, full) =>
    new Intl.DateTimeFormat("zh-TW", {
      timeZone: labels.zone, hour12: false, hour: "2-digit", minute: "2-digit",
      ...(full ? { second: "2-digit", month: "2-digit", day: "2-digit" } : {}),
    }).format(seconds * 1000);
  const times = (_, ticks) => ticks.map((tick) => clock(tick, false));

  // A course takes two points; a meter whose first interval is not booked yet has them from live readings.
  const start = () => {
    for (const series of labels.series) {
      if (!rows.some((row) => row[series[0]] !== undefined)) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = series[1];
      button.setAttribute("aria-pressed", String(series === chosen));
      button.addEventListener("click", () => {
        chosen = series;
        for (const other of tools.children) other.setAttribute("aria-pressed", String(other === button));
        draw();
      });
      tools.append(button);
    }
    tools.hidden = false;
    draw();
    new ResizeObserver(() => plot.setSize(size())).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  };
  if (rows.length >= 2) start();

  const number = document.querySelector("[data-meter]").dataset.meter;
  if (new URLSearchParams(location.search).has("until")) return;
  listen("reading", (reading) => {
    if (reading.meter !== number || reading.time_ms <= (rows.at(-1)?.time_ms ?? 0)) return;
    rows.push(reading);
    if (rows.length > POINTS_MAX) rows.shift();
    if (plot) plot.setData(data());
    else if (rows.length >= 2) start();
  });
}

if (labels && window.uPlot) begin();
