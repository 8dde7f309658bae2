// The attempts of the selected run, and why those that failed did.

import { WHOLE_RUN } from "./choosing.js";
import { badge, selectable } from "./controls.js";
import { attribute, h, keyed, text, visible } from "./dom.js";
import { fileButton } from "./files.js";
import { durationText } from "./runs.js";
import { age, when } from "./time.js";

/** What went wrong, the failed tasks first, each with its traceback to unfold. */
export function errorsPanel({ model, ticker }) {
  const list = h("div");
  const more = h("p", { class: "pd-muted" });
  const element = h("div", {}, list, more);

  function make() {
    const state = badge();
    const title = h("span", { class: "pd-name" });
    const retry = h("span", { class: "pd-muted" });
    const message = h("div", { class: "pd-error-message" });
    const trace = h("pre", { class: "pd-trace", tabindex: 0 });
    const unfold = h("details", {}, h("summary", {}, "Traceback"), trace);
    const held = h("div", { class: "pd-error-message pd-muted" });
    const row = h("div", {}, h("div", { class: "pd-error-head" }, state, title, retry), message, unfold, held);
    row.update = (error) => {
      attribute(row, "class", `pd-callout pd-error ppacer-state-${error.state}`);
      state.update(error.state);
      text(title, `${error.task}, attempt ${error.attempt}`);
      ticker.show(retry, error.retry_at ? (now) => `next attempt ${age(error.retry_at, Math.min(now, error.retry_at))}` : () => "");
      text(message, error.message);
      text(trace, error.traceback);
      visible(unfold, error.traceback !== "");
      ticker.show(held, (now) => heldText(error.held, now));
    };
    return row;
  }

  function update() {
    const { errors = [], more_errors: rest = 0 } = model.get("run");
    keyed(list, errors, (error) => `${error.task}.${error.attempt}`, make);
    text(more, rest ? `and ${rest} more tasks that failed: choose one in the graph for its log` : "");
    visible(element, errors.length > 0);
  }
  return { element, traits: ["run"], update };
}

/** How to look into the kernel of a failed attempt and go on, as long as it stays. */
function heldText(held, now) {
  if (!held || held.until <= now) return "";
  return `Its kernel stays until ${when(held.until, now)}.\nLook into it: ${held.look}\nGo on in it: ${held.resume}`;
}

/** The table of attempts; choosing one narrows the log to it. */
export function attemptsPanel({ model, send, select, ticker }) {
  const body = h("tbody");
  const head = ["State", "Task", "Attempt", "Duration", "Result", "Worker", "Files"];
  const table = h(
    "table",
    { class: "pd-table pd-attempts", "aria-label": "Attempts" },
    h("thead", {}, h("tr", {}, ...head.map((name) => h("th", { scope: "col" }, name)))),
    body,
  );
  const empty = h("p", { class: "pd-empty" }, "No task has started yet.");
  const element = h("section", {}, h("h3", {}, "Attempts"), h("div", { class: "pd-scroll" }, table), empty);

  function choose(task, attempt) {
    const chosen = model.get("selection");
    const same = chosen.task_id === task && chosen.attempt === attempt;
    select(same ? WHOLE_RUN : { task_id: task, attempt });
  }

  function make({ task, attempt }) {
    const state = badge();
    const duration = h("td", { class: "pd-number-cell" });
    const result = h("td", { class: "pd-result" });
    const worker = h("td", { class: "pd-muted" });
    const files = h("td", {});
    const number = attempt === 0 ? "–" : String(attempt);
    const row = h(
      "tr",
      {},
      h("td", {}, state),
      h("td", { class: "pd-name" }, task),
      h("td", { class: "pd-number-cell" }, number),
      duration,
      result,
      worker,
      files,
    );
    let shown = "";
    row.update = (it) => {
      const chosen = model.get("selection");
      const is = chosen.task_id === task && (chosen.attempt === null || chosen.attempt === attempt);
      attribute(row, "aria-selected", String(is));
      state.update(it.state, it.retried ? "retried" : undefined);
      ticker.show(duration, durationText(it, model.get("scheduler").running));
      ticker.show(result, resultText(it));
      attribute(result, "title", it.result || it.error || it.reason || null);
      attribute(result, "class", it.result ? "pd-result pd-mono" : "pd-result pd-muted");
      text(worker, it.worker);
      const paths = JSON.stringify(it.files);
      if (paths !== shown) files.replaceChildren(...it.files.map((file) => fileButton(send, it, file)));
      shown = paths;
    };
    return selectable(row, () => choose(task, attempt));
  }

  function update() {
    const attempts = model.get("attempts");
    keyed(body, attempts, (it) => `${it.task}.${it.attempt}`, make);
    table.classList.toggle("pd-no-files", attempts.every((it) => it.files.length === 0));
    visible(table, attempts.length > 0);
    visible(empty, attempts.length === 0);
  }
  return { element, traits: ["attempts", "selection", "scheduler"], update };
}

function resultText(it) {
  if (it.cells) return () => `cell ${it.cells[0]} of ${it.cells[1]}`;
  if (it.retry_at && !it.retried) {
    return (now) => `next attempt ${age(it.retry_at, Math.min(now, it.retry_at))}`;
  }
  return () => it.result || it.error || it.reason;
}
