/** Opens the upload of a grant by telling the length; answers with its id. @param {Job} job */
export function createByLength(job: Job): Promise<string>;
/** @param {Job} job @param {import("./types.js").UploadTruth} upload */
export function appendAll(job: Job, upload: import("./types.js").UploadTruth): Promise<void>;
export type Job = import("./job.js").Job;
export type HttpResponse = import("./types.js").HttpResponse;
/**
 * How a protocol says what both can.
 */
export type AppendDialect = {
    path: string;
    /**
     * The type of bytes that are appended.
     */
    contentType: string;
    /**
     * The headers of every request.
     */
    common: Record<string, string>;
    /**
     * Whether the file ends with this request's content.
     */
    completeness: (last: boolean) => Record<string, string>;
};
