// The bytes in order through the service, where the opened upload says so: by tus 1.0, or by the resumable uploads of the IETF
// (draft-ietf-httpbis-resumable-upload) where the page has chosen them.

import { ProblemError, serviceProblem } from "./problem.js";

/** @typedef {import("./job.js").Job} Job */
/** @typedef {import("./types.js").HttpResponse} HttpResponse */

/**
 * @typedef {object} AppendDialect How a protocol says what both can.
 * @property {string} path
 * @property {string} contentType The type of bytes that are appended.
 * @property {Record<string, string>} common The headers of every request.
 * @property {(last: boolean) => Record<string, string>} completeness Whether the file ends with this request's content.
 */
/** @type {{tus: AppendDialect, ietf: AppendDialect}} */
const DIALECTS = {
  tus: { path: "/tus", contentType: "application/offset+octet-stream", common: { "tus-resumable": "1.0.0" }, completeness: () => ({}) },
  // Without a number of the draft the newest version is spoken, and no interim answer comes: pages cannot read those.
  ietf: { path: "/files", contentType: "application/partial-upload", common: {}, completeness: (last) => ({ "upload-complete": last ? "?1" : "?0" }) },
};
/** Bytes of one request: each answer confirms what came before it. */
const REQUEST_BYTES = 32 * 2 ** 20;
/** Answers after which the offset is asked for: somebody else was at it. */
const CONFLICT = 409;

/** @param {Job} job */
const dialectOf = ({ context: { options } }) => DIALECTS[options.protocol === "ietf" ? "ietf" : "tus"];

/** @param {string} text */
const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

/** @param {Job} job */
function metadata({ entry }) {
  const pairs = { filename: entry.name, ...(entry.type && { filetype: entry.type }), ...(entry.path !== entry.name && { path: entry.path }) };
  return Object.entries(pairs).map(([name, value]) => `${name} ${base64(value)}`).join(",");
}

/** Opens the upload of a grant by telling the length; answers with its id. @param {Job} job */
export async function createByLength(job) {
  const { entry, context: { api, clock }, signal } = job;
  const { path, common, completeness } = dialectOf(job);
  const answer = await api.request(entry, signal, {
    method: "POST", path, headers: { ...common, ...completeness(false), "upload-length": String(entry.size), "upload-metadata": metadata(job) },
  });
  if (answer.status >= 300) throw serviceProblem(answer, clock.now());
  const id = answer.header("location")?.split("/").pop();
  if (!id) throw new ProblemError({ code: "service", message: "The service did not say where the upload is.", retryable: false });
  return id;
}

/** @param {Job} job @param {import("./types.js").UploadTruth} upload */
export async function appendAll(job, upload) {
  const { entry } = job;
  if (upload.size === undefined) await job.persevere("open", () => createByLength(job));
  let offset = await job.persevere("append", () => askOffset(job, upload.id));
  job.setConfirmed(offset);
  while (offset < entry.size) {
    let known = true;
    offset = await job.persevere("append", async () => {
      // After a failure the service knows how far it came.
      const from = known ? offset : await askOffset(job, upload.id);
      known = false;
      return from < entry.size ? appendFrom(job, upload.id, from) : from;
    });
  }
}

/** @param {Job} job @param {string} id */
async function askOffset(job, id) {
  const { entry, context: { api, clock }, signal } = job;
  const { path, common } = dialectOf(job);
  const answer = await api.request(entry, signal, { method: "HEAD", path: `${path}/${id}`, headers: common });
  if (answer.status >= 300) throw serviceProblem(answer, clock.now());
  return offsetOf(answer);
}

/** @param {HttpResponse} answer */
function offsetOf(answer) {
  const offset = Number(answer.header("upload-offset") ?? NaN);
  if (Number.isInteger(offset)) return offset;
  throw new ProblemError({ code: "service", message: "The service did not say how much it has.", retryable: true });
}

/** @param {Job} job @param {string} id @param {number} from */
async function appendFrom(job, id, from) {
  const { entry, context, signal } = job;
  const most = (await context.limits(signal))?.maxAppend ?? Infinity;
  const end = Math.min(entry.size, from + Math.min(REQUEST_BYTES, most));
  const { path, contentType, common, completeness } = dialectOf(job);
  job.setConfirmed(from);
  const answer = await context.api.request(entry, signal, {
    method: "PATCH", path: `${path}/${id}`, kind: "bytes", body: job.blob(from, end), onProgress: (loaded) => job.fly("append", loaded),
    headers: { ...common, ...completeness(end === entry.size), "upload-offset": String(from), "content-type": contentType },
  });
  if (answer.status < 300) {
    const offset = offsetOf(answer);
    job.confirm("append", offset - from);
    return offset;
  }
  job.fly("append", 0);
  if (answer.status === CONFLICT) return askOffset(job, id);
  throw serviceProblem(answer, context.clock.now());
}
