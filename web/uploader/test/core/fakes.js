// The world as a test wants it: a clock that is moved by hand, a service with a storage that fails on demand, a network, tabs.

import { createUploader } from "../../src/core/index.js";
import { memoryStorage } from "../../src/core/ports/storage.js";
import { sha256OfBlob } from "../../src/core/digest.js";

export const MIB = 2 ** 20;
export const ENDPOINT = "https://files.example";
export const STORE = "https://store.example";

/** Reads and digests that are under way: they take real time, in which the clock of a test must stand still. */
let underWay = 0;
for (const [owner, name] of [[Blob.prototype, "arrayBuffer"], [SubtleCrypto.prototype, "digest"]]) {
  const real = owner[name];
  owner[name] = function (...given) {
    underWay++;
    return real.apply(this, given).finally(() => underWay--);
  };
}

/** Lets everything go on that waits for no timer. */
export async function turn(times = 2) {
  for (let i = 0; i < times || underWay > 0; i++) await new Promise((resolve) => setImmediate(resolve));
}

export class FakeClock {
  time = 1_000_000;
  timers = new Map();
  next = 1;

  now = () => this.time;
  setTimeout = (work, milliseconds) => {
    this.timers.set(this.next, { at: this.time + Math.max(0, milliseconds), work });
    return this.next++;
  };
  clearTimeout = (timer) => void this.timers.delete(timer);

  /** Moves on, and lets each timer do its work in its time. */
  async advance(milliseconds) {
    const end = this.time + milliseconds;
    await turn();
    for (;;) {
      const due = [...this.timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      this.timers.delete(due[0]);
      this.time = Math.max(this.time, due[1].at);
      due[1].work();
      await turn();
    }
    this.time = end;
    await turn();
  }

  /** Moves on until something is so. */
  async until(what, most = 60_000, step = 20) {
    const end = this.time + most;
    while (!what()) {
      if (this.time >= end) throw new Error(`not so after ${most} ms: ${what}`);
      await this.advance(step);
    }
  }
}

export class FakeNetwork {
  online = true;
  listeners = new Set();
  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  set(online) {
    this.online = online;
    for (const listener of this.listeners) listener(online);
  }
}

/** Locks that pages of one browser share; a page that is closed loses its own. */
export class FakeLocks {
  held = new Map();
  waiting = [];

  page() {
    const own = new Set();
    const take = (name) => {
      this.held.set(name, own);
      own.add(name);
      return () => {
        if (this.held.get(name) !== own) return;
        this.held.delete(name);
        own.delete(name);
        const next = this.waiting.findIndex((one) => one.name === name);
        if (next >= 0) this.waiting.splice(next, 1)[0].enter();
      };
    };
    return {
      acquire: async (name) => {
        while (this.held.has(name)) await new Promise((enter) => this.waiting.push({ name, enter }));
        return take(name);
      },
      tryAcquire: async (name) => (this.held.has(name) ? null : take(name)),
      held: async (prefix) => [...this.held.keys()].filter((name) => name.startsWith(prefix)),
      die: () => {
        for (const name of [...own]) {
          this.held.delete(name);
          const next = this.waiting.findIndex((one) => one.name === name);
          if (next >= 0) this.waiting.splice(next, 1)[0].enter();
        }
      },
    };
  }
}

/** A file that can be changed, or taken away, under the page that has chosen it. */
export function fakeFile(size, name = "file.bin", { lastModified = 1000, fill = 7, type = "" } = {}) {
  const bytes = new Uint8Array(size).fill(fill);
  const file = new File([bytes], name, { lastModified, type });
  const real = file.slice.bind(file);
  file.slice = (from, to) => {
    const blob = real(from, to);
    if (file.gone) blob.arrayBuffer = async () => { throw new DOMException("gone", "NotReadableError"); };
    return blob;
  };
  return file;
}

const response = (status, json, headers = {}) => ({
  status,
  header: (name) => headers[name.toLowerCase()] ?? null,
  text: json === undefined ? "" : typeof json === "string" ? json : JSON.stringify(json),
});

const problem = (status, code, more = {}) => response(status, { code, detail: `It is ${code}.`, request_id: "r1", retryable: false, ...more });

/** The service and its storage, as far as the core talks to them. Every request takes `latency`, every PUT its bytes' time. */
export class FakeService {
  tellsProgress = true;
  latency = 10;
  /** Bytes per millisecond of one request. */
  speed = MIB / 100;
  partSize = 5 * MIB;
  smallUpTo = MIB;
  urlLife = 3_600_000;
  checksums = ["sha256"];
  /** Whether uploads can be sent as forms. */
  forms = false;
  keys = new Set(["gk_key"]);
  uploads = new Map();
  requests = [];
  inFlight = 0;
  mostInFlight = 0;
  putsInFlight = 0;
  mostPuts = 0;
  reachable = true;
  /** Milliseconds from completion to ready; null: never by itself. */
  processingTime = 0;
  verdict = "ready";
  ids = 1;
  /** What the service tells of limits to those who have a credential. */
  tenantLimits = {};
  streams = new Set();
  /** Answers instead of the service: `(request) => response | "hang" | "cut" | undefined`. */
  fault = () => undefined;

