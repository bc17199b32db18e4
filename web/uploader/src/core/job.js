// One file on its way: prepared, opened or found again, sent, completed. Every wait ends at once when the job is aborted.

import { sleep, until } from "./abort.js";
import { appendAll } from "./append.js";
import { sha256OfBlob } from "./digest.js";
import { WHOLE_SAMPLE_BYTES, requireReadable, verifyFile } from "./files.js";
import { sendForm } from "./form.js";
import { Arrived, SMALL_BYTES, UploadGone, openUpload } from "./open.js";
import { sendParts } from "./parts.js";
import { ProblemError, asProblem, bodyLimitProblem } from "./problem.js";
import { sendWhole } from "./put.js";

/** @typedef {import("./entry.js").Entry} Entry */
/** @typedef {import("./types.js").ItemState} ItemState */
/** @typedef {import("./open.js").Opened} Opened */
/** @typedef {import("./context.js").Context} Context */
/** @typedef {{kind: "busy"} | {kind: "offline"} | Extract<ItemState, {kind: "waiting"}>} Lane */

/** How often the same piece of work may be refused before the file has failed. */
const TRIES = 10;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
/** How often the file is begun anew when its upload is gone or lacks parts. */
const RESTARTS = 4;
/** After so many losses of the same body its size is suspected. */
const LOSSES_BEFORE_DOUBT = 3;
/** No proxy refuses bodies as small as this. */
const LEAST_REFUSED_BYTES = 16 * 1024;
/** How long the completion waits for the digest of the whole: where it comes later, it is compared then. */
const DIGEST_PATIENCE = 5_000;

/** The name of the lock of an upload. @param {string} id */
export const lockOf = (id) => `gantry-upload:${id}`;

/** Another page drives this upload. */
export class Elsewhere extends Error {}
/** The file is not at hand. */
export class NeedsFile extends Error {}

export class Job {
  /** @param {Entry} entry @param {Context} context */
  constructor(entry, context) {
    this.entry = entry;
    this.context = context;
    this.controller = new AbortController();
    this.signal = this.controller.signal;
    /** What each piece of work is at. @type {Map<string, Lane>} */
    this.lanes = new Map();
    this.confirmations = 0;
    /** The largest body that got through. */
    this.largest = 0;
    /** The file was sent as a form, and it is not known what became of it. */
    this.formTried = false;
    /** What the completion answered. @type {import("./types.js").Asset | undefined} */
    this.asset = undefined;
    /** @type {Set<() => void>} */
    this.wakers = new Set();
  }

  /** Ends the job, and every request of it. @param {unknown} reason */
  fail(reason) {
    this.controller.abort(reason);
  }

  /** Ends the pauses between tries. */
  hurry() {
    for (const wake of [...this.wakers]) wake();
  }

  /** @param {ItemState} state */
  move(state) {
    this.context.store.change(this.entry.id, { type: "moved", state });
  }

  /** Resolves when the storage has the file and the service knows it. */
  async run() {
    const { entry } = this;
    for (let restarts = 0; ; restarts++) {
      this.signal.throwIfAborted();
      try {
        this.move({ kind: "preparing" });
        if (entry.file) await until(verifyFile(entry), this.signal);
        if (await this.attempt()) return;
      } catch (error) {
        this.signal.throwIfAborted();
        if (!(error instanceof UploadGone)) throw error;
        entry.beginAnew();
        entry.ownKey = undefined;
        this.setConfirmed(0);
        if (!entry.file) throw new NeedsFile();
      }
      if (restarts >= RESTARTS) throw new ProblemError({ code: "gone", message: "The upload was ended by the service.", retryable: true });
    }
  }

  /** Answers whether the upload is complete; otherwise something is missing still. */
  async attempt() {
    const { entry } = this;
    const opened = await this.persevere("open", () => openUpload(this));
    this.opened(opened);
    if (opened.upload.state !== "open") return true;
    // One request needs no lock: where two pages send the same form, the service takes one of them.
    const form = await sendForm(this, opened.form);
    if (form !== "untried") return form === "taken";
    await this.lock(opened.upload.id);
    try {
      return await this.transfer(opened);
    } finally {
      entry.flying = undefined;
      this.lanes.clear();
    }
  }

  /** One page drives an upload; it keeps it until the file has come to an end. @param {string} id */
  async lock(id) {
    const { entry, context: { locks } } = this;
    if (entry.lockedId === id) return;
    entry.unlock();
    const release = await locks.tryAcquire(lockOf(id));
    if (!release) throw new Elsewhere();
    entry.keepLock(id, release);
  }

