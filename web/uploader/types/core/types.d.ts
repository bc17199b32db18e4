/**
 * Why something did not work, as data.
 */
export type Problem = {
    /**
     * The service's code, or one of the core's own: `network`, `stalled`, `storage`, `file_unreadable`,
     * `file_changed`, `other_file`, `token`.
     */
    code: string;
    /**
     * A sentence for people.
     */
    message: string;
    /**
     * The request to name in a report.
     */
    requestId?: string | undefined;
    /**
     * Trying again can help.
     */
    retryable: boolean;
    /**
     * The field that was refused.
     */
    field?: string | undefined;
    /**
     * More for a report: what the storage said.
     */
    detail?: string | undefined;
};
/**
 * A file as the page's own callbacks see it.
 */
export type FileInfo = {
    id: string;
    name: string;
    /**
     * The path in the chosen folder, or the name.
     */
    path: string;
    /**
     * In bytes.
     */
    size: number;
    /**
     * The media type that the browser told, or "".
     */
    type: string;
    /**
     * Milliseconds.
     */
    lastModified: number;
    /**
     * The same for the same file in every tab and after every restart: a good `external_id`.
     */
    fingerprint?: string | undefined;
    /**
     * The same for the same upload of this file, also after a reload: a good `Idempotency-Key`, with which
     * a backend that asks again finds the upload, be it complete or not.
     */
    idempotencyKey: string;
    /**
     * The upload that was begun before, if there is one.
     */
    uploadId?: string | undefined;
};
/**
 * The asset, as `GET /v1/assets/{id}` answers.
 */
export type Asset = {
    id: string;
    state: "awaiting" | "stored" | "processing" | "ready" | "rejected" | "failed" | "abandoned" | "deleted";
    filename: string;
    size: number;
    content_type?: string | null | undefined;
    sha256?: string | null | undefined;
    reason?: {
        code: string;
        message: string;
    } | null | undefined;
    derivatives?: {
        variant: string;
        content_type: string;
        size: number;
        width?: number;
        height?: number;
    }[] | undefined;
    metadata?: Record<string, unknown> | undefined;
    details?: Record<string, unknown> | undefined;
};
export type Thumbnail = {
    variant: string;
    url: string;
    expiresAt?: string;
    contentType?: string;
};
/**
 * An upload, as `GET /v1/uploads/{id}` answers.
 */
export type UploadTruth = {
    id: string;
    asset_id: string;
    state: "open" | "completing" | "completed" | "failed" | "aborted" | "expired";
    method: "put" | "multipart" | "append";
    size?: number | undefined;
    max_size?: number | undefined;
    part_size?: number | undefined;
    part_count?: number | undefined;
    received: {
        part: number;
        size: number;
    }[];
    received_bytes: number;
};
export type SignedUrl = {
    part?: number;
    url: string;
    headers: Record<string, string>;
    expires_at?: string;
};
/**
 * The whole answer of `POST /v1/uploads`.
 */
export type OpenedUpload = {
    upload: UploadTruth;
    asset?: Asset | undefined;
    /**
     * An upload grant for this upload alone.
     */
    grant?: string | undefined;
    put?: SignedUrl | undefined;
    multipart?: {
        part_size: number;
        part_count: number;
        urls: SignedUrl[];
    } | undefined;
    /**
     * Where the holder of the grant sends the file without any other credential.
     */
    endpoints?: {
        form?: string;
    } | undefined;
};
export type Limits = {
    /**
     * Files in the list.
     */
    maxFiles?: number | undefined;
    /**
     * Bytes of one file.
     */
    maxSize?: number | undefined;
    /**
     * Like `image/*`, `application/pdf` or `.csv`.
     */
    types?: string[] | undefined;
    /**
     * Bytes that the quota still has, where that is known.
     */
    left?: number | undefined;
    /**
     * Algorithms by which the storage checks parts.
     */
    checksums?: string[] | undefined;
    /**
     * Milliseconds for which a signed URL is good.
     */
    urlLife?: number | undefined;
    /**
     * Bytes of one request that appends.
     */
    maxAppend?: number | undefined;
};
export type ItemState = {
    kind: "queued";
} | {
    kind: "preparing";
} | {
    kind: "uploading";
} | {
    kind: "paused";
    by: "user" | "app";
} | {
    kind: "offline";
} | {
    kind: "waiting";
    until: number;
    attempt: number;
    problem: Problem;
} | {
    kind: "completing";
} | {
    kind: "processing";
    step?: string;
} | {
    kind: "ready";
    asset: Asset;
    sha256?: string;
    verified?: boolean;
    thumbnails?: Thumbnail[];
} | {
    kind: "rejected";
    problem: Problem;
} | {
    kind: "failed";
    problem: Problem;
} | {
    kind: "needs-file";
    problem?: Problem;
} | {
    kind: "cancelled";
};
export type Item = {
    id: string;
    name: string;
    path: string;
    size: number;
    type: string;
    lastModified: number;
    /**
     * After a reload the file can be had again by asking for permission.
     */
    hasHandle: boolean;
    state: ItemState;
    /**
     * Bytes that left the page, those on their way included.
     */
    sent: number;
    /**
     * Bytes that the storage has.
     */
    confirmed: number;
    /**
     * Bytes per second.
     */
    rate?: number | undefined;
    /**
     * Seconds.
     */
    eta?: number | undefined;
    uploadId?: string | undefined;
    assetId?: string | undefined;
    addedAt: number;
};
/**
 * Of all that was not cancelled, refused or given up.
 */
