// Downloads: as a stream that goes on after a break, or into a file that is checked.

import { DigestMismatchError, GantryError, NetworkError, networkError } from "./errors.js";
import { nodeModule } from "./sources.js";
import { sleep } from "./transport.js";

/** @typedef {import("./transport.js").Transport} Transport */
/**
 * @typedef {object} DownloadOptions
 * @property {number} [start] The first byte; 0 by default.
 * @property {number} [end] The byte after the last.
 * @property {string} [variant] A derivative, like `thumb-256`, instead of the file.
 * @property {"redirect" | "stream"} [delivery] How the bytes come; by default as the service is set.
 * @property {AbortSignal} [signal]
 */
/** @typedef {{body: ReadableStream<Uint8Array>, size: number | undefined, contentType: string | null, etag: string | null}} Download */

/** @param {number} start @param {number} [end] */
const rangeOf = (start, end) => `bytes=${start}-${end === undefined ? "" : end - 1}`;

/** @param {Transport} transport @param {string} id @param {DownloadOptions} options @returns {Promise<Download>} */
export async function openDownload(transport, id, { start = 0, end, variant, delivery, signal }) {
  const path = `/v1/assets/${id}/content`;
  const ask = (/** @type {number} */ from, /** @type {number | undefined} */ to, /** @type {string | null} */ etag) => {
    const ranged = from > 0 || to !== undefined;
    const headers = { "accept-encoding": "identity", ...(ranged && { range: rangeOf(from, to) }), ...(etag && { "if-match": etag }) };
    return transport.send("GET", path, { params: { variant, delivery }, headers, signal });
  };
  const first = await ask(start, end, null);
  if ((start > 0 || end !== undefined) && first.status !== 206) throw new NetworkError("The service did not answer with the range.", { code: "network" });
  const length = first.headers.get("content-length");
  const size = length === null ? undefined : Number(length);
  const etag = first.headers.get("etag");
  const stop = size === undefined ? end : start + size;
  const bytes = resumed(transport, first, start, stop, (from) => ask(from, stop, etag), signal);
  return { body: streamOf(bytes), size, contentType: first.headers.get("content-type"), etag };
}

/** The bytes, of which the rest is asked for after a break. @param {Transport} transport @param {Response} answer @param {number} position
 * @param {number | undefined} stop @param {(from: number) => Promise<Response>} again @param {AbortSignal} [signal] @returns {AsyncGenerator<Uint8Array>} */
async function* resumed(transport, answer, position, stop, again, signal) {
  for (let attempt = 1; ; attempt++) {
    /** @type {GantryError} */
    let error = new NetworkError("The connection ended early.", { code: "network", retryable: true });
    const reader = answer.body?.getReader();
    try {
      for (let read; reader && !(read = await reader.read()).done;) {
        position += read.value.length;
        attempt = 1;
        yield read.value;
      }
      if (stop === undefined || position >= stop) return;
    } catch (cause) {
      signal?.throwIfAborted();
      error = networkError(cause);
    } finally {
      await reader?.cancel().catch(() => {});
    }
    const wait = transport.waitAfter(attempt, error);
    if (wait === undefined) throw error;
    await sleep(wait, signal);
    answer = await again(position);
    if (answer.status !== 206) throw new NetworkError("The rest of the file cannot be asked for.", { code: "network" });
  }
}

/** @param {AsyncGenerator<Uint8Array>} bytes @returns {ReadableStream<Uint8Array>} */
function streamOf(bytes) {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await bytes.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await bytes.return(undefined);
    },
  });
}

/** Writes into `target.part`, which a later call goes on with, and gives it its name when its digest is right. In Node.
 * @param {Transport} transport @param {import("./models.js").Asset} asset @param {string} target @param {DownloadOptions & {check?: boolean}} options */
export async function saveDownload(transport, asset, target, { check = true, ...options }) {
  const { promises: fs } = await nodeModule("fs");
  const part = `${target}.part`;
  const file = await fs.open(part, "a");
  try {
    let have = (await file.stat()).size;
    if (have > asset.size) await file.truncate((have = 0));
    if (have < asset.size) {
      const { body } = await openDownload(transport, asset.id, { ...options, start: have });
      for await (const piece of body) await file.writeFile(piece);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  if (check && asset.sha256 && await digestOf(part) !== asset.sha256) {
    await fs.unlink(part);
    throw new DigestMismatchError("The file that arrived is not the asset's.", { code: "digest_mismatch", retryable: true });
  }
  await fs.rename(part, target);
}

/** @param {string} path @returns {Promise<string>} */
async function digestOf(path) {
  const [{ createReadStream }, { createHash }] = await Promise.all([nodeModule("fs"), nodeModule("crypto")]);
  const digest = createHash("sha256");
  for await (const piece of createReadStream(path)) digest.update(piece);
  return digest.digest("hex");
}
