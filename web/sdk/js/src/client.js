// The client: the service's address, a credential, and what can be done with them.

import { Assets, Links, Webhooks } from "./assets.js";
import { openDownload, saveDownload } from "./downloads.js";
import { Events } from "./events.js";
import { send } from "./send.js";
import { Transport } from "./transport.js";
import { Uploads } from "./uploads.js";

/** @typedef {import("./models.js").Asset} Asset */
/** @typedef {import("./sources.js").SourceInput} SourceInput */
/** @typedef {import("./downloads.js").DownloadOptions} DownloadOptions */
/**
 * @typedef {object} ClientOptions
 * @property {string} url Where the service is: `https://files.example`.
 * @property {string} [key] An API key. It belongs in backends alone.
 * @property {import("./transport.js").TokenCallback} [token] Instead of a key: answers with a token, and is asked again when that is refused.
 * @property {import("./transport.js").RetryOptions} [retry]
 * @property {typeof globalThis.fetch} [fetch] Instead of the platform's.
 */
/**
 * @typedef {object} UploadOptions
 * @property {string} [filename] By default that of the path or file.
 * @property {string} [contentType]
 * @property {Record<string, unknown>} [metadata]
 * @property {string} [policy] Not for streams.
 * @property {string} [externalId] An id of yours, by which an open upload is found again. Not for streams.
 * @property {boolean} [resume] False: a file that was begun before is sent anew.
 * @property {number} [parallel] Requests at once; 4 by default, at least 2.
 * @property {(progress: {sent: number, size: number | undefined}) => void} [onProgress] Told of bytes that the storage has.
 * @property {boolean} [wait] False: the answer comes when every byte has arrived, before the file is examined.
 * @property {AbortSignal} [signal] Ends waiting. What was sent stays, and is gone on with by the next call.
 */

export class Client {
  /** @param {ClientOptions} options */
  constructor({ url, key, token, retry, fetch }) {
    const credential = token ?? key;
    if (!url || !credential) throw new TypeError("Give url, and key or token.");
    this.transport = new Transport({ url, credential, retry, fetch });
    this.ports = fetch ? { fetch } : {};
    this.uploads = new Uploads(this.transport);
    this.assets = new Assets(this.transport);
    this.links = new Links(this.transport);
    this.events = new Events(this.transport);
    this.webhooks = new Webhooks(this.transport);
  }

  /** Sends a path (in Node), a File, a Blob, a buffer or a stream, and answers with the asset once it is ready. Parts travel in
   * parallel and are checked by their SHA-256. A file that was cut off goes on where it stopped, for a day also in another process.
   * @param {SourceInput} source @param {UploadOptions} [options] @returns {Promise<Asset>} */
  async upload(source, options = {}) {
    const asset = await send(this, source, options);
    return options.wait === false || asset.state === "ready" ? asset : this.assets.waitUntilReady(asset.id, { signal: options.signal });
  }

  /** The bytes as a stream, which goes on after a break. @param {string} assetId @param {DownloadOptions} [options] */
  download(assetId, options = {}) {
    return openDownload(this.transport, assetId, options);
  }

  /** Saves the asset as a file, in Node. What an earlier call left in `target.part` is gone on with, and the whole is checked against
   * the asset's SHA-256. @param {string} assetId @param {string} target @param {DownloadOptions & {check?: boolean}} [options] */
  async downloadTo(assetId, target, options = {}) {
    const asset = await this.assets.get(assetId, { signal: options.signal });
    await saveDownload(this.transport, asset, target, options);
    return asset;
  }

  /** What the service accepts for this credential. @returns {Promise<Record<string, any>>} */
  limits() {
    return this.transport.ask("GET", "/v1/limits");
  }
}
