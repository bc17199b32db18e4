// What the parts of one uploader share.

import { Api } from "./api.js";
import { Connection } from "./connection.js";
import { Gate } from "./gate.js";
import { portsOf } from "./ports/index.js";
import { Progress } from "./progress.js";
import { Records } from "./records.js";
import { Sender } from "./sender.js";
import { Store } from "./store.js";

/** @typedef {import("./types.js").UploaderOptions} UploaderOptions */
/** @typedef {import("./types.js").Limits} Limits */
/** @typedef {import("./entry.js").Entry} Entry */
/** @typedef {ReturnType<typeof createContext>} Context */

const REQUESTS = 6;
const DIGEST_UP_TO = 256 * 2 ** 20;

/** An id that nobody guesses. @param {() => number} random */
export function newId(random) {
  const { crypto } = globalThis;
  if (crypto?.randomUUID) return crypto.randomUUID();
  return Array.from({ length: 4 }, () => Math.floor(random() * 2 ** 32).toString(16).padStart(8, "0")).join("");
}

/** @param {UploaderOptions} options */
export function createContext(options) {
  const ports = portsOf(options);
  const { clock, random } = ports;
  const store = new Store(clock);
  const gate = new Gate({ clock, max: options.concurrency?.requests ?? REQUESTS });
  const endpoint = String(options.endpoint).replace(/\/+$/, "");
  const connection = new Connection({ ...ports, endpoint, onChange: (online) => store.apply({ type: "online", online }) });
  const sender = new Sender({ http: ports.http, clock, gate, connection });
  const api = new Api({ options, endpoint, sender, clock });
  const session = newId(random);
  // What is kept of one user or form is not restored for another.
  const place = options.scope ? `${endpoint}#${options.scope}` : endpoint;
  const records = new Records({ storage: ports.storage, clock, endpoint: place, session });
  const end = new AbortController();
  /** @type {Promise<Limits | null> | null} */
  let asked = null;
  let learned = false;

  /** @param {Limits | null} told */
  const apply = (told) => {
    if (!told) return;
    const own = options.limits ?? {};
    const maxSize = Math.min(own.maxSize ?? Infinity, told.maxSize ?? Infinity);
    // The service tells the types of its default policy.
    const { types, ...others } = told;
    store.apply({ type: "limits", limits: { ...others, ...(types && !options.policy && { types }), ...own, ...(maxSize < Infinity && { maxSize }) } });
  };
  /** @param {Entry} [entry] */
  const ask = async (entry) => {
    const told = await api.limits(end.signal, entry).catch(() => null);
    apply(told);
    return told;
  };

  return {
    options, ports, clock, random, store, gate, connection, sender, api, session, records, end, place,
    worker: ports.worker,
    locks: ports.locks,
    progress: new Progress({ store, clock }),
    digestUpTo: options.digestUpTo ?? DIGEST_UP_TO,
    /** What the service goes by; null if it does not say. @param {AbortSignal} signal @returns {Promise<Limits | null>} */
    async limits(signal) {
      signal.throwIfAborted();
      const told = await (asked ??= ask());
      if (!told) asked = null;
      return told;
    },
    /** Once there is a credential, the limits are those of its tenant. @param {Entry} entry */
    learnLimits(entry) {
      if (learned) return;
      learned = true;
      void ask(entry);
    },
  };
}
