// Where files come in: the drop zone is a native file input with a picture around it. Folders, the camera, the clipboard and drops
// anywhere on the page come in here, too.

import { collectChosen, collectDropped, collectPasted, countDragged, hasFiles } from "./collect.js";
import { button, h, setAttribute, setFacts, setShown, setText } from "./dom.js";
import { icon } from "./icons.js";

/** @typedef {import("./collect.js").Collected} Collected */
/** @typedef {import("./words.js").Words} Words */
/** @typedef {import("./types.js").Limits} Limits */
/**
 * @typedef {object} ZoneOptions
 * @property {Words} words
 * @property {boolean} multiple
 * @property {string} accept
 * @property {Partial<Limits> | null} limits
 * @property {boolean} compact Whether there are files already: the zone is one line then.
 * @property {boolean} page Whether the whole page takes drops.
 */

/**
 * Puts the action into its sentence, as an element of its own.
 * @param {HTMLElement} into
 * @param {Words} words
 * @param {string} key
 * @param {string} action
 */
function sentence(into, words, key, action) {
  const [before, after] = words.t(key, { action: "\n" }).split("\n");
  if (into.textContent !== before + action + (after ?? "")) into.replaceChildren(before, h("span.link", action), after ?? "");
}

/** @param {Partial<Limits> | null} limits @param {boolean} multiple @param {Words} words */
export function limitsLine(limits, multiple, words) {
  const said = [];
  const types = limits?.types ?? [];
  if (limits?.maxSize && Number.isFinite(limits.maxSize)) said.push(words.t(multiple ? "limitEach" : "limitOne", { size: words.size(limits.maxSize) }));
  if (multiple && limits?.maxFiles && Number.isFinite(limits.maxFiles)) said.push(words.t("limitFiles", { count: limits.maxFiles }));
  if (types.length > 0) said.push(words.t("limitTypes", { types: words.types(types) }));
  if (limits?.left !== undefined) said.push(words.t("limitLeft", { size: words.size(limits.left) }));
  return said;
}

export class Zone {
  /** @param {(collected: Collected) => void} took */
  constructor(took) {
    this.took = took;
    const changed = (/** @type {Event} */ event) => this.choose(/** @type {HTMLInputElement} */ (event.target));
    this.input = h("input.input", { type: "file", change: changed, "aria-describedby": "limits" });
    this.folderInput = h("input", { type: "file", webkitdirectory: true, hidden: true, change: changed });
    this.cameraInput = h("input", { type: "file", accept: "image/*", capture: "environment", hidden: true, change: changed });
    this.mouse = h("span.for-mouse");
    this.touch = h("span.for-touch.link");
    this.over = h("span.for-drag");
    this.limits = h("p.limits.num", { id: "limits", part: "limits" });
    const source = (/** @type {string} */ name, /** @type {HTMLInputElement} */ input) =>
      button(`.source.source-${name}`, { part: "button source", click: () => input.click() }, icon(name), h("span"));
    this.folder = source("folder", this.folderInput);
    this.camera = source("camera", this.cameraInput);
    const text = h("div.zone-text", h("p.title", this.mouse, this.touch, this.over), this.limits);
    this.element = h("div.zone", { part: "drop-zone" }, this.input, h("div.dashes"), h("div.zone-icon", icon("upload")),
      text, h("div.sources", this.folder, this.camera), this.folderInput, this.cameraInput);
    this.depth = 0;
    this.page = false;
    for (const type of /** @type {const} */ (["dragenter", "dragover", "dragleave", "drop"])) this.element.addEventListener(type, this);
  }

  /** Listens on the page as well, while the element is there. @param {Document} page */
  connect(page) {
    this.document = page;
    for (const type of ["paste", "dragenter", "dragover", "dragleave", "drop"]) page.addEventListener(type, this);
  }

