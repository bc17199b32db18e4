// The shapes that pass between the core, its ports and its users. Nothing in this file runs.

/**
 * @typedef {object} Problem Why something did not work, as data.
 * @property {string} code The service's code, or one of the core's own: `network`, `stalled`, `storage`, `file_unreadable`,
 *   `file_changed`, `other_file`, `token`.
 * @property {string} message A sentence for people.
 * @property {string} [requestId] The request to name in a report.
 * @property {boolean} retryable Trying again can help.
 * @property {string} [field] The field that was refused.
 * @property {string} [detail] More for a report: what the storage said.
 */

/**
 * @typedef {object} FileInfo A file as the page's own callbacks see it.
 * @property {string} id
 * @property {string} name
 * @property {string} path The path in the chosen folder, or the name.
 * @property {number} size In bytes.
 * @property {string} type The media type that the browser told, or "".
 * @property {number} lastModified Milliseconds.
 * @property {string} [fingerprint] The same for the same file in every tab and after every restart: a good `external_id`.
 * @property {string} idempotencyKey The same for the same upload of this file, also after a reload: a good `Idempotency-Key`, with which
 *   a backend that asks again finds the upload, be it complete or not.
 * @property {string} [uploadId] The upload that was begun before, if there is one.
 */

/**
 * @typedef {object} Asset The asset, as `GET /v1/assets/{id}` answers.
 * @property {string} id
 * @property {"awaiting" | "stored" | "processing" | "ready" | "rejected" | "failed" | "abandoned" | "deleted"} state
 * @property {string} filename
 * @property {number} size
 * @property {string | null} [content_type]
 * @property {string | null} [sha256]
 * @property {{code: string, message: string} | null} [reason]
 * @property {{variant: string, content_type: string, size: number, width?: number, height?: number}[]} [derivatives]
 * @property {Record<string, unknown>} [metadata]
 * @property {Record<string, unknown>} [details]
 */

/** @typedef {{variant: string, url: string, expiresAt?: string, contentType?: string}} Thumbnail */

/**
 * @typedef {object} UploadTruth An upload, as `GET /v1/uploads/{id}` answers.
 * @property {string} id
 * @property {string} asset_id
 * @property {"open" | "completing" | "completed" | "failed" | "aborted" | "expired"} state
 * @property {"put" | "multipart" | "append"} method
 * @property {number} [size]
 * @property {number} [max_size]
 * @property {number} [part_size]
 * @property {number} [part_count]
 * @property {{part: number, size: number}[]} received
 * @property {number} received_bytes
 */

/** @typedef {{part?: number, url: string, headers: Record<string, string>, expires_at?: string}} SignedUrl */

/**
 * @typedef {object} OpenedUpload The whole answer of `POST /v1/uploads`.
 * @property {UploadTruth} upload
 * @property {Asset} [asset]
 * @property {string} [grant] An upload grant for this upload alone.
 * @property {SignedUrl} [put]
 * @property {{part_size: number, part_count: number, urls: SignedUrl[]}} [multipart]
 * @property {{form?: string}} [endpoints] Where the holder of the grant sends the file without any other credential.
 */

/**
 * @typedef {object} Limits
 * @property {number} [maxFiles] Files in the list.
 * @property {number} [maxSize] Bytes of one file.
 * @property {string[]} [types] Like `image/*`, `application/pdf` or `.csv`.
 * @property {number} [left] Bytes that the quota still has, where that is known.
 * @property {string[]} [checksums] Algorithms by which the storage checks parts.
 * @property {number} [urlLife] Milliseconds for which a signed URL is good.
 * @property {number} [maxAppend] Bytes of one request that appends.
 */

/**
 * @typedef {{kind: "queued"} | {kind: "preparing"} | {kind: "uploading"} | {kind: "paused", by: "user" | "app"}
 *   | {kind: "offline"} | {kind: "waiting", until: number, attempt: number, problem: Problem}
 *   | {kind: "completing"} | {kind: "processing", step?: string}
 *   | {kind: "ready", asset: Asset, sha256?: string, verified?: boolean, thumbnails?: Thumbnail[]}
 *   | {kind: "rejected", problem: Problem} | {kind: "failed", problem: Problem}
 *   | {kind: "needs-file", problem?: Problem} | {kind: "cancelled"}} ItemState
 */

