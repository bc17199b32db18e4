// A bar with two lengths: what is confirmed, and, paler, what is sent.

import { h, setAttribute } from "./dom.js";

/** @typedef {ReturnType<typeof makeBar>} Bar */

/** @param {string} part */
export function makeBar(part) {
  const sent = h("div.sent");
  const confirmed = h("div.confirmed", { part: "bar-confirmed" });
  return h("div.bar", { part, role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, sent, confirmed);
}

/**
 * @param {HTMLElement} bar
 * @param {{sent: number, confirmed: number}} bytes
 * @param {number} size
 * @param {string} label
 * @param {import("./words.js").Words} words
 */
export function setBar(bar, { sent, confirmed }, size, label, words) {
  const fraction = (/** @type {number} */ bytes) => (size > 0 ? Math.min(1, bytes / size) : 0);
  setAttribute(bar, "aria-label", label);
  setAttribute(bar, "aria-valuenow", Math.floor(fraction(confirmed) * 100));
  setAttribute(bar, "aria-valuetext", words.t("progress", { done: words.size(confirmed), size: words.size(size) }));
  bar.style.setProperty("--confirmed", String(fraction(confirmed)));
  bar.style.setProperty("--sent", String(fraction(Math.max(sent, confirmed))));
}
