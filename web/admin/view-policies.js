// Policies: the rules of a tenant, by name.

import { button, h } from "./dom.js";
import { ask } from "./dialog.js";
import { bytes, duration, time } from "./format.js";
import { createList } from "./list.js";
import { emptyState } from "./pieces.js";
import { here, openHref } from "./router.js";

export function policiesView(app) {
  return createList({
    label: "Policies", noun: "policy", key: (policy) => policy.name, name: (policy) => policy.name,
    href: (policy) => openHref("policy", policy.name),
    filters: app.rights.operator ? [{ name: "tenant", label: "Tenant", kind: "text", placeholder: "name or id" }] : [],
    tools: [button(".small", { click: () => editPolicy(app) }, "New policy")],
    columns: [
      { title: "Name", cell: (policy) => policy.name },
      { title: "Types", cell: ({ rules }) => rules.content_types?.join(", ") || h("span.muted", "all") },
      { title: "Largest", numeric: true, cell: ({ rules }) => (rules.max_size ? bytes(rules.max_size) : "–") },
      { title: "Scan", cell: ({ rules }) => (rules.scan == null ? h("span.muted", "as set") : typeof rules.scan === "string" ? rules.scan : JSON.stringify(rules.scan)) },
      { title: "Kept for", wide: true, cell: ({ rules }) => (rules.keep_for ? duration(rules.keep_for * 1000) : h("span.muted", "for good")) },
      { title: "Changed", wide: true, cell: (policy) => time(policy.changed_at) },
    ],
    actions: (policy) => [
      button(".small.quiet", { click: () => editPolicy(app, policy) }, "Edit"),
      button(".small.quiet", { click: () => dropPolicy(app, policy) }, "Delete"),
    ],
    empty: emptyState("There is no policy of your own.", "Uploads follow the rules of the settings until a policy is named.", "PUT /v1/policies/{name}"),
    load: async ({ tenant }, { cursor, limit }) => {
      const page = await app.api.get("/v1/policies", { tenant, limit, after: cursor });
      return { rows: page.policies, next: page.next_after };
    },
  });
}

const pathOf = (name) => `/v1/policies/${encodeURIComponent(name)}${here().params.tenant ? `?tenant=${encodeURIComponent(here().params.tenant)}` : ""}`;

export const editPolicy = (app, policy) => ask({
  title: policy ? `Rules of ${policy.name}` : "New policy", text: "In force on every node within five seconds, for uploads that begin after that.",
  fields: [
    ...(policy ? [] : [{ name: "name", label: "Name", required: true }]),
    { name: "rules", label: "Rules as JSON", kind: "area", rows: 10, value: JSON.stringify(policy?.rules ?? { content_types: ["image/*"], max_size: 100_000_000 }, null, 2) },
  ],
  action: "Save", done: "Saved.",
  run: async ({ name, rules }) => {
    let parsed;
    try {
      parsed = JSON.parse(rules);
    } catch (error) {
      throw Object.assign(new Error(`The rules are no JSON: ${error.message}.`), { code: "invalid" });
    }
    await app.api.send("PUT", pathOf(policy?.name ?? name), parsed);
    app.refresh();
  },
});

const dropPolicy = (app, policy) => ask({
  title: `Delete the policy ${policy.name}?`, text: "Uploads that name it are refused from now on. Assets that were made by it stay.", action: "Delete", danger: true, done: "Deleted.",
  run: async () => { await app.api.send("DELETE", pathOf(policy.name)); app.refresh(); },
});
