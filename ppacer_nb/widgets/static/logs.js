// The log of the selected run, task or attempt. It follows while its end is in view.

import { WHOLE_RUN } from "./choosing.js";
import { button } from "./controls.js";
import { h, keyed, text, visible } from "./dom.js";
import { clock, fullIn } from "./time.js";

const TONES = { INFO: "info", WARNING: "warning", ERROR: "failed", CRITICAL: "failed", STDERR: "warning" };

/** The log. */
export function logsPanel({ model, select }) {
  const title = h("h3", {});
  const all = button("Whole run", () => select(WHOLE_RUN), { class: "pd-button pd-quiet" });
  const lines = h("div", { class: "pd-log", role: "log", "aria-label": "Log", tabindex: 0 });
  const empty = h("p", { class: "pd-empty" }, "No log lines.");
  const element = h("section", {}, h("div", { class: "pd-panel-head" }, title, all), lines, empty);

  function update() {
    const records = model.get("logs");
    const { task_id: task, attempt } = model.get("selection");
    const of = attempt === null ? task : `${task}, attempt ${attempt}`;
    text(title, task ? `Log of ${of}` : "Log");
    visible(all, Boolean(task));
    const following = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 30;
    keyed(lines, records, (record) => record.key, (record) => logLine(record));
    lines.classList.toggle("pd-log-of-one", Boolean(task));
    visible(lines, records.length > 0);
    visible(empty, records.length === 0);
    if (following) lines.scrollTop = lines.scrollHeight;
  }
  return { element, traits: ["logs", "selection"], update };
}

function logLine({ at, task, attempt, level, message, attributes }) {
  const tone = TONES[level.toUpperCase()];
  const words = attributes.flatMap(([name, value]) => [" ", h("span", { class: "pd-muted" }, `${name}=${value}`)]);
  return h(
    "div",
    { class: tone ? `pd-line ppacer-state-${tone}` : "pd-line" },
    h("span", { class: "pd-line-time", title: fullIn(at, "") }, clock(at)),
    h("span", { class: "pd-line-level" }, level),
    h("span", { class: "pd-line-task", title: `${task}, attempt ${attempt}` }, task),
    h("span", { class: "pd-line-message" }, message, ...words),
  );
}
