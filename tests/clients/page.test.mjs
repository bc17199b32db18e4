// The start page in a real browser: send, reload in the middle, go on, become ready, copy a link, get the same bytes.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { chromium } from "playwright-core";
import { CHROMIUM, QUIET } from "./browser.mjs";
import { Service } from "./service.mjs";

const SCREENSHOTS = process.env.GANTRY_TEST_SCREENSHOTS;
const MIB = 1024 * 1024;

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** A page with its key, and what the browser complained about. */
async function open(browser, service, { uploadBytesPerSecond, hurry } = {}) {
  const context = await browser.newContext();
  const page = await context.newPage();
  if (hurry) {
    // Pauses of the page pass so many times as fast.
    await page.addInitScript((times) => {
      const real = window.setTimeout;
      window.setTimeout = (work, milliseconds) => real(work, milliseconds / times);
    }, hurry);
  }
  const complaints = [];
  const puts = [];
  page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => dialog.accept());
  page.on("requestfinished", async (request) => {
    if (request.method() === "PUT" && (await request.response())?.ok()) puts.push(request.url());
  });
  if (uploadBytesPerSecond) {
    const devtools = await context.newCDPSession(page);
    await devtools.send("Network.emulateNetworkConditions",
      { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: uploadBytesPerSecond });
  }
  await page.goto(`${service.url}/#key=${service.key}`);
  return { page, context, complaints, puts };
}

/** What the API answers the key. */
async function api(service, path) {
  return (await fetch(service.url + path, { headers: { authorization: `Bearer ${service.key}` } })).json();
}

