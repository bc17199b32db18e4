// Problems: what failed, as data that a page can show and a program can act on.

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
  constructor(problem, extra = {}) {
    super(problem.message);
    this.name = "ProblemError";
    this.code = problem.code;
    this.retryable = problem.retryable;
    this.requestId = problem.requestId;
    this.problem = problem;
    this.extra = extra;
  }
}

/** @param {string} message */
export const networkProblem = (message) => new ProblemError({ code: "network", message, retryable: true }, { network: true });

export const stalledProblem = () =>
  new ProblemError({ code: "stalled", message: "The transfer made no progress for half a minute.", retryable: true }, { network: true });

export const unreadableProblem = () => new ProblemError({
  code: "file_unreadable",
  message: "This file cannot be read any more: it was changed, moved or closed to you. Choose it again to send it as it is now.",
  retryable: false,
});

export const changedProblem = () => new ProblemError({
  code: "file_changed",
  message: "This file was changed while it was being sent. Choose it again to send it as it is now.",
  retryable: false,
});

/** Answers of the service have a code: a bare 413 comes from what stands in front of it. */
const BODY_LIMIT_OF_PROXY =
  "A proxy in front of the service refuses bodies of this size: its limit must be raised (nginx: client_max_body_size 0).";

/** What a page learns of a refusal that it may not read: the body is lost, and a single byte is not. */
export const bodyLimitProblem = () => new ProblemError({
  code: "body_limit",
  message: "A proxy on the way seems to refuse bodies of this size, for small ones get through: its limit must be raised (nginx: client_max_body_size 0).",
  retryable: true,
});

const RETRYABLE = new Set([408, 425, 429]);

/** Seconds or a date, as milliseconds from now. @param {string | null} text @param {number} now */
export function parseRetryAfter(text, now) {
  if (!text) return undefined;
  const seconds = Number(text);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text) - now;
  return wait > 0 ? wait : undefined;
}

/** @param {string} text @returns {any} */
export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The problem of a refusal by the service (RFC 9457). @param {HttpResponse} response @param {number} now */
export function serviceProblem({ status, header, text }, now) {
  const json = parseJson(text) ?? {};
  const bare = status === 413 ? BODY_LIMIT_OF_PROXY : `The service answered ${status}.`;
  const problem = {
    code: json.code ?? (status === 413 ? "body_limit" : "service"),
    message: json.detail ?? bare,
    retryable: json.retryable ?? (status >= 500 || RETRYABLE.has(status)),
    requestId: json.request_id ?? header("x-request-id") ?? undefined,
    field: json.field,
  };
  return new ProblemError(problem, { status, retryAfter: parseRetryAfter(header("retry-after"), now), missing: json.missing });
}

/** The problem of a refusal by the storage (S3's XML): a busy server passes, other refusals do not.
 * @param {HttpResponse} response @param {number} now */
export function storageProblem({ status, header, text }, now) {
  const member = (/** @type {string} */ name) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
  const code = member("Code");
  const problem = {
    code: "storage",
    message: status === 413 && !code ? BODY_LIMIT_OF_PROXY : `The storage answered ${status}.`,
    retryable: status >= 500 || RETRYABLE.has(status) || [400, 403, 409].includes(status),
    requestId: member("RequestId") ?? header("x-amz-request-id") ?? undefined,
    detail: code && [code, member("Message")].filter(Boolean).join(": "),
  };
  return new ProblemError(problem, { status, retryAfter: parseRetryAfter(header("retry-after"), now) });
}

/** Whatever was thrown, as a problem. @param {unknown} error */
export function asProblem(error) {
  if (error instanceof ProblemError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ProblemError({ code: "internal", message, retryable: false });
}
