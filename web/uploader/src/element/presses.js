// What a press of a row's or of the total's button does beyond the core: details, copying, and where the focus goes.

import { copy } from "./clipboard.js";

/** @typedef {import("./types.js").Item} Item */
/** @typedef {import("./words.js").Words} Words */
/** @typedef {import("./row.js").Details} Details */
/**
 * @typedef {object} Pieces
 * @property {import("./zone.js").Zone} zone
 * @property {import("./list.js").FileList} list
 * @property {import("./notices.js").Notices} notices
 * @property {import("./announcer.js").Announcer} announcer
 * @property {HTMLInputElement} again
 */

/** How long a button says that it has copied, in milliseconds. */
const SHOWN = 2000;

/** What stands behind "Details". @param {Item | undefined} item @param {Words} words @returns {Details} */
export function detailsOf(item, words) {
  /** @type {[string, string | undefined][]} */
  const pairs = [];
  const state = item?.state;
  if (state && "problem" in state && state.problem) pairs.push([words.t("code"), state.problem.code], [words.t("request"), state.problem.requestId]);
  if (state?.kind === "ready") pairs.push([words.t("sha256"), state.sha256], [words.t("asset"), item?.assetId]);
  return /** @type {Details} */ (pairs.filter(([, value]) => value));
}

export class Presses {
  /** @param {import("./parts.js").PartsContext} context @param {Pieces} pieces */
  constructor(context, pieces) {
    this.context = context;
    this.pieces = pieces;
    /** Rows whose details are shown. @type {Set<string>} */
    this.open = new Set();
    /** Rows of which something was just copied, and what they say. @type {Map<string, string>} */
    this.copied = new Map();
  }

  /** @param {string} act @param {string} id */
  async row(act, id) {
    const { controller, draw } = this.context;
    const { again, list } = this.pieces;
    if (act === "details") {
      if (!this.open.delete(id)) this.open.add(id);
      draw();
    } else if (act === "choose") again.click();
    else if (act === "copy") await this.copy(id, Promise.resolve(this.text(id)), "copied");
    else if (act === "link" && controller) await this.copy(id, controller.uploader.link(id), "linkCopied");
    else if (act === "remove") {
      const next = list.neighbour(id);
      controller?.act(act, id);
      this.focusAfter(next);
    } else controller?.act(act, id);
  }

  /**
   * The focus goes on to the neighbour's button, or to the input when nothing is left.
   * @param {string | undefined} next
   */
  focusAfter(next) {
    const { list, zone } = this.pieces;
    if (!next || !list.focus(next, '[data-act="remove"]')) zone.input.focus();
  }

  /** @param {string} act */
  all(act) {
    const { controller } = this.context;
    const { list, zone } = this.pieces;
    if (act === "showFailed") {
      const failed = controller?.state.items.find(({ state }) => state.kind === "failed" || state.kind === "rejected");
      if (failed) list.focus(failed.id);
      return;
    }
    controller?.actAll(act);
    if (act === "clear" || act === "cancelAll") zone.input.focus();
  }

  /** What is copied of the details: enough for a report. @param {string} id */
  text(id) {
    const { controller, words } = this.context;
    const item = controller?.item(id);
    const problem = item && "problem" in item.state ? item.state.problem : undefined;
    return [item?.name, problem?.message, ...detailsOf(item, words).map((pair) => pair.join(": "))].filter(Boolean).join("\n");
  }

  /** What cannot be copied is shown, to be copied by hand; what is refused says why.
   * @param {string} id @param {Promise<string>} text @param {string} said */
  async copy(id, text, said) {
    const { controller, draw, words } = this.context;
    const { announcer, notices } = this.pieces;
    try {
      await copy(text);
    } catch {
      const lines = await text.then((shown) => shown.split("\n"), (problem) => [words.problem(problem)]);
      notices.show(controller?.item(id)?.name ?? "", lines, false);
      return;
    }
    announcer.say(words.t(said));
    this.copied.set(id, words.t(said));
    draw();
    setTimeout(() => {
      this.copied.delete(id);
      draw();
    }, SHOWN);
  }
}
