// The dashboard in the browser. Data become text and attributes, never markup: what a task prints is shown,
// not run. Sections are drawn anew when their own data change; ages and durations tick by themselves.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element; children may be nodes, texts or nothing. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** The icon of a state, from its path data. */
function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ class: "ppacer-icon", viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true" }))
    svg.setAttribute(name, value);
  const circle = document.createElementNS(SVG, "circle");
  for (const name of ["cx", "cy", "r"]) circle.setAttribute(name, 6);
  const shape = document.createElementNS(SVG, "path");
  shape.setAttribute("d", path);
  svg.append(circle, shape);
  return svg;
}

const badge = (look, text = look.word) =>
  h("span", { class: `ppacer-badge ppacer-state-${look.state}` }, icon(look.icon), text);

// Times, in the reader's own zone.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const day = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "narrow" });

function when(ms) {
  const date = new Date(ms);
  const today = date.toDateString() === new Date().toDateString();
  return today ? clock.format(date) : `${day.format(date)} ${clock.format(date)}`;
}

function elapsed(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function age(ms) {
  const seconds = Math.round((ms - Date.now()) / 1000);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS[3];
  return relative.format(Math.trunc(seconds / size), unit);
}

/** A text that ticks: `read` gives it anew every second. */
function ticking(read, attributes = {}) {
  const element = h("span", { ...attributes, "data-ticks": true }, read());
  element.read = read;
  return element;
}

const tickingAge = (ms) => (ms === null ? "" : ticking(() => age(ms), { title: full.format(new Date(ms)) }));

function tickingDuration(start, end) {
  if (start === null) return "";
  return end === null ? ticking(() => elapsed(Date.now() - start)) : elapsed(end - start);
}

// Sections.

function drawHeader(model, root) {
  const o = model.get("overview");
  const state = o.running
    ? h("span", { class: "ppacer-pill ppacer-state-success" }, "running")
    : h("span", { class: "ppacer-pill ppacer-state-failed" }, "stopped");
  const lasts = o.running
    ? "Scheduling lasts as long as this kernel lives."
    : `The scheduler has stopped; what is below is how it was. ${o.stopped ?? ""}`;
  const stop = h("button", { class: "ppacer-button", type: "button", disabled: !o.running }, "Stop scheduler");
  const sure = h("span", { class: "ppacer-sure", hidden: true, role: "group", "aria-label": "Confirm stopping" },
    "Running tasks get 10 seconds to end.",
    h("button", { class: "ppacer-button ppacer-danger", type: "button", onclick: () => model.send({ kind: "stop" }) }, "Stop"),
    h("button", { class: "ppacer-button", type: "button", onclick: () => show(false) }, "Go on"));
  function show(asking) {
    sure.hidden = !asking;
    stop.hidden = asking;
    (asking ? sure.querySelector("button") : stop).focus();
  }
  stop.addEventListener("click", () => show(true));
  root.replaceChildren(
    h("div", { class: "ppacer-title-row" }, h("span", { class: "ppacer-brand" }, "ppacer"), state,
      h("span", { class: "ppacer-muted" }, lasts), h("span", { class: "ppacer-space" }), stop, sure),
    h("div", { class: "ppacer-muted ppacer-small" },
      `Process ${o.pid}${o.notebook ? `, ${o.notebook}` : ""}, since ${when(o.since)}. History in ${o.store}`),
    o.problem ? h("div", { class: "ppacer-banner ppacer-state-failed", role: "alert" }, o.problem) : "");
}

function drawNotice(model, root) {
  const { kind, text } = model.get("notice");
  root.replaceChildren(text
    ? h("div", { class: `ppacer-banner ppacer-state-${kind === "error" ? "failed" : "success"}` }, text)
    : "");
}

function drawCounters(model, root) {
  const o = model.get("overview");
  const tile = (name, number, look) =>
    h("div", { class: `ppacer-tile ${look ? `ppacer-state-${look.state}` : ""}` },
      h("div", { class: "ppacer-number" }, String(number)),
      h("div", { class: "ppacer-tile-name" }, look ? icon(look.icon) : "", name));
  root.replaceChildren(
    ...o.counts.map((look) => tile(look.word, look.count, look)),
    tile(`of ${o.workers} workers busy`, o.busy),
    tile("tasks waiting", o.queued));
}

function drawDags(model, root) {
  const o = model.get("overview");
  const next = (dag) => {
    if (dag.problem) return h("span", { class: "ppacer-state-failed ppacer-ink", title: dag.problem }, "stopped: ", dag.problem);
    if (!dag.defined) return h("span", { class: "ppacer-muted" }, "not defined in this session");
    if (dag.next === null) return h("span", { class: "ppacer-muted" }, "when triggered");
    return h("span", {}, when(dag.next), " ", h("span", { class: "ppacer-muted" }, tickingAge(dag.next)));
  };
  const rows = o.dags.map((dag) =>
    h("tr", {},
      h("td", {}, h("b", {}, dag.id), dag.description ? h("div", { class: "ppacer-muted ppacer-small" }, dag.description) : ""),
      h("td", {}, dag.schedule || "–"),
      h("td", {}, next(dag)),
      h("td", { class: "ppacer-right" },
        dag.active ? `${dag.active} running` : "", dag.queued ? ` ${dag.queued} queued` : ""),
      h("td", { class: "ppacer-right" },
        h("button", {
          class: "ppacer-button ppacer-primary", type: "button", disabled: !o.running || !dag.defined,
          "aria-label": `Trigger ${dag.id}`, onclick: () => model.send({ kind: "trigger", dag: dag.id }),
        }, "Trigger"))));
  root.replaceChildren(table(["DAG", "Schedule", "Next", "", ""], rows, "No DAG is defined yet."));
}

function drawRuns(model, root) {
  const runs = model.get("runs");
  const shown = model.get("detail").run?.id;
  const focused = root.contains(document.activeElement) ? document.activeElement.dataset.run : null;
  const choose = (run) => { model.set("log_task", ""); model.set("selected", run.id); model.save_changes(); };
  const rows = runs.map((run) =>
    h("tr", {
      class: `ppacer-row ppacer-state-${run.state}`, tabindex: 0, role: "button", "data-run": run.id,
      "aria-pressed": String(run.id === shown), "aria-label": `${run.dag}, ${run.word}`,
      onclick: () => choose(run),
      onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(run); } },
    },
      h("td", {}, badge(run)),
      h("td", { title: run.id }, h("b", {}, run.dag),
        h("div", { class: "ppacer-muted ppacer-small", title: full.format(new Date(run.logical)) }, `${run.type} · ${when(run.logical)}`)),
      h("td", {}, progressBar(run)),
      h("td", { class: "ppacer-right" }, tickingDuration(run.started, run.ended)),
      h("td", { class: "ppacer-right ppacer-muted" }, tickingAge(run.started ?? run.created))));
  root.replaceChildren(table(["State", "Run", "Tasks", "Duration", "Began"], rows, "No runs yet. Trigger one."));
  if (focused) root.querySelector(`[data-run="${CSS.escape(focused)}"]`)?.focus();
}

