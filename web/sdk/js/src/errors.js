// Errors of the service as classes: one for each meaning, with the service's own code in each.

/**
 * @typedef {object} ErrorFacts
 * @property {string} [code] The cause, for programs.
 * @property {number} [status] The HTTP status; 0 if nobody answered.
 * @property {string} [requestId] The request to name in a report.
 * @property {boolean} [retryable] The same request may succeed later.
 * @property {number} [retryAfter] Milliseconds that the service asks to wait.
 * @property {Record<string, any>} [problem] The whole problem document.
 * @property {unknown} [cause]
 */

/** The base of everything that this package throws about a request. */
export class GantryError extends Error {
  /** @param {string} message @param {ErrorFacts} [facts] */
  constructor(message, { code = "internal", status = 0, requestId, retryable = false, retryAfter, problem = {}, cause } = {}) {
    super(message, { cause });
    this.name = new.target.name;
    this.code = code;
    this.status = status;
    this.requestId = requestId;
    this.retryable = retryable;
    this.retryAfter = retryAfter;
    this.problem = problem;
  }

  /** The member or parameter that is invalid, where the code is `invalid`. @returns {string | undefined} */
  get field() {
    return this.problem.field;
  }

  /** Why an asset was rejected, where the code is `rejected`. @returns {string | undefined} */
  get reason() {
    return this.problem.reason;
  }
}

/** Nobody answered, or the connection broke. */
export class NetworkError extends GantryError {}
/** The request itself has to change: 400, 405, 415, 422. */
export class InvalidRequestError extends GantryError {}
/** The credential is missing, unknown, expired or revoked: 401. */
export class AuthenticationError extends GantryError {}
/** The credential does not allow this: 403. */
export class PermissionError extends GantryError {}
/** Nothing has this id for this credential: 404. */
export class NotFoundError extends GantryError {}
/** The state of the upload or asset does not allow this: 409, 412, 423. */
export class ConflictError extends GantryError {}
/** The asset is still being examined. */
export class NotReadyError extends ConflictError {}
/** It existed and was removed, or it has expired: 410. */
export class GoneError extends GantryError {}
/** The asset was rejected or has failed. */
export class RejectedError extends GantryError {}
/** The file or the body is larger than a limit: 413. */
export class TooLargeError extends GantryError {}
/** The tenant's quota is used up. */
export class QuotaError extends GantryError {}
/** Too many requests: 429. */
export class RateLimitError extends GantryError {}
/** The service does not answer as it should: 5xx. */
export class UnavailableError extends GantryError {}
/** The storage behind a signed URL refused a request. */
export class StorageError extends GantryError {}
/** The bytes that arrived are not those of the asset. */
export class DigestMismatchError extends GantryError {}
/** The message is not from the service, or too old. */
export class WebhookVerificationError extends GantryError {}

/** @type {Record<string, typeof GantryError>} */
const BY_CODE = {
  quota_exceeded: QuotaError, rejected: RejectedError, not_ready: NotReadyError, rate_limited: RateLimitError, too_large: TooLargeError,
  network: NetworkError, stalled: NetworkError, storage: StorageError,
};
/** @type {Record<number, typeof GantryError>} */
const BY_STATUS = {
  401: AuthenticationError, 403: PermissionError, 404: NotFoundError, 409: ConflictError, 410: GoneError, 412: ConflictError,
  413: TooLargeError, 423: ConflictError, 429: RateLimitError,
};
const RETRYABLE = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Seconds or a date, as milliseconds from now. @param {string | null} text */
export function parseRetryAfter(text) {
  if (!text) return undefined;
  const seconds = Number(text);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text) - Date.now();
  return wait > 0 ? wait : undefined;
}

/** The class of an error by its code and status. @param {string} code @param {number} status */
export function classOf(code, status) {
  return BY_CODE[code] ?? BY_STATUS[status] ?? (status >= 500 || status === 0 ? UnavailableError : InvalidRequestError);
}

/** The error of an answer of the service (RFC 9457). @param {Response} response */
export async function serviceError(response) {
  const text = await response.text().catch(() => "");
  /** @type {any} */
  let problem = null;
  try {
    problem = JSON.parse(text);
  } catch {
    // A proxy in front of the service answers with a page of its own.
  }
  if (problem === null || typeof problem !== "object") problem = {};
  const { status } = response;
  const code = problem.code ?? (status === 413 ? "body_limit" : "service");
  const Kind = classOf(code, status);
  return new Kind(problem.detail ?? `The service answered ${status}.`, {
    code, status, problem,
    requestId: problem.request_id ?? response.headers.get("x-request-id") ?? undefined,
    retryable: problem.retryable ?? RETRYABLE.has(status),
    retryAfter: parseRetryAfter(response.headers.get("retry-after")),
  });
}

/** The error of an answer of the storage, which are XML. @param {Response} response */
export async function storageError(response) {
  const text = await response.text().catch(() => "");
  const code = /<Code>([^<]*)<\/Code>/.exec(text)?.[1];
  return new StorageError(`The storage answered ${response.status}${code ? `: ${code}` : ""}.`, {
    code: "storage", status: response.status, retryable: response.status >= 500 || RETRYABLE.has(response.status),
    problem: code ? { storage_code: code } : {},
  });
}

/** @param {unknown} cause */
export function networkError(cause) {
  const inner = /** @type {any} */ (cause)?.cause?.message;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new NetworkError(inner ? `${message}: ${inner}` : message, { code: "network", retryable: true, cause });
}
