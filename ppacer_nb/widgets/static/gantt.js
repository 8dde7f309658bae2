// The attempts of the selected run over time: a row for each task, of which only those in view are drawn.

import { makeAxis } from "./axis.js";
import { icon, wordOf } from "./controls.js";
import { attribute, h, keyed, text, visible } from "./dom.js";
import { clock, elapsed, fullIn, growing } from "./time.js";

const ROW = 28; // pixels, as in the style
const BEYOND = 6; // rows drawn above and below those in view
const WIDE_ENOUGH = 52; // for a duration inside a bar
const ATTEMPTS_IN_TIP = 5;

/** The chart; `update` is called when it is shown too. */
export function ganttPanel({ model, select }) {
  const axisLine = h("div", { class: "pd-gantt-axis", "aria-hidden": "true" });
  const zone = h("div", { class: "pd-gantt-zone pd-muted" });
  const grid = h("div", { class: "pd-gantt-grid", "aria-hidden": "true" });
  const rows = h("div", { class: "pd-gantt-rows", role: "listbox", "aria-label": "Attempts over time" });
  const view = h("div", { class: "pd-gantt-view" }, grid, rows);
  const tip = h("div", { class: "pd-tip", role: "tooltip", hidden: "" });
  const empty = h("p", { class: "pd-empty" }, "No task has started yet.");
  const legend = h("div", { class: "pd-gantt-legend pd-muted", "aria-hidden": "true" }, ...legendParts());
  const element = h("div", { class: "pd-gantt" }, zone, axisLine, view, legend, tip, empty);
  let tasks = []; // {id, attempts}, in the order of the graph
  let axis = null;
  let timer = null;
  let focused = 0;

  view.addEventListener("scroll", () => {
    drawRows();
    const row = rows.querySelector(":focus-visible");
    if (row) showTip(row);
    else visible(tip, false);
  });
  view.addEventListener("mousemove", (event) => {
    const row = event.target.closest(".pd-gantt-row");
    if (row) showTip(row, event.clientX);
    else visible(tip, false);
  });
  view.addEventListener("mouseleave", () => visible(tip, false));
  view.addEventListener("focusout", () => visible(tip, false));
  rows.addEventListener("keydown", onKey);
  new ResizeObserver(() => draw()).observe(view);

  function choose(id) {
    const same = model.get("selection").task_id === id;
    select({ task_id: same ? null : id, attempt: null });
  }

  function onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -tasks.length, End: tasks.length }[event.key];
    if (event.key === "Enter" || event.key === " ") choose(tasks[focused].id);
    else if (event.key === "Escape") visible(tip, false);
    else if (step) focus(Math.min(tasks.length - 1, Math.max(0, focused + step)));
    else return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab's own shortcuts listen above
  }

  function focus(number) {
    focused = number;
    const top = number * ROW;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + ROW > view.scrollTop + view.clientHeight) view.scrollTop = top + ROW - view.clientHeight;
    drawRows();
    rowOf(number)?.focus({ preventScroll: true });
  }

  function rowOf(number) {
    return [...rows.children].find((row) => row.ppacerKey === tasks[number]?.id);
  }

  function make({ id }) {
    const sign = icon(12);
    const name = h("span", { class: "pd-gantt-name" }, h("span", { class: "pd-gantt-sign" }, sign), h("span", {}, id));
    const bars = h("div", { class: "pd-gantt-bars" });
    const row = h("div", { class: "pd-gantt-row", role: "option" }, name, bars);
    row.addEventListener("click", () => choose(id));
    row.addEventListener("focus", () => {
      focused = tasks.findIndex((task) => task.id === id);
      if (row.matches(":focus-visible")) showTip(row);
    });
    row.update = ({ number, attempts }) => {
      row.style.top = `${number * ROW}px`;
      attribute(row, "tabindex", number === focused ? 0 : -1);
      attribute(row, "aria-selected", String(model.get("selection").task_id === id));
      const state = model.get("tasks")[id]?.state;
      attribute(sign, "visibility", state ? null : "hidden");
      if (state) sign.update(state);
      const now = Date.now();
      keyed(bars, axis ? barsOf(attempts, model.get("scheduler").running) : [], (bar) => bar.key, makeBar);
      for (const bar of bars.children) bar.put(axis, now);
      attribute(row, "aria-label", [id, state ? wordOf(state) : "not started", ...attempts.slice(-ATTEMPTS_IN_TIP).map(attemptText)].join(", "));
      attribute(row, "aria-posinset", number + 1);
      attribute(row, "aria-setsize", tasks.length);
    };
    return row;
  }

  function drawRows() {
    if (!element.isConnected || view.clientHeight === 0) return;
    const first = Math.max(0, Math.floor(view.scrollTop / ROW) - BEYOND);
    const last = Math.ceil((view.scrollTop + view.clientHeight) / ROW) + BEYOND;
    const drawn = tasks.map((task, number) => ({ ...task, number })).filter(({ number }) => (number >= first && number < last) || number === focused);
    keyed(rows, drawn, (task) => task.id, make);
  }

  function draw() {
    const stretches = model.get("stretches");
    const width = rows.clientWidth - nameWidth();
    if (!element.isConnected || width <= 0) return;
    axis = stretches.length ? makeAxis(stretches, Date.now(), width - 8) : null;
    const ticks = axis?.ticks ?? [];
    const left = nameWidth();
    axisLine.replaceChildren(
      ...ticks.filter((tick) => tick.label).map((tick) => h("span", { style: `left: ${left + tick.x}px` }, tick.label)),
    );
    grid.style.height = `${tasks.length * ROW}px`;
    grid.replaceChildren(
      ...ticks.map((tick) => h("span", { class: "pd-gantt-tick", style: `left: ${left + tick.x}px` })),
      ...(axis?.cuts ?? []).map((cut) =>
        h("span", { class: "pd-gantt-cut", style: `left: ${left + cut.x}px; width: ${cut.width}px` }, `${short(cut.to - cut.from)}`),
      ),
    );
    drawRows();
  }

  function nameWidth() {
    return Math.round(Math.min(230, Math.max(110, rows.clientWidth * 0.24)));
  }

  function showTip(row, x) {
    const task = tasks.find(({ id }) => id === row.ppacerKey);
    if (!task) return;
    const left = task.attempts.length - ATTEMPTS_IN_TIP;
    tip.replaceChildren(
      h("div", { class: "pd-name" }, task.id),
      ...(left > 0 ? [h("div", { class: "pd-muted" }, `${left} earlier attempts`)] : []),
      ...task.attempts.slice(-ATTEMPTS_IN_TIP).map(tipLine),
      ...(task.attempts.length ? [] : [h("div", { class: "pd-muted" }, "not started")]),
    );
    visible(tip, true);
    const [box, place] = [element.getBoundingClientRect(), row.getBoundingClientRect()];
    const wanted = (x ?? box.left + nameWidth()) - box.left + 14;
    tip.style.left = `${Math.max(0, Math.min(wanted, box.width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${place.bottom - box.top + 4}px`;
  }

  function update() {
    const byTask = new Map();
    for (const attempt of model.get("attempts")) {
      if (!byTask.has(attempt.task)) byTask.set(attempt.task, []);
      byTask.get(attempt.task).push(attempt);
    }
    tasks = (model.get("graph").tasks ?? [...byTask.keys()]).map((id) => ({ id, attempts: byTask.get(id) ?? [] }));
    focused = Math.min(focused, Math.max(0, tasks.length - 1));
    const stretches = model.get("stretches");
    rows.style.height = `${tasks.length * ROW}px`;
    rows.style.setProperty("--pd-names", `${nameWidth()}px`);
    text(zone, stretches.length ? Intl.DateTimeFormat().resolvedOptions().timeZone : "");
    attribute(zone, "title", stretches.length ? fullIn(stretches[0][0], "") : null);
    for (const part of [zone, axisLine, view, legend]) visible(part, stretches.length > 0);
    visible(empty, stretches.length === 0);
    draw();
    const grows = stretches.some(([, to]) => to === null) && model.get("scheduler").running;
    if (grows && timer === null) timer = setInterval(tick, 1000);
    if (!grows) stop();
  }

  function tick() {
    if (element.isConnected) draw();
    else stop();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
  }
  return { element, traits: ["graph", "tasks", "attempts", "stretches", "selection", "scheduler"], update };
}