export type Totals = {
    files: number;
    done: number;
    failed: number;
    bytes: number;
    sent: number;
    confirmed: number;
    /**
     * Bytes per second.
     */
    rate: number;
    /**
     * Seconds until the last of those files that are on their way.
     */
    eta?: number | undefined;
};
export type UploaderState = {
    items: readonly Item[];
    totals: Totals;
    online: boolean;
    limits: Limits | null;
};
export type Source = File | {
    file: File;
    path?: string;
    handle?: FileSystemFileHandle;
};
export type Refused = {
    name: string;
    path: string;
    code: string;
    [key: string]: unknown;
};
export type AddResult = {
    added: string[];
    refused: Refused[];
};
export type Reselected = {
    matched: string[];
    different: {
        id: string;
        reason: "size" | "modified" | "content" | "unreadable";
    }[];
    unknown: File[];
};
export type UploaderOptions = {
    /**
     * Where the service is: `https://files.example`. Another origin than the page's is fine.
     */
    endpoint: string;
    /**
     * An upload grant for this file, or in trusted
     * pages an API key or a JWT. Called again when the service refuses it (401).
     */
    token?: ((request: {
        file: FileInfo;
    }) => string | Promise<string>) | undefined;
    /**
     * Instead: the page's backend called
     * `POST /v1/uploads`, and its whole answer is passed on. Called again after a reload.
     */
    grant?: ((request: {
        file: FileInfo;
    }) => Promise<OpenedUpload>) | undefined;
    /**
     * Makes the links that `link(id)` gives;
     * by default the service is asked, which needs a token with the scope `link`.
     */
    link?: ((request: {
        file: FileInfo;
        asset: Asset;
    }) => Promise<string>) | undefined;
    limits?: {
        maxFiles?: number;
        maxSize?: number;
        types?: string[];
    } | undefined;
    /**
     * How bytes travel. `auto`, the default: straight to the storage, small files as forms.
     * `tus` (1.0) and `ietf` (resumable uploads of the IETF): in order through the service, for networks that reach nothing else. Uploads
     * that the page's backend opened keep the method that it chose.
     */
    protocol?: "auto" | "tus" | "ietf" | undefined;
    /**
     * At most 6 requests in flight by default.
     */
    concurrency?: {
        files?: number;
        requests?: number;
    } | undefined;
    /**
     * Files are sent as soon as they are added; true by default.
     */
    autoStart?: boolean | undefined;
    metadata?: Record<string, unknown> | ((file: FileInfo) => Record<string, unknown>) | undefined;
    /**
     * The name of the policy that applies.
     */
    policy?: string | undefined;
    /**
     * Whose files they are, as an id that is no secret: what one user or form left unfinished is not restored for
     * another at the same endpoint.
     */
    scope?: string | undefined;
    /**
     * The screen stays on while something is sent; true by default.
     */
    wakeLock?: boolean | undefined;
    /**
     * Checksums are made in a worker; true by default.
     */
    worker?: boolean | undefined;
    /**
     * Files up to this size are sent with a SHA-256 of the whole; 256 MiB by default.
     */
    digestUpTo?: number | undefined;
    /**
     * The life of a link; "7d" by default.
     */
    linkExpiresIn?: string | number | undefined;
    /**
     * Other ways to reach the world, for tests.
     */
    ports?: Partial<Ports> | undefined;
};
export type Uploader = {
    /**
     * The present snapshot; a snapshot never changes.
     */
    state: UploaderState;
    /**
     * Told in batches, at most
     * every 50 ms; answers with the way to end it.
     */
    subscribe: (listener: (state: UploaderState, changed: Set<string>) => void) => () => void;
    add: (files: Iterable<Source>) => AddResult;
    /**
     * Without an id: all that waits to be started.
     */
    start: (id?: string) => void;
    pause: (id?: string) => void;
    resume: (id?: string) => void;
    retry: (id?: string) => void;
    /**
     * The only call after which the service is asked to forget an upload.
     */
    cancel: (id?: string) => void;
    /**
     * Takes the file out of the list; cancels it first if it is on its way.
     */
    remove: (id: string) => void;
    /**
     * Brings back what a page before this one left unfinished.
     */
    restore: () => Promise<void>;
    /**
     * Files that were chosen again.
     */
    reselect: (files: Iterable<Source>) => Promise<Reselected>;
    /**
     * A link to a file that is ready.
     */
    link: (id: string) => Promise<string>;
    /**
     * Stops everything; unfinished uploads can be restored later.
     */
    destroy: () => void;
};
export type HttpRequest = {
    method: string;
    url: string;
    headers?: Record<string, string> | undefined;
    body?: string | Blob | FormData | undefined;
    signal?: AbortSignal | undefined;
    onProgress?: ((loaded: number) => void) | undefined;
};
export type HttpResponse = {
    status: number;
    header: (name: string) => string | null;
    text: string;
};
export type HttpPort = {
    /**
     * `onProgress` is called while the body is sent.
     */
    tellsProgress?: boolean | undefined;
    /**
     * Rejects if there was no answer.
     */
    send: (request: HttpRequest) => Promise<HttpResponse>;
    /**
     *   Server-Sent Events; resolves with the status when the stream ends.
     */
    stream: (request: {
        url: string;
        headers: Record<string, string>;
        signal: AbortSignal;
        onMessage: (data: string) => void;
    }) => Promise<number>;
    /**
     * Whether anything answers there, be it a refusal.
     */
    reach: (url: string, signal: AbortSignal) => Promise<boolean>;
    /**
     * Whether a body of one byte is answered there, be it by a refusal.
     */
    reachWithByte?: ((url: string, signal: AbortSignal) => Promise<boolean>) | undefined;
};
/**
 * What is kept between pages: no credential, no byte of a file.
 */
