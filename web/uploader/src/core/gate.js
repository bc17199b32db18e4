// How many requests are in flight: never more than a fixed number over all files, and of those that carry bytes as many as
// made the transfer faster.

import { until } from "./abort.js";

/** @typedef {import("./types.js").Clock} Clock */
/** `form`: a small file, which is over soon. @typedef {"bytes" | "form" | "control" | "stream"} RequestKind */
/** @typedef {{kind: RequestKind, order: number, enter: () => void}} Waiter */

const FIRST_LIMIT = 3;
/** Goodput is compared over so many milliseconds. */
const WINDOW = 1500;
/** One more request is kept if it brought at least this factor. */
const WORTHWHILE = 1.04;
/** After an attempt that brought nothing, the next one comes after so many windows. */
const REST_WINDOWS = 8;

export class Gate {
  /** @param {{clock: Clock, max: number}} with_ */
  constructor({ clock, max }) {
    this.clock = clock;
    // A request with bytes may need a signed address first: two at least.
    this.max = Math.max(2, max);
    /** Requests with bytes that may be in flight now. */
    this.limit = Math.min(FIRST_LIMIT, this.bytesMax);
    /** @type {Record<RequestKind, number>} */
    this.running = { bytes: 0, form: 0, control: 0, stream: 0 };
    /** @type {Waiter[]} */
    this.waiting = [];
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    this.moved = 0;
    this.began = 0;
    this.before = 0;
    this.rest = 0;
    this.saturated = false;
  }

  /** One place is kept for short requests, which would otherwise wait for a long part. */
  get bytesMax() {
    return Math.max(1, this.max - 1 - (this.running?.stream ?? 0));
  }

  get inFlight() {
    return this.running.bytes + this.running.form + this.running.control + this.running.stream;
  }

  /** @param {RequestKind} kind */
  mayEnter(kind) {
    if (this.inFlight >= this.max) return false;
    return kind !== "bytes" || this.running.bytes < Math.min(this.limit, this.bytesMax);
  }

  /** Waits for a place, earlier files first; answers with the way to leave it.
   * @param {RequestKind} kind @param {number} order @param {AbortSignal} signal @returns {Promise<() => void>} */
  async enter(kind, order, signal) {
    signal.throwIfAborted();
    if (!this.mayEnter(kind) || this.waiting.some((waiter) => waiter.kind === kind && waiter.order <= order)) {
      /** @type {Waiter | undefined} */
      let waiter;
      const turn = new Promise((resolve) => {
        this.waiting.push(waiter = { kind, order, enter: () => resolve(undefined) });
      });
      if (kind === "bytes") this.saturated = true;
      try {
        await until(turn, signal);
      } catch (error) {
        const at = waiter ? this.waiting.indexOf(waiter) : -1;
        if (at >= 0) this.waiting.splice(at, 1);
        else this.leave(kind);
        throw error;
      }
    } else {
      this.running[kind]++;
    }
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.leave(kind);
    };
  }

  /** @param {RequestKind} kind */
  leave(kind) {
    this.running[kind]--;
    this.admit();
  }

  /** Lets in who may: short requests before bytes, then earlier files. */
  admit() {
    for (const kinds of /** @type {RequestKind[][]} */ ([["control"], ["bytes", "form"], ["stream"]])) {
      for (;;) {
        const next = this.waiting.reduce((/** @type {Waiter | null} */ first, one) =>
          (kinds.includes(one.kind) && this.mayEnter(one.kind) && (!first || one.order < first.order) ? one : first), null);
        if (!next) break;
        this.waiting.splice(this.waiting.indexOf(next), 1);
        this.running[next.kind]++;
        next.enter();
      }
    }
  }

  /** Calls `listener` whenever the limit changes. @param {() => void} listener */
  onChange(listener) {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** @param {number} limit */
  setLimit(limit) {
    const bounded = Math.min(this.bytesMax, Math.max(1, limit));
    if (bounded === this.limit) return;
    this.limit = bounded;
    this.admit();
    for (const listener of [...this.listeners]) listener();
  }

  /** Counts bytes that have moved, and from time to time tries whether one request more is faster. @param {number} bytes */
  count(bytes) {
    const now = this.clock.now();
    if (now - this.began > 2 * WINDOW) this.restart(now);
    this.moved += bytes;
    if (now - this.began < WINDOW) return;
    const goodput = this.moved / (now - this.began);
    const busy = this.saturated || this.running.bytes >= this.limit;
    this.restart(now);
    if (busy) this.compare(goodput);
  }

  /** @param {number} now */
  restart(now) {
    this.began = now;
    this.moved = 0;
    this.saturated = this.waiting.some(({ kind }) => kind === "bytes");
  }

  /** @param {number} goodput */
  compare(goodput) {
    const better = goodput >= this.before * WORTHWHILE;
    if (this.rest > 0) {
      this.rest--;
    } else if (this.before === 0 || better) {
      this.before = goodput;
      this.setLimit(this.limit + 1);
      if (this.limit >= this.bytesMax) this.rest = REST_WINDOWS;
    } else {
      if (goodput < this.before / WORTHWHILE) this.setLimit(this.limit - 1);
      // What is measured afterwards is compared anew.
      this.before = 0;
      this.rest = REST_WINDOWS;
    }
  }

  /** A request was lost: fewer at once may get through. */
  lost() {
    this.before = 0;
    this.rest = REST_WINDOWS;
    this.setLimit(this.limit - 1);
  }
}
