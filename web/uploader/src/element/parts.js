// The pieces of one element, made once and put into its shadow root.

import { Announcer } from "./announcer.js";
import { h } from "./dom.js";
import { FileList } from "./list.js";
import { Notices } from "./notices.js";
import { Presses } from "./presses.js";
import { Previews } from "./previews.js";
import { styleSheet } from "./style.js";
import { Total } from "./total.js";
import { Zone } from "./zone.js";

/** @typedef {ReturnType<typeof buildParts>} Parts */
/**
 * @typedef {object} PartsContext What the pieces ask of the element.
 * @property {import("./controller.js").Controller | null} controller
 * @property {import("./words.js").Words} words
 * @property {() => void} draw
 * @property {(collected: import("./collect.js").Collected) => void} take
 */

/** @param {ShadowRoot} root @param {PartsContext} context Whose `controller` and `words` are others later. */
export function buildParts(root, context) {
  const zone = new Zone(context.take);
  const notices = new Notices();
  const total = new Total((act) => presses.all(act));
  const list = new FileList((act, id) => void presses.row(act, id));
  const announcer = new Announcer();
  const again = h("input", { type: "file", multiple: true, hidden: true, change: () => {
    const files = [...again.files ?? []];
    again.value = "";
    void context.controller?.chooseAgain(files);
  } });
  const previews = new Previews((id) => context.controller?.files.get(id));
  const presses = new Presses(context, { zone, list, notices, announcer, again });
  const box = h("div.root", { part: "root" }, zone.element, notices.element, total.element, list.element, again, announcer.element);
  root.adoptedStyleSheets = [styleSheet()];
  root.replaceChildren(box);
  return { box, zone, notices, total, list, announcer, previews, presses };
}
