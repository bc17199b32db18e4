// A file on its way: the uploader's core sends it, the client opens the upload.

import { createUploader } from "@gantry/uploader";
import { classOf } from "./errors.js";
import { sendStream } from "./append.js";
import { openSource } from "./sources.js";

/** @typedef {import("./models.js").Asset} Asset */
/** @typedef {import("./client.js").UploadOptions} UploadOptions */
/** @typedef {import("./client.js").Client} Client */
/** @typedef {import("@gantry/uploader").Problem} Problem */

/** Files up to this size are sent by one request: their parts need no checksums of their own. */
const SMALL = 16 * 2 ** 20;
/** How often a day the same file is sent in a way that can be resumed. */
const MOST_REPETITIONS = 16;
/** Bytes of the beginning, middle and end by which a file is known again. */
const SAMPLE = 64 * 1024;

/** @param {Problem} problem */
function errorOf(problem) {
  const { code, message, requestId, retryable, field, detail } = problem;
  const Kind = classOf(code, 0);
  return new Kind(message, { code, requestId, retryable, problem: { ...(field && { field }), ...(detail && { detail }) } });
}

/** A key under which the same file is found again: of its place, size, time, some of its bytes, and of what is asked for.
 * @param {Blob} blob @param {unknown[]} facts */
async function keyOf(blob, facts) {
  const starts = [0, Math.max(0, Math.floor((blob.size - SAMPLE) / 2)), Math.max(0, blob.size - SAMPLE)];
  const sample = new Blob([JSON.stringify(facts), ...starts.map((start) => blob.slice(start, start + SAMPLE))]);
  const digest = await crypto.subtle.digest("SHA-256", await sample.arrayBuffer());
  return `file-${[...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** @param {Client} client @param {import("./sources.js").SourceInput} input @param {UploadOptions} options @returns {Promise<Asset>} */
export async function send(client, input, options) {
  const source = await openSource(input);
  const filename = options.filename ?? source.name ?? "upload";
  if ("stream" in source) return sendStream(client.transport, source.stream, { ...options, filename });
  const { blob, identity } = source;
  const wish = {
    filename, size: blob.size, content_type: options.contentType ?? (blob.type || undefined), metadata: options.metadata, policy: options.policy,
    external_id: options.externalId, ...(blob.size > SMALL && { checksum: /** @type {const} */ ("sha256"), urls: 0 }),
  };
  const key = identity && options.resume !== false ? await keyOf(blob, [identity, wish]) : undefined;
  let number = 0;
  const open = async () => {
    const { signal } = options;
    // What was completed, aborted or has expired under a key is not begun again by it: the next one is.
    for (; key && number < MOST_REPETITIONS; number++) {
      const opened = await client.uploads.create(wish, { idempotencyKey: `${key}-${number}`, signal });
      if (opened.upload.state === "open") return opened;
    }
    return client.uploads.create(wish, { signal });
  };
  return follow(client, asFile(blob, filename), open, options);
}

/** The core reads name and time of what it sends. @param {Blob} blob @param {string} name @returns {File} */
function asFile(blob, name) {
  if (/** @type {Partial<File>} */ (blob).name === name) return /** @type {File} */ (blob);
  const copy = blob.slice(0, blob.size, blob.type);
  return /** @type {File} */ (Object.defineProperties(copy, { name: { value: name }, lastModified: { value: 0 } }));
}

/** Lets the core send the file, and waits for what becomes of it.
 * @param {Client} client @param {File} file @param {() => Promise<import("./models.js").Opened>} open @param {UploadOptions} options @returns {Promise<Asset>} */
function follow(client, file, open, { signal, onProgress, wait = true, parallel }) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const uploader = createUploader({
      endpoint: client.transport.url, autoStart: false, grant: open, worker: false, wakeLock: false,
      concurrency: { requests: Math.max(2, parallel ?? 4) }, ports: client.ports,
    });
    const abort = () => settle(() => reject(signal?.reason));
    const settle = (/** @type {() => void} */ how) => {
      unsubscribe();
      uploader.destroy();
      signal?.removeEventListener("abort", abort);
      how();
    };
    signal?.addEventListener("abort", abort);
    let told = -1;
    const unsubscribe = uploader.subscribe(({ items: [item] }) => {
      if (!item) return;
      if (item.confirmed !== told) onProgress?.({ sent: (told = item.confirmed), size: item.size });
      const { state } = item;
      if (state.kind === "ready") settle(() => resolve(/** @type {Asset} */ (state.asset)));
      else if (state.kind === "processing" && !wait && item.assetId) settle(() => resolve(client.assets.get(String(item.assetId))));
      else if (state.kind === "rejected") settle(() => reject(rejectionOf(state.problem)));
      else if (state.kind === "failed") settle(() => reject(errorOf(state.problem)));
      else if (state.kind === "needs-file") settle(() => reject(errorOf(state.problem ?? { code: "file_unreadable", message: "The file cannot be read.", retryable: false })));
    });
    const { refused: [refusal] } = uploader.add([file]);
    if (refusal) return settle(() => reject(errorOf({ code: refusal.code, message: `The file is refused: ${refusal.code}.`, retryable: false })));
    uploader.start();
  });
}

/** @param {Problem} problem */
function rejectionOf({ code, message, requestId }) {
  const Kind = classOf("rejected", 409);
  return new Kind(message, { code: "rejected", requestId, problem: { reason: code } });
}
