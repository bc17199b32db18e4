// Dead letters: retry one, some or all that match; discard.

import { button } from "./dom.js";
import { emptyState } from "./pieces.js";
import { here } from "./router.js";
import { discardJobs, jobList, retryAllDead, retryJobs } from "./view-queues.js";

export function deadView(app) {
  return jobList(app, {
    label: "Dead jobs", fixed: "dead",
    empty: emptyState("No job is dead.", "A job comes here when its last try has failed."),
    tools: [button(".small", { click: () => retryAllDead(app, here().params.kind) }, "Retry all that match")],
    bulk: [{ label: "Retry", run: (jobs) => retryJobs(app, jobs) }, { label: "Discard", danger: true, run: (jobs) => discardJobs(app, jobs) }],
  });
}
