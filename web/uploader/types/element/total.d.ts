/** @typedef {import("./types.js").Item} Item */
/** @typedef {import("./types.js").UploaderState} UploaderState */
/** @typedef {import("./words.js").Words} Words */
/** @typedef {ReturnType<typeof tally>} Tally */
/** Counts items by what can be done with them. @param {readonly Item[]} items */
export function tally(items: readonly Item[]): {
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
export class Total {
    /** @param {(act: string) => void} act */
    constructor(act: (act: string) => void);
    act: (act: string) => void;
    mark: HTMLSpanElement;
    files: HTMLSpanElement;
    facts: HTMLSpanElement;
    failed: HTMLButtonElement;
    buttons: HTMLButtonElement[];
    bar: HTMLDivElement;
    line: HTMLDivElement;
    question: HTMLParagraphElement;
    keep: HTMLButtonElement;
    sure: HTMLButtonElement;
    confirm: HTMLDivElement;
    element: HTMLDivElement;
    /** @param {string} name */
    press(name: string): void;
    /** Asks before all is given up: the safe button has the focus. @param {boolean} asked */
    ask(asked: boolean): void;
    /** @param {UploaderState} state @param {Tally} counts @param {Words} words @param {boolean} autoStart */
    update(state: UploaderState, counts: Tally, words: Words, autoStart: boolean): void;
    /** @param {UploaderState} state @param {Tally} counts @param {Words} words @param {boolean} live */
    say({ totals }: UploaderState, counts: Tally, words: Words, live: boolean): void;
    /** @param {Tally} counts @param {Words} words @param {boolean} live @param {boolean} autoStart */
    offer(counts: Tally, words: Words, live: boolean, autoStart: boolean): void;
}
export type Item = import("./types.js").Item;
export type UploaderState = import("./types.js").UploaderState;
export type Words = import("./words.js").Words;
export type Tally = ReturnType<typeof tally>;
