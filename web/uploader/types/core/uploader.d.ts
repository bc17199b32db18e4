export class FileUploader {
    /** @param {UploaderOptions} options */
    constructor(options: UploaderOptions);
    options: import("./types.js").UploaderOptions;
    context: {
        options: import("./types.js").UploaderOptions;
        ports: Omit<import("./types.js").Ports, "fetch">;
        clock: import("./types.js").Clock;
        random: () => number;
        store: import("./store.js").Store;
        gate: import("./gate.js").Gate;
        connection: import("./connection.js").Connection;
        sender: import("./sender.js").Sender;
        api: import("./api.js").Api;
        session: string;
        records: import("./records.js").Records;
        end: AbortController;
        place: string;
        worker: import("./types.js").WorkerPort;
        locks: import("./types.js").LocksPort;
        progress: import("./progress.js").Progress;
        digestUpTo: number;
        limits(signal: AbortSignal): Promise<Limits | null>;
        learnLimits(entry: import("./context.js").Entry): void;
    };
    scheduler: Scheduler;
    links: Link;
    /** @type {Map<string, Entry>} */
    entries: Map<string, Entry>;
    orders: number;
    endSession: () => undefined;
    get state(): import("./types.js").UploaderState;
    /** @param {import("./store.js").Listener} listener */
    subscribe(listener: import("./store.js").Listener): () => undefined;
    /** @param {Iterable<Source>} files */
    add(files: Iterable<Source>): {
        added: string[];
        refused: import("./types.js").Refused[];
    };
    /** Answers why a file cannot be taken, before anything is sent. */
    admission(): (/** @type {File} */ file: File, /** @type {string} */ path: string) => {
        code: string;
        types: string[];
        maxSize?: undefined;
        maxFiles?: undefined;
        left?: undefined;
    } | {
        code: string;
        maxSize: number;
        types?: undefined;
        maxFiles?: undefined;
        left?: undefined;
    } | {
        code: string;
        types?: undefined;
        maxSize?: undefined;
        maxFiles?: undefined;
        left?: undefined;
    } | {
        code: string;
        maxFiles: number;
        types?: undefined;
        maxSize?: undefined;
        left?: undefined;
    } | {
        code: string;
        left: number;
        types?: undefined;
        maxSize?: undefined;
        maxFiles?: undefined;
    } | null;
    /** The files of an id, or all of them. @param {string} [id] */
    chosen(id?: string): Entry[];
    /** @param {Entry} entry */
    kindOf(entry: Entry): "failed" | "waiting" | "paused" | "offline" | "ready" | "rejected" | "processing" | "completing" | "queued" | "preparing" | "uploading" | "needs-file" | "cancelled";
    /** Puts files in line again. @param {Entry[]} entries */
    queueAgain(entries: Entry[]): void;
    /** @param {string} [id] */
    start(id?: string): void;
    /** @param {string} [id] */
    pause(id?: string): void;
    /** @param {string} [id] */
    resume(id?: string): void;
    /** @param {Entry[]} entries */
    resumeAny(entries: Entry[]): void;
    /** Asks the user for permission to read the file again, which only works as the answer to a click. @param {Entry} entry */
    askForFile(entry: Entry): Promise<void>;
    /** The file is not where it was: it has to be chosen. @param {Entry} entry */
    loseHandle(entry: Entry): void;
    /** @param {Entry} entry @param {File} file @param {FileSystemFileHandle} [handle] */
    giveFile(entry: Entry, file: File, handle?: FileSystemFileHandle): void;
    /** @param {string} [id] */
    retry(id?: string): void;
    /** @param {string} [id] */
    cancel(id?: string): void;
    /** Asks the service to forget what was sent. What it does not hear of, it forgets by itself in time. @param {Entry} entry */
    forgetUpload(entry: Entry): Promise<void>;
    /** @param {string} id */
    remove(id: string): void;
    /** @param {Entry} entry */
    drop(entry: Entry): void;
    restore(): Promise<void>;
    /** @param {Entry[]} entries */
    takeOver(entries: Entry[]): void;
    /** @param {Entry} entry @returns {ItemState} */
    restoredState(entry: Entry): ItemState;
    /** @param {Iterable<Source>} files */
    reselect(files: Iterable<Source>): Promise<{
        matched: string[];
        different: {
            id: string;
            reason: "size" | "modified" | "content" | "unreadable";
        }[];
        unknown: File[];
    }>;
    /** @param {string} id */
    link(id: string): Promise<string>;
    destroy(): void;
}
export type Source = import("./types.js").Source;
export type ItemState = import("./types.js").ItemState;
export type Refused = import("./types.js").Refused;
export type StoredItem = import("./types.js").StoredItem;
export type UploaderOptions = import("./types.js").UploaderOptions;
import { Scheduler } from "./scheduler.js";
import { Link } from "./link.js";
import { Entry } from "./entry.js";
