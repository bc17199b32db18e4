// Requests to the service, repeated where that is safe.

import { GantryError, networkError, serviceError, storageError } from "./errors.js";

/**
 * @typedef {object} RetryOptions
 * @property {number} [attempts] Tries of one request in all; 6 by default.
 * @property {number} [first] Milliseconds of the first wait; they double, and each is shortened at random by up to half.
 * @property {number} [longest] Milliseconds of the longest wait.
 */
/** @typedef {() => string | Promise<string>} TokenCallback */
/**
 * @typedef {object} Call
 * @property {any} [json] The body as JSON.
 * @property {BodyInit} [body] The body as it is.
 * @property {Record<string, any>} [params] Parameters of the query; undefined ones are left out.
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {boolean} [repeatable] False for what would be done twice.
 * @property {number} [timeout] Milliseconds until the answer begins.
 */

const TIMEOUT = 30_000;

/** Waits, or throws the signal's reason. @param {number} milliseconds @param {AbortSignal} [signal] @returns {Promise<void>} */
export function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const end = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", end, { once: true });
  });
}

export class Transport {
  /** @param {{url: string, credential: string | TokenCallback, retry?: RetryOptions, fetch?: typeof globalThis.fetch}} with_ */
  constructor({ url, credential, retry = {}, fetch }) {
    this.url = String(url).replace(/\/+$/, "");
    this.credential = credential;
    this.retry = { attempts: 6, first: 500, longest: 30_000, ...retry };
    this.fetch = fetch ?? ((/** @type {any} */ input, /** @type {any} */ init) => globalThis.fetch(input, init));
    /** @type {string | undefined} */
    this.token = undefined;
  }

  /** @param {boolean} [renew] */
  async authorization(renew = false) {
    if (renew) this.token = undefined;
    this.token ??= typeof this.credential === "function" ? await this.credential() : this.credential;
    return `Bearer ${this.token}`;
  }

  /** Milliseconds before the next try; undefined: no more. @param {number} attempt @param {GantryError} error */
  waitAfter(attempt, error) {
    const { attempts, first, longest } = this.retry;
    if (!error.retryable || attempt >= attempts) return undefined;
    const wait = Math.min(longest, first * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
    return Math.max(wait, error.retryAfter ?? 0);
  }

  /** @param {string} path @param {Record<string, any>} [params] */
  address(path, params = {}) {
    const url = new URL(this.url + path);
    for (const [name, value] of Object.entries(params)) if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
    return url;
  }

  /** One try. The signal of the caller ends it at any time, the timeout only until the answer begins.
   * @param {string} method @param {URL} url @param {Call & {authorization: string}} call */
  async once(method, url, { json, body, headers, signal, timeout = TIMEOUT, authorization }) {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new DOMException("The service did not answer in time.", "TimeoutError")), timeout);
    try {
      const response = await this.fetch(url, {
        method, signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal, credentials: "omit", referrerPolicy: "no-referrer",
        headers: { ...headers, authorization, ...(json !== undefined && { "content-type": "application/json" }) },
        body: json !== undefined ? JSON.stringify(json) : body,
      });
      if (response.ok) return response;
      const ours = !response.url || response.url.startsWith(`${this.url}/`);
      throw await (ours ? serviceError(response) : storageError(response));
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof GantryError ? error : networkError(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A request of the API. A POST carries an `Idempotency-Key`, the same in every repetition.
   * @param {string} method @param {string} path @param {Call} [call] @returns {Promise<Response>} */
  async send(method, path, { params, repeatable = true, ...call } = {}) {
    const url = this.address(path, params);
    const headers = { ...call.headers };
    if (method === "POST") headers["idempotency-key"] ??= crypto.randomUUID();
    let renewed = false;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(method, url, { ...call, headers, authorization: await this.authorization() });
      } catch (error) {
        if (!(error instanceof GantryError)) throw error;
        // A token of the caller's function may have run out.
        if (error.status === 401 && typeof this.credential === "function" && !renewed) {
          renewed = true;
          await this.authorization(true);
          continue;
        }
        const wait = repeatable || error.status === 429 || error.status === 503 ? this.waitAfter(attempt, error) : undefined;
        if (wait === undefined) throw error;
        await sleep(wait, call.signal);
      }
    }
  }

  /** The JSON of an answer; null if it has no body. @param {string} method @param {string} path @param {Call} [call] @returns {Promise<any>} */
  async ask(method, path, call) {
    const response = await this.send(method, path, call);
    const text = await response.text().catch((error) => { throw networkError(error); });
    return text ? JSON.parse(text) : null;
  }

  /** Entries of all pages of a list. @param {string} path @param {string} member @param {Call} call @returns {AsyncGenerator<any>} */
  async *pages(path, member, { params = {}, ...call }) {
    /** @type {string | undefined} */
    let cursor;
    do {
      const page = await this.ask("GET", path, { ...call, params: { ...params, cursor } });
      yield* page[member];
      cursor = page.next ?? undefined;
    } while (cursor);
  }
}
