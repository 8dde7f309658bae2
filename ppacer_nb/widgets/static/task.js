// The chosen task: how it stands, and what can be done to it.

import { WHOLE_RUN } from "./choosing.js";
import { badge, button } from "./controls.js";
import { attribute, h, text, visible } from "./dom.js";
import { steeringButtons } from "./steering.js";

/** The task that was chosen in the graph or among the attempts. */
export function taskPanel({ model, send, select }) {
  const state = badge();
  const name = h("span", { class: "pd-name" });
  const detail = h("span", { class: "pd-muted" });
  const steering = steeringButtons(send);
  const close = button("Whole run", () => select(WHOLE_RUN), { class: "pd-button pd-quiet" });
  const head = h(
    "div",
    { class: "pd-head" },
    h("div", { class: "pd-grow pd-headline" }, state, name, detail),
    h("div", { class: "pd-actions" }, steering.buttons, close),
    steering.question,
  );
  const element = h("section", { class: "pd-task", "aria-label": "Chosen task" }, head);

  function update() {
    const { task_id: id, attempt } = model.get("selection");
    const box = id === null ? undefined : (model.get("graph").boxes ?? []).find((one) => one.id === id);
    visible(element, box !== undefined);
    steering.update(box ? model.get("steering").task : []);
    if (!box) return;
    const known = model.get("tasks")[id];
    visible(state, Boolean(known));
    if (known) state.update(known.state);
    text(name, id);
    text(detail, [box.kind, known ? "" : "not started", attempt ? `attempt ${attempt}` : ""].filter(Boolean).join(", "));
    attribute(element, "class", `pd-task${known ? ` ppacer-state-${known.state}` : ""}`);
  }
  return { element, traits: ["selection", "graph", "tasks", "steering"], update };
}
