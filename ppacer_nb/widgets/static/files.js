// Files that attempts left: links where the Jupyter server can reach them, and their paths to copy elsewhere.

import { h } from "./dom.js";

/** Return a link to a file, or a button that copies its path. */
export function fileLink(model, { kind, path, shown }) {
  const onServer = serverPath(model, path);
  if (onServer === null) {
    const copy = h("button", { type: "button", class: "pd-button pd-quiet", title: `Copy the path\n${path}` }, kind);
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(path);
      copy.textContent = "path copied";
      setTimeout(() => (copy.textContent = kind), 1500);
    });
    return copy;
  }
  const link = h(
    "a",
    { class: "pd-link", href: address(onServer), target: "_blank", rel: "noopener", title: shown },
    kind,
  );
  // Within JupyterLab and Notebook the application opens it, in a tab of its own.
  link.dataset.commandlinkerCommand = "docmanager:open";
  link.dataset.commandlinkerArgs = JSON.stringify({ path: onServer });
  return link;
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