function progressBar(run) {
  const share = run.tasks ? run.done / run.tasks : 1;
  const failed = run.tasks ? run.failed / run.tasks : 0;
  const bar = h("span", { class: "ppacer-bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": run.tasks, "aria-valuenow": run.done },
    h("span", { class: "ppacer-bar-done" }), h("span", { class: "ppacer-bar-failed" }));
  bar.children[0].style.width = `${(share - failed) * 100}%`;
  bar.children[1].style.width = `${failed * 100}%`;
  return h("span", { class: "ppacer-progress-cell" }, bar, h("span", { class: "ppacer-muted ppacer-small" }, `${run.done}/${run.tasks}`));
}

function drawDetail(model, root, report) {
  const detail = model.get("detail");
  if (!detail.run) { root.replaceChildren(); return; }
  const run = detail.run;
  const cancel = run.active
    ? h("button", { class: "ppacer-button ppacer-danger", type: "button", onclick: () => model.send({ kind: "cancel", run: run.id }) }, "Cancel run")
    : "";
  const follow = model.get("selected")
    ? h("button", { class: "ppacer-button", type: "button", onclick: () => { model.set("selected", ""); model.save_changes(); } }, "Follow the newest")
    : "";
  const failures = detail.attempts.filter((attempt) => attempt.error);
  root.replaceChildren(
    h("div", { class: "ppacer-title-row" }, badge(run), h("code", { class: "ppacer-run-id" }, run.id),
      h("span", { class: "ppacer-space" }), follow, cancel),
    detail.params.length
      ? h("div", { class: "ppacer-small" }, ...detail.params.map(([name, value]) =>
        h("span", { class: "ppacer-param" }, h("span", { class: "ppacer-muted" }, `${name} = `), value)))
      : "",
    detail.reason && !run.active ? h("div", { class: "ppacer-muted ppacer-small" }, detail.reason) : "",
    h("div", { class: "ppacer-graph-frame", tabindex: 0, role: "group", "aria-label": "Graph of the run" }, graph(detail.graph)),
    ...failures.slice(-3).map(failure),
    table(["State", "Task", "Duration", "Result", ""], detail.attempts.map((attempt) => attemptRow(model, run, attempt, report)), "Nothing has begun."));
}

