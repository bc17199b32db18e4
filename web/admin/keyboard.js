// Keys for people who work here all day.

import { h } from "./dom.js";
import { show } from "./dialog.js";
import { here, go } from "./router.js";

const KEYS = [
  ["/", "Search or filter"], ["j", "Next row"], ["k", "Previous row"], ["Enter", "Open the row"], ["x", "Select the row"], ["Esc", "Close what is open"],
  ["r", "Refresh"], ["p", "Pause live updates, or go on"], ["g o", "Overview"], ["g u", "Uploads"], ["g a", "Assets"], ["g q", "Queues"],
  ["g d", "Dead jobs"], ["g w", "Webhooks"], ["?", "This help"],
];
const PLACES = { o: "overview", u: "uploads", a: "assets", f: "failures", q: "queues", d: "dead", w: "webhooks", l: "audit" };

export function showHelp() {
  show({ title: "Keyboard", content: h("dl.facts.keys", KEYS.map(([key, does]) => h("div", h("dt", key.split(" ").map((one) => h("kbd", one))), h("dd", does)))) });
}

export function listenToKeys({ app, panel, view }) {
  let going = false;
  const actions = {
    "/": () => view()?.focusSearch?.(),
    j: () => view()?.move?.(1),
    k: () => view()?.move?.(-1),
    x: () => document.activeElement?.closest("tr")?.querySelector("td.box input")?.click(),
    r: () => app.refresh(),
    p: () => app.live.toggle(),
    "?": showHelp,
    g: () => { going = true; setTimeout(() => { going = false; }, 1500); },
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
    if (event.key === "Escape") {
      if (typing) return typing.blur();
      if (here().params.open) { panel.close(); event.preventDefault(); }
      return;
    }
    if (typing) return;
    if (going && PLACES[event.key]) { going = false; event.preventDefault(); return go(PLACES[event.key], {}); }
    const action = actions[event.key];
    if (action) { event.preventDefault(); action(); }
  });
}
