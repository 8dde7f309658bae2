// The scheduler itself: whether it runs, for how long, the counters, what comes next, and the Stop button.

import { badge, button, confirmedButton, icon } from "./controls.js";
import { attribute, h, text, visible } from "./dom.js";
import { age, fullIn, when } from "./time.js";

const STATES = ["running", "queued", "success", "failed", "cancelled"];

/** The line about the scheduler, with the Stop button. */
export function headerPanel({ model, send, ticker }) {
  const dot = h("span", { class: "pd-dot", "aria-hidden": "true" });
  const title = h("span", { class: "pd-title" });
  const life = h("span", { class: "pd-muted" });
  const [since, process, notebook, store] = [h("span"), h("span"), h("span"), h("span")];
  const facts = h("div", { class: "pd-facts pd-muted" }, since, process, notebook, store);
  const stop = confirmedButton(
    "Stop scheduler",
    "Nothing more is started; what runs gets 30 seconds.",
    "Stop it",
    () => send({ command: "stop" }),
  );
  const stopping = h("span", { class: "pd-muted", role: "status" }, "Stopping: waiting for running tasks…");
  const element = h(
    "div",
    { class: "pd-head" },
    h("div", { class: "pd-grow" }, h("div", { class: "pd-headline" }, dot, title, life), facts),
    h("div", { class: "pd-actions" }, stopping, stop),
  );

  function update() {
    const it = model.get("scheduler");
    attribute(dot, "class", `pd-dot ${it.running ? "ppacer-state-success" : "ppacer-state-cancelled"}`);
    text(title, it.running ? "Scheduler running" : "Scheduler stopped");
    text(life, it.running ? lifetime(it) : "This is how things stood when it ended.");
    text(process, it.pid ? `process ${it.pid}` : "");
    text(notebook, it.notebook);
    text(store, it.store === "in memory" ? "history in memory only" : `history in ${it.store}`);
    ticker.show(since, it.since && it.running ? (now) => `since ${when(it.since, now)}` : () => "");
    const ending = model.get("stopping");
    visible(stop, it.running && !ending);
    visible(stopping, ending);
  }
  return { element, traits: ["scheduler", "stopping"], update };
}

/** What is wrong with the scheduler, and the last thing said to the viewer. */
export function noticePanel({ model, send }) {
  const problem = callout("failed", "alert");
  const notice = callout("info", "status");
  notice.append(button("Dismiss", () => send({ command: "dismiss" }), { class: "pd-button pd-quiet" }));
  const element = h("div", {}, problem, notice);

  function update() {
    problem.update(model.get("scheduler").problem, "failed");
    const said = model.get("notice");
    notice.update(said.text ?? "", said.kind ?? "info");
  }
  return { element, traits: ["scheduler", "notice"], update };
}

/** How many runs there are in each state, how busy the workers are, and the next schedule point. */
export function countersPanel({ model, ticker }) {
  const tiles = STATES.map((state) => {
    const label = badge();
    label.update(state);
    return { state, ...tile(label) };
  });
  const tasks = tile("tasks running");
  const waiting = tile("waiting for a worker");
  const next = tile("next schedule point");
  next.element.classList.add("pd-wide");
  const inWhat = h("span", { class: "pd-muted" });
  next.value.after(inWhat);
  const element = h(
    "div",
    { class: "pd-tiles", role: "group", "aria-label": "Counters" },
    ...tiles.map(({ element: one }) => one),
    tasks.element,
    waiting.element,
    next.element,
  );

  function update() {
    const it = model.get("scheduler");
    for (const one of tiles) {
      text(one.value, (it.runs?.[one.state] ?? 0).toLocaleString("en-GB"));
      one.element.classList.toggle("pd-zero", !it.runs?.[one.state]);
    }
    text(tasks.value, it.running ? `${it.busy} of ${it.workers}` : "–");
    attribute(tasks.element, "title", `${it.busy} tasks run; there are ${it.workers} workers`);
    text(waiting.value, it.running ? String(it.waiting) : "–");
    if (it.next_at) {
      attribute(next.element, "title", `${it.next_dag}\n${fullIn(it.next_at, "")}`);
      ticker.show(next.value, (now) => age(it.next_at, Math.min(now, it.next_at)));
      ticker.show(inWhat, (now) => `${it.next_dag}, ${when(it.next_at, now)}`);
    } else {
      attribute(next.element, "title", null);
      ticker.show(next.value, () => "–");
      ticker.show(inWhat, () => (it.running ? "no DAG is due" : ""));
    }
  }
  return { element, traits: ["scheduler"], update };
}

function lifetime(it) {
  if (it.here) return "Scheduling lasts as long as this kernel lives.";
  return `Scheduling lasts as long as process ${it.pid} lives.`;
}

function tile(label) {
  const value = h("div", { class: "pd-number" });
  return { value, element: h("div", { class: "pd-tile" }, h("div", { class: "pd-label" }, label), value) };
}

function callout(state, role) {
  const sign = icon(16);
  const words = h("div", { class: "pd-grow" });
  const element = h("div", { role, hidden: "" }, sign, words);
  element.update = (sentence, kind) => {
    attribute(element, "class", `pd-callout ppacer-state-${kind}`);
    sign.update(kind);
    text(words, sentence);
    visible(element, sentence !== "");
  };
  element.update("", state);
  return element;
}
