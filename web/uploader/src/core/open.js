// Opens an upload for a file, or finds the one that was begun: by the credential that the page gave, and by what the service
// knows.

import { askPage, isGrant } from "./api.js";
import { ProblemError } from "./problem.js";
import { createByLength } from "./append.js";
import { isSmall } from "./form.js";

/** @typedef {import("./types.js").OpenedUpload} OpenedUpload */
/** @typedef {import("./types.js").UploadTruth} UploadTruth */
/** @typedef {import("./job.js").Job} Job */
/** @typedef {{upload: UploadTruth, put?: import("./types.js").SignedUrl, urls?: import("./types.js").SignedUrl[], form?: string}} Opened */

/** Files up to this size are read once more before they are sent, for a digest that binds them. */
export const SMALL_BYTES = 16 * 2 ** 20;
/** URLs of parts that a creation answers with. */
const FIRST_URLS = 6;
const GONE = new Set(["failed", "aborted", "expired"]);

/** An upload that is gone: the file is sent anew. */
export class UploadGone extends Error {}

/** The service has the file from before, and the page's backend has opened another upload for it: nothing is to be sent. */
export class Arrived extends Error {}

/** The bytes of a grant of version 1; empty: this form of grant is not known here. @param {string} grant */
function bytesOfGrant(grant) {
  const [payload] = grant.slice(3).split(".");
  try {
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
    return bytes[0] === 1 ? bytes : new Uint8Array();
  } catch {
    return new Uint8Array();
  }
}

/** The upload that a grant is for. Undefined: this form of grant is not known here.
 * @param {string} grant */
export function uploadOfGrant(grant) {
  const bytes = bytesOfGrant(grant);
  // The version, four bytes of the key, the upload, the end.
  if (bytes.length !== 29) return undefined;
  const hex = [...bytes.subarray(5, 21)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** True for a grant that opens any number of uploads, as a key does: it has no end of its own. @param {string} grant */
export const isForMany = (grant) => bytesOfGrant(grant).length === 21;

/** @param {Job} job @returns {Promise<Opened>} */
export async function openUpload(job) {
  const { entry, context: { api, options } } = job;
  const { grant } = options;
  if (grant && (!entry.token || !entry.uploadId)) {
    const opened = await askPage(() => grant({ file: entry.info }));
    entry.token = opened.grant;
    if (!entry.token) throw new ProblemError({ code: "token", message: "The page gave no permission to send this file.", retryable: false });
    if (opened.upload.id !== entry.uploadId) {
      if (entry.arrived) throw new Arrived();
      return adopt(job, opened);
    }
    return { upload: checked(job, await truth(job, opened.upload.id)) };
  }
  const token = await api.tokenOf(entry);
  if (isGrant(token) && !isForMany(token) && !grant) {
    const id = uploadOfGrant(token) ?? await createByLength(job);
    if (id !== entry.uploadId && entry.arrived) throw new Arrived();
    if (id !== entry.uploadId) entry.forgetUpload();
    return { upload: checked(job, await truth(job, id)) };
  }
  job.context.learnLimits(entry);
  if (!entry.uploadId) return create(job);
  try {
    return { upload: checked(job, await truth(job, entry.uploadId)) };
  } catch (error) {
    if (error instanceof UploadGone && entry.file && !grant) return create(job);
    throw error;
  }
}

/** @param {Job} job @param {OpenedUpload} opened @returns {Opened} */
function adopt(job, opened) {
  job.entry.forgetUpload();
  return { upload: checked(job, opened.upload), put: opened.put, urls: opened.multipart?.urls, form: byProtocol(job) ? undefined : opened.endpoints?.form };
}

/** Whether the page has chosen the protocol in which the bytes go through the service. @param {Job} job */
const byProtocol = ({ context: { options: { protocol = "auto" } } }) => protocol !== "auto";

/** @param {Job} job @param {string} id */
async function truth({ entry, context: { api }, signal }, id) {
  try {
    return await api.upload(entry, signal, id);
  } catch (error) {
    const status = error instanceof ProblemError ? error.extra.status : undefined;
    if (status === 404 || status === 410) throw new UploadGone("unknown");
    throw error;
  }
}

/** @template {UploadTruth} T @param {Job} job @param {T} upload @returns {T} */
function checked({ entry }, upload) {
  if (GONE.has(upload.state)) throw new UploadGone(upload.state);
  const other = upload.size !== undefined && upload.size !== entry.size;
  const larger = upload.size === undefined && upload.max_size !== undefined && upload.max_size < entry.size;
  if (!other && !larger) return upload;
  const message = other ? "The permission to send is for a file of another size." : `The permission to send is for files up to ${upload.max_size} bytes.`;
  throw new ProblemError({ code: other ? "other_file" : "too_large", message, retryable: false });
}

/** What is asked for when an upload is created. @param {Job} job */
async function wishOf(job) {
  const { entry, context: { options } } = job;
  const { metadata, policy } = options;
  const given = typeof metadata === "function" ? metadata(entry.info) : metadata;
  const limits = await job.context.limits(job.signal);
  const checksums = limits?.checksums?.includes("sha256");
  if (entry.size <= SMALL_BYTES) entry.sha256 ??= (await job.digest()) ?? undefined;
  return {
    filename: entry.name,
    size: entry.size,
    content_type: entry.type,
    ...(checksums && { checksum: "sha256" }),
    urls: checksums ? 0 : FIRST_URLS,
    // Its bytes go through the service: those of a small file in one request if that succeeds.
    ...((isSmall(entry) || byProtocol(job)) && { method: "append" }),
    ...(entry.sha256 && { sha256: entry.sha256 }),
    ...(policy && { policy }),
    metadata: { ...given, ...(entry.path !== entry.name && { path: entry.path }) },
  };
}

/** Creates the upload, or finds it by the file's fingerprint. @param {Job} job @returns {Promise<Opened>} */
export async function create(job) {
  const { entry, context: { api, clock }, signal } = job;
  const wish = await wishOf(job);
  try {
    const opened = entry.ownKey ? await api.create(entry, signal, wish, entry.ownKey)
      : await api.create(entry, signal, { ...wish, external_id: entry.fingerprint });
    if (opened.upload.id !== entry.uploadId) return adopt(job, opened);
    return { upload: opened.upload, put: opened.put, urls: opened.multipart?.urls };
  } catch (error) {
    // Somebody else of the tenant is sending the same file.
    if (!(error instanceof ProblemError) || error.code !== "conflict" || entry.ownKey) throw error;
    entry.ownKey = `${entry.id}.${clock.now()}`;
    return create(job);
  }
}
