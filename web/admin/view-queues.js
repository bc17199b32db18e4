// Queues and their jobs: how many wait, run and are dead, and since when; pause, resume.

import { button, h, icon } from "./dom.js";
import { sparkline } from "./charts.js";
import { ask } from "./dialog.js";
import { count, duration, plural, shortId, time } from "./format.js";
import { createList } from "./list.js";
import { emptyState, notify, problemBox, state } from "./pieces.js";
import { href, openHref } from "./router.js";

const LATE_AFTER = 10 * 60_000;

export function queuesView(app) {
  const cards = h("div.cards");
  const trouble = h("div");
  const jobs = jobList(app, { label: "Jobs", states: ["ready", "running", "dead"], empty: emptyState("No job waits or runs.", "Work that is owed for an asset is listed here: processing, purging, webhook deliveries.") });
  const refresh = async () => {
    try {
      const [{ queues }, slots] = await Promise.all([app.api.get("/v1/admin/queues"), readSlots(app)]);
      cards.replaceChildren(...queues.map((queue) => queueCard(app, queue, slots)));
      trouble.replaceChildren();
    } catch (problem) {
      trouble.replaceChildren(problemBox(problem, refresh));
    }
  };
  return { ...jobs, element: h("div.stack", trouble, cards, h("h2", "Jobs"), jobs.element), refresh: () => Promise.all([refresh(), jobs.refresh()]) };
}

/** Settings that say how many jobs of a kind a node works on at once. */
const SLOTS = { process: "processing.concurrency", recheck: "processing.concurrency", rescan: "processing.concurrency", deliver: "webhooks.deliveries" };

/** The settings of the node that answers; only operators may read them. */
const readSlots = ({ api, rights }) => (rights.operator ? api.get("/v1/admin/config").then(({ settings }) => settings, () => null) : null);

const MEANINGS = {
  process: "Type, digest, scan and derivatives of new files", recheck: "The same again, on request", rescan: "Scans after a new signature",
  deliver: "Webhook deliveries", purge: "Removal of bytes", erase: "Deletion of tenants",
};

/** Kinds of which more than one job runs at a time. */
const CHANGEABLE = ["process", "recheck", "rescan", "deliver", "purge"];

/** How many run at once, and by what. */
function slotsText(queue, slots) {
  if (queue.concurrency) return h("span.num", { title: "Set by an operator" }, `; ${queue.concurrency} at once in each worker`);
  const most = slots?.[SLOTS[queue.kind]];
  return most && h("span.num", { title: `Setting ${SLOTS[queue.kind]}` }, `; ${most} at once on each node`);
}

/** What ended in the last hour: a line by the minute, and the sums. */
function throughput({ minutes, kind }) {
  const sum = (name) => minutes.reduce((all, minute) => all + minute[name], 0);
  const [finished, failed] = [sum("finished"), sum("failed")];
  if (!finished && !failed) return h("p.throughput", "No job ended in the last hour.");
  const first = Math.floor(Date.now() / 60_000) - 59;
  const values = Array.from({ length: 60 }, () => 0);
  for (const { at, finished: done } of minutes) {
    const place = Math.floor(Date.parse(at) / 60_000) - first;
    if (place >= 0 && place < 60) values[place] += done;
  }
  return h("p.throughput", { "aria-label": `Throughput of ${kind}` }, sparkline(values),
    h("span.num", `${count(finished)} finished, ${count(failed)} failed in the last hour; at most ${count(Math.max(...values))} a minute`));
}

function queueCard(app, queue, slots) {
  const age = queue.oldest_due_at ? Date.now() - Date.parse(queue.oldest_due_at) : 0;
  const number = (name, value, tone, rows = name) => h("a.metric", { href: href("queues", { kind: queue.kind, state: rows }), "data-tone": value ? tone : null }, h("b.num", count(value)), h("span", name));
  return h("section.card.queue", { "aria-label": `Queue ${queue.kind}` },
    h("header", h("h2", queue.kind), queue.paused && state("paused"), !queue.paused && age > LATE_AFTER && state("late")),
    h("p.muted", MEANINGS[queue.kind], slotsText(queue, slots)),
    h("div.metrics", number("ready", queue.ready - queue.scheduled - queue.retrying), number("scheduled", queue.scheduled, null, "ready"), number("retry", queue.retrying, "warning", "ready"),
      number("running", queue.running, "running"), number("dead", queue.dead, "failed")),
    throughput(queue),
    h("footer", h("span.muted", queue.oldest_due_at ? (age > 0 ? `oldest waits ${duration(age)}` : `next is due in ${duration(-age)}`) : "nothing waits"),
      app.rights.operator && CHANGEABLE.includes(queue.kind) && button(".small.quiet", { click: () => changeConcurrency(app, queue) }, "Concurrency"),
      app.rights.operator && button(".small.quiet", { click: () => pauseQueue(app, queue) }, icon(queue.paused ? "resume" : "pause"), queue.paused ? "Resume" : "Pause")));
}

