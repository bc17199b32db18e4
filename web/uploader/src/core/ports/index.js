// The ports as a browser has them; each can be replaced.

import { locksPort, networkPort, systemClock, wakePort } from "./environment.js";
import { httpPort } from "./http.js";
import { storagePort } from "./storage.js";
import { workerPort } from "./worker.js";

/** @typedef {import("../types.js").Ports} Ports */

/** @param {import("../types.js").UploaderOptions} options @returns {Omit<Ports, "fetch">} */
export function portsOf({ ports = {}, wakeLock = true, worker = true }) {
  return {
    http: ports.http ?? httpPort(ports.fetch),
    storage: ports.storage ?? storagePort(),
    clock: ports.clock ?? systemClock,
    network: ports.network ?? networkPort(),
    worker: ports.worker ?? workerPort(worker),
    locks: ports.locks ?? locksPort(),
    wake: ports.wake ?? (wakeLock ? wakePort() : { acquire: () => () => {} }),
    random: ports.random ?? Math.random,
  };
}
