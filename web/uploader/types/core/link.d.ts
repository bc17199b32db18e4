export class Link {
    /** @param {import("./context.js").Context} context */
    constructor(context: import("./context.js").Context);
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
    /** A link to a file; rejects with a problem where there is none. @param {Entry | undefined} entry @returns {Promise<string>} */
    of(entry: Entry | undefined): Promise<string>;
}
export type Entry = import("./entry.js").Entry;
