// Small parts that several panels use: state badges, progress bars, buttons.

import { attribute, h, svg, text, visible } from "./dom.js";
import { LOOKS } from "./palette.js";

/** Return the icon of a state; `update(state)` changes it. */
export function icon(size = 12) {
  const path = svg("path");
  const element = svg(
    "svg",
    { viewBox: "0 0 12 12", width: size, height: size, "aria-hidden": "true" },
    svg("circle", { cx: 6, cy: 6, r: 6 }),
    path,
  );
  element.update = (state) => {
    attribute(element, "class", `ppacer-icon ppacer-state-${state}`);
    attribute(path, "d", LOOKS[state]?.path ?? "");
  };
  return element;
}

/** Return a badge: a state as icon and word (or another one, where that says more), in its colour. */
export function badge() {
  const sign = icon();
  const word = h("span");
  const element = h("span", { class: "pd-badge" }, sign, word);
  element.update = (state, other) => {
    attribute(element, "class", `pd-badge ppacer-state-${state}`);
    sign.update(state);
    text(word, other ?? wordOf(state));
  };
  return element;
}

/** Return the word for a state. */
export function wordOf(state) {
  return LOOKS[state]?.word ?? String(state);
}

/** Return a bar of the tasks that are done, those that failed set apart, with the numbers beside it. */
export function progressBar() {
  const done = h("span", { class: "pd-bar-part" });
  const failed = h("span", { class: "pd-bar-part ppacer-state-failed" });
  const bar = h("span", { class: "pd-bar", role: "progressbar", "aria-valuemin": 0 }, done, failed);
  const numbers = h("span", { class: "pd-bar-text" });
  const element = h("span", { class: "pd-progress" }, bar, numbers);
  element.update = ({ state, tasks, done: ended, failed: wrong }) => {
    const share = (count) => (tasks ? `${(100 * count) / tasks}%` : "0%");
    done.style.width = share(ended - wrong);
    failed.style.width = share(wrong);
    attribute(done, "class", `pd-bar-part ppacer-state-${state === "failed" ? "success" : state}`);
    attribute(bar, "aria-valuemax", tasks);
    attribute(bar, "aria-valuenow", ended);
    const label = `${ended} of ${tasks} tasks done${wrong ? `, ${wrong} failed` : ""}`;
    attribute(bar, "aria-label", label);
    attribute(element, "title", label);
    text(numbers, `${ended}/${tasks}`);
  };
  return element;
}

/** Return a bar of the cells of a notebook that are done; `update([cell, cells])`, or null to hide it. */
export function cellBar() {
  const done = h("span", { class: "pd-bar-part ppacer-state-running" });
  const bar = h("span", { class: "pd-bar", role: "progressbar", "aria-valuemin": 0 }, done);
  bar.update = (cells) => {
    visible(bar, Boolean(cells));
    if (!cells) return;
    done.style.width = `${(100 * (cells[0] - 1)) / cells[1]}%`;
    attribute(bar, "aria-valuenow", cells[0]);
    attribute(bar, "aria-valuemax", cells[1]);
    attribute(bar, "aria-label", `cell ${cells[0]} of ${cells[1]}`);
  };
  return bar;
}

/** Return a button. */
export function button(label, onclick, attributes = {}) {
  return h("button", { type: "button", class: "pd-button", onclick, ...attributes }, label);
}

/** Return a button that asks before it acts; `question` says what will happen. */
export function confirmedButton(label, question, yes, act, attributes = {}) {
  const ask = button(label, () => open(true), attributes);
  const sure = button(yes, () => {
    open(false);
    act();
  }, { class: "pd-button pd-danger" });
  const words = h("span", { class: "pd-question" }, question);
  const answers = h("span", { class: "pd-confirm", role: "alertdialog", "aria-label": question, hidden: "" });
  answers.append(words, sure, button("No", () => open(false)));
  answers.addEventListener("keydown", (event) => {
    if (event.key === "Escape") open(false);
  });
  const element = h("span", { class: "pd-confirmed" }, ask, answers);

  function open(value) {
    visible(ask, !value);
    visible(answers, value);
    (value ? sure : ask).focus();
  }
  return element;
}

/** Let a row be chosen by mouse and keyboard: click, Enter, Space; arrows move between rows. */
export function selectable(row, choose) {
  row.tabIndex = 0;
  row.addEventListener("click", (event) => {
    if (!event.target.closest("button, a, summary")) choose();
  });
  row.addEventListener("keydown", (event) => {
    if (event.target !== row) return;
    // JupyterLab's own shortcuts listen above: a key that is used here goes no further.
    if (event.key === "Enter" || event.key === " ") choose();
    else if (event.key === "ArrowDown") row.nextElementSibling?.focus();
    else if (event.key === "ArrowUp") row.previousElementSibling?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return row;
}
