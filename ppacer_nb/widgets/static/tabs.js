// The tabs: which part of the dashboard is shown. A click shows a part at once; what is in it follows.

import { attribute, h, visible } from "./dom.js";

let made = 0;

/** A tab for each of `parts`; arrows move between them, as in every list of tabs. */
export function tabsPanel({ model, select }, parts) {
  made += 1;
  const tabs = parts.map(({ name, title, panels: [whole] }) => {
    const [id, panel] = [`pd-tab-${made}-${name}`, `pd-part-${made}-${name}`];
    const attributes = { type: "button", class: "pd-tab", role: "tab", id, "aria-controls": panel };
    const element = h("button", { ...attributes, onclick: () => open(name) }, title);
    attribute(whole.element, "role", "tabpanel");
    attribute(whole.element, "id", panel);
    attribute(whole.element, "aria-labelledby", id);
    return { name, element, part: whole.element };
  });
  const element = h("div", { class: "pd-tabs", role: "tablist", "aria-label": "Views" }, ...tabs.map((tab) => tab.element));
  element.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const place = tabs.findIndex((tab) => tab.element === event.target);
    const next = tabs[(place + step + tabs.length) % tabs.length];
    event.preventDefault();
    event.stopPropagation(); // JupyterLab's own shortcuts listen above
    next.element.focus();
    open(next.name);
  });

  function open(name) {
    show(name);
    select({ tab: name });
  }

  function show(name) {
    for (const tab of tabs) {
      attribute(tab.element, "aria-selected", String(tab.name === name));
      attribute(tab.element, "tabindex", tab.name === name ? 0 : -1);
      visible(tab.part, tab.name === name);
    }
  }

  return { element, traits: ["selection"], update: () => show(model.get("selection").tab) };
}
