/** Seconds or a date, as milliseconds from now. @param {string | null} text */
export function parseRetryAfter(text: string | null): number | undefined;
/** The class of an error by its code and status. @param {string} code @param {number} status */
export function classOf(code: string, status: number): typeof GantryError;
/** The error of an answer of the service (RFC 9457). @param {Response} response */
export function serviceError(response: Response): Promise<GantryError>;
/** The error of an answer of the storage, which are XML. @param {Response} response */
export function storageError(response: Response): Promise<StorageError>;
/** @param {unknown} cause */
export function networkError(cause: unknown): NetworkError;
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
    constructor(message: string, { code, status, requestId, retryable, retryAfter, problem, cause }?: ErrorFacts);
    code: string;
    status: number;
    requestId: string | undefined;
    retryable: boolean;
    retryAfter: number | undefined;
    problem: Record<string, any>;
    /** The member or parameter that is invalid, where the code is `invalid`. @returns {string | undefined} */
    get field(): string | undefined;
    /** Why an asset was rejected, where the code is `rejected`. @returns {string | undefined} */
    get reason(): string | undefined;
}
/** Nobody answered, or the connection broke. */
export class NetworkError extends GantryError {
}
/** The request itself has to change: 400, 405, 415, 422. */
export class InvalidRequestError extends GantryError {
}
/** The credential is missing, unknown, expired or revoked: 401. */
export class AuthenticationError extends GantryError {
}
/** The credential does not allow this: 403. */
export class PermissionError extends GantryError {
}
/** Nothing has this id for this credential: 404. */
export class NotFoundError extends GantryError {
}
/** The state of the upload or asset does not allow this: 409, 412, 423. */
export class ConflictError extends GantryError {
}
/** The asset is still being examined. */
export class NotReadyError extends ConflictError {
}
/** It existed and was removed, or it has expired: 410. */
export class GoneError extends GantryError {
}
/** The asset was rejected or has failed. */
export class RejectedError extends GantryError {
}
/** The file or the body is larger than a limit: 413. */
export class TooLargeError extends GantryError {
}
/** The tenant's quota is used up. */
export class QuotaError extends GantryError {
}
/** Too many requests: 429. */
export class RateLimitError extends GantryError {
}
/** The service does not answer as it should: 5xx. */
export class UnavailableError extends GantryError {
}
/** The storage behind a signed URL refused a request. */
export class StorageError extends GantryError {
}
/** The bytes that arrived are not those of the asset. */
export class DigestMismatchError extends GantryError {
}
/** The message is not from the service, or too old. */
export class WebhookVerificationError extends GantryError {
}
export type ErrorFacts = {
    /**
     * The cause, for programs.
     */
    code?: string | undefined;
    /**
     * The HTTP status; 0 if nobody answered.
     */
    status?: number | undefined;
    /**
     * The request to name in a report.
     */
    requestId?: string | undefined;
    /**
     * The same request may succeed later.
     */
    retryable?: boolean | undefined;
    /**
     * Milliseconds that the service asks to wait.
     */
    retryAfter?: number | undefined;
    /**
     * The whole problem document.
     */
    problem?: Record<string, any> | undefined;
    cause?: unknown;
};
