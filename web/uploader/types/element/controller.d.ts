export class Controller {
    /** @param {Uploader} uploader @param {Host} host */
    constructor(uploader: Uploader, host: Host);
    uploader: import("../core/types.js").Uploader;
    host: Host;
    /** @type {UploaderState} */
    state: UploaderState;
    counts: {
        all: number;
        ready: number;
        readyBytes: number;
        atRisk: number;
        queued: number;
        paused: number;
        failed: number;
        retryable: number;
        needed: number;
        ended: number;
    };
    /** The last state of each file that the page was told. @type {Map<string, string>} */
    kinds: Map<string, string>;
    /** Images to be shown small. @type {Map<string, File>} */
    files: Map<string, File>;
    told: number;
    guarding: boolean;
    unsubscribe: () => void;
    close(): void;
    /** @param {UploaderState} state @param {Set<string>} changed */
    changed(state: UploaderState, changed: Set<string>): void;
    /** Whether its state is another one. @param {Item} item */
    itemChanged(item: Item): boolean;
    forgetGone(): void;
    tellProgress(): void;
    /** The page is told once that all have come to their end. */
    tellComplete(): void;
    over: boolean | undefined;
    /** The browser asks before the page goes, only while bytes are at risk: a listener alone already keeps a page out of its cache. */
    guardPage(): void;
    /** Takes files; all that is refused is told in one summary. @param {Collected} collected */
    take({ found, empty, unreadable }: Collected): Promise<{
        added: string[];
        refused: {
            name: string;
            path: string;
            code: string;
        }[];
    }>;
    /**
     * Files that an unfinished upload waits for go there, the others are new.
     * @param {import("./collect.js").Found[]} found
     */
    reselect(found: import("./collect.js").Found[]): Promise<{
        sources: import("./collect.js").Found[];
        others: (import("./notices.js").Refused & {
            path: string;
        })[];
    }>;
    /** @param {{id: string, reason: string}} different @returns {Refused & {path: string}} */
    otherFile({ id, reason }: {
        id: string;
        reason: string;
    }): Refused & {
        path: string;
    };
    /** Only for files that a row asks for: nothing is added. @param {File[]} files */
    chooseAgain(files: File[]): Promise<void>;
    /** Which file is which item: both are in the order in which they were given.
     * @param {string[]} added @param {import("./collect.js").Found[]} sources */
    remember(added: string[], sources: import("./collect.js").Found[]): void;
    /** @param {string} id */
    item(id: string): import("../core/types.js").Item | undefined;
    /** @param {string} act @param {string} id */
    act(act: string, id: string): void;
    /** What is on its way is cancelled first. @param {string} id */
    remove(id: string): void;
    /**
     * The page is told here: the item may be gone before the core tells of its last state.
     * @param {Item} item
     */
    tellCancelled(item: Item): void;
    /** @param {string} act */
    actAll(act: string): void;
    /** Some at a time: the page stays usable. @param {string[]} ids */
    removeAll(ids: string[]): Promise<void>;
}
export type Uploader = import("./types.js").Uploader;
export type UploaderState = import("./types.js").UploaderState;
export type Item = import("./types.js").Item;
export type Collected = import("./collect.js").Collected;
export type Refused = import("./notices.js").Refused;
export type Words = import("./words.js").Words;
/**
 * What the controller needs of the element.
 */
export type Host = {
    emit: (name: string, detail: object) => void;
    /**
     * Draws soon.
     */
    draw: () => void;
    /**
     * Draws with the next frame.
     */
    drawNow: () => void;
    announcer: import("./announcer.js").Announcer;
    notices: import("./notices.js").Notices;
    words: Words;
};
