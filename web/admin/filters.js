// Filters as chips, whose values are in the address.

import { button, h, icon } from "./dom.js";
import { change, here } from "./router.js";

const TYPING_PAUSE = 250;

/**
 * @param {object[]} filters `{name, label, kind: "search"|"select"|"text"|"date"|"size", options: [[value, word]], help}`
 * @param {Node[]} tools What stands at the end of the line.
 */
export function filterBar(filters, tools) {
  const fields = filters.map(buildField);
  const clear = button(".small.quiet", { click: () => change(Object.fromEntries(filters.map(({ name }) => [name, null]))) }, "Clear filters");
  const element = h("div.filters", { role: "search" }, fields.map(({ chip }) => chip), clear, h("div.tools", tools));
  const active = () => filters.some(({ name, standing }) => (here().params[name] ?? "") !== (standing ?? ""));
  const show = () => {
    fields.forEach(({ show: fill }) => fill(here().params));
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
