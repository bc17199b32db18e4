// Libraries that send files as forms, unmodified, in a real browser on another origin: many files over kept connections, with
// nginx before the service and without it, and files that are cut although a form takes whole ones.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { chromium } from "playwright-core";
import { CHROMIUM, QUIET } from "./browser.mjs";
import { PROOF, front } from "./fronts.mjs";
import { Service, freePort } from "./service.mjs";
import { noise, pages } from "./uppy.mjs";

const FILES = 40;
const SIZE = 200_000;

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

test("forms", async (t) => {
  const { server, origin } = await pages();
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
  t.after(async () => {
    await browser.close();
    server.close();
  });

  const api = (service) => async (method, path, body) => {
    const headers = { authorization: `Bearer ${service.key}` };
    const answer = await fetch(`${service.url}${path}`, { method, body: body && JSON.stringify(body), headers });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.json();
  };

  const open = async (path) => {
    const page = await (await browser.newContext()).newPage();
    page.setDefaultTimeout(60_000);
    const refused = [];
    page.on("response", (answer) => { if (answer.status() >= 400) refused.push(`${answer.status()} ${answer.url()}`); });
    await page.goto(`${origin}${path}`);
    return { page, refused };
  };

  /** Each of them is there once, with its own bytes. */
  const arrived = async (service, names) => {
    const { assets } = await api(service)("GET", "/v1/assets?limit=1000");
    for (const [name, seed] of names) {
      const found = assets.filter((asset) => asset.filename === name);
      assert.equal(found.length, 1, name);
      const asset = await api(service)("GET", `/v1/assets/${found[0].id}?wait=30s&until=ready`);
      assert.deepEqual([asset.state, asset.size], ["ready", SIZE], name);
      assert.equal(asset.sha256.replace("sha256:", ""), sha256(noise(SIZE, seed)), name);
    }
  };

  for (const proxy of [null, "nginx"]) {
    await t.test(`${FILES} files, ${proxy ? "behind nginx" : "directly"}`, async (t) => {
      const port = await freePort();
      const behind = { ...PROOF, GANTRY_DELIVERY: "accel", GANTRY_PUBLIC_URL: `http://127.0.0.1:${port}` };
      const service = await Service.start({ GANTRY_CORS_ORIGINS: origin, ...(proxy ? behind : {}) });
      const before = proxy ? await front(proxy, service, port) : { url: service.url, stop: async () => {} };
      try {
        await t.test("by version 5 of Uppy", async () => {
          const { page, refused } = await open("/v5");
          const headers = { authorization: `Bearer ${service.key}` };
          await page.evaluate((options) => start(options), { endpoint: before.url, headers, multipart: false });
          const files = Array.from({ length: FILES }, (_, at) => [`five ${at}`, at + 1]);
          for (const [name, seed] of files) {
            await page.evaluate((file) => add(...file), [name, "text/plain", SIZE, seed, { title: "x", caption: "y" }]);
          }
          const result = await page.evaluate(() => send());
          assert.deepEqual([result.failed, refused, result.done.length], [[], [], FILES]);
          await arrived(service, files);
        });
        await t.test("by version 6 of Uppy", async () => {
          const { page, refused } = await open("/v6");
          const files = Array.from({ length: FILES }, (_, at) => [`six ${at}`, at + 101]);
          const grants = [];
          for (const [filename] of files) {
            grants.push((await api(service)("POST", "/v1/uploads", { filename, size: SIZE })).grant);
          }
          const results = await page.evaluate(([endpoints, files, size]) => Promise.all(endpoints.map((companionEndpoint, at) => {
            start({ companionEndpoint, multipart: false });
            add(files[at][0], "text/plain", size, files[at][1], { title: "x", caption: "y" });
            return send();
          })), [grants.map((grant) => `${before.url}/u/${grant}`), files, SIZE]);
          assert.deepEqual([results.flatMap(({ failed }) => failed), refused], [[], []]);
          await arrived(service, files);
        });
      } finally {
        await before.stop();
        await service.stop();
      }
    });
  }

  await t.test("files that are cut", async (t) => {
    const service = await Service.start({ GANTRY_CORS_ORIGINS: origin });
    t.after(() => service.stop());
    const size = 3_000_000;
    for (const [at, library] of ["Dropzone", "resumable.js", "flow.js", "FilePond"].entries()) {
      await t.test(library, async () => {
        const { asset, grant } = await api(service)("POST", "/v1/uploads", { max_size: 100_000_000 });
        const url = `${service.url}/u/${grant}/form`;
        const { page } = await open("/libraries");
        const send = (chunked) => page.evaluate((wish) => window.send(...wish), [library, url, chunked, [size, at + 1]]);
        const refused = await send(true);
        // FilePond announces its parts by a form without a file; the others send the first of them as the file.
        assert.match(refused, library === "FilePond" ? /^error .*no file/ : /^error .*tus at \/tus/);
        const untouched = await api(service)("GET", `/v1/assets/${asset.id}`);
        assert.deepEqual([untouched.state, untouched.size], ["awaiting", 0]);
        // The grant is as good as before, for the whole file.
        assert.equal(await send(false), "success");
        const { state, size: there, sha256: digest, filename } = await api(service)("GET", `/v1/assets/${asset.id}?wait=30s&until=ready`);
        assert.deepEqual([state, there, filename], ["ready", size, "big.bin"]);
        assert.equal(digest.replace("sha256:", ""), sha256(noise(size, at + 1)));
      });
    }
  });
});
