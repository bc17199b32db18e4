// Charts in plain SVG: axis, unit, tooltip, and a table of the same numbers.

import { h, s } from "./dom.js";

const [WIDTH, HEIGHT] = [640, 180];
const [LEFT, RIGHT, TOP, BOTTOM] = [56, 8, 12, 24];

/** A line without axes beside a number. */
export function sparkline(values) {
  if (values.length < 2) return null;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (at) => (at / (values.length - 1)) * 96 + 2;
  const y = (value) => 26 - (high === low ? (high ? 12 : 0) : ((value - low) / (high - low)) * 22);
  const line = values.map((value, at) => `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  return s("svg.sparkline", { viewBox: "0 0 100 28", "aria-hidden": "true", preserveAspectRatio: "none" },
    s("path.area", { d: `${line}L98 28L2 28Z` }), s("path.stroke", { d: line }));
}

/** A round number at or above: 1, 2 or 5 times a power of ten. */
function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((step) => step * power).find((step) => step >= value);
}

/**
 * @param {{title: string, unit: string, times: number[], series: {name: string, tone: string, values: number[]}[], stacked?: boolean,
 *   format: (value: number) => string, label: (time: number) => string, least?: number, empty?: string}} spec
 */
export function chart(spec) {
  const { title, unit, times, series, stacked, format, label } = spec;
  const totals = times.map((_, at) => (stacked ? series.reduce((sum, { values }) => sum + values[at], 0) : Math.max(...series.map(({ values }) => values[at]))));
  const top = ceiling(Math.max(...totals, spec.least ?? 0));
  const x = (at) => LEFT + ((at + (stacked ? 0.5 : 0)) / Math.max(1, times.length - (stacked ? 0 : 1))) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const frame = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}, ${unit}: the table below has the numbers` },
    axes({ times, top, y, x, format, label }), stacked ? bars({ times, series, x, y }) : lines({ series, x, y }));
  const legend = h("ul.legend", series.map(({ name, tone }) => h("li", { "data-tone": tone }, h("i"), name)));
  const tip = h("div.tip", { hidden: true });
  const plot = h("div.plot", frame, tip, Math.max(...totals, 0) === 0 && h("p.nothing", h("span", spec.empty ?? "Nothing in this time.")));
  follow({ plot, frame, tip, spec, x });
  return h("figure.chart", h("figcaption", h("h2", title), h("span.muted", unit), legend), plot, numbers(spec));
}

function axes({ times, top, y, x, format, label }) {
  const steps = [0, top / 2, top];
  const across = s("g.grid", steps.map((value) => [
    s("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
    s("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, format(value))]));
  const every = Math.max(1, Math.ceil(times.length / 6));
  const along = s("g.grid", times.map((time, at) => at % every === 0 && s(at / every % 2 ? "text.seldom" : "text", { x: x(at), y: HEIGHT - 6, "text-anchor": "middle" }, label(time))));
  return [across, along];
}

function lines({ series, x, y }) {
  return series.map(({ tone, values }) => {
    const line = values.map((value, at) => `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    const area = `${line}L${x(values.length - 1).toFixed(1)} ${y(0)}L${x(0).toFixed(1)} ${y(0)}Z`;
    return s("g.series", { "data-tone": tone }, s("path.area", { d: area }), s("path.stroke", { d: line }));
  });
}

function bars({ times, series, x, y }) {
  const width = Math.max(2, ((WIDTH - LEFT - RIGHT) / times.length) * 0.7);
  const heights = times.map(() => 0);
  return series.map(({ tone, values }) => s("g.series", { "data-tone": tone }, values.map((value, at) => {
    if (!value) return null;
    const [from, to] = [heights[at], heights[at] += value];
    return s("rect", { x: (x(at) - width / 2).toFixed(1), y: y(to).toFixed(1), width: width.toFixed(1), height: Math.max(1, y(from) - y(to)).toFixed(1), rx: 1 });
  })));
}

/** The numbers beneath the pointer. */
function follow({ plot, frame, tip, spec, x }) {
  const marker = s("line.marker", { y1: TOP, y2: HEIGHT - BOTTOM, hidden: true });
  frame.append(marker);
  plot.addEventListener("pointermove", (event) => {
    const box = frame.getBoundingClientRect();
    const wanted = ((event.clientX - box.left) / box.width) * WIDTH;
    const at = spec.times.reduce((best, _, index) => (Math.abs(x(index) - wanted) < Math.abs(x(best) - wanted) ? index : best), 0);
    if (!spec.times.length) return;
    tip.replaceChildren(h("strong", spec.tip?.(spec.times[at]) ?? spec.label(spec.times[at])), ...spec.series.map(({ name, tone, values }) =>
      h("span", { "data-tone": tone }, h("i"), `${name} `, h("b.num", spec.format(values[at])))));
    tip.hidden = false;
    marker.removeAttribute("hidden");
    marker.setAttribute("x1", x(at));
    marker.setAttribute("x2", x(at));
    const left = (x(at) / WIDTH) * box.width;
    tip.style.insetInlineStart = `${Math.max(0, Math.min(left + 8, box.width - tip.offsetWidth - 4))}px`;
  });
  plot.addEventListener("pointerleave", () => { tip.hidden = true; marker.setAttribute("hidden", ""); });
}

function numbers({ title, times, series, format, label, tip }) {
  const row = (time, at) => h("tr", h("th", { scope: "row" }, tip?.(time) ?? label(time)), series.map(({ values }) => h("td.number", format(values[at]))));
  const shown = times.map((time, at) => [time, at]).filter(([, at]) => series.some(({ values }) => values[at]));
  const table = h("table", h("caption.said", title),
    h("thead", h("tr", h("th", { scope: "col" }, "Time"), series.map(({ name }) => h("th.number", { scope: "col" }, name)))),
    h("tbody", shown.map(([time, at]) => row(time, at))));
  return h("details.numbers", h("summary", "Numbers"), shown.length ? table : h("p.muted", "All of them are zero."));
}
