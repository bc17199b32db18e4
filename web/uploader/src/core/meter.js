// How fast bytes move and when the last of them will be there, from what happened in the last seconds.

/** The window, in milliseconds; a longer one answers slowly to a line that changed, a shorter one jumps. */
const WINDOW = 12_000;
const SAMPLE_INTERVAL = 250;
/** With less than this there is nothing to tell. */
const LEAST = 1_000;

export class Meter {
  constructor() {
    /** What had moved at which time. @type {{at: number, bytes: number}[]} */
    this.samples = [];
    this.bytes = 0;
  }

  /** Counts bytes that moved; negative, if they were lost again. @param {number} bytes @param {number} now */
  count(bytes, now) {
    if (this.samples.length === 0) this.samples.push({ at: now, bytes: this.bytes });
    this.bytes += bytes;
    const last = this.samples[this.samples.length - 1];
    if (now - last.at >= SAMPLE_INTERVAL) this.samples.push({ at: now, bytes: this.bytes });
    while (this.samples.length > 2 && now - this.samples[1].at >= WINDOW) this.samples.shift();
  }

  /** Bytes per second; undefined if nothing can be said. @param {number} now */
  rate(now) {
    const first = this.samples.find(({ at }) => now - at <= WINDOW) ?? this.samples[this.samples.length - 1];
    if (!first || now - first.at < LEAST) return undefined;
    return Math.max(0, (1000 * (this.bytes - first.bytes)) / (now - first.at));
  }

  /** Starts anew: a pause is no slow line. */
  reset() {
    this.samples = [];
  }
}

/** Seconds until so many bytes have moved. @param {number} left @param {number | undefined} rate */
export function etaOf(left, rate) {
  if (left <= 0) return 0;
  return rate && rate > 1 ? left / rate : undefined;
}
