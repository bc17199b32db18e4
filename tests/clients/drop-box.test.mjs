// One grant for many files, used by Uppy 5 and 6, tus-js-client, tuspy, curl, a form and the upload page: 200 files, of which two are too
// large and one is of a wrong type. The rest becomes ready, the counts are exact, and holders read nothing.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { api, openPage, screenshot, sticksOut, startBrowser, violations } from "./pages.mjs";
import { Service } from "./service.mjs";
import { pages } from "./uppy.mjs";

const run = promisify(execFile);
const PYTHON = fileURLToPath(new URL("../../.tools/venv/bin/python", import.meta.url));
const MIB = 1024 * 1024;
const MAX_FILES = 197;

const TUSPY = `
import io, sys
from tusclient.client import TusClient
client = TusClient(sys.argv[1])
for number in range(int(sys.argv[2])):
    stream = io.BytesIO(b"x" * (1000 + number))
    client.uploader(file_stream=stream, metadata={"filename": f"tuspy {number}.txt", "filetype": "text/plain"}).upload()
`;

test("a grant for many files", async (t) => {
  const { server, origin } = await pages();
  const service = await Service.start({ GANTRY_CORS_ORIGINS: origin });
  const browser = await startBrowser();
  t.after(async () => {
    await browser.close();
    await service.stop();
    server.close();
  });
  const wish = { max_files: MAX_FILES, max_size: 8 * MIB, content_types: ["text/*", "application/x-test", "application/octet-stream"], expires_in: "1h", sender: ["name", "email", "note"], metadata: { project: "films" } };
  const grant = await api(service, "/v1/grants", { method: "POST", body: wish });
  const { endpoints } = grant;
  let [files, bytes] = [0, 0];
  const count = (number, size) => { files += number; bytes += size; };
  const counted = async () => {
    const now = await api(service, `/v1/grants/${grant.id}`);
    return [now.files, now.bytes];
  };

  for (const [version, option] of [["v5", "endpoint"], ["v6", "companionEndpoint"]]) {
    await t.test(`Uppy ${version}: forms, and files in parts`, async () => {
      for (const [multipart, number, size] of [[false, 31, 1000], [true, 2, 6 * MIB]]) {
        const page = await browser.newPage();
        await page.goto(`${origin}/${version}`);
        await page.evaluate((options) => start(options), { [option]: endpoints.companion, multipart });
        for (let at = 0; at < number; at++) {
          await page.evaluate((file) => add(...file), [`${version} ${multipart} ${at}.test`, "application/x-test", size + at, at + 1, {}]);
          count(1, size + at);
        }
        const result = await page.evaluate(() => send());
        assert.deepEqual(result.failed, []);
        assert.equal(result.done.length, number);
        await page.close();
      }
      assert.deepEqual(await counted(), [files, bytes]);
    });
  }

  await t.test("Uppy 6 is told that a file is too large; once its upload is ended, it counts no longer", async () => {
    const page = await browser.newPage();
    await page.goto(`${origin}/v6`);
    await page.evaluate((options) => start(options), { companionEndpoint: endpoints.companion, multipart: true, retryDelays: [] });
    await page.evaluate((file) => add(...file), ["large.test", "application/x-test", 9 * MIB, 5, {}]);
    const result = await page.evaluate(() => send());
    assert.equal(result.done.length, 0);
    assert.deepEqual(await counted(), [files + 1, bytes], "its upload is open: the sender may still try again");
    await page.close();
    const { uploads } = await api(service, "/v1/uploads?state=open");
    assert.deepEqual(uploads.map(({ filename }) => filename), ["large.test"]);
    await api(service, `/v1/uploads/${uploads[0].id}`, { method: "DELETE" });
    assert.deepEqual(await counted(), [files, bytes]);
  });

  await t.test("tus-js-client", async () => {
    const page = await browser.newPage();
    await page.goto(`${origin}/tus-js`);
    for (let at = 0; at < 33; at++) {
      await page.evaluate(([file, options]) => send(file, options), [[`tus ${at}.test`, "application/x-test", 2000 + at, at + 1], { endpoint: endpoints.tus }]);
      count(1, 2000 + at);
    }
    await page.close();
    assert.deepEqual(await counted(), [files, bytes]);
  });

  await t.test("tuspy", async () => {
    await run(PYTHON, ["-c", TUSPY, endpoints.tus, "33"]);
    for (let at = 0; at < 33; at++) count(1, 1000 + at);
    assert.deepEqual(await counted(), [files, bytes]);
  });

  await t.test("curl: a plain PUT, and a form as phones send it", async () => {
    const path = (name) => join(service.dir, name);
    const curl = async (...args) => (await run("curl", ["-sS", "-w", "\n%{http_code}", ...args])).stdout.trim().split("\n").at(-1);
    for (let at = 0; at < 30; at++) {
      await writeFile(path(`curl ${at}.txt`), "x".repeat(500 + at));
      assert.equal(await curl("-T", path(`curl ${at}.txt`), endpoints.put), "200");
      count(1, 500 + at);
    }
    await writeFile(path("form.txt"), "hello");
    assert.equal(await curl("-F", `file=@${path("form.txt")};type=text/plain`, endpoints.form), "200");
    count(1, 5);
    await writeFile(path("large.bin"), randomBytes(9 * MIB));
    assert.equal(await curl("-T", path("large.bin"), endpoints.put), "413");
    await writeFile(path("picture.png"), "\x89PNG");
    assert.equal(await curl("-F", `file=@${path("picture.png")};type=image/png`, endpoints.form), "400");
    assert.deepEqual(await counted(), [files, bytes]);
  });

  await t.test("the page asks who sends, takes the files, and says when the grant is used up", async () => {
    const { page, complaints } = await openPage(browser, grant.url);
    await page.waitForSelector("#sender:not([hidden])");
    assert.equal(await page.textContent("h1"), `Send up to ${MAX_FILES - files} files of up to 8.4 MB each`);
    assert.deepEqual(await violations(page), []);
    await screenshot(page, "drop-box-sender");
    await page.getByLabel("Your name").fill("Ada Lovelace");
    await page.getByLabel("Your e-mail address").fill("ada@example.org");
    await page.keyboard.press("Enter");
    await page.waitForSelector("gantry-uploader:not([hidden])");
    assert.equal(await page.textContent("#sender-line"), "You send as Ada Lovelace, ada@example.org.");
    await screenshot(page, "drop-box");
    const left = MAX_FILES - files;
    const chosen = Array.from({ length: left }, (_, at) => ({ name: `page ${at}.txt`, mimeType: "text/plain", buffer: Buffer.from("y".repeat(100 + at)) }));
    chosen.forEach(({ buffer }) => count(1, buffer.length));
    await page.locator("gantry-uploader input.input").setInputFiles(chosen);
    await page.waitForFunction((left) => document.getElementById("end").textContent.startsWith(`Received: ${left} files`), left, { timeout: 60_000 });
    assert.deepEqual(await violations(page), []);
    assert.equal(await sticksOut(page), false);
    await screenshot(page, "drop-box-end");
    assert.deepEqual(complaints, []);
    assert.deepEqual(await counted(), [MAX_FILES, bytes]);
    const again = await page.goto(grant.url);
    assert.equal(again.status(), 410);
    assert.match(await page.textContent("main"), /All files that may be sent to this address have arrived/);
    await page.context().close();
  });

  await t.test("every file is ready, nobody reads them by the grant, and no more are taken", async () => {
    const { assets, next } = await api(service, "/v1/assets?limit=1000");
    assert.equal(next ?? null, null);
    const kept = assets.filter(({ state }) => state !== "abandoned");
    assert.equal(kept.length, MAX_FILES);
    for (const { id } of kept.filter(({ state }) => state !== "ready")) {
      assert.equal((await api(service, `/v1/assets/${id}?wait=20s&until=ready`)).state, "ready");
    }
    assert.equal(kept.reduce((sum, { size }) => sum + size, 0), bytes);
    assert.ok(kept.every(({ metadata }) => metadata.project === "films"));
    const fromPage = kept.filter(({ metadata }) => metadata.sender_email === "ada@example.org");
    assert.ok(fromPage.length > 0 && fromPage.every(({ filename, metadata }) => filename.startsWith("page ") && metadata.sender_name === "Ada Lovelace"));
    const authorization = `Bearer ${grant.grant}`;
    for (const path of ["/v1/assets", "/v1/uploads", "/v1/events", `/v1/assets/${kept[0].id}/content`]) {
      assert.equal((await fetch(service.url + path, { headers: { authorization } })).status, 403, path);
    }
    const more = await fetch(`${service.url}/v1/uploads`, { method: "POST", headers: { authorization }, body: JSON.stringify({ filename: "a.txt", size: 1 }) });
    assert.deepEqual([more.status, (await more.json()).code], [403, "grant_used_up"]);
  });

  await t.test("without scripts the page is a form that asks the same", async () => {
    const plain = await api(service, "/v1/grants", { method: "POST", body: { expires_in: 600, sender: ["name"], max_files: 3 } });
    const { page } = await openPage(browser, plain.url, { javaScriptEnabled: false });
    await page.fill("#sender_name", "Grace");
    await page.setInputFiles("#file", { name: "plain.txt", mimeType: "text/plain", buffer: Buffer.from("plain") });
    await page.click("#form button");
    await page.waitForSelector("text=/received|arrived/i");
    const { assets } = await api(service, "/v1/assets?name=plain.txt");
    assert.equal(assets[0].metadata.sender_name, "Grace");
    await page.context().close();
  });
});
