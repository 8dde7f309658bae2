// The overview: counters, what runs, what failed lately and what comes next, the DAGs, the latest runs.

import { runPage } from "./choosing.js";
import { badge, button, icon, progressBar, selectable } from "./controls.js";
import { dagsPanel } from "./dags.js";
import { attribute, h, keyed, svg, text, visible } from "./dom.js";
import { countersPanel } from "./header.js";
import { durationText, runsPanel, zoneOf } from "./runs.js";
import { age, fullIn, when } from "./time.js";

const HOUR = 3_600_000;
const HOURS = 24;

/** What is going on. */
export function overviewPanels(context) {
  const makers = [countersPanel, trendPanel, openPanel, failedPanel, upcomingPanel, dagsPanel, runsPanel];
  const panels = makers.map((make) => make(context));
  const [counters, trend, open, failed, upcoming, dags, runs] = panels.map((panel) => panel.element);
  const element = h(
    "div",
    {},
    counters,
    h("div", { class: "pd-now" }, trend, open, failed, upcoming),
    h("div", { class: "pd-columns" }, dags, runs),
  );
  return [{ element, traits: [], update() {} }, ...panels];
}

/** How the runs of the last day ended, a bar for each hour. */
function trendPanel({ model, ticker }) {
  const summary = h("span", { class: "pd-muted" });
  const bars = svg("svg", { class: "pd-trend", viewBox: "0 0 240 56", preserveAspectRatio: "none", role: "img" });
  const times = h("div", { class: "pd-trend-times pd-muted" }, h("span", {}, "24 h ago"), h("span", {}, "now"));
  const element = smallPanel("Last 24 hours", summary, bars, times);
  let drawn = "";

  function draw() {
    const hours = new Map((model.get("going_on").hours ?? []).map(([hour, ...counts]) => [hour, counts]));
    const last = Math.floor(Date.now() / HOUR) * HOUR;
    const key = `${last} ${JSON.stringify([...hours])}`;
    if (key === drawn) return summary.textContent;
    drawn = key;
    const counts = Array.from({ length: HOURS }, (_, place) => hours.get(last - (HOURS - 1 - place) * HOUR) ?? [0, 0]);
    const most = Math.max(1, ...counts.map(([good, bad]) => good + bad));
    const [good, bad] = [0, 1].map((which) => counts.reduce((sum, count) => sum + count[which], 0));
    const all = (good + bad).toLocaleString("en-GB");
    const words = good + bad ? `${all} ended, ${Math.floor((100 * good) / (good + bad))}% well` : "no run ended";
    attribute(bars, "aria-label", words);
    const base = svg("line", { class: "pd-trend-base", x1: 0, x2: 240, y1: 55.5, y2: 55.5 });
    bars.replaceChildren(...counts.map((count, place) => bar(place, count, most)), base);
    return words;
  }
  return { element, traits: ["going_on"], update: () => ticker.show(summary, draw) };
}

function bar(place, [good, bad], most) {
  const [x, tall, low] = [place * 10 + 1, (54 * good) / most, (54 * bad) / most];
  const group = svg("g", {}, svg("title", {}, `${good} ended well, ${bad} did not`));
  if (good) group.append(svg("rect", { class: "ppacer-state-success", x, y: 55 - tall, width: 8, height: tall }));
  if (bad) group.append(svg("rect", { class: "ppacer-state-failed", x, y: 55 - tall - low, width: 8, height: low }));
  return group;
}

/** The runs that have not ended. */
function openPanel({ model, select, ticker }) {
  const list = h("div", { role: "list", "aria-label": "Running now" });
  const none = h("p", { class: "pd-empty" }, "Nothing runs.");
  const element = smallPanel("Running now", null, list, none);

  function make({ id, dag }) {
    const [state, bar, time] = [badge(), progressBar(), h("span", { class: "pd-muted" })];
    const row = line(state, h("span", { class: "pd-name", title: id }, dag), bar, time);
    row.update = (run) => {
      state.update(run.state);
      bar.update(run);
      const long = durationText(run, model.get("scheduler").running);
      ticker.show(time, (now) => long(now) || "waits");
    };
    return selectable(row, () => select(runPage(id)));
  }

  function update() {
    const { open = [] } = model.get("going_on");
    keyed(list, open, (run) => run.id, make);
    visible(none, open.length === 0);
  }
  return { element, traits: ["going_on", "scheduler"], update };
}

/** What failed in the last days, and why. */
function failedPanel({ model, send, select, ticker }) {
  const list = h("div", { role: "list", "aria-label": "Failed lately" });
  const none = h("p", { class: "pd-empty" }, "Nothing failed in the last seven days.");
  const element = smallPanel("Failed lately", null, list, none);

  function make({ id, dag }) {
    const sign = icon();
    sign.update("failed");
    const [why, time] = [h("div", { class: "pd-why" }), h("span", { class: "pd-muted" })];
    const restart = button("Restart", () => send({ command: "restart", run_id: id }), { "aria-label": `Restart ${id}` });
    const words = h("div", { class: "pd-grow" }, h("div", {}, h("span", { class: "pd-name" }, dag), " ", time), why);
    const row = line(sign, words, restart);
    row.update = (run) => {
      text(why, run.why);
      attribute(why, "title", run.why || null);
      ticker.show(time, (now) => age(run.ended ?? run.created, now));
      const known = model.get("dags").find((one) => one.id === dag);
      visible(restart, model.get("scheduler").running && Boolean(known?.defined));
    };
    return selectable(row, () => select(runPage(id)));
  }

  function update() {
    const { failed = [] } = model.get("going_on");
    keyed(list, failed, (run) => run.id, make);
    visible(none, failed.length === 0);
  }
  return { element, traits: ["going_on", "scheduler", "dags"], update };
}

/** The next schedule points of all DAGs. */
function upcomingPanel({ model, select, ticker }) {
  const list = h("div", { role: "list", "aria-label": "Coming next" });
  const none = h("p", { class: "pd-empty" }, "No DAG is due.");
  const element = smallPanel("Coming next", null, list, none);

  function make([id, millis]) {
    const [clock, left] = [h("span", { class: "pd-when" }), h("span", { class: "pd-muted" })];
    const row = line(clock, h("span", { class: "pd-name" }, id), left);
    attribute(row, "title", fullIn(millis, zoneOf(model, id)));
    ticker.show(clock, (now) => when(millis, now));
    ticker.show(left, (now) => age(millis, Math.min(now, millis)));
    return selectable(row, () => select({ tab: "dag", dag_id: id }));
  }

  function update() {
    const { upcoming = [] } = model.get("going_on");
    keyed(list, upcoming, ([id, millis]) => `${id} ${millis}`, make);
    visible(none, upcoming.length === 0);
  }
  return { element, traits: ["going_on", "dags"], update };
}

function smallPanel(title, beside, ...children) {
  const head = h("div", { class: "pd-panel-head" }, h("h3", {}, title), beside);
  return h("section", { class: "pd-panel pd-small-panel", "aria-label": title }, head, ...children);
}

function line(...children) {
  return h("div", { class: "pd-item pd-line-item", role: "listitem" }, ...children);
}
