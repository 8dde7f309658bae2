// The selected run: what it is, what went wrong, its graph, attempts and log.

import { attemptsPanel } from "./attempts.js";
import { runPage } from "./choosing.js";
import { badge, button } from "./controls.js";
import { attribute, h, text, visible } from "./dom.js";
import { errorsPanel } from "./errors.js";
import { viewerPanel } from "./files.js";
import { logsPanel } from "./logs.js";
import { picturePanels } from "./pictures.js";
import { durationText, zoneOf } from "./runs.js";
import { steeringButtons } from "./steering.js";
import { taskPanel } from "./task.js";
import { age, fullIn, when } from "./time.js";

/** The selected run with all its parts. */
export function runPanels(context) {
  const pictures = picturePanels(context); // the first holds the others
  const [errors, task, attempts, viewer, logs] = [errorsPanel, taskPanel, attemptsPanel, viewerPanel, logsPanel].map((p) => p(context));
  const parts = [runHeader(context), errors, pictures[0], task, attempts, viewer, logs];
  const empty = h("p", { class: "pd-empty" }, "A run's graph, attempts and log appear here.");
  const element = h(
    "section",
    { class: "pd-panel pd-run", "aria-label": "Selected run" },
    ...parts.map((part) => part.element),
    empty,
  );
  const whole = {
    element,
    traits: ["run"],
    update() {
      const known = Boolean(context.model.get("run").id);
      for (const part of parts) part.element.classList.toggle("pd-gone", !known);
      visible(empty, !known);
    },
  };
  return [whole, ...parts, ...pictures.slice(1)];
}

function runHeader({ model, send, select, ticker }) {
  const state = badge();
  const name = h("span", { class: "pd-title" });
  const id = h("span", { class: "pd-mono pd-muted" });
  const point = h("span");
  const started = h("span");
  const duration = h("span");
  const version = h("span");
  const params = h("div", { class: "pd-params" });
  const reason = h("div", { class: "pd-muted" });
  const follow = button("Follow the latest", () => select(runPage(null)), { class: "pd-button pd-quiet" });
  const following = h("span", { class: "pd-muted pd-small-text" }, "following the latest run");
  const steering = steeringButtons(send);
  const facts = h("div", { class: "pd-facts pd-muted" }, point, started, duration, version);
  const about = h("div", { class: "pd-grow" }, h("div", { class: "pd-headline" }, state, name, id), facts, params, reason);
  const actions = h("div", { class: "pd-actions" }, following, follow, steering.buttons);
  const element = h("div", { class: "pd-head" }, about, actions, steering.question);

  function update() {
    const run = model.get("run");
    if (!run.id) return;
    const follows = model.get("selection").run_id === null;
    const { running } = model.get("scheduler");
    state.update(run.state);
    text(name, run.dag);
    text(id, run.name);
    ticker.show(point, (now) => `${run.type}, for ${when(run.point, now)}`);
    attribute(point, "title", fullIn(run.point, zoneOf(model, run.dag)));
    ticker.show(started, (now) => (run.started ? `started ${age(run.started, now)}` : "waits to start"));
    attribute(started, "title", run.started ? fullIn(run.started, "") : null);
    const long = durationText(run, running);
    ticker.show(duration, (now) => (long(now) ? `${run.finished ? "took" : "running for"} ${long(now)}` : ""));
    text(version, `version ${run.version}`);
    params.replaceChildren(...run.params.map(([key, value]) => h("span", { class: "pd-chip pd-mono" }, `${key} = ${value}`)));
    text(reason, run.reason);
    steering.update(model.get("steering").run);
    visible(follow, !follows);
    visible(following, follows);
  }
  return { element, traits: ["run", "selection", "scheduler", "dags", "steering"], update };
}
