// The shapes of answers. Nothing in this file runs.

/** @typedef {import("@gantry/uploader").Asset & {external_id: string | null, policy: string, created_at: string, changed_at: string}} Asset */
/** @typedef {import("@gantry/uploader").OpenedUpload} CoreOpened */
/** @typedef {CoreOpened["upload"] & {expires_at?: string}} Upload */
/**
 * @typedef {object} Endpoints Where the holder of a grant sends the file, without any other credential.
 * @property {string} tus
 * @property {string} files IETF resumable uploads.
 * @property {string} companion Uppy.
 * @property {string} form
 * @property {string} events
 */
/** @typedef {Omit<CoreOpened, "upload" | "asset" | "grant"> & {upload: Upload, asset: Asset, grant: string, endpoints: Endpoints}} Opened */
/**
 * @typedef {object} NewUpload What `POST /v1/uploads` takes: `filename` and `size`, or `max_size` for a file still to be chosen.
 * @property {string} [filename]
 * @property {number} [size]
 * @property {number} [max_size]
 * @property {string} [content_type]
 * @property {string[]} [content_types]
 * @property {string} [sha256]
 * @property {string} [external_id]
 * @property {string} [policy]
 * @property {Record<string, unknown>} [metadata]
 * @property {"auto" | "put" | "multipart"} [method]
 * @property {number} [part_size]
 * @property {"sha256" | "crc32c" | "crc64nvme"} [checksum]
 * @property {number} [urls]
 * @property {number | string} [expires_in] Seconds, or like `1h`.
 */
/**
 * @typedef {object} Link
 * @property {string} id
 * @property {string | null} asset_id
 * @property {string} [url] Told when the link is made, and never again.
 * @property {string} expires_at
 * @property {string | null} revoked_at
 * @property {number | null} uses
 * @property {number} used
 */
/**
 * @typedef {object} NewLink
 * @property {number | string} [expires_in]
 * @property {number} [uses]
 * @property {"attachment" | "inline"} [disposition]
 * @property {string} [filename]
 * @property {string} [variant]
 * @property {string} [format]
 * @property {string} [ip]
 */
/**
 * @typedef {object} GantryEvent A change of an asset.
 * @property {string} id The place in the tenant's feed.
 * @property {string} type
 * @property {string} asset_id
 * @property {number} seq The order of the asset's own events.
 * @property {string} at
 * @property {Record<string, any>} data
 */
/**
 * @typedef {object} Webhook
 * @property {string} id
 * @property {string} url
 * @property {string[]} events
 * @property {boolean} enabled
 * @property {string} [secret] Told when it is made or replaced, and never again.
 */
/** @typedef {{signal?: AbortSignal}} Waiting */

export {};
