// The dashboard: panels that each listen to the traits they show.

import { dagsPanel } from "./dags.js";
import { h } from "./dom.js";
import { countersPanel, headerPanel } from "./header.js";
import { runPanels } from "./run.js";
import { runsPanel } from "./runs.js";
import { Ticker } from "./time.js";

/** Show a dashboard in `el`; returns what takes it down. */
export function render({ model, el }) {
  const ticker = new Ticker();
  const context = { model, ticker, send: (message) => model.send(message) };
  const [header, counters, dags, runs] = [headerPanel, countersPanel, dagsPanel, runsPanel].map((p) => p(context));
  const run = runPanels(context);
  el.replaceChildren(
    h(
      "div",
      { class: "ppacer pd", role: "region", "aria-label": "ppacer dashboard" },
      header.element,
      counters.element,
      h("div", { class: "pd-columns" }, dags.element, runs.element),
      run[0].element,
    ),
  );
  const ends = [header, counters, dags, runs, ...run].map((panel) => follow(model, panel));
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
