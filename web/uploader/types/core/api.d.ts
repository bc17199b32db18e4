/** Calls the page's own function; what it throws is a problem. @template T @param {() => T | Promise<T>} work @returns {Promise<T>} */
export function askPage<T>(work: () => T | Promise<T>): Promise<T>;
export function isGrant(token: string | undefined): boolean;
export class Api {
    /** @param {{options: import("./types.js").UploaderOptions, endpoint: string, sender: import("./sender.js").Sender, clock: import("./types.js").Clock}} with_ */
    constructor({ options, endpoint, sender, clock }: {
        options: import("./types.js").UploaderOptions;
        endpoint: string;
        sender: import("./sender.js").Sender;
        clock: import("./types.js").Clock;
    });
    options: import("./types.js").UploaderOptions;
    endpoint: string;
    sender: import("./sender.js").Sender;
    clock: import("./types.js").Clock;
    /** The credential of a file, asked of the page when it is first needed. @param {Entry} entry @param {string} [refused] The one that was refused. */
    tokenOf(entry: Entry, refused?: string): Promise<string>;
    /** One request, with a second one where the credential was refused. @param {Entry} entry @param {AbortSignal} signal @param {Call} call @returns {Promise<HttpResponse>} */
    request(entry: Entry, signal: AbortSignal, { path, headers, kind, ...call }: Call): Promise<HttpResponse>;
    /** The JSON of an answer, or a problem. @param {Entry} entry @param {AbortSignal} signal @param {string} method @param {string} path
     * @param {{json?: object, headers?: Record<string, string>, patience?: number}} [more] @returns {Promise<any>} */
    call(entry: Entry, signal: AbortSignal, method: string, path: string, { json, headers, patience }?: {
        json?: object;
        headers?: Record<string, string>;
        patience?: number;
    }): Promise<any>;
    /** @param {AbortSignal} signal @param {Entry} [entry] With its credential: those of its tenant. @returns {Promise<Limits | null>} */
    limits(signal: AbortSignal, entry?: Entry): Promise<Limits | null>;
    /** @param {Entry} entry @param {AbortSignal} signal @param {object} wish @param {string} [key] @returns {Promise<OpenedUpload>} */
    create(entry: Entry, signal: AbortSignal, wish: object, key?: string): Promise<OpenedUpload>;
    /** @param {Entry} entry @param {AbortSignal} signal @param {string} id @returns {Promise<UploadTruth>} */
    upload(entry: Entry, signal: AbortSignal, id: string): Promise<UploadTruth>;
    /** @param {Entry} entry @param {AbortSignal} signal @param {string} id @param {number[]} parts @param {Record<string, string>} checksums @returns {Promise<{urls: import("./types.js").SignedUrl[]}>} */
    sign(entry: Entry, signal: AbortSignal, id: string, parts: number[], checksums: Record<string, string>): Promise<{
        urls: import("./types.js").SignedUrl[];
    }>;
    /** @param {Entry} entry @param {AbortSignal} signal @param {string} id @param {string} [sha256] @returns {Promise<Asset>} */
    complete(entry: Entry, signal: AbortSignal, id: string, sha256?: string): Promise<Asset>;
    /** @param {Entry} entry @param {AbortSignal} signal @param {string} id */
    abort(entry: Entry, signal: AbortSignal, id: string): Promise<any>;
    /** @param {Entry} entry @param {AbortSignal} signal @returns {Promise<Asset>} */
    asset(entry: Entry, signal: AbortSignal): Promise<Asset>;
    /** @param {Entry} entry @param {AbortSignal} signal @param {string[]} ids @returns {Promise<{results: {id: string, asset?: Asset, error?: any}[]}>} */
    assets(entry: Entry, signal: AbortSignal, ids: string[]): Promise<{
        results: {
            id: string;
            asset?: Asset;
            error?: any;
        }[];
    }>;
    /** @param {Entry} entry @param {AbortSignal} signal @param {string[]} ids @param {string} variant @returns {Promise<{results: {id: string, url?: string, expires_at?: string, content_type?: string}[]}>} */
    thumbnails(entry: Entry, signal: AbortSignal, ids: string[], variant: string): Promise<{
        results: {
            id: string;
            url?: string;
            expires_at?: string;
            content_type?: string;
        }[];
    }>;
    /** @param {Entry} entry @param {AbortSignal} signal @param {string | number} expiresIn @returns {Promise<{url: string}>} */
    link(entry: Entry, signal: AbortSignal, expiresIn: string | number): Promise<{
        url: string;
    }>;
}
export type HttpResponse = import("./types.js").HttpResponse;
export type Limits = import("./types.js").Limits;
export type OpenedUpload = import("./types.js").OpenedUpload;
export type UploadTruth = import("./types.js").UploadTruth;
export type Asset = import("./types.js").Asset;
export type Entry = import("./entry.js").Entry;
export type Call = Omit<import("./sender.js").Sending, "target" | "order" | "kind" | "signal"> & {
    path: string;
    headers?: Record<string, string>;
    kind?: import("./gate.js").RequestKind;
};
