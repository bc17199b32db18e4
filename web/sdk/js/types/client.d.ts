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
    constructor({ url, key, token, retry, fetch }: ClientOptions);
    transport: Transport;
    ports: {
        fetch: typeof fetch;
    } | {
        fetch?: undefined;
    };
    uploads: Uploads;
    assets: Assets;
    links: Links;
    events: Events;
    webhooks: Webhooks;
    /** Sends a path (in Node), a File, a Blob, a buffer or a stream, and answers with the asset once it is ready. Parts travel in
     * parallel and are checked by their SHA-256. A file that was cut off goes on where it stopped, for a day also in another process.
     * @param {SourceInput} source @param {UploadOptions} [options] @returns {Promise<Asset>} */
    upload(source: SourceInput, options?: UploadOptions): Promise<Asset>;
    /** The bytes as a stream, which goes on after a break. @param {string} assetId @param {DownloadOptions} [options] */
    download(assetId: string, options?: DownloadOptions): Promise<import("./downloads.js").Download>;
    /** Saves the asset as a file, in Node. What an earlier call left in `target.part` is gone on with, and the whole is checked against
     * the asset's SHA-256. @param {string} assetId @param {string} target @param {DownloadOptions & {check?: boolean}} [options] */
    downloadTo(assetId: string, target: string, options?: DownloadOptions & {
        check?: boolean;
    }): Promise<import("./models.js").Asset>;
    /** What the service accepts for this credential. @returns {Promise<Record<string, any>>} */
    limits(): Promise<Record<string, any>>;
}
export type Asset = import("./models.js").Asset;
export type SourceInput = import("./sources.js").SourceInput;
export type DownloadOptions = import("./downloads.js").DownloadOptions;
export type ClientOptions = {
    /**
     * Where the service is: `https://files.example`.
     */
    url: string;
    /**
     * An API key. It belongs in backends alone.
     */
    key?: string | undefined;
    /**
     * Instead of a key: answers with a token, and is asked again when that is refused.
     */
    token?: import("./transport.js").TokenCallback | undefined;
    retry?: import("./transport.js").RetryOptions | undefined;
    /**
     * Instead of the platform's.
     */
    fetch?: typeof fetch | undefined;
};
export type UploadOptions = {
    /**
     * By default that of the path or file.
     */
    filename?: string | undefined;
    contentType?: string | undefined;
    metadata?: Record<string, unknown> | undefined;
    /**
     * Not for streams.
     */
    policy?: string | undefined;
    /**
     * An id of yours, by which an open upload is found again. Not for streams.
     */
    externalId?: string | undefined;
    /**
     * False: a file that was begun before is sent anew.
     */
    resume?: boolean | undefined;
    /**
     * Requests at once; 4 by default, at least 2.
     */
    parallel?: number | undefined;
    /**
     * Told of bytes that the storage has.
     */
    onProgress?: ((progress: {
        sent: number;
        size: number | undefined;
    }) => void) | undefined;
    /**
     * False: the answer comes when every byte has arrived, before the file is examined.
     */
    wait?: boolean | undefined;
    /**
     * Ends waiting. What was sent stays, and is gone on with by the next call.
     */
    signal?: AbortSignal | undefined;
};
import { Transport } from "./transport.js";
import { Uploads } from "./uploads.js";
import { Assets } from "./assets.js";
import { Links } from "./assets.js";
import { Events } from "./events.js";
import { Webhooks } from "./assets.js";
