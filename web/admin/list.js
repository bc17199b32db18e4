// A table of things: filters in the address, pages by cursor, rows that change in place, selection, keyboard.

import { button, h, icon, said } from "./dom.js";
import { plural } from "./format.js";
import { filterBar } from "./filters.js";
import { emptyState, problemBox } from "./pieces.js";
import { here } from "./router.js";

const PAGE = 50;
const MOST_REFRESHED = 500;

/**
 * @param {object} spec `key(row)`, `columns` (`{title, cell, numeric, wide}`), `load(params, {cursor, limit})` → `{rows, next}`,
 *   and optionally `filters`, `href(row)`, `actions(row)`, `bulk` (`[{label, run}]`), `noun`, `empty`, `selected(row)`.
 */
export function createList(spec) {
  const list = { rows: [], next: null, chosen: new Map(), built: new Map() };
  const parts = buildParts(spec, list);
  const element = h("div.list", parts.filters?.element, parts.trouble, parts.scroller, parts.empty, parts.foot);

  async function load(more) {
    const { params } = here();
    const limit = more ? PAGE : Math.min(Math.max(PAGE, list.rows.length), MOST_REFRESHED);
    element.setAttribute("aria-busy", "true");
    try {
      const page = await spec.load(params, { cursor: more ? list.next : undefined, limit });
      list.rows = more ? [...list.rows, ...page.rows] : page.rows;
      list.next = page.next;
      parts.trouble.replaceChildren();
      show();
    } catch (problem) {
      parts.trouble.replaceChildren(problemBox(problem, () => load(more)));
    } finally {
      element.removeAttribute("aria-busy");
    }
  }

  function show() {
    paintRows(spec, list, parts.body);
    const none = list.rows.length === 0;
    parts.scroller.hidden = none;
    parts.empty.replaceChildren(...(none ? [parts.filters?.active() ? emptyState("Nothing matches these filters.", "Take one away to see more.") : spec.empty] : []));
    parts.count.textContent = none ? "" : `${plural(list.rows.length, spec.noun ?? "row")}${list.next ? ", and more" : ""}`;
    parts.more.hidden = !list.next;
    showChosen();
  }

  function showChosen() {
    for (const id of [...list.chosen.keys()]) if (!list.rows.some((row) => spec.key(row) === id)) list.chosen.delete(id);
    const some = list.chosen.size > 0;
    parts.bulk.hidden = !some;
    parts.chosen.textContent = `${list.chosen.size} selected`;
    if (parts.all) {
      parts.all.checked = some && list.chosen.size === list.rows.length;
      parts.all.indeterminate = some && !parts.all.checked;
    }
    for (const [id, { element: row, box }] of list.built) {
      row.classList.toggle("chosen", list.chosen.has(id));
      if (box) box.checked = list.chosen.has(id);
    }
  }

  list.choose = (row, on) => {
    if (on) list.chosen.set(spec.key(row), row);
    else list.chosen.delete(spec.key(row));
    showChosen();
  };
  list.clear = () => { list.chosen.clear(); showChosen(); };
  list.refresh = () => load(false);
  parts.more.addEventListener("click", () => load(true));
  parts.all?.addEventListener("change", () => {
    list.chosen = new Map(parts.all.checked ? list.rows.map((row) => [spec.key(row), row]) : []);
    showChosen();
  });
  return { element, refresh: list.refresh, list, filters: parts.filters, focusSearch: parts.filters?.focusSearch, move: (step) => moveFocus(parts.body, step) };
}

