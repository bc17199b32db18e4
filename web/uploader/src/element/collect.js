// Files and folders from what was dropped, pasted or chosen, with their paths in the folder.

/** @typedef {{file: File, path?: string, handle?: FileSystemFileHandle}} Found */
/** @typedef {{found: Found[], empty: string[], unreadable: string[]}} Collected */

/** Entries that are asked about at the same time. */
const AT_A_TIME = 256;
/** Files of one drop that are asked for a handle: with more, the asking takes longer than it is worth. */
const MAX_HANDLES = 100;

/** @param {FileSystemFileEntry} entry @returns {Promise<File>} */
const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

/**
 * All that is in a folder: it comes in portions, until an empty one.
 * @param {FileSystemDirectoryEntry} entry
 */
async function childrenOf(entry) {
  const reader = entry.createReader();
  /** @type {FileSystemEntry[]} */
  const all = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

/** @param {FileSystemEntry} entry */
const pathOf = (entry) => entry.fullPath.replace(/^\//, "");

/**
 * Walks folders, many entries at a time.
 * @param {FileSystemEntry[]} entries
 * @param {Collected} into
 * @param {(count: number) => void} tell
 */
async function walk(entries, into, tell) {
  const left = [...entries].reverse();
  const one = async (/** @type {FileSystemEntry} */ entry) => {
    try {
      if (entry.isFile) {
        into.found.push({ file: await fileOf(/** @type {FileSystemFileEntry} */ (entry)), path: pathOf(entry) });
      } else {
        const children = await childrenOf(/** @type {FileSystemDirectoryEntry} */ (entry));
        if (children.length === 0) into.empty.push(pathOf(entry));
        left.push(...children.reverse());
      }
    } catch {
      into.unreadable.push(pathOf(entry));
    }
  };
  while (left.length > 0) {
    await Promise.all(left.splice(-AT_A_TIME).reverse().map(one));
    tell(into.found.length);
  }
}

/** What was dropped. Everything is taken from it before the first wait: afterwards it is empty.
 * @param {DataTransfer} dropped @param {(count: number) => void} tell @returns {Promise<Collected>} */
export async function collectDropped(dropped, tell) {
  const items = [...dropped.items].filter((item) => item.kind === "file");
  const flat = [...dropped.files];
  const taken = items.map((item) => ({
    entry: item.webkitGetAsEntry?.() ?? null,
    file: item.getAsFile(),
    // With a handle the file is found again after a reload without anybody choosing it.
    handle: items.length > MAX_HANDLES ? undefined : /** @type {{getAsFileSystemHandle?: () => Promise<FileSystemHandle | null>}} */ (/** @type {unknown} */ (item)).getAsFileSystemHandle?.(),
  }));
  /** @type {Collected} */
  const collected = { found: [], empty: [], unreadable: [] };
  if (taken.length === 0) return { ...collected, found: flat.map((file) => ({ file })) };
  const folders = [];
  for (const { entry, file, handle } of taken) {
    if (entry?.isDirectory) {
      handle?.catch(() => {});
      folders.push(entry);
      continue;
    }
    if (!file) continue;
    const kept = await handle?.catch(() => null);
    collected.found.push(kept?.kind === "file" ? { file, handle: /** @type {FileSystemFileHandle} */ (kept) } : { file });
  }
  await walk(folders, collected, tell);
  return collected;
}

/** What an input has. @param {FileList | null} files @returns {Found[]} */
export function collectChosen(files) {
  return [...files ?? []].map((file) => (file.webkitRelativePath ? { file, path: file.webkitRelativePath } : { file }));
}

/**
 * What was pasted: a picture without a name of its own is called after the time.
 * @param {DataTransfer | null} pasted
 * @returns {Found[]}
 */
export function collectPasted(pasted) {
  return [...pasted?.files ?? []].map((file) => {
    if (file.name !== "image.png") return { file };
    const time = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 19).replace(/:/g, "").replace("T", "-");
    return { file: new File([file], `pasted-${time}.png`, { type: file.type, lastModified: file.lastModified }) };
  });
}

/** How many files are over the zone, and whether all of them are known to be files; 0 where the browser does not say yet.
 * @param {DataTransfer | null} data */
export function countDragged(data) {
  const items = [...data?.items ?? []].filter((item) => item.kind === "file");
  return { count: items.length, files: items.every((item) => item.type !== "") };
}

/** @param {DataTransfer | null} data */
export const hasFiles = (data) => [...data?.types ?? []].includes("Files");
