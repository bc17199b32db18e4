// One request: it waits for its place, is watched while it runs, and ends with an answer or a problem.

import { anySignal, until } from "./abort.js";
import { ProblemError, networkProblem, stalledProblem } from "./problem.js";

/** @typedef {import("./types.js").HttpResponse} HttpResponse */

/** A request that makes no progress for so long is ended, in milliseconds. */
export const STALLED_AFTER = 30_000;
/** Bytes per second of the slowest line, where progress cannot be seen. */
const SLOWEST_LINE = 32 * 1024;

/** @typedef {{url: string, headers?: Record<string, string>}} Target */
/**
 * @typedef {object} Sending
 * @property {import("./gate.js").RequestKind} kind
 * @property {number} order Earlier files go first.
 * @property {string} method
 * @property {() => Target | Promise<Target>} target Asked for once the request has its place: an address can be too old by then.
 * @property {Blob | FormData | string} [body]
 * @property {number} [bytes] Of the file in a form, whose progress cannot be seen.
 * @property {AbortSignal} signal
 * @property {number} [patience] Milliseconds without progress after which it is ended.
 * @property {(loaded: number) => void} [onProgress]
 */

export class Sender {
  /** @param {{http: import("./types.js").HttpPort, clock: import("./types.js").Clock, gate: import("./gate.js").Gate, connection: import("./connection.js").Connection}} with_ */
  constructor({ http, clock, gate, connection }) {
    this.http = http;
    this.clock = clock;
    this.gate = gate;
    this.connection = connection;
  }

  /** @param {Sending} sending @returns {Promise<HttpResponse>} */
  async send({ kind, order, signal, patience = STALLED_AFTER, onProgress, target, ...request }) {
    const leave = await this.gate.enter(kind, order, signal);
    try {
      return await this.sendNow({ kind, signal, patience, onProgress, ...request }, await target());
    } finally {
      leave();
    }
  }

  /** @param {Omit<Sending, "target" | "order"> & {patience: number}} sending @param {Target} target */
  async sendNow({ kind, signal, patience, onProgress, bytes, ...request }, target) {
    const life = anySignal([signal, this.connection.loss.signal]);
    const body = bytes ?? (request.body instanceof Blob ? request.body.size : 0);
    const watched = body > 0 && bytes === undefined;
    const silence = this.http.tellsProgress && watched ? patience : patience + (1000 * body) / SLOWEST_LINE;
    /** @type {unknown} */
    let watchdog;
    const alive = () => {
      this.clock.clearTimeout(watchdog);
      watchdog = this.clock.setTimeout(() => life.abort(stalledProblem()), silence);
    };
    let told = 0;
    const progressed = (/** @type {number} */ loaded) => {
      alive();
      if (kind === "bytes") this.gate.count(Math.max(0, loaded - told));
      told = Math.max(told, loaded);
      onProgress?.(loaded);
    };
    alive();
    try {
      const answer = await until(this.http.send({ ...request, ...target, signal: life.signal, ...(watched && { onProgress: progressed }) }), life.signal);
      if (kind === "bytes" && answer.status < 300) this.gate.count(Math.max(0, body - told));
      return answer;
    } catch (error) {
      throw this.meaning(error, life.signal, signal, kind, { url: target.url, bytes: body });
    } finally {
      this.clock.clearTimeout(watchdog);
      life.done();
    }
  }

  /** Why there is no answer. @param {unknown} error @param {AbortSignal} life @param {AbortSignal} asked @param {string} kind
   * @param {{url: string, bytes: number}} lost */
  meaning(error, life, asked, kind, { url, bytes }) {
    if (asked.aborted) return asked.reason;
    if (kind === "bytes") this.gate.lost();
    // Where nobody here asked for the end, a browser that says so has lost the connection.
    const failure = life.aborted ? life.reason : networkProblem(kind === "bytes" ? "The storage cannot be reached." : "The service cannot be reached.");
    // A request that was ended from here says nothing of the size.
    return new ProblemError(failure.problem, { ...failure.extra, url, ...(kind === "bytes" && !life.aborted && { bytes }) });
  }
}
