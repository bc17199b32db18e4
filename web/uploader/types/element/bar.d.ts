/** @typedef {ReturnType<typeof makeBar>} Bar */
/** @param {string} part */
export function makeBar(part: string): HTMLDivElement;
/**
 * @param {HTMLElement} bar
 * @param {{sent: number, confirmed: number}} bytes
 * @param {number} size
 * @param {string} label
 * @param {import("./words.js").Words} words
 */
export function setBar(bar: HTMLElement, { sent, confirmed }: {
    sent: number;
    confirmed: number;
}, size: number, label: string, words: import("./words.js").Words): void;
export type Bar = ReturnType<typeof makeBar>;