/** Return what is drawn of the attempts of a task: waiting for a worker, running, waiting for a retry. */
function barsOf(attempts, running) {
  const bars = [];
  attempts.forEach((one, place) => {
    const { attempt, state, queued, started, ended, retry_at: retryAt } = one;
    if (started === null) return;
    const key = `${attempt}.${started}`;
    if (queued !== null && queued < started) bars.push({ key: `q${key}`, kind: "queued", from: queued, to: started });
    const number = attempts.length > 1 ? attempt : null;
    bars.push({ key: `r${key}`, kind: "run", state, number, from: started, to: ended ?? (running ? null : started) });
    if (retryAt === null || ended === null) return;
    const next = attempts[place + 1];
    const until = next ? (next.queued ?? next.started) : retryAt;
    if (until !== null && until > ended) bars.push({ key: `w${key}`, kind: "wait", from: ended, to: until });
  });
  if (bars.length) bars[bars.length - 1].isLast = true;
  return bars;
}

function makeBar(first) {
  const label = h("span", { class: "pd-gantt-label" });
  const bar = h("div", {}, label);
  let it = first;
  bar.update = (latest) => {
    it = latest;
  };
  bar.put = (axis, now) => {
    const to = it.to ?? Math.max(now, it.from);
    const [left, right] = [axis.place(it.from), axis.place(to)];
    const width = Math.max(it.kind === "run" ? 4 : 1, right - left);
    bar.style.left = `${left}px`;
    bar.style.width = `${width}px`;
    const inside = width >= WIDE_ENOUGH;
    attribute(bar, "class", `pd-gantt-bar pd-gantt-${it.kind}${it.state ? ` ppacer-state-${it.state}` : ""}${inside ? "" : " pd-gantt-narrow"}`);
    const long = it.to === null ? growing(to - it.from) : elapsed(to - it.from);
    const shown = it.kind === "run" && (inside || it.isLast);
    text(label, shown ? (it.number ? `${it.number}: ${long}` : long) : "");
  };
  return bar;
}

