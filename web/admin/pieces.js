// Small pieces that every view uses: states, problems, facts, notices.

import { button, h, icon, setText } from "./dom.js";

/** The meaning of each state, for its colour and icon. */
const TONES = {
  ready: "ready", completed: "ready", delivered: "ready", active: "ready", yes: "ready",
  open: "running", completing: "running", processing: "running", running: "running", stored: "running", pending: "running",
  rejected: "failed", failed: "failed", dead: "failed", refused: "failed",
  warning: "warning", stalled: "warning", paused: "warning", disabled: "warning", suspended: "warning", expired: "warning", late: "warning",
};

/** A state as an icon and a word: never by colour alone. */
export function state(name, word = name) {
  const tone = TONES[name] ?? "idle";
  return h("span.state", { "data-tone": tone }, icon(tone), word);
}

/** A failure as a sentence; code and request id are folded below, to be copied. */
export function problemBox(problem, retry) {
  const details = [["Code", problem.code], ["Request id", problem.requestId], ["Status", problem.status || ""]].filter(([, value]) => value);
  return h("div.problem", { role: "alert" },
    h("p.line", icon("failed"), h("span", problem.message)),
    details.length > 0 && h("details", h("summary", "Details"), facts(details.map(([name, value]) => [name, h("code", value)])),
      copyButton(() => [problem.message, ...details.map(([name, value]) => `${name}: ${value}`)].join("\n"), "Copy details")),
    retry && button(".small", { click: retry }, "Try again"));
}

/** Names and values; what has no value is left out. */
export function facts(pairs) {
  const shown = pairs.filter((pair) => pair && pair[1] != null && pair[1] !== "" && pair[1] !== false);
  return h("dl.facts", shown.map(([name, value]) => h("div", h("dt", name), h("dd", value))));
}

export function copyButton(text, label = "Copy") {
  const made = button(".small.quiet", {
    click: async () => {
      const word = await navigator.clipboard.writeText(typeof text === "function" ? text() : text).then(() => "Copied", () => "Not copied");
      setText(made.lastChild, word);
      setTimeout(() => setText(made.lastChild, label), 2000);
    },
  }, icon("copy"), h("span", label));
  return made;
}

/** An id to be read and copied. */
export const idLine = (id) => h("span.id", h("code", id), button(".icon-button.tiny", {
  "aria-label": `Copy ${id}`, title: "Copy", click: () => navigator.clipboard.writeText(id).then(() => notify("Copied."), () => notify("The browser did not allow copying.")),
}, icon("copy")));

/** A bar whose share is also said. */
export function bar(part, of, label) {
  const share = of ? Math.min(1, part / of) : 0;
  const fill = h("div");
  fill.style.transform = `scaleX(${share})`;
  return h("div.bar", { role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(share * 100) }, fill);
}

/** What belongs here, and how the first comes. */
export const emptyState = (title, text, command) =>
  h("div.empty", h("p.title", title), text && h("p", text), command && h("p", h("code", command)));

let region;

/** One line at the foot of the page, which goes by itself. */
export function notify(text) {
  region ??= document.body.appendChild(h("div.notices", { role: "status" }));
  const line = h("p", text);
  region.replaceChildren(line);
  setTimeout(() => line.remove(), 6000);
}

/** Any JSON as lines of `name value`, nested names joined by dots. */
export function jsonFacts(value) {
  const lines = [];
  const walk = (name, inner) => {
    if (inner && typeof inner === "object" && !Array.isArray(inner)) {
      for (const [key, deeper] of Object.entries(inner)) walk(name ? `${name}.${key}` : key, deeper);
    } else if (inner != null && inner !== "") {
      lines.push([name, h("code.wrap", Array.isArray(inner) ? inner.map((one) => (typeof one === "object" ? JSON.stringify(one) : one)).join(", ") : String(inner))]);
    }
  };
  walk("", value);
  return facts(lines);
}
