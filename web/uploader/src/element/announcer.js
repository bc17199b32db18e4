// What a screen reader is told, politely: start, steps of 25 %, end, failure, cancellation. With many files the steps are those of
// all, and what happens at the same moment is said together.

import { h } from "./dom.js";
import { fractionOf } from "./describe.js";

/** @typedef {import("./types.js").Item} Item */
/** @typedef {import("./words.js").Words} Words */

const PAUSE = 700;
const STEP = 0.25;
const SAID_AT_ONCE = 4;
/** More files than this at once are told as a number. */
const SINGLY = 3;

export class Announcer {
  constructor() {
    this.element = h("div.said", { role: "status", "aria-live": "polite" });
    /** @type {string[]} */
    this.queue = [];
    /** @type {Map<string, number>} */
    this.steps = new Map();
    this.allStep = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** @param {string} text */
  say(text) {
    if (!this.queue.includes(text)) this.queue.push(text);
    // The last ones count most where there are too many.
    if (this.queue.length > SAID_AT_ONCE) this.queue.shift();
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.element.textContent = this.queue.splice(0).join(". ");
    }, PAUSE);
  }

  /** One file's way, as far as it is told file by file.
   * @param {Item} item @param {string | undefined} before @param {number} running @param {Words} words */
  changed(item, before, running, words) {
    const { name, state } = item;
    const { kind } = state;
    const singly = running <= SINGLY;
    if (kind === "uploading" && singly) this.step(item, words);
    if (kind === before) return;
    if (kind === "ready" && singly) this.say(words.t("saidReady", { name }));
    if (kind === "paused" && singly && state.by === "user") this.say(words.t("saidPaused", { name }));
    if (kind === "cancelled") this.say(words.t("saidCancelled", { name }));
    if (kind === "failed" || kind === "rejected") this.say(words.t("saidFailed", { name, reason: words.problem(state.problem) }));
    if (kind === "needs-file") this.say(`${name}: ${words.t("needsFile")}`);
  }

  /** @param {Item} item @param {Words} words */
  step(item, words) {
    const before = this.steps.get(item.id);
    const step = Math.floor(fractionOf(item) / STEP);
    if (before === undefined) this.say(words.t("saidStarted", { name: item.name }));
    else if (step > before && step * STEP < 1) this.say(words.t("saidPercent", { name: item.name, percent: words.percent(step * STEP) }));
    this.steps.set(item.id, Math.max(step, before ?? 0));
  }

  /**
   * The way of all, where there are many.
   * @param {number} fraction
   * @param {number} count
   * @param {Words} words
   */
  all(fraction, count, words) {
    const step = Math.floor(fraction / STEP);
    if (step > this.allStep && step * STEP < 1 && count > SINGLY) this.say(words.t("saidAllPercent", { percent: words.percent(step * STEP), count }));
    this.allStep = step;
  }

  /** @param {string} id */
  forget(id) {
    this.steps.delete(id);
  }
}