  disconnect() {
    for (const type of ["paste", "dragenter", "dragover", "dragleave", "drop"]) this.document?.removeEventListener(type, this);
    this.lit(false);
  }

  /** @param {ZoneOptions} options */
  update({ words, multiple, accept, limits, compact, page }) {
    this.words = words;
    this.multiple = multiple;
    this.page = page;
    const folders = multiple && "webkitdirectory" in this.folderInput;
    const choose = words.t(multiple ? "choose" : "chooseOne");
    const alone = choose[0].toLocaleUpperCase(words.lang) + choose.slice(1);
    sentence(this.mouse, words, multiple ? "drop" : "dropOne", choose);
    setText(this.touch, alone);
    setAttribute(this.input, "aria-label", alone);
    this.input.multiple = multiple;
    this.input.accept = accept;
    this.element.classList.toggle("compact", compact);
    const said = limitsLine(limits, multiple, words);
    setFacts(this.limits, said);
    setShown(this.limits, said.length > 0);
    setShown(this.folder, folders);
    setShown(this.camera, !accept || /image|\*\/\*/.test(accept));
    for (const [source, key] of /** @type {const} */ ([[this.folder, "folder"], [this.camera, "camera"]])) {
      setText(/** @type {Element} */ (source.lastChild), words.t(key));
      // In a narrow place only the icon is seen.
      setAttribute(source, "aria-label", words.t(key));
      setAttribute(source, "title", words.t(key));
    }
  }

  /** @param {HTMLInputElement} input */
  choose(input) {
    const found = collectChosen(input.files);
    // The same file chosen again is a change, too.
    input.value = "";
    if (found.length > 0) this.took({ found, empty: [], unreadable: [] });
  }

  /** @param {Event} event */
  handleEvent(event) {
    if (event.type === "paste") return this.paste(/** @type {ClipboardEvent} */ (event));
    const dragged = /** @type {DragEvent} */ (event);
    const here = event.currentTarget === this.element;
    if ((!here && !this.page) || event.defaultPrevented || !hasFiles(dragged.dataTransfer)) return undefined;
    event.preventDefault();
    if (event.type === "dragover" && dragged.dataTransfer) dragged.dataTransfer.dropEffect = "copy";
    // Leaving one element and entering the next inside it come in this order: enter, leave.
    if (event.type === "dragenter") this.depth++;
    if (event.type === "dragleave") this.depth--;
    if (event.type === "drop") return this.drop(dragged);
    this.lit(this.depth > 0 || event.type === "dragover", dragged.dataTransfer);
    return undefined;
  }

  /** @param {boolean} on @param {DataTransfer | null} [data] */
  lit(on, data = null) {
    if (!on) this.depth = 0;
    this.element.classList.toggle("over", on);
    if (!on || !this.words) return;
    const { count, files } = countDragged(data);
    // How many files are in a folder is known only when it has been dropped.
    setText(this.over, this.words.t(files && count > 0 ? "dragging" : "draggingUnknown", { count }));
  }

  /** @param {DragEvent} event */
  async drop(event) {
    this.lit(false);
    if (!event.dataTransfer) return;
    const collected = await collectDropped(event.dataTransfer, (count) => {
      if (count > 200 && this.words) this.reading(this.words.t("reading", { count }));
    });
    this.reading("");
    this.took(collected);
  }

  /** Says how far the folders are read. @param {string} text */
  reading(text) {
    this.element.classList.toggle("reading", text !== "");
    if (text) setText(this.over, text);
  }

  /** @param {ClipboardEvent} event */
  paste(event) {
    const target = /** @type {Element} */ (event.composedPath()[0]);
    const writing = target instanceof Element && target.matches("input:not([type=file]), textarea, [contenteditable], [contenteditable] *");
    const found = collectPasted(event.clipboardData);
    if (event.defaultPrevented || writing || found.length === 0) return;
    event.preventDefault();
    this.took({ found, empty: [], unreadable: [] });
  }
}
