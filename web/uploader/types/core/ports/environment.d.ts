/** @returns {NetworkPort} */
export function networkPort(): NetworkPort;
/** Web Locks; without them (no secure context, old browsers) every page takes itself for the only one. @returns {LocksPort} */
export function locksPort(): LocksPort;
/** Keeps the screen on, counted over all uploaders of the page. @returns {WakePort} */
export function wakePort(): WakePort;
/** @typedef {import("../types.js").Clock} Clock */
/** @typedef {import("../types.js").NetworkPort} NetworkPort */
/** @typedef {import("../types.js").LocksPort} LocksPort */
/** @typedef {import("../types.js").WakePort} WakePort */
/** @type {Clock} */
export const systemClock: Clock;
export type Clock = import("../types.js").Clock;
export type NetworkPort = import("../types.js").NetworkPort;
export type LocksPort = import("../types.js").LocksPort;
export type WakePort = import("../types.js").WakePort;