/**
 * @typedef {object} Item
 * @property {string} id
 * @property {string} name
 * @property {string} path
 * @property {number} size
 * @property {string} type
 * @property {number} lastModified
 * @property {boolean} hasHandle After a reload the file can be had again by asking for permission.
 * @property {ItemState} state
 * @property {number} sent Bytes that left the page, those on their way included.
 * @property {number} confirmed Bytes that the storage has.
 * @property {number} [rate] Bytes per second.
 * @property {number} [eta] Seconds.
 * @property {string} [uploadId]
 * @property {string} [assetId]
 * @property {number} addedAt
 */

/**
 * @typedef {object} Totals Of all that was not cancelled, refused or given up.
 * @property {number} files
 * @property {number} done
 * @property {number} failed
 * @property {number} bytes
 * @property {number} sent
 * @property {number} confirmed
 * @property {number} rate Bytes per second.
 * @property {number} [eta] Seconds until the last of those files that are on their way.
 */

/** @typedef {{items: readonly Item[], totals: Totals, online: boolean, limits: Limits | null}} UploaderState */

/** @typedef {File | {file: File, path?: string, handle?: FileSystemFileHandle}} Source */
/** @typedef {{name: string, path: string, code: string, [key: string]: unknown}} Refused */
/** @typedef {{added: string[], refused: Refused[]}} AddResult */
/** @typedef {{matched: string[], different: {id: string, reason: "size" | "modified" | "content" | "unreadable"}[], unknown: File[]}} Reselected */

/**
 * @typedef {object} UploaderOptions
 * @property {string} endpoint Where the service is: `https://files.example`. Another origin than the page's is fine.
 * @property {(request: {file: FileInfo}) => string | Promise<string>} [token] An upload grant for this file, or in trusted
 *   pages an API key or a JWT. Called again when the service refuses it (401).
 * @property {(request: {file: FileInfo}) => Promise<OpenedUpload>} [grant] Instead: the page's backend called
 *   `POST /v1/uploads`, and its whole answer is passed on. Called again after a reload.
 * @property {(request: {file: FileInfo, asset: Asset}) => Promise<string>} [link] Makes the links that `link(id)` gives;
 *   by default the service is asked, which needs a token with the scope `link`.
 * @property {{maxFiles?: number, maxSize?: number, types?: string[]}} [limits]
 * @property {"auto" | "tus" | "ietf"} [protocol] How bytes travel. `auto`, the default: straight to the storage, small files as forms.
 *   `tus` (1.0) and `ietf` (resumable uploads of the IETF): in order through the service, for networks that reach nothing else. Uploads
 *   that the page's backend opened keep the method that it chose.
 * @property {{files?: number, requests?: number}} [concurrency] At most 6 requests in flight by default.
 * @property {boolean} [autoStart] Files are sent as soon as they are added; true by default.
 * @property {Record<string, unknown> | ((file: FileInfo) => Record<string, unknown>)} [metadata]
 * @property {string} [policy] The name of the policy that applies.
 * @property {string} [scope] Whose files they are, as an id that is no secret: what one user or form left unfinished is not restored for
 *   another at the same endpoint.
 * @property {boolean} [wakeLock] The screen stays on while something is sent; true by default.
 * @property {boolean} [worker] Checksums are made in a worker; true by default.
 * @property {number} [digestUpTo] Files up to this size are sent with a SHA-256 of the whole; 256 MiB by default.
 * @property {string | number} [linkExpiresIn] The life of a link; "7d" by default.
 * @property {Partial<Ports>} [ports] Other ways to reach the world, for tests.
 */

/**
 * @typedef {object} Uploader
 * @property {UploaderState} state The present snapshot; a snapshot never changes.
 * @property {(listener: (state: UploaderState, changed: Set<string>) => void) => () => void} subscribe Told in batches, at most
 *   every 50 ms; answers with the way to end it.
 * @property {(files: Iterable<Source>) => AddResult} add
 * @property {(id?: string) => void} start Without an id: all that waits to be started.
 * @property {(id?: string) => void} pause
 * @property {(id?: string) => void} resume
 * @property {(id?: string) => void} retry
 * @property {(id?: string) => void} cancel The only call after which the service is asked to forget an upload.
 * @property {(id: string) => void} remove Takes the file out of the list; cancels it first if it is on its way.
 * @property {() => Promise<void>} restore Brings back what a page before this one left unfinished.
 * @property {(files: Iterable<Source>) => Promise<Reselected>} reselect Files that were chosen again.
 * @property {(id: string) => Promise<string>} link A link to a file that is ready.
 * @property {() => void} destroy Stops everything; unfinished uploads can be restored later.
 */

