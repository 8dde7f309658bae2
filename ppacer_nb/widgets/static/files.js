// Files that attempts left: the dashboard shows them below their run, as most Jupyter servers serve no files in
// folders whose names begin with a dot.

import { button } from "./controls.js";
import { h, text, visible } from "./dom.js";

/** Return a button that opens a file of an attempt. */
export function fileButton(send, { task, attempt }, { kind, shown }) {
  const open = (event) => {
    event.stopPropagation(); // the row that it stands in can be chosen too
    send({ command: "open", task, attempt, kind });
  };
  return button(kind, open, { class: "pd-button pd-quiet", title: shown });
}

/** The file that is open. */
export function viewerPanel({ model }) {
  const title = h("h3");
  const place = h("span", { class: "pd-mono pd-muted pd-path" });
  const copy = button("Copy path", () => copyPath(), { class: "pd-button pd-quiet" });
  const link = h("a", { class: "pd-link", target: "_blank", rel: "noopener" }, "Open in a tab");
  const close = button("Close", () => show(null), { class: "pd-button pd-quiet" });
  const page = h("div");
  const head = h("div", { class: "pd-panel-head" }, title, place, h("div", { class: "pd-actions" }, link, copy, close));
  const element = h("section", { "aria-label": "Open file" }, head, page);
  let opened = null;

  async function copyPath() {
    await navigator.clipboard.writeText(opened.path);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy path"), 1500);
  }

  function show(file) {
    opened = file && { ...file, run: model.get("run").id };
    visible(element, file !== null);
    page.replaceChildren();
    if (file === null) return;
    const onServer = serverPath(model, file.path);
    text(title, file.title);
    text(place, file.path);
    // Scripts may run, for charts; without allow-same-origin they reach nothing outside the frame. It is made
    // when it is seen: Chromium lays out nothing in a frame that was made while it was hidden.
    const sandbox = "allow-scripts allow-popups";
    page.append(h("iframe", { class: "pd-document", title: file.title, sandbox, srcdoc: file.html }));
    visible(link, onServer !== null);
    if (onServer !== null) {
      link.href = address(onServer);
      // Within JupyterLab and Notebook the application opens it, in a tab of its own.
      link.dataset.commandlinkerCommand = "docmanager:open";
      link.dataset.commandlinkerArgs = JSON.stringify({ path: onServer });
    }
    element.scrollIntoView({ block: "nearest" });
  }

  show(null);
  return {
    element,
    traits: ["run"],
    update() {
      if (opened && opened.run !== model.get("run").id) show(null);
    },
    hear(message) {
      if (message.command === "document") show(message);
    },
  };
}

/**
 * Return the path that the Jupyter server knows the file by, null if it serves no such file.
 *
 * The server's root is what the notebook's path on disk has before its path on the server. A server shows
 * nothing in folders whose names begin with a dot, unless its configuration says so.
 */
export function serverPath(model, path) {
  const notebook = model.get("notebook");
  const onServer = model.widget_manager?.context?.path;
  if (!notebook || !onServer || !notebook.endsWith(`/${onServer}`)) return null;
  const root = notebook.slice(0, -onServer.length);
  const below = path.startsWith(root) ? path.slice(root.length) : null;
  return below === null || below.split("/").some((part) => part.startsWith(".")) ? null : below;
}

function address(path) {
  const config = document.getElementById("jupyter-config-data")?.textContent;
  const base = config ? (JSON.parse(config).baseUrl ?? "/") : "/";
  return `${base}lab/tree/${path.split("/").map(encodeURIComponent).join("/")}`;
}
