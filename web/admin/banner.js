// Above every view: that new uploads are refused. A mode that somebody forgot keeps clients out.

import { h, icon } from "./dom.js";
import { time } from "./format.js";
import { href } from "./router.js";

/** Keys that do not operate the instance are told by the overview, which costs more: once in so many milliseconds. */
const SELDOM = 60_000;

export function createBanner({ api, rights }) {
  const element = h("div.banner", { role: "status", hidden: true });
  let [shown, asked] = ["", 0];
  const read = async () => {
    if (rights.operator) return (await api.get("/v1/admin/maintenance")).modes;
    if (Date.now() - asked < SELDOM) return null;
    asked = Date.now();
    return (await api.get("/v1/admin/overview")).maintenance;
  };
  const refresh = async () => {
    const modes = await read().catch(() => null);
    if (!modes || JSON.stringify(modes) === shown) return;
    shown = JSON.stringify(modes);
    element.hidden = modes.length === 0;
    element.replaceChildren(...modes.map(({ tenant, message, since }) => h("p", icon("warning"),
      h("span", tenant ? "Maintenance of a tenant: its new uploads are refused. " : "Maintenance: new uploads are refused. ", message && `“${message}” `, "It began ", time(since), "."),
      rights.operator && h("a", { href: href("system") }, "Look"))));
  };
  return { element, refresh };
}
