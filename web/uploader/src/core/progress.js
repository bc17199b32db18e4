// Progress, speed and time left: counted as bytes move, told twice a second.

import { Meter, etaOf } from "./meter.js";
import { ACTIVE } from "./state.js";

/** @typedef {import("./entry.js").Entry} Entry */

const TICK = 500;

export class Progress {
  /** @param {{store: import("./store.js").Store, clock: import("./types.js").Clock}} with_ */
  constructor({ store, clock }) {
    this.store = store;
    this.clock = clock;
    this.total = new Meter();
    /** Of files whose bytes are moving. @type {Map<string, Meter>} */
    this.meters = new Map();
    /** @type {unknown} */
    this.timer = null;
  }

  /** Bytes that moved just now. @param {Entry} entry @param {number} bytes */
  count(entry, bytes) {
    if (bytes === 0) return;
    const now = this.clock.now();
    let meter = this.meters.get(entry.id);
    if (!meter) this.meters.set(entry.id, meter = new Meter());
    meter.count(bytes, now);
    this.total.count(bytes, now);
    this.timer ??= this.clock.setTimeout(() => this.tick(), TICK);
  }

  /** @param {Entry} entry */
  tell(entry) {
    this.store.change(entry.id, { type: "progress", sent: entry.sent, confirmed: entry.confirmed });
  }

  tick() {
    this.timer = null;
    const now = this.clock.now();
    for (const [id, meter] of this.meters) {
      const item = this.store.items.get(id);
      if (item?.state.kind !== "uploading") {
        this.meters.delete(id);
        continue;
      }
      const rate = meter.rate(now);
      this.store.change(id, { type: "measured", rate, eta: etaOf(item.size - item.sent, rate) });
    }
    const moving = this.meters.size > 0;
    if (!moving) this.total.reset();
    const rate = (moving && this.total.rate(now)) || 0;
    const { totals } = this.store.state;
    const eta = etaOf(this.left(), rate);
    if (rate !== totals.rate || eta !== totals.eta) this.store.apply({ type: "measured", rate, eta });
    if (moving) this.timer = this.clock.setTimeout(() => this.tick(), TICK);
  }

  /** Bytes that are still to be sent of what is on its way or in line. */
  left() {
    let left = 0;
    for (const { state, size, sent } of this.store.items.values()) if (ACTIVE.has(state.kind)) left += size - sent;
    return left;
  }

  close() {
    this.clock.clearTimeout(this.timer);
  }
}
