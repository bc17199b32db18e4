// The documentation page in a real browser: it shows every operation of the contract, and asks nobody else for anything.

import assert from "node:assert/strict";
import test from "node:test";
import { screenshot, startBrowser, sticksOut, violations } from "./pages.mjs";
import { Service } from "./service.mjs";

test("the documentation page", async (t) => {
  const service = await Service.start();
  const browser = await startBrowser();
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

  await t.test("every member has words, and tables render code", async () => {
    const wordless = await page.evaluate(() => [...document.querySelectorAll("section.operation tr")]
      .filter((row) => row.cells.length === 4 && row.cells[3].tagName === "TD" && !row.cells[3].textContent.trim())
      .map((row) => `${row.closest("section").id}: ${row.cells[0].textContent}`));
    assert.deepEqual(wordless, []);
    const raw = await page.evaluate(() => [...document.querySelectorAll("section.operation td, section.operation p")].filter((cell) => cell.textContent.includes("`")).length);
    assert.equal(raw, 0, "no backquote is shown");
    const answer = page.locator("#getAsset details", { hasText: "always" }).first();
    assert.match(await answer.evaluate((details) => details.textContent), /derivatives\[\]\.variant|derivatives\.variant/);
  });

  await t.test("an error's code leads to its row on the page of all codes", async () => {
    const links = await page.$$eval("section.operation a[href^='/docs/errors#code-']", (all) => [...new Set(all.map((link) => link.getAttribute("href")))]);
    assert.ok(links.length > 20, `${links.length}`);
    const errors = await (await fetch(`${service.url}/docs/errors`)).text();
    const lost = links.filter((link) => !errors.includes(`id="${link.split("#")[1]}"`));
    assert.deepEqual(lost, []);
  });

  await t.test("a call is tried with one's own key", async () => {
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.fill("#try-key #key", service.key);
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=Calls are made with the key that begins with gk_");
    const create = page.locator("#createUpload .try");
    await create.evaluate((details) => { details.open = true; });
    await create.locator("textarea").fill('{"filename": "tried.txt", "size": 5}');
    await create.getByRole("button", { name: "Send POST" }).click();
    await create.getByText("201 Created", { exact: true }).waitFor();
    const id = JSON.parse(await create.locator("pre").first().textContent()).asset.id;
    await create.scrollIntoViewIfNeeded();
    await screenshot(page, "docs-try");
    assert.ok(!(await sticksOut(page)));
    const see = page.locator("#getAsset .try");
    await see.evaluate((details) => { details.open = true; });
    await see.getByLabel("id").fill(id);
    await see.getByRole("button", { name: "Send GET" }).click();
    await see.locator("text=/\"state\": \"awaiting\"/").waitFor();
    const command = await see.locator("details", { hasText: "As a command" }).locator("pre").evaluate((pre) => pre.textContent);
    assert.equal(command, `curl -sS -H "Authorization: Bearer $GANTRY_API_KEY" '${service.url}/v1/assets/${id}'`);
    const events = page.locator("#getEvents .try");
    await events.evaluate((details) => { details.open = true; });
    await events.getByLabel("after").fill("0");
    await events.getByRole("button", { name: "Send GET" }).click();
    await events.locator("text=/asset.created|upload.created/").waitFor({ timeout: 15_000 });
    assert.ok(!(await page.content()).includes(service.key), "the key is nowhere in the page");
  });

  await t.test("axe finds nothing: light, dark, narrow", async () => {
    for (const [width, colorScheme] of [[1280, "light"], [1280, "dark"], [320, "light"]]) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      // What is hidden by the filter is not looked at: the page has a hundred operations of one kind.
      await page.fill("#filter", "/v1/assets");
      assert.deepEqual(await violations(page), [], `${width} ${colorScheme}`);
      await page.fill("#filter", "");
    }
  });

  await t.test("nothing comes from elsewhere", async () => {
    assert.deepEqual([...new Set(asked.map((url) => url.origin))], [service.url]);
    assert.deepEqual(complaints, []);
    const policy = (await fetch(`${service.url}/docs`)).headers.get("content-security-policy");
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
  });
});
