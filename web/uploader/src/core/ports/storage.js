// What outlives a page: IndexedDB, or memory where there is none (private windows, Node).

/** @typedef {import("../types.js").StoragePort} StoragePort */
/** @typedef {import("../types.js").StoredItem} StoredItem */

const DATABASE = "gantry-uploader";
const TABLE = "uploads";
/** Items of one transaction: writing thousands at once would hold up the page. */
const BATCH = 250;

/** @param {IDBRequest | IDBTransaction} request @returns {Promise<any>} */
const settled = (request) => new Promise((resolve, reject) => {
  if ("oncomplete" in request) request.oncomplete = () => resolve(undefined);
  else request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
  if ("onabort" in request) request.onabort = () => reject(request.error);
});

/** @returns {Promise<IDBDatabase>} */
function open() {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: "id" }).createIndex("endpoint", "endpoint");
  return settled(request);
}

/** Splits what belongs to sessions that ended from what others are at.
 * @param {StoredItem[]} items @param {string} session @param {string[]} alive */
function split(items, session, alive) {
  const living = new Set(alive);
  const mine = items.filter((item) => item.session !== session && !living.has(item.session));
  const others = new Set(items.map((item) => item.session).filter((one) => living.has(one) && one !== session));
  return { mine: mine.map((item) => ({ ...item, session })), others: [...others] };
}

/** @returns {StoragePort} */
export function storagePort() {
  if (typeof indexedDB === "undefined") return memoryStorage();
  const memory = memoryStorage();
  /** @type {Promise<IDBDatabase> | undefined} */
  let database;
  /** Where the database cannot be used, memory has to do. @template T @param {(table: IDBObjectStore, done: () => Promise<void>) => Promise<T>} work @param {() => Promise<T>} otherwise */
  const within = async (work, otherwise) => {
    try {
      const transaction = (await (database ??= open())).transaction(TABLE, "readwrite");
      const done = settled(transaction);
      done.catch(() => {});
      return await work(transaction.objectStore(TABLE), () => done);
    } catch {
      return otherwise();
    }
  };
  return {
    async put(items) {
      for (let at = 0; at < items.length; at += BATCH) {
        const some = items.slice(at, at + BATCH);
        await within(async (table, done) => {
          for (const item of some) table.put(item);
          await done();
        }, () => memory.put(some));
      }
    },
    async remove(ids) {
      for (let at = 0; at < ids.length; at += BATCH) {
        const some = ids.slice(at, at + BATCH);
        await within(async (table, done) => {
          for (const id of some) table.delete(id);
          await done();
        }, () => memory.remove(some));
      }
    },
    claim: (endpoint, session, alive) => within(async (table, done) => {
      const found = split(await settled(table.index("endpoint").getAll(endpoint)), session, alive);
      for (const item of found.mine) table.put(item);
      await done();
      return found;
    }, () => memory.claim(endpoint, session, alive)),
  };
}

/** Keeps items in memory; pages of one test share it. @returns {StoragePort & {items: Map<string, StoredItem>}} */
export function memoryStorage() {
  /** @type {Map<string, StoredItem>} */
  const items = new Map();
  return {
    items,
    async put(some) {
      for (const item of some) items.set(item.id, { ...item });
    },
    async remove(ids) {
      for (const id of ids) items.delete(id);
    },
    async claim(endpoint, session, alive) {
      const found = split([...items.values()].filter((item) => item.endpoint === endpoint), session, alive);
      for (const item of found.mine) items.set(item.id, item);
      return found;
    },
  };
}
