// One column of what happened, with the time between; jobs, deliveries and requests are folded under their event.

import { h, icon } from "./dom.js";
import { duration, exactTime, precise, shortId } from "./format.js";
import { facts, jsonFacts, state } from "./pieces.js";
import { href } from "./router.js";
import { subjectText } from "./view-audit.js";

const WORDS = {
  "asset.created": "Upload opened", "upload.completing": "Completion began", "upload.completed": "Upload complete", "upload.failed": "Upload failed",
  "upload.aborted": "Upload aborted", "upload.expired": "Upload expired", "asset.stored": "Bytes stored", "asset.abandoned": "Asset abandoned",
  "asset.processing": "Processing began", "asset.ready": "Ready", "asset.rejected": "Rejected", "asset.failed": "Processing failed",
  "asset.rechecked": "Processed again", "asset.corrupt": "Stored bytes are damaged", "asset.changed": "Properties changed", "asset.released": "Released",
  "asset.deleted": "Deleted", "asset.purged": "Bytes removed",
};
const TONES = {
  "asset.ready": "ready", "asset.released": "ready", "asset.rechecked": "ready", "upload.completed": "ready", "asset.stored": "ready",
  "asset.processing": "running", "upload.completing": "running",
  "asset.rejected": "failed", "asset.failed": "failed", "upload.failed": "failed", "asset.corrupt": "failed",
  "upload.aborted": "warning", "upload.expired": "warning", "asset.abandoned": "warning",
};
/** An audit entry belongs to an event that is at most so far from it. */
const SAME_MOMENT = 1500;

export function timeline({ events, audit, jobs, deliveries }) {
  const items = events.map((event) => ({ at: Date.parse(event.at), event, entries: [], deliveries: [], jobs: [] }));
  const loose = [];
  for (const entry of audit) {
    const at = Date.parse(entry.at);
    const near = items.filter((item) => Math.abs(item.at - at) < SAME_MOMENT).sort((one, other) => Math.abs(one.at - at) - Math.abs(other.at - at))[0];
    if (near) near.entries.push(entry);
    else loose.push({ at, entry });
  }
  for (const one of deliveries) (items.find((item) => item.event.seq === one.delivery.seq) ?? items.at(-1))?.deliveries.push(one);
  for (const job of jobs) jobPlace(items, job)?.jobs.push(job);
  const all = [...items, ...loose].sort((one, other) => one.at - other.at);
  return h("ol.timeline", all.map((item, at) => [at > 0 && gap(item.at - all[at - 1].at), item.event ? eventItem(item) : entryItem(item)]));
}

/** A job stands under the event that made it owed. */
function jobPlace(items, job) {
  const begun = Date.parse(job.created_at) + SAME_MOMENT;
  return items.findLast((item) => item.at <= begun) ?? items.at(-1);
}

const gap = (millis) => h("li.gap", { "aria-hidden": millis < 1000 ? "true" : null }, millis >= 1 ? duration(millis) : "at once");

function eventItem({ event, entries, deliveries, jobs }) {
  const tone = TONES[event.type] ?? "idle";
  const { code, detail } = event.data ?? {};
  return h("li.item", { "data-tone": tone },
    h("span.dot", icon(tone === "idle" ? "event" : tone)),
    h("div.what", h("p", h("strong", WORDS[event.type] ?? event.type), code && h("code", code)), detail && h("p", detail),
      jobs.map(jobFold), deliveries.map(deliveryFold), details(event, entries)),
    h("time.num", { datetime: event.at, title: exactTime(event.at) }, precise(event.at)));
}

function details(event, entries) {
  const requests = [...new Set(entries.map((entry) => entry.request_id).filter(Boolean))];
  const data = Object.fromEntries(Object.entries(event.data ?? {}).filter(([name]) => !["filename", "detail", "code"].includes(name)));
  return h("details", { "data-fold": `event-${event.seq}` }, h("summary", `Event ${event.seq}`, requests.length > 0 && `, request ${requests[0]}`),
    facts([["Type", h("code", event.type)], ["Feed", h("code", event.id)], ["Time", exactTime(event.at)]]), jsonFacts(data), entries.map(entryFacts));
}

const entryFacts = (entry) => h("div.entry", facts([
  ["Audit", h("code", entry.action)], ["Actor", h("span", { title: entry.actor }, subjectText(entry.actor))], ["From", entry.peer && h("code", entry.peer)],
  ["Request id", entry.request_id && h("code", entry.request_id)],
]), entry.after && jsonFacts(entry.after));

const entryItem = ({ entry }) => h("li.item", { "data-tone": "idle" }, h("span.dot", icon("audit")),
  h("div.what", h("p", h("strong", entry.action), h("span.muted", ` by ${subjectText(entry.actor)}`)),
    h("details", { "data-fold": `entry-${entry.id}` }, h("summary", entry.request_id ? `Request ${entry.request_id}` : "Audit entry"), entryFacts(entry))),
  h("time.num", { datetime: entry.at, title: exactTime(entry.at) }, precise(entry.at)));

const jobFold = (job) => h("details.fold", { "data-fold": `job-${job.id}`, open: job.state === "dead" },
  h("summary", icon("job"), `Job ${job.kind} `, state(job.state)),
  facts([["Id", h("a", { href: href("dead", { open: `job:${job.id}` }) }, h("code", shortId(job.id)))], ["Tries", String(job.tries ?? job.attempts.length)], ["Last error", job.last_error]]), attempts(job.attempts));

const deliveryFold = ({ endpoint, delivery }) => h("details.fold", { "data-fold": `delivery-${delivery.id}`, open: delivery.state === "dead" },
  h("summary", icon("webhooks"), "Webhook ", state(delivery.state)),
  facts([["Endpoint", h("a", { href: href("webhooks", { open: `webhook:${endpoint.id}` }) }, endpoint.url)], ["Next try", delivery.next_try_at && exactTime(delivery.next_try_at)]]),
  deliveryAttempts(delivery.attempts));

/** Attempts of a job: start, length, worker, outcome. */
export function attempts(list) {
  if (!Array.isArray(list) || !list.length) return null;
  return h("ol.attempts", list.map((one) => {
    const { attempt, started_at: from, ended_at: to, outcome, worker, error } = one;
    return h("li", h("span", h("span.num.muted", `${attempt}. `), h("time.num", { datetime: from, title: exactTime(from) }, precise(from)), " ", h("strong", outcome)),
      h("span.muted", [to && duration(Date.parse(to) - Date.parse(from)), worker && `on ${worker}`].filter(Boolean).join(" ")),
      error && h("p.error-text", error));
  }));
}

export const deliveryAttempts = (list) => (list?.length ? h("ol.attempts", list.map(({ at, status, millis, problem }) =>
  h("li", h("span", h("time.num", { datetime: at, title: exactTime(at) }, precise(at)), " ", h("strong", status ? `status ${status}` : problem ?? "no answer")), h("span.muted.num", duration(millis)),
    status && problem && h("p.error-text", problem)))) : null);
