/** @typedef {import("../types.js").HttpPort} HttpPort */
/** @typedef {import("../types.js").HttpRequest} HttpRequest */
/** @typedef {import("../types.js").HttpResponse} HttpResponse */
/** @param {typeof globalThis.fetch} [fetch] Instead of the browser's requests of both kinds. @returns {HttpPort} */
export function httpPort(fetch?: typeof globalThis.fetch): HttpPort;
export type HttpPort = import("../types.js").HttpPort;
export type HttpRequest = import("../types.js").HttpRequest;
export type HttpResponse = import("../types.js").HttpResponse;
