// The lines of a difference: "-" went, "+" came, "@@" where some are left out.

import { h } from "./dom.js";

const SIGNS = { "-": "pd-diff-line ppacer-state-failed", "+": "pd-diff-line ppacer-state-success", "@": "pd-muted" };

/** Return elements for what changed: a title and the lines for each task. */
export function differences(changes) {
  return changes.flatMap(({ title, lines }) => [h("h4", {}, title), difference(lines)]);
}

function difference(lines) {
  return h("div", { class: "pd-diff" }, ...lines.map((line) => h("div", { class: SIGNS[line[0]] ?? null }, line || " ")));
}
