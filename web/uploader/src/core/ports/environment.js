// What a browser tells of its surroundings: time, network, other tabs, the screen. Each does without where it has to.

/** @typedef {import("../types.js").Clock} Clock */
/** @typedef {import("../types.js").NetworkPort} NetworkPort */
/** @typedef {import("../types.js").LocksPort} LocksPort */
/** @typedef {import("../types.js").WakePort} WakePort */

/** @type {Clock} */
export const systemClock = {
  now: () => Date.now(),
  setTimeout: (work, milliseconds) => setTimeout(work, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** @returns {NetworkPort} */
export function networkPort() {
  return {
    // Node has a navigator that does not know.
    get online() { return globalThis.navigator?.onLine !== false; },
    subscribe(listener) {
      if (typeof addEventListener !== "function") return () => {};
      const on = () => listener(true);
      const off = () => listener(false);
      addEventListener("online", on);
      addEventListener("offline", off);
      return () => {
        removeEventListener("online", on);
        removeEventListener("offline", off);
      };
    },
  };
}

/** Web Locks; without them (no secure context, old browsers) every page takes itself for the only one. @returns {LocksPort} */
export function locksPort() {
  const locks = globalThis.navigator?.locks;
  if (!locks) return { acquire: async () => () => {}, tryAcquire: async () => () => {}, held: async () => [] };
  /** @param {string} name @param {LockOptions} options @returns {Promise<(() => void) | null>} */
  const request = (name, options) => new Promise((resolve, reject) => {
    locks.request(name, options, (lock) => {
      if (!lock) return resolve(null);
      return new Promise((/** @type {(value: void) => void} */ release) => resolve(release));
    }).catch(reject);
  });
  return {
    acquire: async (name, signal) => (await request(name, { signal })) ?? (() => {}),
    // A page whose locks are taken away by its browser goes on without.
    tryAcquire: (name) => request(name, { ifAvailable: true }).catch(() => () => {}),
    held: async (prefix) => {
      const { held = [] } = await locks.query();
      return held.map(({ name }) => name ?? "").filter((name) => name.startsWith(prefix));
    },
  };
}

/** Uploads of this page for which the screen stays on. */
let awake = 0;
/** @type {WakeLockSentinel | null} */
let sentinel = null;

async function keepAwake() {
  if (awake === 0 || sentinel || document.visibilityState !== "visible") return;
  const lock = await navigator.wakeLock.request("screen").catch(() => null);
  if (!lock) return;
  if (awake === 0 || sentinel) return void lock.release();
  sentinel = lock;
  // The browser takes it back when the page is hidden.
  lock.addEventListener("release", () => { if (sentinel === lock) sentinel = null; });
}

/** Keeps the screen on, counted over all uploaders of the page. @returns {WakePort} */
export function wakePort() {
  if (typeof document === "undefined" || !globalThis.navigator?.wakeLock) return { acquire: () => () => {} };
  return {
    acquire() {
      if (awake++ === 0) document.addEventListener("visibilitychange", keepAwake);
      void keepAwake();
      let released = false;
      return () => {
        if (released) return;
        released = true;
        if (--awake > 0) return;
        document.removeEventListener("visibilitychange", keepAwake);
        void sentinel?.release();
        sentinel = null;
      };
    },
  };
}
