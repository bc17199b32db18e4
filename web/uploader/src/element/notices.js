// What is said beside the rows: that the network is away, and in one summary, which files were not taken.

import { button, h, setAttribute, setShown, setText } from "./dom.js";
import { icon, iconBox } from "./icons.js";

/** @typedef {import("./words.js").Words} Words */
/** @typedef {{name: string, code: string, [key: string]: unknown}} Refused */

const NAMES = 3;

/** Why a file was not taken. @param {Refused} refused @param {Words} words @returns {string} */
function reasonOf(refused, words) {
  const { code, maxSize, types, maxFiles, left, message } = refused;
  switch (code) {
    case "too_large": return words.t("tooLarge", { size: words.size(Number(maxSize)) });
    case "wrong_type": return words.t("wrongType", { types: words.types(/** @type {string[]} */ (types)) });
    case "too_many": return words.t("tooMany", { count: Number(maxFiles) });
    case "quota": return words.t("noRoom", { size: words.size(Number(left)) });
    case "unreadable": case "duplicate": return words.t(code);
    default: return String(message ?? code);
  }
}

/** Some names, and how many more there are. @param {string[]} names @param {Words} words */
function namesOf(names, words) {
  const more = names.length - NAMES;
  return more > 1 ? `${names.slice(0, NAMES).join(", ")} ${words.t("more", { count: more })}` : names.join(", ");
}

export class Notices {
  constructor() {
    this.offlineTitle = h("strong");
    this.offlineText = h("span");
    this.offline = h("div.notice.warning", { part: "notice offline", hidden: true }, iconBox("offline"), h("p", this.offlineTitle, " ", this.offlineText));
    this.title = h("strong");
    this.reasons = h("ul");
    this.dismiss = button(".icon-button", { click: () => this.clear() }, icon("remove"));
    this.refused = h("div.notice.failed", { part: "notice refused", hidden: true }, iconBox("warning"), h("div", this.title, this.reasons), this.dismiss);
    this.element = h("div.notices", this.offline, this.refused);
  }

  /**
   * @param {boolean} online
   * @param {boolean} waiting Whether anything waits for the network.
   * @param {Words} words
   */
  update(online, waiting, words) {
    setText(this.offlineTitle, words.t("offlineTitle"));
    setText(this.offlineText, words.t("offlineText"));
    setShown(this.offline, !online && waiting);
    setAttribute(this.dismiss, "aria-label", words.t("dismiss"));
    setAttribute(this.dismiss, "title", words.t("dismiss"));
  }

  /** All that was not taken, by its reason. @param {readonly Refused[]} refused @param {string[]} empty @param {Words} words
   * @returns {string} What was said. */
  tell(refused, empty, words) {
    /** @type {Map<string, string[]>} */
    const byReason = new Map();
    for (const one of refused) {
      const reason = reasonOf(one, words);
      const names = byReason.get(reason);
      if (names) names.push(one.name);
      else byReason.set(reason, [one.name]);
    }
    const title = refused.length > 0 ? words.t("refused", { count: refused.length }) : words.t("emptyFolders", { count: empty.length });
    const lines = [...byReason].map(([reason, names]) => `${reason}: ${namesOf(names, words)}`);
    if (empty.length > 0) lines.push(`${refused.length > 0 ? `${words.t("emptyFolders", { count: empty.length })}: ` : ""}${namesOf(empty, words)}`);
    this.show(title, lines, refused.length > 0);
    return title;
  }

  /** @param {string} title @param {string[]} lines @param {boolean} bad */
  show(title, lines, bad = true) {
    setText(this.title, title);
    this.reasons.replaceChildren(...lines.map((line) => h("li", line)));
    this.refused.className = `notice ${bad ? "failed" : "warning"}`;
    setShown(this.refused, true);
  }

  clear() {
    setShown(this.refused, false);
  }
}
