// The page of a DAG: its head, and below it how it has run so far and the forms to run it.

import { dagBackfillPanel } from "./dagbackfill.js";
import { dagDurationsPanel } from "./dagdurations.js";
import { dagFormPanel } from "./dagform.js";
import { dagGraphPanel } from "./daggraph.js";
import { dagGridPanel } from "./daggrid.js";
import { dagHeadPanel } from "./daghead.js";
import { dagVersionsPanel } from "./dagversions.js";
import { h, visible } from "./dom.js";

/** One DAG with all its parts. */
export function dagPanels(context) {
  const { model } = context;
  const form = dagFormPanel(context);
  const backfill = dagBackfillPanel(context);
  const head = dagHeadPanel(context, { openForm: form.open, openBackfill: backfill.open });
  const parts = [head, form, backfill, ...[dagGridPanel, dagDurationsPanel, dagGraphPanel, dagVersionsPanel].map((make) => make(context))];
  const empty = h("p", { class: "pd-empty" }, "No DAGs yet. Define one in a cell: ", h("code", {}, "with DAG(…)"));
  const element = h(
    "section",
    { class: "pd-dag", "aria-label": "Selected DAG" },
    ...parts.map((part) => part.element),
    empty,
  );
  const whole = {
    element,
    traits: ["dag"],
    update() {
      const known = Boolean(model.get("dag").id);
      for (const part of parts) part.element.classList.toggle("pd-gone", !known);
      visible(empty, !known);
    },
  };
  return [whole, ...parts];
}
