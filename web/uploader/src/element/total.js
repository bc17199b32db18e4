// The line above the files: how many, how much, how fast, how long, and what can be done with all of them.

import { makeBar, setBar } from "./bar.js";
import { AT_RISK, ENDED, paceOf } from "./describe.js";
import { button, h, setAttribute, setFacts, setShown, setText } from "./dom.js";
import { iconBox } from "./icons.js";

/** @typedef {import("./types.js").Item} Item */
/** @typedef {import("./types.js").UploaderState} UploaderState */
/** @typedef {import("./words.js").Words} Words */
/** @typedef {ReturnType<typeof tally>} Tally */

/** Counts items by what can be done with them. @param {readonly Item[]} items */
export function tally(items) {
  const counts = { all: items.length, ready: 0, readyBytes: 0, atRisk: 0, queued: 0, paused: 0, failed: 0, retryable: 0, needed: 0, ended: 0 };
  for (const { state, size } of items) {
    const { kind } = state;
    if (kind === "ready") {
      counts.ready++;
      counts.readyBytes += size;
    }
    if (AT_RISK.has(kind)) counts.atRisk++;
    if (ENDED.has(kind)) counts.ended++;
    if (kind === "queued") counts.queued++;
    else if (kind === "paused") counts.paused++;
    else if (kind === "needs-file") counts.needed++;
    else if (kind === "failed" || kind === "rejected") counts.failed++;
    if (kind === "failed" && state.problem.retryable) counts.retryable++;
  }
  return counts;
}

/** The actions for all and their icons. */
const ACTIONS = /** @type {const} */ ({ startAll: "resume", pauseAll: "pause", resumeAll: "resume", retryAll: "retry", cancelAll: "remove", clear: "remove" });

export class Total {
  /** @param {(act: string) => void} act */
  constructor(act) {
    this.act = act;
    this.mark = iconBox("check");
    this.files = h("span.files");
    this.facts = h("span.facts.num");
    this.failed = button(".text.failed", { click: () => act("showFailed") });
    this.buttons = Object.entries(ACTIONS).map(([name, image]) => {
      return button(".all", { part: "button all", "data-all": name, click: () => this.press(name) }, iconBox(image), h("span"));
    });
    this.bar = makeBar("bar bar-total");
    this.line = h("div.total-line", h("p.sum", this.mark, this.files, this.facts), this.failed, h("div.alls", ...this.buttons));
    this.question = h("p");
    this.keep = button(".plain", { click: () => this.ask(false) });
    this.sure = button(".danger", { click: () => { this.ask(false); act("cancelAll"); } });
    this.confirm = h("div.confirm", { role: "group", hidden: true, keydown: (/** @type {KeyboardEvent} */ event) => { if (event.key === "Escape") this.ask(false); } },
      this.question, this.keep, this.sure);
    this.element = h("div.total", { part: "total", hidden: true }, this.line, this.confirm, this.bar);
  }

  /** @param {string} name */
  press(name) {
    if (name === "cancelAll") this.ask(true);
    else this.act(name);
  }

  /** Asks before all is given up: the safe button has the focus. @param {boolean} asked */
  ask(asked) {
    setShown(this.confirm, asked);
    setShown(this.line, !asked);
    if (asked) this.keep.focus();
    else this.buttons.find((button) => !button.hidden)?.focus();
  }

  /** @param {UploaderState} state @param {Tally} counts @param {Words} words @param {boolean} autoStart */
  update(state, counts, words, autoStart) {
    const { totals } = state;
    const live = counts.ended < counts.all;
    setShown(this.element, counts.all > 1 || (counts.all === 1 && !live && counts.ready === 1));
    this.say(state, counts, words, live);
    setShown(this.failed, counts.failed > 0);
    setText(this.failed, words.t("failedFiles", { count: counts.failed }));
    setShown(this.bar, live);
    setBar(this.bar, totals, totals.bytes, words.t("uploadAll"), words);
    this.offer(counts, words, live, autoStart);
  }

  /** @param {UploaderState} state @param {Tally} counts @param {Words} words @param {boolean} live */
  say({ totals }, counts, words, live) {
    setShown(this.mark, !live && counts.ready > 0);
    setText(this.files, live ? words.t("filesDone", { done: counts.ready, count: counts.all }) : words.t("received", { count: counts.ready }));
    const progress = words.t("progress", { done: words.size(totals.confirmed), size: words.size(totals.bytes) });
    setFacts(this.facts, live ? [progress, ...paceOf(totals, words)] : [words.size(counts.readyBytes)]);
  }

  /** @param {Tally} counts @param {Words} words @param {boolean} live @param {boolean} autoStart */
  offer(counts, words, live, autoStart) {
    const running = counts.atRisk - (autoStart ? 0 : counts.queued);
    /** @type {Record<keyof typeof ACTIONS, boolean>} */
    const shown = {
      startAll: !autoStart && counts.queued > 0 && running === 0,
      pauseAll: running > 0,
      resumeAll: running === 0 && counts.paused > 0,
      retryAll: counts.retryable > 1,
      cancelAll: counts.atRisk + counts.paused + counts.needed > 0,
      clear: !live && counts.all > 0,
    };
    const focused = /** @type {ShadowRoot | Document} */ (this.element.getRootNode()).activeElement;
    for (const button of this.buttons) {
      const name = /** @type {keyof typeof ACTIONS} */ (button.dataset.all);
      setShown(button, shown[name]);
      const label = words.t(name === "startAll" ? "start" : name);
      setText(/** @type {Element} */ (button.lastChild), label);
      setAttribute(button, "title", label);
    }
    if (focused instanceof HTMLButtonElement && focused.hidden && this.buttons.includes(focused)) this.buttons.find((button) => !button.hidden)?.focus();
    if (!shown.cancelAll && !this.confirm.hidden) this.ask(false);
    setText(this.question, words.t("confirmCancel", { count: counts.atRisk + counts.paused + counts.needed }));
    setAttribute(this.confirm, "aria-label", words.t("cancelAll"));
    setText(this.keep, words.t("keep"));
    setText(this.sure, words.t("cancelAll"));
  }
}
