/** @param {Source} source @returns {{file: File, path: string, handle?: FileSystemFileHandle}} */
export function readSource(source: Source): {
    file: File;
    path: string;
    handle?: FileSystemFileHandle;
};
/** Reads one byte, to know whether the file can be read: browsers refuse one that has changed. @param {Blob} file */
export function requireReadable(file: Blob): Promise<void>;
/** The digest of the first, middle and last bytes. @param {Blob} file */
export function sampleOf(file: Blob): Promise<string>;
/** The same for the same file, in every tab and after every restart. Files of one name in two folders are two files.
 * @param {{path: string, size: number, lastModified: number}} file @param {string} sample */
export function fingerprintOf({ path, size, lastModified }: {
    path: string;
    size: number;
    lastModified: number;
}, sample: string): Promise<string>;
/** What differs between a file and the one that was sent before; null if nothing does.
 * @param {{size: number, lastModified: number, sample?: string}} before @param {File} file
 * @returns {Promise<"size" | "modified" | "content" | "unreadable" | null>} */
export function differenceOf(before: {
    size: number;
    lastModified: number;
    sample?: string;
}, file: File): Promise<"size" | "modified" | "content" | "unreadable" | null>;
/** Fails if the file is not the one that was added: before it is sent, before it goes on, and at the end. @param {Entry} entry */
export function verifyFile(entry: Entry): Promise<void>;
/** Whether a file is of one of these types: `image/*`, `application/pdf`, `.csv`. @param {File} file @param {string[]} types */
export function hasType({ name, type }: File, types: string[]): boolean;
/** Of files up to this size the sample is the whole. */
export const WHOLE_SAMPLE_BYTES: number;
export type Entry = import("./entry.js").Entry;
export type Source = import("./types.js").Source;
