// The table of runs: filters above, a page of rows, and the way to older and newer ones.

import { runPage } from "./choosing.js";
import { badge, button, progressBar, selectable, wordOf } from "./controls.js";
import { attribute, h, keyed, text, visible } from "./dom.js";
import { durationText, zoneOf } from "./runs.js";
import { fullIn, when } from "./time.js";

const STATES = ["queued", "running", "success", "failed", "cancelled"];
const TYPES = ["scheduled", "catchup", "backfill", "manual"];
const SORTS = { state: "State", dag: "Run", duration: "Duration", created: "Made" };
const NOTHING = { dag_id: null, tag: null, state: null, run_type: null, since: null, until: null, text: "" };
const PAGE = 50;
const PAUSE = 250; // milliseconds without a key before it searches

/** The table, with its filters. */
export function runsTablePanels({ model, select, ticker }) {
  const choose = (changes) => select({ runs: changes });
  const dag = chooser("DAG", (value) => choose({ dag_id: value }));
  const tag = chooser("Tag", (value) => choose({ tag: value }));
  const state = chooser("State", (value) => choose({ state: value }), STATES.map((one) => [one, wordOf(one)]));
  const type = chooser("Type", (value) => choose({ run_type: value }), TYPES.map((one) => [one, one]));
  const since = day("From", (millis) => choose({ since: millis }), 0);
  const until = day("To", (millis) => choose({ until: millis }), 1);
  const search = h("input", { type: "search", class: "pd-input", placeholder: "in the run's id" });
  let timer = null;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => choose({ text: search.value }), PAUSE);
  });
  const clear = button("Clear", () => choose(NOTHING), { class: "pd-button pd-quiet" });
  const ticked = new Set();
  const compare = button("Compare", () => select({ tab: "compare", compared: [...ticked] }));
  const choosers = [dag, tag, state, type, since, until].map((one) => one.element);
  const about = { class: "pd-filters", role: "search", "aria-label": "Runs to show" };
  const filters = h("div", about, ...choosers, h("label", {}, "Text", search), clear, compare);
  filters.addEventListener("keydown", (event) => event.stopPropagation()); // no shortcuts of JupyterLab
  const body = h("tbody");
  const heads = Object.fromEntries(Object.entries(SORTS).map(([order, title]) => [order, sorter(order, title, model, choose)]));
  const cells = ["", heads.state, heads.dag, "Type", "Logical date", "Tasks", heads.duration, heads.created];
  const table = h(
    "table",
    { class: "pd-table pd-runs-found", "aria-label": "Runs" },
    h("thead", {}, h("tr", {}, ...cells.map((cell) => h("th", { scope: "col" }, cell)))),
    body,
  );
  const none = h("p", { class: "pd-empty" }, "No run is like that.");
  const place = h("span", { class: "pd-muted pd-grow", role: "status" });
  const newer = button("Previous", () => turn(-1));
  const older = button("Next", () => turn(1));
  const refresh = button("Refresh", () => turn(0), { class: "pd-button pd-quiet" });
  const pager = h("div", { class: "pd-pager" }, place, refresh, newer, older);
  const element = h("section", { class: "pd-panel", "aria-label": "Runs" }, filters, h("div", { class: "pd-scroll pd-scroll-found" }, table), none, pager);

  function turn(by) {
    choose({ page: model.get("selection").runs.page + by });
  }

  function make({ id, dag: dagId, name, type: kind }) {
    const [sign, bar] = [badge(), progressBar()];
    const tick = h("input", { type: "checkbox", class: "pd-tick", "aria-label": `Compare ${id}` });
    const [point, duration, created] = [h("td"), h("td", { class: "pd-number-cell" }), h("td", { class: "pd-muted" })];
    const words = [h("div", { class: "pd-name" }, dagId), h("div", { class: "pd-mono pd-muted" }, name)];
    const first = [h("td", {}, tick), h("td", {}, sign), h("td", { title: id }, ...words), h("td", { class: "pd-muted" }, kind)];
    const row = h("tr", {}, ...first, point, h("td", {}, bar), duration, created);
    tick.addEventListener("click", (event) => event.stopPropagation());
    tick.addEventListener("change", () => {
      if (tick.checked) ticked.add(id);
      else ticked.delete(id);
      if (ticked.size > 2) ticked.delete([...ticked][0]);
      update();
    });
    row.update = (run) => {
      tick.checked = ticked.has(id);
      attribute(row, "aria-selected", String(model.get("selection").run_id === id));
      sign.update(run.state);
      bar.update(run);
      attribute(point, "title", fullIn(run.point, zoneOf(model, dagId)));
      ticker.show(point, (now) => when(run.point, now));
      ticker.show(duration, durationText(run, model.get("scheduler").running));
      attribute(created, "title", fullIn(run.created, ""));
      ticker.show(created, (now) => when(run.created, now));
    };
    return selectable(row, () => select(runPage(id)));
  }

  function update() {
    const { rows = [], more = false, live = true, tags = [] } = model.get("found");
    const { runs: chosen } = model.get("selection");
    dag.update(chosen.dag_id, model.get("dags").map(({ id }) => [id, id]));
    tag.update(chosen.tag, tags.map((one) => [one, one]));
    state.update(chosen.state);
    type.update(chosen.run_type);
    since.update(chosen.since);
    until.update(chosen.until);
    if (document.activeElement !== search && search.value !== chosen.text) search.value = chosen.text;
    visible(clear, Object.entries(NOTHING).some(([name, value]) => chosen[name] !== value));
    visible(tag.element, tags.length > 0);
    for (const head of Object.values(heads)) head.update();
    keyed(body, rows, (run) => run.id, make);
    visible(table, rows.length > 0);
    visible(none, rows.length === 0);
    visible(compare, ticked.size === 2);
    const from = chosen.page * PAGE + 1;
    const range = rows.length ? `${from.toLocaleString("en-GB")}–${(from + rows.length - 1).toLocaleString("en-GB")}` : "";
    text(place, [range && more ? `${range} of more` : range, live ? "" : "as it was when it was asked for"].filter(Boolean).join(", "));
    visible(refresh, !live);
    visible(newer, chosen.page > 0);
    visible(older, more);
  }
  return [{ element, traits: ["found", "selection", "dags", "scheduler"], update }];
}

