/** `1-3,5` as numbers. @param {string} [text] @returns {Set<number>} */
export function parseRanges(text?: string): Set<number>;
/** @param {Iterable<number>} numbers */
export function formatRanges(numbers: Iterable<number>): string;
export class Entry {
    /** @param {Facts} facts @param {number} order Its place in the list. @param {File} [file] */
    constructor(facts: Facts, order: number, file?: File);
    id: string;
    name: string;
    path: string;
    size: number;
    type: string;
    lastModified: number;
    addedAt: number;
    order: number;
    file: File | undefined;
    handle: FileSystemFileHandle | undefined;
    fingerprint: string | undefined;
    sample: string | undefined;
    uploadId: string | undefined;
    assetId: string | undefined;
    partSize: number | undefined;
    /** Parts that the storage has. @type {Set<number> | undefined} */
    parts: Set<number> | undefined;
    confirmed: number;
    /** The service has said that it has the file. */
    arrived: boolean;
    /** Uploads of this file that have ended without it. */
    begun: number;
    paused: boolean;
    /** Bytes of the requests in flight. @type {Map<string, number> | undefined} */
    flying: Map<string, number> | undefined;
    /** In memory alone. @type {string | undefined} */
    token: string | undefined;
    /** The file's SHA-256, once this page has made it. @type {string | undefined} */
    sha256: string | undefined;
    /** The same while it is being made; null: it cannot be. @type {Promise<string | null> | undefined} */
    whole: Promise<string | null> | undefined;
    /** The `Idempotency-Key` of the creation, where somebody else's upload has this file's fingerprint. @type {string | undefined} */
    ownKey: string | undefined;
    /** @type {import("./job.js").Job | null} */
    job: import("./job.js").Job | null;
    /** The end of the last job. @type {Promise<void>} */
    ending: Promise<void>;
    /** The upload that this page alone may drive. @type {string | undefined} */
    lockedId: string | undefined;
    release: () => void;
    /** @param {string} id @param {() => void} release */
    keepLock(id: string, release: () => void): void;
    unlock(): void;
    /** @returns {FileInfo} */
    get info(): FileInfo;
    /** Bytes that are on their way or there. */
    get sent(): number;
    /** Sets the bytes of a request in flight, and answers with those before. @param {string} lane @param {number} bytes */
    fly(lane: string, bytes: number): any;
    /** The upload that was begun is gone: the next one gets a key and a credential of its own. */
    beginAnew(): void;
    forgetUpload(): void;
    /** @param {import("./types.js").ItemState} state @returns {Item} */
    item(state: import("./types.js").ItemState): Item;
    /** @param {string} endpoint @param {string} session @returns {StoredItem} */
    stored(endpoint: string, session: string): StoredItem;
}
export type StoredItem = import("./types.js").StoredItem;
export type Item = import("./types.js").Item;
export type FileInfo = import("./types.js").FileInfo;
export type Facts = Pick<StoredItem, "id" | "name" | "path" | "size" | "type" | "lastModified" | "addedAt"> & Partial<StoredItem>;
