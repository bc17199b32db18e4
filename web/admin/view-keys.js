// API keys: create (the secret is shown once), rotate, revoke.

import { button, h } from "./dom.js";
import { ask } from "./dialog.js";
import { shortId, time } from "./format.js";
import { createList } from "./list.js";
import { emptyState, state } from "./pieces.js";
import { here } from "./router.js";
import { showSecret } from "./view-webhooks.js";

const SCOPES = ["upload", "read", "link", "process", "admin"];

export function keysView(app) {
  return createList({
    label: "Keys", noun: "key", key: (key) => key.id, name: (key) => key.name ?? shortId(key.id),
    filters: app.rights.operator ? [{ name: "tenant", label: "Tenant", kind: "text", placeholder: "name or id" }] : [],
    tools: [button(".small", { click: () => addKey(app) }, "New key")],
    columns: [
      { title: "Name", cell: (key) => key.name ?? h("span.muted", "without a name") },
      { title: "Id", cell: (key) => h("code", { title: key.id }, shortId(key.id)) },
      { title: "State", cell: (key) => keyState(key) },
      { title: "Scopes", cell: (key) => key.scopes.join(", ") },
      { title: "Last used", cell: (key) => time(key.last_used_at) },
      { title: "Expires", wide: true, cell: (key) => time(key.expires_at) },
      { title: "Created", wide: true, cell: (key) => time(key.created_at) },
    ],
    actions: (key) => (key.revoked_at ? [] : [
      button(".small.quiet", { click: () => rotateKey(app, key) }, "Rotate"),
      button(".small.quiet", { click: () => revokeKey(app, key) }, "Revoke"),
    ]),
    empty: emptyState("There is no key."),
    load: async ({ tenant }, { cursor, limit }) => {
      const page = await app.api.get("/v1/keys", { tenant, limit, after: cursor });
      return { rows: page.keys, next: page.next_after };
    },
  });
}

function keyState(key) {
  if (key.revoked_at) return state("refused", "revoked");
  if (key.expires_at && Date.parse(key.expires_at) < Date.now()) return state("expired");
  return state("active");
}

const withTenant = (path) => (here().params.tenant ? `${path}?tenant=${encodeURIComponent(here().params.tenant)}` : path);
const named = (key) => key.name ?? shortId(key.id);

const addKey = (app) => ask({
  title: "New key",
  fields: [
    { name: "name", label: "Name", help: "What or who it is for." },
    { name: "scopes", label: "Scopes", kind: "checks", options: SCOPES, value: ["upload", "read"] },
    { name: "expires_in", label: "Expires in", help: "Like 90d. Empty: never." },
  ],
  action: "Make the key",
  run: async ({ name, scopes, expires_in }) => {
    const made = await app.api.send("POST", withTenant("/v1/keys"), { name: name || null, scopes, expires_in: expires_in || null });
    app.refresh();
    setTimeout(() => showSecret(`The key ${made.name ?? ""}`.trim(), made.key));
  },
});

const rotateKey = (app, key) => ask({
  title: `Rotate the key ${named(key)}?`, text: "It gets a new secret. The old one works as well until the overlap has passed.",
  fields: [{ name: "overlap", label: "Overlap", value: "1d", help: "Like 1h or 7d." }], action: "Rotate",
  run: async ({ overlap }) => {
    const made = await app.api.send("POST", withTenant(`/v1/keys/${key.id}/rotate`), { overlap: overlap || null });
    app.refresh();
    setTimeout(() => showSecret(`The key ${named(key)}`, made.key));
  },
});

const revokeKey = (app, key) => ask({
  title: `Revoke the key ${named(key)}?`, text: "Whoever uses it is refused at once, on every node within seconds. This cannot be undone.", action: "Revoke", danger: true, done: "Revoked.",
  run: async () => { await app.api.send("DELETE", withTenant(`/v1/keys/${key.id}`)); app.refresh(); },
});
