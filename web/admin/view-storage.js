// What takes up space: by type, by age and by tenant, each with its rows.

import { h } from "./dom.js";
import { bytes, count, percent, time } from "./format.js";
import { bar, emptyState, problemBox } from "./pieces.js";
import { href, openHref } from "./router.js";

const AGES = { day: "Less than a day", week: "1 to 7 days", month: "7 to 30 days", year: "30 to 365 days", older: "Older than a year" };

export function storageView(app) {
  const content = h("div.stack", { "aria-busy": "true" });
  const refresh = async () => {
    try {
      content.replaceChildren(...report(app, await app.api.get("/v1/admin/storage")));
    } catch (problem) {
      content.replaceChildren(problemBox(problem, refresh));
    }
    content.removeAttribute("aria-busy");
  };
  return { element: content, refresh };
}

function report(app, found) {
  if (!found.measured_at) return [emptyState("Nothing was measured yet.", "The chore rollup reads all assets a piece at a time; the first numbers are here when it is through.")];
  // An operator sees the numbers of all tenants, and so their rows.
  const all = app.rights.operator ? { tenant: "*" } : {};
  const rows = (query) => href("assets", { ...all, ...query });
  return [
    h("p.muted", h("span.num", `${count(found.files)} files, ${bytes(found.bytes)}`), ", measured ", time(found.measured_at), "."),
    sums("By type", "Type", found, found.types, ({ type }) => (type === "other" ? "other or unknown" : h("a", { href: rows({ content_type: `${type}/*` }) }, type))),
    sums("By age", "Age", found, found.ages, ({ age, created_after: after, created_before: before }) =>
      h("a", { href: rows({ ...(after && { created_after: after }), ...(before && { created_before: before }) }) }, AGES[age] ?? age)),
    app.rights.operator && sums("By tenant", "Tenant", found, found.tenants, ({ id, name }) => [
      h("a", { href: href("assets", { tenant: id }) }, name || id), " ", h("a.small-text", { href: openHref("tenant", id) }, "limits")]),
  ].filter(Boolean);
}

/** A table of sums, each with its share of all bytes. */
const sums = (title, column, { bytes: all }, list, cell) => h("section.card", h("header", h("h2", title)), h("div.scroller", h("table", h("caption.said", title),
  h("thead", h("tr", h("th", { scope: "col" }, column), h("th.number", { scope: "col" }, "Files"), h("th.number", { scope: "col" }, "Bytes"), h("th", { scope: "col" }, "Share"))),
  h("tbody", list.map((sum) => h("tr", h("td", cell(sum)), h("td.number", count(sum.files)), h("td.number", bytes(sum.bytes)),
    h("td", h("div.progress", bar(sum.bytes, all, `Share of ${title.toLowerCase()}`), h("span.num", percent(sum.bytes, all))))))))));
