// Which files are on their way: a bounded number at a time, in the order in which they came.

import { until } from "./abort.js";
import { isGrant } from "./api.js";
import { isSmall } from "./form.js";
import { Elsewhere, Job, NeedsFile, lockOf } from "./job.js";
import { Arrived } from "./open.js";
import { asProblem } from "./problem.js";
import { Watcher } from "./watch.js";

/** @typedef {import("./entry.js").Entry} Entry */
/** @typedef {import("./types.js").Asset} Asset */
/** @typedef {import("./types.js").ItemState} ItemState */
/** @typedef {import("./context.js").Context} Context */

const THUMBNAIL = "thumb-256";
/** Thumbnails are asked for together, after so many milliseconds. */
const THUMBNAIL_DELAY = 150;

/** The page stopped a job: its state was told already. */
export class Stopped extends Error {}

export class Scheduler {
  /** @param {Context} context @param {(entry: Entry) => void} drop Takes a file out of the list, and leaves its upload alone. */
  constructor(context, drop) {
    this.context = context;
    this.drop = drop;
    this.most = Math.max(1, context.options.concurrency?.files ?? context.gate.max);
    /** @type {Set<Entry>} */
    this.queue = new Set();
    /** @type {Map<Entry, () => void>} */
    this.running = new Map();
    this.watcher = new Watcher(context, {
      isBusy: () => this.running.size > 0,
      onEnd: (entry, asset) => this.ended(entry, asset),
      onFailure: (entry, error) => this.settle(entry, { kind: "failed", problem: error.problem }),
    });
    /** @type {Entry[]} */
    this.unpictured = [];
  }

  /** @param {Entry} entry @param {ItemState} state */
  move(entry, state) {
    return this.context.store.change(entry.id, { type: "moved", state });
  }

  /** @param {Iterable<Entry>} entries */
  enqueue(entries) {
    for (const entry of entries) this.queue.add(entry);
    this.pump();
  }

  /** Small files count half: while one has its request, the next one is read. */
  get load() {
    let load = 0;
    for (const entry of this.running.keys()) load += isSmall(entry) ? 0.5 : 1;
    return load;
  }

  pump() {
    for (const entry of this.queue) {
      if (this.load >= this.most) return;
      this.queue.delete(entry);
      const waits = this.context.store.items.get(entry.id)?.state.kind === "queued";
      if (waits && !entry.job) this.start(entry);
    }
  }

  /** @param {Entry} entry */
  start(entry) {
    const job = new Job(entry, this.context);
    entry.job = job;
    this.running.set(entry, this.context.ports.wake.acquire());
    const before = entry.ending;
    entry.ending = before.then(() => job.run()).then(() => this.sent(job), (error) => this.failed(job, error)).then(() => {
      if (entry.job === job) this.let(entry);
      this.pump();
    });
  }

  /** Gives the file's place to the next one. @param {Entry} entry */
  let(entry) {
    entry.job = null;
    this.running.get(entry)?.();
    this.running.delete(entry);
  }

  /** Ends what is done for these files, at once, and then goes on with others. The caller has told their new states.
   * @param {Iterable<Entry>} entries */
  stop(entries) {
    for (const entry of entries) {
      const { job } = entry;
      this.watcher.remove(entry.id);
      if (!job) continue;
      this.let(entry);
      job.fail(new Stopped());
    }
    this.pump();
  }

  /** @param {Job} job */
  sent(job) {
    const { entry, signal, asset } = job;
    if (signal.aborted) return;
    this.let(entry);
    entry.arrived = true;
    // With a key the service is asked what became of it; a backend may open another upload.
    if (isGrant(entry.token)) void this.context.records.keep(entry);
    else this.context.records.save(entry);
    this.move(entry, { kind: "processing" });
    this.watcher.add(entry, asset);
  }

