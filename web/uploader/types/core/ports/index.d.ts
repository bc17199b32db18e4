/** @typedef {import("../types.js").Ports} Ports */
/** @param {import("../types.js").UploaderOptions} options @returns {Omit<Ports, "fetch">} */
export function portsOf({ ports, wakeLock, worker }: import("../types.js").UploaderOptions): Omit<Ports, "fetch">;
export type Ports = import("../types.js").Ports;
