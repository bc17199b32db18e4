// A stream of unknown length, in order through the service (tus 1.0). A piece that was lost is sent again from memory.

import { ConflictError, GantryError } from "./errors.js";
import { piecesOf } from "./sources.js";
import { sleep } from "./transport.js";

/** @typedef {import("./models.js").Asset} Asset */
/** @typedef {import("./client.js").UploadOptions} UploadOptions */

const VERSION = { "tus-resumable": "1.0.0" };
const BYTES = { ...VERSION, "content-type": "application/offset+octet-stream" };
/** Bytes of one request, which memory holds until they are acknowledged. */
const PIECE = 8 * 2 ** 20;
const PIECE_TIMEOUT = 300_000;
const COMPLETION_TIMEOUT = 700_000;

/** @param {Record<string, unknown>} pairs */
function metadataHeader(pairs) {
  const base64 = (/** @type {unknown} */ value) => btoa(String.fromCharCode(...new TextEncoder().encode(String(value))));
  return Object.entries(pairs).map(([name, value]) => `${name} ${base64(value)}`).join(",");
}

/** @param {Response} answer */
const offsetOf = (answer) => Number(answer.headers.get("upload-offset") ?? NaN);

/** @param {import("./transport.js").Transport} transport @param {AsyncIterable<Uint8Array>} stream @param {UploadOptions} options @returns {Promise<Asset>} */
export async function sendStream(transport, stream, { filename = "upload", contentType, metadata, onProgress, signal }) {
  const pairs = { ...metadata, filename, ...(contentType && { filetype: contentType }) };
  const headers = { ...VERSION, "upload-defer-length": "1", "upload-metadata": metadataHeader(pairs) };
  const created = await transport.send("POST", "/tus", { headers, signal, repeatable: false });
  const id = String(created.headers.get("location")).split("/").pop();
  let offset = 0;
  for await (const piece of piecesOf(stream, PIECE)) {
    offset = await append(transport, `/tus/${id}`, offset, piece, signal);
    onProgress?.({ sent: offset, size: undefined });
  }
  // The length comes by itself, so that repeating it does no harm.
  const end = { ...BYTES, "upload-offset": String(offset), "upload-length": String(offset) };
  await transport.send("PATCH", `/tus/${id}`, { headers: end, signal, timeout: COMPLETION_TIMEOUT });
  const upload = await transport.ask("GET", `/v1/uploads/${id}`, { signal });
  return transport.ask("GET", `/v1/assets/${upload.asset_id}`, { signal });
}

/** Sends a piece until all of it is acknowledged. @param {import("./transport.js").Transport} transport @param {string} path
 * @param {number} begin @param {Blob} piece @param {AbortSignal} [signal] */
async function append(transport, path, begin, piece, signal) {
  const end = begin + piece.size;
  for (let offset = begin, attempt = 1; ; attempt++) {
    /** @type {Response} */
    let answer;
    try {
      answer = await transport.send("PATCH", path, {
        headers: { ...BYTES, "upload-offset": String(offset) }, body: piece.slice(offset - begin), signal, repeatable: false, timeout: PIECE_TIMEOUT,
      });
    } catch (error) {
      if (!(error instanceof GantryError)) throw error;
      const wait = transport.waitAfter(attempt, error);
      // Another offset than this is what an answer that was lost leaves behind.
      if (wait === undefined && (error.code !== "offset_mismatch" || attempt >= transport.retry.attempts)) throw error;
      await sleep(wait ?? 100, signal);
      answer = await transport.send("HEAD", path, { headers: VERSION, signal });
    }
    offset = offsetOf(answer);
    if (!(offset >= begin && offset <= end)) throw new ConflictError("The service has other bytes than were sent.", { code: "offset_mismatch" });
    if (offset === end) return offset;
  }
}
