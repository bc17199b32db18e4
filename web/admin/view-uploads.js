// Uploads in flight: how far each is, and since when nothing came.

import { button, h } from "./dom.js";
import { ask } from "./dialog.js";
import { bytes, fileName, percent, shortId, time } from "./format.js";
import { createList } from "./list.js";
import { bar, emptyState, state } from "./pieces.js";
import { openHref } from "./router.js";

/** Without activity for so long, an upload stands still. */
export const STALLED_AFTER = 10 * 60_000;
const STATES = ["open", "completing", "completed", "failed", "aborted", "expired"];

export const isStalled = (upload) => ["open", "completing"].includes(upload.state) && Boolean(upload.last_activity_at) && Date.now() - Date.parse(upload.last_activity_at) > STALLED_AFTER;

export const TENANT_FILTER = { name: "tenant", label: "Tenant", options: [["", "This one"], ["*", "All"]] };

export function uploadsView(app) {
  return createList({
    label: "Uploads", noun: "upload", key: (upload) => upload.asset, name: (upload) => upload.filename,
    href: (upload) => openHref("asset", upload.asset),
    filters: [
      { name: "state", label: "State", options: [["", "Any"], ...STATES.map((name) => [name, name])] },
      { name: "idle_for", label: "Idle for", options: [["", "Any time"], ["1m", "1 min"], ["10m", "10 min"], ["1h", "1 h"], ["1d", "1 day"]] },
      { seldom: true, name: "protocol", label: "Protocol", options: [["", "Any"], ["native", "native"], ["tus", "tus"], ["ietf", "IETF"], ["companion", "Companion"], ["form", "form"]] },
      { seldom: true, name: "created_after", label: "Created after", kind: "date" },
      { seldom: true, name: "owner", label: "Key", kind: "text", placeholder: "id of a key" },
      ...(app.rights.operator ? [TENANT_FILTER] : []),
    ],
    columns: [
      { title: "File", cell: (upload) => fileName(upload.filename) },
      { title: "State", cell: (upload) => (isStalled(upload) ? state("stalled", "stands still") : state(upload.state)) },
      { title: "Confirmed", cell: progressCell },
      { title: "Size", numeric: true, cell: (upload) => bytes(upload.size) },
      { title: "Speed", numeric: true, cell: (upload) => (upload.rate ? `${bytes(upload.rate)}/s` : h("span.muted", "–")) },
      { title: "Last activity", cell: (upload) => time(upload.last_activity_at) },
      ...(app.rights.operator ? [{ title: "Tenant", wide: true, cell: (upload) => h("a", { href: openHref("tenant", upload.tenant), title: upload.tenant }, h("code.nowrap", shortId(upload.tenant))) }] : []),
      { title: app.rights.admin ? "Protocol, client" : "Protocol", wide: true, cell: ({ protocol, client }) => twoLines(protocol, client && h("span", { title: client }, client)) },
      { title: app.rights.admin ? "Node, lease" : "Lease", wide: true, cell: (upload) => twoLines(upload.node && h("code", upload.node), leaseOf(upload)) },
      { title: "Expires", wide: true, cell: (upload) => time(upload.expires_at) },
    ],
    actions: (upload) => (app.rights.admin && ["open", "completing"].includes(upload.state)
      ? [upload.state === "open" && button(".small.quiet", { click: () => extendUpload(app, upload) }, "Extend"),
        button(".small.quiet", { click: () => abortUpload(app, upload) }, "Abort")].filter(Boolean) : []),
    empty: emptyState("No upload is in flight.", "An upload is listed here from its first request until it is complete.", "gantry put FILE"),
    load: async (params, { cursor, limit }) => {
      const { state: asked, idle_for, protocol, owner, created_after, tenant } = params;
      const page = await app.api.get("/v1/uploads", { state: asked, idle_for, protocol, owner, created_after, tenant, limit, after: cursor });
      return { rows: page.uploads.map(withRate), next: page.next };
    },
  });
}

/** What was confirmed when a list was last read. */
const seen = new Map();
/** Between readings that are further apart, nothing is said of the speed. */
const LONGEST_GAP = 60_000;

/** The bytes per second since the list was read before. */
function withRate(upload) {
  const now = Date.now();
  const before = seen.get(upload.id);
  seen.set(upload.id, { at: now, offset: upload.offset });
  if (!before || now - before.at > LONGEST_GAP || now === before.at) return upload;
  return { ...upload, rate: Math.max(0, Math.round((1000 * (upload.offset - before.offset)) / (now - before.at))) };
}

/** Only uploads whose bytes pass through the service have a writer with a lease. */
function leaseOf({ leased_until: until }) {
  return until && h("span", Date.parse(until) > Date.now() ? "held, ends " : "ran out ", time(until));
}

/** What belongs together, with what is said less often beneath. */
const twoLines = (first, second) => (first || second ? h("div.two-lines", first, second && h("span.muted", second)) : h("span.muted", "–"));

function progressCell(upload) {
  if (!upload.size) return h("span.num", bytes(upload.offset));
  return h("div.progress", bar(upload.offset, upload.size, `Confirmed of ${upload.filename}`), h("span.num", percent(upload.offset, upload.size)));
}

export const abortUpload = (app, upload) => ask({
  title: `Abort the upload of ${upload.filename}?`,
  text: `${bytes(upload.offset)} that have arrived are removed, and its sender cannot go on. The asset becomes abandoned.`,
  action: "Abort the upload", danger: true, done: "The upload is aborted.",
  run: async () => { await app.api.send("DELETE", `/v1/admin/uploads/${upload.id}`); app.refresh(); },
});

export const extendUpload = (app, upload) => ask({
  title: `Give the upload of ${upload.filename} more time?`, text: "It can go on with the key that began it; a page or a phone needs the new grant.",
  fields: [{ name: "days", label: "Days from now", value: "1", required: true }], action: "Extend", done: "The upload has more time.",
  run: async ({ days }) => { await app.api.send("POST", `/v1/admin/uploads/${upload.id}/extend`, { expires_in: Math.round(Number(days) * 86_400) }); app.refresh(); },
});
