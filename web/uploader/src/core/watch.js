// After the last byte: what becomes of an asset. Heard as it happens (Server-Sent Events) when no bytes are moving, and asked
// for otherwise.

import { anySignal } from "./abort.js";
import { isGrant } from "./api.js";
import { ProblemError, parseJson } from "./problem.js";

/** @typedef {import("./types.js").Asset} Asset */
/** @typedef {import("./entry.js").Entry} Entry */
/** @typedef {import("./context.js").Context} Context */
/** @typedef {{entry: Entry, due: number, wait: number, streamed: boolean, deafUntil: number, stop?: () => void}} Watched */

const FIRST_WAIT = 300;
/** While other files are sent, what became of one is less urgent. */
const BUSY_WAIT = 1_000;
const LONGEST_WAIT = 10_000;
/** Streams at once, and questions at once: the requests belong to the bytes. */
const STREAMS = 2;
/** A stream that ended is not begun again at once. */
const STREAM_PAUSE = 2_000;
const QUESTIONS = 2;
/** From so many on, assets are asked about together where the credential allows it. */
const TOGETHER = 3;
const BATCH = 200;
const FINAL = new Set(["asset.ready", "asset.rejected", "asset.failed", "asset.abandoned", "asset.deleted"]);
const ENDED = new Set(["ready", "rejected", "failed", "abandoned", "deleted"]);

export class Watcher {
  /** @param {Context} context @param {{isBusy: () => boolean, onEnd: (entry: Entry, asset: Asset) => void, onFailure: (entry: Entry, problem: ProblemError) => void}} with_ */
  constructor(context, { isBusy, onEnd, onFailure }) {
    this.context = context;
    this.isBusy = isBusy;
    this.onEnd = onEnd;
    this.onFailure = onFailure;
    /** @type {Map<string, Watched>} */
    this.watched = new Map();
    this.end = new AbortController();
    this.streams = 0;
    this.questions = 0;
    this.mayAskTogether = true;
    /** @type {unknown} */
    this.timer = null;
    this.unsubscribe = context.connection.onReturn(() => this.hurry());
  }

  /** @param {Entry} entry @param {Asset} [asset] What the completion answered. */
  add(entry, asset) {
    const wait = this.isBusy() ? BUSY_WAIT : FIRST_WAIT;
    const one = { entry, due: this.context.clock.now() + wait, wait, streamed: false, deafUntil: 0 };
    this.watched.set(entry.id, one);
    if (asset) this.heard(one, asset);
    this.next();
  }

  /** @param {string} id */
  remove(id) {
    this.watched.get(id)?.stop?.();
    this.watched.delete(id);
  }

  /** After a time without a network, everything may have happened. */
  hurry() {
    for (const one of this.watched.values()) one.due = this.context.clock.now();
    this.next();
  }

  /** Listens and asks as far as that is due, and comes back when more is. */
  next() {
    const { clock } = this.context;
    if (this.end.signal.aborted) return;
    const quiet = !this.isBusy();
    const now = clock.now();
    /** @type {Watched[]} */
    const due = [];
    let soonest = Infinity;
    for (const one of this.watched.values()) {
      if (quiet && !one.streamed && one.deafUntil <= now && this.streams < STREAMS) void this.listen(one);
      if (one.due <= now) due.push(one);
      else soonest = Math.min(soonest, one.due);
    }
    while (due.length > 0 && this.questions < QUESTIONS) void this.ask(this.portion(due));
    clock.clearTimeout(this.timer);
    this.timer = soonest < Infinity ? clock.setTimeout(() => this.next(), Math.max(50, soonest - now)) : null;
  }

  /** Those of one question: the others are asked about along with those that are due. @param {Watched[]} due */
  portion(due) {
    const { token } = due[0].entry;
    const together = this.mayAskTogether && this.watched.size >= TOGETHER && !isGrant(token);
    if (!together) return due.splice(0, 1);
    const some = [...this.watched.values()].filter((one) => one.due < Infinity && one.entry.token === token).slice(0, BATCH);
    const taken = new Set(some);
    due.splice(0, due.length, ...due.filter((one) => !taken.has(one)));
    return some;
  }

  /** @param {Watched[]} some */
  async ask(some) {
    const { api, clock } = this.context;
    this.questions++;
    for (const one of some) one.due = Infinity;
    try {
      if (some.length === 1) this.heard(some[0], await api.asset(some[0].entry, this.end.signal));
      else await this.askTogether(some);
    } catch (error) {
      this.refused(some, error);
    }
    this.questions--;
    for (const one of some) {
      one.wait = one.streamed ? LONGEST_WAIT : Math.min(LONGEST_WAIT, one.wait * 1.6);
      one.due = clock.now() + one.wait;
    }
    this.next();
  }

  /** @param {Watched[]} some */
  async askTogether(some) {
    const { results } = await this.context.api.assets(some[0].entry, this.end.signal, some.map(({ entry }) => String(entry.assetId)));
    const assets = new Map(results.map(({ id, asset }) => [id, asset]));
    for (const one of some) {
      const asset = assets.get(String(one.entry.assetId));
      if (asset) this.heard(one, asset);
    }
  }

  /** @param {Watched[]} some @param {unknown} error */
  refused(some, error) {
    if (!(error instanceof ProblemError) || error.retryable || error.extra.network) return;
    if (some.length > 1) {
      this.mayAskTogether = false;
      for (const one of some) one.wait = 0;
    } else if (this.watched.delete(some[0].entry.id)) {
      this.onFailure(some[0].entry, error);
    }
  }

  /** @param {Watched} one @param {Asset} asset */
  heard(one, asset) {
    if (!ENDED.has(asset.state) || !this.watched.delete(one.entry.id)) return;
    one.stop?.();
    this.onEnd(one.entry, asset);
  }

  /** Follows one asset until it has come to its end, or the stream to its own. @param {Watched} one */
  async listen(one) {
    const { api, gate, ports: { http }, store } = this.context;
    const { entry } = one;
    one.streamed = true;
    this.streams++;
    const life = anySignal([this.end.signal, this.context.connection.loss.signal]);
    one.stop = () => life.abort(new Error("removed"));
    /** @type {(() => void) | undefined} */
    let leave;
    try {
      const token = await api.tokenOf(entry);
      leave = await gate.enter("stream", entry.order, life.signal);
      const status = await http.stream({
        url: `${api.endpoint}/v1/assets/${entry.assetId}/events?after=0`,
        headers: { authorization: `Bearer ${token}` },
        signal: life.signal,
        onMessage: (data) => {
          const { type, data: more } = parseJson(data) ?? {};
          if (type === "asset.processing") store.change(entry.id, { type: "moved", state: { kind: "processing", ...(more?.step && { step: more.step }) } });
          if (FINAL.has(type)) life.abort(new Error("heard"));
        },
      });
      if (status >= 400) one.deafUntil = Infinity;
    } catch {
      // What it has become is asked below.
    } finally {
      life.done();
      leave?.();
      this.streams--;
      one.streamed = false;
    }
    const now = this.context.clock.now();
    Object.assign(one, { due: now, wait: FIRST_WAIT, deafUntil: Math.max(one.deafUntil, now + STREAM_PAUSE) });
    this.next();
  }

  close() {
    this.unsubscribe();
    this.context.clock.clearTimeout(this.timer);
    this.end.abort(new Error("closed"));
  }
}
