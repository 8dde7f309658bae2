// Why the tasks of the selected run failed.

import { badge } from "./controls.js";
import { attribute, h, keyed, text, visible } from "./dom.js";
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
