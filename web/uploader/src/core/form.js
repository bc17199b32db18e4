// A small file as a form to the service: one request, which completes the upload. A form without headers of its own needs no preflight,
// where a signed address of the storage needs one for every file, and a completion another one.

import { until } from "./abort.js";
import { parseJson } from "./problem.js";

/** @typedef {import("./job.js").Job} Job */

/** Files up to this size are sent so: a larger one shall go on where it broke off, and show how far it is. */
const FORM_BYTES = 256 * 1024;
/** Without the service's own words it comes from a proxy, and no byte has reached the service. */
const BODY_LIMIT = 413;

/** Whether a file is sent as a form. @param {{size: number}} file */
export const isSmall = ({ size }) => size > 0 && size <= FORM_BYTES;

/** Once in a job, sends the file where it is small and the service says where to. `taken`: the service has it. `unknown`: what became of it
 * only the service knows. `untried`: nothing has changed, and the file goes its ordinary way; so it is, too, where a proxy did not let the
 * form through. @param {Job} job @param {string | undefined} url @returns {Promise<"taken" | "unknown" | "untried">} */
export async function sendForm(job, url) {
  const { entry, context: { sender, records }, signal } = job;
  if (!url || job.formTried || !entry.file || !isSmall(entry)) return "untried";
  job.formTried = true;
  job.move({ kind: "uploading" });
  // A page that is reloaded now knows by its upload what became of the file; without it the file would be sent twice.
  await until(records.keep(entry), signal);
  const body = new FormData();
  body.append("file", entry.file, entry.name);
  try {
    const sending = sender.send({
      kind: "form", order: entry.order, method: "POST", body, bytes: entry.size, signal,
      target: () => ({ url, headers: { accept: "application/json" } }),
    });
    const { status, text } = await until(sending, signal);
    if (status === BODY_LIMIT && !parseJson(text)) return "untried";
    if (status >= 300) return "unknown";
    job.confirm("whole", entry.size);
    return "taken";
  } catch {
    signal.throwIfAborted();
    return "unknown";
  }
}
