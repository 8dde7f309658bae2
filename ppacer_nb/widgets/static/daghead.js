// The head of a DAG's page: which one, when it runs and in words, its next points, and the pause switch.

import { button, icon } from "./controls.js";
import { attribute, h, keyed, text, visible } from "./dom.js";
import { age, fullIn, when } from "./time.js";

/** What the DAG is, with a list to choose another one. */
export function dagHeadPanel({ model, send, select, ticker }, { openForm, openBackfill }) {
  const chooser = h("select", { class: "pd-select pd-title", "aria-label": "DAG", onchange: () => select({ dag_id: chooser.value }) });
  const name = h("span", { class: "pd-title" });
  const description = h("p", { class: "pd-dag-description" });
  const tags = h("div", { class: "pd-params", role: "list", "aria-label": "Tags" });
  const pause = pauseSwitch((paused) => send({ command: "pause", dag_id: model.get("dag").id, paused }));
  const trigger = button("Trigger", () => send({ command: "trigger", dag_id: model.get("dag").id }));
  const form = button("Trigger with…", openForm, { "aria-label": "Trigger with parameters" });
  const backfill = button("Backfill…", openBackfill);
  const notes = h("div");
  const words = h("span", { class: "pd-words" });
  const written = h("span", { class: "pd-mono pd-muted" });
  const zone = h("span", { class: "pd-muted" });
  const state = h("span", { class: "pd-muted" });
  const points = h("ol", { class: "pd-points", "aria-label": "Next schedule points" });
  const none = h("span", { class: "pd-muted" });
  const element = h(
    "header",
    {},
    h(
      "div",
      { class: "pd-head" },
      h("div", { class: "pd-grow" }, h("div", { class: "pd-headline" }, chooser, name, state), description, tags),
      h("div", { class: "pd-actions" }, pause, backfill, form, trigger),
    ),
    notes,
    h(
      "dl",
      { class: "pd-dag-facts" },
      h("div", {}, h("dt", {}, "Schedule"), h("dd", {}, words, written, zone)),
      h("div", { class: "pd-grow" }, h("dt", {}, "Next points"), h("dd", {}, points, none)),
    ),
  );

  function update() {
    const dag = model.get("dag");
    if (!dag.id) return;
    const { running } = model.get("scheduler");
    const many = model.get("parts").length > 1;
    keyed(chooser, many ? model.get("dags") : [], ({ id }) => id, ({ id }) => h("option", { value: id }, id));
    if (chooser.value !== dag.id) chooser.value = dag.id;
    visible(chooser, many);
    visible(name, !many);
    text(name, dag.id);
    text(description, dag.description);
    visible(description, dag.description !== "");
    keyed(tags, dag.tags, (tag) => tag, (tag) => h("span", { class: "pd-chip", role: "listitem" }, tag));
    text(words, dag.words || dag.schedule);
    text(written, dag.words && dag.schedule ? shortSchedule(dag) : "");
    text(zone, dag.schedule ? dag.zone : "");
    text(state, stateText(dag));
    visible(pause, dag.defined && running);
    pause.update(dag.paused);
    visible(trigger, dag.defined && running);
    visible(form, dag.defined && running);
    visible(backfill, dag.defined && running && dag.schedule !== "");
    attribute(trigger, "aria-label", `Trigger ${dag.id}`);
    keyed(notes, notesOf(dag), (note) => note.key, (note) => noteElement(note.kind, send, dag.id));
    keyed(points, dag.points, String, (millis) => pointElement(millis, dag.zone, ticker));
    text(none, dag.points.length ? "" : whyNone(dag, running));
  }
  return { element, traits: ["dag", "dags", "scheduler", "parts"], update };
}

function pauseSwitch(change) {
  const knob = h("span", { class: "pd-switch-track", "aria-hidden": "true" }, h("span", { class: "pd-switch-knob" }));
  const word = h("span");
  const element = h("button", { type: "button", role: "switch", class: "pd-switch", "aria-label": "Scheduled", onclick: () => change(element.getAttribute("aria-checked") === "true") }, knob, word);
  element.update = (paused) => {
    attribute(element, "aria-checked", String(!paused));
    attribute(element, "title", paused ? "Make scheduled runs again" : "Make no scheduled runs until this is switched on again");
    text(word, paused ? "Paused" : "Scheduled");
  };
  return element;
}

