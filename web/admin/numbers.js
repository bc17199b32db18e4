// The numbers of the overview, from the routes that this key may ask.

import { budgetOf, readOlderHours } from "./budget.js";
import { bytes, count, duration, percent, shortCount } from "./format.js";

const HOUR = 3_600_000;
const HOURS = 24;
const COUNTED = 500;
const STALLED_FOR = "10m";

export async function readNumbers({ api, rights }) {
  const optional = (promise) => promise.catch(() => null);
  const tenant = rights.operator ? "*" : undefined;
  const uploads = (parameters) => optional(api.get("/v1/uploads", { state: "open", limit: COUNTED, tenant, ...parameters }).then((page) => ({ rows: page.uploads, next: page.next })));
  const from = new Date(Math.floor(Date.now() / HOUR) * HOUR - (2 * HOURS - 1) * HOUR).toISOString();
  const rejected = optional(api.get("/v1/assets", { state: "rejected", limit: COUNTED, tenant }).then(({ assets, next }) => ({ rows: assets, next })));
  const [newest, open, stalled, refused, stats, older, queues, alarms, overview, nodes] = await Promise.all([
    api.get("/v1/assets", { limit: 8 }).then((page) => page.assets),
    uploads(), uploads({ idle_for: STALLED_FOR }), rejected,
    rights.admin ? optional(api.get("/v1/admin/stats", { from })) : null,
    rights.admin ? optional(readOlderHours(api, from)) : null,
    rights.admin ? optional(api.get("/v1/admin/queues")) : null,
    rights.operator ? optional(api.get("/v1/admin/alarms")) : null,
    optional(api.get("/v1/admin/overview")),
    rights.operator ? optional(api.get("/v1/admin/nodes")) : null,
  ]);
  const hours = stats && byHour(stats.hours, overview?.minutes ?? []);
  const lists = { open: sizeOf(open), stalled: sizeOf(stalled), rejected: sizeOf(refused) };
  const budget = stats && older && budgetOf([...older, ...stats.hours], Date.now());
  const tiles = tilesOf({ lists, hours, queues: queues?.queues, overview, nodes: nodes?.nodes, rights });
  return { newest, alarms: alarms?.alarms, hours, budget, minutes: overview && byMinute(overview), tiles };
}

/** How many a page has: a text, because there may be more than were asked for. */
const sizeOf = (page) => page && { number: page.rows.length, text: `${count(page.rows.length)}${page.next ? "+" : ""}` };

/** Events of the last day by hour, and sums of the day before. Of the hour that runs, this node may know more than was counted yet. */
function byHour(rows, minutes) {
  const first = Math.floor(Date.now() / HOUR) * HOUR - (HOURS - 1) * HOUR;
  const times = Array.from({ length: HOURS }, (_, at) => first + at * HOUR);
  const running = minutes.filter(({ at }) => Date.parse(at) >= times.at(-1));
  const of = (type, field = "count", name = type.replace("asset.", "")) => {
    const values = times.map(() => 0);
    let before = 0;
    for (const row of rows.filter((one) => one.type === type)) {
      const at = (Date.parse(row.hour) - first) / HOUR;
      if (at >= 0 && at < HOURS) values[at] += row[field];
      else if (at < 0) before += row[field];
    }
    values[HOURS - 1] = Math.max(values[HOURS - 1], running.reduce((sum, minute) => sum + minute[name], 0));
    return { values, sum: values.reduce((sum, value) => sum + value, 0), before };
  };
  const [ready, rejected, failed, stored] = [of("asset.ready"), of("asset.rejected"), of("asset.failed"), of("asset.stored", "bytes", "bytes_in")];
  return { times, ready: ready.values, rejected: rejected.values, failed: failed.values, bytes: stored.values, sums: { ready, rejected, failed, stored } };
}

/** The last hour by minute, where the service knows it. */
function byMinute({ minutes }) {
  if (!minutes.length) return null;
  const of = (name) => minutes.map((one) => one[name]);
  return { times: minutes.map(({ at }) => Date.parse(at)), bytesIn: of("bytes_in"), bytesOut: of("bytes_out"), stored: of("stored") };
}

function changeOf({ sum, before }) {
  if (!before) return null;
  const share = Math.round((100 * (sum - before)) / before);
  return share === 0 ? "as the day before" : `${share > 0 ? "+" : "−"}${Math.abs(share)} % to the day before`;
}

