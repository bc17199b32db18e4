/** @param {SourceInput} given @returns {Promise<BlobSource | StreamSource>} */
export function openSource(given: SourceInput): Promise<BlobSource | StreamSource>;
/** The bytes of a stream in pieces of one length, and what is left at the end. @param {AsyncIterable<Uint8Array>} stream @param {number} length */
export function piecesOf(stream: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Blob, void, unknown>;
export function nodeModule(name: string): Promise<any>;
export type SourceInput = string | URL | Blob | ArrayBuffer | Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;
export type BlobSource = {
    blob: Blob;
    name?: string;
    identity?: string;
};
export type StreamSource = {
    stream: AsyncIterable<Uint8Array>;
    name?: string;
};
