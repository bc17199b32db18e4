/** The item after an event; the same object if the event changes nothing or is refused.
 * @param {Item} item @param {ItemEvent} event @returns {Item} */
export function reduceItem(item: Item, event: ItemEvent): Item;
/** The uploader's state after an event. @param {UploaderState} state @param {UploaderEvent} event @returns {UploaderState} */
export function reduce(state: UploaderState, event: UploaderEvent): UploaderState;
/** @typedef {import("./types.js").Item} Item */
/** @typedef {import("./types.js").ItemState} ItemState */
/** @typedef {import("./types.js").UploaderState} UploaderState */
/** @typedef {import("./types.js").Totals} Totals */
/** @typedef {import("./types.js").Limits} Limits */
/** @typedef {ItemState["kind"]} Kind */
/**
 * @typedef {{type: "moved", state: ItemState} | {type: "progress", sent: number, confirmed: number}
 *   | {type: "opened", uploadId: string, assetId?: string} | {type: "measured", rate?: number, eta?: number}
 *   | {type: "file", hasHandle: boolean, lastModified?: number}} ItemEvent
 */
/**
 * @typedef {{type: "added", items: readonly Item[]} | {type: "changed", items: ReadonlyMap<string, Item>}
 *   | {type: "removed", ids: ReadonlySet<string>} | {type: "limits", limits: Limits} | {type: "online", online: boolean}
 *   | {type: "measured", rate: number, eta?: number}} UploaderEvent
 */
/** States in which a file is on its way. @type {ReadonlySet<Kind>} */
export const ACTIVE: ReadonlySet<Kind>;
/** Where bytes are moving or about to. @type {ReadonlySet<Kind>} */
export const MOVING: ReadonlySet<Kind>;
/** States that have come to an end. @type {ReadonlySet<Kind>} */
export const ENDED: ReadonlySet<Kind>;
export function mayMove(from: Kind, to: Kind): boolean;
/** @type {UploaderState} */
export const INITIAL: UploaderState;
export type Item = import("./types.js").Item;
export type ItemState = import("./types.js").ItemState;
export type UploaderState = import("./types.js").UploaderState;
export type Totals = import("./types.js").Totals;
export type Limits = import("./types.js").Limits;
export type Kind = ItemState["kind"];
export type ItemEvent = {
    type: "moved";
    state: ItemState;
} | {
    type: "progress";
    sent: number;
    confirmed: number;
} | {
    type: "opened";
    uploadId: string;
    assetId?: string;
} | {
    type: "measured";
    rate?: number;
    eta?: number;
} | {
    type: "file";
    hasHandle: boolean;
    lastModified?: number;
};
export type UploaderEvent = {
    type: "added";
    items: readonly Item[];
} | {
    type: "changed";
    items: ReadonlyMap<string, Item>;
} | {
    type: "removed";
    ids: ReadonlySet<string>;
} | {
    type: "limits";
    limits: Limits;
} | {
    type: "online";
    online: boolean;
} | {
    type: "measured";
    rate: number;
    eta?: number;
};
