// The dashboard: the scheduler's head, and its parts as tabs, or one part alone. Panels listen to traits.

import { comparePanels } from "./compare.js";
import { dagPanels } from "./dagpage.js";
import { headerPanel, noticePanel } from "./header.js";
import { h } from "./dom.js";
import { overviewPanels } from "./overview.js";
import { runPanels } from "./run.js";
import { runsTablePanels } from "./runstable.js";
import { tabsPanel } from "./tabs.js";
import { Ticker } from "./time.js";

/** The parts by name: the words on the tab, and what makes its panels, of which the first holds the others. */
const PARTS = {
  overview: ["Overview", overviewPanels],
  dag: ["DAGs", dagPanels],
  runs: ["Runs", runsTablePanels],
  run: ["Run", runPanels],
  compare: ["Compare", comparePanels],
};

/** Show a dashboard in `el`; returns what takes it down. */
export function render({ model, el }) {
  const ticker = new Ticker();
  const send = (message) => model.send(message);
  const context = { model, ticker, send, select: (changes) => send({ command: "select", ...changes }) };
  const names = model.get("parts");
  const parts = names.map((name) => ({ name, title: PARTS[name][0], panels: PARTS[name][1](context) }));
  const alone = parts.length === 1;
  const top = alone ? [noticePanel(context)] : [headerPanel(context), noticePanel(context), tabsPanel(context, parts)];
  const elements = [...top.map((panel) => panel.element), ...parts.map((part) => part.panels[0].element)];
  el.replaceChildren(h("div", { class: "ppacer pd", role: "region", "aria-label": "ppacer dashboard" }, ...elements));
  const ends = [...top, ...parts.flatMap((part) => part.panels)].map((panel) => follow(model, panel));
  return () => {
    for (const end of ends) end();
    ticker.stop();
  };
}

/**
 * Keep a panel up to date: once per message, however many of its traits that changes. One that has a method
 * `hear` gets the messages that are no traits.
 */
function follow(model, { traits, update, hear }) {
  let waiting = false;
  const later = () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => {
      waiting = false;
      update();
    });
  };
  for (const trait of traits) model.on(`change:${trait}`, later);
  if (hear) model.on("msg:custom", hear);
  update();
  return () => {
    if (hear) model.off("msg:custom", hear);
    for (const trait of traits) model.off(`change:${trait}`, later);
  };
}
