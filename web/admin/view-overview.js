// One look: what needs an operator, then numbers that lead to their rows, then the last day as charts.

import { h, icon } from "./dom.js";
import { budgetCard } from "./budget.js";
import { chart, sparkline } from "./charts.js";
import { bytes, dayAndTime, fileName, hourOfDay, shortCount, time } from "./format.js";
import { problemBox, state } from "./pieces.js";
import { href, openHref } from "./router.js";
import { readNumbers } from "./numbers.js";

const STALLED = ["uploads", { state: "open", idle_for: "1h", tenant: "*" }];
/** Where the rows behind an alarm are; of others the assets. */
const ALARM_VIEWS = {
  dead_letters: ["dead", {}], jobs_late: ["queues", { state: "ready" }], paused: ["queues", {}], uploads_stalled: STALLED, database_damaged: ["system", {}],
  maintenance: ["system", {}], disk_low: ["system", {}], disk_full: ["system", {}],
};

function alarmView(code) {
  if (ALARM_VIEWS[code]) return ALARM_VIEWS[code];
  return /webhook|deliver|endpoint/.test(code) ? ["webhooks", {}] : ["assets", {}];
}

export function overviewView(app) {
  const parts = { alarms: h("div"), tiles: h("div.tiles"), budget: h("div"), charts: h("div.charts"), newest: h("div"), trouble: h("div") };
  const element = h("div.stack", parts.trouble, parts.alarms, parts.tiles, parts.budget, parts.charts, parts.newest);
  let texts = {};
  /** Paints a part only if its numbers changed: an open table of a chart stays open. */
  const paint = (name, data, make) => {
    const text = JSON.stringify(data);
    if (texts[name] !== text) parts[name].replaceChildren(...[make(data)].flat().filter(Boolean));
    texts = { ...texts, [name]: text };
  };
  const refresh = async () => {
    element.setAttribute("aria-busy", "true");
    try {
      const numbers = await readNumbers(app);
      paint("alarms", numbers.alarms, (alarms) => alarmList(alarms));
      paint("tiles", [numbers.tiles, Math.floor(Date.now() / 60_000)], () => numbers.tiles.map(tile));
      paint("budget", numbers.budget, (windows) => windows && budgetCard(windows));
      paint("charts", numbers.hours && [numbers.hours, numbers.minutes], () => (numbers.hours ? charts(numbers) : h("p.muted", "Charts and the error budget are shown to administrators.")));
      paint("newest", numbers.newest, newest);
      parts.trouble.replaceChildren();
    } catch (problem) {
      parts.trouble.replaceChildren(problemBox(problem, refresh));
    } finally {
      element.removeAttribute("aria-busy");
    }
  };
  return { element, refresh };
}

function alarmList(alarms) {
  if (!alarms) return null;
  if (!alarms.length) return h("p.all-well", icon("ready"), "Nothing needs you now.");
  return h("section.alarms", { "aria-label": "What needs you" }, h("h2", "Needs you"), h("ul", alarms.map(({ code, sentence }) => {
    const [view, params] = alarmView(code);
    return h("li", icon("warning"), h("span", sentence), h("a", { href: href(view, params) }, "Look"));
  })));
}

function tile({ label, value, unit, note, series, to, tone, change }) {
  return h("a.tile", { href: to ? href(...to) : null, "data-tone": tone },
    h("span.label", label), h("span.value", h("b.num", value), unit && h("span", unit)),
    h("span.note", change && h("span.change", change), note), series && sparkline(series));
}

function charts({ hours, minutes }) {
  const day = { times: hours.times, label: hourOfDay, tip: (at) => `${dayAndTime(at)}, one hour` };
  const moved = minutes ?? null;
  return [
    chart({ title: "Files by outcome", unit: "files an hour", ...day, stacked: true, format: shortCount, least: 2, empty: "No file was finished in the last day.",
      series: [{ name: "ready", tone: "ready", values: hours.ready }, { name: "rejected", tone: "warning", values: hours.rejected }, { name: "failed", tone: "failed", values: hours.failed }] }),
    moved
      ? chart({ title: "Bytes in and out", unit: "bytes a minute", times: moved.times, label: hourOfDay, tip: dayAndTime, format: bytes, least: 1000, empty: "No bytes moved in the last hour.",
        series: [{ name: "in", tone: "running", values: moved.bytesIn }, { name: "out", tone: "ready", values: moved.bytesOut }] })
      : chart({ title: "Bytes stored", unit: "bytes an hour", ...day, format: bytes, least: 1000, empty: "Nothing was stored in the last day.", series: [{ name: "stored", tone: "running", values: hours.bytes }] }),
  ];
}

const newest = (assets) => assets.length > 0 && h("section.card", { "aria-label": "Newest assets" }, h("header", h("h2", "Newest assets"), h("a", { href: href("assets") }, "All assets")),
  h("ul.lines", assets.map((asset) => h("li", h("a.row-link", { href: openHref("asset", asset.id) }, fileName(asset.filename)), state(asset.state), h("span.num.muted", bytes(asset.size)), time(asset.created_at)))));