export type StoredItem = {
    id: string;
    endpoint: string;
    /**
     * The page that drives it.
     */
    session: string;
    name: string;
    path: string;
    size: number;
    type: string;
    lastModified: number;
    addedAt: number;
    fingerprint?: string | undefined;
    /**
     * The digest of samples of the file.
     */
    sample?: string | undefined;
    uploadId?: string | undefined;
    assetId?: string | undefined;
    partSize?: number | undefined;
    /**
     * The parts that the storage has, like `1-7,9`.
     */
    parts?: string | undefined;
    confirmed?: number | undefined;
    /**
     * The service has said that it has the file.
     */
    arrived?: boolean | undefined;
    /**
     * Uploads of this file that ended without it.
     */
    begun?: number | undefined;
    /**
     * The user paused it.
     */
    paused?: boolean | undefined;
    handle?: FileSystemFileHandle | undefined;
};
export type StoragePort = {
    put: (items: StoredItem[]) => Promise<void>;
    remove: (ids: string[]) => Promise<void>;
    /**
     *   Makes those of sessions that are not alive this session's, at once; names the living ones that have some.
     */
    claim: (endpoint: string, session: string, alive: string[]) => Promise<{
        mine: StoredItem[];
        others: string[];
    }>;
};
export type Clock = {
    now: () => number;
    setTimeout: (work: () => void, milliseconds: number) => unknown;
    clearTimeout: (timer: any) => void;
};
export type NetworkPort = {
    readonly online: boolean;
    subscribe: (listener: (online: boolean) => void) => () => void;
};
export type WorkerPort = {
    /**
     * In hexadecimal; null: too much
     * for this page. `whole`: of a file, beside other work.
     */
    sha256: (blob: Blob, whole: boolean, signal: AbortSignal) => Promise<string | null>;
    close: () => void;
};
export type LocksPort = {
    /**
     * Waits for the lock; answers with its release.
     */
    acquire: (name: string, signal: AbortSignal) => Promise<() => void>;
    tryAcquire: (name: string) => Promise<(() => void) | null>;
    /**
     * The names of all that are held by any page.
     */
    held: (prefix: string) => Promise<string[]>;
};
export type WakePort = {
    acquire: () => () => void;
};
export type Ports = {
    http: HttpPort;
    /**
     * Instead of `http`.
     */
    fetch: typeof globalThis.fetch;
    storage: StoragePort;
    clock: Clock;
    network: NetworkPort;
    worker: WorkerPort;
    locks: LocksPort;
    wake: WakePort;
    random: () => number;
};