/** The picture that Python drew. It holds no script, and its texts are escaped. */
function graph(text) {
  if (!text) return "";
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  return parsed.nodeName === "svg" ? document.importNode(parsed, true) : "";
}

function failure(attempt) {
  return h("details", { class: "ppacer-failure ppacer-state-failed" },
    h("summary", {}, h("b", {}, `${attempt.task}, attempt ${attempt.number}: `), attempt.error),
    attempt.traceback ? h("pre", {}, attempt.traceback) : "");
}

function attemptRow(model, run, attempt, report) {
  const retry = attempt.retry !== null && attempt.retry > Date.now();
  const result = attempt.cell ? `cell ${attempt.cell[0]} of ${attempt.cell[1]}`
    : retry ? h("span", {}, "tried again ", tickingAge(attempt.retry))
      : attempt.value && attempt.value !== "None" ? h("code", {}, attempt.value) : attempt.reason;
  const toLog = () => { model.set("log_task", attempt.task); model.save_changes(); };
  const showReport = attempt.report
    ? h("button", { class: "ppacer-button", type: "button", onclick: () => {
      report.replaceChildren();
      model.send({ kind: "report", run: run.id, task: attempt.task, number: attempt.number });
    } }, "Report")
    : "";
  return h("tr", {},
    h("td", {}, badge(attempt)),
    h("td", {}, h("b", {}, attempt.task), attempt.number > 1 ? h("span", { class: "ppacer-muted" }, ` attempt ${attempt.number}`) : "",
      attempt.worker ? h("div", { class: "ppacer-muted ppacer-small", title: attempt.notebook }, attempt.worker) : ""),
    h("td", { class: "ppacer-right" }, tickingDuration(attempt.started, attempt.ended)),
    h("td", { class: "ppacer-result" }, result),
    h("td", { class: "ppacer-right ppacer-actions" }, showReport,
      attempt.number ? h("button", { class: "ppacer-button", type: "button", "aria-label": `Log of ${attempt.task}`, onclick: toLog }, "Log") : ""));
}