  /** @param {Opened} opened */
  opened({ upload }) {
    const { entry, context } = this;
    entry.uploadId = upload.id;
    entry.assetId = upload.asset_id;
    context.store.change(entry.id, { type: "opened", uploadId: upload.id, assetId: upload.asset_id });
    context.records.save(entry);
  }

  /** @param {Opened} opened */
  async transfer({ upload, put, urls }) {
    const { entry } = this;
    if (!entry.file) {
      // All that is missing may be the word that everything was sent. What a single PUT brought, only the storage knows.
      this.setConfirmed(upload.received_bytes);
      if (upload.method !== "put" && upload.received_bytes < entry.size) throw new NeedsFile();
      return this.complete();
    }
    this.move({ kind: "uploading" });
    if (upload.method !== "put" && entry.size > 0) entry.whole = this.digest().catch(() => null);
    if (upload.method === "multipart") await sendParts(this, upload, urls);
    else if (upload.method === "append") await appendAll(this, upload);
    else await sendWhole(this, upload.id, put);
    await until(verifyFile(entry), this.signal);
    return this.complete();
  }

  async complete() {
    const { entry, context: { api, clock } } = this;
    const id = /** @type {string} */ (entry.uploadId);
    this.move({ kind: "completing" });
    const patience = new AbortController();
    const timer = clock.setTimeout(() => patience.abort(), DIGEST_PATIENCE);
    entry.sha256 ??= (await until(entry.whole ?? Promise.resolve(null), patience.signal).catch(() => null)) ?? undefined;
    clock.clearTimeout(timer);
    return this.persevere("complete", async () => {
      try {
        this.asset = await api.complete(entry, this.signal, id, entry.sha256);
        return true;
      } catch (error) {
        const code = error instanceof ProblemError ? error.code : "";
        // The storage lost a part, or said so too early: what is missing is sent again.
        if (code === "incomplete" && !entry.file) throw new NeedsFile();
        if (code === "incomplete") return false;
        if (code === "wrong_state") return (await api.upload(entry, this.signal, id)).state === "completed";
        if (code === "gone") throw new UploadGone(code);
        throw error;
      }
    });
  }

  /** Does something until it succeeds. Answers that say no are counted; where nobody answers there is nothing to count.
   * @template T @param {string} lane @param {() => Promise<T>} work @returns {Promise<T>} */
  async persevere(lane, work) {
    const tries = { refusals: 0, losses: 0, attempt: 0, seen: this.confirmations };
    for (;;) {
      this.signal.throwIfAborted();
      this.setLane(lane, { kind: "busy" });
      try {
        await this.awaitNetwork(lane);
        const result = await until(work(), this.signal);
        this.lanes.delete(lane);
        return result;
      } catch (error) {
        this.fly(lane, 0);
        this.signal.throwIfAborted();
        if ([UploadGone, NeedsFile, Arrived].some((kind) => error instanceof kind)) throw error;
        await this.afterFailure(lane, asProblem(error), tries);
      }
    }
  }

  /** Nothing is tried while the browser knows that there is no network. @param {string} lane */
  async awaitNetwork(lane) {
    const { connection, api } = this.context;
    if (connection.network.online) return;
    await connection.settle(api.endpoint, this.signal, () => this.setLane(lane, { kind: "offline" }));
    this.setLane(lane, { kind: "busy" });
  }

