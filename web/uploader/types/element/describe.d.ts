/**
 * How fast it goes and how long it takes, as far as that is known.
 * @param {{rate?: number, eta?: number}} measured
 * @param {Words} words
 */
export function paceOf({ rate, eta }: {
    rate?: number;
    eta?: number;
}, words: Words): string[];
/** @param {Item} item @param {{words: Words, now: number, canLink: boolean, autoStart: boolean}} view
 * @returns {Description} */
export function describe(item: Item, { words, now, canLink, autoStart }: {
    words: Words;
    now: number;
    canLink: boolean;
    autoStart: boolean;
}): Description;
/** @typedef {import("./types.js").Item} Item */
/** @typedef {import("./types.js").Problem} Problem */
/** @typedef {import("./words.js").Words} Words */
/**
 * @typedef {"pause" | "resume" | "start" | "retry" | "link" | "choose" | "allow"} Action
 * @typedef {object} Description
 * @property {"idle" | "running" | "ready" | "warning" | "failed"} tone
 * @property {string} icon
 * @property {string} word
 * @property {string[]} facts What stands behind the word.
 * @property {string} [sentence] What failed and why.
 * @property {Problem} [problem]
 * @property {Action | null} action The button at the right.
 * @property {Action[]} offers Buttons with words below the sentence.
 * @property {boolean} live Whether there is something to cancel.
 * @property {boolean} bar Whether the progress is shown.
 */
/** What can be paused, and what is lost when the page goes. */
export const AT_RISK: Set<string>;
/** What has come to its end. */
export const ENDED: Set<string>;
export function wantsFile({ state }: Item): boolean;
export function fractionOf(item: Item): number;
export type Item = import("./types.js").Item;
export type Problem = import("./types.js").Problem;
export type Words = import("./words.js").Words;
export type Action = "pause" | "resume" | "start" | "retry" | "link" | "choose" | "allow";
export type Description = {
    tone: "idle" | "running" | "ready" | "warning" | "failed";
    icon: string;
    word: string;
    /**
     * What stands behind the word.
     */
    facts: string[];
    /**
     * What failed and why.
     */
    sentence?: string | undefined;
    problem?: import("../core/types.js").Problem | undefined;
    /**
     * The button at the right.
     */
    action: Action | null;
    /**
     * Buttons with words below the sentence.
     */
    offers: Action[];
    /**
     * Whether there is something to cancel.
     */
    live: boolean;
    /**
     * Whether the progress is shown.
     */
    bar: boolean;
};
