// The start page in a real browser: send, reload in the middle, go on, become ready, copy a link, get the same bytes.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { chromium } from "playwright-core";
import { Service } from "./service.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const SCREENSHOTS = process.env.GANTRY_TEST_SCREENSHOTS;
const MIB = 1024 * 1024;
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** A page with its key, and what the browser complained about. */
async function open(browser, service, { uploadBytesPerSecond } = {}) {
  const context = await browser.newContext();
  const page = await context.newPage();
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
    assert.match(await page.textContent("li.failed .state"), /credential/);
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

  await t.test("the policy lets nothing else in", async () => {
    const answer = await fetch(service.url);
    const policy = answer.headers.get("content-security-policy");
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
    assert.equal((await fetch(`${service.url}/web/../Cargo.toml`)).status, 404);
    assert.equal((await fetch(`${service.url}/web/app.js`, { headers: { "if-none-match": (await fetch(`${service.url}/web/app.js`)).headers.get("etag") } })).status, 304);
  });
});
