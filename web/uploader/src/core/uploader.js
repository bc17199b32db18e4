// The uploader as a page sees it: takes files, carries out what the user wants, shows the state.

import { createContext, newId } from "./context.js";
import { Entry } from "./entry.js";
import { hasType, readSource } from "./files.js";
import { Link } from "./link.js";
import { beginSession, claimUnfinished, entriesOf, match } from "./restore.js";
import { Scheduler } from "./scheduler.js";
import { ACTIVE } from "./state.js";

/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./types.js").ItemState} ItemState */
/** @typedef {import("./types.js").Refused} Refused */
/** @typedef {import("./types.js").StoredItem} StoredItem */
/** @typedef {import("./types.js").UploaderOptions} UploaderOptions */

const CANCELLABLE = new Set([...ACTIVE, "paused", "needs-file"]);
const PROTOCOLS = new Set(["auto", "tus", "ietf"]);
/** How often the service is asked to forget a cancelled upload. */
const ABORT_TRIES = 4;

export class FileUploader {
  /** @param {UploaderOptions} options */
  constructor(options) {
    if (!PROTOCOLS.has(options.protocol ?? "auto")) throw new TypeError("protocol must be \"auto\", \"tus\" or \"ietf\"");
    this.options = options;
    this.context = createContext(options);
    this.scheduler = new Scheduler(this.context, (entry) => this.drop(entry));
    this.links = new Link(this.context);
    /** @type {Map<string, Entry>} */
    this.entries = new Map();
    this.orders = 0;
    this.endSession = beginSession(this.context);
    void this.context.limits(this.context.end.signal).catch(() => {});
  }

  get state() {
    return this.context.store.state;
  }

  /** @param {import("./store.js").Listener} listener */
  subscribe(listener) {
    return this.context.store.subscribe(listener);
  }

  /** @param {Iterable<Source>} files */
  add(files) {
    const { clock, random, store, records } = this.context;
    /** @type {Entry[]} */
    const entries = [];
    /** @type {Refused[]} */
    const refused = [];
    const admit = this.admission();
    for (const source of files) {
      const { file, path, handle } = readSource(source);
      const reason = admit(file, path);
      if (reason) {
        refused.push({ name: file.name, path, ...reason });
        continue;
      }
      const { name, size, type, lastModified } = file;
      entries.push(new Entry({ id: newId(random), name, path, size, type, lastModified, addedAt: clock.now(), handle }, this.orders++, file));
    }
    for (const entry of entries) {
      this.entries.set(entry.id, entry);
      records.save(entry);
    }
    if (entries.length > 0) store.apply({ type: "added", items: entries.map((entry) => entry.item({ kind: "queued" })) });
    if (this.options.autoStart !== false) this.scheduler.enqueue(entries);
    return { added: entries.map(({ id }) => id), refused };
  }

  /** Answers why a file cannot be taken, before anything is sent. */
  admission() {
    const { items, limits } = this.state;
    const { maxSize = Infinity, maxFiles = Infinity, types = [] } = limits ?? this.options.limits ?? {};
    const { left = Infinity } = limits ?? {};
    // What the service accepts by its policy it also finds out by the bytes: a file without a type is not refused here.
    const mayBeUntyped = !this.options.limits?.types;
    const counted = items.filter(({ state }) => !["cancelled", "failed", "rejected"].includes(state.kind));
    let count = counted.length;
    // Uploads that are open have their room already.
    let room = left - counted.reduce((sum, { state, uploadId, size }) => sum + (uploadId || state.kind === "ready" ? 0 : size), 0);
    const key = (/** @type {string} */ path, /** @type {number} */ size, /** @type {number} */ modified) => `${path}\n${size}\n${modified}`;
    const known = new Set(counted.filter(({ state }) => state.kind !== "ready").map((item) => key(item.path, item.size, item.lastModified)));
    return (/** @type {File} */ file, /** @type {string} */ path) => {
      if (!hasType(file, types) && !(mayBeUntyped && file.type === "")) return { code: "wrong_type", types };
      if (file.size > maxSize) return { code: "too_large", maxSize };
      const own = key(path, file.size, file.lastModified);
      if (known.has(own)) return { code: "duplicate" };
      if (count >= maxFiles) return { code: "too_many", maxFiles };
      if (file.size > room) return { code: "quota", left: Math.max(0, room) };
      known.add(own);
      count++;
      room -= file.size;
      return null;
    };
  }

  /** The files of an id, or all of them. @param {string} [id] */
  chosen(id) {
    if (id === undefined) return [...this.entries.values()];
    const entry = this.entries.get(id);
    return entry ? [entry] : [];
  }

  /** @param {Entry} entry */
  kindOf(entry) {
    return this.context.store.items.get(entry.id)?.state.kind ?? "cancelled";
  }

  /** Puts files in line again. @param {Entry[]} entries */
  queueAgain(entries) {
    for (const entry of entries) {
      entry.paused = false;
      this.context.records.remember(entry);
      this.scheduler.move(entry, { kind: "queued" });
    }
    this.scheduler.enqueue(entries);
  }

  /** @param {string} [id] */
  start(id) {
    const entries = this.chosen(id);
    this.scheduler.enqueue(entries.filter((entry) => this.kindOf(entry) === "queued"));
    this.resumeAny(entries);
  }

  /** @param {string} [id] */
  pause(id) {
    const entries = this.chosen(id).filter((entry) => ACTIVE.has(this.kindOf(entry)));
    for (const entry of entries) {
      entry.paused = true;
      this.scheduler.move(entry, { kind: "paused", by: "user" });
      this.context.records.save(entry);
    }
    this.scheduler.stop(entries);
  }

