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
    /** Those that wait for their record, and how they are told. @type {Map<Entry, () => void>} */
    urgent: Map<Entry, () => void>;
    /** Those of which nothing is kept any more. @type {Set<string>} */
    gone: Set<string>;
    /** Of these, those that are to be taken out still. @type {Set<string>} */
    removable: Set<string>;
    /** @type {unknown} */
    timer: unknown;
    writing: Promise<void>;
    /** The write that follows the one under way. @type {Promise<void> | null} */
    next: Promise<void> | null;
    /** @param {Entry} entry */
    save(entry: Entry): void;
    /** Resolves once all is written that is known of a file now: before whatever else has changed, and together with others that are as
     * urgent. A browser whose database hangs holds up no file for long. @param {Entry} entry @returns {Promise<void>} */
    keep(entry: Entry): Promise<void>;
    /** A file that has come to its end, or was taken out. @param {Entry} entry */
    forget(entry: Entry): void;
    /** A file that was given up is on its way again. @param {Entry} entry */
    remember(entry: Entry): void;
    soon(): void;
    /** Writes what has changed, once for all that ask while another write is under way. */
    flush(): Promise<void>;
    /** Storage that is full or forbidden leaves the page without memory, not without uploads. */
    write(): Promise<void>;
    writeSome(): Promise<void>;
    /** The first of those that have changed. */
    portion(): import("./entry.js").Entry[];
    close(): Promise<void>;
}
export type Entry = import("./entry.js").Entry;
