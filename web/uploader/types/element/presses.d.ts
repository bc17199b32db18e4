/** What stands behind "Details". @param {Item | undefined} item @param {Words} words @returns {Details} */
export function detailsOf(item: Item | undefined, words: Words): Details;
export class Presses {
    /** @param {import("./parts.js").PartsContext} context @param {Pieces} pieces */
    constructor(context: import("./parts.js").PartsContext, pieces: Pieces);
    context: import("./parts.js").PartsContext;
    pieces: Pieces;
    /** Rows whose details are shown. @type {Set<string>} */
    open: Set<string>;
    /** Rows of which something was just copied, and what they say. @type {Map<string, string>} */
    copied: Map<string, string>;
    /** @param {string} act @param {string} id */
    row(act: string, id: string): Promise<void>;
    /**
     * The focus goes on to the neighbour's button, or to the input when nothing is left.
     * @param {string | undefined} next
     */
    focusAfter(next: string | undefined): void;
    /** @param {string} act */
    all(act: string): void;
    /** What is copied of the details: enough for a report. @param {string} id */
    text(id: string): string;
    /** What cannot be copied is shown, to be copied by hand; what is refused says why.
     * @param {string} id @param {Promise<string>} text @param {string} said */
    copy(id: string, text: Promise<string>, said: string): Promise<void>;
}
export type Item = import("./types.js").Item;
export type Words = import("./words.js").Words;
export type Details = import("./row.js").Details;
export type Pieces = {
    zone: import("./zone.js").Zone;
    list: import("./list.js").FileList;
    notices: import("./notices.js").Notices;
    announcer: import("./announcer.js").Announcer;
    again: HTMLInputElement;
};
