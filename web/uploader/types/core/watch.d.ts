export class Watcher {
    /** @param {Context} context @param {{isBusy: () => boolean, onEnd: (entry: Entry, asset: Asset) => void, onFailure: (entry: Entry, problem: ProblemError) => void}} with_ */
    constructor(context: Context, { isBusy, onEnd, onFailure }: {
        isBusy: () => boolean;
        onEnd: (entry: Entry, asset: Asset) => void;
        onFailure: (entry: Entry, problem: ProblemError) => void;
    });
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
    isBusy: () => boolean;
    onEnd: (entry: Entry, asset: Asset) => void;
    onFailure: (entry: Entry, problem: ProblemError) => void;
    /** @type {Map<string, Watched>} */
    watched: Map<string, Watched>;
    end: AbortController;
    streams: number;
    questions: number;
    mayAskTogether: boolean;
    /** @type {unknown} */
    timer: unknown;
    unsubscribe: () => undefined;
    /** @param {Entry} entry @param {Asset} [asset] What the completion answered. */
    add(entry: Entry, asset?: Asset): void;
    /** @param {string} id */
    remove(id: string): void;
    /** After a time without a network, everything may have happened. */
    hurry(): void;
    /** Listens and asks as far as that is due, and comes back when more is. */
    next(): void;
    /** Those of one question: the others are asked about along with those that are due. @param {Watched[]} due */
    portion(due: Watched[]): Watched[];
    /** @param {Watched[]} some */
    ask(some: Watched[]): Promise<void>;
    /** @param {Watched[]} some */
    askTogether(some: Watched[]): Promise<void>;
    /** @param {Watched[]} some @param {unknown} error */
    refused(some: Watched[], error: unknown): void;
    /** @param {Watched} one @param {Asset} asset */
    heard(one: Watched, asset: Asset): void;
    /** Follows one asset until it has come to its end, or the stream to its own. @param {Watched} one */
    listen(one: Watched): Promise<void>;
    close(): void;
}
export type Asset = import("./types.js").Asset;
export type Entry = import("./entry.js").Entry;
export type Context = import("./context.js").Context;
export type Watched = {
    entry: Entry;
    due: number;
    wait: number;
    streamed: boolean;
    deafUntil: number;
    stop?: () => void;
};
import { ProblemError } from "./problem.js";