function tipLine(one) {
  const sign = icon(12);
  sign.update(one.state);
  return h("div", { class: `pd-tip-line ppacer-state-${one.state}` }, sign, h("span", {}, attemptText(one)));
}

/** Return an attempt in words, with its times. */
function attemptText({ attempt, state, retried, queued, started, ended, retry_at: retryAt }) {
  const parts = [attempt ? `attempt ${attempt} ${retried && state === "up_for_retry" ? "retried" : wordOf(state)}` : wordOf(state)];
  if (started !== null) {
    if (queued !== null && started - queued >= 10) parts.push(`waited ${elapsed(started - queued)} for a worker`);
    if (ended !== null) parts.push(`ran ${elapsed(ended - started)}, ${clock(started)} to ${clock(ended)}`);
    else parts.push(`runs for ${growing(Date.now() - started)}, since ${clock(started)}`);
  }
  if (retryAt !== null) parts.push(`retry due ${clock(retryAt)}`);
  return parts.join("; ");
}

function legendParts() {
  const words = { queued: "waits for a worker", run: "runs", wait: "waits for its retry" };
  return Object.entries(words).map(([kind, word]) => h("span", {}, h("i", { class: `pd-gantt-bar pd-gantt-${kind} ppacer-state-success` }), word));
}

function short(millis) {
  const hours = millis / 3_600_000;
  if (hours >= 48) return `${Math.round(hours / 24)} d`;
  return hours >= 1 ? `${Math.round(hours)} h` : `${Math.max(1, Math.round(hours * 60))} min`;
}