function chooser(label, act, fixed = null) {
  const list = h("select", { class: "pd-select", onchange: () => act(list.value || null) });
  const element = h("label", {}, label, list);
  let known = "";
  const update = (value, options = fixed) => {
    const key = JSON.stringify(options);
    if (key !== known) {
      list.replaceChildren(h("option", { value: "" }, "all"), ...options.map(([id, words]) => h("option", { value: id }, words)));
      known = key;
    }
    list.value = value ?? "";
  };
  return { element, update };
}

/** A day of the viewer's calendar: its beginning, or with `after` 1 its end. */
function day(label, act, after) {
  const input = h("input", { type: "date", class: "pd-input", onchange: () => act(millisOf(input.value)) });
  const millisOf = (value) => {
    const [year, month, date] = value.split("-").map(Number);
    return value ? new Date(year, month - 1, date + after).getTime() : null;
  };
  const update = (millis) => {
    if (millisOf(input.value) === millis) return;
    const date = millis === null ? null : new Date(millis - after);
    const two = (number) => String(number).padStart(2, "0");
    input.value = date ? `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}` : "";
  };
  return { element: h("label", {}, label, input), update };
}

/** The head of a column that sorts: a press turns the order round. */
function sorter(order, title, model, choose) {
  const element = h("button", { type: "button", class: "pd-sort" }, title);
  element.addEventListener("click", () => {
    const chosen = model.get("selection").runs;
    choose({ order, ascending: chosen.order === order ? !chosen.ascending : order === "dag" });
  });
  element.update = () => {
    const { order: now, ascending } = model.get("selection").runs;
    attribute(element, "aria-pressed", String(now === order));
    text(element, now === order ? `${title} ${ascending ? "↑" : "↓"}` : title);
    attribute(element, "aria-label", now === order ? `${title}, ${ascending ? "ascending" : "descending"}` : `Sort by ${title}`);
  };
  return element;
}
