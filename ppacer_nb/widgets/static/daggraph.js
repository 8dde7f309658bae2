// The graph of a DAG's newest version: what is usual for each task is in its tooltip.

import { h } from "./dom.js";
import { graphPanel } from "./graph.js";

/** The graph; choosing a task shows its durations. */
export function dagGraphPanel({ model, select }) {
  const traits = { graph: "dag_graph", tasks: "dag_tasks" };
  // To the graph this is a page of its own, on which the task is chosen whose durations are shown.
  const get = (name) => {
    if (name === "selection") return { task_id: model.get("selection").dag_task, attempt: null };
    return model.get(traits[name] ?? name);
  };
  const graph = graphPanel({ model: { get }, select: ({ task_id }) => select({ dag_task: task_id }) });
  const element = h("section", { class: "pd-panel pd-dag-graph" }, h("h3", {}, "Graph"), graph.element);
  return { element, traits: ["dag_graph", "dag_tasks", "selection"], update: graph.update };
}
