// Buttons that steer a run or a task. One that destroys something says first what it will do.

import { button, icon } from "./controls.js";
import { h, keyed, text, visible } from "./dom.js";

/**
 * Return a row of `buttons` and the `question` that one of them asks, to be placed where there is room for it.
 * `update(actions)` shows these; each has a message to `ask`.
 */
export function steeringButtons(send) {
  const buttons = h("span", { class: "pd-steering", role: "group", "aria-label": "What can be done", tabindex: -1 });
  const sign = icon(16);
  sign.update("warning");
  const words = h("div", { class: "pd-grow" });
  const yes = button("", () => answer(true), { class: "pd-button pd-danger" });
  const no = button("No", () => answer(false));
  const question = h(
    "div",
    { class: "pd-callout pd-asking ppacer-state-warning", role: "alertdialog", "aria-label": "Are you sure?", hidden: "" },
    sign,
    words,
    h("div", { class: "pd-actions" }, yes, no),
  );
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    answer(false);
  });
  let open = null; // the action that is asked about

  function make(action) {
    let latest = action;
    const element = button(action.label, () => {
      if (!latest.question) send(latest.ask);
      else {
        show(latest);
        yes.focus();
      }
    });
    element.update = (it) => {
      latest = it;
    };
    return element;
  }

  function show(action) {
    open = action;
    text(words, action?.question ?? "");
    text(yes, action?.yes ?? "");
    visible(question, action !== null);
  }

  function answer(isYes) {
    const action = open;
    const asked = [...buttons.children].find((child) => child.ppacerKey === action.name);
    show(null);
    (asked ?? buttons).focus();
    if (isYes) send(action.ask);
  }

  function update(actions = []) {
    const hadFocus = buttons.contains(document.activeElement) || question.contains(document.activeElement);
    keyed(buttons, actions, (action) => action.name, make);
    // The question says what would happen now; one that makes no sense any more goes.
    if (open) show(actions.find((action) => action.name === open.name) ?? null);
    const lost = hadFocus && document.activeElement === document.body;
    if (lost) (buttons.firstElementChild ?? buttons).focus();
  }
  return { buttons, question, update };
}