function pointElement(millis, zone, ticker) {
  const own = h("span", { class: "pd-point-when" });
  const inWhat = h("span", { class: "pd-muted" });
  const there = whenIn(millis, zone);
  ticker.show(own, (now) => when(millis, now));
  ticker.show(inWhat, (now) => age(millis, Math.min(now, millis)));
  const beside = there && h("span", { class: "pd-muted" }, `${there} ${cityOf(zone)}`);
  return h("li", { class: "pd-point", title: fullIn(millis, zone) }, own, beside, inWhat);
}

/** Return the time in the DAG's zone, "" where it is the viewer's own. */
function whenIn(millis, zone) {
  const at = (timeZone) =>
    new Intl.DateTimeFormat("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit", timeZone }).format(millis).replace(",", "");
  try {
    return at(zone) === at(undefined) ? "" : at(zone);
  } catch {
    return `${new Date(millis).toISOString().slice(11, 16)} UTC`; // a zone that this browser does not know
  }
}

function cityOf(zone) {
  return zone.split("/").pop().replaceAll("_", " ");
}

/** The expression without the zone, which stands beside it. */
function shortSchedule({ schedule, zone }) {
  return schedule.endsWith(` (${zone})`) ? schedule.slice(0, -zone.length - 3) : schedule;
}

function stateText(dag) {
  if (!dag.defined) return "not defined in this session";
  const parts = [];
  if (dag.active) parts.push(`${dag.active} running`);
  if (dag.queued) parts.push(`${dag.queued} queued`);
  return parts.join(", ");
}

function whyNone(dag, running) {
  if (!running) return "the scheduler has stopped";
  if (!dag.defined) return "none: its definition has to run in this session";
  if (dag.paused) return "none while it is paused";
  if (!dag.schedule) return "none: it has no schedule";
  return dag.problem ? "its schedule stands still" : "none any more";
}

/** What stands in the DAG's way, each with what can be done about it. */
function notesOf(dag) {
  const notes = [];
  if (dag.problem) notes.push({ key: "problem", kind: "failed", words: dag.problem });
  if (dag.missed) notes.push({ key: "missed", kind: "warning", words: missedText(dag.missed), choices: true });
  if (dag.to_catch_up) {
    const points = dag.to_catch_up === 1 ? "1 missed point waits" : `${dag.to_catch_up.toLocaleString("en-GB")} missed points wait`;
    notes.push({ key: "waiting", kind: "info", words: `${points} to be caught up when there is room.` });
  }
  if (dag.paused) notes.push({ key: "paused", kind: "info", words: "Paused: no scheduled runs are made. It can still be triggered." });
  return notes;
}

function missedText({ first, last, count }) {
  if (count === 1) return `1 point was missed while no scheduler ran: ${when(first)}.`;
  const many = count === null ? "Too many points to count" : `${count.toLocaleString("en-GB")} points`;
  return `${many} were missed while no scheduler ran, from ${when(first)} to ${when(last)}.`;
}

function noteElement(kind, send, id) {
  const sign = icon(16);
  sign.update(kind);
  const words = h("div", { class: "pd-grow" });
  const choose = (choice) => () => send({ command: "catch_up", dag_id: id, choice });
  const choices = h(
    "span",
    { class: "pd-actions" },
    button("Run the last", choose("last")),
    button("Run all", choose("all")),
    button("Run none", choose("none"), { class: "pd-button pd-quiet" }),
  );
  const element = h("div", { class: `pd-callout ppacer-state-${kind}`, role: kind === "failed" ? "alert" : "status" }, sign, words, choices);
  element.update = (note) => {
    text(words, note.words);
    visible(choices, Boolean(note.choices));
  };
  return element;
}
