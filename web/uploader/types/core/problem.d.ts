/** Seconds or a date, as milliseconds from now. @param {string | null} text @param {number} now */
export function parseRetryAfter(text: string | null, now: number): number | undefined;
/** @param {string} text @returns {any} */
export function parseJson(text: string): any;
/** The problem of a refusal by the service (RFC 9457). @param {HttpResponse} response @param {number} now */
export function serviceProblem({ status, header, text }: HttpResponse, now: number): ProblemError;
/** The problem of a refusal by the storage (S3's XML): a busy server passes, other refusals do not.
 * @param {HttpResponse} response @param {number} now */
export function storageProblem({ status, header, text }: HttpResponse, now: number): ProblemError;
/** Whatever was thrown, as a problem. @param {unknown} error */
export function asProblem(error: unknown): ProblemError;
/** @typedef {import("./types.js").Problem} Problem */
/** @typedef {import("./types.js").HttpResponse} HttpResponse */
/** @typedef {object} Extra
 * @property {boolean} [network] Nobody answered.
 * @property {number} [status] The status of the answer.
 * @property {number} [retryAfter] Milliseconds.
 * @property {string} [url] Where nobody answered.
 * @property {number} [bytes] Of the body that was lost.
 * @property {string} [missing] Parts that a completion still needs.
 */
export class ProblemError extends Error {
    /** @param {Problem} problem @param {Extra} [extra] */
    constructor(problem: Problem, extra?: Extra);
    code: string;
    retryable: boolean;
    requestId: string | undefined;
    problem: import("./types.js").Problem;
    extra: Extra;
}
export function networkProblem(message: string): ProblemError;
export function stalledProblem(): ProblemError;
export function unreadableProblem(): ProblemError;
export function changedProblem(): ProblemError;
export function bodyLimitProblem(): ProblemError;
export type Problem = import("./types.js").Problem;
export type HttpResponse = import("./types.js").HttpResponse;
export type Extra = {
    /**
     * Nobody answered.
     */
    network?: boolean | undefined;
    /**
     * The status of the answer.
     */
    status?: number | undefined;
    /**
     * Milliseconds.
     */
    retryAfter?: number | undefined;
    /**
     * Where nobody answered.
     */
    url?: string | undefined;
    /**
     * Of the body that was lost.
     */
    bytes?: number | undefined;
    /**
     * Parts that a completion still needs.
     */
    missing?: string | undefined;
};
