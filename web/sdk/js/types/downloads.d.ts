/** @param {Transport} transport @param {string} id @param {DownloadOptions} options @returns {Promise<Download>} */
export function openDownload(transport: Transport, id: string, { start, end, variant, delivery, signal }: DownloadOptions): Promise<Download>;
/** Writes into `target.part`, which a later call goes on with, and gives it its name when its digest is right. In Node.
 * @param {Transport} transport @param {import("./models.js").Asset} asset @param {string} target @param {DownloadOptions & {check?: boolean}} options */
export function saveDownload(transport: Transport, asset: import("./models.js").Asset, target: string, { check, ...options }: DownloadOptions & {
    check?: boolean;
}): Promise<void>;
export type Transport = import("./transport.js").Transport;
export type DownloadOptions = {
    /**
     * The first byte; 0 by default.
     */
    start?: number | undefined;
    /**
     * The byte after the last.
     */
    end?: number | undefined;
    /**
     * A derivative, like `thumb-256`, instead of the file.
     */
    variant?: string | undefined;
    /**
     * How the bytes come; by default as the service is set.
     */
    delivery?: "stream" | "redirect" | undefined;
    signal?: AbortSignal | undefined;
};
export type Download = {
    body: ReadableStream<Uint8Array>;
    size: number | undefined;
    contentType: string | null;
    etag: string | null;
};
