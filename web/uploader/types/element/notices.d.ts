export class Notices {
    offlineTitle: HTMLElement;
    offlineText: HTMLSpanElement;
    offline: HTMLDivElement;
    title: HTMLElement;
    reasons: HTMLUListElement;
    dismiss: HTMLButtonElement;
    refused: HTMLDivElement;
    element: HTMLDivElement;
    /**
     * @param {boolean} online
     * @param {boolean} waiting Whether anything waits for the network.
     * @param {Words} words
     */
    update(online: boolean, waiting: boolean, words: Words): void;
    /** All that was not taken, by its reason. @param {readonly Refused[]} refused @param {string[]} empty @param {Words} words
     * @returns {string} What was said. */
    tell(refused: readonly Refused[], empty: string[], words: Words): string;
    /** @param {string} title @param {string[]} lines @param {boolean} bad */
    show(title: string, lines: string[], bad?: boolean): void;
    clear(): void;
}
export type Words = import("./words.js").Words;
export type Refused = {
    name: string;
    code: string;
    [key: string]: unknown;
};
