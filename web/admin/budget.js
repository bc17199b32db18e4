// The error budget: which share of files the service failed, against the share that it may fail.

import { h } from "./dom.js";
import { count, percent } from "./format.js";
import { state } from "./pieces.js";
import { href } from "./router.js";

/** One in a hundred may fail: the alert GantryCompletionsFail goes by the same share. */
export const TARGET = 0.99;
const HOUR = 3_600_000;
/** Hours are counted as wholes: the shortest window is the hour that runs and the one before it. */
const WINDOWS = [["1 h", 1], ["24 h", 24], ["7 d", 7 * 24]];
/** A file that is refused for what it is counts as a success of the service. */
const GOOD = ["asset.ready", "asset.rejected"];
const BAD = ["asset.failed", "upload.failed"];
/** How long what is older than two days is kept: it does not change any more. */
const KEPT_FOR = 600_000;

const old = { at: 0, hours: [], api: null };

/** Hours of the week before `from`, asked for once in ten minutes. */
export async function readOlderHours(api, from) {
  if (old.api !== api || Date.now() - old.at > KEPT_FOR) {
    const begin = new Date(Date.now() - 7 * 24 * HOUR).toISOString();
    const { hours } = await api.get("/v1/admin/stats", { from: begin, to: from });
    Object.assign(old, { at: Date.now(), hours, api });
  }
  return old.hours;
}

/** What each window had and what is left of its budget. Pure.
 * @param {{hour: string, type: string, count: number}[]} hours @param {number} now */
export function budgetOf(hours, now) {
  return WINDOWS.map(([name, span]) => {
    const first = Math.floor(now / HOUR) * HOUR - span * HOUR;
    const sum = (types) => hours.filter(({ hour, type }) => types.includes(type) && Date.parse(hour) >= first).reduce((all, one) => all + one.count, 0);
    const failed = sum(BAD);
    const ended = failed + sum(GOOD);
    const used = ended ? failed / ended / (1 - TARGET) : 0;
    return { name, ended, failed, used };
  });
}

const toneOf = (used) => (used >= 1 ? "failed" : used >= 0.5 ? "warning" : "ready");
const wordOf = (used) => (used >= 1 ? "used up" : `${Math.round(100 * (1 - used))} % left`);

/** The windows as a small table whose numbers lead to the failures. */
export function budgetCard(windows) {
  const head = ["Window", "Files", "Failed", "Success", "Budget"].map((title, at) => h(at > 0 && at < 4 ? "th.number" : "th", { scope: "col" }, title));
  const row = ({ name, ended, failed, used }) => h("tr", h("th", { scope: "row" }, name), h("td.number", count(ended)),
    h("td.number", failed ? h("a", { href: href("failures") }, count(failed)) : "0"), h("td.number", percent(ended - failed, ended)),
    h("td", ended ? state(toneOf(used), wordOf(used)) : h("span.muted", "nothing counted yet")));
  return h("section.card.budget", { "aria-label": "Error budget" },
    h("header", h("h2", "Error budget"), h("span.muted", `target: ${Math.round(100 * TARGET)} % of files do not fail`)),
    h("div.scroller", { tabindex: "0", role: "group", "aria-label": "Windows of the error budget" }, h("table", h("thead", h("tr", head)), h("tbody", windows.map(row)))));
}
