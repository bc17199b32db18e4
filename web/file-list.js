// The list of files: only what can be seen is in the document, however many there are. Every row is of one height, and the page itself
// scrolls.

import { h, setAttribute } from "./uploader/src/element/dom.js";
import { FileRow } from "./file-row.js";

/** Rows beside what can be seen: the next Tab finds its button. */
const OVERSCAN = 6;

export class FileList {
  /** `act(name, id)`: what was pressed; `near()`: the end comes into view; `shown(assets)`: what can be seen. */
  constructor({ act, near, shown }) {
    Object.assign(this, { near, shown, items: [], rows: new Map(), about: () => ({}), complete: false });
    this.element = h("ul.rows", { role: "list", "aria-labelledby": "files-title" });
    this.element.addEventListener("click", (event) => {
      const pressed = event.target.closest("[data-act]");
      const id = pressed?.closest("li")?.dataset.id;
      // Links that shall open elsewhere are the browser's.
      if (!id || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      act(pressed.dataset.act, id);
    });
    this.element.addEventListener("keydown", (event) => this.keydown(event));
    let waiting = false;
    const soon = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        this.render();
      });
    };
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
  }

  /** Shows these assets. `about(asset)`: what a row shows beside the asset itself. */
  update(items, complete, about) {
    Object.assign(this, { items, complete, about });
    this.render();
  }

  render() {
    const { element, items } = this;
    const height = parseFloat(getComputedStyle(element).getPropertyValue("--row")) || 64;
    element.style.height = `${items.length * height}px`;
    const above = -element.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(above / height) - OVERSCAN);
    const last = Math.min(items.length, Math.ceil((above + innerHeight) / height) + OVERSCAN);
    const seen = items.slice(first, last);
    this.place(seen, first, height);
    this.shown(seen);
    if (!this.complete && last > items.length - 2 * OVERSCAN) this.near();
  }

  place(seen, first, height) {
    const ids = new Set(seen.map(({ id }) => id));
    for (const [id, row] of this.rows) {
      // The row with the focus stays, out of sight.
      const kept = row.element.matches(":focus-within") && this.items.some((asset) => asset.id === id);
      if (ids.has(id) || kept) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    let before = null;
    seen.forEach((asset, at) => {
      let row = this.rows.get(asset.id);
      if (!row) this.rows.set(asset.id, row = new FileRow(asset.id));
      row.element.style.transform = `translateY(${(first + at) * height}px)`;
      setAttribute(row.element, "aria-posinset", first + at + 1);
      setAttribute(row.element, "aria-setsize", this.complete ? this.items.length : -1);
      row.update(asset, this.about(asset));
      const next = before ? before.nextElementSibling : this.element.firstElementChild;
      if (next !== row.element) this.element.insertBefore(row.element, next);
      before = row.element;
    });
  }

  /** Brings the focus to a file's row, and the row into view. */
  focus(id, act = "open") {
    const at = this.items.findIndex((asset) => asset.id === id);
    if (at < 0) return false;
    if (!this.rows.has(id)) {
      const height = this.element.offsetHeight / this.items.length;
      scrollTo({ top: this.element.getBoundingClientRect().top + scrollY + at * height - innerHeight / 2 });
      this.render();
    }
    const { element } = this.rows.get(id);
    const found = element.querySelector(`[data-act="${act}"]:not([hidden])`) ?? element.querySelector("[data-act='open']");
    found.focus();
    found.scrollIntoView({ block: "nearest" });
    return true;
  }

  /** The file that takes the focus when this one goes. */
  neighbour(id) {
    const at = this.items.findIndex((asset) => asset.id === id);
    return (this.items[at + 1] ?? this.items[at - 1])?.id;
  }

  /** Arrows go from row to row, to the same button. */
  keydown(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    const id = event.target.closest("li")?.dataset.id;
    if (step === undefined || !id || event.altKey || event.ctrlKey || event.metaKey) return;
    const at = this.items.findIndex((asset) => asset.id === id) + step;
    const to = this.items[Math.min(this.items.length - 1, Math.max(0, at))];
    event.preventDefault();
    if (to) this.focus(to.id, event.target.dataset.act);
  }
}
