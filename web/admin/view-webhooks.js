// Webhook endpoints: how each is doing; deliveries with every attempt stand beside it.

import { button, h } from "./dom.js";
import { ask, show } from "./dialog.js";
import { plural, time } from "./format.js";
import { createList } from "./list.js";
import { emptyState, copyButton, state } from "./pieces.js";
import { openHref } from "./router.js";

export function webhooksView(app) {
  return createList({
    label: "Webhook endpoints", noun: "endpoint", key: (endpoint) => endpoint.id, name: (endpoint) => endpoint.url,
    href: (endpoint) => openHref("webhook", endpoint.id),
    filters: [], tools: [button(".small", { click: () => addEndpoint(app) }, "New endpoint")],
    columns: [
      { title: "Address", cell: (endpoint) => h("span.url", endpoint.url) },
      { title: "State", cell: (endpoint) => (endpoint.failing_since && endpoint.state === "active" ? state("failed", "failing") : state(endpoint.state)) },
      { title: "Dead", numeric: true, cell: (endpoint) => endpoint.dead > 0 ? h("a.bad.num", { href: openHref("webhook", endpoint.id) }, endpoint.deadMore ? `${endpoint.dead}+` : String(endpoint.dead)) : h("span.muted", "0") },
      { title: "Pending", numeric: true, cell: (endpoint) => (endpoint.pendingMore ? `${endpoint.pending}+` : String(endpoint.pending)) },
      { title: "Failing since", cell: (endpoint) => time(endpoint.failing_since) },
      { title: "Events", wide: true, cell: (endpoint) => endpoint.events.join(", ") || "all" },
      { title: "Description", wide: true, cell: (endpoint) => endpoint.description ?? "" },
    ],
    actions: (endpoint) => [button(".small.quiet", { click: () => testEndpoint(app, endpoint) }, "Test")],
    empty: emptyState("No endpoint hears of events.", "An endpoint is an address of yours, to which each event is posted and signed."),
    load: async () => {
      const { webhooks } = await app.api.get("/v1/webhooks");
      return { rows: await Promise.all(webhooks.map((endpoint) => withCounts(app, endpoint))), next: null };
    },
  });
}

const COUNTED = 100;

async function withCounts(app, endpoint) {
  const page = (wanted) => app.api.get(`/v1/webhooks/${endpoint.id}/deliveries`, { state: wanted, limit: COUNTED });
  const [dead, pending] = await Promise.all([page("dead"), page("pending")]);
  return { ...endpoint, dead: dead.deliveries.length, deadMore: Boolean(dead.next_after), pending: pending.deliveries.length, pendingMore: Boolean(pending.next_after) };
}

export const testEndpoint = (app, endpoint) => ask({
  title: "Send a test event?", text: `One event of type webhook.test is posted to ${endpoint.url}, and tried once.`, action: "Send",
  run: async () => {
    const delivery = await app.api.send("POST", `/v1/webhooks/${endpoint.id}/test`);
    app.refresh();
    if (delivery.state === "dead") throw Object.assign(new Error(`The test failed: ${delivery.problem ?? `status ${delivery.last_status}`}.`), { code: "test_failed" });
  },
  done: "The endpoint has answered.",
});

const addEndpoint = (app) => ask({
  title: "New webhook endpoint",
  fields: [
    { name: "url", label: "Address", kind: "url", required: true, help: "https, reachable from the service." },
    { name: "events", label: "Events", help: "Types with spaces between, like asset.ready asset.rejected. Empty: all." },
    { name: "description", label: "Description" },
  ],
  action: "Make the endpoint",
  run: async ({ url, events, description }) => {
    const made = await app.api.send("POST", "/v1/webhooks", { url, events: events.split(/[\s,]+/).filter(Boolean), description });
    app.refresh();
    setTimeout(() => showSecret("The secret of the endpoint", made.secret));
  },
});

/** A secret is shown this once. */
export const showSecret = (title, secret) => show({
  title, text: "It is shown this once: keep it now.", content: h("div.secret", h("code.wrap", secret), copyButton(secret)),
});

export const toggleEndpoint = (app, endpoint) => ask({
  title: endpoint.state === "active" ? "Disable this endpoint?" : "Enable this endpoint?",
  text: endpoint.state === "active" ? `${endpoint.url} hears of nothing until it is enabled again; events of that time are not sent by themselves.` : `${endpoint.url} hears of events from now on.`,
  action: endpoint.state === "active" ? "Disable" : "Enable",
  run: async () => { await app.api.send("PATCH", `/v1/webhooks/${endpoint.id}`, { enabled: endpoint.state !== "active" }); app.refresh(); },
});

export const deleteEndpoint = (app, endpoint) => ask({
  title: "Delete this endpoint?", text: `${endpoint.url} hears of nothing any more, and its deliveries are forgotten.`, action: "Delete", danger: true, done: "Deleted.",
  run: async () => { await app.api.send("DELETE", `/v1/webhooks/${endpoint.id}`); app.refresh(); location.hash = "#/webhooks"; },
});

export const replayDelivery = (app, endpoint, delivery) => ask({
  title: `Send ${delivery.type} again?`, text: `The same event goes to ${endpoint.url} once more, with the whole schedule of tries.`, action: "Send again", done: "It is on its way.",
  run: async () => { await app.api.send("POST", `/v1/webhooks/${endpoint.id}/deliveries/${delivery.id}/replay`); app.refresh(); },
});

export const replayDead = (app, endpoint, deliveries) => ask({
  title: `Send ${plural(deliveries.length, "dead delivery", "dead deliveries")} again?`, text: `Each goes to ${endpoint.url} once more, with the whole schedule of tries.`, action: "Send all again", done: "They are on their way.",
  run: async () => {
    for (const delivery of deliveries) await app.api.send("POST", `/v1/webhooks/${endpoint.id}/deliveries/${delivery.id}/replay`);
    app.refresh();
  },
});
