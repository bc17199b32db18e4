// The dashboard: a key, then a rail of views, a bar above, a list, and a panel beside it.

import { h, icon } from "./dom.js";
import { keepTimesTrue } from "./format.js";
import { listenToKeys } from "./keyboard.js";
import { createBanner } from "./banner.js";
import { createPanel } from "./panel.js";
import { problemBox } from "./pieces.js";
import { forgetKey, openSession, storedKey } from "./session.js";
import { createShell } from "./shell.js";
import { Live } from "./live.js";
import { markOpen } from "./list.js";
import { here, onAddress } from "./router.js";
import { findView } from "./views.js";

const REFRESH_AFTER_EVENT = 800;
const REFRESH_INTERVAL = 10_000;

function askForKey(problem) {
  const input = h("input", { id: "key", type: "password", autocomplete: "off", spellcheck: "false", placeholder: "gk_…", required: true, "aria-describedby": "key-help" });
  const trouble = h("div", problem && problemBox(problem));
  const enter = h("button.primary.center", { type: "submit" }, "Open the dashboard");
  const form = h("form.key", h("h1", "Gantry dashboard"),
    h("div.field", h("label", { for: "key" }, "Your API key"), input,
      h("p.help", { id: "key-help" }, "It stays in this tab and is in no address. A key with the scope read may look; one with admin may act.")),
    trouble, enter,
    h("p.help", "The first start prints one. ", h("code", "gantry key create --tenant default --scopes admin"), " makes another."));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    enter.disabled = true;
    try {
      run(await openSession(input.value.trim()));
    } catch (refused) {
      trouble.replaceChildren(problemBox(refused));
      enter.disabled = false;
      input.focus();
      input.select();
    }
  });
  document.body.replaceChildren(h("main.gate", form));
  input.focus();
}

function run(session) {
  const live = new Live(session.api);
  const app = { ...session, live, signOut };
  const panel = createPanel(app);
  const banner = createBanner(app);
  const shell = createShell(app, panel, banner);
  app.refresh = () => Promise.all([view?.refresh?.(), panel.refresh(), banner.refresh()]);
  let [view, shownView, timer] = [];

  function show(address) {
    const spec = findView(address.view, session.rights);
    if (shownView !== address.view) {
      shownView = address.view;
      view = spec.render(app);
      shell.show(spec, view);
      shownParams = null;
    }
    const { open, ...params } = address.params;
    const text = JSON.stringify(params);
    if (text !== shownParams) {
      shownParams = text;
      view.filters?.show();
      view.refresh?.();
    }
    panel.show(open);
    markOpen();
  }
  let shownParams = null;

  const soon = (delay) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!document.hidden && live.state !== "paused" && !document.querySelector("dialog[open]")) app.refresh();
      soon(REFRESH_INTERVAL);
    }, delay);
  };
  live.on(({ event }) => { if (event) soon(REFRESH_AFTER_EVENT); });
  listenToKeys({ app, panel, view: () => view });
  onAddress(show);
  show(here());
  live.start();
  banner.refresh();
  soon(REFRESH_INTERVAL);
  keepTimesTrue();
}

function signOut() {
  forgetKey();
  location.reload();
}

async function start() {
  const key = storedKey();
  if (!key) return askForKey();
  document.body.replaceChildren(h("main.gate", h("p.muted", icon("running"), " Opening…")));
  try {
    run(await openSession(key));
  } catch (problem) {
    if (problem.status === 401) forgetKey();
    askForKey(problem);
  }
}

start();
