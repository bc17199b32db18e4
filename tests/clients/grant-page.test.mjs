// The upload page of a grant, for somebody without an account, in a real browser: with and without scripts, used, dead, unknown; and links
// that have ended.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { api, openPage, screenshot, sendFile, startBrowser, sticksOut, violations } from "./pages.mjs";
import { Service } from "./service.mjs";

const HTML = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
const MIB = 1024 * 1024;

test("pages for people without an account", async (t) => {
  const service = await Service.start();
  const browser = await startBrowser();
  t.after(async () => {
    await browser.close();
    await service.stop();
  });
  const grantFor = async (wish) => (await api(service, "/v1/uploads", { method: "POST", body: wish })).grant;
  const address = (grant) => `${service.url}/u/${grant}`;
  const row = (page, state) => page.locator(`gantry-uploader li.row[data-state="${state}"]`);
  const choose = (page, files) => page.locator("gantry-uploader input.input").setInputFiles(files);
  const assetNamed = async (name) => (await api(service, "/v1/assets?limit=1000")).assets.find(({ filename }) => filename === name);

  await t.test("says what may be sent, takes it, and ends clearly", async () => {
    const grant = await grantFor({ filename: "contract.txt", size: 8 });
    const { page, complaints } = await openPage(browser, address(grant));
    await page.waitForSelector("gantry-uploader:not([hidden])");
    assert.equal(await page.textContent("h1"), "Send the file “contract.txt”, 8 bytes");
    assert.ok(await page.locator("#form").isHidden(), "with scripts there is one way to send");
    assert.deepEqual(await violations(page), []);
    await screenshot(page, "grant");
    await choose(page, { name: "contract.txt", mimeType: "text/plain", buffer: Buffer.from("too long by far") });
    await page.waitForSelector("text=Larger than 8");
    await choose(page, { name: "contract.txt", mimeType: "text/plain", buffer: Buffer.from("8 bytes.") });
    await page.waitForSelector("#end:not([hidden])");
    assert.equal(await page.textContent("#end"), "Received: 1 file, 8 bytes. You can close this page.");
    await row(page, "ready").waitFor();
    await screenshot(page, "grant-end");
    assert.deepEqual(await violations(page), []);
    assert.equal((await assetNamed("contract.txt")).state, "ready");
    assert.deepEqual(complaints, []);

    // Afterwards the address says that it was used.
    const again = await page.goto(address(grant));
    assert.equal(again.status(), 410);
    assert.match(await page.textContent("main"), /Received: “contract.txt”, 8 bytes\.\s+Nothing more can be sent/);
    assert.deepEqual(await violations(page), []);
    await screenshot(page, "grant-used");
  });

  await t.test("any file up to a size, of some types, with the keyboard alone", async () => {
    await api(service, "/v1/policies/pictures", { method: "PUT", body: { content_types: ["image/*", "application/pdf"], max_size: 2_000_000 } });
    const grant = await grantFor({ max_size: 1_500_000, policy: "pictures" });
    const { page } = await openPage(browser, address(grant));
    await page.waitForSelector("gantry-uploader:not([hidden])");
    assert.equal(await page.textContent("h1"), "Send one file, up to 1.5 MB");
    assert.match(await page.textContent(".lead"), /Accepted: images and PDF\. Open until .+, \d+:\d\d [AP]M UTC/);
    await choose(page, { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("text") });
    await page.waitForSelector("text=/Only .*can be sent/");
    await screenshot(page, "grant-types");
    await page.locator("gantry-uploader input.input").focus();
    const chooser = page.waitForEvent("filechooser");
    await page.keyboard.press("Enter");
    await (await chooser).setFiles({ name: "paper.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.4\n%%EOF\n") });
    await page.waitForSelector("#end:not([hidden])");
  });

  await t.test("goes on after a reload, and shows nothing of what other pages send", async () => {
    // Seven parts are still to be sent when the first three have arrived: a page that is busy ends no upload before it is reloaded.
    const grant = await grantFor({ filename: "big.bin", size: 160 * MIB });
    const path = join(service.dir, "big.bin");
    await writeFile(path, randomBytes(160 * MIB));
    const { page, puts } = await openPage(browser, address(grant), { uploadBytesPerSecond: 15 * MIB });
    await choose(page, path);
    await page.waitForResponse((response) => response.request().method() === "PUT" && response.ok());
    await page.waitForTimeout(600);
    await page.reload();
    await row(page, "needs-file").waitFor();
    await screenshot(page, "grant-after-reload");
    const other = await page.context().newPage();
    await other.goto(`${service.url}/#key=${service.key}`);
    await other.waitForSelector("#files:not([hidden])");
    await other.waitForTimeout(300);
    assert.equal(await other.locator("gantry-uploader li.row").count(), 0, "the start page restores its own alone");
    await other.close();
    await choose(page, path);
    await page.waitForSelector("#end:not([hidden])", { timeout: 60_000 });
    assert.ok(puts.length <= 10 + 4, `${puts.length} parts`);
  });

  await t.test("a cancelled upload ends the grant, and the page says so", async () => {
    const opened = await api(service, "/v1/uploads", { method: "POST", body: { filename: "unwanted.bin", size: 60 * MIB } });
    const path = join(service.dir, "unwanted.bin");
    await writeFile(path, randomBytes(60 * MIB));
    const { page } = await openPage(browser, address(opened.grant), { uploadBytesPerSecond: 8 * MIB });
    await choose(page, path);
    await row(page, "uploading").getByRole("button", { name: "Cancel: unwanted.bin" }).click();
    await page.waitForSelector("#end:not([hidden])");
    assert.match(await page.textContent("#end"), /^The upload was cancelled\. Nothing more can be sent to this address/);
    assert.ok(await page.locator("gantry-uploader").isHidden());
    assert.deepEqual(await violations(page), []);
    await screenshot(page, "grant-cancelled");
    while ((await api(service, `/v1/uploads/${opened.upload.id}`)).state !== "aborted") await page.waitForTimeout(100);
    const again = await page.goto(address(opened.grant));
    assert.equal(again.status(), 410);
  });

  await t.test("works without scripts as a plain form", async () => {
    const grant = await grantFor({ max_size: 1000 });
    const { page } = await openPage(browser, address(grant), { javaScriptEnabled: false });
    assert.ok(await page.locator("#form").isVisible());
    await screenshot(page, "grant-plain");
    await page.setInputFiles("#file", { name: "large.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(1001) });
    let [answer] = await Promise.all([page.waitForResponse(/\/form$/), page.click("button")]);
    assert.equal(answer.status(), 413);
    await page.waitForSelector("text=The file was not received");
    await screenshot(page, "grant-plain-refused");
    await page.click("text=Try again");
    await page.setInputFiles("#file", { name: "plain.txt", mimeType: "text/plain", buffer: Buffer.from("plain") });
    [answer] = await Promise.all([page.waitForResponse(/\/form$/), page.click("button")]);
    assert.equal(answer.status(), 200);
    assert.equal(await page.textContent("h1"), "The file has arrived");
    assert.match(await page.textContent("main"), /Received: 1 file, 5 bytes\. You can close this page\./);
    await screenshot(page, "grant-plain-end");
    assert.equal((await assetNamed("plain.txt")).size, 5);
  });

  await t.test("a dead, unknown or ended address is a page with a sentence, and JSON for all others", async () => {
    const aborted = await api(service, "/v1/uploads", { method: "POST", body: { filename: "a", size: 5 } });
    await api(service, `/v1/uploads/${aborted.upload.id}`, { method: "DELETE" });
    const asset = await sendFile(service, "linked.txt", Buffer.from("linked"));
    const link = await api(service, `/v1/assets/${asset.id}/links`, { method: "POST", body: {} });
    const once = await api(service, `/v1/assets/${asset.id}/links`, { method: "POST", body: { uses: 1 } });
    await fetch(once.url);
    await api(service, `/v1/links/${link.id}`, { method: "DELETE" });
    const cases = [
      ["unknown", address("gu_nonsense"), 404, /Nothing can be sent to this address/, 404],
      ["aborted", address(aborted.grant), 410, /Nothing more can be sent here/, 404],
      ["revoked", link.url, 410, /This link has ended/, 410],
      ["used", once.url, 410, /This link has ended/, 410],
      ["no-link", `${service.url}/d/gd_nonsense`, 404, /This link does not lead to a file/, 404],
    ];
    const { page, context } = await openPage(browser, "about:blank");
    for (const [name, url, status, sentence, forPrograms] of cases) {
      const answer = await page.goto(url);
      assert.equal(answer.status(), status, name);
      assert.match(await page.textContent("main"), sentence, name);
      assert.match(await page.textContent("details"), /Request/, name);
      assert.deepEqual(await violations(page), [], name);
      assert.equal(answer.headers()["referrer-policy"], "no-referrer");
      assert.match(answer.headers().vary, /accept\b/i);
      assert.doesNotMatch(await page.content(), /gu_|gd_/, "no grant is in the text");
      await screenshot(page, `dead-${name}`);
      const other = await fetch(url);
      assert.equal(other.status, forPrograms, name);
      assert.match(other.headers.get("content-type"), /application\/problem\+json/, name);
      assert.ok((await other.json()).code, name);
    }
    await context.close();
    const form = new FormData();
    form.append("file", new Blob(["hello"]), "a.txt");
    const refused = await fetch(`${address("gu_nonsense")}/form`, { method: "POST", body: form, headers: HTML });
    assert.equal(refused.status, 401);
    assert.match(refused.headers.get("content-type"), /text\/html/);
    const json = await fetch(`${address("gu_nonsense")}/form`, { method: "POST", body: form });
    assert.equal(json.status, 401);
    assert.match(json.headers.get("content-type"), /application\/json/);
  });

  await t.test("names with markup are texts, and nothing sticks out at 320 pixels or in the dark", async () => {
    const name = `<script>alert("x") & 'more' ${"very-long-".repeat(12)}.txt`;
    const grant = await grantFor({ filename: name, size: 5 });
    for (const [look, options] of [["320", { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true }], ["dark", { colorScheme: "dark" }]]) {
      const { page, complaints } = await openPage(browser, address(grant), options);
      await page.waitForSelector("gantry-uploader:not([hidden])");
      assert.ok((await page.textContent("h1")).includes(name));
      assert.deepEqual(await violations(page), [], look);
      assert.ok(!(await sticksOut(page)), look);
      await screenshot(page, `grant-${look}`);
      assert.deepEqual(complaints, [], look);
    }
    const plain = await openPage(browser, address(grant), { viewport: { width: 320, height: 640 }, javaScriptEnabled: false });
    await screenshot(plain.page, "grant-plain-320");
    const dead = await openPage(browser, address("gu_nonsense"), { viewport: { width: 320, height: 640 }, colorScheme: "dark" });
    assert.ok(!(await sticksOut(dead.page)));
    await screenshot(dead.page, "dead-320-dark");
  });

  await t.test("the grant is in no log, and goes to nobody else", async () => {
    const grant = await grantFor({ filename: "quiet.txt", size: 5 });
    const answer = await fetch(address(grant), { headers: HTML });
    assert.equal(answer.headers.get("referrer-policy"), "no-referrer");
    assert.equal(answer.headers.get("cache-control"), "no-store");
    const policy = answer.headers.get("content-security-policy");
    assert.match(policy, /form-action 'self'/);
    assert.doesNotMatch(policy, /unsafe/);
    const { page } = await openPage(browser, address(grant));
    const referers = [];
    page.on("request", (request) => referers.push(request.headers().referer));
    await choose(page, { name: "quiet.txt", mimeType: "text/plain", buffer: Buffer.from("quiet") });
    await page.waitForSelector("#end:not([hidden])");
    assert.deepEqual(referers.filter(Boolean), []);
    assert.ok(service.log.includes("/u/{grant}"), "the route is logged");
    assert.ok(!service.log.includes(grant.slice(0, 20)), "the grant is not");
  });
});
