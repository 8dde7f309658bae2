// The graph of the selected run: drawn when the DAG's version changes, only recoloured when a state does.

import { icon, wordOf } from "./controls.js";
import { attribute, h, svg, text, visible } from "./dom.js";

const MARGIN = 14;
const SMALLEST_SCALE = 0.7; // below that the text is too small, and the picture scrolls instead of shrinking
const KINDS = {
  // drawn around (0, 0) in a tile of 26: ƒ, a page with lines, $ as a prompt
  function: "M3.8-6.2C1.6-7.4.6-6 .2-3.6L-1.2 3.8C-1.6 6-2.6 7-4.4 6M-3-1.6H3",
  notebook: "M-5-6.5H5V6.5H-5ZM-2.2-3H2.2M-2.2 0H2.2M-2.2 3H.6",
  bash: "M3.4-3.2C2.6-5.2-3-5.4-3.2-2.6-3.2.4 3.4-.8 3.4 2.4 3.2 5.4-2.8 5.2-3.6 2.8M0-6.8V6.8",
};

/** The graph, with a task to choose in each box. */
export function graphPanel({ model, select }) {
  const element = h("div", { class: "pd-graph" });
  let drawn = "";
  let boxes = new Map();
  let blocks = [];

  function choose(task) {
    const chosen = model.get("selection");
    const same = chosen.task_id === task && chosen.attempt === null;
    select({ task_id: same ? null : task, attempt: null });
  }

  function draw(graph) {
    boxes = new Map(graph.boxes.map((box) => [box.id, taskBox(box, () => choose(box.id))]));
    blocks = graph.blocks.map(taskBlock);
    const [width, height] = [graph.width + 2 * MARGIN, graph.height + 2 * MARGIN];
    const picture = svg(
      "svg",
      { viewBox: `${-MARGIN} ${-MARGIN} ${width} ${height}`, width, height, role: "group" },
      ...blocks.map((block) => block.element),
      ...graph.edges.map(edge),
      ...[...boxes.values()].map((box) => box.element),
    );
    attribute(picture, "aria-label", `Graph of ${graph.key}`);
    picture.style.minWidth = `${width * SMALLEST_SCALE}px`;
    element.replaceChildren(picture);
  }

  function update() {
    const graph = model.get("graph");
    visible(element, Boolean(graph.key));
    if (!graph.key) return;
    if (drawn !== graph.key) {
      draw(graph);
      drawn = graph.key;
    }
    const tasks = model.get("tasks");
    const { task_id: chosen } = model.get("selection");
    for (const [id, box] of boxes) box.update(tasks[id], id === chosen);
    for (const block of blocks) block.update(tasks);
  }
  return { element, traits: ["graph", "tasks", "selection"], update };
}

function taskBox(box, choose) {
  const [corner, inset, baseline, scale] = box.small ? [6, 4, 4, 0.84] : [9, 7, 4.6, 1.17];
  const tile = box.height - 2 * inset;
  const middle = box.height / 2;
  const sign = icon(12 * scale);
  attribute(sign, "x", box.width - inset - 12 * scale - 3);
  attribute(sign, "y", middle - 6 * scale);
  const title = svg("title");
  const bar = svg("rect", { class: "pd-cells", x: 0, y: box.height - 3, height: 3, rx: 1.5, width: 0 });
  const place = `translate(${inset + tile / 2} ${middle}) scale(${tile / 26})`;
  const element = svg(
    "g",
    { transform: `translate(${box.x} ${box.y})`, tabindex: 0, role: "button" },
    title,
    svg("rect", { class: "pd-box", width: box.width, height: box.height, rx: corner }),
    svg("rect", { class: "pd-kind-tile", x: inset, y: inset, width: tile, height: tile, rx: corner - 3 }),
    svg("path", { class: "pd-kind", transform: place, d: KINDS[box.kind] ?? "" }),
    svg("text", { x: inset + tile + (box.small ? 6 : 9), y: middle + baseline }, box.text),
    bar,
    sign,
  );
  element.addEventListener("click", choose);
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    choose();
  });

  function update(task, chosen) {
    const state = task?.state;
    const classes = ["pd-node", box.small ? "pd-small" : "", state ? `pd-has-state ppacer-state-${state}` : ""];
    attribute(element, "class", classes.filter(Boolean).join(" "));
    attribute(element, "aria-pressed", String(chosen));
    sign.style.display = state ? "" : "none";
    if (state) sign.update(state);
    const cells = task?.cells;
    attribute(bar, "width", cells ? (box.width * cells[0]) / cells[1] : 0);
    const how = [box.kind, state ? wordOf(state) : (task?.about ?? "not started"), cells ? `cell ${cells[0]} of ${cells[1]}` : ""];
    const lines = [box.id, how.filter(Boolean).join(", "), box.detail].filter(Boolean);
    text(title, lines.join("\n"));
    attribute(element, "aria-label", lines.join(", "));
  }
  return { element, update };
}

function taskBlock(block) {
  const label = svg("text", { class: "pd-note", x: block.x + 14, y: block.y + 21 });
  const element = svg(
    "g",
    { class: "pd-block" },
    svg("rect", { x: block.x, y: block.y, width: block.width, height: block.height, rx: 11 }),
    label,
  );

  function update(tasks) {
    const counts = new Map();
    for (const id of block.tasks) {
      const state = tasks[id]?.state;
      if (state) counts.set(state, (counts.get(state) ?? 0) + 1);
    }
    const parts = [...counts].map(([state, count]) => `${count} ${wordOf(state)}`);
    text(label, [`${block.tasks.length} tasks`, ...parts].join(" · "));
  }
  return { element, update };
}

function edge({ points, data, bundle }) {
  const [x, y] = points[points.length - 1];
  const classes = ["pd-edge", data ? "" : "pd-order", bundle ? "pd-bundle" : ""].filter(Boolean).join(" ");
  return svg(
    "g",
    { class: classes },
    svg("path", { d: curve(points) }),
    svg("path", { class: "pd-arrow", d: `M${x} ${y}l-7.5 -4v8z` }),
  );
}

function curve(points) {
  const line = points.map(([x, y], place) => [place === points.length - 1 ? x - 6 : x, y]); // under the arrowhead
  let drawn = `M${line[0][0]} ${line[0][1]}`;
  for (let place = 1; place < line.length; place += 1) {
    const [[x1, y1], [x2, y2]] = [line[place - 1], line[place]];
    const bend = (x2 - x1) / 2;
    drawn += y1 === y2 ? `H${x2}` : `C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  }
  return drawn;
}
