// One file on its way: opened or found again, sent in parallel parts, completed, watched until it is ready.
//
// The server knows the truth: opening again under the same fingerprint returns the open upload with the parts that the
// store already has. This page remembers names only, so that it can ask for the files after a reload.

import { BODY_LIMIT_OF_PROXY, Problem, pathOf } from "./api.js";

const PARALLEL = 4;
const TRIES = 8;
const STALLED_AFTER = 30_000;

/** The same for the same file, in every tab and after every restart. */
export async function fingerprint(file) {
  const sample = 64 * 1024;
  const head = await file.slice(0, sample).arrayBuffer();
  const tail = await file.slice(Math.max(0, file.size - sample)).arrayBuffer();
  // Files of one name in two folders are two files.
  const words = new TextEncoder().encode(`${pathOf(file)}\n${file.size}\n${file.lastModified}\n`);
  const bytes = new Uint8Array(await new Blob([words, head, tail]).arrayBuffer());
  if (crypto.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return `web-${[...digest.slice(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  }
  // Without a secure context there is no SHA-256; FNV-1a tells one's own files apart well enough.
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return `web-${hash.toString(16)}-${file.size}`;
}

/** Reads something of the file, to know whether it still is what was chosen: browsers refuse one that has changed. */
export async function requireReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Problem("This file cannot be read any more: it was changed, moved or closed to you. Choose it again to send it as it is now.",
      { code: "file_unreadable", retryable: false });
  }
}

export class Upload {
  /** `show({phase, sent, size, error})` is called whenever there is something new to see. */
  constructor(api, file, externalId, show) {
    Object.assign(this, { api, file, externalId, show });
    this.inFlight = new Map();
    this.stored = 0;
    this.stop = new AbortController();
    /** Given once a lane has failed for good, and why: no lane goes on. */
    this.failing = new AbortController();
    this.failure = null;
  }

  async run() {
    try {
      return await this.drive();
    } catch (error) {
      // What was sent is of another file than what is there now: nothing of it may be completed, now or later.
      if (error.code === "file_unreadable" && this.id) await this.api.abort(this.id).catch(() => {});
      throw error;
    }
  }

  async drive() {
    this.tell("opening");
    const opened = await this.again(() => this.api.open(this.file, this.externalId));
    this.id = opened.upload.id;
    this.asset = opened.asset.id;
    if (opened.upload.state === "open") {
      if (opened.put) await this.whole(opened.put);
      else await this.parts(opened);
    }
    this.tell("completing");
    await this.again(() => this.api.complete(this.id));
    this.tell("processing");
    return this.watch();
  }

  async cancel() {
    this.stop.abort();
    if (this.id) await this.api.abort(this.id).catch(() => {});
  }

  async watch() {
    for (;;) {
      const asset = await this.again(() => this.api.settled(this.asset));
      if (asset.state === "ready") return asset;
      if (asset.state === "rejected" || asset.state === "failed") {
        throw new Problem(asset.reason.message, { code: asset.reason.code, retryable: false });
      }
    }
  }

  async whole(put) {
    let signed = put;
    await this.again(async (attempt) => {
      if (attempt > 0) signed = (await this.api.open(this.file, this.externalId)).put ?? signed;
      // 412: the bytes are there already, from a try whose answer was lost.
      await this.send(0, signed, this.file, [412]);
    });
    this.arrived(0, this.file.size);
  }

  async parts({ upload, multipart }) {
    const has = new Set(upload.received.map((received) => received.part));
    this.stored = upload.received_bytes;
    this.tell("sending");
    const missing = [];
    for (let part = 1; part <= multipart.part_count; part++) if (!has.has(part)) missing.push(part);
    const urls = new Map();
    const next = async (part) => {
      if (!urls.has(part)) {
        const batch = [part, ...missing.slice(0, 2 * PARALLEL - 1)];
        for (const signed of await this.api.urls(this.id, batch)) urls.set(signed.part, signed);
      }
      return urls.get(part);
    };
    const lane = async () => {
      for (let part = missing.shift(); part !== undefined && !this.failure; part = missing.shift()) {
        const start = (part - 1) * multipart.part_size;
        const blob = this.file.slice(start, start + multipart.part_size);
        await this.again(async () => {
          const signed = await next(part);
          // Whatever happens to it, a URL is used once: the next try asks for a fresh one.
          urls.delete(part);
          await this.send(part, signed, blob);
        });
        this.arrived(part, blob.size);
      }
    };
    // A lane that fails for good ends the others when their part is through: what is on its way still arrives, and counts
    // when the file is sent again.
    const lanes = Array.from({ length: PARALLEL }, () => lane().catch((error) => {
      this.failure ??= error;
      this.failing.abort();
    }));
    await Promise.all(lanes);
    if (this.failure) throw this.failure;
  }

  send(part, signed, blob, fine = []) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      let watchdog;
      const alive = () => {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => request.abort(), STALLED_AFTER);
      };
      const end = (settle, value) => {
        clearTimeout(watchdog);
        this.inFlight.delete(part);
        this.stop.signal.removeEventListener("abort", cut);
        settle(value);
      };
      const cut = () => request.abort();
      this.stop.signal.addEventListener("abort", cut);
      request.open("PUT", signed.url);
      for (const [name, value] of Object.entries(signed.headers)) {
        // The browser sends the length itself and lets nobody else do it.
        if (name !== "content-length") request.setRequestHeader(name, value);
      }
      request.upload.onprogress = (event) => {
        alive();
        this.inFlight.set(part, event.loaded);
        this.tell("sending");
      };
      request.onload = () => {
        const good = request.status < 300 || fine.includes(request.status);
        end(good ? resolve : reject, good ? undefined : refusal(request));
      };
      // A file that cannot be read looks like a network that is away.
      request.onerror = () => requireReadable(blob).then(
        () => end(reject, new Problem("The storage cannot be reached.")), (problem) => end(reject, problem));
      request.onabort = () => end(reject, new Problem("The transfer stalled."));
      alive();
      request.send(blob);
    });
  }

  arrived(part, bytes) {
    this.inFlight.delete(part);
    this.stored += bytes;
    this.tell("sending");
  }

  /**
   * Tries again with growing pauses while that can help; the network's return ends a pause. Answers that say no are counted.
   * Where nobody answers there is nothing to count: nights without a network end, and the file is still here.
   */
  async again(work) {
    for (let attempt = 0, refusals = 0; ; attempt++) {
      this.stop.signal.throwIfAborted();
      if (this.failure) throw this.failure;
      try {
        return await work(attempt);
      } catch (error) {
        this.stop.signal.throwIfAborted();
        if (error.status) refusals++;
        if (!error.retryable || refusals >= TRIES) throw error;
        this.tell(navigator.onLine ? "waiting" : "offline", attempt < TRIES ? "" : error.message);
        await pause(Math.random() * Math.min(30_000, 500 * 2 ** attempt), [this.stop.signal, this.failing.signal]);
      }
    }
  }

  tell(phase, reason = "") {
    const flying = [...this.inFlight.values()].reduce((sum, bytes) => sum + bytes, 0);
    this.show({ phase, reason, sent: Math.min(this.file.size, this.stored + flying), size: this.file.size });
  }
}

/** What the storage's answer means: a signature that ran out and a busy server pass, other refusals do not. */
function refusal(request) {
  const { status, responseText } = request;
  const bare = status === 413 && !responseText.includes("<Code>");
  const retryable = status >= 500 || [400, 403, 408, 409, 429].includes(status);
  return new Problem(bare ? BODY_LIMIT_OF_PROXY : `The storage answered ${status}.`, { code: "storage", status, retryable });
}

/** Waits: for so long, until the network is back, or until one of the signals is given. */
function pause(milliseconds, signals) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      for (const signal of signals) signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    addEventListener("online", end);
    for (const signal of signals) signal.addEventListener("abort", end);
  });
}
