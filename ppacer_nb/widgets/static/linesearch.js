// Searching in lines that are on the page: what is found is highlighted and counted, Enter goes to the next.

import { button } from "./controls.js";
import { h, text, visible } from "./dom.js";

const PAUSE = 120; // milliseconds without a key before it searches

/** A search field for `lines()`, elements of which each has its `words`, spans of text; `goTo(line)` shows one. */
export class LineSearch {
  #wanted = "";
  #current = null; // the highlight that was gone to last
  #lines;
  #goTo;
  #field = h("input", { type: "search", class: "pd-search", placeholder: "Search", "aria-label": "Search the log" });
  #count = h("span", { class: "pd-muted pd-small-text pd-count", role: "status" });
  #steps = h(
    "span",
    { class: "pd-steps" },
    button("↑", () => this.#step(-1), { class: "pd-button pd-quiet", "aria-label": "Previous match" }),
    button("↓", () => this.#step(1), { class: "pd-button pd-quiet", "aria-label": "Next match" }),
  );

  constructor(lines, goTo) {
    this.#lines = lines;
    this.#goTo = goTo;
    this.element = h("span", { class: "pd-searching" }, this.#count, this.#steps, this.#field);
    let timer = null;
    this.#field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.#search(), PAUSE);
    });
    this.#field.addEventListener("keydown", (event) => {
      event.stopPropagation(); // JupyterLab's own shortcuts listen above
      if (event.key !== "Enter") return;
      event.preventDefault();
      clearTimeout(timer);
      if (this.#field.value.toLowerCase() !== this.#wanted) this.#search();
      else this.#step(event.shiftKey ? -1 : 1);
    });
    this.#tell();
  }

  /** Highlight what is looked for in lines that are new. */
  lookInto(lines) {
    if (!this.#wanted) return;
    for (const line of lines) this.#mark(line);
    this.#tell();
  }

  #search() {
    this.#wanted = this.#field.value.toLowerCase();
    this.#current = null;
    for (const line of this.#lines()) this.#mark(line);
    const marks = this.#marks();
    if (marks.length) this.#show(marks[marks.length - 1]); // the newest
    this.#tell();
  }

  #mark(line) {
    for (const span of line.words) {
      const found = this.#wanted ? pieces(span.textContent, this.#wanted) : null;
      if (found !== null) span.replaceChildren(...found);
      else if (span.childElementCount) span.textContent = span.textContent;
    }
  }

  #marks() {
    return this.#wanted ? [...this.element.closest("section").querySelectorAll(".pd-line mark")] : [];
  }

  #step(by) {
    const marks = this.#marks();
    if (marks.length === 0) return;
    this.#show(marks[(marks.indexOf(this.#current) + by + marks.length) % marks.length]);
    this.#tell();
  }

  #show(mark) {
    this.#current?.classList.remove("pd-mark-now");
    this.#current = mark;
    mark.classList.add("pd-mark-now");
    this.#goTo(mark.closest(".pd-line"));
  }

  #tell() {
    const marks = this.#marks();
    const place = marks.indexOf(this.#current) + 1;
    text(this.#count, !this.#wanted ? "" : marks.length ? `${place} of ${marks.length.toLocaleString("en-GB")}` : "no match");
    visible(this.#steps, marks.length > 1);
  }
}

/** Return `value` in pieces, those that are `wanted` highlighted; null if none is. */
function pieces(value, wanted) {
  const low = value.toLowerCase();
  if (low.length !== value.length) return null; // a letter that is longer in lower case would shift the places
  const found = [];
  let from = 0;
  for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
    found.push(value.slice(from, at), h("mark", {}, value.slice(at, at + wanted.length)));
    from = at + wanted.length;
  }
  return from ? [...found, value.slice(from)] : null;
}
