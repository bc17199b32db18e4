// What pages before this one left unfinished: taken over once, when no living page drives it any more.

import { differenceOf, readSource } from "./files.js";
import { Entry } from "./entry.js";

/** @typedef {import("./types.js").StoredItem} StoredItem */
/** @typedef {import("./types.js").Source} Source */
/** @typedef {import("./types.js").Reselected} Reselected */
/** @typedef {import("./context.js").Context} Context */

const SESSION = "gantry-session:";
/** Files whose handles are looked at together. */
const CHUNK = 50;

/** Tells other pages that this one lives. @param {Context} context */
export function beginSession({ locks, session, end }) {
  const release = locks.acquire(SESSION + session, end.signal);
  release.catch(() => {});
  return () => void release.then((done) => done(), () => {});
}

/** Takes over what pages that ended have left, now and when others end.
 * @param {Context} context @param {(items: StoredItem[]) => Promise<void>} take */
export async function claimUnfinished(context, take) {
  const { ports: { storage, locks }, place, session, end } = context;
  const waited = new Set();
  const claim = async () => {
    const alive = (await locks.held(SESSION)).map((name) => name.slice(SESSION.length));
    const { mine, others } = await storage.claim(place, session, alive);
    for (const other of others) {
      if (waited.has(other)) continue;
      waited.add(other);
      void locks.acquire(SESSION + other, end.signal).then((release) => {
        release();
        waited.delete(other);
        if (!end.signal.aborted) return claim();
      }).catch(() => {});
    }
    if (mine.length > 0) await take(mine);
  };
  await claim();
}

/** The file behind a handle, if the page may read it without asking. @param {StoredItem} item */
async function fileOf({ handle }) {
  try {
    const permitted = await /** @type {any} */ (handle)?.queryPermission?.({ mode: "read" });
    return permitted === "granted" ? await handle?.getFile() : undefined;
  } catch {
    return undefined;
  }
}

/** @param {StoredItem[]} items @param {() => number} nextOrder @returns {AsyncGenerator<Entry[]>} */
export async function* entriesOf(items, nextOrder) {
  const inOrder = [...items].sort((a, b) => a.addedAt - b.addedAt);
  for (let at = 0; at < inOrder.length; at += CHUNK) {
    const some = inOrder.slice(at, at + CHUNK);
    const files = await Promise.all(some.map(fileOf));
    yield some.map((item, i) => new Entry(item, nextOrder(), files[i]));
  }
}

/** Finds the files that were chosen again among those that wait for theirs.
 * @param {Entry[]} waiting @param {Iterable<Source>} sources @returns {Promise<Reselected & {found: Map<Entry, {file: File, handle?: FileSystemFileHandle}>}>} */
export async function match(waiting, sources) {
  /** @type {Map<string, Entry[]>} */
  const byName = new Map();
  for (const entry of waiting) byName.set(entry.name, [...byName.get(entry.name) ?? [], entry]);
  const found = new Map();
  /** @type {Reselected} */
  const told = { matched: [], different: [], unknown: [] };
  for (const source of sources) {
    const { file, path, handle } = readSource(source);
    const candidates = (byName.get(file.name) ?? []).filter((entry) => !found.has(entry));
    // A file that comes without its folder may be the one of that name in any folder.
    const likely = candidates.filter((entry) => entry.path === path || path === file.name || entry.path === entry.name);
    const alike = likely.find(({ size, lastModified }) => size === file.size && lastModified === file.lastModified) ?? likely[0];
    if (!alike) {
      told.unknown.push(file);
      continue;
    }
    const reason = await differenceOf(alike, file);
    if (reason) {
      told.different.push({ id: alike.id, reason });
    } else {
      found.set(alike, { file, handle });
      told.matched.push(alike.id);
    }
  }
  return { ...told, found };
}
