// The history of a DAG as a grid: tasks down, runs across, the newest at the right. A run is a column of plain
// elements, made once; what happens later changes the class of those cells whose state is another one.

import { runPage } from "./choosing.js";
import { button, wordOf } from "./controls.js";
import { attribute, h, keyed, text, visible } from "./dom.js";
import { elapsed, fullIn, when } from "./time.js";

const BAR = 44; // pixels of the longest run's bar
const SIGNS = { manual: "M", backfill: "B", catchup: "C" }; // of run types; a scheduled run has none
const TYPES = "M manual · B backfill · C catch-up, no letter: by schedule";
const LABEL_EVERY = 6; // columns

/** The grid, and a button for older runs. */
export function dagGridPanel({ model, select }) {
  const names = h("div", { class: "pd-grid-names", "aria-hidden": "true" });
  const longest = h("div", { class: "pd-grid-longest" });
  const columns = h("div", { class: "pd-grid-runs", role: "presentation" });
  const grid = h("div", { class: "pd-grid", role: "grid" }, h("div", { class: "pd-grid-corner" }, longest, names), columns);
  const older = button("Load older", () => select({ dag_runs: model.get("dag_grid").limit * 2 }), { class: "pd-button pd-quiet" });
  const empty = h("p", { class: "pd-empty" }, "No runs yet: press Trigger, or wait for the next schedule point.");
  const legend = h("span", { class: "pd-muted pd-small-text" }, TYPES);
  const element = h(
    "section",
    { class: "pd-panel" },
    h("div", { class: "pd-panel-head" }, h("h3", {}, "History"), h("span", { class: "pd-grow" }, legend), older),
    grid,
    empty,
  );
  let shown = { dag: "", tasks: [], letters: {} };
  let active = null; // the cell that the keyboard is at
  let atEnd = true; // the newest runs are in view, and stay so when others come
  const toEnd = () => {
    grid.scrollLeft = grid.scrollWidth;
  };
  let widths = "";
  const widthsNow = () => `${grid.clientWidth} ${grid.scrollWidth}`;
  grid.addEventListener("scroll", () => {
    // Not where it is a new width that moves it: the observer is yet to hear of that.
    if (widthsNow() === widths) atEnd = grid.scrollLeft + grid.clientWidth >= grid.scrollWidth - 4;
  });
  const observer = new ResizeObserver(() => {
    widths = widthsNow();
    if (atEnd) toEnd();
  });
  for (const one of [grid, columns, names]) observer.observe(one); // also when its tab is opened

  function open(cell) {
    const { run, row } = placeOf(cell);
    select(row < 2 ? runPage(run.id) : { ...runPage(run.id), task_id: shown.tasks[row - 2] });
  }

  function activate(cell, focus) {
    if (active && active !== cell) active.tabIndex = -1;
    active = cell;
    cell.tabIndex = 0;
    if (focus) {
      cell.focus({ preventScroll: true });
      cell.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  function describe(cell) {
    const { run, row } = placeOf(cell);
    attribute(cell, "title", row < 2 ? aboutRun(run, model.get("dag").zone) : aboutCell(run, row - 2, shown));
  }

  columns.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-cell]");
    if (cell) open(cell);
  });
  columns.addEventListener("pointerover", (event) => {
    const cell = event.target.closest("[data-cell]");
    if (!cell) return;
    describe(cell);
    mark(cell);
  });
  columns.addEventListener("pointerleave", () => mark(null));
  columns.addEventListener("focusin", (event) => {
    describe(event.target);
    activate(event.target, false);
    mark(event.target);
  });
  columns.addEventListener("keydown", (event) => {
    const cell = event.target.closest("[data-cell]");
    if (!cell) return;
    if (event.key === "Enter" || event.key === " ") open(cell);
    else {
      const next = neighbour(cell, event.key);
      if (next === undefined) return;
      if (next) activate(next, true);
    }
    event.preventDefault();
    event.stopPropagation(); // JupyterLab's own shortcuts listen above
  });

  /** Let the name of a cell's task stand out. */
  function mark(cell) {
    const row = cell ? [...cell.parentElement.children].indexOf(cell) - 2 : -1;
    for (const [place, name] of [...names.children].entries()) name.classList.toggle("pd-marked", place === row);
  }

  function make(run) {
    const column = h("div", { class: "pd-grid-run", role: "row" });
    const label = h("span", { class: "pd-grid-date", "aria-hidden": "true" });
    const bar = h("span", { class: "pd-grid-bar" });
    const sign = h("span", { class: "pd-grid-type", "aria-hidden": "true" }, SIGNS[run.type] ?? "");
    const head = h("div", { class: "pd-grid-head", role: "rowheader", tabindex: -1, "data-cell": "" }, label, bar, sign);
    const state = h("div", { role: "gridcell", tabindex: -1, "data-cell": "" });
    const cells = shown.tasks.map(() => h("div", { role: "gridcell", tabindex: -1, "data-cell": "", class: "pd-cell" }));
    column.append(head, state, ...cells);
    let before = "";
    column.update = (it) => {
      column.ppacerRun = it;
      text(label, it.label);
      bar.style.height = `${it.height}px`;
      attribute(bar, "class", `pd-grid-bar ppacer-state-${it.state}`);
      attribute(head, "aria-label", `${it.type} run for ${when(it.point)}: ${wordOf(it.state)}`);
      attribute(state, "class", `pd-cell ppacer-cell ppacer-state-${it.state}`);
      attribute(state, "aria-label", `run: ${wordOf(it.state)}`);
      if (before === it.states) return;
      for (let place = 0; place < cells.length; place += 1) {
        if (before[place] === it.states[place]) continue;
        const its = shown.letters[it.states[place]];
        cells[place].className = its ? `pd-cell ppacer-cell ppacer-state-${its}` : "pd-cell pd-cell-none";
        cells[place].setAttribute("aria-label", `${shown.tasks[place]}: ${its ? wordOf(its) : "not started"}`);
      }
      before = it.states;
    };
    return column;
  }

  function update() {
    const it = model.get("dag_grid");
    const runs = it.dag ? [...model.get("dag_past"), ...model.get("dag_now")].sort((a, b) => a.place - b.place) : [];
    const key = JSON.stringify([it.dag, it.tasks]);
    if (shown.key !== key) {
      columns.replaceChildren();
      names.replaceChildren(h("div", {}, "run"), ...(it.tasks ?? []).map((task) => h("div", { title: task }, task)));
      active = null;
    }
    shown = { ...it, key };
    visible(grid, runs.length > 0);
    visible(older, Boolean(it.more));
    visible(empty, runs.length === 0);
    attribute(grid, "aria-label", `Runs of ${it.dag}: a row for each run, a cell for each task. Arrows move, Enter opens.`);
    const most = Math.max(...runs.map(tookOf), 1);
    text(longest, runs.some(tookOf) ? elapsed(most) : "");
    const [left, before] = [grid.scrollLeft, grid.scrollWidth];
    const oldest = columns.firstElementChild?.ppacerRun?.place;
    keyed(columns, runs.map((run, place) => placed(run, runs.length - 1 - place, most)), (run) => run.id, make);
    if (atEnd) toEnd();
    else if (oldest !== undefined && runs[0]?.place < oldest) grid.scrollLeft = left + grid.scrollWidth - before;
    if (!active?.isConnected && columns.lastElementChild) activate(columns.lastElementChild.firstElementChild, false);
  }
  return { element, traits: ["dag_grid", "dag_past", "dag_now"], update };
}

