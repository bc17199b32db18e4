export class Announcer {
    element: HTMLDivElement;
    /** @type {string[]} */
    queue: string[];
    /** @type {Map<string, number>} */
    steps: Map<string, number>;
    allStep: number;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    timer: ReturnType<typeof setTimeout> | undefined;
    /** @param {string} text */
    say(text: string): void;
    /** One file's way, as far as it is told file by file.
     * @param {Item} item @param {string | undefined} before @param {number} running @param {Words} words */
    changed(item: Item, before: string | undefined, running: number, words: Words): void;
    /** @param {Item} item @param {Words} words */
    step(item: Item, words: Words): void;
    /**
     * The way of all, where there are many.
     * @param {number} fraction
     * @param {number} count
     * @param {Words} words
     */
    all(fraction: number, count: number, words: Words): void;
    /** @param {string} id */
    forget(id: string): void;
}
export type Item = import("./types.js").Item;
export type Words = import("./words.js").Words;
