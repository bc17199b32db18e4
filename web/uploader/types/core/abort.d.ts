/** Calls `listener` when the signal is given; answers with the way to undo that. The signal itself has one listener for all: the many lanes
 * of a job are no leak, and Node warns of more than ten. @param {AbortSignal} signal @param {() => void} listener */
export function onAbort(signal: AbortSignal, listener: () => void): () => undefined;
/** A signal that is given with the first of these, and the way to let go of them.
 * @param {(AbortSignal | undefined)[]} signals @returns {{signal: AbortSignal, abort: (reason: unknown) => void, done: () => void}} */
export function anySignal(signals: (AbortSignal | undefined)[]): {
    signal: AbortSignal;
    abort: (reason: unknown) => void;
    done: () => void;
};
/** The promise's value, unless the signal is given first. @template T @param {Promise<T>} promise @param {AbortSignal} signal @returns {Promise<T>} */
export function until<T>(promise: Promise<T>, signal: AbortSignal): Promise<T>;
/** Waits for so long, or until `wake` calls what it is given. Rejects when the signal is given.
 * @param {Clock} clock @param {number} milliseconds @param {AbortSignal} signal @param {(done: () => void) => (() => void)} [wake] */
export function sleep(clock: Clock, milliseconds: number, signal: AbortSignal, wake?: (done: () => void) => (() => void)): Promise<void>;
export type Clock = import("./types.js").Clock;
