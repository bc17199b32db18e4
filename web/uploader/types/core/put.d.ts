/** @param {Job} job @param {string} uploadId @param {SignedUrl} [given] */
export function sendWhole(job: Job, uploadId: string, given?: SignedUrl): Promise<void>;
export type Job = import("./job.js").Job;
export type SignedUrl = import("./types.js").SignedUrl;
