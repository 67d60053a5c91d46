// What happens now, without a reload: the newest values of the meters, and fresh parts of the page when a block comes.
// Other modules listen to the same connection through `listen`.

const formats = new Map();

/** An integer of 10^-scale as text with `places` decimals, as the server writes it. */
export function figure(value, scale, places) {
  if (!formats.has(places)) {
    formats.set(places, new Intl.NumberFormat("en", { minimumFractionDigits: places, maximumFractionDigits: places }));
  }
  const text = formats.get(places).format(Number(value) / 10 ** scale);
  return /^-[0.,]*$/.test(text) ? text.slice(1) : text.replace("-", "\u2212");
}

// A gateway's own site has no events; its page asks for itself anew, and that tells of the connection.
const address = document.body.dataset.events;
const source = address ? new EventSource(address) : new EventTarget();

// A page that is left may be kept for the way back, its connection with it, and a browser opens only six to a server:
// the seventh page would wait for ever. What comes back is asked for anew.
addEventListener("pagehide", () => source.close?.());
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

/** Calls `heard` with the parsed data of every event of this name. */
export function listen(name, heard) {
  source.addEventListener(name, (event) => heard(JSON.parse(event.data)));
}

// The connection, shown in words.
const offline = document.getElementById("offline");
let wasLost = false;
function showConnection(open) {
  for (const place of document.querySelectorAll("[data-link-state]")) {
    place.dataset.state = open ? "open" : "lost";
    place.querySelector("span").textContent = open ? place.dataset.open : place.dataset.lost;
  }
  if (offline) offline.hidden = open;
}
source.addEventListener("open", () => {
  showConnection(true);
  if (wasLost) refreshSoon();
  wasLost = false;
});
source.addEventListener("error", () => {
  wasLost = true;
  showConnection(false);
  // A refusal ends the source for good; a broken connection it mends itself.
  if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 15000);
});

if (!address) document.addEventListener("htmx:afterRequest", ({ detail }) => showConnection(detail.successful));

// Parts that htmx can ask for anew are, at most every two seconds, and not while the reader is in them.
const REFRESH_EVERY_MS = 2000;
let refreshed = 0;
let waiting = false;
function refreshSoon() {
  if (waiting || document.hidden) return;
  waiting = true;
  setTimeout(() => {
    waiting = false;
    refreshed = performance.now();
    for (const part of document.querySelectorAll('[hx-trigger="refresh"]')) {
      if (!part.contains(document.activeElement)) window.htmx.trigger(part, "refresh");
    }
  }, Math.max(100, refreshed + REFRESH_EVERY_MS - performance.now()));
}
for (const name of ["block", "final", "voltage", "month_closed", "finding"]) listen(name, refreshSoon);
document.addEventListener("visibilitychange", refreshSoon);
listen("accepted", () => {
  for (const place of document.querySelectorAll("[data-pool]")) {
    place.textContent = figure(Number(place.textContent.replaceAll(",", "")) + 1, 0, 0);
  }
});

// Live values of meters.
const powers = new Map();
listen("reading", (reading) => {
  powers.set(reading.meter, reading.active_power_mw ?? 0);
  const card = document.querySelector(`[data-meter="${CSS.escape(reading.meter)}"]`);
  if (card) showReading(card, reading);
  const together = document.querySelector("[data-community-power]");
  const meters = document.querySelectorAll("[data-meter]").length;
  if (together && powers.size >= meters) {
    together.textContent = figure([...powers.values()].reduce((sum, power) => sum + power, 0), 3, 0);
  }
});

function showReading(card, reading) {
  for (const place of card.querySelectorAll("[data-q]")) {
    const value = reading[place.dataset.q];
    if (value !== undefined) place.textContent = figure(value, Number(place.dataset.scale), Number(place.dataset.places));
  }
  for (const place of card.querySelectorAll("[data-since]")) {
    if (place.dataset.since !== "" && reading.energy_import_mwh !== undefined) {
      const difference = (reading.energy_import_mwh - Number(place.dataset.since)) * Number(card.dataset.factor || 1);
      place.textContent = figure(Math.max(0, difference), 6, 3);
    }
  }
  for (const age of card.querySelectorAll("[data-age]")) {
    // A value that this reading lacks stays as old as it is.
    if (age.dataset.of && reading[age.dataset.of] === undefined) continue;
    age.dataset.ageMs = "0";
    age.dataset.at = String(performance.now());
    age.dataset.quality = "live";
  }
  const spark = card.querySelector("[data-spark]");
  if (spark && reading.active_power_mw !== undefined) drawSpark(spark, reading.active_power_mw);
}

const SPARK_POINTS = 120;
function drawSpark(svg, value) {
  const values = [...svg.dataset.spark.split(",").filter(Boolean).map(Number), value].slice(-SPARK_POINTS);
  svg.dataset.spark = values.join(",");
  if (values.length < 2) return;
  const least = Math.min(0, ...values);
  const most = Math.max(least + 1, ...values);
  const points = values.map((v, at) => `${((120 * at) / (values.length - 1)).toFixed(1)} ${((40 * (most - v)) / (most - least)).toFixed(1)}`);
  const line = `M${points.join("L")}`;
  svg.querySelector(".line").setAttribute("d", line);
  svg.querySelector(".area").setAttribute("d", `${line}L120 40L0 40Z`);
}

// Ages count on by themselves.
const ages = JSON.parse(document.body.dataset.ages);
const STALE_AFTER_MS = 60000;
setInterval(() => {
  for (const place of document.querySelectorAll("[data-age]")) {
    if (place.dataset.ageMs === "") continue;
    place.dataset.at ??= String(performance.now());
    const age = Number(place.dataset.ageMs) + performance.now() - Number(place.dataset.at);
    const seconds = Math.floor(age / 1000);
    const [words, count] =
      seconds < 1 ? [ages[0], 0]
      : seconds < 60 ? [ages[1], seconds]
      : seconds < 3600 ? [ages[2], Math.floor(seconds / 60)]
      : [ages[3], Math.floor(seconds / 3600)];
    const text = words.replace("#", count);
    if (age > STALE_AFTER_MS) place.dataset.quality = "stale";
    const shown = place.querySelector("[data-age-text]");
    if (shown.textContent !== text) shown.textContent = text;
  }
}, 1000);
