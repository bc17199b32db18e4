// Assets: filters in the address, an asset's whole story beside the list.

import { h } from "./dom.js";
import { ask } from "./dialog.js";
import { bytes, fileName, plural, time } from "./format.js";
import { createList } from "./list.js";
import { emptyState, notify, state } from "./pieces.js";
import { openHref } from "./router.js";
import { TENANT_FILTER } from "./view-uploads.js";

const STATES = ["awaiting", "stored", "processing", "ready", "rejected", "failed", "abandoned", "deleted"];
const ORDERS = [["", "Newest"], ["created.asc", "Oldest"], ["name.asc", "Name A–Z"], ["name.desc", "Name Z–A"], ["size.desc", "Largest"], ["size.asc", "Smallest"]];
const SIZES = [["", "Any"], ["1000000", "over 1 MB"], ["100000000", "over 100 MB"], ["1000000000", "over 1 GB"]];
/** Assets per request of an action on many. */
const AT_ONCE = 4;

/** Filters in the address as the API takes them. */
export function assetQuery({ name, state: asked, content_type, external_id, created_after, created_before, size_from, size_to, sort, tenant }) {
  const [by, order] = (sort ?? "").split(".");
  return { name, state: asked, content_type, external_id, created_after, created_before, size_from, size_to, sort: by, order, tenant };
}

export const ASSET_COLUMNS = [
  { title: "Name", cell: (asset) => fileName(asset.filename) },
  { title: "State", cell: (asset) => state(asset.state) },
  { title: "Size", numeric: true, cell: (asset) => bytes(asset.size) },
  { title: "Type", wide: true, cell: (asset) => asset.content_type ?? h("span.muted", "–") },
  { title: "Created", cell: (asset) => time(asset.created_at) },
  { title: "Policy", wide: true, cell: (asset) => asset.policy },
];

export function assetsView(app) {
  return createList({
    label: "Assets", noun: "asset", key: (asset) => asset.id, name: (asset) => asset.filename,
    href: (asset) => openHref("asset", asset.id),
    filters: [
      { name: "name", label: "Search names", kind: "search" },
      { name: "state", label: "State", options: [["", "Any"], ...STATES.map((name) => [name, name])] },
      { name: "sort", label: "Order", options: ORDERS },
      { seldom: true, name: "content_type", label: "Type", kind: "text", placeholder: "image/png" },
      { name: "created_after", label: "After", kind: "date" },
      { seldom: true, name: "created_before", label: "Before", kind: "date" },
      { seldom: true, name: "size_from", label: "Size", options: SIZES },
      { seldom: true, name: "external_id", label: "External id", kind: "text", placeholder: "yours" },
      ...(app.rights.operator ? [TENANT_FILTER] : []),
    ],
    columns: ASSET_COLUMNS,
    bulk: app.rights.admin ? [
      { label: "Process again", run: (assets) => reprocess(app, assets) },
      { label: "Delete", danger: true, run: (assets) => deleteAssets(app, assets) },
    ] : [],
    empty: emptyState("There are no assets yet.", "An asset is a file that this service keeps. Send the first one, or look at demo data.", "gantry demo --assets 100"),
    load: async (params, { cursor, limit }) => {
      const page = await app.api.get("/v1/assets", { ...assetQuery(params), limit, cursor });
      return { rows: page.assets, next: page.next };
    },
  });
}

/** Does the same to several things, some at a time; the first problem is told after all were tried. */
export async function forEach(things, act) {
  const waiting = [...things];
  let failure;
  let failed = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let thing; (thing = waiting.shift());) {
      await act(thing).catch((problem) => { failure ??= problem; failed++; });
    }
  }));
  if (failed && failed < things.length) notify(`${failed} of ${things.length} did not succeed.`);
  if (failure) throw failure;
}

const named = (assets) => (assets.length === 1 ? assets[0].filename : plural(assets.length, "asset"));

export const deleteAssets = (app, assets) => ask({
  title: `Delete ${named(assets)}?`,
  text: `The bytes (${bytes(assets.reduce((sum, asset) => sum + asset.size, 0))}) are removed and links stop working. This cannot be undone.`,
  action: "Delete", danger: true, done: "Deleted.",
  run: async () => { await forEach(assets, (asset) => app.api.send("DELETE", `/v1/assets/${asset.id}`)); app.refresh(); },
});

export const reprocess = (app, assets) => ask({
  title: `Process ${named(assets)} again?`,
  text: "Type, digest, scan and derivatives are made anew. Links go on working meanwhile; a file that is found bad is taken from them.",
  action: "Process again", done: "Jobs are under way.",
  run: async () => { await forEach(assets, (asset) => app.api.send("POST", `/v1/assets/${asset.id}/reprocess`, {})); app.refresh(); },
});
