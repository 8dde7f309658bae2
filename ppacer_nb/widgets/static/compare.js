// Two runs of a DAG side by side: how they ended, their params, their tasks, and what changed in between.

import { runPage } from "./choosing.js";
import { badge, button, wordOf } from "./controls.js";
import { differences } from "./difference.js";
import { attribute, h, text, visible } from "./dom.js";
import { durationText } from "./runs.js";
import { elapsed, fullIn, when } from "./time.js";

const NOTABLE = 0.1; // a duration that differs by less is the same

/** The comparison. */
export function comparePanels({ model, select, ticker }) {
  const sides = ["old", "new"].map((side) => runSide(side));
  const none = h("p", { class: "pd-empty" }, "There are no two runs of a DAG to compare yet.");
  const body = h("tbody");
  const heads = ["Task", "Before", "After", "Took before", "Took after", "Difference"];
  const table = h(
    "table",
    { class: "pd-table pd-compared-tasks", "aria-label": "Tasks of both runs" },
    h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)))),
    body,
  );
  const [params, changes] = [h("div", { class: "pd-changes" }), h("div", { class: "pd-changes" })];
  const both = h("div", { class: "pd-compared" }, ...sides.map((one) => one.element));
  const parts = h("div", {}, both, params, h("div", { class: "pd-scroll" }, table), changes);
  const element = h("section", { class: "pd-panel", "aria-label": "Two runs" }, parts, none);
  let shown = "";

  function runSide(side) {
    const list = h("select", { class: "pd-select", "aria-label": side === "old" ? "Earlier run" : "Later run" });
    list.addEventListener("change", () => {
      const it = model.get("comparison");
      select({ compared: side === "old" ? [list.value, it.new.id] : [it.old.id, list.value] });
    });
    const state = badge();
    const [made, took, version] = [h("span"), h("span"), h("span")];
    const open = button("Open", () => select(runPage(model.get("comparison")[side].id)), { class: "pd-button pd-quiet" });
    const facts = h("div", { class: "pd-facts pd-muted" }, made, took, version);
    const place = h("div", {}, list, h("div", { class: "pd-headline" }, state, open), facts);
    const update = (it) => {
      const run = it[side];
      const rows = it.candidates.some(([id]) => id === run.id) ? it.candidates : [[run.id, run.name, run.state], ...it.candidates];
      list.replaceChildren(...rows.map(([id, name, is]) => h("option", { value: id }, `${name} (${wordOf(is)})`)));
      list.value = run.id;
      state.update(run.state);
      ticker.show(made, (now) => `${run.dag}, made ${when(run.created, now)}`);
      attribute(made, "title", fullIn(run.created, ""));
      const long = durationText(run, model.get("scheduler").running);
      ticker.show(took, (now) => (long(now) ? `took ${long(now)}` : ""));
      text(version, `version ${run.version}`);
    };
    return { element: place, update };
  }

  function update() {
    const it = model.get("comparison");
    visible(parts, Boolean(it.new));
    visible(none, !it.new);
    const key = JSON.stringify(it);
    if (!it.new || key === shown) return;
    shown = key;
    for (const side of sides) side.update(it);
    body.replaceChildren(...it.tasks.map(taskRow));
    params.replaceChildren(...(it.params.length ? [h("h4", {}, "Params that differ"), ...it.params.map(paramLine)] : []));
    const title = it.old.version === it.new.version ? "Both ran the same version of the DAG." : "What changed in the DAG";
    changes.replaceChildren(h("h4", {}, title), ...differences(it.changes));
  }
  return [{ element, traits: ["comparison", "scheduler"], update }];
}

function taskRow({ id, old, new: newer, differs }) {
  const states = [old, newer].map((outcome) => h("td", {}, outcome ? stateOf(outcome) : "–"));
  const times = [old, newer].map((outcome) => h("td", { class: "pd-number-cell" }, took(outcome)));
  const cells = [h("td", { class: "pd-name" }, id), ...states, ...times, changeCell(old, newer)];
  return h("tr", { class: differs ? "pd-differs" : null }, ...cells);
}

function took(outcome) {
  return typeof outcome?.took === "number" ? elapsed(outcome.took) : "";
}

function stateOf({ state, error }) {
  const sign = badge();
  sign.update(state);
  return h("span", { title: error || null }, sign, error ? h("div", { class: "pd-result pd-muted" }, error) : null);
}

function changeCell(before, after) {
  const [old, newer] = [before?.took, after?.took];
  const isOpen = [before, after].some((outcome) => outcome?.state === "running");
  if (typeof old !== "number" || typeof newer !== "number" || old <= 0 || isOpen) return h("td");
  const share = newer / old - 1;
  if (Math.abs(share) < NOTABLE) return h("td", { class: "pd-muted" }, "about the same");
  const [sign, way] = share > 0 ? ["+", "▲ slower"] : ["−", "▼ quicker"];
  const words = `${way} by ${elapsed(Math.abs(newer - old))} (${sign}${Math.round(100 * Math.abs(share))}%)`;
  return h("td", { class: share > 0 ? "pd-slower" : "pd-quicker" }, words);
}

function paramLine([name, before, after]) {
  return h("div", { class: "pd-mono" }, `${name}: `, h("span", { class: "pd-muted" }, before || "none"), " → ", after || "none");
}
