// Between the core and what is seen: takes files, carries out what was pressed, and tells the page and the screen reader what changed.

import { AT_RISK, ENDED } from "./describe.js";
import { tally } from "./total.js";

/** @typedef {import("./types.js").Uploader} Uploader */
/** @typedef {import("./types.js").UploaderState} UploaderState */
/** @typedef {import("./types.js").Item} Item */
/** @typedef {import("./collect.js").Collected} Collected */
/** @typedef {import("./notices.js").Refused} Refused */
/** @typedef {import("./words.js").Words} Words */
/**
 * @typedef {object} Host What the controller needs of the element.
 * @property {(name: string, detail: object) => void} emit
 * @property {() => void} draw Draws soon.
 * @property {() => void} drawNow Draws with the next frame.
 * @property {import("./announcer.js").Announcer} announcer
 * @property {import("./notices.js").Notices} notices
 * @property {Words} words
 */

/** Progress is told to the page at most so often, in milliseconds. */
const PROGRESS_INTERVAL = 200;
/** Files taken out of the list in one task. */
const REMOVED_AT_ONCE = 100;
const guard = (/** @type {BeforeUnloadEvent} */ event) => event.preventDefault();

export class Controller {
  /** @param {Uploader} uploader @param {Host} host */
  constructor(uploader, host) {
    this.uploader = uploader;
    this.host = host;
    /** @type {UploaderState} */
    this.state = uploader.state;
    this.counts = tally(this.state.items);
    /** The last state of each file that the page was told. @type {Map<string, string>} */
    this.kinds = new Map(this.state.items.map((item) => [item.id, item.state.kind]));
    /** Images to be shown small. @type {Map<string, File>} */
    this.files = new Map();
    this.told = 0;
    this.guarding = false;
    this.unsubscribe = uploader.subscribe((state, changed) => this.changed(state, changed));
    this.guardPage();
  }

  close() {
    this.unsubscribe();
    this.counts = tally([]);
    this.guardPage();
  }

  /** @param {UploaderState} state @param {Set<string>} changed */
  changed(state, changed) {
    const before = this.state;
    this.state = state;
    this.counts = tally(state.items);
    let moved = before.items.length !== state.items.length || before.online !== state.online || before.limits !== state.limits;
    for (const item of state.items) if (changed.has(item.id)) moved = this.itemChanged(item) || moved;
    if (before.items.length > state.items.length) this.forgetGone();
    const { announcer, words } = this.host;
    if (before.online !== state.online && this.counts.atRisk > 0) announcer.say(words.t(state.online ? "saidOnline" : "saidOffline"));
    if (state.totals.bytes > 0) announcer.all(state.totals.confirmed / state.totals.bytes, this.counts.all, words);
    this.tellProgress();
    this.guardPage();
    if (moved) this.tellComplete();
    if (moved) this.host.drawNow();
    else this.host.draw();
  }

  /** Whether its state is another one. @param {Item} item */
  itemChanged(item) {
    const { kind } = item.state;
    const before = this.kinds.get(item.id);
    const { announcer, words, emit } = this.host;
    announcer.changed(item, before, this.counts.all - this.counts.ended, words);
    if (kind === before) return false;
    this.kinds.set(item.id, kind);
    if (kind === "uploading" && before !== "paused" && before !== "waiting" && before !== "offline") emit("started", { item });
    if (item.state.kind === "ready") emit("ready", { item, asset: item.state.asset });
    if (item.state.kind === "failed" || item.state.kind === "rejected") emit(item.state.kind, { item, problem: item.state.problem });
    if (kind === "cancelled") emit("cancelled", { item });
    return true;
  }

  forgetGone() {
    const there = new Set(this.state.items.map((item) => item.id));
    for (const id of this.kinds.keys()) {
      if (there.has(id)) continue;
      this.kinds.delete(id);
      this.files.delete(id);
      this.host.announcer.forget(id);
      this.host.emit("removed", { id });
    }
  }

  tellProgress() {
    const now = performance.now();
    if (now - this.told < PROGRESS_INTERVAL || this.counts.atRisk === 0) return;
    this.told = now;
    this.host.emit("progress", { totals: this.state.totals });
  }

  /** The page is told once that all have come to their end. */
  tellComplete() {
    const over = this.counts.all > 0 && this.counts.ended === this.counts.all;
    if (over && this.over === false) {
      const { ready, failed } = this.counts;
      this.host.emit("complete", { ready, failed, totals: this.state.totals });
      if (ready > 1) this.host.announcer.say(this.host.words.t("saidAllDone", { count: ready }));
    }
    this.over = over;
  }

  /** The browser asks before the page goes, only while bytes are at risk: a listener alone already keeps a page out of its cache. */
  guardPage() {
    const wanted = this.counts.atRisk > 0;
    if (wanted === this.guarding) return;
    this.guarding = wanted;
    if (wanted) addEventListener("beforeunload", guard);
    else removeEventListener("beforeunload", guard);
  }

