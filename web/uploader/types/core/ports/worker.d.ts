/** @param {boolean} wanted @returns {WorkerPort} */
export function workerPort(wanted: boolean): WorkerPort;
export type WorkerPort = import("../types.js").WorkerPort;
export type Asked = {
    resolve: (sha256: string | null) => void;
    blob: Blob;
    whole: boolean;
};
