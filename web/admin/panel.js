// What is open beside the list: an asset, an upload, a job, an endpoint. The list stays as it is.

import { button, h, icon } from "./dom.js";
import { problemBox } from "./pieces.js";
import { change, here } from "./router.js";
import { markOpen } from "./list.js";
import { PANELS } from "./panels.js";

export function createPanel(app) {
  const title = h("h2", { tabindex: "-1" });
  const body = h("div.panel-body");
  const close = button(".icon-button", { "aria-label": "Close", title: "Close (Esc)", click: () => panel.close() }, icon("close"));
  const element = h("aside.panel", { hidden: true, "aria-label": "Details" }, h("header", title, close), body);
  let shown;
  let from;

  async function fill(key, fresh) {
    const [kind, ...rest] = key.split(":");
    const make = PANELS[kind];
    if (fresh) {
      title.textContent = "…";
      body.replaceChildren(h("p.muted", "Loading…"));
    }
    element.setAttribute("aria-busy", "true");
    try {
      if (!make) throw new Error("There is nothing of this kind.");
      const made = await make(app, rest.join(":"));
      if (shown !== key) return;
      title.replaceChildren(made.title);
      keepFolds(body, made.content);
    } catch (problem) {
      if (shown === key) body.replaceChildren(problemBox(problem, () => fill(key, false)));
    } finally {
      if (shown === key) element.removeAttribute("aria-busy");
    }
  }

  const panel = {
    element,
    show(key) {
      if (key === shown) return;
      if (!shown) from = document.activeElement;
      shown = key;
      element.hidden = !key;
      document.body.classList.toggle("with-panel", Boolean(key));
      if (key) {
        element.scrollTop = 0;
        fill(key, true);
        title.focus({ preventScroll: true });
      } else if (from?.isConnected) from.focus();
    },
    close() {
      const id = here().params.open?.split(":").pop();
      change({ open: null });
      const row = id && document.querySelector(`tr[data-key="${CSS.escape(id)}"] .row-link`);
      if (row) from = row;
      markOpen();
    },
    refresh: () => (shown ? fill(shown, false) : undefined),
  };
  return panel;
}

/** New content in the place of the old: what was unfolded stays unfolded, the focus stays at its place, and nothing scrolls. */
function keepFolds(body, content) {
  const name = (fold) => fold.dataset.fold ?? fold.querySelector("summary")?.textContent;
  const opened = new Set([...body.querySelectorAll("details[open]")].map(name));
  const focusable = (root) => [...root.querySelectorAll("a, button, summary, input")];
  const at = focusable(body).indexOf(document.activeElement);
  const fresh = h("div", content);
  for (const fold of fresh.querySelectorAll("details")) if (opened.has(name(fold))) fold.open = true;
  if (body.firstElementChild?.isEqualNode(fresh)) return;
  body.replaceChildren(fresh);
  if (at >= 0) focusable(body)[at]?.focus({ preventScroll: true });
}
