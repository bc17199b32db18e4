// Files: whether they are still what was chosen, and how the same file is known again.

import { sha256 } from "./digest.js";
import { ProblemError, changedProblem, unreadableProblem } from "./problem.js";

/** @typedef {import("./entry.js").Entry} Entry */
/** @typedef {import("./types.js").Source} Source */

const SAMPLE_BYTES = 64 * 1024;
/** Of files up to this size the sample is the whole. */
export const WHOLE_SAMPLE_BYTES = 3 * SAMPLE_BYTES;

/** @param {Source} source @returns {{file: File, path: string, handle?: FileSystemFileHandle}} */
export function readSource(source) {
  const { file, path, handle } = "file" in source ? source : { file: source, path: undefined, handle: undefined };
  return { file, path: path || file.webkitRelativePath || file.name, handle };
}

/** Reads one byte, to know whether the file can be read: browsers refuse one that has changed. @param {Blob} file */
export async function requireReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw unreadableProblem();
  }
}

/** The digest of the first, middle and last bytes. @param {Blob} file */
export async function sampleOf(file) {
  const middle = Math.max(0, Math.floor((file.size - SAMPLE_BYTES) / 2));
  const sample = file.size <= WHOLE_SAMPLE_BYTES ? file
    : new Blob([file.slice(0, SAMPLE_BYTES), file.slice(middle, middle + SAMPLE_BYTES), file.slice(file.size - SAMPLE_BYTES)]);
  try {
    return await sha256(new Uint8Array(await sample.arrayBuffer()));
  } catch {
    throw unreadableProblem();
  }
}

/** The same for the same file, in every tab and after every restart. Files of one name in two folders are two files.
 * @param {{path: string, size: number, lastModified: number}} file @param {string} sample */
export async function fingerprintOf({ path, size, lastModified }, sample) {
  const digest = await sha256(new TextEncoder().encode(`${path}\n${size}\n${lastModified}\n${sample}`));
  return `web-${digest.slice(0, 32)}`;
}

/** What differs between a file and the one that was sent before; null if nothing does.
 * @param {{size: number, lastModified: number, sample?: string}} before @param {File} file
 * @returns {Promise<"size" | "modified" | "content" | "unreadable" | null>} */
export async function differenceOf(before, file) {
  if (file.size !== before.size) return "size";
  if (file.lastModified !== before.lastModified) return "modified";
  try {
    // Taking the sample reads the file, too.
    if (before.sample) return await sampleOf(file) === before.sample ? null : "content";
    await requireReadable(file);
    return null;
  } catch {
    return "unreadable";
  }
}

/** The file as it is on the disk now, where a handle leads there. @param {Entry} entry */
async function freshFile({ file, handle }) {
  if (!handle) return file;
  try {
    return await handle.getFile();
  } catch (error) {
    // Without permission the file as it was chosen has to do.
    if (error instanceof DOMException && error.name === "NotAllowedError") return file;
    throw unreadableProblem();
  }
}

/** Fails if the file is not the one that was added: before it is sent, before it goes on, and at the end. @param {Entry} entry */
export async function verifyFile(entry) {
  const file = await freshFile(entry);
  if (!file) throw new ProblemError({ code: "needs_file", message: "The file is needed again.", retryable: false });
  if (entry.sample || file !== entry.file) {
    const difference = await differenceOf(entry, file);
    if (difference === "unreadable") throw unreadableProblem();
    if (difference) throw changedProblem();
  }
  entry.file = file;
  entry.sample ??= await sampleOf(file);
  entry.fingerprint ??= await fingerprintOf(entry, entry.sample);
}

/** Whether a file is of one of these types: `image/*`, `application/pdf`, `.csv`. @param {File} file @param {string[]} types */
export function hasType({ name, type }, types) {
  const [lowerName, lowerType] = [name.toLowerCase(), type.toLowerCase()];
  return types.length === 0 || types.some((one) => {
    const wanted = one.trim().toLowerCase();
    if (wanted.startsWith(".")) return lowerName.endsWith(wanted);
    if (wanted === "*" || wanted === "*/*") return true;
    return wanted.endsWith("/*") ? lowerType.startsWith(wanted.slice(0, -1)) : lowerType === wanted;
  });
}
