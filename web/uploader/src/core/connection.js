// Whether the network is there: what the browser says, and what an origin that did not answer shows when it is asked again.

import { onAbort, sleep, until } from "./abort.js";
import { networkProblem } from "./problem.js";

/** @typedef {import("./types.js").Clock} Clock */

/** An origin that is away is asked again after so many milliseconds, so that uploads go on within three seconds. */
const PROBE_INTERVAL = 1200;
/** Each of these questions may take so long: slow lines are lines. */
const PROBE_TIMEOUT = 5000;
/** An origin that says nothing for so long is called away. */
const SILENCE = 1500;
/** Not every place can be asked: after so long the request itself is tried, and then again after twice as long. */
const FIRST_DOUBT = 20_000;
const LONGEST_DOUBT = 300_000;

/** What is asked at the service. */
const LIVE = "/livez";

export class Connection {
  /** @param {{clock: Clock, network: import("./types.js").NetworkPort, http: import("./types.js").HttpPort, endpoint: string, onChange: (online: boolean) => void}} with_ */
  constructor({ clock, network, http, endpoint, onChange }) {
    this.endpoint = endpoint;
    this.clock = clock;
    this.network = network;
    this.http = http;
    this.onChange = onChange;
    this.online = network.online;
    /** Given when the network goes: what is on its way is lost. */
    this.loss = new AbortController();
    this.end = new AbortController();
    /** Origins that are away, and their return. @type {Map<string, Promise<void>>} */
    this.away = new Map();
    /** How long each is waited for before the request itself is tried. @type {Map<string, number>} */
    this.doubts = new Map();
    /** @type {Set<() => void>} */
    this.wakers = new Set();
    this.unsubscribe = network.subscribe((online) => this.heard(online));
  }

  /** @param {boolean} online */
  heard(online) {
    if (!online) this.lose();
    else for (const wake of [...this.wakers]) wake();
    this.tell();
  }

  /** Ends every request: over a network that is gone some would hang for minutes. */
  lose() {
    const { loss } = this;
    this.loss = new AbortController();
    loss.abort(networkProblem("The network is away."));
  }

  tell() {
    const online = this.network.online && this.away.size === 0;
    if (online === this.online) return;
    this.online = online;
    this.onChange(online);
  }

  /** Calls `wake` when the network may be back. @param {() => void} wake */
  onReturn(wake) {
    this.wakers.add(wake);
    return () => void this.wakers.delete(wake);
  }

  /** Whether anything answers at an address: roots of storages redirect to places where a page may not go. @param {string} address */
  probe(address) {
    return this.asks((signal) => this.http.reach(address, signal));
  }

  /** Whether a body of one byte gets through where a larger one was lost. Nothing that is signed goes along. @param {string} url */
  async takesOneByte(url) {
    const { origin, pathname } = new URL(url, globalThis.location?.href);
    return this.asks(async (signal) => await this.http.reachWithByte?.(origin + pathname, signal) ?? false);
  }

  /** @param {(signal: AbortSignal) => Promise<boolean>} question */
  async asks(question) {
    const timeout = new AbortController();
    const timer = this.clock.setTimeout(() => timeout.abort(), PROBE_TIMEOUT);
    const forget = onAbort(this.end.signal, () => timeout.abort());
    try {
      return await until(question(timeout.signal), timeout.signal);
    } catch {
      return false;
    } finally {
      this.clock.clearTimeout(timer);
      forget();
    }
  }

  /** Waits while nobody answers at an address, for any length. Answers whether it was away.
   * @param {string} url @param {AbortSignal} signal @param {() => void} onAway */
  async settle(url, signal, onAway) {
    const { origin, address } = this.placeOf(url);
    if (this.network.online && !this.away.has(origin) && await this.answersSoon(address, signal)) return false;
    onAway();
    await until(this.returned(origin, address), signal);
    return true;
  }

  /** The origin of an address, and what to ask there: nothing that is signed, and no root, which may redirect.
   * @param {string} url */
  placeOf(url) {
    const { origin, pathname } = new URL(url, globalThis.location?.href);
    return { origin, address: url.startsWith(this.endpoint) ? this.endpoint + LIVE : origin + pathname };
  }

  /** @param {string} address @param {AbortSignal} signal */
  async answersSoon(address, signal) {
    let answered = false;
    await sleep(this.clock, SILENCE, signal, (done) => {
      void this.probe(address).then((reached) => {
        answered = reached;
        done();
      });
      return () => {};
    });
    return answered;
  }

  /** @param {string} origin @param {string} address */
  returned(origin, address) {
    let back = this.away.get(origin);
    if (!back) {
      back = this.watch(origin, address);
      back.catch(() => {});
      this.away.set(origin, back);
      this.tell();
    }
    return back;
  }

  /** Asks again and again, each time without waiting for the answer before. @param {string} origin @param {string} address */
  async watch(origin, address) {
    let back = false;
    let answered = () => {};
    const ask = async () => {
      if (!await this.probe(address)) return;
      back = true;
      answered();
    };
    const doubt = this.doubts.get(origin) ?? FIRST_DOUBT;
    const began = this.clock.now();
    while (!back && (this.clock.now() - began < doubt || !this.network.online)) {
      // What the browser says can be wrong, so it decides only about when to look.
      await sleep(this.clock, PROBE_INTERVAL, this.end.signal, (done) => {
        answered = done;
        void ask();
        return this.onReturn(done);
      });
    }
    if (back) this.doubts.delete(origin);
    else this.doubts.set(origin, Math.min(LONGEST_DOUBT, 2 * doubt));
    this.away.delete(origin);
    this.tell();
  }

  close() {
    this.unsubscribe();
    this.end.abort(new Error("closed"));
  }
}
