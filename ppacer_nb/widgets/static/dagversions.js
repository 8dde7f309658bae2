// The versions that a DAG has had, and what each changed.

import { button } from "./controls.js";
import { differences } from "./difference.js";
import { attribute, h, keyed, text, visible } from "./dom.js";
import { fullIn, when } from "./time.js";

/** The newest versions, each with a button that shows what it changed. */
export function dagVersionsPanel({ model, send, ticker }) {
  const list = h("div", { role: "list", "aria-label": "Versions" });
  const changes = h("div", { class: "pd-changes", role: "region", "aria-label": "What changed", "aria-live": "polite" });
  const element = h("section", { class: "pd-panel" }, h("h3", {}, "Versions"), list, changes);
  let shown = "";

  function make([version]) {
    const [defined, runs] = [h("span", { class: "pd-muted" }), h("span", { class: "pd-muted pd-grow" })];
    const what = button("What changed", () => send({ command: "version_changes", dag_id: model.get("dag").id, version }), {
      class: "pd-button pd-quiet",
      "aria-label": `What version ${version} changed`,
    });
    const row = h("div", { class: "pd-item pd-version", role: "listitem" }, h("span", { class: "pd-mono" }, version), defined, runs, what);
    row.update = ([, millis, count]) => {
      attribute(defined, "title", fullIn(millis, model.get("dag").zone));
      ticker.show(defined, (now) => `defined ${when(millis, now)}`);
      text(runs, count === 1 ? "1 run" : `${count.toLocaleString("en-GB")} runs`);
      const all = model.get("dag_versions");
      visible(what, all[all.length - 1][0] !== version);
    };
    return row;
  }

  function update() {
    const { id } = model.get("dag");
    const versions = model.get("dag_versions");
    keyed(list, versions, ([version, millis]) => `${id} ${version} ${millis}`, make);
    visible(element, versions.length > 0);
    if (shown !== id) changes.replaceChildren();
    shown = id;
  }

  function hear(message) {
    if (message.command !== "version_changes") return;
    const title = h("h4", {}, `What version ${message.version} changed`);
    changes.replaceChildren(title, ...differences(message.changes));
  }
  return { element, traits: ["dag_versions", "dag"], update, hear };
}
