// Failures grouped by code: rejected assets, dead jobs, dead deliveries.

import { chart } from "./charts.js";
import { h } from "./dom.js";
import { count, dayAndTime, shortCount, weekdayAndHour, time } from "./format.js";
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

const HOUR = 3_600_000;
const HOURS = 48;
const TREND = [["rejected", "warning", "asset.rejected"], ["failed", "failed", "asset.failed"], ["uploads failed", "idle", "upload.failed"]];

export function failuresView(app) {
  const trend = h("div.trend");
  const list = failureList(app);
  const refresh = async () => {
    const hours = app.rights.admin ? await readHours(app.api).catch(() => null) : null;
    const text = JSON.stringify(hours);
    if (trend.dataset.of !== text) trend.replaceChildren(...(hours ? [trendChart(hours)] : []));
    trend.dataset.of = text;
  };
  return { ...list, element: h("div.stack", trend, list.element), refresh: () => Promise.all([refresh(), list.refresh()]) };
}

/** Events of the last two days by hour. */
async function readHours(api) {
  const first = Math.floor(Date.now() / HOUR) * HOUR - (HOURS - 1) * HOUR;
  const { hours } = await api.get("/v1/admin/stats", { from: new Date(first).toISOString() });
  const times = Array.from({ length: HOURS }, (_, at) => first + at * HOUR);
  const series = TREND.map(([name, tone, type]) => {
    const values = times.map(() => 0);
    for (const row of hours) if (row.type === type) values[(Date.parse(row.hour) - first) / HOUR] += row.count;
    return { name, tone, values };
  });
  return { times, series };
}

const trendChart = ({ times, series }) => chart({
  title: "Failures, two days", unit: "an hour", times, series, stacked: true, format: shortCount, least: 2,
  label: weekdayAndHour, tip: (at) => `${dayAndTime(at)}, one hour`, empty: "Nothing failed in these days, as of a minute ago.",
});

function failureList(app) {
  return createList({
    label: "Failures by code", noun: "code", key: (failure) => `${failure.source}:${failure.code}`, name: (failure) => failure.code,
    href: (failure) => (sampleOf(failure) ? openHref("asset", sampleOf(failure).asset) : undefined),
    filters: app.rights.operator ? [{ name: "tenant", label: "Tenant", kind: "text", placeholder: "name or id" }] : [],
    columns: [
      { title: "Code", cell: (failure) => h("code", failure.code) },
      { title: "Of", cell: (failure) => failure.source },
      { title: "Count", numeric: true, cell: (failure) => count(failure.count) },
      { title: "Last", cell: (failure) => time(failure.last_at) },
      { title: "Sample", cell: (failure) => (sampleOf(failure) ? h("a", { href: openHref("asset", sampleOf(failure).asset) }, "Open") : "–") },
      { title: "Request id", wide: true, cell: (failure) => (sampleOf(failure)?.request_id ? h("code", sampleOf(failure).request_id) : "–") },
      { title: "Rows", cell: (failure) => rowsLink(failure, app.rights) },
    ],
    empty: emptyState("Nothing has failed.", "Rejected assets, dead jobs and dead deliveries are counted here by their code."),
    load: async ({ tenant }) => ({ rows: (await app.api.get("/v1/admin/failures", { tenant })).failures, next: null }),
  });
}

function rowsLink(failure, rights) {
  // Jobs and endpoints are shown to administrators.
  if (failure.source !== "asset" && !rights.admin) return h("span.muted", "–");
  const [view, params, word] = (ROWS[failure.source] ?? ROWS.asset)(failure);
  return h("a", { href: href(view, params) }, word);
}