/** Return a run with what depends on the others: the height of its bar, and its date where there is room. */
function placed(run, fromEnd, most) {
  const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" }).format(run.point);
  const height = tookOf(run) ? Math.max(3, Math.round((BAR * tookOf(run)) / most)) : 3;
  return { ...run, height, label: fromEnd % LABEL_EVERY === LABEL_EVERY - 1 ? date : "" };
}

function tookOf({ started, ended }) {
  return started && ended && ended > started ? ended - started : 0;
}

function placeOf(cell) {
  const column = cell.parentElement;
  return { run: column.ppacerRun, row: [...column.children].indexOf(cell) };
}

/** Return the cell that a key leads to, null at the edge, undefined for another key. */
function neighbour(cell, key) {
  const column = cell.parentElement;
  const row = [...column.children].indexOf(cell);
  switch (key) {
    case "ArrowUp":
      return cell.previousElementSibling;
    case "ArrowDown":
      return cell.nextElementSibling;
    case "ArrowLeft":
      return column.previousElementSibling?.children[row] ?? null;
    case "ArrowRight":
      return column.nextElementSibling?.children[row] ?? null;
    case "Home":
      return column.parentElement.firstElementChild.children[row];
    case "End":
      return column.parentElement.lastElementChild.children[row];
    default:
      return undefined;
  }
}

function aboutRun(run, zone) {
  const took = tookOf(run) ? `took ${elapsed(tookOf(run))}` : "";
  return [`${run.type} run, ${wordOf(run.state)}`, took, fullIn(run.point, zone), run.id].filter(Boolean).join("\n");
}

function aboutCell(run, place, { tasks, letters }) {
  const state = letters[run.states[place]];
  const seconds = run.took[place];
  const took = seconds === null || seconds === undefined ? "" : `took ${elapsed(seconds * 1000)}`;
  const tries = run.tries[place] ? `attempt ${run.tries[place]}` : "";
  const words = [state ? wordOf(state) : "not started", tries, took].filter(Boolean).join(", ");
  return [tasks[place], words, `${run.type} run for ${when(run.point)}`].join("\n");
}
