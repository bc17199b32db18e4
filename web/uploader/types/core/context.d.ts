/** An id that nobody guesses. @param {() => number} random */
export function newId(random: () => number): string;
/** @param {UploaderOptions} options */
export function createContext(options: UploaderOptions): {
    options: import("./types.js").UploaderOptions;
    ports: Omit<import("./types.js").Ports, "fetch">;
    clock: import("./types.js").Clock;
    random: () => number;
    store: Store;
    gate: Gate;
    connection: Connection;
    sender: Sender;
    api: Api;
    session: string;
    records: Records;
    end: AbortController;
    place: string;
    worker: import("./types.js").WorkerPort;
    locks: import("./types.js").LocksPort;
    progress: Progress;
    digestUpTo: number;
    /** What the service goes by; null if it does not say. @param {AbortSignal} signal @returns {Promise<Limits | null>} */
    limits(signal: AbortSignal): Promise<Limits | null>;
    /** Once there is a credential, the limits are those of its tenant. @param {Entry} entry */
    learnLimits(entry: Entry): void;
};
export type UploaderOptions = import("./types.js").UploaderOptions;
export type Limits = import("./types.js").Limits;
export type Entry = import("./entry.js").Entry;
export type Context = ReturnType<typeof createContext>;
import { Store } from "./store.js";
import { Gate } from "./gate.js";
import { Connection } from "./connection.js";
import { Sender } from "./sender.js";
import { Api } from "./api.js";
import { Records } from "./records.js";
import { Progress } from "./progress.js";