  /** Waits as long as makes sense, or throws. @param {string} lane @param {ProblemError} failure
   * @param {{refusals: number, losses: number, attempt: number, seen: number}} tries */
  async afterFailure(lane, failure, tries) {
    const { entry, context: { connection, clock, random, api } } = this;
    const { network, status, url, retryAfter } = failure.extra;
    // A file that cannot be read looks like a network that is away.
    if (entry.file) await until(requireReadable(entry.file), this.signal);
    if (network) {
      const away = await connection.settle(url ?? api.endpoint, this.signal, () => this.setLane(lane, { kind: "offline" }));
      if (away || tries.seen !== this.confirmations) Object.assign(tries, { losses: 0, attempt: 0, seen: this.confirmations });
      if (away) return;
      tries.losses++;
      if (tries.losses >= LOSSES_BEFORE_DOUBT && await this.isRefusedForSize(failure)) throw bodyLimitProblem();
    } else {
      if (!failure.retryable) throw failure;
      if (status !== 429) tries.refusals++;
    }
    if (tries.refusals >= TRIES || tries.losses >= TRIES) throw failure;
    const jitter = (0.5 + random() / 2) * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** tries.attempt++);
    const wait = Math.max(retryAfter ?? 0, jitter);
    this.setLane(lane, { kind: "waiting", until: clock.now() + wait, attempt: tries.attempt, problem: failure.problem });
    await sleep(clock, wait, this.signal, (done) => {
      this.wakers.add(done);
      const undo = connection.onReturn(done);
      return () => {
        this.wakers.delete(done);
        undo();
      };
    });
  }

  /** Whether something on the way takes no body of this size. Its refusal cannot be read without permission for the page, and looks as
   * if nobody had answered. @param {ProblemError} failure */
  async isRefusedForSize({ extra: { url, bytes = 0 } }) {
    if (!url || bytes <= Math.max(this.largest, LEAST_REFUSED_BYTES)) return false;
    return until(this.context.connection.takesOneByte(url), this.signal);
  }

  /** The file is on its way as long as one piece of work is. @param {string} lane @param {Lane} state */
  setLane(lane, state) {
    this.lanes.set(lane, state);
    if (this.signal.aborted) return;
    const lanes = [...this.lanes.values()];
    const { kind } = this.context.store.items.get(this.entry.id)?.state ?? {};
    if (lanes.some((one) => one.kind === "busy")) {
      if (kind === "offline" || kind === "waiting") this.move({ kind: lane === "complete" ? "completing" : lane === "open" ? "preparing" : "uploading" });
    } else if (lanes.some((one) => one.kind === "offline")) {
      this.move({ kind: "offline" });
    } else {
      const waiting = /** @type {Extract<Lane, {kind: "waiting"}>[]} */ (lanes);
      this.move(waiting.reduce((first, one) => (one.until < first.until ? one : first)));
    }
  }

  /** @param {number} [from] @param {number} [to] */
  blob(from, to) {
    return /** @type {File} */ (this.entry.file).slice(from, to);
  }

  /** The SHA-256 of a part. @param {Blob} blob */
  async checksum(blob) {
    try {
      return await this.context.worker.sha256(blob, false, this.signal);
    } catch {
      this.signal.throwIfAborted();
      await until(requireReadable(/** @type {File} */ (this.entry.file)), this.signal);
      return null;
    }
  }

  /** The SHA-256 of the whole file, where it is worth its time. @returns {Promise<string | null>} */
  async digest() {
    const { entry, context: { worker, digestUpTo }, signal } = this;
    if (entry.sha256) return entry.sha256;
    if (!entry.file || entry.size > digestUpTo) return null;
    if (entry.sample && entry.size <= WHOLE_SAMPLE_BYTES) return entry.sample;
    if (entry.size <= SMALL_BYTES) return until(sha256OfBlob(entry.file), signal);
    return worker.sha256(entry.file, true, signal);
  }

  /** @param {string} lane @param {() => import("./types.js").SignedUrl | Promise<import("./types.js").SignedUrl>} signed @param {Blob} body */
  async sendToStorage(lane, signed, body) {
    const { entry, context: { sender }, signal } = this;
    const answer = await sender.send({
      kind: "bytes", order: entry.order, method: "PUT", body, signal, onProgress: (loaded) => this.fly(lane, loaded),
      target: async () => {
        const { url, headers } = await signed();
        // The browser sends the length itself and lets nobody else do it.
        const { "content-length": _length, ...others } = headers;
        return { url, headers: others };
      },
    });
    if (answer.status >= 300) this.fly(lane, 0);
    return answer;
  }

  /** Bytes of a request in flight. @param {string} lane @param {number} bytes */
  fly(lane, bytes) {
    const { entry, context: { progress } } = this;
    progress.count(entry, bytes - entry.fly(lane, bytes));
    progress.tell(entry);
  }

  /** Bytes that the storage has now. @param {string} lane @param {number} bytes */
  confirm(lane, bytes) {
    const { entry, context: { progress } } = this;
    this.confirmations++;
    this.largest = Math.max(this.largest, bytes);
    progress.count(entry, bytes - entry.fly(lane, 0));
    this.setConfirmed(entry.confirmed + bytes);
  }

  /** Bytes that the storage has, as it says. @param {number} bytes */
  setConfirmed(bytes) {
    this.entry.confirmed = bytes;
    this.context.progress.tell(this.entry);
    this.context.records.save(this.entry);
  }
}
