// A file with everything that is known about it, beyond what is shown: the file itself, its upload, the parts that are there.

/** @typedef {import("./types.js").StoredItem} StoredItem */
/** @typedef {import("./types.js").Item} Item */
/** @typedef {import("./types.js").FileInfo} FileInfo */
/** @typedef {Pick<StoredItem, "id" | "name" | "path" | "size" | "type" | "lastModified" | "addedAt"> & Partial<StoredItem>} Facts */

// Shared by the thousands of files that are only in line.
const nothing = () => {};
const ended = Promise.resolve();

export class Entry {
  /** @param {Facts} facts @param {number} order Its place in the list. @param {File} [file] */
  constructor(facts, order, file) {
    const { id, name, path, size, type, lastModified, addedAt } = facts;
    this.id = id;
    this.name = name;
    this.path = path;
    this.size = size;
    this.type = type;
    this.lastModified = lastModified;
    this.addedAt = addedAt;
    this.order = order;
    this.file = file;
    this.handle = facts.handle;
    this.fingerprint = facts.fingerprint;
    this.sample = facts.sample;
    this.uploadId = facts.uploadId;
    this.assetId = facts.assetId;
    this.partSize = facts.partSize;
    /** Parts that the storage has. @type {Set<number> | undefined} */
    this.parts = facts.parts ? parseRanges(facts.parts) : undefined;
    this.confirmed = facts.confirmed ?? 0;
    /** The service has said that it has the file. */
    this.arrived = facts.arrived ?? false;
    /** Uploads of this file that have ended without it. */
    this.begun = facts.begun ?? 0;
    this.paused = facts.paused ?? false;
    /** Bytes of the requests in flight. @type {Map<string, number> | undefined} */
    this.flying = undefined;
    /** In memory alone. @type {string | undefined} */
    this.token = undefined;
    /** The file's SHA-256, once this page has made it. @type {string | undefined} */
    this.sha256 = undefined;
    /** The same while it is being made; null: it cannot be. @type {Promise<string | null> | undefined} */
    this.whole = undefined;
    /** The `Idempotency-Key` of the creation, where somebody else's upload has this file's fingerprint. @type {string | undefined} */
    this.ownKey = undefined;
    /** @type {import("./job.js").Job | null} */
    this.job = null;
    /** The end of the last job. @type {Promise<void>} */
    this.ending = ended;
    /** The upload that this page alone may drive. @type {string | undefined} */
    this.lockedId = undefined;
    this.release = nothing;
  }

  /** @param {string} id @param {() => void} release */
  keepLock(id, release) {
    this.lockedId = id;
    this.release = release;
  }

  unlock() {
    this.release();
    this.lockedId = undefined;
    this.release = nothing;
  }

  /** @returns {FileInfo} */
  get info() {
    const { id, name, path, size, type, lastModified, fingerprint, uploadId } = this;
    return { id, name, path, size, type, lastModified, fingerprint, idempotencyKey: `${id}.${this.begun}`, uploadId };
  }

  /** Bytes that are on their way or there. */
  get sent() {
    let sent = this.confirmed;
    for (const bytes of this.flying?.values() ?? []) sent += bytes;
    return sent;
  }

  /** Sets the bytes of a request in flight, and answers with those before. @param {string} lane @param {number} bytes */
  fly(lane, bytes) {
    const flying = this.flying ??= new Map();
    const before = flying.get(lane) ?? 0;
    if (bytes > 0) flying.set(lane, bytes);
    else flying.delete(lane);
    return before;
  }

  /** The upload that was begun is gone: the next one gets a key and a credential of its own. */
  beginAnew() {
    this.forgetUpload();
    this.begun++;
    this.token = undefined;
  }

  forgetUpload() {
    this.arrived = false;
    this.uploadId = undefined;
    this.assetId = undefined;
    this.partSize = undefined;
    this.parts = undefined;
    this.confirmed = 0;
  }

  /** @param {import("./types.js").ItemState} state @returns {Item} */
  item(state) {
    const { id, name, path, size, type, lastModified, addedAt, confirmed, uploadId, assetId } = this;
    return Object.freeze({
      id, name, path, size, type, lastModified, addedAt, state, sent: confirmed, confirmed, hasHandle: Boolean(this.handle),
      ...(uploadId && { uploadId }), ...(assetId && { assetId }),
    });
  }

  /** @param {string} endpoint @param {string} session @returns {StoredItem} */
  stored(endpoint, session) {
    const { id, name, path, size, type, lastModified, addedAt, fingerprint, sample, uploadId, assetId, partSize, confirmed, arrived, begun, paused, handle } = this;
    const parts = this.parts && formatRanges(this.parts);
    return { id, endpoint, session, name, path, size, type, lastModified, addedAt, fingerprint, sample, uploadId, assetId, partSize, parts, confirmed, arrived, begun, paused, handle };
  }
}

/** `1-3,5` as numbers. @param {string} [text] @returns {Set<number>} */
export function parseRanges(text) {
  /** @type {Set<number>} */
  const numbers = new Set();
  for (const range of text ? text.split(",") : []) {
    const [first, last = first] = range.split("-").map(Number);
    for (let number = first; number <= last; number++) numbers.add(number);
  }
  return numbers;
}

/** @param {Iterable<number>} numbers */
export function formatRanges(numbers) {
  /** @type {[number, number][]} */
  const ranges = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = ranges[ranges.length - 1];
    if (last && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}
