// Clients that upload, download and follow events at several nodes at once, and remember what was acknowledged to them.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import * as tus from "tus-js-client";
import { pause } from "./cluster.mjs";
import { GANTRY } from "./service.mjs";

const MIB = 1024 * 1024;

// The certificate is the test's own; tus-js-client and fetch have no other way to be told before they start.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
process.removeAllListeners("warning");

const run = promisify(execFile);
export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** What was sent, by its name, and what went on meanwhile. */
export class Load {
  constructor(cluster) {
    this.cluster = cluster;
    this.sent = new Map();
    this.fetched = 0;
    this.probes = 0;
    this.events = [];
    this.reconnects = 0;
    this.stopping = false;
    this.headers = { authorization: `Bearer ${cluster.key}` };
  }

  get(path, init = {}) {
    return fetch(`${this.cluster.url}${path}`, { ...init, headers: { ...this.headers, ...init.headers } });
  }

  async gantry(...words) {
    const env = { ...process.env, GANTRY_URL: this.cluster.url, GANTRY_API_KEY: this.cluster.key,
      SSL_CERT_FILE: this.cluster.certificate, XDG_STATE_HOME: join(this.cluster.dir, "state") };
    return (await run(GANTRY, words, { env })).stdout.trim();
  }

  /** The command line's multipart upload to the S3 server, and its download by a redirect. */
  async sendAndFetch(worker) {
    const dir = join(this.cluster.dir, `client-${worker}`);
    await mkdir(dir);
    for (let count = 0; !this.stopping; count++) {
      const [name, bytes] = [`put-${worker}-${count}.bin`, randomBytes(11 * MIB + count)];
      await writeFile(join(dir, name), bytes);
      const asset = await this.gantry("put", "--quiet", "--part-size", "5MiB", join(dir, name));
      this.sent.set(name, sha256(bytes));
      await this.gantry("get", "--quiet", "-o", join(dir, `copy-of-${name}`), asset);
      assert.equal(sha256(await readFile(join(dir, `copy-of-${name}`))), sha256(bytes), name);
      this.fetched += 1;
    }
  }

  /** tus-js-client in chunks, which come through the nodes. */
  async sendByTus(worker) {
    for (let count = 0; !this.stopping; count++) {
      const [name, bytes] = [`tus-${worker}-${count}.bin`, randomBytes(3 * MIB + count)];
      await new Promise((resolve, reject) => {
        new tus.Upload(bytes, {
          endpoint: `${this.cluster.url}/tus`, headers: this.headers, chunkSize: MIB / 2, metadata: { filename: name },
          retryDelays: [0, 100, 300, 1000, 2000, 4000], onSuccess: resolve, onError: reject,
        }).start();
      });
      this.sent.set(name, sha256(bytes));
    }
  }

  /** Streams of what is ready, through the nodes; a stream under way is finished by the node that ends. */
  async stream() {
    while (!this.stopping) {
      const { assets } = await (await this.get("/v1/assets?state=ready&limit=5")).json();
      for (const { id, sha256: digest } of assets) {
        const answer = await this.get(`/v1/assets/${id}/content?delivery=stream`);
        assert.equal(answer.status, 200);
        assert.equal(sha256(Buffer.from(await answer.arrayBuffer())), digest);
        this.fetched += 1;
      }
      await pause(50);
    }
  }

  /** Requests that read: nginx takes the next node by itself, so that none may fail although nobody repeats them. */
  async probe() {
    while (!this.stopping) {
      const answer = await this.get("/v1/assets?limit=1");
      const text = await answer.text();
      assert.equal(answer.status, 200, text);
      this.probes += 1;
      await pause(20);
    }
  }

  /** Follows events by SSE as a browser does: after a cut from the last id, at whatever node. */
  async follow(until) {
    while (!until()) {
      const last = String(this.events.at(-1)?.id ?? 0);
      try {
        const answer = await this.get("/v1/events", { headers: { "last-event-id": last }, signal: AbortSignal.timeout(4000) });
        let text = "";
        for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
          const blocks = (text + piece).split("\n\n");
          text = blocks.pop();
          for (const data of blocks.flatMap((block) => block.match(/^data: ?(\{.*)$/m)?.[1] ?? [])) this.events.push(JSON.parse(data));
          if (until()) return;
        }
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
      }
      this.reconnects += 1;
    }
  }
}

const WRITE_EVERY_MS = 400;
/** Writes that wait for an answer: more would measure how the machine bears the load, not how it recovers. */
const MAX_WAITING_WRITES = 6;
/** Longer than a node waits for a connection to its database. */
const GIVE_UP_MS = 15_000;

/** A load whose clients come back after every failure, and hold the service to what it has acknowledged. */
export class PatientLoad extends Load {
  writes = [];
  retries = 0;

  constructor(cluster, name) {
    super(cluster);
    this.name = name;
  }

