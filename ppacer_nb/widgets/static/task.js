// The chosen task: how it stands, and what can be done to it.

import { resultText, waitedText } from "./attempts.js";
import { WHOLE_RUN } from "./choosing.js";
import { badge, button, cellBar } from "./controls.js";
import { attribute, h, text, visible } from "./dom.js";
import { durationText } from "./runs.js";
import { steeringButtons } from "./steering.js";
import { age, fullIn, left } from "./time.js";

/** The task that was chosen in the graph, the chart or among the attempts. */
export function taskPanel({ model, send, select, ticker }) {
  const state = badge();
  const name = h("span", { class: "pd-name" });
  const detail = h("span", { class: "pd-muted" });
  const steering = steeringButtons(send);
  const close = button("Whole run", () => select(WHOLE_RUN), { class: "pd-button pd-quiet" });
  const [started, duration, waited, worker, rest] = [h("span"), h("span"), h("span"), h("span"), h("span")];
  const bar = cellBar();
  const facts = h("div", { class: "pd-facts pd-muted" }, started, duration, waited, worker);
  const progress = h("span");
  const result = h("div", { class: "pd-task-result" }, bar, progress, rest);
  const head = h(
    "div",
    { class: "pd-head" },
    h("div", { class: "pd-grow" }, h("div", { class: "pd-headline" }, state, name, detail), facts, result),
    h("div", { class: "pd-actions" }, steering.buttons, close),
    steering.question,
  );
  const element = h("section", { class: "pd-task", "aria-label": "Chosen task" }, head);

  function update() {
    const { task_id: id, attempt: number } = model.get("selection");
    const box = id === null ? undefined : (model.get("graph").boxes ?? []).find((one) => one.id === id);
    visible(element, box !== undefined);
    steering.update(box ? model.get("steering").task : []);
    if (!box) return;
    const known = model.get("tasks")[id];
    const of = model.get("attempts").filter((one) => one.task === id);
    const attempt = of.find((one) => one.attempt === number) ?? of[of.length - 1];
    visible(state, Boolean(known));
    if (known) state.update(known.state);
    text(name, id);
    const which = attempt?.attempt ? `attempt ${attempt.attempt}${of.length > 1 ? ` of ${of.length}` : ""}` : "";
    text(detail, [box.kind, known ? "" : "not started", which].filter(Boolean).join(", "));
    attribute(element, "class", `pd-task${known ? ` ppacer-state-${known.state}` : ""}`);
    visible(facts, Boolean(attempt?.started));
    visible(result, Boolean(attempt));
    if (attempt) show(attempt);
  }

  function show(it) {
    const { running } = model.get("scheduler");
    ticker.show(started, (now) => (it.started ? `started ${age(it.started, now)}` : ""));
    attribute(started, "title", it.started ? fullIn(it.started, "") : null);
    const long = durationText(it, running);
    ticker.show(duration, (now) => (long(now) ? `${it.ended ? "took" : "running for"} ${long(now)}` : ""));
    text(waited, waitedText(it) && `${waitedText(it)} for a worker`);
    text(worker, it.worker);
    bar.update(it.cells);
    ticker.show(progress, resultText(it));
    attribute(progress, "class", it.result ? "pd-mono pd-value" : "pd-muted");
    ticker.show(rest, (now) => (running ? left(it.started, it.usual, now) : ""));
  }
  return { element, traits: ["selection", "graph", "tasks", "attempts", "steering", "scheduler"], update };
}
