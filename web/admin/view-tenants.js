// Tenants with what they take up, and their quotas.

import { button, h } from "./dom.js";
import { ask } from "./dialog.js";
import { bytes, count, plural, time } from "./format.js";
import { createList } from "./list.js";
import { bar, emptyState, state } from "./pieces.js";
import { openHref } from "./router.js";

export function tenantsView(app) {
  return createList({
    label: "Tenants", noun: "tenant", key: (tenant) => tenant.id, name: (tenant) => tenant.name,
    href: (tenant) => openHref("tenant", tenant.id),
    filters: [], tools: [button(".small", { click: () => addTenant(app) }, "New tenant")],
    columns: [
      { title: "Name", cell: (tenant) => tenant.name },
      { title: "State", cell: (tenant) => state(tenant.suspended_at ? "suspended" : "active") },
      { title: "Stored", numeric: true, cell: (tenant) => bytes(tenant.usage.bytes) },
      { title: "Of quota", cell: (tenant) => quotaBar(tenant) },
      { title: "Files", numeric: true, cell: (tenant) => count(tenant.usage.files) },
      { title: "Open uploads", numeric: true, wide: true, cell: (tenant) => count(tenant.usage.open_uploads) },
      { title: "Created", wide: true, cell: (tenant) => time(tenant.created_at) },
    ],
    empty: emptyState("There is no tenant."),
    load: async (_, { cursor, limit }) => {
      const page = await app.api.get("/v1/tenants", { limit, after: cursor });
      return { rows: await Promise.all(page.tenants.map(({ id }) => app.api.get(`/v1/tenants/${id}`))), next: page.next_after };
    },
  });
}

const quotaBar = ({ name, usage, quota }) => (quota.bytes
  ? h("div.progress", bar(usage.bytes, quota.bytes, `Storage of ${name}`), h("span.num", bytes(quota.bytes))) : h("span.muted", "no limit"));

const limitFields = (quota = {}, rate = null) => [
  { name: "bytes", label: "Storage in bytes", value: quota.bytes ?? "", help: "Empty: no limit." },
  { name: "files", label: "Files", value: quota.files ?? "" },
  { name: "open_uploads", label: "Open uploads", value: quota.open_uploads ?? "" },
  { name: "per_second", label: "Requests a second", value: rate?.per_second ?? "" },
];

function limitsOf({ bytes: most, files, open_uploads, per_second }) {
  const whole = (text) => (text === "" ? null : Number(text));
  return { quota: { bytes: whole(most), files: whole(files), open_uploads: whole(open_uploads) }, rate: per_second === "" ? null : { per_second: whole(per_second) } };
}

const addTenant = (app) => ask({
  title: "New tenant", fields: [{ name: "name", label: "Name", required: true }, ...limitFields()], action: "Make the tenant", done: "The tenant is there.",
  run: async ({ name, ...limits }) => { await app.api.send("POST", "/v1/tenants", { name, ...limitsOf(limits) }); app.refresh(); },
});

export const changeLimits = (app, tenant) => ask({
  title: `Limits of ${tenant.name}`, text: "In force on every node within seconds, quotas at once.", fields: limitFields(tenant.quota, tenant.rate), action: "Save", done: "Saved.",
  run: async (limits) => { await app.api.send("PATCH", `/v1/tenants/${tenant.id}`, limitsOf(limits)); app.refresh(); },
});

export const suspendTenant = (app, tenant) => ask({
  title: tenant.suspended_at ? `Let ${tenant.name} in again?` : `Suspend ${tenant.name}?`,
  text: tenant.suspended_at ? "Its keys and links work again." : `Its keys and links stop working; its ${plural(tenant.usage.files, "file")} stay.`,
  action: tenant.suspended_at ? "Let in again" : "Suspend", danger: !tenant.suspended_at, done: "Done.",
  run: async () => { await app.api.send("PATCH", `/v1/tenants/${tenant.id}`, { suspended: !tenant.suspended_at }); app.refresh(); },
});

export const recomputeTenant = (app, tenant) => ask({
  title: `Sum up ${tenant.name} anew?`, text: "Every asset and upload is counted again; the counters are set to what is found.", action: "Sum up", done: "Summed up.",
  run: async () => { await app.api.send("POST", `/v1/tenants/${tenant.id}/recompute`); app.refresh(); },
});
