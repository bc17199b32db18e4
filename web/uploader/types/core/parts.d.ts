/** @typedef {import("./job.js").Job} Job */
/** @typedef {import("./types.js").UploadTruth} UploadTruth */
/** @param {Job} job @param {UploadTruth} upload @param {import("./types.js").SignedUrl[]} [urls] */
export function sendParts(job: Job, upload: UploadTruth, urls?: import("./types.js").SignedUrl[]): Promise<void>;
export type Job = import("./job.js").Job;
export type UploadTruth = import("./types.js").UploadTruth;
