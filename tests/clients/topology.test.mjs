// nginx, two nodes, PostgreSQL and an S3 server, by infra/nginx/cluster.conf: while uploads and downloads go on, each node is ended
// in order and started again. No client fails, no byte is lost, and every event is there once.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import * as tus from "tus-js-client";
import { Cluster, pause } from "./cluster.mjs";
import { GANTRY } from "./service.mjs";

const MIB = 1024 * 1024;
/** As cluster.conf asks for: nginx takes a node up again within two seconds. */
const LOAD_BETWEEN_RESTARTS_MS = 3000;

// The certificate is the test's own; tus-js-client and fetch have no other way to be told before they start.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
process.removeAllListeners("warning");

const run = promisify(execFile);
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** What was sent, by its name, and what went on meanwhile. */
class Load {
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

/** Every page of a list. */
async function pages(load, path, read, next, first = "") {
  const all = [];
  for (let cursor = first; ;) {
    const page = await (await load.get(`${path}${cursor}`)).json();
    all.push(...read(page));
    cursor = next(page);
    if (!cursor) return all;
  }
}

/** Ends and starts each node in turn, with time between for clients to come back. */
async function restartInTurn(cluster, load) {
  for (const node of cluster.nodes) {
    await pause(LOAD_BETWEEN_RESTARTS_MS);
    if (load.stopping) return;
    assert.equal(await node.end(), 0, node.log.slice(-2000));
    await node.start();
  }
  await pause(LOAD_BETWEEN_RESTARTS_MS);
}

async function everyFileIsThereOnce(load) {
  const assets = await pages(load, "/v1/assets?limit=100", (page) => page.assets,
    (page) => page.next && `&cursor=${encodeURIComponent(page.next)}`);
  for (const [name, digest] of load.sent) {
    const named = assets.filter((asset) => asset.filename === name);
    assert.equal(named.length, 1, `${name} is there ${named.length} times`);
    const answer = await load.get(`/v1/assets/${named[0].id}?wait=30s&until=ready`);
    const asset = await answer.json();
    assert.deepEqual([asset.state, asset.sha256], ["ready", digest], name);
  }
  return assets;
}

async function everyEventIsThereOnce(load, assets) {
  const events = await pages(load, "/v1/events?limit=100&after=", (page) => page.events,
    (page) => page.events.length > 0 && String(page.next), "0");
  assert.deepEqual(events.map((event) => Number(event.id)), events.map((_, index) => index + 1), "ids have a gap or a double");
  const ready = new Map();
  for (const event of events.filter(({ type }) => type === "asset.ready")) ready.set(event.asset_id, (ready.get(event.asset_id) ?? 0) + 1);
  for (const asset of assets.filter(({ filename }) => load.sent.has(filename))) assert.equal(ready.get(asset.id), 1, asset.filename);
  const steps = events.map(({ asset_id: asset, seq }) => `${asset} ${seq}`);
  assert.equal(new Set(steps).size, steps.length, "an asset's step was published twice");
  return events;
}

/** The nodes are restarted in turn under load, and nobody notices. */
async function survivesRestarts(t, cluster) {
  const load = new Load(cluster);
  let last = Infinity;
  t.after(() => { last = 0; });
  const following = load.follow(() => (load.events.at(-1)?.id ?? 0) >= last);
  const clients = [load.sendAndFetch(1), load.sendAndFetch(2), load.sendByTus(1), load.sendByTus(2), load.stream(), load.probe()];
  const restarts = restartInTurn(cluster, load).finally(() => { load.stopping = true; });
  const all = [restarts, ...clients].map((each) => each.catch((error) => { load.stopping = true; throw error; }));
  const failed = (await Promise.allSettled(all)).filter(({ status }) => status === "rejected").map(({ reason }) => reason);
  assert.deepEqual(failed, [], await cluster.frontLog("error.log"));

  const assets = await everyFileIsThereOnce(load);
  const events = await everyEventIsThereOnce(load, assets);
  last = events.length;
  await following;
  assert.deepEqual(load.events.map(({ id }) => id), events.map(({ id }) => id), "the follower saw what the pages have");
  assert.ok([...load.sent.keys()].some((name) => name.startsWith("put-")) && load.fetched > 0 && load.probes > 20);
  const log = await cluster.frontLog("access.log");
  t.diagnostic(`${load.sent.size} files, ${load.fetched} downloads, ${load.probes} probes, ${events.length} events, ` +
    `${load.reconnects} reconnects, ${log.match(/ 503 /g)?.length ?? 0} answers with 503`);
}

/** What nginx adds is there once, and where no node answers it says so as Gantry would. */
async function addsHeadersOnce(_, cluster) {
  const curl = async (...words) => (await run("curl", ["-sS", "--cacert", cluster.certificate, ...words])).stdout;
  const head = await curl("-D", "-", "-o", "/dev/null", `${cluster.url}/`);
  assert.match(head, /^HTTP\/2 200/);
  for (const name of ["strict-transport-security", "content-security-policy", "x-content-type-options", "referrer-policy"]) {
    assert.equal(head.split("\n").filter((line) => line.toLowerCase().startsWith(`${name}:`)).length, 1, `${name} in ${head}`);
  }
  const packed = await curl("-D", "-", "-o", "/dev/null", "-H", "Accept-Encoding: gzip", `${cluster.url}/openapi.json`);
  assert.equal(packed.match(/content-encoding: gzip/g)?.length, 1, packed);
  assert.match(await curl("-o", "/dev/null", "-w", "%{http_code}", `${cluster.url}/metrics`), /404/);
  await Promise.all(cluster.nodes.map((node) => node.end()));
  const away = await curl("-D", "-", `${cluster.url}/v1/limits`);
  assert.match(away, /^HTTP\/2 503[\s\S]*retry-after: 1[\s\S]*"code":"unavailable"/);
}

test("two nodes behind nginx", { timeout: 120_000 }, async (t) => {
  if (!process.env.GANTRY_TEST_POSTGRES || !process.env.GANTRY_TEST_S3_ENDPOINT) {
    t.skip("tests/servers.sh has PostgreSQL and SeaweedFS");
    return;
  }
  const cluster = await Cluster.start();
  t.after(() => cluster.stop());
  await t.test("are restarted in turn under load, and nobody notices", (t) => survivesRestarts(t, cluster));
  await t.test("have one of each header", (t) => addsHeadersOnce(t, cluster));
});
