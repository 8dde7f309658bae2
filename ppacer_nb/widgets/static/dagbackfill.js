// Backfills of a DAG: a form that shows first what it would run, and how far those under way have come.

import { button, confirmedButton } from "./controls.js";
import { field } from "./dagform.js";
import { attribute, h, keyed, text, visible } from "./dom.js";
import { age, when } from "./time.js";

const RERUN = ["dates without a run", "those and failed ones", "all dates"];
const RERUN_VALUES = ["none", "failed", "all"];
const LEFT_OUT = { succeeded: "succeeded", failed: "failed", unfinished: "unfinished", "to come": "still to come by schedule" };
let made = 0;

/** The form and the list; `open()` shows the form. */
export function dagBackfillPanel({ model, send, ticker }) {
  const first = field({ name: "first date", kind: "date", default: "" });
  const last = field({ name: "last date", kind: "date", default: "" });
  const rerun = field({ name: "run", kind: "choice", choices: RERUN, default: RERUN[0] });
  const atOnce = field({ name: "runs at a time", kind: "int", low: 1, high: null, default: "1" });
  const problem = h("span", { class: "pd-problem ppacer-state-failed", role: "alert" });
  const plan = h("div", { class: "pd-plan", role: "status" });
  const preview = button("Preview", () => submit(true));
  const start = button("Start", () => submit(false), { class: "pd-button pd-primary" });
  const close = button("Close", () => visible(form, false));
  const fields = [first, last, rerun, atOnce];
  const form = h(
    "div",
    { class: "pd-backfill-form", role: "group", "aria-label": "Backfill" },
    h("div", { class: "pd-fields pd-fields-small" }, ...fields.map((one) => one.element)),
    problem,
    plan,
    h("div", { class: "pd-actions pd-form-actions" }, preview, start, close),
  );
  visible(form, false);
  const list = h("div", { role: "list", "aria-label": "Backfills" });
  const element = h("section", { class: "pd-panel pd-form" }, h("h3", {}, "Backfills"), form, list);
  let asked = 0;
  form.addEventListener("input", () => forget());
  form.addEventListener("keydown", (event) => {
    event.stopPropagation(); // what is typed here is no shortcut of JupyterLab
    if (event.key === "Escape") visible(form, false);
    if (event.key === "Enter" && event.target.tagName === "INPUT") submit(true);
  });

  /** A plan is of what was asked for: after a change there is none to start. */
  function forget() {
    asked = 0;
    plan.replaceChildren();
    text(problem, "");
    visible(start, false);
  }

  function submit(dry) {
    made += 1;
    asked = made;
    text(problem, "");
    const values = { first: first.value(), last: last.value(), rerun: RERUN_VALUES[RERUN.indexOf(rerun.value())], concurrency: atOnce.value() };
    send({ command: "backfill", form: asked, dag_id: model.get("dag").id, dry_run: dry, ...values });
  }

  function hear(message) {
    if (message.command !== "backfill_answer" || message.form !== asked) return;
    text(problem, message.problem);
    plan.replaceChildren(...(message.plan ? planLines(message.plan) : []));
    visible(start, Boolean(message.plan?.count) && !message.begun);
    if (message.begun) visible(form, false);
  }

  function make({ id, dag }) {
    const done = h("span", { class: "pd-bar-part ppacer-state-success" });
    const failed = h("span", { class: "pd-bar-part ppacer-state-failed" });
    const bar = h("span", { class: "pd-bar pd-wide-bar", role: "progressbar", "aria-valuemin": 0 }, done, failed);
    const words = h("span", { class: "pd-name" });
    const span = h("span", { class: "pd-muted" });
    const ask = (command) => () => send({ command, dag_id: dag });
    const pause = button("Pause", ask("pause_backfill"));
    const resume = button("Resume", ask("resume_backfill"));
    const cancel = confirmedButton("Cancel", "Its runs under way are stopped.", "Cancel it", ask("cancel_backfill"));
    const row = h(
      "div",
      { class: "pd-backfill", role: "listitem" },
      h("div", { class: "pd-grow" }, h("div", {}, words), span),
      bar,
      h("div", { class: "pd-actions" }, pause, resume, cancel),
    );
    attribute(row, "title", id);
    row.update = (it) => {
      const { running } = model.get("scheduler");
      const open = it.state === "running" || it.state === "paused";
      done.style.width = `${(100 * it.succeeded) / Math.max(1, it.runs)}%`;
      failed.style.width = `${(100 * it.failed) / Math.max(1, it.runs)}%`;
      attribute(bar, "aria-valuemax", it.runs);
      attribute(bar, "aria-valuenow", it.succeeded + it.failed);
      attribute(bar, "aria-label", `${it.succeeded + it.failed} of ${it.runs} runs ended, ${it.failed} failed`);
      const wrong = it.failed ? `, ${it.failed} failed` : "";
      text(words, `${it.state}: ${it.succeeded + it.failed} of ${it.runs} runs${wrong}`);
      ticker.show(span, (now) => `${when(it.first, now)} to ${when(it.last, now)}, ${it.concurrency} at a time, begun ${age(it.created, now)}, ${it.reason}`);
      visible(pause, running && it.state === "running");
      visible(resume, running && it.state === "paused");
      visible(cancel, running && open);
    };
    return row;
  }

  function update() {
    const backfills = model.get("dag_backfills");
    keyed(list, backfills, ({ id }) => id, make);
    const { id, zone, defined, schedule } = model.get("dag");
    if (form.ppacerDag !== id) {
      form.ppacerDag = id;
      for (const one of fields) one.reset();
      visible(form, false);
      forget();
    }
    for (const one of [first, last]) one.note(zone ?? "");
    visible(element, backfills.length > 0 || !form.hidden);
    if (!defined || !schedule) visible(form, false);
  }
  const panel = {
    element,
    traits: ["dag_backfills", "dag", "scheduler"],
    update,
    hear,
    open() {
      visible(element, true);
      visible(form, true);
      first.focus();
    },
  };
  forget();
  return panel;
}

function planLines({ count, first, last, points, skipped, concurrency }) {
  const runs = `${count.toLocaleString("en-GB")} run${count === 1 ? "" : "s"}`;
  const head = count
    ? `${runs}, ${concurrency} at a time, from ${when(first)} to ${when(last)}.`
    : "There is nothing to run: choose other dates, or run those with a run again.";
  const lines = [h("div", { class: "pd-name" }, head)];
  if (count) {
    const chips = points.map((point) => h("span", { class: "pd-chip" }, when(point)));
    if (count > points.length) chips.push(h("span", { class: "pd-muted" }, `and ${(count - points.length).toLocaleString("en-GB")} more`));
    lines.push(h("div", { class: "pd-params" }, ...chips));
  }
  const out = Object.entries(skipped).map(([why, number]) => `${number.toLocaleString("en-GB")} ${LEFT_OUT[why] ?? why}`);
  if (out.length) lines.push(h("div", { class: "pd-muted" }, `Left out: ${out.join(", ")}.`));
  return lines;
}
