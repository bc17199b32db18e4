// @gantry/client in a page: a file with a token of the page's user, straight to the storage, and back.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import test from "node:test";
import { CHROMIUM, QUIET } from "../clients/browser.mjs";
import { Service } from "../clients/service.mjs";

// The packages are those of the client tests.
const require = createRequire(new URL("../clients/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const { build } = require("esbuild");
/** Where the packages of this repository are installed as they are published. */
const INSTALLED = process.env.SDK_INSTALLED;

const SCRIPT = `import { Client, NotFoundError } from "@gantry/client";
window.run = async (url) => {
  const client = new Client({ url, token: () => fetch("/token").then((answer) => answer.text()) });
  const file = new File([new Uint8Array(20_000_000).fill(7)], "page.bin", { lastModified: 1 });
  const told = [];
  const asset = await client.upload(file, { onProgress: ({ sent }) => told.push(sent) });
  const { body } = await client.download(asset.id, { start: 5, end: 10, delivery: "stream" });
  const bytes = [];
  for (const reader = body.getReader(), read = {}; !(Object.assign(read, await reader.read())).done;) bytes.push(...read.value);
  let missing = "";
  await client.assets.get("01a21f89-0000-7000-8000-000000000000").catch((error) => { missing = error instanceof NotFoundError && error.code; });
  let first;
  for await (const event of client.events.follow({ after: 0 })) { first = event.id; break; }
  return { state: asset.state, size: asset.size, told: told.at(-1), bytes, missing, first };
};`;

test("a page sends and fetches with a token", { timeout: 90_000 }, async (t) => {
  const bundle = await build({
    stdin: { contents: SCRIPT, resolveDir: INSTALLED }, bundle: true, write: false, format: "esm", target: "es2022", platform: "browser", logLevel: "error",
  });
  let service;
  const server = createServer((request, response) => {
    const answers = { "/": ["text/html", '<!doctype html><script type="module" src="/page.js"></script>'], "/page.js": ["text/javascript", bundle.outputFiles[0].text], "/token": ["text/plain", service.key] };
    const [kind, body] = answers[request.url] ?? ["text/plain", ""];
    response.writeHead(200, { "content-type": kind }).end(body);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  service = await Service.start({ GANTRY_CORS_ORIGINS: origin });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
  t.after(async () => {
    await browser.close();
    server.close();
    await service.stop();
  });
  const page = await browser.newPage();
  await page.goto(origin);
  await page.waitForFunction(() => window.run);
  const { first, ...rest } = await page.evaluate((url) => window.run(url), service.url);
  assert.deepEqual(rest, { state: "ready", size: 20_000_000, told: 20_000_000, bytes: [7, 7, 7, 7, 7], missing: "not_found" });
  assert.equal(first, "1");
});
