// How assets are told: states with their icons, sizes, times.

import { Words, messagesOf } from "./uploader/src/element/words.js";

export const words = new Words(messagesOf("en"), navigator.language.startsWith("en") ? navigator.language : "en");

const STATES = {
  awaiting: { word: "Not received yet", tone: "idle", icon: "clock" },
  stored: { word: "Being checked", tone: "running", icon: "busy" },
  processing: { word: "Being checked", tone: "running", icon: "busy" },
  ready: { word: "Ready", tone: "ready", icon: "check" },
  rejected: { word: "Refused", tone: "failed", icon: "failed" },
  failed: { word: "Failed", tone: "failed", icon: "warning" },
  abandoned: { word: "Given up", tone: "idle", icon: "remove" },
  deleted: { word: "Deleted", tone: "idle", icon: "remove" },
};

export const stateOf = ({ state }) => STATES[state] ?? { word: state, tone: "idle", icon: "file" };

const UNITS = [["year", 31_557_600], ["month", 2_629_800], ["day", 86_400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat(words.lang, { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat(words.lang, { dateStyle: "medium", timeStyle: "medium" });
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** "5 min. ago", of a time as text. */
export function ageOf(time, now = Date.now()) {
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  const [unit, length] = UNITS.find(([, length]) => seconds >= length) ?? [];
  return unit ? relative.format(-Math.floor(seconds / length), unit) : "just now";
}

/** The time with its zone. */
export const exactTime = (time) => `${exact.format(Date.parse(time))} (${zone})`;