const pauseQueue = (app, { kind, paused, ready }) => ask({
  title: paused ? `Resume the queue ${kind}?` : `Pause the queue ${kind}?`,
  text: paused ? `Workers on every node take its jobs again; ${count(ready)} wait.` : "No node begins a job of this kind until you resume it. Jobs that run already are finished; new ones wait.",
  action: paused ? "Resume" : "Pause", done: paused ? "The queue is resumed." : "The queue is paused.",
  run: async () => { await app.api.send("POST", `/v1/admin/queues/${kind}/${paused ? "resume" : "pause"}`); app.refresh(); },
});

const changeConcurrency = (app, { kind, concurrency }) => ask({
  title: `How many jobs of ${kind} run at once?`, text: "Each worker takes it up within seconds. Jobs that run already are finished.",
  fields: [{ name: "jobs", label: "At once in each worker", value: concurrency ?? "", help: "1 to 256. Empty: as many as the worker's setting says." }],
  action: "Change", done: "Workers take it up within seconds.",
  run: async ({ jobs }) => {
    const text = String(jobs).trim();
    // What is no number is refused by the service, and not taken for "as many as the setting says".
    await app.api.send("PUT", `/v1/admin/queues/${kind}/concurrency`, { concurrency: text === "" ? null : /^\d+$/.test(text) ? Number(text) : text });
    app.refresh();
  },
});

const KINDS = ["process", "recheck", "rescan", "deliver", "purge", "erase"];

/** Jobs with filters; `state` may be fixed. */
export function jobList(app, { label, states, fixed, empty, bulk, tools }) {
  return createList({
    label, noun: fixed ? `${fixed} job` : "job", key: (job) => job.id, name: (job) => `job ${shortId(job.id)}`, tools,
    href: (job) => openHref("job", job.id),
    filters: [
      ...(fixed ? [] : [{ name: "state", label: "State", options: [["", "Any"], ...states.map((name) => [name, name])] }]),
      { name: "kind", label: "Kind", options: [["", "Any"], ...KINDS.map((name) => [name, name])] },
    ],
    columns: [
      { title: "Job", cell: (job) => h("code", { title: job.id }, shortId(job.id)) },
      { title: "Kind", cell: (job) => job.kind },
      ...(fixed ? [] : [{ title: "State", cell: (job) => state(job.state) }]),
      { title: "Last error", cell: (job) => h("span.error-text", job.last_error ?? "") },
      { title: "Tries", numeric: true, cell: (job) => count(job.tries) },
      { title: fixed === "dead" ? "Given up" : "Due", cell: (job) => time(job.due_at) },
      { title: "Created", wide: true, cell: (job) => time(job.created_at) },
      { title: "Asset", wide: true, cell: (job) => (job.asset_id ? h("a", { href: openHref("asset", job.asset_id), title: job.asset_id }, shortId(job.asset_id)) : "–") },
    ],
    actions: (job) => (job.state === "dead" ? [
      button(".small.quiet", { click: () => retryJobs(app, [job]) }, "Retry"),
      button(".small.quiet", { click: () => discardJobs(app, [job]) }, "Discard"),
    ] : []),
    bulk, empty,
    load: async ({ state: asked, kind }, { cursor, limit }) => {
      const page = await app.api.get("/v1/admin/jobs", { state: fixed ?? asked, kind, limit, after: cursor });
      return { rows: page.jobs, next: page.next_after };
    },
  });
}

/** The service takes no longer reason. */
const MAX_REASON_CHARACTERS = 500;

const each = async (jobs, act) => {
  for (const job of jobs) await act(job);
};

const named = (jobs) => (jobs.length === 1 ? `the job ${jobs[0].kind} ${shortId(jobs[0].id)}` : `${jobs.length} dead jobs`);

export const retryJobs = (app, jobs) => ask({
  title: `Retry ${named(jobs)}?`, text: "It is ready again with all its tries. If the cause is not mended it will be dead again.",
  action: "Retry", done: "Ready again.",
  run: async () => { await each(jobs, (job) => app.api.send("POST", `/v1/admin/jobs/${job.id}/retry`)); app.refresh(); },
});

export const discardJobs = (app, jobs) => ask({
  title: `Discard ${named(jobs)}?`, text: "The work is not done and never will be. Assets stay as they are.",
  fields: [{ name: "reason", label: "Reason (optional)", maxLength: MAX_REASON_CHARACTERS, help: "Kept in the audit log and in the job's history." }],
  action: "Discard", danger: true, done: "Discarded.",
  run: async ({ reason }) => {
    await each(jobs, (job) => app.api.send("DELETE", `/v1/admin/jobs/${job.id}`, reason ? { reason } : undefined));
    app.refresh();
  },
});

export const retryAllDead = (app, kind) => ask({
  title: kind ? `Retry every dead job of kind ${kind}?` : "Retry every dead job?",
  text: "All that match are ready again, a thousand at a time, until none is left.",
  action: "Retry all",
  run: async () => {
    let total = 0;
    for (;;) {
      const { retried } = await app.api.send("POST", "/v1/admin/jobs/retry", kind ? { kind } : {});
      total += retried;
      if (!retried) break;
    }
    notify(`${plural(total, "job is", "jobs are")} ready again.`);
    app.refresh();
  },
});