  /** Until there is an answer that is no excuse. */
  async persist(path, init = {}) {
    for (;;) {
      const answer = await this.get(path, { ...init, signal: AbortSignal.timeout(GIVE_UP_MS) }).catch(() => undefined);
      if (answer && answer.status < 500 && answer.status !== 423) return answer;
      this.retries += 1;
      await pause(100);
    }
  }

  /** The command line's multipart upload, started again as long as it fails. */
  async sendByCommand(worker) {
    const dir = join(this.cluster.dir, `${this.name}-${worker}`);
    await mkdir(dir);
    for (let count = 0; !this.stopping; count++) {
      const [name, bytes] = [`${this.name}-put-${worker}-${count}.bin`, randomBytes(6 * MIB + count)];
      await writeFile(join(dir, name), bytes);
      while (!(await this.gantry("put", "--quiet", "--part-size", "5MiB", join(dir, name)).catch(() => ""))) this.retries += 1;
      this.sent.set(name, sha256(bytes));
    }
  }

  /** tus in small chunks: an offset that was acknowledged is never taken back. */
  async sendByTus(worker) {
    for (let count = 0; !this.stopping; count++) {
      const [name, bytes] = [`${this.name}-tus-${worker}-${count}.bin`, randomBytes(MIB + count)];
      await this.#sendChunks(name, bytes);
      this.sent.set(name, sha256(bytes));
    }
  }

  async #sendChunks(name, bytes) {
    const tus = { "tus-resumable": "1.0.0" };
    const metadata = `filename ${Buffer.from(name).toString("base64")}`;
    const made = await this.persist("/tus", { method: "POST", headers: { ...tus, "upload-length": bytes.length, "upload-metadata": metadata } });
    assert.equal(made.status, 201, await made.text());
    const path = new URL(made.headers.get("location"), this.cluster.url).pathname;
    for (let acknowledged = 0; acknowledged < bytes.length;) {
      const headers = { ...tus, "upload-offset": acknowledged, "content-type": "application/offset+octet-stream" };
      const body = bytes.subarray(acknowledged, acknowledged + MIB / 8);
      const answer = await this.get(path, { method: "PATCH", headers, body, signal: AbortSignal.timeout(GIVE_UP_MS) }).catch(() => undefined);
      if (answer?.status === 204) {
        acknowledged = Number(answer.headers.get("upload-offset"));
        continue;
      }
      this.retries += 1;
      const head = await this.persist(path, { method: "HEAD", headers: tus });
      assert.equal(head.status, 200, `${name} is gone`);
      const offset = Number(head.headers.get("upload-offset"));
      assert.ok(offset >= acknowledged, `${name}: ${acknowledged} bytes were acknowledged, ${offset} are there`);
      acknowledged = offset;
    }
  }

  /** Downloads what is ready: a download may fail, but none that succeeds has other bytes. */
  async stream() {
    while (!this.stopping) {
      const page = await this.get("/v1/assets?state=ready&limit=3").then((answer) => answer.ok && answer.json()).catch(() => undefined);
      for (const { id, sha256: digest } of page?.assets ?? []) {
        const answer = await this.get(`/v1/assets/${id}/content?delivery=stream`).catch(() => undefined);
        const bytes = answer?.status === 200 && (await answer.arrayBuffer().catch(() => undefined));
        if (!bytes) continue;
        assert.equal(sha256(Buffer.from(bytes)), digest);
        this.fetched += 1;
      }
      await pause(300);
    }
  }

  /** Begins a small write at fixed times, whatever became of the last ones. */
  async write() {
    const running = new Set();
    for (let count = 0; !this.stopping; count++) {
      const write = this.#writeOnce(`${this.name}-write-${count}.txt`).finally(() => running.delete(write));
      running.add(write);
      await pause(WRITE_EVERY_MS);
      while (running.size >= MAX_WAITING_WRITES) await Promise.race(running);
    }
    await Promise.all(running);
  }

  async #writeOnce(name) {
    const text = `${name} ${randomBytes(8).toString("hex")}`;
    const write = { begun: Date.now() };
    this.writes.push(write);
    const headers = {
      "tus-resumable": "1.0.0", "upload-length": text.length, "content-type": "application/offset+octet-stream",
      "upload-metadata": `filename ${Buffer.from(name).toString("base64")}`,
    };
    const init = { method: "POST", headers, body: text, signal: AbortSignal.timeout(GIVE_UP_MS) };
    const answer = await this.get("/tus", init).catch((error) => ({ status: String(error.cause ?? error) }));
    write.ended = Date.now();
    write.status = answer.status;
    if (answer.status === 201 && Number(answer.headers.get("upload-offset")) === text.length) this.sent.set(name, sha256(text));
  }

  /** Writes and downloads have succeeded, and an upload in parts is on its way. */
  isUnderWay() {
    return this.writes.filter(({ status }) => status === 201).length >= 5 && this.fetched > 0;
  }

  /** Milliseconds from a moment until the first write that began afterwards was acknowledged. */
  recoveredAfter(moment) {
    const ended = this.writes.filter(({ begun, status }) => begun >= moment && status === 201).map(({ ended }) => ended);
    return Math.min(...ended) - moment;
  }
}
