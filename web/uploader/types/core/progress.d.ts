export class Progress {
    /** @param {{store: import("./store.js").Store, clock: import("./types.js").Clock}} with_ */
    constructor({ store, clock }: {
        store: import("./store.js").Store;
        clock: import("./types.js").Clock;
    });
    store: import("./store.js").Store;
    clock: import("./types.js").Clock;
    total: Meter;
    /** Of files whose bytes are moving. @type {Map<string, Meter>} */
    meters: Map<string, Meter>;
    /** @type {unknown} */
    timer: unknown;
    /** Bytes that moved just now. @param {Entry} entry @param {number} bytes */
    count(entry: Entry, bytes: number): void;
    /** @param {Entry} entry */
    tell(entry: Entry): void;
    tick(): void;
    /** Bytes that are still to be sent of what is on its way or in line. */
    left(): number;
    close(): void;
}
export type Entry = import("./entry.js").Entry;
import { Meter } from "./meter.js";
