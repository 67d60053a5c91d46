// Draws a meter's course with uPlot in place of the server's still picture: any span from a minute to years, one quantity
// at a time, asked for in steps that fit the span, and carried on with live readings.
import { figure, listen } from "./live.js";

const section = document.getElementById("chart");
const labels = section && section.dataset.labels ? JSON.parse(section.dataset.labels) : null;
const SPAN_MIN_MS = 60_000;
/** A course that ends now is asked for again this often, where its steps are longer than a reading. */
const AGAIN_EVERY_MS = 20_000;

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

function begin() {
  const number = document.querySelector("[data-meter]").dataset.meter;
  const place = section.querySelector(".chart");
  const note = section.querySelector("[data-note]");
  const now = {
    from: Number(section.dataset.from),
    until: Number(section.dataset.until),
    show: labels.show,
    isNow: "now" in section.dataset,
    course: null,
    asked: 0,
    fetched: 0,
  };
  let plot;

  // What is asked for.
  async function load() {
    const asked = ++now.asked;
    let answer = null;
    try {
      const response = await fetch(`${section.dataset.source}?from=${now.from}&until=${now.until}`, { headers: { Accept: "application/json" } });
      if (response.ok) answer = await response.json();
    } catch {
      // Said below.
    }
    if (asked !== now.asked) return;
    now.fetched = performance.now();
    if (answer === null) {
      note.textContent = labels.lost;
      return;
    }
    now.course = answer;
    draw();
  }

  function go(from, until, isNow) {
    const span = Math.max(until - from, SPAN_MIN_MS);
    Object.assign(now, { from: Math.max(0, Math.round(until - span)), until: Math.round(until), isNow });
    for (const link of section.querySelectorAll("[data-span]")) mark(link, Number(link.dataset.span) === now.until - now.from);
    for (const one of section.querySelectorAll('[data-pan="1"]')) one.disabled = isNow;
    for (const link of section.querySelectorAll("[data-table]")) {
      const href = new URL(link.href);
      href.searchParams.set("from", now.from);
      href.searchParams.set("until", now.until);
      link.href = href;
    }
    return load();
  }

  const mark = (link, isIt) => (isIt ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current"));
  const newest = () => (section.dataset.newest ? Number(section.dataset.newest) + 1 : Number(section.dataset.until));

  // What is drawn.
  const quantity = () => labels.quantities[now.show];
  function fields() {
    const has = ([field]) => now.course.points.some((point) => point[field] !== undefined);
    const found = quantity().fields.filter(has);
    return found.length > 0 ? found : (quantity().otherwise ?? []).filter(has);
  }
  function data(shown) {
    const scale = 10 ** quantity().scale;
    const at = (point) => (point.time_ms + (now.show === "energy" ? point.time_ms : point.end_ms)) / 2000;
    const value = (field) => (point) => (point[field] === undefined ? null : point[field] / scale);
    return [now.course.points.map(at), ...shown.map(([field]) => now.course.points.map(value(field)))];
  }
  const size = () => ({ width: place.clientWidth, height: Math.max(220, Math.min(320, place.clientWidth * 0.42)) });
  const words = (number) => figure(number * 10 ** quantity().scale, quantity().scale, quantity().places);
  const value = (number) => (number === null || number === undefined ? "–" : `${words(number)} ${quantity().unit}`);

  function series(shown) {
    const isBars = shown[0]?.[0] === "energy_mwh";
    return shown.map(([field, name], at) => {
      const isMain = at === 0;
      const isCounter = field === "energy_import_mwh";
      return {
        label: shown.length > 1 ? name : isCounter ? name : quantity().name,
        stroke: color(isMain ? "--accent" : "--ink-3"),
        fill: isMain && quantity().zero && !isCounter ? color("--accent-soft") : undefined,
        width: isMain ? 2 : 1,
        dash: isMain ? undefined : [4, 3],
        paths: isBars ? window.uPlot.paths.bars({ size: [0.85, 48], align: 1 }) : undefined,
        points: { show: now.course.points.length < 3 },
        value: (_, number) => value(number),
      };
    });
  }

  function draw() {
    const shown = fields();
    plot?.destroy();
    plot = null;
    place.replaceChildren();
    tell(shown);
    if (shown.length === 0) return;
    const axis = { stroke: color("--ink-2"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1 } };
    const fromZero = quantity().zero && shown[0][0] !== "energy_import_mwh";
    plot = new window.uPlot(
      {
        ...size(),
        tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), labels.zone),
        axes: [{ ...axis, values: times }, { ...axis, size: 72, values: (_, ticks) => ticks.map((tick) => tick.toLocaleString("en", { maximumFractionDigits: 3 })) }],
        scales: {
          x: { range: () => [now.from / 1000, now.until / 1000] },
          y: fromZero ? { range: (_, least, most) => [Math.min(0, least), most * 1.08 || 1] } : {},
        },
        cursor: { drag: { x: true, y: false, setScale: false } },
        hooks: { setSelect: [zoom] },
        series: [{ label: labels.time, value: (_, seconds) => (seconds === null ? "–" : clock(seconds, true)) }, ...series(shown)],
      },
      data(shown),
      place,
    );
  }

  function zoom(drawn) {
    const { left, width } = drawn.select;
    if (width < 4) return;
    const [from, until] = [drawn.posToVal(left, "x") * 1000, drawn.posToVal(left + width, "x") * 1000];
    go(from, Math.max(until, from + SPAN_MIN_MS), false);
  }

  // Sweden writes dates as the rest of the page does: year, month, day.
  const clock = (seconds, full) =>
    new Intl.DateTimeFormat("sv-SE", {
      timeZone: labels.zone, hour12: false, hour: "2-digit", minute: "2-digit", second: "2-digit",
      ...(full ? { year: "numeric", month: "2-digit", day: "2-digit" } : {}),
    }).format(seconds * 1000);
  const part = (options) => new Intl.DateTimeFormat("zh-TW", { timeZone: labels.zone, hour12: false, ...options });
  function times(_, ticks) {
    const span = now.until - now.from;
    const day = { month: "2-digit", day: "2-digit" };
    const time = { hour: "2-digit", minute: "2-digit" };
    const format = part(span > 5 * 86_400_000 ? day : span > 86_400_000 * 1.2 ? { ...day, ...time } : span > 600_000 ? time : { ...time, second: "2-digit" });
    return ticks.map((tick) => format.format(tick * 1000));
  }

  /** The same sentence as the server's, of what is drawn now. */
  function tell(shown) {
    const scale = quantity().scale;
    const values = shown.length === 0 ? [] : now.course.points.map((point) => point[shown[0][0]]).filter((one) => one !== undefined);
    if (values.length === 0) {
      note.textContent = now.course.is_away ? labels.away : labels.empty;
      return;
    }
    const known = {
      count: values.length,
      quantity: quantity().name,
      from: clock(now.from / 1000, true),
      until: clock(now.until / 1000, true),
      least: figure(values.reduce((a, b) => Math.min(a, b)), scale, quantity().places),
      most: figure(values.reduce((a, b) => Math.max(a, b)), scale, quantity().places),
      unit: quantity().unit,
      step: labels.steps[now.course.step],
      source: labels.sources[now.course.source],
    };
    const text = labels.note.replace(/#([a-z]+)#/g, (whole, name) => String(known[name] ?? whole));
    note.textContent = now.course.is_away ? `${text} ${labels.away}` : text;
  }

  // What a person does.
  section.addEventListener("click", (event) => {
    const tool = event.target.closest("[data-span], [data-show], [data-pan]");
    if (!tool || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (tool.dataset.show) {
      now.show = tool.dataset.show;
      for (const link of section.querySelectorAll("[data-show]")) mark(link, link === tool);
      if (now.course) draw();
      return;
    }
    const span = tool.dataset.span ? Number(tool.dataset.span) : now.until - now.from;
    if (tool.dataset.span) {
      // Around what is looked at, but never beyond the newest.
      const until = now.isNow ? newest() : Math.min((now.from + now.until) / 2 + span / 2, newest());
      go(until - span, until, until >= newest());
      return;
    }
    const until = Math.min(now.until + Number(tool.dataset.pan) * span, newest());
    go(until - span, until, until >= newest());
  });

  section.querySelector("[data-zoom-hint]").hidden = false;
  new ResizeObserver(() => plot?.setSize(size())).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => now.course && draw());

  listen("reading", (reading) => {
    if (reading.meter !== number || reading.time_ms <= newest() - 1) return;
    section.dataset.newest = String(reading.time_ms);
    if (!now.isNow || now.course === null) return;
    const span = now.until - now.from;
    Object.assign(now, { from: reading.time_ms + 1 - span, until: reading.time_ms + 1 });
    if (now.course.step !== "reading") {
      if (performance.now() - now.fetched > AGAIN_EVERY_MS) load();
      return;
    }
    now.course.points.push({ ...reading, end_ms: reading.time_ms });
    while (now.course.points[0].time_ms < now.from) now.course.points.shift();
    const shown = fields();
    tell(shown);
    if (plot) plot.setData(data(shown));
    else draw();
  });
  load();
}

if (labels && window.uPlot) begin();
