// One file's row. Its elements are made once and changed in place: focus and selection survive every update.

import { makeBar, setBar } from "./bar.js";
import { describe } from "./describe.js";
import { button, h, setAttribute, setFacts, setShown, setText } from "./dom.js";
import { kindOf, setIcon } from "./icons.js";

/** @typedef {import("./types.js").Item} Item */
/** @typedef {import("./describe.js").Description} Description */
/** @typedef {import("./words.js").Words} Words */
/**
 * @typedef {object} View What rows have in common.
 * @property {Words} words
 * @property {number} now
 * @property {boolean} canLink
 * @property {boolean} autoStart
 * @property {Set<string>} open Rows whose details are shown.
 * @property {Map<string, string>} copied Rows of which something was just copied, and what.
 * @property {import("./previews.js").Previews} previews
 * @property {(id: string) => Details} details
 */
/** @typedef {[label: string, value: string][]} Details */

/** The icon of each action. @type {Record<string, string>} */
const ICONS = { start: "resume", choose: "folder", allow: "folder" };

/** The part of a name that stays when it is too long: its extension and a little more.
 * @param {string} name @returns {[head: string, tail: string]} */
export function splitName(name) {
  const dot = name.lastIndexOf(".");
  const extension = dot > 0 && name.length - dot <= 10 ? name.length - dot : 0;
  const tail = Math.min(extension + 4, Math.floor(name.length / 2));
  // A pair of surrogates is not cut.
  const cut = name.length - tail;
  const at = /[\uDC00-\uDFFF]/.test(name[cut] ?? "") ? cut - 1 : cut;
  return [name.slice(0, at), name.slice(at)];
}

const actor = (/** @type {string} */ act, /** @type {string} */ kind) => button(`.${kind}`, { part: `button ${kind}`, "data-act": act });

export class Row {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.thumb = h("div.thumb", { part: "thumbnail" });
    this.folder = h("span.folder");
    this.head = h("span.head");
    this.tail = h("span.tail");
    this.name = h("bdi.name", { part: "name", dir: "auto" }, this.folder, this.head, this.tail);
    this.size = h("span.size.num", { part: "size" });
    this.stateIcon = h("span.state-icon");
    this.word = h("span.word");
    this.facts = h("span.facts.num");
    this.state = h("span.state", { part: "state" }, this.stateIcon, this.word);
    this.sentence = h("p.sentence", { part: "message" });
    this.offers = { retry: actor("retry", "text"), choose: actor("choose", "text"), allow: actor("allow", "text") };
    this.more = actor("details", "text");
    this.offered = h("div.offers", ...Object.values(this.offers), this.more);
    this.details = h("div.details", { part: "details", hidden: true });
    this.action = actor("", "icon-button");
    this.remove = actor("remove", "icon-button");
    setIcon(this.remove, "remove");
    this.bar = makeBar("bar");
    const body = h("div.body", this.name, this.size,
      h("div.status", this.state, this.facts, this.offered), this.sentence, this.details);
    this.element = h("li.row", { "data-id": id }, this.thumb, body, h("div.actions", this.action, this.remove), this.bar);
    /** @type {unknown[]} */
    this.shown = [];
  }

  /** @param {Item} item @param {View} view */
  update(item, view) {
    // Snapshots are immutable: what is the same object looks the same, unless time is part of it.
    const key = [item, view.words, view.canLink, view.open.has(this.id), view.copied.get(this.id), item.state.kind === "waiting" && view.now];
    if (key.every((part, at) => part === this.shown[at])) return;
    const focused = /** @type {ShadowRoot} */ (this.element.getRootNode()).activeElement;
    this.showName(item, view.words);
    const said = describe(item, view);
    this.showState(item, said, view);
    this.showActions(item, said, view);
    this.showDetails(said, view);
    view.previews.show(this.thumb, item, kindOf(item.type));
    this.shown = key;
    // A focused button that is gone hands the focus on within the row.
    if (focused instanceof HTMLElement && focused.hidden && this.element.contains(focused)) (this.action.hidden ? this.remove : this.action).focus();
  }

  /** @param {Item} item @param {Words} words */
  showName(item, words) {
    setAttribute(this.name, "title", item.path || item.name);
    const folder = item.path && item.path !== item.name ? item.path.slice(0, item.path.lastIndexOf("/") + 1) : "";
    const [head, tail] = splitName(item.name);
    setText(this.folder, folder);
    setText(this.head, head);
    setText(this.tail, tail);
    setText(this.size, words.size(item.size));
  }

  /** @param {Item} item @param {Description} said @param {View} view */
  showState(item, said, { words, copied }) {
    setAttribute(this.element, "data-state", item.state.kind);
    setAttribute(this.element, "data-tone", said.tone);
    setAttribute(this.element, "part", `row row-${item.state.kind} row-${said.tone}`);
    const note = copied.get(this.id);
    setIcon(this.stateIcon, said.icon);
    setText(this.word, said.word);
    setFacts(this.facts, note ? [note] : said.facts);
    setText(this.sentence, said.sentence ?? "");
    setShown(this.sentence, Boolean(said.sentence));
    setShown(this.bar, said.bar);
    if (said.bar) setBar(this.bar, item, item.size, words.t("uploadOf", { name: item.name }), words);
    setAttribute(this.bar, "title", item.sent > item.confirmed
      ? words.t("unconfirmed", { size: words.size(item.sent), done: words.size(item.confirmed) }) : null);
  }

  /** @param {Item} item @param {Description} said @param {View} view */
  showActions(item, said, { words }) {
    const name = item.name;
    const label = (/** @type {HTMLElement} */ element, /** @type {string} */ text) => {
      setAttribute(element, "aria-label", words.t("actionFor", { action: text, name }));
      setAttribute(element, "title", text);
    };
    setShown(this.action, said.action !== null);
    if (said.action) {
      setAttribute(this.action, "data-act", said.action);
      setIcon(this.action, ICONS[said.action] ?? said.action);
      label(this.action, words.t(said.action));
    }
    label(this.remove, words.t(said.live ? "cancel" : "remove"));
    for (const [act, element] of Object.entries(this.offers)) {
      setShown(element, said.offers.some((offer) => offer === act));
      setText(element, words.t(act === "choose" ? "chooseAgain" : act));
      setAttribute(element, "aria-label", words.t("actionFor", { action: element.textContent ?? "", name }));
    }
  }

  /** @param {Description} said @param {View} view */
  showDetails(said, view) {
    const { words, open } = view;
    const pairs = view.details(this.id);
    const shown = open.has(this.id) && pairs.length > 0;
    setShown(this.more, pairs.length > 0);
    setShown(this.offered, pairs.length > 0 || said.offers.length > 0);
    setText(this.more, words.t("details"));
    setAttribute(this.more, "aria-expanded", String(shown));
    setShown(this.details, shown);
    if (!shown) return;
    const list = h("dl", ...pairs.flatMap(([label, value]) => [h("dt", label), h("dd", value)]));
    const copy = actor("copy", "text");
    setText(copy, words.t("copyDetails"));
    // Made anew only where it says something else: the focus may be on its button.
    if (this.details.firstChild?.textContent !== list.textContent || !this.details.lastChild) this.details.replaceChildren(list, copy);
  }
}
