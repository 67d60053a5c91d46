// The search as it goes on: its speed every second, and fresh lists when something comes in.
import { figure, listen } from "./live.js";

const mining = document.getElementById("mining");
const EVERY_MS = 1000;

async function show() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/api/v1/status", { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const status = (await answer.json()).mining;
    for (const place of mining.querySelectorAll("[data-mining]")) {
      const value = status[place.dataset.mining];
      const text = words(place.dataset.mining, value, status);
      if (place.textContent !== text) place.textContent = text;
    }
  } catch {
    // The connection's state says it already.
  }
}

function words(name, value, status) {
  if (name === "automatic") return value ? mining.dataset.on : mining.dataset.off;
  if (name === "searching") return value ? mining.dataset.searching : mining.dataset.idle;
  return name === "mean_attempts" && status.blocks === 0 ? "–" : figure(value, 0, 0);
}

if (mining) {
  setInterval(show, EVERY_MS);
  for (const name of ["accepted", "dropped"]) {
    listen(name, () => {
      const pool = document.getElementById("pool");
      if (pool && !pool.contains(document.activeElement)) window.htmx.trigger(pool, "refresh");
    });
  }
}