async function screenshot(page, name) {
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

test("the start page", async (t) => {
  const service = await Service.start();
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
  t.after(async () => {
    await browser.close();
    await service.stop();
  });

  await t.test("a file goes up, survives a reload, becomes ready and has a link", async () => {
    const bytes = randomBytes(160 * MIB);
    const file = join(service.dir, "big.bin");
    await writeFile(file, bytes);
    const { page, complaints, puts } = await open(browser, service, { uploadBytesPerSecond: 40 * MIB });
    assert.equal(await page.evaluate(() => location.hash), "", "the key does not stay in the address");
    await page.setInputFiles("#files", file);
    await page.waitForFunction(() => document.querySelector("progress")?.value > 0.6, null, { timeout: 60_000 });
    await screenshot(page, "sending");
    const before = puts.length;
    assert.ok(before > 0, "at least one part is through");

    await page.reload();
    await page.waitForSelector("text=choose this file again");
    await screenshot(page, "after-reload");
    await page.setInputFiles("#files", file);
    await page.waitForSelector("li.done", { timeout: 120_000 });
    await screenshot(page, "ready");
    // 160 MiB are 10 parts of 16 MiB; what was in flight at the reload is sent again, nothing else.
    assert.ok(puts.length <= 10 + 4, `${puts.length} parts were sent`);
    assert.ok(puts.length - before <= 10 - before + 4, `${puts.length - before} parts were sent after the reload`);

    await page.click("button.copy");
    await page.waitForFunction(() => document.querySelector("input.link").value);
    const link = await page.inputValue("input.link");
    const there = await fetch(link);
    assert.equal(there.status, 200);
    assert.equal(sha256(Buffer.from(await there.arrayBuffer())), sha256(bytes));
    assert.equal(await page.evaluate(() => localStorage.getItem("gantry-unfinished")), "{}");
    assert.deepEqual(complaints, []);
  });

  await t.test("small, empty and oddly named files, dropped on the page", async () => {
    const { page, complaints } = await open(browser, service);
    await page.evaluate(() => {
      const dropped = new DataTransfer();
      dropped.items.add(new File(["<script>alert(1)</script>"], "<img src=x onerror=alert(1)>\"'.html"));
      dropped.items.add(new File([], "空.txt"));
      dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, cancelable: true }));
    });
    await page.waitForFunction(() => document.querySelectorAll("li.done").length === 2, null, { timeout: 30_000 });
    const names = await page.$$eval(".name", (all) => all.map((name) => name.textContent).sort());
    assert.deepEqual(names, ["<img src=x onerror=alert(1)>\"'.html", "空.txt"].sort());
    assert.deepEqual(complaints, []);
  });

  await t.test("a service that is away is waited for", async () => {
    const { page } = await open(browser, service, { uploadBytesPerSecond: 20 * MIB });
    const file = join(service.dir, "patient.bin");
    const bytes = randomBytes(60 * MIB);
    await writeFile(file, bytes);
    await page.setInputFiles("#files", file);
    await page.waitForFunction(() => document.querySelector("progress")?.value > 0.3, null, { timeout: 60_000 });
    service.process.kill("SIGKILL");
    await page.waitForSelector("text=Interrupted", { timeout: 30_000 });
    await service.launch();
    await page.waitForSelector("li.done", { timeout: 120_000 });
  });

  await t.test("a wrong key is told, a cancelled upload is gone", async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(service.url);
    await page.fill("#key", `gk_${"0".repeat(32)}.${"0".repeat(64)}`);
    await page.click("#key-form button");
    await page.setInputFiles("#files", { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("a") });
    await page.waitForSelector("li.failed");
    assert.match(await page.textContent("li.failed .state"), /unknown, revoked or expired/);
    await screenshot(page, "failed");

    const other = await open(browser, service, { uploadBytesPerSecond: 5 * MIB });
    const file = join(service.dir, "cancelled.bin");
    await writeFile(file, randomBytes(40 * MIB));
    await other.page.setInputFiles("#files", file);
    await other.page.waitForFunction(() => document.querySelector("progress")?.value > 0.05, null, { timeout: 60_000 });
    await other.page.click("button.cancel");
    await other.page.waitForFunction(() => document.querySelectorAll("li").length === 0);
    const open_ = await fetch(`${service.url}/v1/assets?state=awaiting`, { headers: { authorization: `Bearer ${service.key}` } });
    assert.deepEqual((await open_.json()).assets, []);
  });

  await t.test("a dropped folder is sent with all that is in it", async () => {
    const { page, context, complaints } = await open(browser, service);
    const folder = join(service.dir, "holiday");
    await mkdir(join(folder, "day 1", "nothing"), { recursive: true });
    await mkdir(join(folder, "day 2"));
    // The same name and the same bytes in two folders: two files.
    for (const path of ["day 1/a.txt", "day 2/a.txt", "list.txt"]) await writeFile(join(folder, path), "hello");
    await writeFile(join(service.dir, "beside.txt"), "beside");
    const devtools = await context.newCDPSession(page);
    const data = { items: [], files: [folder, join(service.dir, "beside.txt")], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) {
      await devtools.send("Input.dispatchDragEvent", { type, x: 300, y: 200, data });
    }
    await page.waitForFunction(() => document.querySelectorAll("li.done").length === 4, null, { timeout: 30_000 });
    const names = await page.$$eval(".name", (all) => all.map((name) => name.textContent).sort());
    assert.deepEqual(names, ["beside.txt", "holiday/day 1/a.txt", "holiday/day 2/a.txt", "holiday/list.txt"]);
    const found = await api(service, `/v1/assets?metadata.path=${encodeURIComponent("holiday/day 2/a.txt")}`);
    assert.deepEqual(found.assets.map((asset) => asset.filename), ["a.txt"]);
    assert.deepEqual(complaints, []);
  });

  await t.test("some files at a time, the others in turn", async () => {
    const { page } = await open(browser, service, { uploadBytesPerSecond: 8 * MIB });
    const files = await Promise.all(Array.from({ length: 7 }, async (_, at) => {
      const path = join(service.dir, `turn-${at}.bin`);
      await writeFile(path, randomBytes(2 * MIB));
      return path;
    }));
    await page.evaluate(() => {
      window.most = 0;
      const idle = /Waiting for its turn|Ready/;
      new MutationObserver(() => {
        const states = [...document.querySelectorAll("li .state")].map((state) => state.textContent);
        window.most = Math.max(window.most, states.filter((text) => text && !idle.test(text)).length);
      }).observe(document.getElementById("uploads"), { childList: true, subtree: true, characterData: true });
    });
    await page.setInputFiles("#files", files);
    await page.waitForFunction(() => {
      const states = [...document.querySelectorAll("li .state")].map((state) => state.textContent);
      return states.filter((text) => text === "Waiting for its turn").length === 4;
    }, null, { timeout: 10_000 });
    await page.waitForFunction(() => document.querySelectorAll("li.done").length === 7, null, { timeout: 60_000 });
    assert.equal(await page.evaluate(() => window.most), 3);
  });

  await t.test("a file that changes or goes is told, and nothing of it is completed", async () => {
    const { page } = await open(browser, service, { uploadBytesPerSecond: 5 * MIB });
    const [changed, gone] = ["changed.bin", "gone.bin"].map((name) => join(service.dir, name));
    const others = await Promise.all([1, 2].map(async (at) => {
      const path = join(service.dir, `other-${at}.bin`);
      await writeFile(path, randomBytes(20 * MIB));
      return path;
    }));
    await writeFile(changed, randomBytes(40 * MIB));
    await writeFile(gone, "gone");
    await page.setInputFiles("#files", [changed, ...others, gone]);
    await page.waitForFunction(() => [...document.querySelectorAll("progress")].some((bar) => bar.value > 0.1), null, { timeout: 60_000 });
    await writeFile(changed, randomBytes(40 * MIB));
    await rm(gone);
    for (const name of ["changed.bin", "gone.bin"]) {
      const row = page.locator("li.failed", { hasText: name });
      await row.waitFor({ timeout: 60_000 });
      assert.match(await row.locator(".state").textContent(), /cannot be read any more/);
      assert.ok(await row.locator(".retry").isHidden(), "trying again cannot help");
    }
    await page.waitForFunction(() => document.querySelectorAll("li.done").length === 2, null, { timeout: 60_000 });
    assert.deepEqual((await api(service, "/v1/assets?state=awaiting")).assets, [], "the upload of the old bytes is given up");
    const names = (await api(service, "/v1/assets?state=ready&limit=1000")).assets.map((asset) => asset.filename);
    assert.ok(!names.includes("changed.bin") && !names.includes("gone.bin"), names.join());
  });

  await t.test("a network that is away for longer than any number of tries", async () => {
    const { page, context } = await open(browser, service, { hurry: 50 });
    let failed = 0;
    page.on("requestfailed", () => { failed++; });
    await context.setOffline(true);
    await page.setInputFiles("#files", { name: "night.txt", mimeType: "text/plain", buffer: Buffer.from("night") });
    while (failed < 12) await page.waitForTimeout(50);
    assert.match(await page.textContent("li .state"), /Waiting for the network/);
    await context.setOffline(false);
    await page.waitForSelector("li.done", { timeout: 30_000 });
  });

  await t.test("one part that is refused for good ends the others, and what has arrived counts", async () => {
    const { page, puts } = await open(browser, service, { uploadBytesPerSecond: 40 * MIB });
    const file = join(service.dir, "lanes.bin");
    await writeFile(file, randomBytes(160 * MIB));
    let begun = 0;
    const refuse = (route) => (/partNumber=2&|partNumber=2$/.test(route.request().url())
      ? route.fulfill({ status: 404, headers: { "access-control-allow-origin": "*" }, body: "<Error><Code>NoSuchUpload</Code></Error>" })
      : route.continue());
    page.on("request", (request) => { if (request.method() === "PUT") begun++; });
    await page.route(/partNumber=/, refuse);
    await page.setInputFiles("#files", file);
    await page.waitForSelector("li.failed", { timeout: 60_000 });
    const [begunBefore, before] = [begun, puts.length];
    assert.ok(begunBefore <= 4 + 1, `${begunBefore} parts were begun although one was refused`);
    assert.ok(before >= 3, "parts that were on their way have arrived");
    await page.unroute(/partNumber=/, refuse);
    await page.waitForTimeout(300);
    assert.equal(begun, begunBefore, "nothing goes on behind the failure");
    await page.click("button.retry");
    await page.waitForSelector("li.done", { timeout: 60_000 });
    assert.equal(puts.length, 10, "no part was sent twice");
  });

  await t.test("a proxy that refuses bodies of this size is named after one try", async () => {
    const { page } = await open(browser, service);
    let tries = 0;
    await page.route("**/*", (route) => {
      if (route.request().method() !== "PUT") return route.continue();
      tries++;
      const headers = { "access-control-allow-origin": "*", "content-type": "text/html" };
      return route.fulfill({ status: 413, headers, body: "<html><h1>413 Request Entity Too Large</h1></html>" });
    });
    await page.setInputFiles("#files", { name: "large.txt", mimeType: "text/plain", buffer: Buffer.from("large") });
    await page.waitForSelector("li.failed");
    assert.match(await page.textContent("li.failed .state"), /client_max_body_size/);
    assert.equal(tries, 1);
    await page.click("button.retry");
    await page.waitForFunction(() => document.querySelector("li.failed .retry:not([hidden])"));
  });

  await t.test("the policy lets nothing else in", async () => {
    const answer = await fetch(service.url);
    const policy = answer.headers.get("content-security-policy");
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
    assert.equal((await fetch(`${service.url}/web/../Cargo.toml`)).status, 404);
    assert.equal((await fetch(`${service.url}/web/app.js`, { headers: { "if-none-match": (await fetch(`${service.url}/web/app.js`)).headers.get("etag") } })).status, 304);
  });
});
