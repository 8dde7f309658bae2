// The log of the selected run, task or attempt. It follows until the viewer scrolls up.

import { WHOLE_RUN } from "./choosing.js";
import { button } from "./controls.js";
import { attribute, h, text, visible } from "./dom.js";
import { LineSearch } from "./linesearch.js";
import { clock, fullIn } from "./time.js";

const TONES = { INFO: "info", WARNING: "warning", ERROR: "failed", CRITICAL: "failed", STDERR: "warning" };
const LEVELS = { debug: "All", info: "Info", warning: "Warnings", error: "Errors" };
const MOST = 5000; // lines; while it follows, older ones go
const NEAR_END = 30; // pixels

/** The log. */
export function logsPanel({ model, send, select }) {
  const title = h("h3", {});
  const all = button("Whole run", () => select(WHOLE_RUN), { class: "pd-button pd-quiet" });
  const chips = Object.entries(LEVELS).map(([least, word]) =>
    h("button", { type: "button", onclick: () => select({ log_least: least }) }, word),
  );
  const levels = h("div", { class: "pd-segments", role: "group", "aria-label": "Log lines from this level on" }, ...chips);
  const search = new LineSearch(() => list.children, goTo);
  const earlier = button("Load earlier lines", () => ask(), { class: "pd-button pd-quiet pd-earlier" });
  const list = h("div", {});
  const lines = h("div", { class: "pd-log", role: "log", "aria-label": "Log", "aria-live": "off", tabindex: 0 }, earlier, list);
  const follow = button("Follow", () => toEnd(), { class: "pd-button pd-follow" });
  const empty = h("p", { class: "pd-empty" }, "No log lines.");
  const tools = h("div", { class: "pd-actions" }, search.element, levels, all);
  const head = h("div", { class: "pd-panel-head" }, title, tools);
  const element = h("section", { "aria-label": "Log of the run" }, head, h("div", { class: "pd-log-place" }, lines, follow), empty);
  let shown = ""; // whose log it is
  let last = 0; // the number of its last line
  let following = true;
  let unseen = 0;
  let top = 0;

  lines.addEventListener("scroll", () => {
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < NEAR_END;
    if (atEnd) following = true;
    else if (lines.scrollTop < top) following = false; // lines that grow do not scroll up: the viewer does
    top = lines.scrollTop;
    if (following) unseen = 0;
    showFollow();
  });

  // A line's height is known when it has come into view: the end moves then, and is followed.
  new ResizeObserver(() => {
    if (following) lines.scrollTop = lines.scrollHeight;
  }).observe(list);

  function goTo(line) {
    following = false;
    const [place, frame] = [line.getBoundingClientRect(), lines.getBoundingClientRect()];
    lines.scrollTop += place.top - frame.top - frame.height / 2;
    showFollow();
  }

  function toEnd() {
    following = true;
    unseen = 0;
    lines.scrollTop = lines.scrollHeight;
    showFollow();
    lines.focus();
  }

  function showFollow() {
    visible(follow, !following);
    text(follow, unseen ? `Follow · ${unseen.toLocaleString("en-GB")} new` : "Follow");
  }

  function ask() {
    const first = list.firstElementChild;
    if (first) send({ command: "earlier_log", before: first.number });
    attribute(earlier, "disabled", "");
  }

  function empties() {
    list.replaceChildren();
    [last, following, unseen, top] = [0, true, 0, 0];
    visible(earlier, model.get("log_begins_earlier"));
    attribute(earlier, "disabled", null);
  }

  function update() {
    const records = model.get("logs");
    const { task_id: task, attempt, log_least: least } = model.get("selection");
    const of = attempt === null ? task : `${task}, attempt ${attempt}`;
    text(title, task ? `Log of ${of}` : "Log");
    visible(all, Boolean(task));
    Object.keys(LEVELS).forEach((one, place) => attribute(chips[place], "aria-pressed", String(one === least)));
    const whose = JSON.stringify([model.get("run").id, task, attempt, least]);
    const hasGap = records.length > 0 && records[0].number > last && last > 0 && model.get("log_begins_earlier");
    if (whose !== shown || hasGap) empties();
    shown = whose;
    lines.classList.toggle("pd-log-of-one", Boolean(task));
    add(records.filter(({ number }) => number > last));
    const isEmpty = list.childElementCount === 0;
    for (const part of [lines, search.element]) visible(part, !isEmpty);
    visible(empty, isEmpty);
    text(empty, least === "debug" ? "No log lines." : `No ${least === "info" ? "lines from info on" : LEVELS[least].toLowerCase()} in this log.`);
    if (following) lines.scrollTop = lines.scrollHeight;
    showFollow();
  }

  function add(records) {
    if (records.length === 0) return;
    const made = records.map(logLine);
    list.append(...made);
    last = records[records.length - 1].number;
    if (following) {
      while (list.childElementCount > MOST) {
        list.firstElementChild.remove();
        visible(earlier, true);
      }
    } else unseen += records.length;
    search.lookInto(made);
  }

  function hear(message) {
    if (message.command !== "earlier_log") return;
    attribute(earlier, "disabled", null);
    if (JSON.stringify([message.run, message.task, message.attempt, message.least]) !== shown) return;
    const first = list.firstElementChild?.number ?? Infinity;
    const made = message.lines.filter(({ number }) => number < first).map(logLine);
    const below = lines.scrollHeight - lines.scrollTop;
    list.prepend(...made);
    visible(earlier, message.more);
    search.lookInto(made);
    following = false;
    lines.scrollTop = lines.scrollHeight - below; // what was looked at stays where it was
    showFollow();
  }
  return { element, traits: ["logs", "log_begins_earlier", "selection", "run"], update, hear };
}

function logLine({ number, at, task, attempt, level, message, attributes }) {
  const tone = TONES[level.toUpperCase()];
  const pieces = [[message, ""], ...attributes.map(([name, value]) => [`${name}=${value}`, "pd-muted"])];
  const words = pieces.map(([piece, style]) => h("span", { class: style || null }, piece));
  const element = h(
    "div",
    { class: tone ? `pd-line ppacer-state-${tone}` : "pd-line" },
    h("span", { class: "pd-line-time", title: fullIn(at, "") }, clock(at)),
    h("span", { class: "pd-line-level" }, level),
    h("span", { class: "pd-line-task", title: `${task}, attempt ${attempt}` }, task),
    h("span", { class: "pd-line-message" }, ...words.flatMap((word, place) => (place ? [" ", word] : [word]))),
  );
  element.number = number;
  element.words = words;
  return element;
}
