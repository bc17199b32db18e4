/** Waits, or throws the signal's reason. @param {number} milliseconds @param {AbortSignal} [signal] @returns {Promise<void>} */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
export class Transport {
    /** @param {{url: string, credential: string | TokenCallback, retry?: RetryOptions, fetch?: typeof globalThis.fetch}} with_ */
    constructor({ url, credential, retry, fetch }: {
        url: string;
        credential: string | TokenCallback;
        retry?: RetryOptions;
        fetch?: typeof globalThis.fetch;
    });
    url: string;
    credential: string | TokenCallback;
    retry: {
        /**
         * Tries of one request in all; 6 by default.
         */
        attempts: number;
        /**
         * Milliseconds of the first wait; they double, and each is shortened at random by up to half.
         */
        first: number;
        /**
         * Milliseconds of the longest wait.
         */
        longest: number;
    };
    fetch: typeof fetch;
    /** @type {string | undefined} */
    token: string | undefined;
    /** @param {boolean} [renew] */
    authorization(renew?: boolean): Promise<string>;
    /** Milliseconds before the next try; undefined: no more. @param {number} attempt @param {GantryError} error */
    waitAfter(attempt: number, error: GantryError): number | undefined;
    /** @param {string} path @param {Record<string, any>} [params] */
    address(path: string, params?: Record<string, any>): URL;
    /** One try. The signal of the caller ends it at any time, the timeout only until the answer begins.
     * @param {string} method @param {URL} url @param {Call & {authorization: string}} call */
    once(method: string, url: URL, { json, body, headers, signal, timeout, authorization }: Call & {
        authorization: string;
    }): Promise<Response>;
    /** A request of the API. A POST carries an `Idempotency-Key`, the same in every repetition.
     * @param {string} method @param {string} path @param {Call} [call] @returns {Promise<Response>} */
    send(method: string, path: string, { params, repeatable, ...call }?: Call): Promise<Response>;
    /** The JSON of an answer; null if it has no body. @param {string} method @param {string} path @param {Call} [call] @returns {Promise<any>} */
    ask(method: string, path: string, call?: Call): Promise<any>;
    /** Entries of all pages of a list. @param {string} path @param {string} member @param {Call} call @returns {AsyncGenerator<any>} */
    pages(path: string, member: string, { params, ...call }: Call): AsyncGenerator<any>;
}
export type RetryOptions = {
    /**
     * Tries of one request in all; 6 by default.
     */
    attempts?: number | undefined;
    /**
     * Milliseconds of the first wait; they double, and each is shortened at random by up to half.
     */
    first?: number | undefined;
    /**
     * Milliseconds of the longest wait.
     */
    longest?: number | undefined;
};
export type TokenCallback = () => string | Promise<string>;
export type Call = {
    /**
     * The body as JSON.
     */
    json?: any;
    /**
     * The body as it is.
     */
    body?: BodyInit | undefined;
    /**
     * Parameters of the query; undefined ones are left out.
     */
    params?: Record<string, any> | undefined;
    headers?: Record<string, string> | undefined;
    signal?: AbortSignal | undefined;
    /**
     * False for what would be done twice.
     */
    repeatable?: boolean | undefined;
    /**
     * Milliseconds until the answer begins.
     */
    timeout?: number | undefined;
};
import { GantryError } from "./errors.js";