function tilesOf({ lists, hours, queues, overview, nodes, rights }) {
  // The number is that of the rows behind it, unless there are more of them than were counted.
  const exact = lists.open && !lists.open.text.endsWith("+");
  const inFlight = overview && !exact ? shortCount(overview.uploads_in_flight) : lists.open?.text ?? "–";
  const completing = overview && exact ? overview.uploads_in_flight - lists.open.number : 0;
  const still = lists.stalled?.number;
  const tenant = rights.operator ? { tenant: "*" } : {};
  const tiles = [
    { label: "Uploads in flight", value: inFlight, to: ["uploads", { state: "open", ...tenant }], note: completing > 0 ? `and ${count(completing)} being completed` : rights.operator ? "in all tenants" : "open now" },
    { label: "Stand still", value: lists.stalled?.text ?? "–", note: `nothing came for ${STALLED_FOR.replace("m", " min")}`, to: ["uploads", { state: "open", idle_for: STALLED_FOR, ...tenant }], tone: still ? "warning" : null },
  ];
  tiles.push({ label: "In quarantine", value: lists.rejected?.text ?? "–", note: "rejected assets", to: ["quarantine", tenant], tone: lists.rejected?.number ? "warning" : null });
  if (hours) tiles.push(...dayTiles(hours));
  if (queues) tiles.push(...workTiles(queues, overview));
  else if (overview) tiles.push(...jobTiles(overview));
  if (overview?.storage) tiles.push(...storageTiles(overview, rights));
  if (nodes) tiles.push(nodeTile(nodes));
  return tiles;
}

function dayTiles({ sums, ready, rejected, failed, bytes: stored }) {
  const ended = sums.ready.sum + sums.rejected.sum + sums.failed.sum;
  const finished = ready.map((value, at) => value + rejected[at] + failed[at]);
  return [
    { label: "Success rate, 24 h", value: percent(sums.ready.sum, ended), note: ended ? `${count(sums.rejected.sum + sums.failed.sum)} of ${count(ended)} did not get ready` : "counted once a minute", series: finished,
      to: ["failures", {}], tone: ended && sums.ready.sum / ended < 0.9 ? "warning" : null },
    { label: "Stored, 24 h", value: bytes(sums.stored.sum), change: changeOf(sums.stored), note: sums.stored.before ? "" : "by all files that arrived", series: stored, to: ["assets", {}] },
  ];
}

function workTiles(queues, overview) {
  const sum = (name) => queues.reduce((all, queue) => all + queue[name], 0);
  const oldest = queues.map(({ oldest_due_at: at }) => (at ? Date.now() - Date.parse(at) : 0)).reduce((one, other) => Math.max(one, other), 0);
  const dead = overview?.dead_jobs ?? sum("dead");
  const tiles = [
    { label: "Jobs", value: shortCount(sum("ready") + sum("running")), note: oldest > 1000 ? `oldest waits ${duration(oldest)}` : "nothing waits too long", to: ["queues", {}], tone: oldest > 600_000 ? "warning" : null },
    { label: "Dead letters", value: shortCount(dead), note: "jobs that were given up", to: ["dead", {}], tone: dead ? "failed" : null },
  ];
  if (overview?.dead_deliveries != null) {
    tiles.push({ label: "Dead deliveries", value: shortCount(overview.dead_deliveries), note: "webhooks that nobody took", to: ["webhooks", {}], tone: overview.dead_deliveries ? "failed" : null });
  }
  return tiles;
}

/** Numbers without their rows: only administrators see jobs. */
function jobTiles({ jobs, dead_jobs: dead, dead_deliveries: undelivered }) {
  const waiting = jobs.filter((one) => one.state !== "dead").reduce((sum, one) => sum + one.count, 0);
  return [
    { label: "Jobs", value: shortCount(waiting), note: "that wait or run" },
    { label: "Dead letters", value: shortCount(dead), note: "jobs that were given up", to: ["failures", {}], tone: dead ? "failed" : null },
    { label: "Dead deliveries", value: shortCount(undelivered), note: "webhooks that nobody took", to: ["failures", {}], tone: undelivered ? "failed" : null },
  ];
}

function nodeTile(nodes) {
  const versions = [...new Set(nodes.map(({ version }) => version))];
  const note = versions.length === 1 ? `version ${versions[0]}` : `versions ${versions.join(", ")}`;
  return { label: "Processes", value: count(nodes.length), note, to: ["system", {}], tone: versions.length > 1 ? "warning" : null };
}

function storageTiles({ storage, disk_free: free }, rights) {
  const notes = [storage.reserved != null && `${bytes(storage.reserved)} reserved`, storage.orphaned != null && `${bytes(storage.orphaned)} orphaned`].filter(Boolean);
  return [
    { label: "Storage", value: bytes(storage.used), note: notes.join(", "), to: ["storage", {}] },
    ...(free != null ? [{ label: "Disk free", value: bytes(free), note: "on the disk of the data directory", to: ["system", {}] }] : []),
  ];
}
