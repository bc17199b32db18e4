/** Opens the upload of a grant by telling the length; answers with its id. @param {Job} job */
export function createByTus(job: Job): Promise<string>;
/** @param {Job} job @param {import("./types.js").UploadTruth} upload */
export function appendAll(job: Job, upload: import("./types.js").UploadTruth): Promise<void>;
export type Job = import("./job.js").Job;
export type HttpResponse = import("./types.js").HttpResponse;
