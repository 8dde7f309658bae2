// How long runs took over time, with what was usual until then: a band for eight of ten, a line for the median.

import { runPage } from "./choosing.js";
import { wordOf } from "./controls.js";
import { attribute, h, keyed, svg, text, visible } from "./dom.js";
import { elapsed, when } from "./time.js";

const [HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [170, 64, 16, 20, 22];
const WHOLE = ""; // the choice that is no task

/** The chart, of whole runs or of one task. */
export function dagDurationsPanel({ model, select }) {
  const chooser = h("select", { class: "pd-select pd-small-select", "aria-label": "Durations of", onchange: () => select({ dag_task: chooser.value || null }) });
  const summary = h("span", { class: "pd-muted pd-small-text" });
  const chart = h("div", { class: "pd-chart" });
  const empty = h("p", { class: "pd-empty" }, "Nothing has ended yet.");
  const element = h(
    "section",
    { class: "pd-panel" },
    h("div", { class: "pd-panel-head" }, h("h3", {}, "Durations"), h("span", { class: "pd-grow" }, summary), chooser),
    chart,
    empty,
  );
  let drawn = "";
  new ResizeObserver(update).observe(chart);

  function update() {
    const { tasks = [], task, points = [] } = model.get("dag_durations");
    keyed(chooser, [WHOLE, ...tasks], String, (id) => h("option", { value: id }, id || "whole runs"));
    if (chooser.value !== (task ?? WHOLE)) chooser.value = task ?? WHOLE;
    visible(chart, points.length > 0);
    visible(empty, points.length === 0);
    text(summary, summaryOf(points));
    const key = JSON.stringify([chart.clientWidth, points]);
    if (key === drawn || !chart.clientWidth) return;
    drawn = key;
    chart.replaceChildren(draw(points, chart.clientWidth, (run) => select(task ? { ...runPage(run), task_id: task } : runPage(run))));
    attribute(chart.firstChild, "aria-label", `Durations of ${task ?? "whole runs"}. ${summaryOf(points)}`);
  }
  return { element, traits: ["dag_durations"], update };
}

function summaryOf(points) {
  const usual = points.at(-1)?.usual;
  if (!usual) return points.length ? "too few successes to say what is usual" : "";
  const [low, middle, high] = usual.map((seconds) => elapsed(seconds * 1000));
  const slow = points.filter((point) => point.slow).length;
  return `usually ${middle}, eight times in ten ${low} to ${high}${slow ? ` · ${slow} slow` : ""}`;
}

function draw(points, width, open) {
  const most = Math.max(...points.map(({ seconds, usual }) => Math.max(seconds, usual?.[2] ?? 0)), 0.01);
  const [step, top] = scaleOf(most);
  const place = (number) => LEFT + ((number + 0.5) * (width - LEFT - RIGHT)) / points.length;
  const level = (seconds) => HEIGHT - BOTTOM - (seconds / top) * (HEIGHT - TOP - BOTTOM);
  const lines = [];
  for (let seconds = 0; seconds <= top + step / 2; seconds += step) {
    lines.push(svg("line", { class: "pd-chart-line", x1: LEFT - 6, x2: width - RIGHT, y1: level(seconds), y2: level(seconds) }));
    lines.push(svg("text", { x: LEFT - 10, y: level(seconds) + 4, "text-anchor": "end" }, axisText(seconds)));
  }
  const known = points.map((point, number) => ({ x: place(number), usual: point.usual })).filter(({ usual }) => usual);
  const path = (rank) => known.map(({ x, usual }) => `${x.toFixed(1)} ${level(usual[rank]).toFixed(1)}`);
  const picture = svg("svg", { width, height: HEIGHT, role: "img" }, ...lines);
  if (known.length) {
    picture.append(svg("path", { class: "pd-chart-band", d: `M${path(2).join("L")}L${path(0).reverse().join("L")}Z` }));
    picture.append(svg("path", { class: "pd-chart-median", d: `M${path(1).join("L")}` }));
  }
  let labelled = -Infinity; // where the last label ends
  points.forEach((point, number) => {
    const [x, y] = [place(number), level(point.seconds)];
    picture.append(markOf(point, x, y, open));
    const label = point.slow ? elapsed(point.seconds * 1000) : "";
    if (!label || x - 30 < labelled) return;
    labelled = x + 30;
    const anchor = x > width - 60 ? "end" : "middle";
    picture.append(svg("text", { class: "pd-chart-label", x, y: y - 9, "text-anchor": anchor }, label));
  });
  picture.append(...datesOf(points, place));
  return picture;
}

/** A dot for a success, a diamond for a slow one, a cross for a failure, a square for what else there is. */
function markOf(point, x, y, open) {
  const shape = { failed: "M-4-4 4 4M4-4-4 4", success: point.slow ? "M0-6 6 0 0 6-6 0Z" : "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0" };
  const words = `${wordOf(point.state)}${point.slow ? ", slow" : ""}, ${elapsed(point.seconds * 1000)}`;
  const usual = point.usual ? `\nusually ${elapsed(point.usual[1] * 1000)} until then` : "";
  return svg(
    "g",
    { class: `pd-chart-mark ppacer-state-${point.slow && point.state === "success" ? "warning" : point.state}`, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, onclick: () => open(point.run) },
    svg("title", {}, `${when(point.at)}: ${words}${usual}`),
    svg("circle", { r: 8, class: "pd-chart-target" }),
    svg("path", { d: shape[point.state] ?? "M-3.5-3.5H3.5V3.5H-3.5Z", class: point.state === "failed" ? "pd-chart-cross" : "" }),
  );
}

function datesOf(points, place) {
  const dates = [];
  let free = -Infinity;
  points.forEach(({ at }, number) => {
    const x = place(number);
    if (x < free) return;
    free = x + 84;
    const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" }).format(at);
    dates.push(svg("text", { x, y: HEIGHT - 6, "text-anchor": "middle" }, date));
  });
  return dates;
}

/** Return the distance of the axis's lines, and its end, in seconds. */
function scaleOf(most) {
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200];
  const step = steps.find((one) => most / one <= 4) ?? Math.ceil(most / 4 / 86400) * 86400;
  return [step, Math.ceil(most / step) * step];
}

function axisText(seconds) {
  if (seconds < 60) return `${Number(seconds.toFixed(2))} s`;
  if (seconds < 3600) return `${Number((seconds / 60).toFixed(1))} min`;
  return `${Number((seconds / 3600).toFixed(1))} h`;
}
