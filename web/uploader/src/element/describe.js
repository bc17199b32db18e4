// What a row says about a state. Pure: from an item to words, an icon and the actions that make sense now.

/** @typedef {import("./types.js").Item} Item */
/** @typedef {import("./types.js").Problem} Problem */
/** @typedef {import("./words.js").Words} Words */

/**
 * @typedef {"pause" | "resume" | "start" | "retry" | "link" | "choose" | "allow"} Action
 * @typedef {object} Description
 * @property {"idle" | "running" | "ready" | "warning" | "failed"} tone
 * @property {string} icon
 * @property {string} word
 * @property {string[]} facts What stands behind the word.
 * @property {string} [sentence] What failed and why.
 * @property {Problem} [problem]
 * @property {Action | null} action The button at the right.
 * @property {Action[]} offers Buttons with words below the sentence.
 * @property {boolean} live Whether there is something to cancel.
 * @property {boolean} bar Whether the progress is shown.
 */

/** What can be paused, and what is lost when the page goes. */
export const AT_RISK = new Set(["queued", "preparing", "uploading", "offline", "waiting", "completing"]);
const FAILED = new Set(["failed", "rejected"]);
/** What has come to its end. */
export const ENDED = new Set(["ready", "rejected", "failed", "cancelled"]);

/** Whether choosing the file again helps. @param {Item} item */
export const wantsFile = ({ state }) => state.kind === "needs-file" || (state.kind === "failed" && state.problem.code === "file_unreadable");

/** @param {Item} item */
export const fractionOf = (item) => (item.size > 0 ? Math.min(1, item.confirmed / item.size) : item.state.kind === "ready" ? 1 : 0);

/** @type {Record<string, Pick<Description, "tone" | "icon" | "action" | "bar">>} */
const LOOKS = {
  queued: { tone: "idle", icon: "clock", action: "pause", bar: false },
  preparing: { tone: "running", icon: "busy", action: "pause", bar: true },
  uploading: { tone: "running", icon: "upload", action: "pause", bar: true },
  paused: { tone: "idle", icon: "pause", action: "resume", bar: true },
  offline: { tone: "warning", icon: "offline", action: "pause", bar: true },
  waiting: { tone: "warning", icon: "retry", action: "pause", bar: true },
  completing: { tone: "running", icon: "busy", action: null, bar: true },
  processing: { tone: "running", icon: "busy", action: null, bar: false },
  ready: { tone: "ready", icon: "check", action: "link", bar: false },
  rejected: { tone: "failed", icon: "failed", action: null, bar: false },
  failed: { tone: "failed", icon: "failed", action: null, bar: false },
  "needs-file": { tone: "warning", icon: "warning", action: null, bar: false },
  cancelled: { tone: "idle", icon: "remove", action: null, bar: false },
};

/** @param {Item} item @param {Words} words @param {number} now */
function wordOf({ state }, words, now) {
  switch (state.kind) {
    case "needs-file": return words.t("needsFile");
    case "processing": return (state.step && words.messages.steps[state.step]) || words.t("processing");
    case "waiting": {
      const seconds = Math.ceil((state.until - now) / 1000);
      return seconds > 0 ? words.t("waiting", { when: words.in(seconds) }) : words.t("waitingNow");
    }
    default: return words.t(state.kind);
  }
}

/**
 * How fast it goes and how long it takes, as far as that is known.
 * @param {{rate?: number, eta?: number}} measured
 * @param {Words} words
 */
export function paceOf({ rate, eta = NaN }, words) {
  return [...rate ? [words.rate(rate)] : [], ...Number.isFinite(eta) ? [words.t("left", { time: words.duration(eta) })] : []];
}

/** @param {Item} item @param {Words} words */
function factsOf(item, words) {
  const { kind } = item.state;
  const facts = [];
  if (kind === "uploading" || kind === "preparing") {
    if (item.size > 0) facts.push(words.percent(fractionOf(item)));
    facts.push(...paceOf(item, words));
  } else if (item.state.kind === "ready") {
    if (item.state.verified) facts.push(words.t("verified"));
  } else if (kind === "needs-file" || kind === "paused" || kind === "offline" || kind === "waiting") {
    if (item.confirmed > 0) facts.push(words.t("safe", { size: words.size(item.confirmed) }));
  }
  return facts;
}

/**
 * What failed and why; for a file that is needed again, which one.
 * @param {Item} item
 * @param {Problem | undefined} problem
 * @param {Words} words
 */
function sentenceOf(item, problem, words) {
  const { name, size, lastModified, state } = item;
  const said = problem && words.problem(problem);
  if (FAILED.has(state.kind)) return said;
  if (state.kind !== "needs-file") return undefined;
  const asked = item.hasHandle ? words.t("allowText", { name })
    : words.t("needsFileText", { name, size: words.size(size), date: words.date(lastModified) });
  return said ? `${said} ${asked}` : asked;
}

/** @param {Item} item @param {{words: Words, now: number, canLink: boolean, autoStart: boolean}} view
 * @returns {Description} */
export function describe(item, { words, now, canLink, autoStart }) {
  const { state } = item;
  const look = LOOKS[state.kind];
  const problem = "problem" in state ? state.problem : undefined;
  /** @type {Action[]} */
  const offers = [];
  if (state.kind === "waiting" || state.kind === "cancelled" || (state.kind === "failed" && state.problem.retryable)) offers.push("retry");
  if (state.kind === "needs-file" && item.hasHandle) offers.push("allow");
  if (wantsFile(item)) offers.push("choose");
  let { action } = look;
  if (action === "link" && !canLink) action = null;
  if (state.kind === "queued" && !autoStart) action = "start";
  return {
    ...look,
    action,
    offers,
    problem,
    word: wordOf(item, words, now),
    facts: factsOf(item, words),
    sentence: sentenceOf(item, problem, words),
    live: AT_RISK.has(state.kind) || state.kind === "paused" || state.kind === "needs-file",
  };
}
