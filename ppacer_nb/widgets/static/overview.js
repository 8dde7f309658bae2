// The overview: counters, the DAGs, the latest runs.

import { dagsPanel } from "./dags.js";
import { h } from "./dom.js";
import { countersPanel } from "./header.js";
import { runsPanel } from "./runs.js";

/** What is going on. */
export function overviewPanels(context) {
  const [counters, dags, runs] = [countersPanel, dagsPanel, runsPanel].map((make) => make(context));
  const element = h("div", {}, counters.element, h("div", { class: "pd-columns" }, dags.element, runs.element));
  return [{ element, traits: [], update() {} }, counters, dags, runs];
}
