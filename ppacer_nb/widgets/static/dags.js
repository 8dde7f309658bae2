// The DAGs: schedule, next point, and a button to trigger each. Choosing one narrows the runs to its own.

import { button, selectable } from "./controls.js";
import { attribute, h, keyed, text, visible } from "./dom.js";
import { age, fullIn, when } from "./time.js";

/** The list of DAGs. */
export function dagsPanel({ model, send, select, ticker }) {
  const list = h("div", { class: "pd-list", role: "listbox", "aria-label": "DAGs" });
  const empty = h("p", { class: "pd-empty" }, "No DAGs yet. Define one in a cell: ", h("code", {}, "with DAG(…)"));
  const element = h("section", { class: "pd-panel" }, h("h3", {}, "DAGs"), list, empty);

  function choose(id) {
    select({ tab: "dag", dag_id: id });
  }

  function make({ id }) {
    const schedule = h("span", { class: "pd-mono" });
    const next = h("span");
    const trigger = button("Trigger", () => send({ command: "trigger", dag_id: id }), {
      "aria-label": `Trigger ${id}`,
      title: `Run ${id} now`,
    });
    const about = h("div", { class: "pd-muted pd-dag-about" }, schedule, next);
    const row = h(
      "div",
      { class: "pd-item", role: "option" },
      h("div", { class: "pd-grow" }, h("div", { class: "pd-name" }, id), about),
      trigger,
    );
    row.update = (dag) => {
      attribute(row, "title", [dag.description, dag.tags.join(" ")].filter(Boolean).join("\n") || null);
      attribute(row, "aria-selected", String(model.get("selection").dag_id === id));
      text(schedule, dag.schedule || "only when triggered");
      attribute(schedule, "class", dag.schedule ? "pd-mono" : "");
      visible(trigger, dag.defined && model.get("scheduler").running);
      attribute(next, "class", dag.problem ? "pd-text-state ppacer-state-failed" : "");
      attribute(next, "title", dag.problem || (dag.next_at ? fullIn(dag.next_at, dag.zone) : null));
      ticker.show(next, (now) => nextText(dag, now));
    };
    return selectable(row, () => choose(id));
  }

  function update() {
    const dags = model.get("dags");
    keyed(list, dags, (dag) => dag.id, make);
    visible(empty, dags.length === 0);
  }
  return { element, traits: ["dags", "selection", "scheduler"], update };
}

function nextText(dag, now) {
  if (dag.problem) return "✗ stands still";
  if (!dag.defined) return "not defined in this session";
  if (!dag.next_at) return "";
  return `next ${when(dag.next_at, now)}, ${age(dag.next_at, Math.min(now, dag.next_at))}`;
}