  /** Takes files; all that is refused is told in one summary. @param {Collected} collected */
  async take({ found, empty, unreadable }) {
    const { host } = this;
    host.notices.clear();
    const { sources, others } = await this.reselect(found);
    const { added, refused } = this.uploader.add(sources);
    this.remember(added, sources);
    const all = [...others, ...refused, ...unreadable.map((name) => ({ name, path: name, code: "unreadable" }))];
    if (all.length + empty.length > 0) host.announcer.say(host.notices.tell(all, empty, host.words));
    if (added.length > 1) host.announcer.say(host.words.t("saidAdded", { count: added.length }));
    if (added.length + all.length + empty.length > 0) host.emit("added", { ids: added, refused: all, emptyFolders: empty });
    return { added, refused: all };
  }

  /**
   * Files that an unfinished upload waits for go there, the others are new.
   * @param {import("./collect.js").Found[]} found
   */
  async reselect(found) {
    const { different, unknown } = await this.uploader.reselect(found);
    const fresh = new Set(unknown);
    return { sources: found.filter(({ file }) => fresh.has(file)), others: different.map((one) => this.otherFile(one)) };
  }

  /** @param {{id: string, reason: string}} different @returns {Refused & {path: string}} */
  otherFile({ id, reason }) {
    const { words } = this.host;
    const name = this.item(id)?.name ?? id;
    const keys = /** @type {Record<string, string>} */ ({ size: "otherSize", modified: "otherDate", content: "otherContent", unreadable: "unreadable" });
    return { name, path: name, code: "other_file", message: words.t("otherFile", { name, reason: words.t(keys[reason] ?? "otherContent") }) };
  }

  /** Only for files that a row asks for: nothing is added. @param {File[]} files */
  async chooseAgain(files) {
    const { host } = this;
    host.notices.clear();
    const { different, unknown } = await this.uploader.reselect(files);
    const others = [...different.map((one) => this.otherFile(one)),
      ...unknown.map(({ name }) => ({ name, code: "other_file", message: host.words.t("otherName") }))];
    if (others.length > 0) host.announcer.say(host.notices.tell(others, [], host.words));
  }

  /** Which file is which item: both are in the order in which they were given.
   * @param {string[]} added @param {import("./collect.js").Found[]} sources */
  remember(added, sources) {
    let at = 0;
    const items = new Map(this.uploader.state.items.map((item) => [item.id, item]));
    for (const id of added) {
      const item = items.get(id);
      while (item && at < sources.length && (sources[at].file.name !== item.name || sources[at].file.size !== item.size)) at++;
      const file = sources[at++]?.file;
      if (file?.type.startsWith("image/")) this.files.set(id, file);
    }
  }

  /** @param {string} id */
  item(id) {
    return this.state.items.find((item) => item.id === id);
  }

  /** @param {string} act @param {string} id */
  act(act, id) {
    if (act === "pause") this.uploader.pause(id);
    else if (act === "resume" || act === "allow") this.uploader.resume(id);
    else if (act === "start") this.uploader.start(id);
    else if (act === "retry") this.uploader.retry(id);
    else if (act === "remove") this.remove(id);
  }

  /** What is on its way is cancelled first. @param {string} id */
  remove(id) {
    const item = this.item(id);
    if (!item) return;
    const live = !ENDED.has(item.state.kind) && item.state.kind !== "processing";
    const { announcer, words } = this.host;
    announcer.say(words.t(live ? "saidCancelled" : "saidRemoved", { name: item.name }));
    if (live) this.tellCancelled(item);
    this.uploader.cancel(id);
    this.uploader.remove(id);
  }

  /**
   * The page is told here: the item may be gone before the core tells of its last state.
   * @param {Item} item
   */
  tellCancelled(item) {
    this.kinds.set(item.id, "cancelled");
    this.host.emit("cancelled", { item });
  }

  /** @param {string} act */
  actAll(act) {
    const { uploader } = this;
    if (act === "startAll") uploader.start();
    else if (act === "pauseAll") uploader.pause();
    else if (act === "resumeAll") uploader.resume();
    else if (act === "retryAll") uploader.retry();
    else if (act === "cancelAll") {
      const live = this.state.items.filter(({ state }) => AT_RISK.has(state.kind) || state.kind === "paused" || state.kind === "needs-file");
      live.forEach((item) => this.tellCancelled(item));
      this.host.announcer.say(this.host.words.t("cancelled"));
      uploader.cancel();
      void this.removeAll(live.map(({ id }) => id));
    } else if (act === "clear") void this.removeAll(this.state.items.map(({ id }) => id));
  }

  /** Some at a time: the page stays usable. @param {string[]} ids */
  async removeAll(ids) {
    for (let at = 0; at < ids.length; at += REMOVED_AT_ONCE) {
      ids.slice(at, at + REMOVED_AT_ONCE).forEach((id) => this.uploader.remove(id));
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
}
