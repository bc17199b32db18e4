// An endpoint with its deliveries, each with every attempt; replay of one or of all that are dead.

import { button, h, icon } from "./dom.js";
import { duration, exactTime, shortId, time } from "./format.js";
import { emptyState, facts, idLine, state } from "./pieces.js";
import { openHref } from "./router.js";
import { deliveryAttempts } from "./timeline.js";
import { deleteEndpoint, replayDead, replayDelivery, testEndpoint, toggleEndpoint } from "./view-webhooks.js";

const SHOWN = 50;

export async function webhookPanel(app, id) {
  const [endpoint, recent, dead] = await Promise.all([
    app.api.get(`/v1/webhooks/${id}`),
    app.api.get(`/v1/webhooks/${id}/deliveries`, { limit: SHOWN }),
    app.api.get(`/v1/webhooks/${id}/deliveries`, { limit: SHOWN, state: "dead" }),
  ]);
  const others = recent.deliveries.filter((delivery) => delivery.state !== "dead");
  return {
    title: new URL(endpoint.url).host,
    content: [
      h("div.headline", state(endpoint.state), h("span.muted", endpoint.description)),
      health(endpoint, dead.deliveries),
      h("div.buttons.start",
        button(".small", { click: () => testEndpoint(app, endpoint) }, "Send a test"),
        button(".small", { click: () => toggleEndpoint(app, endpoint) }, endpoint.state === "active" ? "Disable" : "Enable"),
        button(".small.danger", { click: () => deleteEndpoint(app, endpoint) }, "Delete")),
      facts([
        ["Address", h("code.wrap", endpoint.url)], ["Id", idLine(endpoint.id)], ["Events", endpoint.events.join(", ") || "all"], ["Created", time(endpoint.created_at)],
        ["Failing since", endpoint.failing_since && time(endpoint.failing_since)], ["Disabled", endpoint.disabled_at && time(endpoint.disabled_at)],
        ["Old secret works until", endpoint.old_secret_until && exactTime(endpoint.old_secret_until)],
      ]),
      dead.deliveries.length > 0 && h("section", h("div.heading", h("h3", `Dead deliveries (${dead.deliveries.length}${dead.next_after ? "+" : ""})`),
        dead.deliveries.some(replayable) && button(".small", { click: () => replayDead(app, endpoint, dead.deliveries.filter(replayable)) }, "Send all again")), deliveryList(app, endpoint, dead.deliveries)),
      h("section", h("h3", "Last deliveries"), others.length ? deliveryList(app, endpoint, others) : emptyState("Nothing else was sent.")),
    ],
  };
}

/** A test has no event that could be sent again. */
const replayable = (delivery) => delivery.event_id != null;

function health(endpoint, dead) {
  if (!dead.length && !endpoint.failing_since && !endpoint.reason) return null;
  const last = dead[0] ?? {};
  const cause = last.problem === "unreachable" ? "the endpoint cannot be reached" : last.last_status ? `the endpoint answers ${last.last_status}` : last.problem ?? endpoint.reason ?? "its requests fail";
  return h("div.explain", { "data-tone": "failed" }, icon("failed"), h("div",
    h("p", `${dead.length ? `${dead.length} ${dead.length === 1 ? "delivery is" : "deliveries are"} dead` : "Deliveries fail"}: ${cause}.`),
    h("p.muted", "Mend the endpoint, send a test, then send the dead deliveries again.")));
}

const deliveryList = (app, endpoint, deliveries) => h("ul.deliveries", deliveries.map((delivery) => h("li",
  h("div.line", state(delivery.state), h("code", delivery.type), h("span.grow"), time(delivery.created_at),
    delivery.state !== "pending" && replayable(delivery) && button(".small.quiet", { click: () => replayDelivery(app, endpoint, delivery) }, "Send again")),
  h("details", { "data-fold": `delivery-${delivery.id}` }, h("summary", summaryOf(delivery)),
    facts([["Message", h("code.wrap", delivery.message_id)], ["Event", delivery.event_id && h("code", delivery.event_id)],
      ["Asset", delivery.asset_id && h("a", { href: openHref("asset", delivery.asset_id) }, h("code", shortId(delivery.asset_id)))],
      ["Next try", delivery.next_try_at && exactTime(delivery.next_try_at)]]),
    deliveryAttempts(delivery.attempts)))));

function summaryOf({ tries, last_status: status, problem, attempts }) {
  const last = attempts.at(-1);
  return [`${tries} ${tries === 1 ? "try" : "tries"}`, status ? `status ${status}` : problem, last && duration(last.millis)].filter(Boolean).join(" · ");
}
