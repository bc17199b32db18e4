// A client of Gantry for Node and browsers.

/** @typedef {import("./client.js").ClientOptions} ClientOptions */
/** @typedef {import("./client.js").UploadOptions} UploadOptions */
/** @typedef {import("./downloads.js").Download} Download */
/** @typedef {import("./downloads.js").DownloadOptions} DownloadOptions */
/** @typedef {import("./models.js").Asset} Asset */
/** @typedef {import("./models.js").GantryEvent} GantryEvent */
/** @typedef {import("./models.js").Link} Link */
/** @typedef {import("./models.js").NewLink} NewLink */
/** @typedef {import("./models.js").NewUpload} NewUpload */
/** @typedef {import("./models.js").Opened} Opened */
/** @typedef {import("./models.js").Upload} Upload */
/** @typedef {import("./models.js").Webhook} Webhook */
/** @typedef {import("./webhooks.js").WebhookMessage} WebhookMessage */

export { Client } from "./client.js";
export {
  AuthenticationError, ConflictError, DigestMismatchError, GantryError, GoneError, InvalidRequestError, NetworkError, NotFoundError, NotReadyError,
  PermissionError, QuotaError, RateLimitError, RejectedError, StorageError, TooLargeError, UnavailableError, WebhookVerificationError,
} from "./errors.js";
export { signWebhook, verifyWebhook } from "./webhooks.js";
