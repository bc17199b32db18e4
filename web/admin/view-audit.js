// The audit log: search and export.

import { button, h } from "./dom.js";
import { plural, shortId, time } from "./format.js";
import { createList } from "./list.js";
import { emptyState, notify } from "./pieces.js";
import { here, openHref } from "./router.js";

export function auditView(app) {
  return createList({
    label: "Audit entries", noun: "entry", key: (entry) => entry.id, name: (entry) => entry.action,
    href: (entry) => openHref("audit", entry.id),
    filters: [
      { name: "subject", label: "Subject, like asset:01a2…", kind: "search" },
      { name: "action", label: "Action", kind: "text", placeholder: "key.create" },
      { name: "actor", label: "Actor", kind: "text", placeholder: "key:01a2…" },
      { seldom: true, name: "since", label: "Since", kind: "date" },
      { seldom: true, name: "until", label: "Until", kind: "date" },
    ],
    tools: [button(".small", { click: () => exportEntries(app) }, "Export")],
    columns: [
      { title: "Action", cell: (entry) => h("code", entry.action) },
      { title: "When", cell: (entry) => time(entry.at) },
      { title: "Subject", cell: (entry) => h("span", { title: entry.subject }, subjectText(entry.subject)) },
      { title: "Actor", cell: (entry) => h("span", { title: entry.actor }, subjectText(entry.actor)) },
      { title: "From", wide: true, cell: (entry) => h("code", entry.peer ?? "–") },
      { title: "Request id", wide: true, cell: (entry) => h("code", entry.request_id ?? "–") },
    ],
    empty: emptyState("Nothing was done yet.", "Every change by a key, a link or the service itself is written here."),
    load: async ({ subject, action, actor, since, until }, { cursor, limit }) => {
      const page = await app.api.get("/v1/admin/audit", { subject, action, actor, since, until, limit, after: cursor });
      auditEntries.clear();
      page.entries.forEach((entry) => auditEntries.set(entry.id, entry));
      return { rows: page.entries, next: page.next_after };
    },
  });
}

/** Entries of the last page: there is no request for a single one. */
export const auditEntries = new Map();

export function subjectText(subject) {
  const [kind, id] = (subject ?? "").split(":");
  return id ? `${kind} ${shortId(id)}` : subject;
}

/** All entries that match, as JSON Lines, by a file of the browser. */
async function exportEntries(app) {
  const { subject, action, actor, since, until } = here().params;
  notify("The export is being made…");
  const lines = [];
  let after;
  do {
    const page = await app.api.get("/v1/admin/audit", { subject, action, actor, since, until, limit: 1000, after }).catch((problem) => { notify(`The export failed: ${problem.message}`); });
    if (!page) return;
    lines.push(...page.entries.map((entry) => JSON.stringify(entry)));
    after = page.next_after;
  } while (after);
  const link = h("a", { href: URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "application/x-ndjson" })), download: "gantry-audit.jsonl" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  notify(`${plural(lines.length, "entry was", "entries were")} exported.`);
}
