/** The upload that a grant is for. Undefined: this form of grant is not known here.
 * @param {string} grant */
export function uploadOfGrant(grant: string): string | undefined;
/** @param {Job} job @returns {Promise<Opened>} */
export function openUpload(job: Job): Promise<Opened>;
/** Creates the upload, or finds it by the file's fingerprint. @param {Job} job @returns {Promise<Opened>} */
export function create(job: Job): Promise<Opened>;
/** @typedef {import("./types.js").OpenedUpload} OpenedUpload */
/** @typedef {import("./types.js").UploadTruth} UploadTruth */
/** @typedef {import("./job.js").Job} Job */
/** @typedef {{upload: UploadTruth, put?: import("./types.js").SignedUrl, urls?: import("./types.js").SignedUrl[], form?: string}} Opened */
/** Files up to this size are read once more before they are sent, for a digest that binds them. */
export const SMALL_BYTES: number;
/** An upload that is gone: the file is sent anew. */
export class UploadGone extends Error {
}
/** The service has the file from before, and the page's backend has opened another upload for it: nothing is to be sent. */
export class Arrived extends Error {
}
export function isForMany(grant: string): boolean;
export type OpenedUpload = import("./types.js").OpenedUpload;
export type UploadTruth = import("./types.js").UploadTruth;
export type Job = import("./job.js").Job;
export type Opened = {
    upload: UploadTruth;
    put?: import("./types.js").SignedUrl;
    urls?: import("./types.js").SignedUrl[];
    form?: string;
};
