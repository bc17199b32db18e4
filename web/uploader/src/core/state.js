// The state of the uploader and how it changes. Pure: no time, no input or output.

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
export const ACTIVE = new Set(/** @type {Kind[]} */ (["queued", "preparing", "uploading", "offline", "waiting", "completing"]));
/** Where bytes are moving or about to. @type {ReadonlySet<Kind>} */
export const MOVING = new Set(/** @type {Kind[]} */ (["preparing", "uploading"]));
/** States that have come to an end. @type {ReadonlySet<Kind>} */
export const ENDED = new Set(/** @type {Kind[]} */ (["ready", "rejected", "failed", "cancelled"]));

/** @type {Kind[]} */
const FROM_ACTIVE = [...ACTIVE, "paused", "processing", "ready", "rejected", "failed", "needs-file", "cancelled"];
/** @type {Record<Kind, readonly Kind[]>} */
const NEXT = {
  queued: FROM_ACTIVE,
  preparing: FROM_ACTIVE,
  uploading: FROM_ACTIVE,
  offline: FROM_ACTIVE,
  waiting: FROM_ACTIVE,
  completing: FROM_ACTIVE,
  paused: ["paused", "queued", "failed", "needs-file", "cancelled"],
  processing: ["processing", "ready", "rejected", "failed"],
  ready: ["ready"],
  rejected: [],
  failed: ["queued", "needs-file", "cancelled"],
  "needs-file": ["needs-file", "queued", "paused", "completing", "processing", "failed", "cancelled"],
  cancelled: ["queued"],
};

/** Whether a file may go from one state to another. @param {Kind} from @param {Kind} to */
export const mayMove = (from, to) => NEXT[from].includes(to);

/** The item after an event; the same object if the event changes nothing or is refused.
 * @param {Item} item @param {ItemEvent} event @returns {Item} */
export function reduceItem(item, event) {
  switch (event.type) {
    case "moved": return moved(item, event.state);
    case "progress": {
      const confirmed = clamp(event.confirmed, 0, item.size);
      const sent = clamp(event.sent, confirmed, item.size);
      return confirmed === item.confirmed && sent === item.sent ? item : { ...item, confirmed, sent };
    }
    case "opened": return { ...item, uploadId: event.uploadId, ...(event.assetId && { assetId: event.assetId }) };
    case "measured": {
      if (item.rate === event.rate && item.eta === event.eta) return item;
      const { rate: _rate, eta: _eta, ...rest } = item;
      return { ...rest, ...(event.rate !== undefined && { rate: event.rate }), ...(event.eta !== undefined && { eta: event.eta }) };
    }
    case "file": return { ...item, hasHandle: event.hasHandle, ...(event.lastModified !== undefined && { lastModified: event.lastModified }) };
  }
}

/** @param {Item} item @param {ItemState} state @returns {Item} */
function moved(item, state) {
  if (!mayMove(item.state.kind, state.kind)) return item;
  if (item.state.kind === state.kind && Object.keys(state).length === 1) return item;
  if (state.kind === "uploading") return { ...item, state };
  const { rate: _rate, eta: _eta, ...rest } = item;
  // What was on its way counts no more: only what the storage confirmed is there.
  const confirmed = state.kind === "ready" || state.kind === "processing" ? item.size : item.confirmed;
  return { ...rest, state, confirmed, sent: state.kind === "completing" ? item.sent : confirmed };
}

/** @param {number} value @param {number} least @param {number} most */
const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

/** @type {UploaderState} */
export const INITIAL = Object.freeze({ items: Object.freeze([]), totals: Object.freeze(sum([])), online: true, limits: null });

/** The uploader's state after an event. @param {UploaderState} state @param {UploaderEvent} event @returns {UploaderState} */
export function reduce(state, event) {
  switch (event.type) {
    case "added": return withItems(state, [...state.items, ...event.items]);
    case "changed": return withItems(state, state.items.map((item) => event.items.get(item.id) ?? item));
    case "removed": return withItems(state, state.items.filter((item) => !event.ids.has(item.id)));
    case "limits": return Object.freeze({ ...state, limits: Object.freeze(event.limits) });
    case "online": return Object.freeze({ ...state, online: event.online });
    case "measured": return Object.freeze({ ...state, totals: withMeasure(state.totals, event.rate, event.eta) });
  }
}

/** @param {UploaderState} state @param {readonly Item[]} items @returns {UploaderState} */
function withItems(state, items) {
  return Object.freeze({ ...state, items: Object.freeze(items), totals: withMeasure(sum(items), state.totals.rate, state.totals.eta) });
}

/** @param {Totals} totals @param {number} rate @param {number} [eta] @returns {Totals} */
const withMeasure = ({ eta: _eta, ...totals }, rate, eta) => Object.freeze({ ...totals, rate, ...(eta !== undefined && { eta }) });

/** @param {readonly Item[]} items @returns {Totals} */
function sum(items) {
  const totals = { files: items.length, done: 0, failed: 0, bytes: 0, sent: 0, confirmed: 0, rate: 0 };
  for (const { state: { kind }, size, sent, confirmed } of items) {
    if (kind === "ready") totals.done++;
    if (kind === "failed" || kind === "rejected") totals.failed++;
    if (kind === "failed" || kind === "rejected" || kind === "cancelled") continue;
    totals.bytes += size;
    totals.sent += sent;
    totals.confirmed += confirmed;
  }
  return totals;
}
