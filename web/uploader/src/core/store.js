// Holds the present state, applies events to it, and tells listeners in batches.

import { INITIAL, reduce, reduceItem } from "./state.js";

/** @typedef {import("./types.js").Item} Item */
/** @typedef {import("./types.js").UploaderState} UploaderState */
/** @typedef {import("./state.js").ItemEvent} ItemEvent */
/** @typedef {import("./state.js").UploaderEvent} UploaderEvent */
/** @typedef {(state: UploaderState, changed: Set<string>) => void} Listener */

/** Listeners are told at most so often, in milliseconds. */
const BATCH_INTERVAL = 50;

export class Store {
  /** @param {import("./types.js").Clock} clock */
  constructor(clock) {
    this.clock = clock;
    /** Every file as it is now. @type {Map<string, Item>} */
    this.items = new Map();
    /** What is newer than the snapshot. @type {Map<string, Item>} */
    this.newer = new Map();
    /** What listeners were not told yet. @type {Set<string>} */
    this.untold = new Set();
    this.snapshot = INITIAL;
    /** @type {Set<Listener>} */
    this.listeners = new Set();
    /** @type {unknown} */
    this.timer = null;
  }

  /** @returns {UploaderState} */
  get state() {
    if (this.newer.size > 0) {
      this.snapshot = reduce(this.snapshot, { type: "changed", items: this.newer });
      this.newer = new Map();
    }
    return this.snapshot;
  }

  /** @param {UploaderEvent} event */
  apply(event) {
    if (event.type === "added") for (const item of event.items) this.items.set(item.id, item);
    if (event.type === "removed") for (const id of event.ids) this.items.delete(id);
    this.snapshot = reduce(this.state, event);
    if (event.type === "added") for (const { id } of event.items) this.untold.add(id);
    if (event.type === "removed") for (const id of event.ids) this.untold.add(id);
    this.tellSoon();
  }

  /** Applies an event to one file; answers whether it changed anything. @param {string} id @param {ItemEvent} event */
  change(id, event) {
    const before = this.items.get(id);
    if (!before) return false;
    const after = reduceItem(before, event);
    if (after === before) return false;
    this.items.set(id, Object.freeze(after));
    this.newer.set(id, after);
    this.untold.add(id);
    this.tellSoon();
    return true;
  }

  /** @param {Listener} listener */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  tellSoon() {
    this.timer ??= this.clock.setTimeout(() => {
      this.timer = null;
      const changed = this.untold;
      this.untold = new Set();
      const { state } = this;
      for (const listener of [...this.listeners]) listener(state, changed);
    }, BATCH_INTERVAL);
  }

  close() {
    this.clock.clearTimeout(this.timer);
    this.listeners.clear();
  }
}
