export class Gate {
    /** @param {{clock: Clock, max: number}} with_ */
    constructor({ clock, max }: {
        clock: Clock;
        max: number;
    });
    clock: import("./types.js").Clock;
    max: number;
    /** Requests with bytes that may be in flight now. */
    limit: number;
    /** @type {Record<RequestKind, number>} */
    running: Record<RequestKind, number>;
    /** @type {Waiter[]} */
    waiting: Waiter[];
    /** @type {Set<() => void>} */
    listeners: Set<() => void>;
    moved: number;
    began: number;
    before: number;
    rest: number;
    saturated: boolean;
    /** One place is kept for short requests, which would otherwise wait for a long part. */
    get bytesMax(): number;
    get inFlight(): number;
    /** @param {RequestKind} kind */
    mayEnter(kind: RequestKind): boolean;
    /** Waits for a place, earlier files first; answers with the way to leave it.
     * @param {RequestKind} kind @param {number} order @param {AbortSignal} signal @returns {Promise<() => void>} */
    enter(kind: RequestKind, order: number, signal: AbortSignal): Promise<() => void>;
    /** @param {RequestKind} kind */
    leave(kind: RequestKind): void;
    /** Lets in who may: short requests before bytes, then earlier files. */
    admit(): void;
    /** Calls `listener` whenever the limit changes. @param {() => void} listener */
    onChange(listener: () => void): () => undefined;
    /** @param {number} limit */
    setLimit(limit: number): void;
    /** Counts bytes that have moved, and from time to time tries whether one request more is faster. @param {number} bytes */
    count(bytes: number): void;
    /** @param {number} now */
    restart(now: number): void;
    /** @param {number} goodput */
    compare(goodput: number): void;
    /** A request was lost: fewer at once may get through. */
    lost(): void;
}
export type Clock = import("./types.js").Clock;
/**
 * `form`: a small file, which is over soon.
 */
export type RequestKind = "bytes" | "form" | "control" | "stream";
export type Waiter = {
    kind: RequestKind;
    order: number;
    enter: () => void;
};
