// What the element says, in the reader's language: messages are data, numbers and plurals come from Intl.

import en from "../locales/en.js";

/** @typedef {string | Record<string, string>} Message */
/** @typedef {{lang: string, dir: string, problems: Record<string, string>, [key: string]: any}} Messages */

/** @type {Map<string, Messages>} */
const known = new Map([["en", en]]);

/** @type {Record<string, () => Promise<{default: Messages}>>} */
const LOADERS = {
  de: () => import("../locales/de.js"),
  ko: () => import("../locales/ko.js"),
  ar: () => import("../locales/ar.js"),
};

/** Adds a language, or replaces one. @param {Messages} messages */
export function registerLocale(messages) {
  known.set(messages.lang.toLowerCase(), messages);
}

/** "de" of "de-AT". @param {string} lang */
const base = (lang) => lang.toLowerCase().split("-")[0];

/** The messages of a language if they are there, and a promise of them if they can be loaded.
 * @param {string} lang
 * @returns {Messages | Promise<Messages>} */
export function messagesOf(lang) {
  const there = known.get(lang.toLowerCase()) ?? known.get(base(lang));
  if (there) return there;
  const load = LOADERS[base(lang)];
  if (!load) return en;
  return load().then((module) => {
    registerLocale(module.default);
    return module.default;
  }, () => en);
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"];

export class Words {
  /** @param {Messages} messages @param {string} [lang] @param {Partial<Messages>} [overrides] */
  constructor(messages, lang = messages.lang, overrides = {}) {
    /** @type {Messages} */
    this.messages = { ...en, ...messages, ...overrides, problems: { ...messages.problems, ...overrides.problems } };
    // A region of the same language decides about digits and separators.
    this.lang = base(lang) === base(messages.lang) ? lang : messages.lang;
    this.plurals = new Intl.PluralRules(this.lang);
    this.relative = new Intl.RelativeTimeFormat(this.lang);
    this.dates = new Intl.DateTimeFormat(this.lang, { dateStyle: "medium", timeStyle: "short" });
    this.lists = new Intl.ListFormat(this.lang, { type: "conjunction" });
    /** @type {Map<string, Intl.NumberFormat>} */
    this.formats = new Map();
  }

  /** The message of this key with its values; the form of a plural is chosen by `count`.
   * @param {string} key @param {Record<string, string | number>} [values] */
  t(key, values = {}) {
    /** @type {Message} */
    const message = this.messages[key] ?? key;
    const text = typeof message === "string" ? message : message[this.plurals.select(Number(values.count))] ?? message.other;
    return text.replace(/\{(\w+)\}/g, (hole, name) => {
      const value = values[name];
      return value === undefined ? hole : typeof value === "number" ? this.number(value) : value;
    });
  }

  /** @param {number} value @param {Intl.NumberFormatOptions} [options] */
  number(value, options = {}) {
    const key = JSON.stringify(options);
    let format = this.formats.get(key);
    if (!format) this.formats.set(key, format = new Intl.NumberFormat(this.lang, options));
    return format.format(value);
  }

  /** @param {number} bytes @param {string} [per] */
  size(bytes, per = "") {
    let at = 0;
    while (bytes >= 999.5 && at < UNITS.length - 1) {
      bytes /= 1000;
      at++;
    }
    const digits = at > 0 && bytes < 99.95 ? 1 : 0;
    return this.number(bytes, { style: "unit", unit: UNITS[at] + per, unitDisplay: at > 0 || per ? "short" : "long", maximumFractionDigits: digits });
  }

  /** @param {number} bytes In a second. */
  rate(bytes) {
    return this.size(bytes, "-per-second");
  }

  /** @param {number} fraction */
  percent(fraction) {
    // What is not wholly there is never 100 %.
    return this.number(Math.floor(fraction * 100) / 100, { style: "percent" });
  }

  /** A calm duration: it does not count single seconds far from the end.
   * @param {number} seconds */
  duration(seconds) {
    const unit = (/** @type {number} */ value, /** @type {string} */ name, /** @type {"short" | "narrow"} */ unitDisplay = "short") =>
      this.number(value, { style: "unit", unit: name, unitDisplay });
    if (seconds <= 55) return unit(Math.max(1, seconds < 20 ? Math.ceil(seconds) : Math.ceil(seconds / 5) * 5), "second", "narrow");
    const minutes = Math.ceil(seconds / 60);
    if (minutes < 60) return unit(minutes, "minute");
    const hours = Math.floor(minutes / 60);
    if (hours >= 48) return unit(Math.round(hours / 24), "day");
    return minutes % 60 ? `${unit(hours, "hour")} ${unit(minutes % 60, "minute")}` : unit(hours, "hour");
  }

  /** "in 8 seconds". @param {number} seconds */
  in(seconds) {
    return seconds < 60 ? this.relative.format(seconds, "second") : this.relative.format(Math.round(seconds / 60), "minute");
  }

  /** @param {number} time In milliseconds. */
  date(time) {
    return this.dates.format(time);
  }

  /** @param {string[]} items */
  list(items) {
    return this.lists.format(items);
  }

  /** What an accepted type is called: "images", "PDF". @param {string[]} types */
  types(types) {
    const names = types.map((type) => {
      const [family, kind = ""] = type.toLowerCase().split("/");
      if (kind === "*" || type === "*") return this.messages.types[family] ?? family;
      return (kind || family).replace(/^\.|^x-|\+.*$/g, "").toUpperCase();
    });
    return this.list([...new Set(names)]);
  }

  /** The sentence about a problem. @param {{code: string, message: string}} problem */
  problem({ code, message }) {
    return this.messages.problems[code] ?? message;
  }
}
