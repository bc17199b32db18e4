// Numbers, sizes and times for people, in the reader's locale and time zone.

import { h, said } from "./dom.js";

const locale = navigator.languages?.[0] ?? "en";
const whole = new Intl.NumberFormat(locale);
const compact = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
const exact = new Intl.DateTimeFormat(locale, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});
const clockTime = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const dayTime = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const hourTime = new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" });
const weekdayTime = new Intl.DateTimeFormat(locale, { weekday: "short", hour: "numeric" });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });

/** The reader's time zone, by name. */
export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

export const count = (value) => (value == null ? "–" : whole.format(value));
export const shortCount = (value) => (value == null ? "–" : value < 10_000 ? whole.format(value) : compact.format(value));
export const percent = (part, of) => (of ? `${(100 * part / of).toFixed(part === of || part === 0 ? 0 : 1)} %` : "–");
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

export function bytes(value) {
  if (value == null) return "–";
  let unit = 0;
  let shown = value;
  for (; shown >= 999.5 && unit < UNITS.length - 1; unit++) shown /= 1000;
  return `${shown.toLocaleString(locale, { maximumFractionDigits: unit && shown < 100 ? 1 : 0 })} ${UNITS[unit]}`;
}

/** A span in milliseconds: the two largest units. */
export function duration(millis) {
  if (millis == null || Number.isNaN(millis)) return "–";
  if (millis < 1) return "0 ms";
  if (millis < 1000) return `${Math.round(millis)} ms`;
  const seconds = millis / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const parts = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const at = parts.findIndex(([size]) => seconds >= size);
  const [size, unit] = parts[at];
  const rest = Math.floor((seconds % size) / (parts[at + 1]?.[0] ?? 1));
  return `${Math.floor(seconds / size)} ${unit}${rest && parts[at + 1] ? ` ${rest} ${parts[at + 1][1]}` : ""}`;
}

const STEPS = [[60, "second", 1], [3600, "minute", 60], [86_400, "hour", 3600], [30 * 86_400, "day", 86_400], [Infinity, "month", 30 * 86_400]];

export function ago(iso) {
  const seconds = (Date.parse(iso) - Date.now()) / 1000;
  if (Math.abs(seconds) < 5) return "now";
  const [, unit, size] = STEPS.find(([limit]) => Math.abs(seconds) < limit);
  return relative.format(Math.round(seconds / size), unit);
}

export const exactTime = (iso) => exact.format(new Date(iso));
export const precise = (iso) => clockTime.format(new Date(iso));
export const dayAndTime = (at) => dayTime.format(new Date(at));
export const weekdayAndHour = (at) => weekdayTime.format(new Date(at));
export const hourOfDay = (at) => hourTime.format(new Date(at));

/** A time: relative, with the exact one on hover and for screen readers. */
export function time(iso) {
  if (!iso) return h("span.muted", "–");
  return h("time.num", { datetime: iso, title: exactTime(iso), "data-ago": true }, ago(iso));
}

/** Relative times grow older on their own. */
export function keepTimesTrue() {
  setInterval(() => {
    for (const element of document.querySelectorAll("time[data-ago]")) {
      const text = ago(element.dateTime);
      if (element.textContent !== text) element.textContent = text;
    }
  }, 15_000);
}

/** An id short enough for a table; whole on hover and when it is copied. */
export const shortId = (id) => (id && id.length > 16 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id ?? "–");

/** A name whose end stays visible where it is cut; screen readers hear it in one piece. */
export function fileName(name) {
  const text = name ?? "";
  const dot = text.lastIndexOf(".");
  const cut = dot > 0 && text.length - dot <= 10 ? Math.max(dot - 3, 0) : Math.max(text.length - 6, 0);
  return h("span.name", { title: text }, said(text), h("span.shown", { "aria-hidden": "true" }, h("span.head", text.slice(0, cut)), h("span.tail", text.slice(cut))));
}
