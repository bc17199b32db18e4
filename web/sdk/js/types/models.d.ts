export type Asset = import("@gantry/uploader").Asset & {
    external_id: string | null;
    policy: string;
    created_at: string;
    changed_at: string;
};
export type CoreOpened = import("@gantry/uploader").OpenedUpload;
export type Upload = CoreOpened["upload"] & {
    expires_at?: string;
};
/**
 * Where the holder of a grant sends the file, without any other credential.
 */
export type Endpoints = {
    tus: string;
    /**
     * IETF resumable uploads.
     */
    files: string;
    /**
     * Uppy.
     */
    companion: string;
    form: string;
    events: string;
};
export type Opened = Omit<CoreOpened, "upload" | "asset" | "grant"> & {
    upload: Upload;
    asset: Asset;
    grant: string;
    endpoints: Endpoints;
};
/**
 * What `POST /v1/uploads` takes: `filename` and `size`, or `max_size` for a file still to be chosen.
 */
export type NewUpload = {
    filename?: string | undefined;
    size?: number | undefined;
    max_size?: number | undefined;
    content_type?: string | undefined;
    content_types?: string[] | undefined;
    sha256?: string | undefined;
    external_id?: string | undefined;
    policy?: string | undefined;
    metadata?: Record<string, unknown> | undefined;
    method?: "auto" | "put" | "multipart" | undefined;
    part_size?: number | undefined;
    checksum?: "sha256" | "crc32c" | "crc64nvme" | undefined;
    urls?: number | undefined;
    /**
     * Seconds, or like `1h`.
     */
    expires_in?: string | number | undefined;
};
export type Link = {
    id: string;
    asset_id: string | null;
    /**
     * Told when the link is made, and never again.
     */
    url?: string | undefined;
    expires_at: string;
    revoked_at: string | null;
    uses: number | null;
    used: number;
};
export type NewLink = {
    expires_in?: string | number | undefined;
    uses?: number | undefined;
    disposition?: "attachment" | "inline" | undefined;
    filename?: string | undefined;
    variant?: string | undefined;
    format?: string | undefined;
    ip?: string | undefined;
};
/**
 * A change of an asset.
 */
export type GantryEvent = {
    /**
     * The place in the tenant's feed.
     */
    id: string;
    type: string;
    asset_id: string;
    /**
     * The order of the asset's own events.
     */
    seq: number;
    at: string;
    data: Record<string, any>;
};
export type Webhook = {
    id: string;
    url: string;
    events: string[];
    enabled: boolean;
    /**
     * Told when it is made or replaced, and never again.
     */
    secret?: string | undefined;
};
export type Waiting = {
    signal?: AbortSignal;
};
