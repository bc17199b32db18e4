// What is kept for the next page, written a little later and many files at a time.

/** @typedef {import("./entry.js").Entry} Entry */

const DELAY = 400;
const PATIENCE = 2000;
/** Files of one step, so that no step holds up the page. */
const CHUNK = 500;

export class Records {
  /** @param {{storage: import("./types.js").StoragePort, clock: import("./types.js").Clock, endpoint: string, session: string}} with_ */
  constructor({ storage, clock, endpoint, session }) {
    this.storage = storage;
    this.clock = clock;
    this.endpoint = endpoint;
    this.session = session;
    /** @type {Map<string, Entry>} */
    this.changed = new Map();
    /** Those that wait for their record, and how they are told. @type {Map<Entry, () => void>} */
    this.urgent = new Map();
    /** Those of which nothing is kept any more. @type {Set<string>} */
    this.gone = new Set();
    /** Of these, those that are to be taken out still. @type {Set<string>} */
    this.removable = new Set();
    /** @type {unknown} */
    this.timer = null;
    this.writing = Promise.resolve();
    /** The write that follows the one under way. @type {Promise<void> | null} */
    this.next = null;
  }

  /** @param {Entry} entry */
  save(entry) {
    if (this.gone.has(entry.id)) return;
    this.changed.set(entry.id, entry);
    this.soon();
  }

  /** Resolves once all is written that is known of a file now: before whatever else has changed, and together with others that are as
   * urgent. A browser whose database hangs holds up no file for long. @param {Entry} entry @returns {Promise<void>} */
  async keep(entry) {
    if (this.gone.has(entry.id)) return;
    /** @type {unknown} */
    let timer;
    await new Promise((resolve) => {
      timer = this.clock.setTimeout(() => resolve(undefined), PATIENCE);
      this.urgent.set(entry, () => resolve(undefined));
      void this.flush();
    });
    this.clock.clearTimeout(timer);
  }

  /** A file that has come to its end, or was taken out. @param {Entry} entry */
  forget(entry) {
    this.changed.delete(entry.id);
    this.gone.add(entry.id);
    this.removable.add(entry.id);
    this.soon();
  }

  /** A file that was given up is on its way again. @param {Entry} entry */
  remember(entry) {
    this.gone.delete(entry.id);
    this.removable.delete(entry.id);
    this.save(entry);
  }

  soon() {
    this.timer ??= this.clock.setTimeout(() => {
      this.timer = null;
      void this.flush();
    }, DELAY);
  }

  /** Writes what has changed, once for all that ask while another write is under way. */
  flush() {
    this.next ??= this.writing.then(() => {
      this.next = null;
      return this.write();
    });
    this.writing = this.next;
    return this.next;
  }

  /** Storage that is full or forbidden leaves the page without memory, not without uploads. */
  async write() {
    const gone = [...this.removable];
    this.removable.clear();
    try {
      while (this.urgent.size + this.changed.size > 0) await this.writeSome();
      if (gone.length > 0) await this.storage.remove(gone);
    } catch {
      // What could not be written is written with its next change.
    }
  }

  async writeSome() {
    const written = [...this.urgent.values()];
    const some = written.length > 0 ? [...this.urgent.keys()] : this.portion();
    this.urgent.clear();
    for (const { id } of some) this.changed.delete(id);
    try {
      await this.storage.put(some.map((entry) => entry.stored(this.endpoint, this.session)));
    } finally {
      for (const tell of written) tell();
    }
  }

  /** The first of those that have changed. */
  portion() {
    /** @type {Entry[]} */
    const some = [];
    for (const entry of this.changed.values()) if (some.push(entry) >= CHUNK) break;
    return some;
  }

  close() {
    this.clock.clearTimeout(this.timer);
    this.timer = null;
    return this.flush();
  }
}
