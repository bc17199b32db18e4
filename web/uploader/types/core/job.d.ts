export function lockOf(id: string): string;
/** Another page drives this upload. */
export class Elsewhere extends Error {
}
/** The file is not at hand. */
export class NeedsFile extends Error {
}
export class Job {
    /** @param {Entry} entry @param {Context} context */
    constructor(entry: Entry, context: Context);
    entry: import("./entry.js").Entry;
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
    controller: AbortController;
    signal: AbortSignal;
    /** What each piece of work is at. @type {Map<string, Lane>} */
    lanes: Map<string, Lane>;
    confirmations: number;
    /** The largest body that got through. */
    largest: number;
    /** The file was sent as a form, and it is not known what became of it. */
    formTried: boolean;
    /** What the completion answered. @type {import("./types.js").Asset | undefined} */
    asset: import("./types.js").Asset | undefined;
    /** @type {Set<() => void>} */
    wakers: Set<() => void>;
    /** Ends the job, and every request of it. @param {unknown} reason */
    fail(reason: unknown): void;
    /** Ends the pauses between tries. */
    hurry(): void;
    /** @param {ItemState} state */
    move(state: ItemState): void;
    /** Resolves when the storage has the file and the service knows it. */
    run(): Promise<void>;
    /** Answers whether the upload is complete; otherwise something is missing still. */
    attempt(): Promise<boolean>;
    /** One page drives an upload; it keeps it until the file has come to an end. @param {string} id */
    lock(id: string): Promise<void>;
    /** @param {Opened} opened */
    opened({ upload }: Opened): void;
    /** @param {Opened} opened */
    transfer({ upload, put, urls }: Opened): Promise<boolean>;
    complete(): Promise<boolean>;
    /** Does something until it succeeds. Answers that say no are counted; where nobody answers there is nothing to count.
     * @template T @param {string} lane @param {() => Promise<T>} work @returns {Promise<T>} */
    persevere<T>(lane: string, work: () => Promise<T>): Promise<T>;
    /** Nothing is tried while the browser knows that there is no network. @param {string} lane */
    awaitNetwork(lane: string): Promise<void>;
    /** Waits as long as makes sense, or throws. @param {string} lane @param {ProblemError} failure
     * @param {{refusals: number, losses: number, attempt: number, seen: number}} tries */
    afterFailure(lane: string, failure: ProblemError, tries: {
        refusals: number;
        losses: number;
        attempt: number;
        seen: number;
    }): Promise<void>;
    /** Whether something on the way takes no body of this size. Its refusal cannot be read without permission for the page, and looks as
     * if nobody had answered. @param {ProblemError} failure */
    isRefusedForSize({ extra: { url, bytes } }: ProblemError): Promise<boolean>;
    /** The file is on its way as long as one piece of work is. @param {string} lane @param {Lane} state */
    setLane(lane: string, state: Lane): void;
    /** @param {number} [from] @param {number} [to] */
    blob(from?: number, to?: number): Blob;
    /** The SHA-256 of a part. @param {Blob} blob */
    checksum(blob: Blob): Promise<string | null>;
    /** The SHA-256 of the whole file, where it is worth its time. @returns {Promise<string | null>} */
    digest(): Promise<string | null>;
    /** @param {string} lane @param {() => import("./types.js").SignedUrl | Promise<import("./types.js").SignedUrl>} signed @param {Blob} body */
    sendToStorage(lane: string, signed: () => import("./types.js").SignedUrl | Promise<import("./types.js").SignedUrl>, body: Blob): Promise<import("./types.js").HttpResponse>;
    /** Bytes of a request in flight. @param {string} lane @param {number} bytes */
    fly(lane: string, bytes: number): void;
    /** Bytes that the storage has now. @param {string} lane @param {number} bytes */
    confirm(lane: string, bytes: number): void;
    /** Bytes that the storage has, as it says. @param {number} bytes */
    setConfirmed(bytes: number): void;
}
export type Entry = import("./entry.js").Entry;
export type ItemState = import("./types.js").ItemState;
export type Opened = import("./open.js").Opened;
export type Context = import("./context.js").Context;
export type Lane = {
    kind: "busy";
} | {
    kind: "offline";
} | Extract<ItemState, {
    kind: "waiting";
}>;
import { ProblemError } from "./problem.js";
