// Signals and waiting: what ends a wait, and nothing left behind when it ends.

/** @typedef {import("./types.js").Clock} Clock */

/** Who waits for each signal. @type {WeakMap<AbortSignal, Set<() => void>>} */
const waiting = new WeakMap();

/** Calls `listener` when the signal is given; answers with the way to undo that. The signal itself has one listener for all: the many lanes
 * of a job are no leak, and Node warns of more than ten. @param {AbortSignal} signal @param {() => void} listener */
export function onAbort(signal, listener) {
  const known = waiting.get(signal);
  const all = known ?? new Set();
  if (!known) {
    waiting.set(signal, all);
    signal.addEventListener("abort", () => { for (const one of [...all]) one(); }, { once: true });
  }
  all.add(listener);
  return () => void all.delete(listener);
}

/** A signal that is given with the first of these, and the way to let go of them.
 * @param {(AbortSignal | undefined)[]} signals @returns {{signal: AbortSignal, abort: (reason: unknown) => void, done: () => void}} */
export function anySignal(signals) {
  const controller = new AbortController();
  /** @type {(() => void)[]} */
  const undo = [];
  for (const signal of signals) {
    if (!signal) continue;
    const abort = () => controller.abort(signal.reason);
    if (signal.aborted) abort();
    undo.push(onAbort(signal, abort));
  }
  return { signal: controller.signal, abort: (reason) => controller.abort(reason), done: () => undo.forEach((one) => one()) };
}

/** The promise's value, unless the signal is given first. @template T @param {Promise<T>} promise @param {AbortSignal} signal @returns {Promise<T>} */
export function until(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) {
      // Nobody hears any more how it ended.
      promise.catch(() => {});
      return abort();
    }
    promise.then(resolve, reject).finally(onAbort(signal, abort));
  });
}

/** Waits for so long, or until `wake` calls what it is given. Rejects when the signal is given.
 * @param {Clock} clock @param {number} milliseconds @param {AbortSignal} signal @param {(done: () => void) => (() => void)} [wake] */
export async function sleep(clock, milliseconds, signal, wake) {
  /** @type {unknown} */
  let timer;
  /** @type {(() => void) | undefined} */
  let unwake;
  try {
    await until(new Promise((resolve) => {
      timer = clock.setTimeout(() => resolve(undefined), milliseconds);
      unwake = wake?.(() => resolve(undefined));
    }), signal);
  } finally {
    clock.clearTimeout(timer);
    unwake?.();
  }
}