function drawLogs(model, root) {
  const lines = model.get("logs");
  const task = model.get("log_task");
  const old = root.querySelector(".ppacer-lines");
  const atEnd = !old || old.scrollHeight - old.scrollTop - old.clientHeight < 30;
  const kept = old?.scrollTop ?? 0;
  const all = task
    ? h("button", { class: "ppacer-button", type: "button", onclick: () => { model.set("log_task", ""); model.save_changes(); } }, "All tasks")
    : "";
  const body = h("div", { class: "ppacer-lines", tabindex: 0, role: "log", "aria-label": "Log lines" },
    lines.length ? lines.map((line) => logLine(line, !task)) : h("div", { class: "ppacer-muted" }, "No log lines."));
  root.replaceChildren(
    h("div", { class: "ppacer-title-row" }, h("span", { class: "ppacer-heading" }, task ? `Log of ${task}` : "Log"), h("span", { class: "ppacer-space" }), all),
    body);
  body.scrollTop = atEnd ? body.scrollHeight : kept;
}

const LEVELS = { WARNING: "warning", ERROR: "failed", CRITICAL: "failed", STDERR: "warning", INFO: "info" };

function logLine(line, withTask) {
  return h("div", { class: `ppacer-line ppacer-state-${LEVELS[line.level] ?? "none"}` },
    h("span", { class: "ppacer-muted", title: full.format(new Date(line.at)) }, clock.format(new Date(line.at))),
    h("span", { class: "ppacer-level" }, line.level),
    withTask ? h("span", { class: "ppacer-muted" }, line.task) : "",
    h("span", { class: "ppacer-message" }, line.message,
      ...line.attributes.map(([name, value]) => h("span", { class: "ppacer-muted" }, ` ${name}=${value}`))));
}

function table(heads, rows, nothing) {
  const head = heads.map((title) => h("th", { scope: "col", class: ["Duration", "Began"].includes(title) ? "ppacer-right" : "" }, title));
  const none = h("tr", {}, h("td", { class: "ppacer-muted", colspan: heads.length }, nothing));
  return h("div", { class: "ppacer-scroll" },
    h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows.length ? rows : none)));
}

function showReport(root, { task, html }) {
  const close = h("button", { class: "ppacer-button", type: "button", onclick: () => root.replaceChildren() }, "Close");
  const frame = h("iframe", { class: "ppacer-report", sandbox: "", title: `Report of ${task}` });
  frame.srcdoc = html; // sandboxed: no script of a report runs
  root.replaceChildren(
    h("div", { class: "ppacer-title-row" }, h("span", { class: "ppacer-heading" }, `Report of ${task}`), h("span", { class: "ppacer-space" }), close),
    frame);
  close.focus();
}

function render({ model, el }) {
  const part = (name) => h("section", { class: `ppacer-${name}` });
  const [header, notice, counters, dags, runs, detail, report, logs] =
    ["header", "notice", "counters", "dags", "runs", "detail", "report-frame", "logs"].map(part);
  notice.setAttribute("aria-live", "polite");
  const root = h("div", { class: "ppacer ppacer-dashboard" }, header, notice, counters, dags,
    h("div", { class: "ppacer-columns" }, h("div", { class: "ppacer-left" }, runs), h("div", { class: "ppacer-right-column" }, detail, report, logs)));
  el.append(root);

  const draw = {
    overview: () => { drawHeader(model, header); drawCounters(model, counters); drawDags(model, dags); },
    notice: () => drawNotice(model, notice),
    runs: () => drawRuns(model, runs),
    detail: () => { drawDetail(model, detail, report); drawRuns(model, runs); },
    logs: () => drawLogs(model, logs),
  };
  for (const name of Object.keys(draw)) { draw[name](); model.on(`change:${name}`, draw[name]); }
  model.on("change:selected", draw.detail);
  model.on("change:log_task", draw.logs);
  const hear = (content) => { if (content.kind === "report") showReport(report, content); };
  model.on("msg:custom", hear);
  const timer = setInterval(() => {
    if (document.hidden) return;
    for (const element of root.querySelectorAll("[data-ticks]")) element.textContent = element.read();
  }, 1000);
  return () => {
    clearInterval(timer);
    for (const name of Object.keys(draw)) model.off(`change:${name}`, draw[name]);
    model.off("change:selected", draw.detail);
    model.off("change:log_task", draw.logs);
    model.off("msg:custom", hear);
  };
}

export default { render };
