// The uploader's element in Debian's own Firefox (firefox-esr): files, a folder, a reload in the middle, a cancelled upload. Firefox has no
// way to drag files of the disk onto a page from outside, and no page can slow its network down: uploads are caught in the middle by
// the page itself, at the first part that is confirmed.

import assert from "node:assert/strict";
import test from "node:test";
import { firefox } from "playwright-core";
import { Stage } from "./proofs-stage.mjs";

const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
const MIB = 2 ** 20;
/** Four parts: at most three are on their way when the first is confirmed. */
const SEVERAL_PARTS = 64 * MIB;
/** What the service chooses for a file of this size. */
const PART_BYTES = 16 * MIB;

test("the element in Firefox", async (t) => {
  const stage = await Stage.open(t);
  const browser = await firefox.launch({ channel: "moz-firefox", executablePath: FIREFOX });
  t.after(() => browser.close());
  t.diagnostic(`Firefox ${browser.version()}`);
  const complaints = [];
  const open = async () => {
    const page = await (await browser.newContext({ locale: "en-US" })).newPage();
    page.setDefaultTimeout(60_000);
    page.on("dialog", (dialog) => dialog.accept().catch(() => {}));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(`${stage.site.origin}/element`);
    await page.waitForFunction(() => window.element?.uploader);
    return page;
  };
  /** Pauses the upload of a file in the page, once the service has some of it. */
  const stopInTheMiddle = async (page, path) => {
    await page.evaluate(() => {
      window.stopped = new Promise((resolve) => {
        const unsubscribe = element.uploader.subscribe(({ items: [item] }) => {
          if (!item?.confirmed) return;
          unsubscribe();
          element.uploader.pause();
          resolve(item.confirmed);
        });
      });
    });
    await page.locator("input.input").setInputFiles(path);
    const confirmed = await page.evaluate(() => stopped);
    assert.ok(confirmed > 0 && confirmed < SEVERAL_PARTS, `${confirmed}`);
    await page.waitForFunction(() => element.uploader.state.items[0].state.kind === "paused");
    return confirmed;
  };
  const row = (page, name) => page.locator("li.row", { hasText: name });
  const allReady = (page) => page.waitForFunction(() => element.uploader.state.items.length > 0 && element.uploader.state.items.every(({ state }) => state.kind === "ready"));

  await t.test("files of every size become ready, with the digest of their bytes", async () => {
    const page = await open();
    const [small, large] = [await stage.file("small.bin", 1000), await stage.file("large.bin", 20 * MIB)];
    await page.locator("input.input").setInputFiles([small.path, large.path]);
    await allReady(page);
    assert.deepEqual(await page.evaluate(() => element.uploader.state.items.map(({ state }) => state.sha256)), [small.sha256, large.sha256]);
    await row(page, "large.bin").getByRole("button", { name: /Details/ }).click();
    assert.match(await row(page, "large.bin").locator("dl").innerText(), new RegExp(large.sha256));
    await page.context().close();
  });

  await t.test("files of a folder keep their paths", async () => {
    const page = await open();
    // A page cannot make a dropped folder; entries as the browser hands them out stand for one.
    await page.evaluate(() => {
      const file = (fullPath) => ({ isFile: true, isDirectory: false, fullPath, file: (resolve) => resolve(new File([fullPath], fullPath.split("/").pop())) });
      const directory = (fullPath, entries) => ({ isFile: false, isDirectory: true, fullPath, createReader: () => {
        let rest = entries;
        return { readEntries: (resolve) => { resolve(rest); rest = []; } };
      } });
      const entry = directory("/holiday", [file("/holiday/list.txt"), directory("/holiday/day 1", [file("/holiday/day 1/a.txt"), directory("/holiday/day 1/nothing", [])])]);
      const event = new DragEvent("drop", { bubbles: true, cancelable: true, composed: true });
      const item = { kind: "file", webkitGetAsEntry: () => entry, getAsFile: () => null };
      Object.defineProperty(event, "dataTransfer", { value: { items: [item], files: [], types: ["Files"] } });
      element.shadowRoot.querySelector(".zone").dispatchEvent(event);
    });
    await row(page, "a.txt").waitFor();
    await allReady(page);
    const { assets } = await stage.api("/v1/assets?limit=100");
    const paths = assets.map(({ metadata }) => metadata?.path).filter(Boolean).sort();
    assert.deepEqual(paths, ["holiday/day 1/a.txt", "holiday/list.txt"]);
    await page.context().close();
  });

  await t.test("after a reload the same file is asked for, and only what is missing is sent", async () => {
    const page = await open();
    const file = await stage.file("lecture.bin", SEVERAL_PARTS);
    const before = await stopInTheMiddle(page, file.path);
    // What the page remembers is written at most half a second later.
    await page.waitForTimeout(600);
    await page.reload();
    await page.waitForFunction(() => window.element?.uploader);
    const lecture = row(page, "lecture.bin");
    await lecture.locator("text=The file is needed again").waitFor();
    const confirmed = await page.evaluate(() => element.uploader.state.items[0].confirmed);
    assert.ok(confirmed >= before, `${confirmed} of ${before}`);
    const sent = [];
    page.on("requestfinished", (request) => { if (request.method() === "PUT") sent.push(new URL(request.url()).searchParams.get("partNumber")); });
    await page.locator("input.input").setInputFiles(file.path);
    await allReady(page);
    assert.equal(await page.evaluate(() => element.uploader.state.items[0].state.sha256), file.sha256);
    assert.equal(new Set(sent).size, sent.length, "no part twice");
    assert.equal(sent.length, Math.ceil((SEVERAL_PARTS - confirmed) / PART_BYTES), `after ${confirmed} bytes`);
    await page.context().close();
  });

  await t.test("a cancelled upload is forgotten by the service", async () => {
    const page = await open();
    const file = await stage.file("unwanted.bin", SEVERAL_PARTS);
    await stopInTheMiddle(page, file.path);
    const { uploadId } = await page.evaluate(() => element.uploader.state.items[0]);
    await row(page, "unwanted.bin").getByRole("button", { name: /^Cancel/ }).click();
    await page.waitForFunction(() => element.uploader.state.items.length === 0);
    for (let tries = 0; (await stage.api(`/v1/uploads/${uploadId}`)).state !== "aborted"; tries++) {
      assert.ok(tries < 100, "the upload is still there");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await page.context().close();
  });

  await t.test("nothing complained", () => assert.deepEqual(complaints, []));
});