  constructor(clock) {
    this.clock = clock;
  }

  wait(milliseconds, signal) {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.clock.clearTimeout(timer);
        reject(signal.reason);
      };
      const timer = this.clock.setTimeout(() => {
        signal?.removeEventListener("abort", abort);
        resolve();
      }, milliseconds);
      signal?.addEventListener("abort", abort);
    });
  }

  reach = async (url, signal) => {
    await this.wait(this.latency, signal);
    return this.reachable === true || (Array.isArray(this.reachable) && this.reachable.includes(new URL(url).origin));
  };

  reachWithByte = async (url, signal) => {
    await this.wait(this.latency, signal);
    const { origin, pathname: path } = new URL(url);
    return await this.reach(url, signal) && await this.fault({ method: "POST", origin, path, body: new Blob(["0"]) }) !== "cut";
  };

  send = async (request) => {
    const url = new URL(request.url);
    const record = { ...request, path: url.pathname, origin: url.origin, at: this.clock.now(), json: typeof request.body === "string" ? JSON.parse(request.body) : undefined };
    this.requests.push(record);
    const put = request.body instanceof Blob;
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    if (put) this.mostPuts = Math.max(this.mostPuts, ++this.putsInFlight);
    try {
      if (this.reachable !== true && !(Array.isArray(this.reachable) && this.reachable.includes(url.origin))) {
        await this.wait(this.latency, request.signal);
        throw new TypeError("Failed to fetch");
      }
      const fault = await this.fault(record);
      if (fault === "hang") return await this.wait(1e12, request.signal);
      if (put) await this.carry(request, fault === "cut");
      else await this.wait(this.latency, request.signal);
      if (this.reachable !== true && !(Array.isArray(this.reachable) && this.reachable.includes(url.origin))) throw new TypeError("Failed to fetch");
      record.response = fault && typeof fault === "object" ? fault : await this.answer(record, url);
      return record.response;
    } finally {
      this.inFlight--;
      if (put) this.putsInFlight--;
    }
  };

  async carry({ body, signal, onProgress }, cut) {
    const steps = 5;
    for (let step = 1; step <= steps; step++) {
      await this.wait((body.size / this.speed) / steps + this.latency / steps, signal);
      if (cut && step === 3) throw new TypeError("The connection broke.");
      onProgress?.((body.size * step) / steps);
    }
  }

  async answer(request, url) {
    if (url.origin === STORE) return this.store(request, url);
    if (url.pathname.endsWith("/form")) return this.form(request, url.pathname.split("/")[2]);
    const token = request.headers?.authorization?.replace("Bearer ", "");
    if (url.pathname === "/v1/limits") {
      return response(200, { max_size: 50e12, url_expires_in: this.urlLife / 1000, checksums: this.checksums, ...(token && this.tenantLimits) });
    }
    const grant = [...this.uploads.values()].find((upload) => upload.grant === token);
    if (!this.keys.has(token) && !grant) return problem(401, "unauthenticated");
    const [, , noun, id, verb] = url.pathname.split("/");
    if (url.pathname === "/v1/uploads") return grant ? problem(403, "forbidden") : this.create(request.json);
    if (url.pathname === "/v1/assets/batch") return grant ? problem(403, "forbidden") : response(200, { results: request.json.ids.map((one) => ({ id: one, asset: this.asset(one) })) });
    if (noun === "assets") return verb === "links" ? response(201, { url: `${ENDPOINT}/d/gd_${id}` }) : this.asset(id) ? response(200, this.asset(id)) : problem(404, "not_found");
    if (["/tus", "/files"].includes(url.pathname)) return this.byLength(request, grant);
    if (url.pathname.startsWith("/tus/")) return this.tus(request, url.pathname.slice(5));
    if (url.pathname.startsWith("/files/")) return this.ietf(request, url.pathname.slice(7));
    const upload = this.uploads.get(id);
    if (!upload) return problem(404, "not_found");
    if (request.method === "DELETE") {
      upload.state = "aborted";
      return response(204);
    }
    if (verb === "urls") return this.sign(upload, request.json);
    if (verb === "complete") return this.complete(upload, request.json);
    if (verb === "content") {
      upload.parts.set(1, { bytes: request.body.size });
      return this.complete(upload, {});
    }
    return response(200, this.view(upload));
  }

  open({ size, external_id: externalId, filename = "x", method, ...more }) {
    const id = `u${this.ids++}`;
    const upload = {
      id, externalId, filename, size, state: "open", parts: new Map(), grant: `gu_${id}`, asset: `a${id}`, more,
      method: method ?? (size <= this.smallUpTo ? "put" : "multipart"), partSize: this.partSize, offset: 0,
    };
    this.uploads.set(id, upload);
    return upload;
  }

  create(wish) {
    const known = [...this.uploads.values()].find((one) => wish.external_id && one.externalId === wish.external_id && one.state === "open");
    if (known && known.foreign) return problem(409, "conflict");
    const upload = known ?? this.open(wish);
    return response(known ? 200 : 201, this.opened(upload));
  }

  opened(upload) {
    return {
      upload: this.view(upload), asset: this.asset(upload.asset), grant: upload.grant,
      ...(this.forms && { endpoints: { form: `${ENDPOINT}/u/${upload.grant}/form` } }),
      ...(upload.method === "put" && { put: this.url(upload, 0) }),
      ...(upload.method === "multipart" && { multipart: { part_size: upload.partSize, part_count: Math.ceil(upload.size / upload.partSize), urls: [] } }),
    };
  }

  view(upload) {
    const received = [...upload.parts].filter(([, part]) => part.whole !== false).map(([part, { bytes }]) => ({ part, size: bytes }));
    return {
      id: upload.id, asset_id: upload.asset, state: upload.state, method: upload.method, size: upload.size,
      ...(upload.method === "multipart" && { part_size: upload.partSize, part_count: Math.ceil(upload.size / upload.partSize) }),
      received: upload.method === "multipart" ? received : [],
      received_bytes: upload.method === "multipart" ? received.reduce((sum, { size }) => sum + size, 0) : upload.offset,
    };
  }

  url(upload, part, checksum) {
    const expires = this.clock.now() + this.urlLife;
    return { part, url: `${STORE}/k/${upload.id}?part=${part}&expires=${expires}`, headers: { "content-length": "1", ...(checksum && { "x-amz-checksum-sha256": checksum }) } };
  }

  sign(upload, { parts, checksums = {} }) {
    if (upload.state !== "open") return problem(410, "gone");
    if (this.refusesChecksums && Object.keys(checksums).length > 0) return problem(422, "invalid", { field: "checksums" });
    return response(200, { urls: parts.map((part) => this.url(upload, part, checksums[part])) });
  }

  form({ body }, grant) {
    const upload = [...this.uploads.values()].find((one) => one.grant === grant);
    if (!upload || body.get("file").size !== upload.size) return problem(400, "invalid");
    upload.offset = upload.size;
    upload.parts.set(1, { bytes: upload.size });
    this.complete(upload);
    return response(204);
  }

  async store({ body, headers, at }, url) {
    const upload = this.uploads.get(url.pathname.split("/")[2]);
    if (Number(url.searchParams.get("expires")) < at) return response(403, "<Error><Code>AccessDenied</Code><RequestId>s3</RequestId></Error>");
    if (!upload || upload.state !== "open") return response(404, "<Error><Code>NoSuchUpload</Code></Error>");
    const checksum = headers?.["x-amz-checksum-sha256"];
    if (checksum && await sha256OfBlob(body) !== checksum) return response(400, "<Error><Code>BadDigest</Code></Error>");
    const part = Number(url.searchParams.get("part")) || 1;
    if (upload.parts.has(part)) upload.again = (upload.again ?? 0) + 1;
    upload.parts.set(part, { bytes: body.size });
    return response(200, "", { etag: '"e"' });
  }

  complete(upload, { sha256 } = {}) {
    if (upload.state === "completed") {
      // The bytes of a fake have no digest but the one that is told.
      upload.sha256 ??= sha256;
      return response(200, this.asset(upload.asset));
    }
    if (upload.state !== "open") return problem(410, "gone");
    const count = upload.method === "multipart" ? Math.ceil(upload.size / upload.partSize) : 1;
    const missing = [];
    const whole = upload.method === "append" && upload.offset === upload.size;
    for (let part = 1; part <= count && !whole; part++) if (!upload.parts.has(part)) missing.push(part);
    if (missing.length > 0) return problem(409, "incomplete", { missing: missing.join(",") });
    upload.state = "completed";
    upload.sha256 = sha256;
    upload.completedAt = this.clock.now();
    return response(200, this.asset(upload.asset));
  }

  /** The upload of a grant learns its length. */
  byLength({ path, headers }, upload) {
    if (path === "/files" && headers["upload-complete"] !== "?0") return problem(400, "invalid");
    if (path === "/tus" && !headers["tus-resumable"]) return problem(412, "invalid");
    upload.size = Number(headers["upload-length"]);
    return response(201, undefined, { location: `${ENDPOINT}${path}/${upload.id}` });
  }

  tus({ method, headers, body }, id) {
    const upload = this.uploads.get(id);
    if (!upload) return response(404);
    if (!headers["tus-resumable"]) return problem(412, "invalid");
    if (method === "PATCH") {
      if (headers["content-type"] !== "application/offset+octet-stream") return problem(415, "unsupported_media_type");
      if (!this.append(upload, headers, body)) return response(409, undefined, { "upload-offset": String(upload.offset) });
      if (upload.offset === upload.size) this.completeAppended(upload);
    }
    return response(method === "PATCH" ? 204 : 200, undefined, { "upload-offset": String(upload.offset) });
  }

  ietf({ method, headers, body }, id) {
    const upload = this.uploads.get(id);
    if (!upload) return problem(404, "not_found");
    if (headers["tus-resumable"]) return problem(400, "other_protocol");
    const standing = () => ({ "upload-offset": String(upload.offset), "upload-complete": upload.state === "completed" ? "?1" : "?0" });
    if (method === "HEAD") return headers["upload-complete"] ? problem(400, "invalid") : response(204, undefined, standing());
    if (headers["content-type"] !== "application/partial-upload") return problem(415, "unsupported_media_type");
    if (!/^[?][01]$/.test(headers["upload-complete"])) return problem(400, "invalid");
    if (!this.append(upload, headers, body)) return response(409, { code: "offset_mismatch" }, standing());
    if (headers["upload-complete"] === "?1") {
      if (upload.offset !== upload.size) return problem(400, "length_differs");
      this.completeAppended(upload);
    }
    return response(upload.state === "completed" ? 200 : 204, undefined, standing());
  }

  /** Answers whether the bytes belong where the upload is. */
  append(upload, headers, body) {
    if (Number(headers["upload-offset"]) !== upload.offset) return false;
    upload.offset += body.size;
    return true;
  }

  completeAppended(upload) {
    upload.parts.set(1, { bytes: upload.size });
    this.complete(upload);
  }

  asset(id) {
    const upload = [...this.uploads.values()].find((one) => one.asset === id);
    if (!upload) return undefined;
    const done = upload.completedAt !== undefined && this.processingTime !== null && this.clock.now() >= upload.completedAt + this.processingTime;
    const state = upload.completedAt === undefined ? "awaiting" : done ? this.verdict : "processing";
    const reason = state === "rejected" ? { code: "infected", message: "A virus was found." } : null;
    return { id, state, filename: upload.filename, size: upload.size, sha256: upload.sha256 ?? null, reason };
  }

  stream = async ({ url, signal, onMessage }) => {
    const asset = new URL(url).pathname.split("/")[3];
    this.requests.push({ method: "GET", path: new URL(url).pathname, stream: true });
    const stream = { asset, onMessage };
    this.streams.add(stream);
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    try {
      return await this.wait(1e12, signal);
    } finally {
      this.streams.delete(stream);
      this.inFlight--;
    }
  };

  /** Tells those who listen to an asset. */
  tell(type) {
    for (const { onMessage } of [...this.streams]) onMessage(JSON.stringify({ type, data: {} }));
  }

  puts() {
    return this.requests.filter(({ body }) => body instanceof Blob);
  }
}

