/** The part of a name that stays when it is too long: its extension and a little more.
 * @param {string} name @returns {[head: string, tail: string]} */
export function splitName(name: string): [head: string, tail: string];
export class Row {
    /** @param {string} id */
    constructor(id: string);
    id: string;
    thumb: HTMLDivElement;
    folder: HTMLSpanElement;
    head: HTMLSpanElement;
    tail: HTMLSpanElement;
    name: HTMLElement;
    size: HTMLSpanElement;
    stateIcon: HTMLSpanElement;
    word: HTMLSpanElement;
    facts: HTMLSpanElement;
    state: HTMLSpanElement;
    sentence: HTMLParagraphElement;
    offers: {
        retry: HTMLButtonElement;
        choose: HTMLButtonElement;
        allow: HTMLButtonElement;
    };
    more: HTMLButtonElement;
    offered: HTMLDivElement;
    details: HTMLDivElement;
    action: HTMLButtonElement;
    remove: HTMLButtonElement;
    bar: HTMLDivElement;
    element: HTMLLIElement;
    /** @type {unknown[]} */
    shown: unknown[];
    /** @param {Item} item @param {View} view */
    update(item: Item, view: View): void;
    /** @param {Item} item @param {Words} words */
    showName(item: Item, words: Words): void;
    /** @param {Item} item @param {Description} said @param {View} view */
    showState(item: Item, said: Description, { words, copied }: View): void;
    /** @param {Item} item @param {Description} said @param {View} view */
    showActions(item: Item, said: Description, { words }: View): void;
    /** @param {Description} said @param {View} view */
    showDetails(said: Description, view: View): void;
}
export type Item = import("./types.js").Item;
export type Description = import("./describe.js").Description;
export type Words = import("./words.js").Words;
/**
 * What rows have in common.
 */
export type View = {
    words: Words;
    now: number;
    canLink: boolean;
    autoStart: boolean;
    /**
     * Rows whose details are shown.
     */
    open: Set<string>;
    /**
     * Rows of which something was just copied, and what.
     */
    copied: Map<string, string>;
    previews: import("./previews.js").Previews;
    details: (id: string) => Details;
};
export type Details = [label: string, value: string][];
