// Checksums in a worker, or on the page's own thread where the page's policy, an old browser or a bundler leaves none.

import { until } from "../abort.js";
import { MAX_WHOLE_BYTES, WORKER_NAME, sha256OfBlob } from "../digest.js";

/** @typedef {import("../types.js").WorkerPort} WorkerPort */
/** @typedef {{resolve: (sha256: string | null) => void, blob: Blob, whole: boolean}} Asked */

/** A worker that says nothing for so long was not loaded. */
const START_TIMEOUT = 10_000;
const POLICY = "gantry-uploader";

/** @type {{createScriptURL: (url: string) => any} | undefined} */
let policy;

/** The address as pages with Trusted Types want it: the policy's name must be allowed there. @param {URL} url @returns {any} */
function trusted(url) {
  const types = /** @type {any} */ (globalThis).trustedTypes;
  if (!types) return url;
  policy ??= types.createPolicy(POLICY, { createScriptURL: (/** @type {string} */ given) => given });
  return policy?.createScriptURL(String(url));
}

/** @param {Blob} blob @param {boolean} whole @param {AbortSignal} [signal] */
async function onThisThread(blob, whole, signal) {
  // More would be felt, and the service makes the digest of the whole all the same.
  return whole && blob.size > MAX_WHOLE_BYTES / 2 ? null : sha256OfBlob(blob, signal);
}

/** @param {boolean} wanted @returns {WorkerPort} */
export function workerPort(wanted) {
  /** @type {Worker | null | undefined} */
  let worker = wanted && typeof Worker !== "undefined" ? undefined : null;
  let next = 1;
  /** @type {Map<number, Asked>} */
  const asked = new Map();

  const giveUp = () => {
    worker?.terminate();
    worker = null;
    for (const [id, { resolve, blob, whole }] of asked) {
      asked.delete(id);
      onThisThread(blob, whole).then(resolve, () => resolve(null));
    }
  };
  const start = () => {
    try {
      worker = new Worker(trusted(new URL("../digest.js", import.meta.url)), { type: "module", name: WORKER_NAME });
    } catch {
      return giveUp();
    }
    const timer = setTimeout(giveUp, START_TIMEOUT);
    worker.onerror = giveUp;
    worker.onmessage = ({ data }) => {
      clearTimeout(timer);
      asked.get(data.id)?.resolve(data.sha256 ?? null);
      asked.delete(data.id);
    };
  };
  return {
    async sha256(blob, whole, signal) {
      if (worker === undefined) start();
      if (!worker) return onThisThread(blob, whole, signal);
      const id = next++;
      const answer = new Promise((/** @type {(sha256: string | null) => void} */ resolve) => asked.set(id, { resolve, blob, whole }));
      worker.postMessage({ id, blob, whole });
      try {
        return await until(answer, signal);
      } catch (error) {
        if (asked.delete(id)) worker?.postMessage({ cancel: id });
        throw error;
      }
    },
    close() {
      worker?.terminate();
      worker = wanted && typeof Worker !== "undefined" ? undefined : null;
      asked.clear();
    },
  };
}
