// The attempts of the selected run as a table; choosing one narrows the page to it.

import { WHOLE_RUN } from "./choosing.js";
import { badge, button, cellBar, selectable } from "./controls.js";
import { attribute, h, keyed, text, visible } from "./dom.js";
import { fileButton } from "./files.js";
import { durationText } from "./runs.js";
import { age, elapsed, left } from "./time.js";

const MOST = 100; // rows of which none is left out

/** The table of attempts. */
export function attemptsPanel({ model, send, select, ticker }) {
  const body = h("tbody");
  const head = ["State", "Task", "Attempt", "Duration", "Result", "Worker", "Files"];
  const table = h(
    "table",
    { class: "pd-table pd-attempts", "aria-label": "Attempts" },
    h("thead", {}, h("tr", {}, ...head.map((name) => h("th", { scope: "col" }, name)))),
    body,
  );
  const all = button("", () => {
    showsAll = !showsAll;
    update();
  }, { class: "pd-button pd-quiet" });
  const empty = h("p", { class: "pd-empty" }, "No task has started yet.");
  const title = h("div", { class: "pd-panel-head" }, h("h3", {}, "Attempts"), all);
  const element = h("section", {}, title, h("div", { class: "pd-scroll" }, table), empty);
  let showsAll = false;

  function choose(task, attempt) {
    const chosen = model.get("selection");
    const same = chosen.task_id === task && chosen.attempt === attempt;
    select(same ? WHOLE_RUN : { task_id: task, attempt });
  }

  function make({ task, attempt }) {
    const state = badge();
    const [long, waited] = [h("div"), h("div", { class: "pd-muted pd-small-text" })];
    const bar = cellBar();
    const [words, rest] = [h("span"), h("span", { class: "pd-muted pd-left" })];
    const result = h("td", { class: "pd-result" }, bar, words, rest);
    const worker = h("td", { class: "pd-muted pd-worker" });
    const files = h("td", { class: "pd-files" });
    const cells = [
      h("td", {}, state),
      h("td", { class: "pd-name" }, task),
      h("td", { class: "pd-number-cell" }, attempt === 0 ? "–" : String(attempt)),
      h("td", { class: "pd-number-cell" }, long, waited),
    ];
    const row = h("tr", {}, ...cells, result, worker, files);
    let shown = "";
    row.update = (it) => {
      const chosen = model.get("selection");
      const is = chosen.task_id === task && (chosen.attempt === null || chosen.attempt === attempt);
      attribute(row, "aria-selected", String(is));
      state.update(it.state, it.retried ? "retried" : undefined);
      ticker.show(long, durationText(it, model.get("scheduler").running));
      text(waited, waitedText(it));
      bar.update(it.cells);
      ticker.show(words, resultText(it));
      ticker.show(rest, (now) => (model.get("scheduler").running ? left(it.started, it.usual, now) : ""));
      attribute(result, "title", it.result || it.error || it.reason || null);
      attribute(words, "class", it.result ? "pd-mono" : "pd-muted");
      text(worker, it.worker);
      attribute(worker, "title", it.worker || null);
      const paths = JSON.stringify(it.files);
      if (paths !== shown) files.replaceChildren(...it.files.map((file) => fileButton(send, it, file)));
      shown = paths;
    };
    return selectable(row, () => choose(task, attempt));
  }

  function update() {
    const attempts = model.get("attempts");
    const few = shortened(attempts, model.get("selection"));
    const shown = showsAll ? attempts : few;
    keyed(body, shown, (it) => `${it.task}.${it.attempt}`, make);
    visible(all, few.length < attempts.length);
    text(all, showsAll ? "Show fewer" : `Show all ${attempts.length.toLocaleString("en-GB")}`);
    table.classList.toggle("pd-no-files", attempts.every((it) => it.files.length === 0));
    visible(table, attempts.length > 0);
    visible(empty, attempts.length === 0);
  }
  return { element, traits: ["attempts", "selection", "scheduler"], update };
}

/** Return the attempts to look at first, where there are many: those that did not go well, and the newest. */
function shortened(attempts, { task_id: chosen }) {
  if (attempts.length <= MOST) return attempts;
  const wrong = attempts.filter((it) => it.state !== "success" && it.state !== "skipped").slice(-MOST / 2);
  const kept = new Set([...wrong, ...attempts.slice(-MOST / 2), ...attempts.filter((it) => it.task === chosen)]);
  return attempts.filter((it) => kept.has(it));
}

/** Return how long an attempt waited for a worker, if that is worth a word. */
export function waitedText({ queued, started }) {
  return queued !== null && started !== null && started - queued >= 1000 ? `waited ${elapsed(started - queued)}` : "";
}

/** Return a function of the time that says what came of an attempt, or how far it is. */
export function resultText(it) {
  if (it.cells) return () => `cell ${it.cells[0]} of ${it.cells[1]}`;
  if (it.retry_at && !it.retried) {
    return (now) => `next attempt ${age(it.retry_at, Math.min(now, it.retry_at))}`;
  }
  return () => it.result || it.error || it.reason;
}
