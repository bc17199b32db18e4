// Uploads: created for oneself or for a browser, watched, completed, aborted.

/** @typedef {import("./models.js").NewUpload} NewUpload */
/** @typedef {import("./models.js").Opened} Opened */
/** @typedef {import("./models.js").Upload} Upload */
/** @typedef {import("./models.js").Asset} Asset */
/** @typedef {import("./models.js").Waiting} Waiting */

/** Completing can take the storage a while. */
const COMPLETION_TIMEOUT = 700_000;

export class Uploads {
  /** @param {import("./transport.js").Transport} transport */
  constructor(transport) {
    this.transport = transport;
  }

  /** Opens an upload, or finds the one that is open under this `external_id` or idempotency key. `grant` of the answer, or the
   * whole answer, may be handed to a browser: it is good for this one upload.
   * @param {NewUpload} wish @param {Waiting & {idempotencyKey?: string}} [options] @returns {Promise<Opened>} */
  create(wish, { signal, idempotencyKey } = {}) {
    const headers = idempotencyKey ? { "idempotency-key": idempotencyKey } : undefined;
    return this.transport.ask("POST", "/v1/uploads", { json: wish, headers, signal });
  }

  /** Throws what creating this upload would throw, and creates nothing. @param {NewUpload} wish @param {Waiting} [options] @returns {Promise<any>} */
  check(wish, options) {
    return this.transport.ask("POST", "/v1/uploads/check", { json: wish, ...options });
  }

  /** @param {string} id @param {Waiting} [options] @returns {Promise<Upload>} */
  get(id, options) {
    return this.transport.ask("GET", `/v1/uploads/${id}`, options);
  }

  /** Says that every byte was sent. The answer is the same however often this is asked.
   * @param {string} id @param {Waiting & {sha256?: string}} [options] @returns {Promise<Asset>} */
  complete(id, { sha256, signal } = {}) {
    return this.transport.ask("POST", `/v1/uploads/${id}/complete`, { json: sha256 ? { sha256 } : {}, signal, timeout: COMPLETION_TIMEOUT });
  }

  /** Ends the upload, and with it its grant. @param {string} id @param {Waiting} [options] */
  async abort(id, options) {
    await this.transport.send("DELETE", `/v1/uploads/${id}`, options);
  }
}
