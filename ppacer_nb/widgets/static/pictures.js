// The run as a graph or over time: one of the two is shown, as the viewer chooses.

import { attribute, h, visible } from "./dom.js";
import { ganttPanel } from "./gantt.js";
import { graphPanel } from "./graph.js";

/** The two pictures and the switch between them. */
export function picturePanels(context) {
  const panels = { Graph: graphPanel(context), Gantt: ganttPanel(context) };
  let shown = "Graph";
  const buttons = Object.keys(panels).map((name) => h("button", { type: "button", onclick: () => show(name) }, name));
  const choice = h("div", { class: "pd-segments", role: "group", "aria-label": "Picture of the run" }, ...buttons);
  const places = Object.values(panels).map((panel) => h("div", {}, panel.element));
  const element = h("div", { class: "pd-pictures" }, choice, ...places);

  function show(name) {
    shown = name;
    update();
    panels[name].update();
  }

  function update() {
    Object.keys(panels).forEach((name, number) => {
      attribute(buttons[number], "aria-pressed", String(name === shown));
      visible(places[number], name === shown);
    });
  }
  return [{ element, traits: [], update }, ...Object.values(panels)];
}
