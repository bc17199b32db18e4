// What stands around every view: the rail, the bar above, the heading.

import { button, h, icon, setText } from "./dom.js";
import { ZONE } from "./format.js";
import { href } from "./router.js";
import { GROUPS, VIEWS, mayOpen } from "./views.js";
import { showHelp } from "./keyboard.js";

const LIVE_WORDS = { live: "Live", connecting: "Connecting…", paused: "Paused", lost: "Reconnecting…" };

export function createShell(app, panel, banner) {
  const links = new Map();
  const rail = h("nav.rail", { id: "rail", "aria-label": "Views" }, h("a.brand", { href: href("overview") }, "Gantry"),
    GROUPS.map((group) => {
      const shown = VIEWS.filter((view) => view.group === group && mayOpen(view, app.rights));
      return shown.length > 0 && h("div", group && h("h2", group), h("ul", shown.map((view) => {
        const link = h("a", { href: href(view.id, view.standing) }, icon(view.icon), h("span", view.title));
        links.set(view.id, link);
        return h("li", link);
      })));
    }));
  const menu = button(".icon-button.menu", { "aria-label": "Views", "aria-expanded": "false", "aria-controls": "rail", click: () => toggle() }, icon("menu"));
  const toggle = (open = !rail.classList.contains("shown")) => {
    rail.classList.toggle("shown", open);
    menu.setAttribute("aria-expanded", String(open));
  };
  const title = h("h1", { tabindex: "-1" });
  const main = h("main", { id: "main", tabindex: "-1" });
  const top = h("header.top", menu, title, h("div.grow"), liveButton(app),
    button(".icon-button", { "aria-label": "Refresh", title: "Refresh (r)", click: () => app.refresh() }, icon("refresh")),
    h("span.zone", { title: "Times are shown in this zone" }, ZONE),
    h("span.role", { title: "What this key may do" }, app.roleName),
    button(".icon-button.text", { "aria-label": "Keyboard help", title: "Keyboard help (?)", click: showHelp }, "?"),
    button(".small.quiet", { click: app.signOut }, "Sign out"));
  const skip = h("a.skip", { href: "#main", click: (event) => { event.preventDefault(); main.focus(); } }, "Skip to content");
  document.body.replaceChildren(skip, h("div.shell", rail, h("div.page", top, banner.element, h("div.columns", main, panel.element))));
  rail.addEventListener("click", (event) => { if (event.target.closest("a")) toggle(false); });

  return {
    show(spec, view) {
      setText(title, spec.title);
      document.title = `${spec.title} · Gantry`;
      for (const [id, link] of links) {
        if (id === spec.id) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
      main.replaceChildren(spec.about ? h("p.about", spec.about) : "", view.element);
      main.scrollTop = 0;
    },
  };
}

function liveButton(app) {
  const word = h("span");
  const made = button(".live", { click: () => app.live.toggle() }, h("i"), word);
  const show = () => {
    setText(word, LIVE_WORDS[app.live.state]);
    made.dataset.state = app.live.state;
    made.title = app.live.state === "paused" ? "Go on (p)" : "Pause (p)";
    made.setAttribute("aria-pressed", String(app.live.state === "paused"));
    made.setAttribute("aria-label", app.live.state === "paused" ? "Live updates are paused: go on" : `Live updates: ${word.textContent} Pause`);
  };
  app.live.on(({ state }) => { if (state) show(); });
  show();
  return made;
}

