export class Store {
    /** @param {import("./types.js").Clock} clock */
    constructor(clock: import("./types.js").Clock);
    clock: import("./types.js").Clock;
    /** Every file as it is now. @type {Map<string, Item>} */
    items: Map<string, Item>;
    /** What is newer than the snapshot. @type {Map<string, Item>} */
    newer: Map<string, Item>;
    /** What listeners were not told yet. @type {Set<string>} */
    untold: Set<string>;
    snapshot: import("./types.js").UploaderState;
    /** @type {Set<Listener>} */
    listeners: Set<Listener>;
    /** @type {unknown} */
    timer: unknown;
    /** @returns {UploaderState} */
    get state(): UploaderState;
    /** @param {UploaderEvent} event */
    apply(event: UploaderEvent): void;
    /** Applies an event to one file; answers whether it changed anything. @param {string} id @param {ItemEvent} event */
    change(id: string, event: ItemEvent): boolean;
    /** @param {Listener} listener */
    subscribe(listener: Listener): () => undefined;
    tellSoon(): void;
    close(): void;
}
export type Item = import("./types.js").Item;
export type UploaderState = import("./types.js").UploaderState;
export type ItemEvent = import("./state.js").ItemEvent;
export type UploaderEvent = import("./state.js").UploaderEvent;
export type Listener = (state: UploaderState, changed: Set<string>) => void;