  /** @param {Job} job @param {unknown} thrown */
  failed({ entry, signal }, thrown) {
    const error = signal.aborted ? signal.reason : thrown;
    if (error instanceof Stopped) return;
    if (error instanceof Elsewhere) this.waitForLock(entry);
    else if (error instanceof NeedsFile && entry.file) this.again(entry);
    else if (error instanceof Arrived) this.drop(entry);
    else if (error instanceof NeedsFile) this.move(entry, { kind: "needs-file" });
    else this.settle(entry, { kind: "failed", problem: asProblem(error).problem });
  }

  /** The file was chosen while its job went without: the job's place is free in a moment. @param {Entry} entry */
  again(entry) {
    this.move(entry, { kind: "queued" });
    this.queue.add(entry);
  }

  /** Another page drives this upload: when it ends, this one goes on. @param {Entry} entry */
  waitForLock(entry) {
    const { context: { locks, end, store } } = this;
    this.move(entry, { kind: "paused", by: "app" });
    const id = String(entry.uploadId);
    until(locks.acquire(lockOf(id), end.signal), end.signal).then((release) => {
      const { state } = store.items.get(entry.id) ?? {};
      if (state?.kind !== "paused" || state.by !== "app") return release();
      entry.keepLock(id, release);
      this.move(entry, { kind: "queued" });
      this.enqueue([entry]);
    }, () => {});
  }

  /** @param {Entry} entry @param {ItemState} state */
  settle(entry, state) {
    const { records } = this.context;
    entry.unlock();
    // What was refused before anything was sent has nothing to go on with.
    const hopeless = state.kind !== "failed" || (!state.problem.retryable && !entry.uploadId);
    if (hopeless) records.forget(entry);
    else records.save(entry);
    this.move(entry, state);
  }

  /** @param {Entry} entry @param {Asset} asset */
  ended(entry, asset) {
    if (asset.state === "ready") {
      const { sha256 } = asset;
      const isPending = entry.sha256 === undefined && entry.whole !== undefined;
      this.settle(entry, { kind: "ready", asset, ...(sha256 && { sha256, ...(!isPending && { verified: entry.sha256 === sha256 }) }) });
      if (sha256 && isPending) void this.verifyLater(entry);
      if (asset.derivatives?.some(({ variant }) => variant === THUMBNAIL)) this.wantThumbnail(entry);
      return;
    }
    const reason = asset.reason ?? { code: asset.state, message: `The file is ${asset.state}.` };
    const problem = { ...reason, retryable: false };
    this.settle(entry, { kind: asset.state === "rejected" ? "rejected" : "failed", problem });
  }

  /** A busy device makes the digest of the whole more slowly than its line is, and the service has the file before. @param {Entry} entry */
  async verifyLater(entry) {
    entry.sha256 = (await entry.whole) ?? undefined;
    const state = this.context.store.items.get(entry.id)?.state;
    if (state?.kind === "ready") this.move(entry, { ...state, verified: entry.sha256 === state.sha256 });
  }

  /** @param {Entry} entry */
  wantThumbnail(entry) {
    // A grant to send shows nothing.
    if (isGrant(entry.token) || this.context.end.signal.aborted) return;
    if (this.unpictured.push(entry) === 1) this.context.clock.setTimeout(() => void this.fetchThumbnails(), THUMBNAIL_DELAY);
  }

  async fetchThumbnails() {
    const { context: { api, end, store } } = this;
    const entries = this.unpictured.splice(0, 500);
    const byAsset = new Map(entries.map((entry) => [String(entry.assetId), entry]));
    const answer = await api.thumbnails(entries[0], end.signal, [...byAsset.keys()], THUMBNAIL).catch(() => null);
    for (const { id, url, expires_at: expiresAt, content_type: contentType } of answer?.results ?? []) {
      const entry = byAsset.get(id);
      const state = entry && store.items.get(entry.id)?.state;
      if (!entry || !url || state?.kind !== "ready") continue;
      this.move(entry, { ...state, thumbnails: [{ variant: THUMBNAIL, url, expiresAt, contentType }] });
    }
    if (this.unpictured.length > 0) await this.fetchThumbnails();
  }

  close() {
    this.queue.clear();
    this.stop([...this.running.keys()]);
    this.watcher.close();
  }
}
