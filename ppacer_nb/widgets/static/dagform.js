// The form to trigger a DAG with parameters: a control for each, with what is wrong beside it. Text goes to the
// kernel, which makes values of it or says why it cannot.

import { button } from "./controls.js";
import { attribute, h, text, visible } from "./dom.js";

let made = 0;

/** The form; `open()` shows it. */
export function dagFormPanel({ model, send }) {
  const form = fieldsForm();
  const date = field({ name: "logical date", kind: "datetime", default: "", aware: true, help: "which point in time the run stands for, empty for now" });
  const problem = problemLine();
  const run = button("Run it", submit, { class: "pd-button pd-primary" });
  const element = h(
    "section",
    { class: "pd-panel pd-form", hidden: "", "aria-label": "Trigger with parameters" },
    h("h3", {}, "Trigger with parameters"),
    form.element,
    date.element,
    problem,
    h("div", { class: "pd-actions pd-form-actions" }, run, button("Close", () => visible(element, false))),
  );
  let asked = 0;
  element.addEventListener("keydown", (event) => {
    event.stopPropagation(); // what is typed here is no shortcut of JupyterLab
    if (event.key === "Escape") visible(element, false);
    if (event.key === "Enter" && event.target.tagName === "INPUT") submit();
  });

  function submit() {
    made += 1;
    asked = made;
    const { dag } = model.get("dag_form");
    send({ command: "trigger_form", form: asked, dag_id: dag, values: form.values(), date: date.value() });
  }

  function hear(message) {
    if (message.command !== "form_answer" || message.form !== asked) return;
    form.say(message.problems);
    date.say(message.date);
    text(problem, message.problem);
    if (message.run_id) visible(element, false);
  }

  function update() {
    const { dag, zone, fields = [] } = model.get("dag_form");
    if (form.update(dag, fields, zone)) {
      date.reset();
      text(problem, "");
    }
    date.note(zone);
    visible(run, model.get("scheduler").running);
    if (model.get("dag").id !== dag) visible(element, false);
  }
  return {
    element,
    traits: ["dag_form", "scheduler", "dag"],
    update,
    hear,
    open() {
      visible(element, true);
      (element.querySelector("input, select, textarea") ?? run).focus();
    },
  };
}

/** Fields for parameters, made anew where those of the DAG change. */
export function fieldsForm() {
  const element = h("div", { class: "pd-fields" });
  let shown = "";
  let fields = [];
  return {
    element,
    values: () => Object.fromEntries(fields.filter(([, one]) => one.changed()).map(([name, one]) => [name, one.value()])),
    say(problems) {
      for (const [name, one] of fields) one.say(problems?.[name] ?? "");
      fields.find(([name]) => problems?.[name])?.[1].focus();
    },
    update(dag, infos, zone) {
      const key = JSON.stringify([dag, infos]);
      if (key === shown) return false;
      shown = key;
      fields = infos.map((info) => [info.name, field(info)]);
      for (const [, one] of fields) one.note(zone);
      element.replaceChildren(...fields.map(([, one]) => one.element));
      return true;
    },
  };
}

/** A control for one parameter, with its name, what it is about, and what is wrong with it. */
export function field(info) {
  made += 1;
  const id = `pd-field-${made}`;
  const control = controlOf(info);
  const problem = problemLine();
  const about = h("span", { class: "pd-muted pd-small-text", id: `${id}-about` });
  const input = control.input;
  attribute(input, "id", id);
  attribute(input, "aria-describedby", `${id}-about ${id}-problem`);
  attribute(problem, "id", `${id}-problem`);
  const element = h("div", { class: "pd-field" }, h("label", { for: id, class: "pd-name" }, info.name), control.element, about, problem);
  return {
    element,
    value: control.value,
    changed: () => control.value() !== info.default,
    reset: () => control.set(info.default),
    focus: () => input.focus(),
    note(zone) {
      text(about, [aboutOf(info), info.aware ? `in ${zone}` : ""].filter(Boolean).join(" · "));
    },
    say(sentence) {
      text(problem, sentence ?? "");
      attribute(input, "aria-invalid", sentence ? "true" : null);
    },
  };
}

function problemLine() {
  return h("span", { class: "pd-problem ppacer-state-failed", role: "alert" });
}

function aboutOf({ kind, help, low, high, optional, container, used_by: users }) {
  const what = {
    int: low === null ? "a whole number" : "",
    duration: "such as 90s or 1h30m",
    json: `JSON${container ? `, a ${container === "dict" ? "dict" : "list"}` : ""}`,
    any: "JSON or text",
    fixed: "as the DAG defines it: no form can ask for it",
  }[kind];
  const range = [low !== null && low !== undefined ? `from ${low}` : "", high !== null && high !== undefined ? `to ${high}` : ""].filter(Boolean).join(" ");
  const none = optional && kind !== "any" ? "empty for none" : "";
  return [help?.replace(/^#\s*/, ""), what, range, none, users?.length ? `for ${users.join(", ")}` : ""].filter(Boolean).join(" · ");
}

function controlOf(info) {
  const { kind, default: standard } = info;
  if (kind === "bool") return checkbox(standard);
  if (kind === "choice") return choices(info);
  if (kind === "json") return plain(h("textarea", { class: "pd-input pd-mono", rows: 2, spellcheck: "false" }), standard);
  if ((kind === "int" || kind === "float") && info.low !== null && info.high !== null) return slider(info);
  const types = { int: "number", float: "number", date: "date", datetime: "datetime-local" };
  const step = { int: 1, float: "any", datetime: 1 }[kind];
  const input = h("input", { class: "pd-input", type: types[kind] ?? "text", step, autocomplete: "off", spellcheck: "false" });
  if (kind === "fixed") attribute(input, "disabled", "");
  return plain(input, standard);
}

function plain(input, standard) {
  input.value = standard;
  const shown = input.value; // as the browser writes it: without seconds that are 0
  return {
    element: input,
    input,
    // What the browser cannot read as a number or a date has no value there: it is no empty one.
    value: () => (input.validity.badInput ? "?" : input.value === shown ? standard : input.value),
    set: (value) => {
      input.value = value;
    },
  };
}

function checkbox(standard) {
  const input = h("input", { type: "checkbox", class: "pd-check" });
  input.checked = standard === "true";
  return { element: input, input, value: () => String(input.checked), set: (value) => { input.checked = value === "true"; } };
}

function choices({ choices: words, default: standard, optional }) {
  const options = optional && !words.includes("") ? ["", ...words] : words;
  const input = h("select", { class: "pd-select" }, ...options.map((word) => h("option", { value: word }, word)));
  return plain(input, standard);
}

function slider({ kind, low, high, default: standard }) {
  const step = kind === "int" ? 1 : (high - low) / 100;
  const input = h("input", { type: "range", min: low, max: high, step, class: "pd-slider" });
  const number = h("output", { class: "pd-mono" });
  const element = h("span", { class: "pd-slider-row" }, input, number);
  const { value, set } = plain(input, standard);
  const show = () => text(number, value());
  input.addEventListener("input", show);
  show();
  return { element, input, value, set: (given) => { set(given); show(); } };
}
