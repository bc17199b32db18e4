// Tenants, policies and entries of the audit log, beside their lists.

import { button, h } from "./dom.js";
import { bytes, count, exactTime, percent, time } from "./format.js";
import { Problem } from "./api.js";
import { bar, copyButton, facts, idLine, jsonFacts, state } from "./pieces.js";
import { here, href, openHref } from "./router.js";
import { auditEntries } from "./view-audit.js";
import { editPolicy } from "./view-policies.js";
import { changeLimits, recomputeTenant, suspendTenant } from "./view-tenants.js";

export async function tenantPanel(app, id) {
  const tenant = await app.api.get(`/v1/tenants/${id}`);
  const { usage, quota } = tenant;
  const share = (name, used, most, shown) => h("div.quota", h("div.line", h("span", name), h("span.grow"), h("span.num", most ? `${shown(used)} of ${shown(most)} · ${percent(used, most)}` : `${shown(used)}, no limit`)), most && bar(used, most, `${name} used`));
  return {
    title: tenant.name,
    content: [
      h("div.headline", state(tenant.suspended_at ? "suspended" : "active")),
      h("div.buttons.start", button(".small", { click: () => changeLimits(app, tenant) }, "Change limits"), button(".small", { click: () => recomputeTenant(app, tenant) }, "Sum up anew"),
        button(".small.danger", { click: () => suspendTenant(app, tenant) }, tenant.suspended_at ? "Let in again" : "Suspend")),
      h("h3", "Quota"), share("Storage", usage.bytes, quota.bytes, bytes), share("Files", usage.files, quota.files, count), share("Open uploads", usage.open_uploads, quota.open_uploads, count),
      facts([["Id", idLine(tenant.id)], ["Created", time(tenant.created_at)], ["Requests", tenant.rate && `${tenant.rate.per_second} a second, bursts of ${tenant.rate.burst}`],
        ["Suspended", tenant.suspended_at && time(tenant.suspended_at)]]),
      h("p", h("a", { href: href("keys", { tenant: tenant.id }) }, "Keys"), " · ", h("a", { href: href("policies", { tenant: tenant.id }) }, "Policies")),
    ],
  };
}

export async function policyPanel(app, name) {
  const policy = await app.api.get(`/v1/policies/${encodeURIComponent(name)}`, { tenant: here().params.tenant });
  return {
    title: policy.name,
    content: [h("div.buttons.start", button(".small", { click: () => editPolicy(app, policy) }, "Edit")),
      facts([["Created", time(policy.created_at)], ["Changed", time(policy.changed_at)]]), h("h3", "Rules"), jsonFacts(policy.rules)],
  };
}

export async function auditPanel(app, id) {
  const entry = auditEntries.get(id) ?? (await app.api.get("/v1/admin/audit", { limit: 500 })).entries.find((one) => one.id === id);
  if (!entry) throw new Problem("This entry is not among the last 500. Search for its subject.", { code: "not_found" });
  const [kind, subject] = entry.subject.split(":");
  const target = { asset: ["assets", "asset"], webhook: ["webhooks", "webhook"], tenant: ["tenants", "tenant"], policy: ["policies", "policy"] }[kind];
  return {
    title: entry.action,
    content: [
      facts([["When", exactTime(entry.at)], ["Actor", h("code.wrap", entry.actor)],
        ["Subject", target ? h("a", { href: target[1] === "asset" ? openHref("asset", subject) : href(target[0], { open: `${target[1]}:${subject}` }) }, h("code.wrap", entry.subject)) : h("code.wrap", entry.subject)],
        ["From", entry.peer && h("code", entry.peer)], ["Request id", entry.request_id && h("code", entry.request_id)]]),
      entry.before && [h("h3", "Before"), jsonFacts(entry.before)], entry.after && [h("h3", "After"), jsonFacts(entry.after)],
      copyButton(() => JSON.stringify(entry, null, 2), "Copy as JSON"),
    ],
  };
}