/** A browser: pages come and go, service, storage, locks and clock stay. */
export class World {
  clock = new FakeClock();
  network = new FakeNetwork();
  storage = memoryStorage();
  locks = new FakeLocks();
  service = new FakeService(this.clock);
  pages = [];

  page(options = {}) {
    const locks = this.locks.page();
    const network = new FakeNetwork();
    network.online = this.network.online;
    this.network.listeners.add((online) => network.set(online));
    const awake = { count: 0, most: 0 };
    const uploader = createUploader({
      endpoint: ENDPOINT,
      ...(!options.grant && { token: () => "gk_key" }),
      ...options,
      ports: {
        http: this.service, storage: this.storage, clock: this.clock, network, locks, random: () => 0.5,
        worker: { sha256: async (blob) => sha256OfBlob(blob), close() {} },
        wake: { acquire: () => {
          awake.most = Math.max(awake.most, ++awake.count);
          return () => void awake.count--;
        } },
        ...options.ports,
      },
    });
    const page = { uploader, locks, network, awake, item: (id) => uploader.state.items.find((item) => item.id === (id ?? uploader.state.items[0]?.id)) };
    page.kind = (id) => page.item(id)?.state.kind;
    page.becomes = (kind, id, most) => this.clock.until(() => page.kind(id) === kind, most);
    // A page that is gone does nothing any more, not even say so.
    page.die = async () => {
      locks.die();
      uploader.context.records.close = async () => {};
      uploader.destroy();
      await turn();
    };
    this.pages.push(page);
    return page;
  }

  close() {
    for (const { uploader } of this.pages) uploader.destroy();
  }
}
