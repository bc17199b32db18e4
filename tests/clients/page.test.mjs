// The start page in a real browser: send, reload in the middle, go on, become ready, copy a link, get the same bytes.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { api, openPage, screenshot, startBrowser, sticksOut, violations } from "./pages.mjs";
import { Service } from "./service.mjs";

const MIB = 1024 * 1024;
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

test("the start page", async (t) => {
  const service = await Service.start();
  const browser = await startBrowser();
  t.after(async () => {
    await browser.close();
    await service.stop();
  });
  const open = (options) => openPage(browser, `${service.url}/#key=${service.key}`, options);
  const row = (page, name) => page.locator("gantry-uploader li.row", { hasText: name });
  const inState = (page, name, state) => page.locator(`gantry-uploader li.row[data-state="${state}"]`, { hasText: name });
  const file = (page, name) => page.locator("#list li.file", { hasText: name });
  const choose = (page, files) => page.locator("gantry-uploader input.input").setInputFiles(files);
  /** Waits until so much of a file has been sent, as its bar shows. */
  const sent = async (page, name, fraction) => {
    const bar = row(page, name).locator("[role=progressbar]");
    await bar.waitFor();
    await page.waitForFunction(([name, fraction]) => {
      const rows = [...document.querySelector("gantry-uploader").shadowRoot.querySelectorAll("li.row")];
      const bar = rows.find((one) => one.textContent.includes(name))?.querySelector("[role=progressbar]");
      return Number(bar?.getAttribute("aria-valuenow")) / Number(bar?.getAttribute("aria-valuemax")) > fraction;
    }, [name, fraction], { timeout: 60_000 });
  };

  await t.test("the first upload from an empty machine: by the address that the first start prints, with the keyboard alone", async () => {
    const { page, complaints } = await open();
    await page.waitForSelector("text=No files yet");
    assert.equal(await page.evaluate(() => location.hash), "", "the key does not stay in the address");
    assert.deepEqual(await violations(page), []);
    await screenshot(page, "start-empty");
    await page.locator("#forget").focus();
    await page.keyboard.press("Tab");
    const chooser = page.waitForEvent("filechooser");
    await page.keyboard.press("Enter");
    await (await chooser).setFiles({ name: "first.txt", mimeType: "text/plain", buffer: Buffer.from("hello") });
    await inState(page, "first.txt", "ready").waitFor();
    await file(page, "first.txt").locator("text=Ready").waitFor();
    await screenshot(page, "start-first");
    assert.deepEqual(complaints, []);
  });

  await t.test("a file goes up, survives a reload, becomes ready and has a link", async () => {
    const bytes = randomBytes(160 * MIB);
    const path = join(service.dir, "big.bin");
    await writeFile(path, bytes);
    const { page, complaints, puts } = await open({ uploadBytesPerSecond: 20 * MIB, permissions: ["clipboard-read", "clipboard-write"] });
    await choose(page, path);
    await sent(page, "big.bin", 0.05);
    await screenshot(page, "start-sending");
    // The service has confirmed a part; the browser tells the test of its request a little later.
    while (!puts.length) await page.waitForTimeout(20);
    const before = puts.length;

    await page.reload();
    await inState(page, "big.bin", "needs-file").waitFor();
    await screenshot(page, "start-after-reload");
    await choose(page, path);
    await inState(page, "big.bin", "ready").waitFor({ timeout: 120_000 });
    await screenshot(page, "start-ready");
    // What was in flight at the reload is sent again, nothing else.
    const parts = (await api(service, `/v1/assets?state=ready&limit=1`)).assets[0].size / (16 * MIB);
    assert.ok(puts.length <= parts + 6, `${puts.length} parts were sent`);

    const there = file(page, "big.bin");
    await there.getByRole("button", { name: "Copy link" }).click();
    await there.locator("text=Link copied").waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    const answer = await fetch(link);
    assert.equal(answer.status, 200);
    assert.equal(sha256(Buffer.from(await answer.arrayBuffer())), sha256(bytes));
    assert.deepEqual(complaints, []);
  });

  await t.test("small, empty and oddly named files, dropped on the page", async () => {
    const { page, complaints } = await open();
    const odd = "<img src=x onerror=alert(1)>\"'.html";
    await page.waitForSelector("gantry-uploader input.input");
    await page.evaluate((odd) => {
      const dropped = new DataTransfer();
      dropped.items.add(new File(["<script>alert(1)</script>"], odd));
      dropped.items.add(new File([], "空.txt"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, cancelable: true, bubbles: true }));
    }, odd);
    for (const name of [odd, "空.txt"]) await file(page, name).locator("text=Ready").waitFor();
    await file(page, odd).locator("a.open").click();
    assert.equal(await page.locator("#detail-title").textContent(), odd);
    assert.deepEqual(complaints, []);
  });

  await t.test("a service that is away is waited for", async () => {
    const { page } = await open({ uploadBytesPerSecond: 20 * MIB });
    const path = join(service.dir, "patient.bin");
    await writeFile(path, randomBytes(60 * MIB));
    await choose(page, path);
    await sent(page, "patient.bin", 0.2);
    service.process.kill("SIGKILL");
    await row(page, "patient.bin").locator("text=/Waiting for the network|Interrupted/").waitFor();
    await service.launch();
    await inState(page, "patient.bin", "ready").waitFor({ timeout: 120_000 });
  });

  await t.test("a wrong key is told when it is entered", async () => {
    const { page } = await openPage(browser, service.url);
    await page.waitForSelector("#key-form:not([hidden])");
    assert.deepEqual(await violations(page), []);
    await screenshot(page, "start-key");
    await page.fill("#key", `gk_${"0".repeat(32)}.${"0".repeat(64)}`);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#key-error:not(:empty)");
    assert.match(await page.textContent("#key-error"), /unknown, revoked or expired/);
    assert.equal(await page.evaluate(() => document.activeElement.id), "key");
    assert.ok(await page.locator("#files").isHidden(), "nothing was begun with it");
    await screenshot(page, "start-wrong-key");
    assert.deepEqual(await violations(page), []);
    await page.fill("#key", service.key);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#files:not([hidden])");
    assert.ok(await page.locator("#key-form").isHidden());
    // A key that ends while the page is open is told as well, and no key is kept that is none.
    await page.evaluate(() => sessionStorage.setItem("gantry-key", "gk_nonsense"));
    await page.reload();
    await page.waitForSelector("#key-error:not(:empty)");
    assert.equal(await page.evaluate(() => sessionStorage.getItem("gantry-key")), null);
  });

  await t.test("a file that comes without a key is answered, and is sent once there is one", async () => {
    const { page, complaints } = await openPage(browser, service.url);
    await page.waitForSelector("gantry-uploader input.input");
    await page.evaluate(() => {
      const dropped = new DataTransfer();
      dropped.items.add(new File(["early"], "early.txt"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, cancelable: true, bubbles: true }));
    });
    await page.waitForSelector("#held:not([hidden])");
    assert.equal(await page.textContent("#held"), "1 file is waiting here. Enter your API key, and it is sent.");
    await choose(page, { name: "later.txt", mimeType: "text/plain", buffer: Buffer.from("later") });
    await page.waitForSelector("text=2 files are waiting here");
    await screenshot(page, "start-held");
    await page.fill("#key", service.key);
    await page.keyboard.press("Enter");
    for (const name of ["early.txt", "later.txt"]) await inState(page, name, "ready").waitFor();
    assert.ok(await page.locator("#held").isHidden());
    assert.deepEqual(complaints, []);
  });

  await t.test("a cancelled upload is gone", async () => {
    const { page } = await open({ uploadBytesPerSecond: 5 * MIB });
    const path = join(service.dir, "cancelled.bin");
    await writeFile(path, randomBytes(40 * MIB));
    await choose(page, path);
    await sent(page, "cancelled.bin", 0.05);
    await row(page, "cancelled.bin").getByRole("button", { name: "Cancel: cancelled.bin" }).click();
    await row(page, "cancelled.bin").waitFor({ state: "detached" });
    for (let tries = 0; (await api(service, "/v1/assets?state=awaiting")).assets.length > 0; tries++) {
      assert.ok(tries < 100, "the service forgets it");
      await page.waitForTimeout(100);
    }
  });

  await t.test("a dropped folder is sent with all that is in it", async () => {
    const { page, context, complaints } = await open();
    const folder = join(service.dir, "holiday");
    await mkdir(join(folder, "day 1", "nothing"), { recursive: true });
    await mkdir(join(folder, "day 2"));
    // The same name and the same bytes in two folders: two files.
    for (const path of ["day 1/a.txt", "day 2/a.txt", "list.txt"]) await writeFile(join(folder, path), "hello");
    await writeFile(join(service.dir, "beside.txt"), "beside");
    await page.waitForSelector("gantry-uploader input.input");
    const devtools = await context.newCDPSession(page);
    const data = { items: [], files: [folder, join(service.dir, "beside.txt")], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) {
      await devtools.send("Input.dispatchDragEvent", { type, x: 300, y: 600, data });
    }
    const names = ["beside.txt", "holiday/day 1/a.txt", "holiday/day 2/a.txt", "holiday/list.txt"];
    for (const name of names) await page.locator(`gantry-uploader li.row[data-state=ready] .name[title="${name}"]`).waitFor();
    assert.equal(await page.locator("gantry-uploader li.row").count(), 4);
    const found = await api(service, `/v1/assets?metadata.path=${encodeURIComponent("holiday/day 2/a.txt")}`);
    assert.deepEqual(found.assets.map((asset) => asset.filename), ["a.txt"]);
    assert.deepEqual(complaints, []);
  });

  await t.test("some requests at a time, the others in turn", async () => {
    const { page } = await open({ uploadBytesPerSecond: 8 * MIB });
    const files = await Promise.all(Array.from({ length: 12 }, async (_, at) => {
      const path = join(service.dir, `turn-${at}.bin`);
      await writeFile(path, randomBytes(2 * MIB));
      return path;
    }));
    let [most, flying] = [0, 0];
    page.on("request", (request) => { if (request.method() === "PUT") most = Math.max(most, ++flying); });
    for (const end of ["requestfinished", "requestfailed"]) page.on(end, (request) => { if (request.method() === "PUT") flying--; });
    await choose(page, files);
    await inState(page, "turn-", "queued").first().waitFor();
    await page.waitForSelector("text=12 files ready", { timeout: 60_000 });
    assert.ok(most <= 6, `${most} at once`);
  });

  await t.test("a file that changes or goes is told, and nothing of it is completed", async () => {
    const { page } = await open({ uploadBytesPerSecond: 5 * MIB });
    const [changed, gone] = ["changed.bin", "gone.bin"].map((name) => join(service.dir, name));
    const others = await Promise.all([1, 2].map(async (at) => {
      const path = join(service.dir, `other-${at}.bin`);
      await writeFile(path, randomBytes(20 * MIB));
      return path;
    }));
    await writeFile(changed, randomBytes(40 * MIB));
    await writeFile(gone, randomBytes(40 * MIB));
    await choose(page, [changed, ...others, gone]);
    await sent(page, "changed.bin", 0.02);
    await writeFile(changed, randomBytes(40 * MIB));
    await rm(gone);
    for (const name of ["changed.bin", "gone.bin"]) {
      await inState(page, name, "failed").waitFor({ timeout: 60_000 });
      assert.match(await row(page, name).locator(".sentence").textContent(), /cannot be read any more|was changed while it was being sent/);
      assert.ok(await row(page, name).getByRole("button", { name: "Try again" }).isHidden(), "trying again cannot help");
    }
    for (const name of ["other-1.bin", "other-2.bin"]) await inState(page, name, "ready").waitFor({ timeout: 60_000 });
    const names = (await api(service, "/v1/assets?state=ready&limit=1000")).assets.map((asset) => asset.filename);
    assert.ok(!names.includes("changed.bin") && !names.includes("gone.bin"), names.join());
  });

  await t.test("a network that is away for longer than any number of tries", async () => {
    const { page, context } = await open({ hurry: 50 });
    await page.waitForSelector("#files:not([hidden])");
    let failed = 0;
    page.on("requestfailed", () => { failed++; });
    await context.setOffline(true);
    await choose(page, { name: "night.txt", mimeType: "text/plain", buffer: Buffer.from("night") });
    await row(page, "night.txt").locator("text=Waiting for the network").waitFor();
    while (failed < 12) await page.waitForTimeout(50);
    await screenshot(page, "start-offline");
    await context.setOffline(false);
    await inState(page, "night.txt", "ready").waitFor();
  });

  await t.test("one part that is refused for good ends the others, and what has arrived counts", async () => {
    // The first parts are still on their way when the refusal is read, however busy the machine is.
    const { page, puts } = await open({ uploadBytesPerSecond: 16 * MIB });
    const path = join(service.dir, "lanes.bin");
    await writeFile(path, randomBytes(160 * MIB));
    let begun = 0;
    const refuse = (route) => (/partNumber=2&|partNumber=2$/.test(route.request().url())
      ? route.fulfill({ status: 404, headers: { "access-control-allow-origin": "*" }, body: "<Error><Code>NoSuchUpload</Code></Error>" })
      : route.continue());
    page.on("request", (request) => { if (request.method() === "PUT") begun++; });
    await page.route(/partNumber=/, refuse);
    await choose(page, path);
    await inState(page, "lanes.bin", "failed").waitFor({ timeout: 60_000 });
    const begunBefore = begun;
    assert.ok(begunBefore <= 6 + 1, `${begunBefore} parts were begun although one was refused`);
    await page.unroute(/partNumber=/, refuse);
    await page.waitForTimeout(300);
    assert.equal(begun, begunBefore, "nothing goes on behind the failure");
    await row(page, "lanes.bin").locator(".sentence").waitFor();
    await screenshot(page, "start-failed");
    const before = puts.length;
    await page.reload();
    await choose(page, path);
    await inState(page, "lanes.bin", "ready").waitFor({ timeout: 60_000 });
    assert.ok(puts.length <= 10 + 6 && puts.length - before <= 10, `${before} and then ${puts.length} parts`);
  });

  await t.test("a proxy that refuses bodies of this size is named after one try", async () => {
    const { page } = await open();
    const tries = [];
    await page.route("**/*", (route) => {
      const [method, url] = [route.request().method(), route.request().url()];
      const way = /\/form$/.test(url) ? "form" : method;
      if (!["form", "PATCH", "PUT"].includes(way)) return route.continue();
      tries.push(way);
      const headers = { "access-control-allow-origin": "*", "content-type": "text/html" };
      return route.fulfill({ status: 413, headers, body: "<html><h1>413 Request Entity Too Large</h1></html>" });
    });
    await choose(page, { name: "large.txt", mimeType: "text/plain", buffer: Buffer.alloc(300_000, "large") });
    await inState(page, "large.txt", "failed").waitFor();
    assert.match(await row(page, "large.txt").textContent(), /client_max_body_size/);
    assert.deepEqual(tries.splice(0), ["PUT"]);
    // A small file is a form first, and then what it would be otherwise.
    await choose(page, { name: "small.txt", mimeType: "text/plain", buffer: Buffer.from("small") });
    await inState(page, "small.txt", "failed").waitFor();
    assert.match(await row(page, "small.txt").textContent(), /client_max_body_size/);
    await page.waitForTimeout(2000);
    assert.deepEqual(tries, ["form", "PATCH"], "nothing is sent again");
  });

  await t.test("a proxy whose refusal no page may read is told from a lost network", async () => {
    const { page } = await open({ hurry: 10 });
    let bodies = 0;
    await page.route("**/*", (route) => {
      if (route.request().method() !== "PUT") return route.continue();
      bodies++;
      return route.abort("connectionreset");
    });
    await choose(page, { name: "large.txt", mimeType: "text/plain", buffer: Buffer.alloc(300_000, "large") });
    await inState(page, "large.txt", "failed").waitFor();
    assert.match(await row(page, "large.txt").textContent(), /small ones get through.*client_max_body_size/);
    assert.equal(bodies, 3, "and not for ever");
    await page.unroute("**/*");
    await row(page, "large.txt").getByRole("button", { name: "Try again" }).click();
    await inState(page, "large.txt", "ready").waitFor();
  });

  await t.test("axe finds nothing, and nothing sticks out: light, dark, 320 pixels", async () => {
    for (const [name, options] of [["light", {}], ["dark", { colorScheme: "dark" }],
      ["320", { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true }]]) {
      const { page, context } = await open(options);
      await file(page, "first.txt").or(page.locator("#list li.file")).first().waitFor();
      assert.deepEqual(await violations(page), [], name);
      assert.ok(!(await sticksOut(page)), name);
      await screenshot(page, `start-${name}`);
      await context.close();
    }
  });

  await t.test("the policy lets nothing else in", async () => {
    const answer = await fetch(service.url);
    const policy = answer.headers.get("content-security-policy");
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /require-trusted-types-for 'script'/);
    assert.doesNotMatch(policy, /unsafe/);
    assert.equal(answer.headers.get("referrer-policy"), "no-referrer");
    assert.equal((await fetch(`${service.url}/web/../Cargo.toml`)).status, 404);
    for (const path of ["/web/app.js", "/uploader/src/element/index.js"]) {
      const { headers } = await fetch(service.url + path);
      assert.equal((await fetch(service.url + path, { headers: { "if-none-match": headers.get("etag") } })).status, 304);
    }
    for (const path of ["/uploader/test/core/fakes.js", "/uploader/src/nothing.js", "/uploader/src/core/../../package.json"]) {
      assert.equal((await fetch(service.url + path)).status, 404, path);
    }
    const module = await fetch(`${service.url}/uploader/src/core/index.js`);
    assert.match(module.headers.get("content-type"), /text\/javascript/);
    assert.equal(module.headers.get("access-control-allow-origin"), "*");
  });
});
