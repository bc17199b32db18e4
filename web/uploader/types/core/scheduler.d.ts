/** The page stopped a job: its state was told already. */
export class Stopped extends Error {
}
export class Scheduler {
    /** @param {Context} context @param {(entry: Entry) => void} drop Takes a file out of the list, and leaves its upload alone. */
    constructor(context: Context, drop: (entry: Entry) => void);
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
    drop: (entry: Entry) => void;
    most: number;
    /** @type {Set<Entry>} */
    queue: Set<Entry>;
    /** @type {Map<Entry, () => void>} */
    running: Map<Entry, () => void>;
    watcher: Watcher;
    /** @type {Entry[]} */
    unpictured: Entry[];
    /** @param {Entry} entry @param {ItemState} state */
    move(entry: Entry, state: ItemState): boolean;
    /** @param {Iterable<Entry>} entries */
    enqueue(entries: Iterable<Entry>): void;
    /** Small files count half: while one has its request, the next one is read. */
    get load(): number;
    pump(): void;
    /** @param {Entry} entry */
    start(entry: Entry): void;
    /** Gives the file's place to the next one. @param {Entry} entry */
    let(entry: Entry): void;
    /** Ends what is done for these files, at once, and then goes on with others. The caller has told their new states.
     * @param {Iterable<Entry>} entries */
    stop(entries: Iterable<Entry>): void;
    /** @param {Job} job */
    sent(job: Job): void;
    /** @param {Job} job @param {unknown} thrown */
    failed({ entry, signal }: Job, thrown: unknown): void;
    /** The file was chosen while its job went without: the job's place is free in a moment. @param {Entry} entry */
    again(entry: Entry): void;
    /** Another page drives this upload: when it ends, this one goes on. @param {Entry} entry */
    waitForLock(entry: Entry): void;
    /** @param {Entry} entry @param {ItemState} state */
    settle(entry: Entry, state: ItemState): void;
    /** @param {Entry} entry @param {Asset} asset */
    ended(entry: Entry, asset: Asset): void;
    /** A busy device makes the digest of the whole more slowly than its line is, and the service has the file before. @param {Entry} entry */
    verifyLater(entry: Entry): Promise<void>;
    /** @param {Entry} entry */
    wantThumbnail(entry: Entry): void;
    fetchThumbnails(): Promise<void>;
    close(): void;
}
export type Entry = import("./entry.js").Entry;
export type Asset = import("./types.js").Asset;
export type ItemState = import("./types.js").ItemState;
export type Context = import("./context.js").Context;
import { Watcher } from "./watch.js";
import { Job } from "./job.js";
