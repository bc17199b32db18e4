/** @param {Uint8Array<ArrayBuffer>} bytes */
export function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string>;
/** @param {Blob} blob @param {AbortSignal} [signal] @param {boolean} [streamed] Never the whole at once. */
export function sha256OfBlob(blob: Blob, signal?: AbortSignal, streamed?: boolean): Promise<string>;
/** The name of a worker that answers `{id, blob, whole}` with `{id, sha256}`, and ends at `{cancel: id}`. */
export const WORKER_NAME: "gantry-digest";
export class Sha256 {
    state: Int32Array<ArrayBuffer>;
    words: Int32Array<ArrayBuffer>;
    rest: Uint8Array<ArrayBuffer>;
    restLength: number;
    length: number;
    /** @param {Uint8Array} bytes */
    update(bytes: Uint8Array): this;
    /** The digest in hexadecimal; nothing can be added afterwards. */
    hex(): string;
    /** @param {Uint8Array} bytes @param {number} from @param {number} to */
    blocks(bytes: Uint8Array, from: number, to: number): void;
}
/** The most that is read into memory at once. */
export const MAX_WHOLE_BYTES: number;
