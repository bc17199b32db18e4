/** @param {import("./transport.js").Transport} transport @param {AsyncIterable<Uint8Array>} stream @param {UploadOptions} options @returns {Promise<Asset>} */
export function sendStream(transport: import("./transport.js").Transport, stream: AsyncIterable<Uint8Array>, { filename, contentType, metadata, onProgress, signal }: UploadOptions): Promise<Asset>;
export type Asset = import("./models.js").Asset;
export type UploadOptions = import("./client.js").UploadOptions;
