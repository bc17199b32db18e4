// A job with every attempt.

import { button, h, icon } from "./dom.js";
import { plural, time } from "./format.js";
import { facts, idLine, state } from "./pieces.js";
import { openHref } from "./router.js";
import { Problem } from "./api.js";
import { attempts } from "./timeline.js";
import { discardJobs, retryJobs } from "./view-queues.js";

export async function jobPanel(app, id) {
  const job = await readJob(app, id);
  const tries = job.attempts.filter(({ outcome }) => ["failed", "dead", "lost"].includes(outcome)).length;
  return {
    title: `Job ${job.kind}`,
    content: [
      h("div.headline", state(job.state)),
      job.state === "dead" && h("div.explain", { "data-tone": "failed" }, icon("failed"), h("div",
        h("p", `It was given up after ${plural(tries, "try", "tries")}: ${job.last_error ?? "no reason is known"}.`),
        h("p.muted", "Retry it when the cause is mended, or discard it: its asset stays as it is."))),
      job.state === "dead" && h("div.buttons.start", button(".small.primary", { click: () => retryJobs(app, [job]) }, "Retry"), button(".small.danger", { click: () => discardJobs(app, [job]) }, "Discard")),
      job.discarded && h("div.explain", { "data-tone": "warning" }, icon("warning"), h("div",
        h("p", "It was discarded ", time(job.discarded.at), job.discarded.reason ? `: ${job.discarded.reason}` : "; no reason was given."),
        h("p.muted", "By ", h("code.wrap", job.discarded.actor)))),
      facts([
        ["Id", idLine(job.id)], ["Asset", job.asset_id && h("a", { href: openHref("asset", job.asset_id) }, h("code", job.asset_id))],
        ["Tenant", idLine(job.tenant)], ["Tries", h("span.num", String(tries))], ["Created", job.created_at && time(job.created_at)],
        [job.state === "running" ? "Lease ends" : job.state === "dead" ? "Given up" : "Due", job.due_at && time(job.due_at)], ["Last error", job.state !== "dead" && job.last_error],
      ]),
      h("h3", "Attempts"), attempts(job.attempts) ?? h("p.muted", "No attempt is recorded."),
    ],
  };
}

async function readJob(app, id) {
  try {
    return await app.api.get(`/v1/admin/jobs/${id}`);
  } catch (problem) {
    if (problem.status === 404) throw new Problem("This job is no longer there: it has ended, or was discarded.", { code: "not_found", status: 404, requestId: problem.requestId });
    throw problem;
  }
}
