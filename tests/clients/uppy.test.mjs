// Uppy 6 and 5 with their S3 and tus plugins, and tus-js-client, unmodified, in a real browser on another origin: single
// files, parts, an answer that is lost, a reload in the middle.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { chromium } from "playwright-core";
import { CHROMIUM, QUIET } from "./browser.mjs";
import { Service } from "./service.mjs";
import { noise, pages } from "./uppy.mjs";

const MIB = 1024 * 1024;

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

test("uppy", async (t) => {
  const { server, origin } = await pages();
  const service = await Service.start({ GANTRY_CORS_ORIGINS: origin });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
  t.after(async () => {
    await browser.close();
    await service.stop();
    server.close();
  });
  const authorization = `Bearer ${service.key}`;

  const api = async (method, path, body) => {
    const answer = await fetch(`${service.url}${path}`, { method, body: body && JSON.stringify(body), headers: { authorization } });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer;
  };

  /** As a backend does: one upload, and a grant for whoever brings it. */
  const granted = async (filename, size, method = "auto") =>
    (await api("POST", "/v1/uploads", { filename, size, content_type: "application/x-test", method })).json();

  /** What became of it: one asset, ready, with these bytes. */
  const arrived = async (id, name, bytes) => {
    const asset = await (await api("GET", `/v1/assets/${id}?wait=30s&until=ready`)).json();
    assert.deepEqual([asset.state, asset.filename, asset.size], ["ready", name, bytes.length]);
    const there = Buffer.from(await (await api("GET", `/v1/assets/${id}/content?delivery=stream`)).arrayBuffer());
    assert.equal(sha256(there), sha256(bytes));
    return asset;
  };

  const open = async (version, options, more) => {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
    await page.goto(`${origin}/${version}`);
    if (options) await page.evaluate(([options, more]) => start(options, more), [options, more]);
    return { page, context, complaints };
  };

  /** What the page may send a second, from now on. */
  const throttled = async (page, context, bytes) => {
    const devtools = await context.newCDPSession(page);
    await devtools.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytes });
  };

  /** Where each PATCH of the page began. */
  const patches = (page) => {
    const offsets = [];
    page.on("request", (request) => { if (request.method() === "PATCH") offsets.push(Number(request.headers()["upload-offset"])); });
    return offsets;
  };

  /** The one asset of this name. */
  const named = async (name) => {
    const { assets } = await (await api("GET", "/v1/assets")).json();
    const found = assets.filter((asset) => asset.filename === name);
    assert.equal(found.length, 1, `${found.length} of ${name}`);
    return found[0];
  };

  const sent = async (page, name, size, seed, meta) => {
    await page.evaluate((file) => add(...file), [name, "application/x-test", size, seed, meta ?? {}]);
    const result = await page.evaluate(() => send());
    assert.deepEqual(result.failed, []);
    assert.equal(result.done.length, 1);
    return result.done[0];
  };

  for (const [what, size, multipart] of [["12 MiB in parts", 12 * MIB + 1, true], ["1 MiB as a form", MIB, false], ["an empty file", 0, false]]) {
    await t.test(`version 6: ${what}`, async () => {
      const { asset, grant } = await granted("ä b.bin", size);
      const { page, complaints } = await open("v6", { companionEndpoint: `${service.url}/u/${grant}`, multipart });
      await sent(page, "ä b.bin", size, 1);
      await arrived(asset.id, "ä b.bin", noise(size, 1));
      assert.deepEqual(complaints, []);
    });
    await t.test(`version 5: ${what}`, async () => {
      const { page, complaints } = await open("v5", { endpoint: service.url, headers: { authorization }, multipart });
      const done = await sent(page, `ü ${size}.bin`, size, 2, { caption: "héllo", n: 5 });
      const { assets } = await (await api("GET", "/v1/assets")).json();
      const asset = assets.find((asset) => asset.filename === `ü ${size}.bin`);
      assert.ok(done.url.includes(asset.id), done.url);
      const { metadata } = await arrived(asset.id, `ü ${size}.bin`, noise(size, 2));
      assert.deepEqual([metadata.caption, metadata.n], ["héllo", "5"]);
      assert.deepEqual(complaints, []);
    });
  }

  // What a page is given with a grant, as it stands in the answer, and what Uppy says the file's address is.
  for (const [version, option] of [["v5", "endpoint"], ["v6", "companionEndpoint"]]) {
    for (const multipart of [true, false]) {
      await t.test(`version ${version[1]}: endpoints.companion, ${multipart ? "in parts" : "as a form"}, and the link to the result`, async () => {
        const size = multipart ? 6 * MIB : 1000;
        const { asset, endpoints } = await granted("linked.bin", size);
        const { page, complaints } = await open(version, { [option]: endpoints.companion, multipart });
        const done = await sent(page, "linked.bin", size, 11);
        await arrived(asset.id, "linked.bin", noise(size, 11));
        const there = await fetch(done.url, { headers: { authorization } });
        assert.equal(there.status, 200, done.url);
        assert.equal(sha256(Buffer.from(await there.arrayBuffer())), sha256(noise(size, 11)));
        assert.equal((await fetch(done.url)).status, 401, "the link is no credential");
        assert.deepEqual(complaints, []);
      });
    }
  }

  await t.test("version 5: ten files at once", async () => {
    const { page } = await open("v5", { endpoint: service.url, headers: { authorization }, multipart: true });
    for (let at = 0; at < 10; at++) {
      await page.evaluate((file) => add(...file), [`many ${at}`, "text/plain", at % 2 ? 6 * MIB : 1000 + at, at + 1, {}]);
    }
    const result = await page.evaluate(() => send());
    assert.deepEqual(result.failed, []);
    const { assets } = await (await api("GET", "/v1/assets")).json();
    for (let at = 0; at < 10; at++) {
      const found = assets.filter((asset) => asset.filename === `many ${at}`);
      assert.equal(found.length, 1);
      await arrived(found[0].id, `many ${at}`, noise(at % 2 ? 6 * MIB : 1000 + at, at + 1));
    }
  });

  await t.test("version 5: a cancelled file is gone", async () => {
    const { page, context } = await open("v5", { endpoint: service.url, headers: { authorization }, multipart: true });
    await throttled(page, context, 4 * MIB);
    await page.evaluate((file) => add(...file), ["cancelled", "text/plain", 30 * MIB, 3, {}]);
    await page.evaluate(() => { send(); });
    await page.waitForFunction(() => uppy.getFiles()[0]?.progress.bytesUploaded > 6 * 1024 * 1024, null, { timeout: 30_000 });
    await page.evaluate(() => uppy.cancelAll());
    for (let tries = 0; ; tries++) {
      const { assets } = await (await api("GET", "/v1/assets?state=abandoned")).json();
      if (assets.some((asset) => asset.filename === "cancelled")) break;
      assert.ok(tries < 50, "the upload was not given up");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });

  await t.test("version 6: an answer that is lost is asked for again", async () => {
    const size = 11 * MIB;
    const { asset, grant } = await granted("lost.bin", size);
    const { page } = await open("v6", { companionEndpoint: `${service.url}/u/${grant}`, multipart: true });
    let lost = 0;
    await page.route("**/complete?*", async (route) => {
      if (route.request().method() !== "POST" || lost++ > 0) return route.continue();
      await route.fetch();
      await route.abort("connectionreset");
    });
    await page.evaluate((file) => add(...file), ["lost.bin", "application/x-test", size, 4, {}]);
    const first = await page.evaluate(() => send());
    assert.equal(first.failed.length, 1);
    const second = await page.evaluate(async () => answer(await uppy.retryAll()));
    assert.deepEqual(second.failed, []);
    await arrived(asset.id, "lost.bin", noise(size, 4));
  });

  await t.test("version 6: a reload in the middle, with Golden Retriever", async () => {
    const size = 30 * MIB;
    const { asset, grant } = await granted("reloaded.bin", size);
    const options = { companionEndpoint: `${service.url}/u/${grant}`, multipart: true };
    const { page, context } = await open("v6", options, { remember: true });
    await throttled(page, context, 4 * MIB);
    const puts = [];
    page.on("requestfinished", async (request) => {
      if (request.method() === "PUT" && (await request.response())?.ok()) puts.push(request.url());
    });
    await page.evaluate((file) => add(...file), ["reloaded.bin", "application/x-test", size, 5, {}]);
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 2000)));
    await page.evaluate(() => { send(); });
    await page.waitForFunction(() => uppy.getFiles()[0]?.progress.bytesUploaded > 11 * 1024 * 1024, null, { timeout: 60_000 });
    await page.waitForTimeout(1500);
    const before = puts.length;
    assert.ok(before > 0, "at least one part is through");
    await page.goto(`${origin}/v6`);
    await page.evaluate(([options, more]) => start(options, more), [options, { remember: true }]);
    await page.waitForFunction(() => uppy.getFiles().length === 1 && uppy.getFiles()[0].data, null, { timeout: 30_000 });
    const result = await page.evaluate(async () => {
      const { recoveredState, currentUploads } = uppy.getState();
      const id = Object.keys(currentUploads)[0];
      return answer(recoveredState && id ? await uppy.restore(id) : await uppy.upload());
    });
    assert.deepEqual(result.failed, []);
    await arrived(asset.id, "reloaded.bin", noise(size, 5));
    // Six parts of 5 MiB; what was in flight is sent again, nothing else.
    assert.ok(puts.length <= 6 + 1, `${puts.length} parts were sent, ${before} of them before the reload`);
  });

  for (const version of ["v6", "v5"]) {
    for (const [what, size, options] of [["in one request", 9 * MIB + 1, {}], ["in chunks", 9 * MIB, { chunkSize: 2 * MIB }], ["an empty file", 0, {}]]) {
      await t.test(`tus, version ${version[1]}: ${what}`, async () => {
        const name = `ö ${version} ${what}`;
        const { page, complaints } = await open(version, { endpoint: `${service.url}/tus`, headers: { authorization }, ...options }, { plugin: "tus" });
        await sent(page, name, size, 6, { caption: "héllo" });
        const { metadata } = await arrived((await named(name)).id, name, noise(size, 6));
        assert.equal(metadata.caption, "héllo");
        assert.deepEqual(complaints, []);
      });
    }
  }

  await t.test("tus, version 6: with a grant in the path", async () => {
    const { asset, grant } = await granted("granted.bin", 3 * MIB, "append");
    const { page, complaints } = await open("v6", { endpoint: `${service.url}/u/${grant}/tus` }, { plugin: "tus" });
    await sent(page, "granted.bin", 3 * MIB, 7);
    await arrived(asset.id, "granted.bin", noise(3 * MIB, 7));
    assert.deepEqual(complaints, []);
  });

  for (const remember of [false, true]) {
    await t.test(`tus, version 6: a reload in the middle, ${remember ? "with Golden Retriever" : "the file chosen again"}`, async () => {
      const [name, size, more] = [`reloaded ${remember}`, 30 * MIB, { plugin: "tus", remember }];
      const options = { endpoint: `${service.url}/tus`, headers: { authorization } };
      const { page, context } = await open("v6", options, more);
      const offsets = patches(page);
      await throttled(page, context, 4 * MIB);
      await page.evaluate((file) => add(...file), [name, "application/x-test", size, 8, {}]);
      if (remember) await page.waitForTimeout(2000);
      await page.evaluate(() => { send(); });
      await page.waitForFunction(() => uppy.getFiles()[0]?.progress.bytesUploaded > 11 * 1024 * 1024);
      await page.waitForTimeout(remember ? 1500 : 0);
      await page.goto(`${origin}/v6`);
      await throttled(page, context, -1);
      await page.evaluate(([options, more]) => start(options, more), [options, more]);
      if (remember) await page.waitForFunction(() => uppy.getFiles().length === 1 && uppy.getFiles()[0].data);
      else await page.evaluate((file) => add(...file), [name, "application/x-test", size, 8, {}]);
      const result = await page.evaluate(async () => {
        const id = Object.keys(uppy.getState().currentUploads)[0];
        return answer(id ? await uppy.restore(id) : await uppy.upload());
      });
      assert.deepEqual(result.failed, []);
      await arrived((await named(name)).id, name, noise(size, 8));
      assert.ok(offsets[0] === 0 && offsets.length > 1 && offsets.slice(1).every((offset) => offset >= 4 * MIB), `it began again: ${offsets}`);
    });
  }

  for (const [what, options] of [["in one request", {}], ["in chunks", { chunkSize: 3 * MIB }], ["in parallel", { parallelUploads: 3 }],
    ["with data in the creation", { uploadDataDuringCreation: true }]]) {
    await t.test(`tus-js-client: ${what}`, async () => {
      const { page, complaints } = await open("tus-js");
      const name = `tus-js ${what}`;
      const all = { endpoint: `${service.url}/tus`, headers: { authorization }, ...options };
      await page.evaluate(([file, all]) => send(file, all), [[name, "application/x-test", 10 * MIB + 1, 9], all]);
      await arrived((await named(name)).id, name, noise(10 * MIB + 1, 9));
      assert.deepEqual(complaints, []);
    });
  }

  await t.test("tus-js-client: a reload in the middle", async () => {
    const { page, context } = await open("tus-js");
    const offsets = patches(page);
    const call = [["tus-js reloaded", "application/x-test", 30 * MIB, 10], { endpoint: `${service.url}/tus`, headers: { authorization } }];
    await throttled(page, context, 4 * MIB);
    await page.evaluate((call) => { send(...call); }, call);
    await page.waitForFunction(() => window.sent > 11 * 1024 * 1024);
    await page.goto(`${origin}/tus-js`);
    await throttled(page, context, -1);
    await page.evaluate((call) => send(...call), call);
    await arrived((await named("tus-js reloaded")).id, "tus-js reloaded", noise(30 * MIB, 10));
    assert.ok(offsets[0] === 0 && offsets.length > 1 && offsets.slice(1).every((offset) => offset >= 4 * MIB), `it began again: ${offsets}`);
  });
});
