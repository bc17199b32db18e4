// The documentation page in a real browser: it shows every operation of the contract, and asks nobody else for anything.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { chromium } from "playwright-core";
import { CHROMIUM, QUIET } from "./browser.mjs";
import { Service } from "./service.mjs";

const SCREENSHOTS = process.env.GANTRY_TEST_SCREENSHOTS;

async function screenshot(page, name) {
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

test("the documentation page", async (t) => {
  const service = await Service.start();
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
  t.after(async () => {
    await browser.close();
    await service.stop();
  });
  const contract = await (await fetch(`${service.url}/openapi.json`)).json();
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const [complaints, asked] = [[], []];
  page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => { if (!request.url().startsWith("data:")) asked.push(new URL(request.url())); });
  await page.goto(`${service.url}/docs`);
  await page.waitForSelector("section.operation");

  await t.test("every operation is there", async () => {
    const shown = await page.$$eval("section.operation .at", (all) => all.map((at) => at.textContent).sort());
    const declared = Object.entries(contract.paths)
      .flatMap(([path, item]) => Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`)).sort();
    assert.ok(declared.length > 100);
    assert.deepEqual(shown, declared);
    await screenshot(page, "docs");
  });

  await t.test("an operation tells its errors and who may", async () => {
    const create = page.locator("#createUpload");
    await create.scrollIntoViewIfNeeded();
    await create.locator("summary", { hasText: "Anybody" }).or(create.locator("summary", { hasText: "May:" })).click();
    await create.evaluate((section) => section.querySelectorAll("details").forEach((one) => { one.open = true; }));
    const text = await create.innerText();
    for (const word of ["quota_exceeded", "idempotency_key_reused", "Idempotency-Key", "filename", "admin of another tenant"]) {
      assert.ok(text.includes(word), word);
    }
    await screenshot(page, "docs-operation");
    const append = page.locator("#appendToTusUpload");
    await append.evaluate((section) => section.querySelectorAll("details").forEach((one) => { one.open = true; }));
    assert.match(await append.innerText(), /Upload-Offset\s+integer\s+How many bytes are safe/);
  });

  await t.test("the filter and links lead to one operation", async () => {
    await page.fill("#filter", "delete links revoke");
    const visible = await page.$$eval("section.operation", (all) => all.filter((one) => !one.hidden).map((one) => one.id));
    assert.ok(visible.includes("revokeLink") && visible.length < 5, visible.join());
    await page.fill("#filter", "");
    await page.click("nav a[href='#listAssets']");
    assert.equal(await page.evaluate(() => location.hash), "#listAssets");
    await page.setViewportSize({ width: 390, height: 800 });
    await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1);
    await screenshot(page, "docs-narrow");
    assert.ok(!wide, "nothing sticks out on a narrow screen");
  });

  await t.test("nothing comes from elsewhere", async () => {
    assert.deepEqual([...new Set(asked.map((url) => url.origin))], [service.url]);
    assert.deepEqual(complaints, []);
    const policy = (await fetch(`${service.url}/docs`)).headers.get("content-security-policy");
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
  });
});
