// Filters as chips, whose values are in the address.

import { button, h, icon } from "./dom.js";
import { change, here } from "./router.js";

const TYPING_PAUSE = 250;

/**
 * @param {object[]} filters `{name, label, kind: "search"|"select"|"text"|"date", options: [[value, word]], placeholder, seldom}`
 * @param {Node[]} tools What stands at the end of the line.
 */
export function filterBar(filters, tools) {
  const fields = filters.map(buildField);
  const clear = button(".small.quiet", { click: () => change(Object.fromEntries(filters.map(({ name }) => [name, null]))) }, "Clear filters");
  let unfolded = false;
  const more = button(".small.quiet", { "aria-expanded": "false", click: () => { unfolded = !unfolded; show(); } }, "More filters");
  const element = h("div.filters", { role: "search" }, fields.map(({ chip }) => chip), more, clear, h("div.tools", tools));
  const active = () => filters.some(({ name }) => Boolean(here().params[name]));
  const show = () => {
    const { params } = here();
    fields.forEach(({ show: fill }) => fill(params));
    // Filters that are seldom needed are shown when asked for, or while they are on.
    filters.forEach((filter, at) => { fields[at].chip.hidden = Boolean(filter.seldom) && !unfolded && !params[filter.name]; });
    more.hidden = !filters.some(({ seldom }) => seldom);
    more.textContent = unfolded ? "Fewer filters" : "More filters";
    more.setAttribute("aria-expanded", String(unfolded));
    clear.hidden = !active();
  };
  show();
  return { element, active, show, focusSearch: fields.find(({ search }) => search)?.focus };
}

function buildField({ name, label, kind = "select", options, placeholder }) {
  const set = (value) => change({ [name]: value || null });
  if (kind === "select") {
    const input = h("select", { "aria-label": label, change: () => set(input.value) }, options.map(([value, word]) => h("option", { value }, word)));
    const chip = h("label.chip", h("span", label), input);
    return { chip, show: (params) => { input.value = params[name] ?? ""; chip.classList.toggle("on", Boolean(params[name])); }, focus: () => input.focus() };
  }
  let timer;
  const type = { search: "search", date: "datetime-local" }[kind] ?? "text";
  const input = h("input", { type, "aria-label": label, placeholder: placeholder ?? label, spellcheck: "false", autocomplete: "off" });
  const value = () => (kind === "date" && input.value ? new Date(input.value).toISOString() : input.value.trim());
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => set(value()), TYPING_PAUSE);
  });
  const chip = h(kind === "search" ? "div.search" : "label.chip", kind === "search" ? icon("search") : h("span", label), input);
  const show = (params) => {
    if (input === document.activeElement) return;
    input.value = kind === "date" ? localTime(params[name]) : params[name] ?? "";
    chip.classList.toggle("on", Boolean(params[name]));
  };
  return { chip, show, search: kind === "search", focus: () => { input.focus(); input.select(); } };
}

/** As `<input type="datetime-local">` wants it: the reader's own time. */
function localTime(iso) {
  if (!iso) return "";
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
