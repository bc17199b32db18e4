export class Assets {
    /** @param {Transport} transport */
    constructor(transport: Transport);
    transport: import("./transport.js").Transport;
    /** @param {string} id @param {Waiting} [options] @returns {Promise<Asset>} */
    get(id: string, options?: Waiting): Promise<Asset>;
    /** Up to a thousand assets by their ids; those that do not exist are left out.
     * @param {string[]} ids @param {Waiting} [options] @returns {Promise<Map<string, Asset>>} */
    getMany(ids: string[], options?: Waiting): Promise<Map<string, Asset>>;
    /** All assets that match, page by page: `state`, `external_id`, `content_type`, `name`, `created_after`, `sort` and others of the
     * reference; `limit` is the size of a page.
     * @param {Record<string, any> & {metadata?: Record<string, string>}} [filters] @param {Waiting} [options] @returns {AsyncGenerator<Asset>} */
    list({ metadata, ...filters }?: Record<string, any> & {
        metadata?: Record<string, string>;
    }, options?: Waiting): AsyncGenerator<Asset>;
    /** The asset once it is ready. Throws a `RejectedError` or `GoneError` if it never will be, a `NotReadyError` after the timeout.
     * @param {string} id @param {Waiting & {timeout?: number}} [options] Milliseconds; ten minutes by default. @returns {Promise<Asset>} */
    waitUntilReady(id: string, { timeout, signal }?: Waiting & {
        timeout?: number;
    }): Promise<Asset>;
    /** Changes the name, or replaces the metadata.
     * @param {string} id @param {{filename?: string, metadata?: Record<string, unknown>}} changes @param {Waiting} [options] @returns {Promise<Asset>} */
    update(id: string, changes: {
        filename?: string;
        metadata?: Record<string, unknown>;
    }, options?: Waiting): Promise<Asset>;
    /** @param {string} id @param {Waiting} [options] */
    delete(id: string, options?: Waiting): Promise<void>;
}
export class Links {
    /** @param {Transport} transport */
    constructor(transport: Transport);
    transport: import("./transport.js").Transport;
    /** @param {string} assetId @param {NewLink} [wish] @param {Waiting} [options] @returns {Promise<Link & {url: string}>} */
    create(assetId: string, wish?: NewLink, options?: Waiting): Promise<Link & {
        url: string;
    }>;
    /** Up to a thousand links; each result is a link or has an `error`.
     * @param {(NewLink & {asset: string})[]} wishes @param {Waiting} [options] @returns {Promise<(Link & {error?: any})[]>} */
    createMany(wishes: (NewLink & {
        asset: string;
    })[], options?: Waiting): Promise<(Link & {
        error?: any;
    })[]>;
    /** @param {{asset?: string, created_by?: string, limit?: number}} [filters] @param {Waiting} [options] @returns {AsyncGenerator<Link>} */
    list(filters?: {
        asset?: string;
        created_by?: string;
        limit?: number;
    }, options?: Waiting): AsyncGenerator<Link>;
    /** Ends the link at once, on every node. @param {string} id @param {Waiting} [options] */
    revoke(id: string, options?: Waiting): Promise<void>;
}
export class Webhooks {
    /** @param {Transport} transport */
    constructor(transport: Transport);
    transport: import("./transport.js").Transport;
    /** Makes an endpoint. It is not repeated by itself: a second one would be made.
     * @param {{url: string, events?: string[], description?: string}} wish @param {Waiting} [options] @returns {Promise<Webhook & {secret: string}>} */
    create(wish: {
        url: string;
        events?: string[];
        description?: string;
    }, options?: Waiting): Promise<Webhook & {
        secret: string;
    }>;
    /** @param {Waiting} [options] @returns {Promise<Webhook[]>} */
    list(options?: Waiting): Promise<Webhook[]>;
    /** A new secret; the old one signs as well for a while.
     * @param {string} id @param {{expires_in?: number | string}} [wish] @param {Waiting} [options] @returns {Promise<Webhook & {secret: string}>} */
    rotate(id: string, wish?: {
        expires_in?: number | string;
    }, options?: Waiting): Promise<Webhook & {
        secret: string;
    }>;
    /** @param {string} id @param {Waiting} [options] */
    delete(id: string, options?: Waiting): Promise<void>;
}
export type Asset = import("./models.js").Asset;
export type Link = import("./models.js").Link;
export type NewLink = import("./models.js").NewLink;
export type Webhook = import("./models.js").Webhook;
export type Waiting = import("./models.js").Waiting;
export type Transport = import("./transport.js").Transport;
