// Rejected assets: release with a reason, or delete.

import { button, h } from "./dom.js";
import { ask } from "./dialog.js";
import { bytes, fileName, time } from "./format.js";
import { createList } from "./list.js";
import { emptyState } from "./pieces.js";
import { openHref } from "./router.js";
import { deleteAssets } from "./view-assets.js";
import { TENANT_FILTER } from "./view-uploads.js";

export function quarantineView(app) {
  return createList({
    label: "Rejected assets", noun: "rejected asset", key: (asset) => asset.id, name: (asset) => asset.filename,
    href: (asset) => openHref("asset", asset.id),
    filters: [
      { name: "name", label: "Search names", kind: "search" },
      { name: "created_after", label: "After", kind: "date" },
      ...(app.rights.operator ? [TENANT_FILTER] : []),
    ],
    columns: [
      { title: "Name", cell: (asset) => fileName(asset.filename) },
      { title: "Verdict", cell: (asset) => h("div.verdict", h("code", asset.reason?.code ?? "rejected"), h("span.muted", asset.reason?.message)) },
      { title: "Size", numeric: true, cell: (asset) => bytes(asset.size) },
      { title: "Rejected", cell: (asset) => time(asset.changed_at) },
      { title: "Policy", wide: true, cell: (asset) => asset.policy },
    ],
    actions: (asset) => (app.rights.admin ? [
      app.rights.operator && button(".small.quiet", { click: () => releaseAsset(app, asset) }, "Release"),
      button(".small.quiet", { click: () => deleteAssets(app, [asset]) }, "Delete"),
    ] : []),
    bulk: app.rights.admin ? [{ label: "Delete", danger: true, run: (assets) => deleteAssets(app, assets) }] : [],
    empty: emptyState("Nothing is in quarantine.", "An asset comes here when its digest, type or scan is refused."),
    load: async ({ name, created_after, tenant }, { cursor, limit }) => {
      const page = await app.api.get("/v1/assets", { state: "rejected", name, created_after, tenant, limit, cursor });
      return { rows: page.assets, next: page.next };
    },
  });
}

export const releaseAsset = (app, asset) => ask({
  title: `Release ${asset.filename}?`,
  text: `It was rejected: ${asset.reason?.message ?? asset.reason?.code ?? "no reason is known"} After the release everybody with a link or a key may download it. Your reason is kept in the audit log.`,
  fields: [{ name: "reason", label: "Reason", required: true, kind: "area", help: "Why is this file safe?" }],
  action: "Release", danger: true, done: "It is released.",
  run: async ({ reason }) => { await app.api.send("POST", `/v1/admin/assets/${asset.id}/release`, { reason }); app.refresh(); },
});
