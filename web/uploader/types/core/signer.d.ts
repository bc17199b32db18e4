export class Signer {
    /** @param {Job} job @param {string} uploadId @param {SignedUrl[]} given Those of the upload's creation. */
    constructor(job: Job, uploadId: string, given: SignedUrl[]);
    job: import("./job.js").Job;
    uploadId: string;
    life: number;
    checksums: boolean;
    /** @type {Map<number, {signed: SignedUrl, at: number}>} */
    ready: Map<number, {
        signed: SignedUrl;
        at: number;
    }>;
    /** What is to be signed, with the checksum of each. @type {Map<number, string | null>} */
    wanted: Map<number, string | null>;
    /** @type {Promise<void> | null} */
    signing: Promise<void> | null;
    begin(): Promise<this>;
    /** @param {SignedUrl[]} urls */
    keep(urls: SignedUrl[]): void;
    /** Asks for an address ahead of its use. @param {number} part @param {string | null} sha256 */
    want(part: number, sha256: string | null): void;
    /** An address that is fresh; each is given once. @param {number} part @param {string | null} sha256 */
    take(part: number, sha256: string | null): Promise<import("./types.js").SignedUrl>;
    /** Signs what is wanted, together with what is asked for in the same moment. */
    sign(): Promise<void>;
    signBatch(): Promise<void>;
}
export type Job = import("./job.js").Job;
export type SignedUrl = import("./types.js").SignedUrl;
