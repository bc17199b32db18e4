// The calls of the service, each with the credential of its file.

import { ProblemError, asProblem, networkProblem, parseJson, serviceProblem } from "./problem.js";

/** @typedef {import("./types.js").HttpResponse} HttpResponse */
/** @typedef {import("./types.js").Limits} Limits */
/** @typedef {import("./types.js").OpenedUpload} OpenedUpload */
/** @typedef {import("./types.js").UploadTruth} UploadTruth */
/** @typedef {import("./types.js").Asset} Asset */
/** @typedef {import("./entry.js").Entry} Entry */
/** @typedef {Omit<import("./sender.js").Sending, "target" | "order" | "kind" | "signal"> & {path: string, headers?: Record<string, string>, kind?: import("./gate.js").RequestKind}} Call */

/** Completing can take the storage a while. */
const COMPLETION_PATIENCE = 120_000;

/** Calls the page's own function; what it throws is a problem. @template T @param {() => T | Promise<T>} work @returns {Promise<T>} */
export async function askPage(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    // fetch in the page's function had no answer.
    if (error instanceof TypeError) throw networkProblem(error.message);
    const { message } = asProblem(error);
    const { retryable, status, code } = /** @type {any} */ (error ?? {});
    const final = retryable === false || (status >= 400 && status < 500 && status !== 429);
    throw new ProblemError({ code: typeof code === "string" ? code : "token", message, retryable: !final });
  }
}

/** @param {string | undefined} token */
export const isGrant = (token) => token?.startsWith("gu_") ?? false;

export class Api {
  /** @param {{options: import("./types.js").UploaderOptions, endpoint: string, sender: import("./sender.js").Sender, clock: import("./types.js").Clock}} with_ */
  constructor({ options, endpoint, sender, clock }) {
    this.options = options;
    this.endpoint = endpoint;
    this.sender = sender;
    this.clock = clock;
  }

  /** The credential of a file, asked of the page when it is first needed. @param {Entry} entry @param {string} [refused] The one that was refused. */
  async tokenOf(entry, refused) {
    if (entry.token && entry.token !== refused) return entry.token;
    const { token, grant } = this.options;
    if (grant) {
      const opened = await askPage(() => grant({ file: entry.info }));
      entry.token = opened.grant;
    } else if (token) {
      entry.token = await askPage(() => token({ file: entry.info }));
    }
    if (!entry.token) throw new ProblemError({ code: "token", message: "The page gave no permission to send this file.", retryable: false });
    return entry.token;
  }

  /** One request, with a second one where the credential was refused. @param {Entry} entry @param {AbortSignal} signal @param {Call} call @returns {Promise<HttpResponse>} */
  async request(entry, signal, { path, headers, kind = "control", ...call }) {
    const once = (/** @type {string} */ token) => this.sender.send({
      ...call, kind, signal, order: entry.order,
      target: () => ({ url: this.endpoint + path, headers: { ...headers, authorization: `Bearer ${token}` } }),
    });
    const token = await this.tokenOf(entry);
    const answer = await once(token);
    return answer.status === 401 ? once(await this.tokenOf(entry, token)) : answer;
  }

  /** The JSON of an answer, or a problem. @param {Entry} entry @param {AbortSignal} signal @param {string} method @param {string} path
   * @param {{json?: object, headers?: Record<string, string>, patience?: number}} [more] @returns {Promise<any>} */
  async call(entry, signal, method, path, { json, headers, patience } = {}) {
    const body = json && JSON.stringify(json);
    const answer = await this.request(entry, signal, { method, path, body, patience, headers: { ...headers, ...(json && { "content-type": "application/json" }) } });
    if (answer.status >= 300) throw serviceProblem(answer, this.clock.now());
    return answer.text ? parseJson(answer.text) : null;
  }

  /** @param {AbortSignal} signal @param {Entry} [entry] With its credential: those of its tenant. @returns {Promise<Limits | null>} */
  async limits(signal, entry) {
    const answer = await this.sender.send({
      method: "GET", kind: "control", order: -1, signal,
      target: () => ({ url: `${this.endpoint}/v1/limits`, ...(entry?.token && { headers: { authorization: `Bearer ${entry.token}` } }) }),
    });
    const json = answer.status === 200 ? parseJson(answer.text) : null;
    if (!json) return null;
    return {
      maxSize: json.max_size, checksums: json.checksums ?? [], urlLife: 1000 * json.url_expires_in,
      ...(json.max_append_request_size && { maxAppend: json.max_append_request_size }),
      ...(json.content_types && { types: json.content_types }), ...(json.quota_left !== undefined && { left: json.quota_left }),
    };
  }

  /** @param {Entry} entry @param {AbortSignal} signal @param {object} wish @param {string} [key] @returns {Promise<OpenedUpload>} */
  create(entry, signal, wish, key) {
    return this.call(entry, signal, "POST", "/v1/uploads", { json: wish, headers: key ? { "idempotency-key": key } : {} });
  }

  /** @param {Entry} entry @param {AbortSignal} signal @param {string} id @returns {Promise<UploadTruth>} */
  upload(entry, signal, id) {
    return this.call(entry, signal, "GET", `/v1/uploads/${id}`);
  }

  /** @param {Entry} entry @param {AbortSignal} signal @param {string} id @param {number[]} parts @param {Record<string, string>} checksums @returns {Promise<{urls: import("./types.js").SignedUrl[]}>} */
  sign(entry, signal, id, parts, checksums) {
    const json = Object.keys(checksums).length > 0 ? { parts, checksums } : { parts };
    return this.call(entry, signal, "POST", `/v1/uploads/${id}/urls`, { json });
  }

  /** @param {Entry} entry @param {AbortSignal} signal @param {string} id @param {string} [sha256] @returns {Promise<Asset>} */
  complete(entry, signal, id, sha256) {
    return this.call(entry, signal, "POST", `/v1/uploads/${id}/complete`, { json: sha256 ? { sha256 } : {}, patience: COMPLETION_PATIENCE });
  }

  /** @param {Entry} entry @param {AbortSignal} signal @param {string} id */
  abort(entry, signal, id) {
    return this.call(entry, signal, "DELETE", `/v1/uploads/${id}`);
  }

  /** @param {Entry} entry @param {AbortSignal} signal @returns {Promise<Asset>} */
  asset(entry, signal) {
    return this.call(entry, signal, "GET", `/v1/assets/${entry.assetId}`);
  }

  /** @param {Entry} entry @param {AbortSignal} signal @param {string[]} ids @returns {Promise<{results: {id: string, asset?: Asset, error?: any}[]}>} */
  assets(entry, signal, ids) {
    return this.call(entry, signal, "POST", "/v1/assets/batch", { json: { ids } });
  }

  /** @param {Entry} entry @param {AbortSignal} signal @param {string[]} ids @param {string} variant @returns {Promise<{results: {id: string, url?: string, expires_at?: string, content_type?: string}[]}>} */
  thumbnails(entry, signal, ids, variant) {
    return this.call(entry, signal, "POST", "/v1/assets/thumbnails", { json: { ids, variant } });
  }

  /** @param {Entry} entry @param {AbortSignal} signal @param {string | number} expiresIn @returns {Promise<{url: string}>} */
  link(entry, signal, expiresIn) {
    return this.call(entry, signal, "POST", `/v1/assets/${entry.assetId}/links`, { json: { expires_in: expiresIn } });
  }
}
