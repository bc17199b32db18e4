// A small file: one PUT to the storage, or through the service where the credential cannot get another signed address.

import { isGrant } from "./api.js";
import { create } from "./open.js";
import { serviceProblem, storageProblem } from "./problem.js";

/** @typedef {import("./job.js").Job} Job */
/** @typedef {import("./types.js").SignedUrl} SignedUrl */

/** The storage has the bytes already, from a try whose answer was lost. */
const ALREADY_THERE = 412;

/** @param {Job} job @param {string} uploadId @param {SignedUrl} [given] */
export async function sendWhole(job, uploadId, given) {
  let signed = given;
  await job.persevere("whole", async () => {
    signed ??= await freshUrl(job);
    if (!signed) return sendThroughService(job, uploadId);
    let answer = await job.sendToStorage("whole", () => /** @type {SignedUrl} */ (signed), job.blob());
    // A signature that ran out is no try: it is made anew once.
    if (answer.status === 403) {
      signed = await freshUrl(job);
      if (!signed) return sendThroughService(job, uploadId);
      answer = await job.sendToStorage("whole", () => /** @type {SignedUrl} */ (signed), job.blob());
    }
    signed = undefined;
    if (answer.status >= 300 && answer.status !== ALREADY_THERE) throw storageProblem(answer, job.context.clock.now());
  });
  job.confirm("whole", job.entry.size);
}

/** Another signed address: creating the upload again finds it. @param {Job} job */
async function freshUrl(job) {
  if (isGrant(job.entry.token)) return undefined;
  return (await create(job)).put;
}

/** @param {Job} job @param {string} id */
async function sendThroughService(job, id) {
  const { entry, context: { api, clock }, signal } = job;
  const answer = await api.request(entry, signal, {
    method: "PUT", path: `/v1/uploads/${id}/content`, kind: "bytes", body: job.blob(),
    headers: { "content-type": "application/octet-stream" }, onProgress: (loaded) => job.fly("whole", loaded),
  });
  if (answer.status >= 300) throw serviceProblem(answer, clock.now());
}
