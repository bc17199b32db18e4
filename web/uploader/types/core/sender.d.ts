/** @typedef {import("./types.js").HttpResponse} HttpResponse */
/** A request that makes no progress for so long is ended, in milliseconds. */
export const STALLED_AFTER: 30000;
/** @typedef {{url: string, headers?: Record<string, string>}} Target */
/**
 * @typedef {object} Sending
 * @property {import("./gate.js").RequestKind} kind
 * @property {number} order Earlier files go first.
 * @property {string} method
 * @property {() => Target | Promise<Target>} target Asked for once the request has its place: an address can be too old by then.
 * @property {Blob | FormData | string} [body]
 * @property {number} [bytes] Of the file in a form, whose progress cannot be seen.
 * @property {AbortSignal} signal
 * @property {number} [patience] Milliseconds without progress after which it is ended.
 * @property {(loaded: number) => void} [onProgress]
 */
export class Sender {
    /** @param {{http: import("./types.js").HttpPort, clock: import("./types.js").Clock, gate: import("./gate.js").Gate, connection: import("./connection.js").Connection}} with_ */
    constructor({ http, clock, gate, connection }: {
        http: import("./types.js").HttpPort;
        clock: import("./types.js").Clock;
        gate: import("./gate.js").Gate;
        connection: import("./connection.js").Connection;
    });
    http: import("./types.js").HttpPort;
    clock: import("./types.js").Clock;
    gate: import("./gate.js").Gate;
    connection: import("./connection.js").Connection;
    /** @param {Sending} sending @returns {Promise<HttpResponse>} */
    send({ kind, order, signal, patience, onProgress, target, ...request }: Sending): Promise<HttpResponse>;
    /** @param {Omit<Sending, "target" | "order"> & {patience: number}} sending @param {Target} target */
    sendNow({ kind, signal, patience, onProgress, bytes, ...request }: Omit<Sending, "target" | "order"> & {
        patience: number;
    }, target: Target): Promise<import("./types.js").HttpResponse>;
    /** Why there is no answer. @param {unknown} error @param {AbortSignal} life @param {AbortSignal} asked @param {string} kind
     * @param {{url: string, bytes: number}} lost */
    meaning(error: unknown, life: AbortSignal, asked: AbortSignal, kind: string, { url, bytes }: {
        url: string;
        bytes: number;
    }): any;
}
export type HttpResponse = import("./types.js").HttpResponse;
export type Target = {
    url: string;
    headers?: Record<string, string>;
};
export type Sending = {
    kind: import("./gate.js").RequestKind;
    /**
     * Earlier files go first.
     */
    order: number;
    method: string;
    /**
     * Asked for once the request has its place: an address can be too old by then.
     */
    target: () => Target | Promise<Target>;
    body?: string | Blob | FormData | undefined;
    /**
     * Of the file in a form, whose progress cannot be seen.
     */
    bytes?: number | undefined;
    signal: AbortSignal;
    /**
     * Milliseconds without progress after which it is ended.
     */
    patience?: number | undefined;
    onProgress?: ((loaded: number) => void) | undefined;
};