  /** @param {string} [id] */
  resume(id) {
    this.resumeAny(this.chosen(id));
  }

  /** @param {Entry[]} entries */
  resumeAny(entries) {
    this.queueAgain(entries.filter((entry) => this.kindOf(entry) === "paused"));
    for (const entry of entries) if (this.kindOf(entry) === "needs-file" && entry.handle) void this.askForFile(entry);
  }

  /** Asks the user for permission to read the file again, which only works as the answer to a click. @param {Entry} entry */
  async askForFile(entry) {
    try {
      const handle = /** @type {any} */ (entry.handle);
      if (await handle.requestPermission({ mode: "read" }) !== "granted") return;
      this.giveFile(entry, await handle.getFile());
    } catch {
      this.loseHandle(entry);
    }
  }

  /** The file is not where it was: it has to be chosen. @param {Entry} entry */
  loseHandle(entry) {
    entry.handle = undefined;
    this.context.store.change(entry.id, { type: "file", hasHandle: false });
    this.context.records.save(entry);
  }

  /** @param {Entry} entry @param {File} file @param {FileSystemFileHandle} [handle] */
  giveFile(entry, file, handle = entry.handle) {
    entry.file = file;
    entry.handle = handle;
    this.context.store.change(entry.id, { type: "file", hasHandle: Boolean(handle) });
    this.queueAgain([entry]);
  }

  /** @param {string} [id] */
  retry(id) {
    const again = this.chosen(id).filter((entry) => {
      const { state } = this.context.store.items.get(entry.id) ?? {};
      if (state?.kind === "waiting" || state?.kind === "offline") entry.job?.hurry();
      // All at once: only those of which something can come.
      return state?.kind === "failed" ? id !== undefined || state.problem.retryable : state?.kind === "cancelled" && id !== undefined;
    });
    for (const entry of again) if (!entry.file) this.scheduler.move(entry, { kind: "needs-file" });
    this.queueAgain(again.filter(({ file }) => file));
    if (id !== undefined) this.resumeAny(this.chosen(id));
  }

  /** @param {string} [id] */
  cancel(id) {
    const entries = this.chosen(id).filter((entry) => CANCELLABLE.has(this.kindOf(entry)));
    for (const entry of entries) {
      this.scheduler.move(entry, { kind: "cancelled" });
      this.context.records.forget(entry);
    }
    const begun = entries.filter(({ job, uploadId }) => job || uploadId);
    this.scheduler.stop(entries);
    for (const entry of begun) void this.forgetUpload(entry);
  }

  /** Asks the service to forget what was sent. What it does not hear of, it forgets by itself in time. @param {Entry} entry */
  async forgetUpload(entry) {
    await entry.ending;
    const { api, end, connection } = this.context;
    const { uploadId } = entry;
    entry.unlock();
    const { token } = entry;
    entry.beginAnew();
    entry.token = token;
    this.context.progress.tell(entry);
    for (let tries = 0; uploadId && tries < ABORT_TRIES && !end.signal.aborted; tries++) {
      const done = await api.abort(entry, end.signal, uploadId).then(() => true, (error) => !error?.extra?.network);
      if (done) return;
      await connection.settle(api.endpoint, end.signal, () => {}).catch(() => {});
    }
  }

  /** @param {string} id */
  remove(id) {
    const entry = this.entries.get(id);
    if (!entry) return;
    this.cancel(id);
    this.scheduler.stop([entry]);
    this.drop(entry);
  }

  /** @param {Entry} entry */
  drop(entry) {
    entry.unlock();
    this.entries.delete(entry.id);
    this.context.records.forget(entry);
    this.context.store.apply({ type: "removed", ids: new Set([entry.id]) });
  }

  restore() {
    return claimUnfinished(this.context, async (items) => {
      for await (const entries of entriesOf(items, () => this.orders++)) this.takeOver(entries);
    });
  }

  /** @param {Entry[]} entries */
  takeOver(entries) {
    const { store } = this.context;
    for (const entry of entries) this.entries.set(entry.id, entry);
    store.apply({ type: "added", items: entries.map((entry) => entry.item(this.restoredState(entry))) });
    // Where no file is at hand, the service may have all of it already.
    this.scheduler.enqueue(entries.filter((entry) => this.kindOf(entry) === "queued"));
  }

  /** @param {Entry} entry @returns {ItemState} */
  restoredState(entry) {
    if (entry.paused && entry.file) return { kind: "paused", by: "user" };
    if (!entry.file && !entry.uploadId) return { kind: "needs-file" };
    return { kind: "queued" };
  }

  /** @param {Iterable<Source>} files */
  async reselect(files) {
    const waiting = this.chosen().filter((entry) => {
      const { state } = this.context.store.items.get(entry.id) ?? {};
      // What was restored a moment ago may still be asking the service what it has.
      return state?.kind === "needs-file" || (!entry.file && state && ACTIVE.has(state.kind)) || (state?.kind === "failed" && state.problem.code === "file_unreadable");
    });
    const { found, ...told } = await match(waiting, files);
    for (const [entry, { file, handle }] of found) this.giveFile(entry, file, handle ?? entry.handle);
    return told;
  }

  /** @param {string} id */
  link(id) {
    return this.links.of(this.entries.get(id));
  }

  destroy() {
    const { context } = this;
    for (const entry of this.entries.values()) entry.unlock();
    this.scheduler.close();
    context.progress.close();
    context.connection.close();
    context.end.abort(new Error("destroyed"));
    context.worker.close();
    context.store.close();
    void context.records.close().then(this.endSession);
  }
}
