export class Uploads {
    /** @param {import("./transport.js").Transport} transport */
    constructor(transport: import("./transport.js").Transport);
    transport: import("./transport.js").Transport;
    /** Opens an upload, or finds the one that is open under this `external_id` or idempotency key. `grant` of the answer, or the
     * whole answer, may be handed to a browser: it is good for this one upload.
     * @param {NewUpload} wish @param {Waiting & {idempotencyKey?: string}} [options] @returns {Promise<Opened>} */
    create(wish: NewUpload, { signal, idempotencyKey }?: Waiting & {
        idempotencyKey?: string;
    }): Promise<Opened>;
    /** Throws what creating this upload would throw, and creates nothing. @param {NewUpload} wish @param {Waiting} [options] @returns {Promise<any>} */
    check(wish: NewUpload, options?: Waiting): Promise<any>;
    /** @param {string} id @param {Waiting} [options] @returns {Promise<Upload>} */
    get(id: string, options?: Waiting): Promise<Upload>;
    /** Says that every byte was sent. The answer is the same however often this is asked.
     * @param {string} id @param {Waiting & {sha256?: string}} [options] @returns {Promise<Asset>} */
    complete(id: string, { sha256, signal }?: Waiting & {
        sha256?: string;
    }): Promise<Asset>;
    /** Ends the upload, and with it its grant. @param {string} id @param {Waiting} [options] */
    abort(id: string, options?: Waiting): Promise<void>;
}
export type NewUpload = import("./models.js").NewUpload;
export type Opened = import("./models.js").Opened;
export type Upload = import("./models.js").Upload;
export type Asset = import("./models.js").Asset;
export type Waiting = import("./models.js").Waiting;
