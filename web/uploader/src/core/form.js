// A small file as a form to the service: one request, which completes the upload. A form without headers of its own needs no preflight,
// where a signed address of the storage needs one for every file, and a completion another one.

import { until } from "./abort.js";

/** @typedef {import("./job.js").Job} Job */

/** Files up to this size are sent so: a larger one shall go on where it broke off, and show how far it is. */
const FORM_BYTES = 256 * 1024;

/** Whether a file is sent as a form. @param {{size: number}} file */
export const isSmall = ({ size }) => size > 0 && size <= FORM_BYTES;

/** Sends the file where it is small and the service says where to. Answers whether the service has it; if not, nothing is known: the
 * upload is looked at again, and goes on in its own way. @param {Job} job @param {string | undefined} url */
export async function sendForm(job, url) {
  const { entry, context: { sender }, signal } = job;
  if (!url || job.formTried || !entry.file || !isSmall(entry)) return undefined;
  job.formTried = true;
  job.move({ kind: "uploading" });
  const body = new FormData();
  body.append("file", entry.file, entry.name);
  try {
    const sending = sender.send({
      kind: "form", order: entry.order, method: "POST", body, bytes: entry.size, signal,
      target: () => ({ url, headers: { accept: "application/json" } }),
    });
    const { status } = await until(sending, signal);
    if (status >= 300) return false;
    job.confirm("whole", entry.size);
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