function buildParts(spec, list) {
  const body = h("tbody", { role: "rowgroup" });
  const all = spec.bulk?.length ? h("input", { type: "checkbox", "aria-label": `Select every ${spec.noun ?? "row"} that is loaded` }) : null;
  const head = h("tr", { role: "row" },
    all && h("th.box", { role: "columnheader", scope: "col" }, all),
    spec.columns.map(({ title, numeric, wide }) => h(`th${numeric ? ".number" : ""}${wide ? ".wide" : ""}`, { role: "columnheader", scope: "col" }, title)),
    spec.actions && h("th.actions", { role: "columnheader", scope: "col" }, said("Actions")));
  const table = h("table", { role: "table", "aria-label": spec.label }, h("thead", { role: "rowgroup" }, head), body);
  const chosen = h("span.num");
  const bulk = h("div.bulk", { hidden: true }, chosen,
    (spec.bulk ?? []).map(({ label, danger, run }) => button(danger ? ".small.danger" : ".small", {
      click: async () => { if (await run([...list.chosen.values()])) { list.clear(); list.refresh(); } },
    }, label)),
    button(".small.quiet", { click: () => list.clear() }, "Clear selection"));
  const count = h("span.num.muted");
  const more = button(".small", { hidden: true }, "Show more");
  return {
    body, all, chosen, bulk, count, more,
    filters: spec.filters && (spec.filters.length || spec.tools) && filterBar(spec.filters, spec.tools ?? []),
    trouble: h("div"),
    scroller: h("div.scroller", { hidden: true }, table),
    empty: h("div"),
    foot: h("div.foot", count, more, bulk),
  };
}

/** Rows that did not change are left as they are: nothing jumps, and the focus stays where it is. */
function paintRows(spec, list, body) {
  const before = list.built;
  list.built = new Map();
  const elements = list.rows.map((row) => {
    const id = spec.key(row);
    const text = JSON.stringify(row);
    const known = before.get(id);
    const built = known?.text === text ? known : { text, ...buildRow(spec, list, row) };
    if (known && known !== built && known.element.contains(document.activeElement)) {
      const at = [...known.element.querySelectorAll("a, button, input")].indexOf(document.activeElement);
      known.element.replaceWith(built.element);
      built.element.querySelectorAll("a, button, input")[at]?.focus();
    }
    list.built.set(id, built);
    return built.element;
  });
  elements.forEach((element, at) => {
    if (body.children[at] !== element) body.insertBefore(element, body.children[at] ?? null);
  });
  while (body.children.length > elements.length) body.lastChild.remove();
  markOpen(body);
}

function buildRow(spec, list, row) {
  const box = spec.bulk?.length ? h("input", { type: "checkbox", "aria-label": `Select ${spec.name?.(row) ?? spec.key(row)}` }) : null;
  const cells = spec.columns.map(({ title, cell, numeric, wide }, at) => {
    const content = cell(row);
    const target = at === 0 && spec.href?.(row);
    const element = h(`td${numeric ? ".number" : ""}${wide ? ".wide" : ""}`, { role: "cell", "data-title": title }, target ? h("a.row-link", { href: target }, content) : content);
    // Where cells follow one another on a narrow page, a dash says nothing.
    element.classList.toggle("none", ["", "–"].includes(element.textContent));
    return element;
  });
  const actions = spec.actions && h("td.actions", { role: "cell" }, h("div", spec.actions(row)));
  const element = h("tr", { role: "row", "data-key": spec.key(row) }, box && h("td.box", { role: "cell" }, box), cells, actions);
  box?.addEventListener("change", () => list.choose(row, box.checked));
  element.addEventListener("click", (event) => {
    if (event.target.closest("a, button, input, details") || getSelection().toString()) return;
    element.querySelector(".row-link")?.click();
  });
  return { element, box };
}

/** The row whose thing is open in the panel is marked. */
export function markOpen(root = document) {
  const id = here().params.open?.split(":").pop();
  for (const row of root.querySelectorAll("tr[data-key]")) row.classList.toggle("open", Boolean(id) && row.dataset.key === id);
}

/** `j` and `k`: to the next row's link. */
function moveFocus(body, step) {
  const rows = [...body.children];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const from = at >= 0 ? at : rows.findIndex((row) => row.classList.contains("open"));
  const target = rows[Math.min(rows.length - 1, Math.max(0, from < 0 ? 0 : from + step))];
  (target.querySelector(".row-link") ?? target.querySelector("a, button, input"))?.focus();
  target.scrollIntoView({ block: "nearest" });
}

/** Beside a heading: how to load anew. */
export const refreshButton = (refresh) => button(".icon-button", { "aria-label": "Refresh", title: "Refresh (r)", click: refresh }, icon("refresh"));
