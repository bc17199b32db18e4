// The list of files: only what can be seen is in the document, however many there are. Heights are estimated until a row has
// been measured; what is above and below is padding.

import { button, h, setAttribute, setShown, setText } from "./dom.js";
import { icon, iconBox } from "./icons.js";
import { Row } from "./row.js";

/** @typedef {import("./types.js").Item} Item */
/** @typedef {import("./row.js").View} View */

/** Rows beside what can be seen: the next Tab finds its button. */
const OVERSCAN = 4;
const ROW_HEIGHT = 57;
/** From how many on finished files are folded into one line. */
export const FOLDED_FROM = 11;

export class FileList {
  /** @param {(act: string, id: string) => void} act */
  constructor(act) {
    this.foldText = h("span.word");
    this.fold = button(".fold", { part: "fold", "aria-expanded": "false", hidden: true, click: () => this.toggle() },
      iconBox("check"), this.foldText, h("span.arrow", icon("chevron")));
    this.list = h("ul.rows", { part: "list", role: "list" });
    this.scroller = h("div.scroller", this.list);
    this.element = h("div.list", { hidden: true }, this.fold, this.scroller);
    this.folded = true;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** @type {Map<string, number>} */
    this.heights = new Map();
    /** @type {readonly Item[]} */
    this.items = [];
    /** @type {View | null} */
    this.view = null;
    this.scroller.addEventListener("scroll", () => this.render(), { passive: true });
    this.list.addEventListener("click", (event) => {
      const pressed = /** @type {Element} */ (event.target).closest("[data-act]");
      const id = pressed?.closest("li")?.dataset.id;
      if (pressed instanceof HTMLElement && pressed.dataset.act && id) act(pressed.dataset.act, id);
    });
    this.list.addEventListener("keydown", (event) => this.keydown(event));
    this.resized = typeof ResizeObserver === "function" ? new ResizeObserver(() => this.render()) : null;
    this.resized?.observe(this.scroller);
  }

  toggle() {
    this.folded = !this.folded;
    if (this.view) this.update(this.all ?? [], this.view);
  }

  /** @param {readonly Item[]} all @param {View} view */
  update(all, view) {
    this.all = all;
    this.view = view;
    const ready = all.filter((item) => item.state.kind === "ready");
    const foldable = ready.length >= FOLDED_FROM;
    const rest = foldable ? all.filter((item) => item.state.kind !== "ready") : all;
    this.items = foldable && !this.folded ? [...ready, ...rest] : rest;
    setShown(this.element, all.length > 0);
    setShown(this.fold, foldable);
    if (foldable) {
      setText(this.foldText, view.words.t("readyFiles", { count: ready.length }));
      setAttribute(this.fold, "aria-expanded", String(!this.folded));
    }
    setShown(this.scroller, this.items.length > 0);
    setAttribute(this.list, "aria-label", view.words.t("list"));
    this.render();
  }

  /** @param {string} id */
  heightOf(id) {
    return this.heights.get(id) ?? ROW_HEIGHT;
  }

  /** What is in view: the first and one past the last, and how much there is before, between and after. */
  window() {
    const from = this.scroller.scrollTop;
    const to = from + Math.max(this.scroller.clientHeight, 1);
    let [top, first, last, before, total] = [0, -1, 0, 0, 0];
    this.items.forEach((item, at) => {
      const height = this.heightOf(item.id);
      if (first < 0 && top + height > from) first = at;
      if (top < to) last = at;
      top += height;
    });
    total = top;
    first = Math.max(0, first - OVERSCAN);
    last = Math.min(this.items.length, last + 1 + OVERSCAN);
    for (let at = 0; at < first; at++) before += this.heightOf(this.items[at].id);
    let shown = 0;
    for (let at = first; at < last; at++) shown += this.heightOf(this.items[at].id);
    return { first, last, before, after: total - before - shown };
  }

  render() {
    if (!this.view) return;
    if (this.items.length === 0) return this.place([], 0, this.view);
    // The scroller has no height of its own before its first rows: the second pass knows it.
    for (let pass = 0; pass < 2; pass++) if (!this.renderWindow(this.view)) return;
  }

  /** Whether a height was other than it was taken for. @param {View} view */
  renderWindow(view) {
    const { first, last, before, after } = this.window();
    this.list.style.paddingBlockStart = `${before}px`;
    this.list.style.paddingBlockEnd = `${after}px`;
    const wanted = this.items.slice(first, last);
    this.place(wanted, first, view);
    let other = false;
    for (const { id } of wanted) {
      const height = this.rows.get(id)?.element.offsetHeight ?? 0;
      if (height > 0 && height !== this.heightOf(id)) other = true;
      if (height > 0) this.heights.set(id, height);
    }
    return other;
  }

  /** @param {readonly Item[]} wanted @param {number} first @param {View} view */
  place(wanted, first, view) {
    const ids = new Set(wanted.map(({ id }) => id));
    for (const [id, row] of this.rows) if (!ids.has(id)) this.leave(id, row);
    let next = this.list.firstElementChild;
    wanted.forEach((item, at) => {
      let row = this.rows.get(item.id);
      if (!row) this.rows.set(item.id, row = new Row(item.id));
      row.element.classList.remove("pinned");
      if (row.element === next) next = next.nextElementSibling;
      else this.list.insertBefore(row.element, next);
      setAttribute(row.element, "aria-posinset", first + at + 1);
      setAttribute(row.element, "aria-setsize", this.items.length);
      row.update(item, view);
    });
  }

  /**
   * A row out of view goes, unless it has the focus: then it stays, unseen.
   * @param {string} id
   * @param {Row} row
   */
  leave(id, row) {
    const there = this.items.some((item) => item.id === id);
    if (there && row.element.matches(":focus-within")) {
      row.element.classList.add("pinned");
      return;
    }
    row.element.remove();
    this.rows.delete(id);
    if (!there) this.heights.delete(id);
  }

  /** Brings a row into view, and the focus to one of its buttons.
   * @param {string} id @param {string} [selector] */
  focus(id, selector = "[data-act]") {
    const at = this.items.findIndex((item) => item.id === id);
    if (at < 0) return false;
    if (!this.rows.has(id)) {
      this.scroller.scrollTop = this.items.slice(0, at).reduce((sum, item) => sum + this.heightOf(item.id), 0) - 2 * ROW_HEIGHT;
      this.render();
    }
    const buttons = [.../** @type {NodeListOf<HTMLElement>} */ (this.rows.get(id)?.element.querySelectorAll(selector) ?? [])];
    const found = buttons.find((button) => button.getClientRects().length > 0);
    if (!found) return false;
    found.focus();
    found.scrollIntoView({ block: "nearest" });
    return true;
  }

  /** The neighbour that takes the focus when this row goes. @param {string} id */
  neighbour(id) {
    const at = this.items.findIndex((item) => item.id === id);
    return (this.items[at + 1] ?? this.items[at - 1])?.id;
  }

  /** Arrows go from row to row, to the same button. @param {KeyboardEvent} event */
  keydown(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    const focused = /** @type {HTMLElement} */ (event.target);
    const id = focused.closest("li")?.dataset.id;
    if (step === undefined || !id || event.altKey || event.ctrlKey || event.metaKey) return;
    const at = this.items.findIndex((item) => item.id === id) + step;
    const to = this.items[Math.min(this.items.length - 1, Math.max(0, at))];
    if (!to) return;
    event.preventDefault();
    if (!this.focus(to.id, `[data-act="${focused.dataset.act}"]`)) this.focus(to.id);
  }
}
