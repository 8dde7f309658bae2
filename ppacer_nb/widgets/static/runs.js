// The latest runs, the newest first.

import { runPage } from "./choosing.js";
import { badge, progressBar, selectable } from "./controls.js";
import { attribute, h, keyed, visible } from "./dom.js";
import { age, elapsed, fullIn, growing, when } from "./time.js";

/** The table of runs. */
export function runsPanel({ model, select, ticker }) {
  const body = h("tbody");
  const head = ["State", "Run", "Type", "Logical date", "Tasks", "Duration", "Started"];
  const table = h(
    "table",
    { class: "pd-table pd-runs", "aria-label": "Latest runs" },
    h("thead", {}, h("tr", {}, ...head.map((name) => h("th", { scope: "col" }, name)))),
    body,
  );
  const empty = h("p", { class: "pd-empty" }, "No runs yet: press Trigger, or wait for the next schedule point.");
  const element = h(
    "section",
    { class: "pd-panel" },
    h("h3", {}, "Latest runs"),
    h("div", { class: "pd-scroll pd-scroll-runs" }, table),
    empty,
  );

  function make({ id, dag, name, type }) {
    const state = badge();
    const point = h("td", {});
    const bar = progressBar();
    const duration = h("td", { class: "pd-number-cell" });
    const started = h("td", { class: "pd-muted pd-number-cell" });
    const row = h(
      "tr",
      {},
      h("td", {}, state),
      h("td", { title: id }, h("div", { class: "pd-name" }, dag), h("div", { class: "pd-mono pd-muted" }, name)),
      h("td", { class: "pd-muted pd-type" }, type),
      point,
      h("td", {}, bar),
      duration,
      started,
    );
    row.update = (run) => {
      attribute(row, "aria-selected", String(model.get("selection").run_id === id));
      state.update(run.state);
      bar.update(run);
      attribute(point, "title", fullIn(run.point, zoneOf(model, dag)));
      ticker.show(point, (now) => when(run.point, now));
      ticker.show(duration, durationText(run, model.get("scheduler").running));
      const since = run.started ?? run.created;
      attribute(started, "title", fullIn(since, ""));
      ticker.show(started, (now) => age(since, now));
    };
    return selectable(row, () => select(runPage(id)));
  }

  function update() {
    const runs = model.get("runs");
    keyed(body, runs, (run) => run.id, make);
    visible(table, runs.length > 0);
    visible(empty, runs.length === 0);
  }
  return { element, traits: ["runs", "selection", "scheduler", "dags"], update };
}

/** Return a function of the time that gives how long a run or an attempt took, or takes. */
export function durationText({ started, ended }, running) {
  if (!started) return () => "";
  if (ended) return () => (ended < started ? "?" : elapsed(ended - started)); // the clock was put back
  return running ? (now) => growing(now - started) : () => "?";
}

/** Return the timezone of a DAG. */
export function zoneOf(model, dagId) {
  return model.get("dags").find((dag) => dag.id === dagId)?.zone ?? "";
}
