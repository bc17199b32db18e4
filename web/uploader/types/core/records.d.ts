export class Records {
    /** @param {{storage: import("./types.js").StoragePort, clock: import("./types.js").Clock, endpoint: string, session: string}} with_ */
    constructor({ storage, clock, endpoint, session }: {
        storage: import("./types.js").StoragePort;
        clock: import("./types.js").Clock;
        endpoint: string;
        session: string;
    });
    storage: import("./types.js").StoragePort;
    clock: import("./types.js").Clock;
    endpoint: string;
    session: string;
    /** @type {Map<string, Entry>} */
    changed: Map<string, Entry>;
    /** @type {Set<string>} */
    gone: Set<string>;
    /** @type {unknown} */
    timer: unknown;
    writing: Promise<void>;
    /** @param {Entry} entry */
    save(entry: Entry): void;
    /** A file that has come to its end, or was taken out. @param {Entry} entry */
    forget(entry: Entry): void;
    /** A file that was given up is on its way again. @param {Entry} entry */
    remember(entry: Entry): void;
    soon(): void;
    /** Writes what has changed. Storage that is full or forbidden leaves the page without memory, not without uploads. */
    flush(): Promise<void>;
    close(): Promise<void>;
}
export type Entry = import("./entry.js").Entry;
