// The state of the service: readiness, what the store can do, limits; and what the API does not tell.

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
      const modes = await app.api.get("/v1/admin/maintenance").then(({ modes }) => modes, () => null);
      element.replaceChildren(readiness(ready), modes && maintenance(app, modes), capabilities(ready.capabilities), limitFacts(limits), missing());
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

const missing = () => section("Not shown here", h("p", "The API does not tell the configuration, the nodes of the cluster and the clock of the database. ",
  h("code", "gantry check-config"), " prints what is wrong with the settings; ", h("a", { href: "/metrics" }, "/metrics"), " has numbers of this node, and ",
  h("a", { href: "/docs/operators" }, "the operators' guide"), " explains them."));
