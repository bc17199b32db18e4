// Chores: what comes round, its last report, a dry run, a run now.

import { button, h } from "./dom.js";
import { ask, show } from "./dialog.js";
import { duration, time } from "./format.js";
import { createList } from "./list.js";
import { emptyState, jsonFacts, state } from "./pieces.js";

const MEANINGS = {
  sweep: "Finishes what was left half done, expires uploads, removes their leftovers",
  retention: "Deletes what is past its time: old events and deliveries",
  orphans: "Finds objects in the bucket that belong to no asset and no upload",
  rollup: "Counts events by the hour",
  alarms: "Looks for what needs an operator",
};

export function cleanupView(app) {
  return createList({
    label: "Chores", noun: "chore", key: (chore) => chore.name, name: (chore) => chore.name,
    columns: [
      { title: "Chore", cell: (chore) => h("div.verdict", h("strong", chore.name), h("span.muted", MEANINGS[chore.name])) },
      { title: "State", cell: (chore) => (chore.last_error ? state("failed") : chore.state === "ready" ? state("idle", "waits") : state(chore.state)) },
      { title: "Last run", cell: (chore) => time(chore.last_at) },
      { title: "Took", numeric: true, cell: (chore) => (chore.last_millis == null ? "–" : duration(chore.last_millis)) },
      { title: "Last report", wide: true, cell: (chore) => h("span.report", reportText(chore)) },
      { title: "Next", cell: (chore) => time(chore.next_at) },
    ],
    actions: (chore) => [
      button(".small.quiet", { click: () => dryRun(app, chore) }, "Dry run"),
      button(".small.quiet", { click: () => runNow(app, chore) }, "Run now"),
    ],
    empty: emptyState("There is no chore."),
    load: async () => ({ rows: (await app.api.get("/v1/admin/chores")).chores, next: null }),
  });
}

function reportText({ last_report: report, last_error: error }) {
  if (error) return error;
  if (Array.isArray(report)) return report.length ? report.map(({ sentence }) => sentence).join(" ") : "nothing";
  const told = Object.entries(report ?? {}).filter(([, value]) => value !== 0 && typeof value !== "object").map(([name, value]) => `${name} ${value}`);
  return report ? told.join(", ") || "nothing to do" : "never ran";
}

const dryRun = (app, chore) => ask({
  title: `Try ${chore.name} without changing anything?`, text: `${MEANINGS[chore.name] ?? "It runs"}. Nothing is changed; you see what would be.`, action: "Dry run",
  run: async () => {
    const { would } = await app.api.send("POST", `/v1/admin/chores/${chore.name}/run`, { dry_run: true });
    setTimeout(() => show({ title: `${chore.name} would do this`, content: Object.keys(would ?? {}).length ? jsonFacts(would) : h("p", "Nothing.") }));
  },
});

const runNow = (app, chore) => ask({
  title: `Run ${chore.name} now?`, text: `${MEANINGS[chore.name] ?? "It runs"}. It begins on one of the nodes, and its report is shown here when it ends.`, action: "Run now", done: "It begins.",
  run: async () => { await app.api.send("POST", `/v1/admin/chores/${chore.name}/run`, {}); setTimeout(app.refresh, 800); },
});
