// Assets: read, listed, waited for, changed, deleted. Links to them, and webhooks.

import { GoneError, NotReadyError, RejectedError } from "./errors.js";

/** @typedef {import("./models.js").Asset} Asset */
/** @typedef {import("./models.js").Link} Link */
/** @typedef {import("./models.js").NewLink} NewLink */
/** @typedef {import("./models.js").Webhook} Webhook */
/** @typedef {import("./models.js").Waiting} Waiting */
/** @typedef {import("./transport.js").Transport} Transport */

/** Seconds of one question while an asset is waited for. */
const POLL = 25;
const FINAL = new Set(["rejected", "failed", "abandoned", "deleted"]);

/** What to throw about an asset that will never be ready. @param {Asset} asset */
function verdictOf({ state, reason }) {
  if (state === "abandoned" || state === "deleted") return new GoneError(`The asset is ${state}.`, { code: "gone", problem: { state } });
  return new RejectedError(reason?.message ?? `The asset is ${state}.`, { code: "rejected", problem: { state, reason: reason?.code } });
}

export class Assets {
  /** @param {Transport} transport */
  constructor(transport) {
    this.transport = transport;
  }

  /** @param {string} id @param {Waiting} [options] @returns {Promise<Asset>} */
  get(id, options) {
    return this.transport.ask("GET", `/v1/assets/${id}`, options);
  }

  /** Up to a thousand assets by their ids; those that do not exist are left out.
   * @param {string[]} ids @param {Waiting} [options] @returns {Promise<Map<string, Asset>>} */
  async getMany(ids, options) {
    const { results } = await this.transport.ask("POST", "/v1/assets/batch", { json: { ids }, ...options });
    return new Map(results.filter((/** @type {any} */ one) => one.asset).map((/** @type {any} */ one) => [one.id, one.asset]));
  }

  /** All assets that match, page by page: `state`, `external_id`, `content_type`, `name`, `created_after`, `sort` and others of the
   * reference; `limit` is the size of a page.
   * @param {Record<string, any> & {metadata?: Record<string, string>}} [filters] @param {Waiting} [options] @returns {AsyncGenerator<Asset>} */
  list({ metadata = {}, ...filters } = {}, options = {}) {
    const own = Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`metadata.${name}`, value]));
    return this.transport.pages("/v1/assets", "assets", { params: { ...filters, ...own }, ...options });
  }

  /** The asset once it is ready. Throws a `RejectedError` or `GoneError` if it never will be, a `NotReadyError` after the timeout.
   * @param {string} id @param {Waiting & {timeout?: number}} [options] Milliseconds; ten minutes by default. @returns {Promise<Asset>} */
  async waitUntilReady(id, { timeout = 600_000, signal } = {}) {
    const end = Date.now() + timeout;
    for (;;) {
      const left = Math.max(0, end - Date.now());
      const params = { wait: `${Math.min(POLL, Math.ceil(left / 1000))}s`, until: "ready" };
      /** @type {Asset} */
      const asset = await this.transport.ask("GET", `/v1/assets/${id}`, { params, signal, timeout: (POLL + 30) * 1000 });
      if (asset.state === "ready") return asset;
      if (FINAL.has(asset.state)) throw verdictOf(asset);
      if (left === 0) throw new NotReadyError(`The asset is ${asset.state} still.`, { code: "not_ready", retryable: true, problem: { state: asset.state } });
    }
  }

  /** Changes the name, or replaces the metadata.
   * @param {string} id @param {{filename?: string, metadata?: Record<string, unknown>}} changes @param {Waiting} [options] @returns {Promise<Asset>} */
  update(id, changes, options) {
    return this.transport.ask("PATCH", `/v1/assets/${id}`, { json: changes, ...options });
  }

  /** @param {string} id @param {Waiting} [options] */
  async delete(id, options) {
    await this.transport.send("DELETE", `/v1/assets/${id}`, options);
  }
}

export class Links {
  /** @param {Transport} transport */
  constructor(transport) {
    this.transport = transport;
  }

  /** @param {string} assetId @param {NewLink} [wish] @param {Waiting} [options] @returns {Promise<Link & {url: string}>} */
  create(assetId, wish = {}, options = {}) {
    return this.transport.ask("POST", `/v1/assets/${assetId}/links`, { json: wish, ...options });
  }

  /** Up to a thousand links; each result is a link or has an `error`.
   * @param {(NewLink & {asset: string})[]} wishes @param {Waiting} [options] @returns {Promise<(Link & {error?: any})[]>} */
  async createMany(wishes, options) {
    return (await this.transport.ask("POST", "/v1/links", { json: { links: wishes }, ...options })).links;
  }

  /** @param {{asset?: string, created_by?: string, limit?: number}} [filters] @param {Waiting} [options] @returns {AsyncGenerator<Link>} */
  list(filters = {}, options = {}) {
    return this.transport.pages("/v1/links", "links", { params: filters, ...options });
  }

  /** Ends the link at once, on every node. @param {string} id @param {Waiting} [options] */
  async revoke(id, options) {
    await this.transport.send("DELETE", `/v1/links/${id}`, options);
  }
}

export class Webhooks {
  /** @param {Transport} transport */
  constructor(transport) {
    this.transport = transport;
  }

  /** Makes an endpoint. It is not repeated by itself: a second one would be made.
   * @param {{url: string, events?: string[], description?: string}} wish @param {Waiting} [options] @returns {Promise<Webhook & {secret: string}>} */
  create(wish, options) {
    return this.transport.ask("POST", "/v1/webhooks", { json: wish, repeatable: false, ...options });
  }

  /** @param {Waiting} [options] @returns {Promise<Webhook[]>} */
  async list(options) {
    return (await this.transport.ask("GET", "/v1/webhooks", options)).webhooks;
  }

  /** A new secret; the old one signs as well for a while.
   * @param {string} id @param {{expires_in?: number | string}} [wish] @param {Waiting} [options] @returns {Promise<Webhook & {secret: string}>} */
  rotate(id, wish = {}, options = {}) {
    return this.transport.ask("POST", `/v1/webhooks/${id}/rotate`, { json: wish, repeatable: false, ...options });
  }

  /** @param {string} id @param {Waiting} [options] */
  async delete(id, options) {
    await this.transport.send("DELETE", `/v1/webhooks/${id}`, options);
  }
}
