// The state of the service: readiness, maintenance, processes, what the store can do, limits and settings.

import { button, h } from "./dom.js";
import { ask } from "./dialog.js";
import { bytes, count, duration, time } from "./format.js";
import { facts, problemBox, state } from "./pieces.js";

const CAPABILITIES = {
  conditional_put: "Conditional PUT", part_checksums: "Checksums of parts", undeclared_checksums: "Checksums that were not declared", unequal_parts: "Parts of unequal size",
  repeated_complete: "Completion can be repeated", metadata: "Metadata of objects", enforces_limits: "Enforces signed limits", cors: "CORS for browsers",
};

export function systemView(app) {
  const element = h("div.system");
  const refresh = async () => {
    element.setAttribute("aria-busy", "true");
    try {
      // Not ready is an answer too, and has the same shape.
      const ready = await (await fetch("/readyz?verbose")).json();
      const limits = await app.api.get("/v1/limits");
      // Shown to the operators of the instance alone.
      const own = (path, name) => (app.rights.operator ? app.api.get(path).then((answer) => answer[name]) : null);
      const [modes, nodes, settings] = await Promise.all([own("/v1/admin/maintenance", "modes"), own("/v1/admin/nodes", "nodes"), own("/v1/admin/config", "settings")]);
      element.replaceChildren(...[readiness(ready), modes && maintenance(app, modes), nodes && nodeTable(nodes), capabilities(ready.capabilities), limitFacts(limits),
        settings && settingsList(settings)].filter(Boolean));
    } catch (problem) {
      element.replaceChildren(problemBox(problem, refresh));
    } finally {
      element.removeAttribute("aria-busy");
    }
  };
  return { element, refresh };
}

const yesNo = (value) => (value == null ? state("idle", "unknown") : value ? state("yes") : state("failed", "no"));
const section = (title, ...content) => h("section.card", { "aria-label": title }, h("header", h("h2", title)), content);

const DISK_STATES = { enough: () => state("yes", "enough space"), low: () => state("warning", "nearly full"), full: () => state("failed", "full: new uploads are refused") };

const readiness = ({ ready, draining, database, store, disk }) => section("This node", facts([
  ["Ready", yesNo(ready)], ["Database", yesNo(database)], ["Store", yesNo(store)], ["Disk", disk && DISK_STATES[disk]?.()],
  ["Draining", draining ? state("warning", "yes") : state("idle", "no")]]));

/** The switch of maintenance modes: the instance's, and those of tenants. */
function maintenance(app, modes) {
  const own = modes.find(({ tenant }) => tenant === null);
  const row = ({ tenant, message, since }) => h("li", h("span", tenant ? `Tenant ${tenant}` : "Every tenant", " since ", time(since), message && `: ${message}`, " "),
    button(".small", { click: () => endMaintenance(app, tenant) }, "Accept uploads again"));
  return section("Maintenance", h("p.muted", "While it is on, new uploads are refused with 503; uploads under way finish, downloads work, administrators pass."),
    modes.length ? h("ul.plain", modes.map(row)) : h("p", "Off: new uploads are accepted."),
    !own && button(".danger", { click: () => beginMaintenance(app) }, "Refuse new uploads"));
}

const beginMaintenance = (app) => ask({
  title: "Refuse new uploads?", text: "Clients get 503 and your message, on every node within five seconds. Uploads under way finish and downloads work.",
  fields: [
    { name: "tenant", label: "Tenant", help: "Name or id; empty: every tenant." },
    { name: "message", label: "Message to clients", help: "A sentence that uploaders show, such as when you will be back." }],
  action: "Refuse new uploads", danger: true, done: "New uploads are refused.",
  run: async ({ tenant, message }) => {
    await app.api.send("PUT", "/v1/admin/maintenance", { on: true, tenant: tenant || null, message: message || null });
    app.refresh();
  },
});

const endMaintenance = (app, tenant) => ask({
  title: "Accept new uploads again?", text: tenant ? `Of tenant ${tenant}.` : "Of every tenant that has no mode of its own.", action: "Accept uploads again", done: "New uploads are accepted.",
  run: async () => { await app.api.send("PUT", "/v1/admin/maintenance", { on: false, tenant }); app.refresh(); },
});

const capabilities = (able) => section("What the store can do", h("p.muted", "Probed when the service started."),
  able ? facts(Object.entries(CAPABILITIES).map(([name, word]) => [word, yesNo(able[name])])) : h("p", "Not probed yet."));

function limitFacts(limits) {
  const size = (value) => h("span.num", bytes(value));
  return section("Limits", facts([
    ["Largest file", size(limits.max_size)], ["Largest single PUT", size(limits.max_put_size)], ["Part size", h("span.num", `${bytes(limits.min_part_size)} to ${bytes(limits.max_part_size)}`)],
    ["Parts", h("span.num", count(limits.max_parts))], ["An upload lives", duration(limits.upload_expires_in * 1000)], ["A signed URL lives", duration(limits.url_expires_in * 1000)],
    ["A link lives at most", duration(limits.max_link_expires_in * 1000)], ["Checksums", limits.checksums?.join(", ")]]));
}

/** Beyond this, signed URLs and leases are at risk. */
const MAX_SKEW_MS = 30_000;

function nodeTable(nodes) {
  const row = (node) => h("tr", h("th", { scope: "row" }, h("code", node.name)), h("td", node.role), h("td", node.version), h("td", time(node.started_at)),
    h("td", Math.abs(node.clock_skew_ms) > MAX_SKEW_MS ? state("warning", `${node.clock_skew_ms} ms`) : h("span.num", `${node.clock_skew_ms} ms`)),
    h("td", h("span.num", `${bytes(node.bytes_in_per_second)}/s`)), h("td", h("span.num", `${bytes(node.bytes_out_per_second)}/s`)));
  const head = ["Process", "Role", "Version", "Started", "Clock ahead", "In", "Out"].map((title) => h("th", { scope: "col" }, title));
  return section("Processes", h("p.muted", "Seen within the last 45 seconds; rates of the last whole minute."),
    h("div.scroller", { tabindex: "0", role: "region", "aria-label": "Processes of the service" }, h("table", h("thead", h("tr", head)), h("tbody", nodes.map(row)))));
}

const settingsList = (settings) => section("Settings of this node", h("p.muted", "Secrets that are set are shown as (set)."),
  h("details", h("summary", `${Object.keys(settings).length} settings`), facts(Object.entries(settings).map(([name, value]) => [h("code", name), h("code", value === "" ? "–" : value)]))));
