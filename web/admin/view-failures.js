// Failures grouped by code: rejected assets, dead jobs, dead deliveries.

import { h } from "./dom.js";
import { count, time } from "./format.js";
import { createList } from "./list.js";
import { emptyState } from "./pieces.js";
import { href, openHref } from "./router.js";

/** Where the rows behind a failure are. */
const ROWS = {
  asset: () => ["quarantine", {}, "Rejected assets"],
  job: ({ code }) => ["dead", { kind: code.replace("dead_job_", "") }, "Dead letters"],
  delivery: () => ["webhooks", {}, "Webhooks"],
};

/** Dead tests of an endpoint are about no asset, which the API tells by the id of nothing. */
const sampleOf = ({ sample }) => (sample && !/^[0-]+$/.test(sample.asset) ? sample : null);

export function failuresView(app) {
  return createList({
    label: "Failures by code", noun: "code", key: (failure) => `${failure.source}:${failure.code}`, name: (failure) => failure.code,
    href: (failure) => (sampleOf(failure) ? openHref("asset", sampleOf(failure).asset) : undefined),
    columns: [
      { title: "Code", cell: (failure) => h("code", failure.code) },
      { title: "Of", cell: (failure) => failure.source },
      { title: "Count", numeric: true, cell: (failure) => count(failure.count) },
      { title: "Last", cell: (failure) => time(failure.last_at) },
      { title: "Sample", cell: (failure) => (sampleOf(failure) ? h("a", { href: openHref("asset", sampleOf(failure).asset) }, "Open") : "–") },
      { title: "Request id", wide: true, cell: (failure) => (sampleOf(failure)?.request_id ? h("code", sampleOf(failure).request_id) : "–") },
      { title: "Rows", cell: rowsLink },
    ],
    empty: emptyState("Nothing has failed.", "Rejected assets, dead jobs and dead deliveries are counted here by their code."),
    load: async () => ({ rows: (await app.api.get("/v1/admin/failures")).failures, next: null }),
  });
}

function rowsLink(failure) {
  const [view, params, word] = (ROWS[failure.source] ?? ROWS.asset)(failure);
  return h("a", { href: href(view, params) }, word);
}
