// The core of the uploader against the real service: in Node, and in Chromium on a page of another origin under a strict policy.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, open, readFile, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { CHROMIUM, QUIET } from "./browser.mjs";
import { createUploader } from "../../web/uploader/src/core/index.js";
import { Service } from "./service.mjs";
import { SOURCES, serve } from "./uploader-page.mjs";

const MIB = 2 ** 20;
const CORE_LIMIT_BYTES = 25 * 1024;

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits for something to become so. */
async function until(what, seconds = 60) {
  for (const end = Date.now() + seconds * 1000; !await what();) {
    if (Date.now() > end) throw new Error(`not so after ${seconds} s: ${what}`);
    await pause(20);
  }
}

async function api(service, path, json, method = json ? "POST" : "GET") {
  const headers = { authorization: `Bearer ${service.key}`, ...(json && { "content-type": "application/json" }) };
  const answer = await fetch(service.url + path, { method, headers, body: json && JSON.stringify(json) });
  return answer.json();
}

/** What the service hands out for an asset. */
async function contentOf(service, asset) {
  const answer = await fetch(`${service.url}/v1/assets/${asset}/content`, { headers: { authorization: `Bearer ${service.key}` } });
  return Buffer.from(await answer.arrayBuffer());
}

/** A line to the service whose connections can be cut all at once. */
async function lineTo(service) {
  const { port, hostname } = new URL(service.url);
  const sockets = new Set();
  const server = createServer((near) => {
    const far = connect(port, hostname);
    for (const [from, to] of [[near, far], [far, near]]) {
      sockets.add(from);
      from.on("error", () => {}).on("close", () => sockets.delete(from) && to.destroy());
      from.pipe(to);
    }
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const cut = () => sockets.forEach((socket) => socket.destroy());
  return { url: `http://127.0.0.1:${server.address().port}`, key: service.key, cut, close: () => { server.close(); cut(); } };
}

const ready = (uploader) => until(() => {
  const bad = uploader.state.items.find(({ state }) => ["failed", "rejected", "needs-file"].includes(state.kind));
  assert.equal(bad, undefined, JSON.stringify(bad?.state));
  return uploader.state.items.every(({ state }) => state.kind === "ready");
}, 120);

test("the core is small", async () => {
  const built = await build({ entryPoints: [join(SOURCES, "src/core/index.js")], bundle: true, minify: true, format: "esm", write: false });
  const bytes = gzipSync(built.outputFiles[0].contents, { level: 9 }).length;
  assert.ok(bytes <= CORE_LIMIT_BYTES, `${bytes} bytes`);
});

test("the published types are those of the sources", async (t) => {
  const out = await mkdtemp(join(tmpdir(), "gantry-types-"));
  t.after(() => rm(out, { recursive: true, force: true }));
  await promisify(execFile)(process.execPath, [fileURLToPath(new URL("node_modules/typescript/bin/tsc", import.meta.url)), "-p", SOURCES, "--outDir", out]);
  const list = async (dir) => (await readdir(dir, { recursive: true })).filter((name) => name.endsWith(".d.ts")).sort();
  assert.deepEqual(await list(join(SOURCES, "types")), await list(out), "npm run types");
  // A reference to another file is told from where the types are written.
  const text = async (path) => (await readFile(path, "utf8")).replace(/path="[^"]*\/src\//g, 'path="../../src/');
  for (const name of await list(out)) assert.equal(await text(join(SOURCES, "types", name)), await text(join(out, name)), `npm run types: ${name}`);
});

test("the core in Node", async (t) => {
  const service = await Service.start({ GANTRY_APPENDS__MAX_REQUEST_SIZE: "8MiB" });
  t.after(() => service.stop());
  const start = (options) => {
    const uploader = createUploader({ endpoint: service.url, token: () => service.key, ...options });
    t.after(() => uploader.destroy());
    return uploader;
  };

  await t.test("files of every kind become ready, with their digests", async () => {
    const uploader = start();
    const contents = [Buffer.alloc(0), randomBytes(1000), randomBytes(40 * MIB)];
    uploader.add(contents.map((bytes, i) => ({ file: new File([bytes], `f${i}`), path: `folder/f${i}` })));
    await ready(uploader);
    for (const [i, item] of uploader.state.items.entries()) {
      assert.equal(item.state.sha256, sha256(contents[i]));
      assert.equal(item.state.asset.metadata.path, `folder/f${i}`);
      assert.equal(item.confirmed, contents[i].length);
    }
    const link = await uploader.link(uploader.state.items[1].id);
    assert.equal(sha256(Buffer.from(await (await fetch(link)).arrayBuffer())), sha256(contents[1]));
  });

  await t.test("the service is killed twice in the middle, and started again", async () => {
    const uploader = start();
    const bytes = randomBytes(150 * MIB);
    uploader.add([new File([bytes], "survivor.bin")]);
    for (const share of [0.2, 0.5]) {
      await until(() => uploader.state.items[0].confirmed > share * bytes.length);
      service.process.kill("SIGKILL");
      await until(() => uploader.state.items[0].state.kind === "offline");
      await service.launch();
    }
    await ready(uploader);
    assert.equal(uploader.state.items[0].state.sha256, sha256(bytes));
  });

  await t.test("a grant alone is enough, whatever it was made for", async () => {
    const contents = new Map([["small", randomBytes(5000)], ["large", randomBytes(30 * MIB)], ["any", randomBytes(20 * MIB)]]);
    const uploader = start({ token: async ({ file }) => {
      const size = file.name === "any" ? { max_size: 50 * MIB } : { size: file.size };
      return (await api(service, "/v1/uploads", { filename: file.name, ...size, external_id: file.fingerprint })).grant;
    } });
    uploader.add([...contents].map(([name, bytes]) => new File([bytes], name)));
    await ready(uploader);
    for (const item of uploader.state.items) {
      assert.equal(item.state.asset.filename, item.name);
      assert.equal(item.state.sha256, sha256(contents.get(item.name)));
    }
    await assert.rejects(uploader.link(uploader.state.items[0].id), { code: "forbidden", retryable: false });
  });

  for (const [protocol, path] of [["tus", "/tus/"], ["ietf", "/files/"]]) {
    await t.test(`by ${protocol}, files of every kind become ready, and a connection that is cut is taken up again`, async () => {
      const line = await lineTo(service);
      t.after(() => line.close());
      const asked = [];
      const spy = (url, init) => {
        asked.push(`${init?.method ?? "GET"} ${new URL(url).pathname}`);
        return fetch(url, init);
      };
      const any = async () => (await api(service, "/v1/uploads", { filename: "any", max_size: 50 * MIB })).grant;
      const uploader = start({ protocol, endpoint: line.url, token: ({ file }) => (file.name === "any" ? any() : service.key), ports: { fetch: spy } });
      const contents = new Map([["empty", Buffer.alloc(0)], ["small", randomBytes(1000)], ["large", randomBytes(60 * MIB)], ["any", randomBytes(9 * MIB)]]);
      uploader.add([...contents].map(([name, bytes]) => new File([bytes], name)));
      const large = () => uploader.state.items.find(({ name }) => name === "large");
      for (const share of [0.2, 0.5]) {
        await until(() => large().confirmed > share * large().size);
        line.cut();
      }
      await ready(uploader);
      for (const { name, state, confirmed } of uploader.state.items) {
        assert.deepEqual([name, state.sha256, confirmed], [name, sha256(contents.get(name)), contents.get(name).length]);
        // Node has no worker: larger files are sent without a digest of the whole.
        if (["small", "any"].includes(name)) assert.equal(state.verified, true, name);
      }
      const appends = asked.filter((one) => one.startsWith("PATCH"));
      assert.ok(appends.length >= 8 + 2 + 1 && appends.every((one) => one.startsWith(`PATCH ${path}`)), `${appends}`);
      assert.deepEqual(asked.filter((one) => one.startsWith("PUT") || one.endsWith("/form")), []);
    });
  }

  await t.test("the backend's whole answer is enough as well", async () => {
    const uploader = start({ token: undefined, grant: ({ file }) => api(service, "/v1/uploads", { filename: file.name, size: file.size, external_id: file.fingerprint }) });
    uploader.add([new File([randomBytes(30 * MIB)], "large"), new File([randomBytes(300)], "small")]);
    await ready(uploader);
  });

  await t.test("what the service refuses is told with its code and request, before a byte is sent", async () => {
    const uploader = start({ token: () => "gk_nonsense" });
    uploader.add([new File(["x"], "a")]);
    await until(() => uploader.state.items[0].state.kind === "failed");
    const { problem } = uploader.state.items[0].state;
    assert.deepEqual([problem.code, problem.retryable], ["unauthenticated", false]);
    assert.match(problem.requestId, /^[0-9a-f]+$/);
    assert.match(problem.message, /\.$/);
  });

  await t.test("a cancelled upload is forgotten by the service", async () => {
    const uploader = start();
    uploader.add([new File([randomBytes(100 * MIB)], "unwanted")]);
    await until(() => uploader.state.items[0].confirmed > 0);
    const { id, uploadId } = uploader.state.items[0];
    uploader.cancel(id);
    await until(async () => (await api(service, `/v1/uploads/${uploadId}`)).state === "aborted");
  });
});

const PAGE = `
  // Requests that have no whole answer yet.
  window.inFlight = { now: 0, most: 0 };
  const begin = () => { inFlight.most = Math.max(inFlight.most, ++inFlight.now); };
  const { fetch } = window;
  window.fetch = async (...given) => {
    begin();
    try {
      const answer = await fetch(...given);
      const text = await answer.text();
      return new Response(answer.status === 204 ? null : text, answer);
    } finally {
      inFlight.now--;
    }
  };
  const { send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.send = function (body) {
    begin();
    this.addEventListener("readystatechange", () => { if (this.readyState === 4) inFlight.now--; });
    send.call(this, body);
  };
  import { createUploader } from "/src/core/index.js";
  window.start = (options) => {
    window.kinds = new Set();
    window.uploader = createUploader({ ...options, token: () => options.key });
    uploader.subscribe((state) => state.items.forEach(({ state: { kind } }) => kinds.add(kind)));
  };
  window.add = () => uploader.add(document.querySelector("input").files);
  window.reselect = () => uploader.reselect(document.querySelector("input").files);
  window.item = () => uploader.state.items[0];
  window.tasks = [];
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask" });
`;

test("the core in Chromium, on a page of another origin", async (t) => {
  const site = await serve({
    files: { "/page.js": PAGE },
    pages: { "/": { body: '<input type="file" multiple aria-label="Files">', script: "/page.js" } },
  });
  site.policy = "default-src 'self'; connect-src *; require-trusted-types-for 'script'; trusted-types gantry-uploader";
  const service = await Service.start({ GANTRY_CORS_ORIGINS: site.origin });
  const brief = await Service.start({
    GANTRY_CORS_ORIGINS: site.origin, GANTRY_UPLOADS__URL_EXPIRES_IN: "3s", GANTRY_APPENDS__MAX_REQUEST_SIZE: "8MiB",
  });
  const dir = await mkdtemp(join(tmpdir(), "gantry-core-"));
  t.after(async () => {
    // Those of a test that failed are open still.
    await Promise.all(contexts.map((context) => context.close().catch(() => {})));
    site.server.close();
    site.server.closeAllConnections();
    await Promise.all([service.stop(), brief.stop(), rm(dir, { recursive: true, force: true })]);
  });

  const complaints = [];
  const contexts = [];
  /** A page in a browser of its own, whose profile outlives it. */
  const visit = async (profile, { uploadBytesPerSecond, of = service, ...more } = {}) => {
    const context = await chromium.launchPersistentContext(join(dir, profile), { executablePath: CHROMIUM, args: QUIET });
    contexts.push(context);
    const page = context.pages()[0] ?? await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
    page.on("pageerror", (error) => complaints.push(String(error)));
    const puts = [];
    page.on("requestfinished", async (request) => {
      if (request.method() === "PUT") puts.push({ url: request.url(), status: (await request.response())?.status() });
    });
    const devtools = await context.newCDPSession(page);
    const line = (offline) => devtools.send("Network.emulateNetworkConditions",
      { offline, latency: 0, downloadThroughput: -1, uploadThroughput: uploadBytesPerSecond ?? -1 });
    if (uploadBytesPerSecond) await line(false);
    const load = async () => {
      await page.goto(site.origin);
      await page.waitForFunction(() => window.start);
      await page.evaluate((options) => start(options), { endpoint: of.url, key: of.key, ...more });
    };
    await load();
    const becomes = (kind) => page.waitForFunction((wanted) => item()?.state.kind === wanted, kind);
    return { context, page, puts, becomes, line, load };
  };
  const file = async (name, size) => {
    const path = join(dir, name);
    await writeFile(path, randomBytes(size));
    return path;
  };
  const digest = async (path) => sha256(await readFile(path));

  await t.test("a large file arrives, with checksums from a worker, and nothing to complain about", async () => {
    const { context, page, becomes, puts } = await visit("plain");
    const path = await file("large.bin", 100 * MIB);
    await page.setInputFiles("input", path);
    await page.evaluate(() => add());
    await becomes("ready");
    assert.equal(page.workers().length, 1);
    // On a busy machine the page's own digest comes after the service's.
    await page.waitForFunction(() => "verified" in item().state);
    const { state, confirmed } = await page.evaluate(() => item());
    assert.deepEqual([state.sha256, state.verified, confirmed], [await digest(path), true, 100 * MIB]);
    assert.equal(puts.length, 7);
    assert.deepEqual(complaints, []);
    await context.close();
  });

  await t.test("the browser is killed twice, and only what was on its way is sent again", async () => {
    const path = await file("killed.bin", 200 * MIB);
    let finished = 0;
    for (const share of [0.15 + 0.2 * Math.random(), 0.5 + 0.3 * Math.random()]) {
      const { context, page, puts } = await visit("killed", { uploadBytesPerSecond: 20 * MIB });
      // However long a busy machine takes to kill: what comes after the next part stays on its way until then.
      const last = Math.ceil(share * 200 / 16) + 1;
      await page.route((url) => Number(url.searchParams.get("partNumber")) > last, (route) => (route.request().method() === "PUT" ? undefined : route.continue()));
      await page.setInputFiles("input", path);
      await page.evaluate(() => uploader.restore());
      if (await page.evaluate(() => uploader.state.items.length) > 0) {
        await page.waitForFunction(() => item().state.kind === "needs-file");
        await page.evaluate(() => reselect());
      } else await page.evaluate(() => add());
      await page.waitForFunction((least) => item().confirmed > least, share * 200 * MIB);
      await pause(600);
      finished += puts.filter(({ status }) => status === 200).length;
      const ended = new Promise((resolve) => context.once("close", resolve));
      const cdp = await context.browser()?.newBrowserCDPSession() ?? await context.newCDPSession(page);
      cdp.send("Browser.crash").catch(() => {});
      await ended;
    }
    const { context, page, puts, becomes } = await visit("killed");
    await page.evaluate(() => uploader.restore());
    await page.waitForFunction(() => item()?.state.kind === "needs-file");
    const { name, size, confirmed, lastModified } = await page.evaluate(() => item());
    assert.deepEqual([name, size, Math.floor((await stat(path)).mtimeMs)], ["killed.bin", 200 * MIB, lastModified]);
    assert.ok(confirmed > 90 * MIB, `${confirmed}`);
    const other = await file("other.bin", 10);
    await page.setInputFiles("input", other);
    assert.deepEqual(await page.evaluate(() => reselect().then(({ matched, unknown }) => [matched.length, unknown.length])), [0, 1]);
    await page.setInputFiles("input", path);
    await page.evaluate(() => reselect());
    await becomes("ready");
    assert.equal((await page.evaluate(() => item())).state.sha256, await digest(path));
    finished += puts.filter(({ status }) => status === 200).length;
    const parts = Math.ceil(200 / 16);
    assert.ok(finished <= parts + 2 * 5, `${finished} of ${parts}`);
    await context.close();
  });

  await t.test("addresses that live for three seconds carry an upload of many times that", async () => {
    const { context, page, becomes } = await visit("brief", { uploadBytesPerSecond: 8 * MIB, of: brief });
    await page.setInputFiles("input", await file("brief.bin", 120 * MIB));
    const began = Date.now();
    await page.evaluate(() => add());
    await becomes("ready");
    assert.ok(Date.now() - began > 12_000);
    assert.equal(await page.evaluate(() => kinds.has("failed") || kinds.has("waiting")), false);
    await context.close();
  });

  for (const [protocol, path] of [["tus", "/tus/"], ["ietf", "/files/"]]) {
    await t.test(`by ${protocol}, a cut connection and a reload cost only what was on its way`, async () => {
      const cable = await lineTo(brief);
      t.after(() => cable.close());
      const { context, page, becomes, load, puts } = await visit(protocol, { uploadBytesPerSecond: 16 * MIB, of: cable, protocol });
      const appends = [];
      page.on("request", (request) => {
        const { pathname } = new URL(request.url());
        if (request.method() === "PATCH" && pathname.startsWith(path)) appends.push(Number(request.headers()["upload-offset"]));
      });
      const source = await file(`${protocol}.bin`, 80 * MIB);
      await page.setInputFiles("input", source);
      await page.evaluate(() => add());
      await page.waitForFunction((least) => item().confirmed > least, 15 * MIB);
      cable.cut();
      await page.waitForFunction((least) => item().confirmed > least, 35 * MIB);
      await pause(600);
      await load();
      await page.evaluate(() => uploader.restore());
      await page.waitForFunction(() => item()?.state.kind === "needs-file");
      const { confirmed } = await page.evaluate(() => item());
      assert.ok(confirmed > 30 * MIB, `${confirmed}`);
      const before = appends.length;
      await page.setInputFiles("input", source);
      assert.deepEqual(await page.evaluate(() => reselect().then(({ matched }) => matched.length)), 1);
      await becomes("ready");
      await page.waitForFunction(() => "verified" in item().state);
      const { state } = await page.evaluate(() => item());
      assert.deepEqual([state.sha256, state.verified], [await digest(source), true]);
      assert.ok(appends[before] >= confirmed, `${appends} after ${confirmed}`);
      assert.equal(puts.length, 0);
      complaints.length = 0;
      await context.close();
    });
  }

  await t.test("without a network it waits, and goes on within three seconds of its return", async () => {
    const { context, page, becomes, line } = await visit("offline", { uploadBytesPerSecond: 8 * MIB });
    await page.setInputFiles("input", await file("offline.bin", 64 * MIB));
    await page.evaluate(() => add());
    await page.waitForFunction(() => item().confirmed > 0);
    const sent = (await page.evaluate(() => item())).confirmed;
    await line(true);
    await becomes("offline");
    await pause(5000);
    assert.equal((await page.evaluate(() => item())).state.kind, "offline");
    await line(false);
    await page.waitForFunction((before) => item().state.kind === "uploading" && item().sent > before, sent, { timeout: 3000 });
    await becomes("ready");
    await context.close();
  });

  await t.test("a 403 of the storage is answered by a fresh address, without a pause", async () => {
    const { context, page, becomes } = await visit("refused");
    let refused = 0;
    await page.route((url) => url.searchParams.get("partNumber") === "2", (route) => {
      if (route.request().method() !== "PUT" || refused++ > 0) return route.continue();
      return route.fulfill({ status: 403, headers: { "access-control-allow-origin": "*" }, body: "<Error><Code>AccessDenied</Code></Error>" });
    });
    await page.setInputFiles("input", await file("refused.bin", 40 * MIB));
    await page.evaluate(() => add());
    await becomes("ready");
    assert.equal(refused, 2);
    assert.equal(await page.evaluate(() => kinds.has("waiting")), false);
    complaints.length = 0;
    await context.close();
  });

  await t.test("a file that is changed on the disk is told at once, and not aborted", async () => {
    const { context, page, becomes } = await visit("changed", { uploadBytesPerSecond: 8 * MIB });
    const path = await file("changed.bin", 64 * MIB);
    await page.setInputFiles("input", path);
    await page.evaluate(() => add());
    await page.waitForFunction(() => item().confirmed > 0);
    const handle = await open(path, "r+");
    await handle.write("other", 60 * MIB);
    await handle.close();
    await utimes(path, new Date(), new Date(Date.now() + 5000));
    await becomes("failed");
    const { state, uploadId } = await page.evaluate(() => item());
    assert.deepEqual([state.problem.code, state.problem.retryable], ["file_unreadable", false]);
    assert.equal((await api(service, `/v1/uploads/${uploadId}`)).state, "open");
    await page.evaluate(() => uploader.retry(item().id));
    await becomes("failed");
    complaints.length = 0;
    await context.close();
  });

  await t.test("pause is felt within 200 milliseconds, and keeps what is there", async () => {
    const { context, page, becomes } = await visit("paused", { uploadBytesPerSecond: 16 * MIB });
    const path = await file("paused.bin", 64 * MIB);
    await page.setInputFiles("input", path);
    await page.evaluate(() => add());
    await page.waitForFunction(() => item().confirmed > 0);
    const took = await page.evaluate(() => new Promise((resolve) => {
      const began = performance.now();
      uploader.subscribe((state) => { if (state.items[0].state.kind === "paused") resolve(performance.now() - began); });
      uploader.pause();
    }));
    assert.ok(took < 200, `${took}`);
    const { confirmed } = await page.evaluate(() => item());
    assert.ok(confirmed > 0);
    await page.evaluate(() => uploader.resume());
    await becomes("ready");
    assert.equal((await page.evaluate(() => item())).state.sha256, await digest(path));
    await context.close();
  });

  await t.test("ten thousand files: the page stays usable, and six requests at most are in flight", async () => {
    const { context, page } = await visit("many");
    // Making the files is the test's own work.
    await page.evaluate(() => {
      window.files = Array.from({ length: 10_000 }, (_, i) => ({ file: new File([`content ${i}`], `f${i}.txt`), path: `tree/${i % 100}/f${i}.txt` }));
    });
    await page.evaluate(() => new Promise((resolve) => setTimeout(() => resolve(tasks.length = 0), 1000)));
    assert.equal(await page.evaluate(() => uploader.add(files).added.length), 10_000);
    await page.waitForFunction(() => uploader.state.totals.done >= 50);
    const most = await page.evaluate(() => inFlight.most);
    assert.ok(most > 3 && most <= 6, `${most}`);
    await page.evaluate(() => uploader.pause());
    await pause(1500);
    await page.evaluate(() => uploader.resume());
    await page.waitForFunction(() => uploader.state.totals.done >= 100);
    const tasks = await page.evaluate(() => tasks);
    assert.ok(Math.max(0, ...tasks) < 200, tasks.map(Math.round).join(", "));
    await context.close();
  });
});