/**
 * @typedef {object} HttpRequest
 * @property {string} method
 * @property {string} url
 * @property {Record<string, string>} [headers]
 * @property {Blob | FormData | string} [body]
 * @property {AbortSignal} [signal]
 * @property {(loaded: number) => void} [onProgress]
 */
/** @typedef {{status: number, header: (name: string) => string | null, text: string}} HttpResponse */
/**
 * @typedef {object} HttpPort
 * @property {boolean} [tellsProgress] `onProgress` is called while the body is sent.
 * @property {(request: HttpRequest) => Promise<HttpResponse>} send Rejects if there was no answer.
 * @property {(request: {url: string, headers: Record<string, string>, signal: AbortSignal, onMessage: (data: string) => void}) => Promise<number>} stream
 *   Server-Sent Events; resolves with the status when the stream ends.
 * @property {(url: string, signal: AbortSignal) => Promise<boolean>} reach Whether anything answers there, be it a refusal.
 * @property {(url: string, signal: AbortSignal) => Promise<boolean>} [reachWithByte] Whether a body of one byte is answered there, be it by a refusal.
 */

/**
 * @typedef {object} StoredItem What is kept between pages: no credential, no byte of a file.
 * @property {string} id
 * @property {string} endpoint
 * @property {string} session The page that drives it.
 * @property {string} name
 * @property {string} path
 * @property {number} size
 * @property {string} type
 * @property {number} lastModified
 * @property {number} addedAt
 * @property {string} [fingerprint]
 * @property {string} [sample] The digest of samples of the file.
 * @property {string} [uploadId]
 * @property {string} [assetId]
 * @property {number} [partSize]
 * @property {string} [parts] The parts that the storage has, like `1-7,9`.
 * @property {number} [confirmed]
 * @property {boolean} [arrived] The service has said that it has the file.
 * @property {number} [begun] Uploads of this file that ended without it.
 * @property {boolean} [paused] The user paused it.
 * @property {FileSystemFileHandle} [handle]
 */

/**
 * @typedef {object} StoragePort
 * @property {(items: StoredItem[]) => Promise<void>} put
 * @property {(ids: string[]) => Promise<void>} remove
 * @property {(endpoint: string, session: string, alive: string[]) => Promise<{mine: StoredItem[], others: string[]}>} claim
 *   Makes those of sessions that are not alive this session's, at once; names the living ones that have some.
 */
/** @typedef {{now: () => number, setTimeout: (work: () => void, milliseconds: number) => unknown, clearTimeout: (timer: any) => void}} Clock */
/** @typedef {{readonly online: boolean, subscribe: (listener: (online: boolean) => void) => () => void}} NetworkPort */
/**
 * @typedef {object} WorkerPort
 * @property {(blob: Blob, whole: boolean, signal: AbortSignal) => Promise<string | null>} sha256 In hexadecimal; null: too much
 *   for this page. `whole`: of a file, beside other work.
 * @property {() => void} close
 */
/**
 * @typedef {object} LocksPort
 * @property {(name: string, signal: AbortSignal) => Promise<() => void>} acquire Waits for the lock; answers with its release.
 * @property {(name: string) => Promise<(() => void) | null>} tryAcquire
 * @property {(prefix: string) => Promise<string[]>} held The names of all that are held by any page.
 */
/** @typedef {{acquire: () => () => void}} WakePort */
/**
 * @typedef {object} Ports
 * @property {HttpPort} http
 * @property {typeof globalThis.fetch} fetch Instead of `http`.
 * @property {StoragePort} storage
 * @property {Clock} clock
 * @property {NetworkPort} network
 * @property {WorkerPort} worker
 * @property {LocksPort} locks
 * @property {WakePort} wake
 * @property {() => number} random
 */

export {};
