// <gantry-uploader> in a real browser under a strict policy: keyboard, screen reader, folders, ten thousand files, languages, and what it
// shows of every state. An uploader of the core's shape plays the core here; the real core against the real service is at the end.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { CHROMIUM, QUIET, interceptFileChoosers } from "./browser.mjs";
import { Service } from "./service.mjs";
import { PACKAGES, SOURCES, bundleExample, serve, strictPolicy } from "./uploader-page.mjs";

const SCREENSHOTS = process.env.GANTRY_TEST_SCREENSHOTS;
const MB = 1_000_000;

const PAGE = `
  import { FakeUploader } from "/test/element/fake.js";
  import "/src/element/index.js";
  window.fake = new FakeUploader();
  window.element = document.querySelector("gantry-uploader");
  window.told = [];
  for (const name of ["added", "started", "progress", "ready", "failed", "rejected", "cancelled", "removed", "complete"]) {
    element.addEventListener("gantry-" + name, ({ detail }) => told.push([name, detail]));
  }
  element.uploader = fake;
`;

/** Every state with its words, at once. */
const STATES = (MB) => {
  const put = (name, size, type, state, more = {}) => window.fake.put({ name, size: size * MB, type, state, ...more });
  put("A holiday film with a rather long name that says when and where it was taken, 2026-05-03.mp4", 1840, "video/mp4", { kind: "uploading" },
    { confirmed: 742 * MB, sent: 790 * MB, rate: 24.3 * MB, eta: 45 });
  put("IMG_2041.jpeg", 4.2, "image/jpeg", { kind: "processing", step: "scan" }, { confirmed: 4.2 * MB, sent: 4.2 * MB });
  put("day 2.tar.gz", 512, "application/gzip", { kind: "paused", by: "user" }, { path: "holiday/raw/day 2.tar.gz", confirmed: 200 * MB, sent: 200 * MB });
  put("notes.txt", 0.0032, "text/plain", { kind: "ready", asset: { id: "a1" }, sha256: "9f86d081884c7d65", verified: true }, { confirmed: 3200, sent: 3200, assetId: "a1" });
  put("voice memo.m4a", 7.9, "audio/mp4", { kind: "queued" });
};
const FAILURES = (MB) => {
  const put = (name, size, type, state, more = {}) => window.fake.put({ name, size: size * MB, type, state, ...more });
  put("invoice.exe", 1.2, "application/x-msdownload", { kind: "rejected",
    problem: { code: "type_not_allowed", message: "The file is a Windows program, and only images and PDF are accepted here.", requestId: "req-3", retryable: false } });
  put("backup.tar", 900, "application/x-tar", { kind: "failed",
    problem: { code: "storage", message: "The storage answered 503 eight times. What has been sent is kept for 7 days.", requestId: "req-4", retryable: true } }, { confirmed: 120 * MB });
  put("draft.docx", 3, "", { kind: "failed", problem: { code: "file_changed", message: "", retryable: false } });
  put("lecture.mov", 3400, "video/quicktime", { kind: "needs-file" }, { confirmed: 1700 * MB, lastModified: 1_777_800_000_000 });
  put("scan.png", 22, "image/png", { kind: "waiting", until: Date.now() + 8600, attempt: 2, problem: { code: "network", message: "", retryable: true } }, { confirmed: 5 * MB, sent: 5 * MB });
};

test("the uploader element", async (t) => {
  const { server, origin } = await serve({
    files: { "/page.js": PAGE },
    pages: { "/": { body: "<gantry-uploader></gantry-uploader>", script: "/page.js" } },
  });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
  const axe = await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
  t.after(async () => {
    await browser.close();
    server.close();
  });

  const complaints = [];
  const open = async (options = {}, path = "/") => {
    const context = await browser.newContext({ viewport: { width: 760, height: 640 }, locale: "en-US", timezoneId: "UTC", ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    interceptFileChoosers(page);
    page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(origin + path);
    await page.waitForFunction(() => window.element?.shadowRoot);
    return page;
  };
  const within = async (name, options, work) => t.test(name, async () => {
    const page = await open(options);
    await work(page);
    await page.context().close();
    assert.deepEqual(complaints.splice(0), [], "nothing that the policy forbids, and no error");
  });
  const screenshot = async (page, name) => {
    if (!SCREENSHOTS) return;
    await mkdir(SCREENSHOTS, { recursive: true });
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(SCREENSHOTS, `uploader-${name}.png`) });
  };
  const violations = async (page) => {
    // As an extension would: the page's own policy lets no strings become code.
    const devtools = await page.context().newCDPSession(page);
    const { result } = await devtools.send("Runtime.evaluate", {
      expression: `${axe}; axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => JSON.stringify(violations.map(({ id, nodes }) => [id, nodes.map((node) => [node.target.join(" "), node.failureSummary])])))`,
      awaitPromise: true, allowUnsafeEvalBlockedByCSP: true,
    });
    return JSON.parse(result.value);
  };
  /** The longest task of the page from now on, in milliseconds of its processor: other work of this machine does not count. */
  const longestTask = async (page) => {
    await browser.startTracing(page, { categories: ["disabled-by-default-devtools.timeline", "__metadata"] });
    return async () => {
      const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
      const pages = new Set(traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain").map(({ tid }) => tid));
      return Math.max(...traceEvents.filter(({ name, tid, tdur }) => name === "RunTask" && pages.has(tid) && tdur).map(({ tdur }) => tdur / 1000));
    };
  };
  const row = (page, name) => page.locator("li.row", { hasText: name });
  const live = (page) => page.locator("[role=status]");
  const give = (page, ...files) => page.locator("input.input").setInputFiles(files.map(([name, size = 10, mimeType = "text/plain"]) => ({ name, mimeType, buffer: Buffer.alloc(size) })));
  const focused = (page) => page.evaluate(() => {
    const { activeElement } = element.shadowRoot;
    return activeElement && [activeElement.getAttribute("aria-label") ?? activeElement.textContent, activeElement.closest("li")?.querySelector(".name")?.textContent ?? ""].join(" | ");
  });

  await within("is empty, and says what it takes", {}, async (page) => {
    await page.waitForSelector(".limits:not([hidden])");
    assert.equal(await page.locator(".title").innerText(), "Drop files or folders here, or choose files");
    assert.equal(await page.locator(".limits").innerText(), "up to 2 GB each · 20,000 files at most");
    assert.deepEqual(await violations(page), []);
    await screenshot(page, "empty");
  });

  await within("lights up while files are over it, and says how many", {}, async (page) => {
    const over = (type) => page.evaluate((type) => {
      const data = new DataTransfer();
      for (const name of ["a.txt", "b.txt", "c.txt"]) data.items.add(new File(["x"], name, { type: "text/plain" }));
      element.shadowRoot.querySelector(".zone").dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true, composed: true }));
    }, type);
    await over("dragenter");
    assert.equal(await page.locator(".title").innerText(), "Drop to add 3 files");
    await screenshot(page, "dragging");
    await over("dragleave");
    await page.waitForSelector(".zone:not(.over)");
    await over("dragenter");
    await over("drop");
    await row(page, "c.txt").waitFor();
    assert.deepEqual(await page.evaluate(() => told.filter(([name]) => name === "added").map(([, detail]) => detail.ids.length)), [3]);
  });

  await within("takes folders with their paths, and tells of empty ones", {}, async (page) => {
    const folder = await mkdtemp(join(tmpdir(), "gantry-element-"));
    const holiday = join(folder, "holiday");
    await mkdir(join(holiday, "day 1", "nothing"), { recursive: true });
    await writeFile(join(holiday, "day 1", "a.txt"), "a");
    await writeFile(join(holiday, "list.txt"), "list");
    await writeFile(join(folder, "beside.txt"), "beside");
    const devtools = await page.context().newCDPSession(page);
    const data = { items: [], files: [holiday, join(folder, "beside.txt")], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) await devtools.send("Input.dispatchDragEvent", { type, x: 300, y: 150, data });
    await row(page, "list.txt").waitFor();
    assert.deepEqual((await page.locator(".name").allTextContents()).sort(), ["beside.txt", "holiday/day 1/a.txt", "holiday/list.txt"]);
    assert.match(await page.locator(".notice:visible").innerText(), /1 empty folder was left out\s+holiday\/day 1\/nothing/);
    assert.equal(await row(page, "a.txt").locator(".name").getAttribute("title"), "holiday/day 1/a.txt");
    await rm(folder, { recursive: true });
  });

  await within("says in one summary what it does not take", {}, async (page) => {
    await page.evaluate(() => { fake.limits = { maxSize: 100, types: [] }; });
    await give(page, ...["a", "b", "c", "d", "e"].map((name) => [`${name}.iso`, 200]), ["small.txt", 20]);
    await row(page, "small.txt").waitFor();
    assert.match(await page.locator(".notice:visible").innerText(), /5 files were not added\s+Larger than 100 bytes: a\.iso, b\.iso, c\.iso and 2 more/);
    assert.equal(await page.locator("li.row").count(), 1);
    await page.waitForFunction(() => /5 files were not added/.test(element.shadowRoot.querySelector("[role=status]").textContent));
    await page.getByRole("button", { name: "Dismiss" }).click();
    assert.equal(await page.locator(".notice:visible").count(), 0);
  });

  await within("takes what is pasted, but not from a field that is written in", {}, async (page) => {
    const paste = (selector) => page.evaluate((selector) => {
      const data = new DataTransfer();
      data.items.add(new File(["x"], "image.png", { type: "image/png" }));
      (selector ? document.querySelector(selector) : document).dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    }, selector);
    await page.evaluate(() => document.body.append(document.createElement("textarea")));
    await paste("textarea");
    await paste("");
    await page.waitForSelector("li.row");
    assert.match(await page.locator(".name").textContent(), /^pasted-\d{4}-\d\d-\d\d-\d{6}\.png$/);
    assert.equal(await page.locator("li.row").count(), 1);
  });

  await within("drops anywhere on the page where the page wishes so", {}, async (page) => {
    const drop = () => page.evaluate(() => {
      const data = new DataTransfer();
      data.items.add(new File(["x"], "far.txt", { type: "text/plain" }));
      return document.querySelector("h1").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    });
    assert.equal(await drop(), true, "without the attribute the page keeps its drops");
    await page.evaluate(() => { element.setAttribute("drop", "page"); });
    await page.waitForTimeout(100);
    assert.equal(await drop(), false);
    await row(page, "far.txt").waitFor();
  });

  await within("shows each state with its word and the actions that make sense", {}, async (page) => {
    await page.evaluate(STATES, MB);
    await row(page, "voice memo").waitFor();
    const film = row(page, "holiday film");
    assert.match((await film.locator(".status").innerText()).replace(/\s+/g, " "), /^Uploading 40% · 24.3 MB\/s · 45s left$/);
    const bar = film.getByRole("progressbar");
    assert.equal(await bar.getAttribute("aria-valuenow"), "40", "what is confirmed, not what is sent");
    assert.equal(await bar.getAttribute("aria-valuetext"), "742 MB of 1.8 GB");
    assert.equal(await bar.getAttribute("title"), "790 MB sent, 742 MB confirmed");
    assert.equal((await bar.boundingBox()).height, 4);
    assert.ok((await film.locator(".tail").innerText()).endsWith(".mp4"), "the extension stays");
    assert.ok((await film.locator(".tail").boundingBox()).width > 30);
    assert.match(await row(page, "IMG_2041").locator(".status").innerText(), /Scanning for viruses/);
    assert.match((await row(page, "day 2").locator(".status").innerText()).replace(/\s+/g, " "), /Paused 200 MB is safe/);
    assert.deepEqual(await row(page, "day 2").getByRole("button").evaluateAll((all) => all.map((button) => button.getAttribute("aria-label"))), ["Resume: day 2.tar.gz", "Cancel: day 2.tar.gz"]);
    assert.match((await page.locator(".sum").innerText()).replace(/\s+/g, " "), /^1 of 5 files 946 MB of 2.4 GB · 24.3 MB\/s/);
    assert.match(await row(page, "notes.txt").locator(".status").innerText(), /Ready[\s\S]*verified/);
    await row(page, "notes.txt").getByRole("button", { name: "Details" }).click();
    assert.match(await row(page, "notes.txt").locator("dl").innerText(), /SHA-256\s+9f86d081884c7d65\s+Asset\s+a1/);
    assert.deepEqual(await violations(page), []);
    await screenshot(page, "uploading");
  });

  await within("tells failures as sentences, with details, and offers only what can help", {}, async (page) => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.evaluate(FAILURES, MB);
    const storage = row(page, "backup.tar");
    await storage.waitFor();
    assert.match(await storage.innerText(), /Failed[\s\S]*The storage answered 503 eight times/);
    assert.equal(await page.locator("[data-state=failed] [role=progressbar]:visible, [data-state=rejected] [role=progressbar]:visible").count(), 0, "never progress and an error at once");
    await storage.getByRole("button", { name: "Details" }).click();
    await storage.getByRole("button", { name: "Copy details" }).click();
    await page.waitForFunction(() => /Copied/.test(element.shadowRoot.querySelector("[role=status]").textContent));
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "backup.tar\nThe storage answered 503 eight times. What has been sent is kept for 7 days.\nCode: storage\nRequest: req-4");
    for (const name of ["invoice.exe", "draft.docx"]) assert.equal(await row(page, name).getByRole("button", { name: "Try again" }).count(), 0);
    assert.match(await row(page, "draft.docx").innerText(), /changed while it was being sent/);
    assert.match(await row(page, "lecture.mov").innerText(), /To go on, choose lecture.mov again: 3.4 GB, last changed May 3, 2026, 9:20\sAM\./);
    assert.match(await row(page, "scan.png").innerText(), /trying again in [1-9] seconds/);
    assert.deepEqual(await violations(page), []);
    await screenshot(page, "error");
    await storage.getByRole("button", { name: "Try again" }).click();
    assert.deepEqual(await page.evaluate(() => fake.calls.at(-1)), ["retry", "f2"]);
    assert.match(await focused(page), /backup\.tar/, "the focus stays in the row");
  });

  await within("asks for the same file again, and says why another one is not it", {}, async (page) => {
    await page.evaluate(FAILURES, MB);
    await give(page, ["new.txt"]);
    await row(page, "new.txt").waitFor();
    await page.evaluate((MB) => fake.put({ name: "known.mov", size: 9 * MB, hasHandle: true, lastModified: 0, state: { kind: "needs-file" } }), MB);
    await row(page, "known.mov").getByRole("button", { name: "Allow access: known.mov" }).click();
    assert.deepEqual(await page.evaluate(() => fake.calls.at(-1)[0]), "resume");
    const lecture = row(page, "lecture.mov");
    const chooser = page.waitForEvent("filechooser");
    await lecture.getByRole("button", { name: "Choose file" }).click();
    await page.evaluate(() => { fake.answer = { matched: [], different: [{ id: "f4", reason: "size" }], unknown: [] }; });
    await (await chooser).setFiles([{ name: "lecture.mov", mimeType: "video/quicktime", buffer: Buffer.alloc(10) }]);
    await page.waitForSelector(".notice:visible");
    assert.match(await page.locator(".notice:visible").innerText(), /“lecture.mov” is not the file that was being sent: its size differs/);
  });

  await within("tries all again with one button, where more than one can be", {}, async (page) => {
    await page.evaluate(FAILURES, MB);
    await row(page, "backup.tar").waitFor();
    assert.equal(await page.getByRole("button", { name: "Try all again" }).isVisible(), false, "one is tried by its own button");
    await page.evaluate((MB) => fake.put({ name: "second.tar", size: 9 * MB, state: { kind: "failed", problem: { code: "storage", message: "The storage answered 503.", retryable: true } } }), MB);
    await page.getByRole("button", { name: "Try all again" }).click();
    assert.deepEqual(await page.evaluate(() => fake.calls.at(-1).filter(Boolean)), ["retry"], "one call for all, in which the core chooses");
  });

  await within("takes a folder by its button", {}, async (page) => {
    const folder = await mkdtemp(join(tmpdir(), "gantry-element-"));
    await mkdir(join(folder, "photos", "2026"), { recursive: true });
    await writeFile(join(folder, "photos", "2026", "one.jpg"), "1");
    await writeFile(join(folder, "photos", "two.jpg"), "2");
    const chooser = page.waitForEvent("filechooser");
    await page.getByRole("button", { name: "Choose a folder" }).click();
    await (await chooser).setFiles(join(folder, "photos"));
    await row(page, "two.jpg").waitFor();
    assert.deepEqual((await page.locator(".name").allTextContents()).sort(), ["photos/2026/one.jpg", "photos/two.jpg"]);
    await rm(folder, { recursive: true });
  });

  await within("says what the service takes and what room is left, and keeps to it", {}, async (page) => {
    await page.evaluate(() => { fake.limits = { maxSize: 2e9, types: ["image/*", "application/pdf"], left: 18e9 }; fake.put({ name: "a.png", size: 10, state: { kind: "queued" } }); });
    await row(page, "a.png").waitFor();
    assert.equal(await page.locator(".limits").innerText(), "up to 2 GB each · images and PDF only · 18 GB left");
    await page.evaluate(() => { fake.limits = { ...fake.limits, left: 40 }; });
    await give(page, ["b.png", 60, "image/png"]);
    await page.waitForSelector("text=1 file was not added");
    assert.match(await page.locator(".notice:visible").innerText(), /Only 40 bytes is left: b\.png/);
  });

  await within("is dressed from outside, by its parts", {}, async (page) => {
    const dressed = await page.evaluate(() => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync("gantry-uploader::part(drop-zone) { background-color: rgb(1, 2, 3) } gantry-uploader::part(source) { color: rgb(4, 5, 6) }");
      document.adoptedStyleSheets = [sheet];
      return [getComputedStyle(element.shadowRoot.querySelector(".zone")).backgroundColor, getComputedStyle(element.shadowRoot.querySelector(".source")).color];
    });
    assert.deepEqual(dressed, ["rgb(1, 2, 3)", "rgb(4, 5, 6)"]);
  });

  await within("waits for the network, visibly", {}, async (page) => {
    await page.evaluate(STATES, MB);
    await page.evaluate(() => { fake.setOnline(false); for (const item of fake.items.values()) if (item.state.kind === "uploading") fake.set(item.id, { state: { kind: "offline" }, rate: 0, eta: undefined }); });
    await page.waitForSelector("text=No network.");
    assert.match(await row(page, "holiday film").innerText(), /Waiting for the network/);
    await page.waitForFunction(() => /The network is away/.test(element.shadowRoot.querySelector("[role=status]").textContent));
    assert.deepEqual(await violations(page), []);
    await screenshot(page, "offline");
    await page.evaluate(() => fake.setOnline(true));
    await page.waitForSelector("text=No network.", { state: "hidden" });
  });

  await within("works by keyboard alone, and the focus never gets lost", {}, async (page) => {
    await page.keyboard.press("Tab");
    assert.match(await focused(page), /^Choose files/);
    const ring = await page.evaluate(() => getComputedStyle(element.shadowRoot.querySelector(".dashes")).outline);
    assert.match(ring, /3px/);
    const chooser = page.waitForEvent("filechooser");
    await page.keyboard.press("Enter");
    await (await chooser).setFiles(["one.txt", "two.txt", "three.txt"].map((name) => ({ name, mimeType: "text/plain", buffer: Buffer.alloc(9) })));
    await row(page, "three.txt").waitFor();
    await page.evaluate(() => fake.start());
    while (!/^Pause: one/.test(await focused(page))) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await row(page, "one.txt").locator("text=Paused").waitFor();
    assert.match(await focused(page), /^Resume: one\.txt/);
    await page.keyboard.press("Space");
    await row(page, "one.txt").locator("text=Uploading").waitFor();
    await page.keyboard.press("ArrowDown");
    assert.match(await focused(page), /^Pause: two\.txt/);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await row(page, "two.txt").waitFor({ state: "detached" });
    assert.match(await focused(page), /^Cancel: three\.txt/, "the focus goes on to the next file");
    await page.keyboard.press("Enter");
    await row(page, "three.txt").waitFor({ state: "detached" });
    assert.match(await focused(page), /^Cancel: one\.txt/);
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => !element.shadowRoot.querySelector("li.row"));
    assert.match(await focused(page), /^Choose files/, "and to the input at the end");
  });

  await within("asks before all is cancelled, with the focus on the safe button", {}, async (page) => {
    await page.evaluate(STATES, MB);
    await page.getByRole("button", { name: "Cancel all" }).click();
    await page.waitForSelector("text=Cancel 3 uploads? What has been sent of them is deleted.");
    assert.match(await focused(page), /^Keep uploading/);
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("li.row").count(), 5);
    await page.getByRole("button", { name: "Pause all" }).click();
    await page.getByRole("button", { name: "Resume all" }).click();
    await page.getByRole("button", { name: "Cancel all" }).click();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => element.shadowRoot.querySelectorAll("li.row").length === 2);
    assert.equal(await page.evaluate(() => told.filter(([name]) => name === "cancelled").length), 3);
  });

  await within("tells a screen reader start, quarters, end and cancellation", {}, async (page) => {
    await page.evaluate(() => {
      window.said = [];
      new MutationObserver(() => said.push(element.shadowRoot.querySelector("[role=status]").textContent))
        .observe(element.shadowRoot.querySelector("[role=status]"), { childList: true, characterData: true, subtree: true });
    });
    const heard = (text) => page.waitForFunction((text) => said.some((one) => one.includes(text)), text);
    await give(page, ["song.mp3", 1000]);
    await row(page, "song.mp3").waitFor();
    for (const [change, text] of [
      [{ state: { kind: "uploading" } }, "Uploading song.mp3"], [{ confirmed: 260 }, "song.mp3: 25%"], [{ confirmed: 510 }, "song.mp3: 50%"],
      [{ confirmed: 770 }, "song.mp3: 75%"], [{ confirmed: 1000, state: { kind: "ready", asset: { id: "x" } } }, "song.mp3 is ready"],
    ]) {
      await page.evaluate((change) => fake.set("song.mp3", change), change);
      await heard(text);
    }
    assert.equal(await page.evaluate(() => said.filter((one) => one.includes("%")).length), 3);
    await give(page, ["other.mp3", 1000]);
    await page.evaluate(() => fake.set("other.mp3", { state: { kind: "uploading" } }));
    await row(page, "other.mp3").getByRole("button", { name: /Cancel/ }).click();
    await heard("other.mp3 was cancelled");
    assert.deepEqual(await page.evaluate(() => told.filter(([name]) => name !== "progress").map(([name]) => name)),
      ["added", "started", "ready", "complete", "added", "started", "cancelled", "removed", "complete"]);
  });

  await within("keeps the page from going only while bytes are at risk", {}, async (page) => {
    const asks = () => page.evaluate(() => !window.dispatchEvent(new Event("beforeunload", { cancelable: true })));
    assert.equal(await asks(), false);
    await give(page, ["a.txt"]);
    await row(page, "a.txt").waitFor();
    await page.evaluate(() => fake.set("a.txt", { state: { kind: "uploading" } }));
    await page.waitForTimeout(100);
    assert.equal(await asks(), true);
    await page.evaluate(() => fake.set("a.txt", { state: { kind: "processing" } }));
    await page.waitForTimeout(100);
    assert.equal(await asks(), false, "the service has all of it");
  });

  await within("ends clearly, folds what is ready after the tenth, and copies links", {}, async (page) => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const ready = (from, to) => page.evaluate(([from, to]) => {
      for (let at = from; at < to; at++) fake.put({ name: `photo-${at}.jpeg`, size: 4e6, type: "image/jpeg", confirmed: 4e6, sent: 4e6, assetId: `a${at}`, state: { kind: "ready", asset: { id: `a${at}` } } });
    }, [from, to]);
    await ready(0, 3);
    await page.waitForSelector("text=3 files received");
    assert.match((await page.locator(".sum").innerText()).replace(/\s+/g, " "), /3 files received 12 MB/);
    await row(page, "photo-1.jpeg").getByRole("button", { name: "Copy link: photo-1.jpeg" }).click();
    await row(page, "photo-1.jpeg").locator("text=Link copied").waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "https://files.example/d/gd_f2");
    await screenshot(page, "done");
    await ready(3, 12);
    const fold = page.getByRole("button", { name: "12 files ready" });
    await fold.waitFor();
    assert.equal(await page.locator("li.row:visible").count(), 0);
    await fold.click();
    await row(page, "photo-0.jpeg").waitFor();
    assert.equal(await fold.getAttribute("aria-expanded"), "true");
    await page.evaluate(() => { element.setAttribute("links", "off"); });
    await row(page, "photo-0.jpeg").getByRole("button", { name: /Copy link/ }).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Clear list" }).click();
    await page.waitForFunction(() => fake.items.size === 0);
  });

  await within("stays quick with ten thousand files", {}, async (page) => {
    await page.evaluate(() => { window.files = Array.from({ length: 10_000 }, (_, at) => new File(["x"], `file ${at}.txt`, { type: "text/plain" })); });
    const longest = await longestTask(page);
    const took = await page.evaluate(async () => {
      const start = performance.now();
      await element.add(files);
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      return performance.now() - start;
    });
    await page.waitForSelector("text=0 of 10,000 files");
    assert.ok(took < 2000, `${took} ms until it answers`);
    assert.ok(await page.locator("li.row").count() < 40, "only what can be seen is in the document");
    assert.equal(await row(page, "file 0.txt").getAttribute("aria-setsize"), "10000");
    // Everything changes ten times, as it does while many are on their way.
    for (let round = 0; round < 10; round++) {
      await page.evaluate((round) => fake.set("*", { state: { kind: "uploading" }, confirmed: round / 10, rate: 5 }), round);
      await page.waitForTimeout(60);
    }
    await page.evaluate(() => { element.shadowRoot.querySelector(".scroller").scrollTop = 300_000; });
    await page.waitForFunction(() => /file 5\d\d\d/.test(element.shadowRoot.querySelector("li.row:nth-child(6)").textContent));
    await page.locator("li.row").nth(5).getByRole("button", { name: /Pause/ }).focus();
    await page.keyboard.press("End");
    await row(page, "file 9999.txt").waitFor();
    assert.match(await focused(page), /file 9999\.txt/);
    await page.keyboard.press("Home");
    assert.match(await focused(page), /file 0\.txt/);
    const milliseconds = await longest();
    assert.ok(milliseconds <= 200, `one task took ${milliseconds} ms`);
    await screenshot(page, "10000-files");
  });

  await within("reads a dropped folder of ten thousand files while the page stays usable", {}, async (page) => {
    const folder = await mkdtemp(join(tmpdir(), "gantry-element-"));
    for (let at = 0; at < 10_000; at++) writeFileSync(join(folder, `${at}.txt`), "x");
    const longest = await longestTask(page);
    const devtools = await page.context().newCDPSession(page);
    const data = { items: [], files: [folder], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) await devtools.send("Input.dispatchDragEvent", { type, x: 300, y: 150, data });
    await page.waitForSelector("text=/Reading folders, [0-9,]+ files so far/");
    await page.waitForSelector("text=0 of 10,000 files", { timeout: 60_000 });
    const milliseconds = await longest();
    assert.ok(milliseconds <= 200, `one task took ${milliseconds} ms`);
    await rm(folder, { recursive: true });
  });

  await within("shows small pictures, two at a time, without any URL", {}, async (page) => {
    await page.evaluate(async () => {
      window.atOnce = 0;
      window.most = 0;
      const real = window.createImageBitmap;
      window.createImageBitmap = async (...words) => {
        most = Math.max(most, ++atOnce);
        try { return await real(...words); } finally { atOnce--; }
      };
      const picture = async (name) => {
        const canvas = new OffscreenCanvas(400, 300);
        canvas.getContext("2d").fillRect(0, 0, 400, 300);
        return new File([await canvas.convertToBlob({ type: "image/png" })], name, { type: "image/png" });
      };
      await element.add([...await Promise.all(["a", "b", "c", "d", "e"].map((name) => picture(`${name}.png`))), new File(["no picture"], "broken.png", { type: "image/png" })]);
    });
    await page.waitForFunction(() => element.shadowRoot.querySelectorAll(".thumb canvas").length === 5);
    assert.equal(await page.evaluate(() => most), 2);
    assert.equal(await row(page, "broken.png").locator(".thumb svg").count(), 1);
  });

  for (const [name, options, work] of [
    ["dark", { colorScheme: "dark" }, STATES], ["dark error", { colorScheme: "dark" }, FAILURES],
    ["320px", { viewport: { width: 320, height: 700 } }, STATES], ["320px error", { viewport: { width: 320, height: 700 } }, FAILURES],
    ["360px touch", { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 }, STATES],
  ]) {
    await within(`is accessible: ${name}`, options, async (page) => {
      await page.evaluate(work, MB);
      await page.waitForSelector("li.row");
      await page.waitForTimeout(300);
      assert.deepEqual(await violations(page), []);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "nothing sticks out");
      await screenshot(page, name.replace(/ /g, "-"));
    });
  }

  await within("has targets of 44 px for fingers, and the camera", { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }, async (page) => {
    assert.equal(await page.locator(".title").innerText(), "Choose files");
    assert.equal(await page.getByRole("button", { name: "Take a photo" }).count(), 1);
    await page.evaluate(STATES, MB);
    await page.evaluate(FAILURES, MB);
    await page.waitForSelector("li.row");
    const small = await page.evaluate(() => [...element.shadowRoot.querySelectorAll("button")].filter((button) => button.checkVisibility())
      .map((button) => [button.className, button.getBoundingClientRect()]).filter(([, box]) => box.width < 44 || box.height < 44).map(([name, box]) => `${name} ${box.width}×${box.height}`));
    assert.deepEqual(small, []);
  });

  await within("can be told to be dark or light", {}, async (page) => {
    const surface = () => page.evaluate(() => getComputedStyle(element.shadowRoot.querySelector(".root")).backgroundColor);
    const light = await surface();
    await page.evaluate(() => { element.theme = "dark"; });
    assert.notEqual(await surface(), light);
    await page.emulateMedia({ colorScheme: "dark" });
    await page.evaluate(() => { element.theme = "light"; });
    assert.equal(await surface(), light);
    await page.evaluate(() => element.style.setProperty("--gantry-surface", "rgb(1, 2, 3)"));
    assert.equal(await surface(), "rgb(1, 2, 3)");
  });

  await within("does not move for those who do not want it", { reducedMotion: "reduce" }, async (page) => {
    await page.evaluate(STATES, MB);
    await page.waitForSelector(".icon-busy");
    assert.equal(await page.evaluate(() => element.getAnimations({ subtree: true }).length), 0);
  });

  await within("speaks Arabic from the right", {}, async (page) => {
    await page.evaluate(() => { element.lang = "ar"; });
    await page.waitForFunction(() => element.shadowRoot.querySelector(".root").dir === "rtl");
    await page.evaluate(STATES, MB);
    await row(page, "notes.txt").waitFor();
    const [thumb, actions] = await Promise.all([".thumb", ".actions"].map((part) => row(page, "notes.txt").locator(part).boundingBox()));
    assert.ok(thumb.x > actions.x);
    assert.match(await page.locator(".files").innerText(), /1 من 5 ملفات/);
    const origin = await page.evaluate(() => getComputedStyle(element.shadowRoot.querySelector(".bar div")).transformOrigin.split(" ")[0]);
    assert.notEqual(origin, "0px", "bars grow from the right");
    assert.deepEqual(await violations(page), []);
    await screenshot(page, "arabic");
    await page.evaluate(() => { element.lang = "ko"; });
    await page.waitForFunction(() => /파일 5개 중 1개/.test(element.shadowRoot.querySelector(".files").textContent));
    assert.equal(await page.evaluate(() => element.shadowRoot.querySelector(".root").dir), "ltr");
    await page.evaluate(() => { element.lang = "de-AT"; element.messages = { drop: "Hierher damit, oder {action}" }; });
    await page.waitForFunction(() => /^Hierher damit, oder Dateien auswählen$/.test(element.shadowRoot.querySelector(".for-mouse").textContent));
  });

  await within("is a field of its form", {}, async (page) => {
    await page.evaluate(() => {
      const form = document.createElement("form");
      element.before(form);
      element.setAttribute("name", "attachment");
      form.append(element);
    });
    await page.evaluate(STATES, MB);
    await page.waitForFunction(() => new FormData(document.querySelector("form")).getAll("attachment").join() === "a1");
  });

  await within("has no more than 1000 files' worth of anything on a screenshot of 1000", {}, async (page) => {
    await page.evaluate(() => {
      for (let at = 0; at < 1000; at++) {
        const ready = at < 214;
        const sent = ready ? 4e6 : at < 218 ? 1e6 * (at - 214) : 0;
        const state = ready ? { kind: "ready", asset: {} } : at < 218 ? { kind: "uploading" } : { kind: "queued" };
        fake.put({ name: `IMG_${1000 + at}.jpeg`, size: 4e6, type: "image/jpeg", confirmed: sent, sent, state, ...(at >= 214 && at < 218 && { rate: 2.2e6, eta: 1 }) });
      }
    });
    await page.getByRole("button", { name: "214 files ready" }).waitFor();
    assert.ok(await page.locator("li.row").count() < 30);
    await screenshot(page, "1000-files");
  });
});

test("every language says the same", async () => {
  const all = await Promise.all(["en", "de", "ko", "ar"].map(async (lang) => (await import(`${SOURCES}src/locales/${lang}.js`)).default));
  const [english] = all;
  const holes = (text) => [...text.matchAll(/\{\w+\}/g)].map(([hole]) => hole).sort().join();
  for (const messages of all) {
    assert.deepEqual(Object.keys(messages).sort(), Object.keys(english).sort(), messages.lang);
    for (const part of ["problems", "steps", "types"]) assert.deepEqual(Object.keys(messages[part]), Object.keys(english[part]), messages.lang);
    const plurals = new Intl.PluralRules(messages.lang).resolvedOptions().pluralCategories;
    for (const [key, text] of Object.entries(messages)) {
      if (["problems", "steps", "types"].includes(key)) continue;
      assert.equal(typeof text, typeof english[key], `${messages.lang} ${key}`);
      if (typeof text === "string") assert.equal(holes(text), holes(english[key]), `${messages.lang} ${key}`);
      else assert.deepEqual(plurals.filter((form) => !(form in text)), [], `${messages.lang} ${key}`);
    }
  }
});

test("the element is small, and a server can import it", async () => {
  const { outputFiles: [file] } = await build({
    entryPoints: [`${SOURCES}src/element/index.js`], bundle: true, minify: true, write: false, format: "esm", target: "es2022",
    external: ["../core/*", "../locales/de.js", "../locales/ko.js", "../locales/ar.js"], logLevel: "error",
  });
  const size = gzipSync(file.contents, { level: 9 }).length;
  assert.ok(size <= 20 * 1024, `${size} bytes`);
  const { GantryUploaderElement } = await import(`${SOURCES}src/element/index.js`);
  assert.equal(typeof GantryUploaderElement, "function");
});

/** A page in TypeScript, which takes the package from npm. */
const TYPED = `
  import { createUploader } from "@gantry/uploader";
  import "@gantry/uploader/element";
  import german from "@gantry/uploader/locales/de";
  const element = document.querySelector("gantry-uploader")!;
  element.tokenProvider = async ({ file }) => file.name;
  element.addEventListener("gantry-ready", ({ detail }) => { const id: string = detail.asset.id; console.log(id, german.lang); });
  element.uploader = createUploader({ endpoint: "https://files.example", token: () => "" });
  // @ts-expect-error: it is a text
  const endpoint: number = element.endpoint;
`;

test("TypeScript knows the element and its events, and checks the examples", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-types-"));
  const installed = join(folder, "uploader");
  await cp(SOURCES, installed, { recursive: true });
  await mkdir(join(folder, "node_modules/@gantry"), { recursive: true });
  await symlink(installed, join(folder, "node_modules/@gantry/uploader"));
  for (const name of ["@uppy", "@transloadit", "tus-js-client", "@types"]) await symlink(join(PACKAGES, name), join(folder, "node_modules", name));
  const tsc = (cwd, ...words) => promisify(execFile)(join(PACKAGES, ".bin/tsc"), words, { cwd }).catch(({ stdout }) => assert.fail(stdout));
  await tsc(installed, "--project", ".");
  await writeFile(join(folder, "package.json"), '{"type": "module"}');
  await writeFile(join(folder, "page.ts"), TYPED);
  const common = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--lib", "es2023,dom,dom.iterable", "--skipLibCheck"];
  await tsc(folder, ...common, "page.ts");
  const examples = ["plain/main.js", "uppy/main.js"].map((name) => join(installed, "examples", name));
  await tsc(folder, ...common, "--allowJs", "--checkJs", ...examples);
  await rm(folder, { recursive: true });
});

/** What each example is, as a page. */
const EXAMPLES = {
  "plain page": null,
  React: { entry: "react/main.jsx", body: '<div id="app"></div>' },
  Vue: { entry: "vue/main.js", body: '<div id="app"></div>' },
  Svelte: { entry: "svelte/main.js", body: '<div id="app"></div>' },
  "Uppy 6": { entry: "uppy/main.js", body: '<input type="file" id="files" aria-label="Files" multiple>' },
};

test("the examples send files to the service with a grant each, from another origin", async (t) => {
  const site = await serve();
  const service = await Service.start({ GANTRY_CORS_ORIGINS: site.origin });
  const authorization = `Bearer ${service.key}`;
  // The page's backend, as short as it can be.
  site.routes["/uploads"] = async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const { filename, size, content_type } = JSON.parse(text);
    const answer = await fetch(`${service.url}/v1/uploads`, { method: "POST", headers: { authorization }, body: JSON.stringify({ filename, size, ...(content_type && { content_type }) }) });
    response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text());
  };
  site.endpoint = service.url;
  site.policy = strictPolicy(service.url, `http://${service.env.GANTRY_STORE_LISTEN}`);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
  t.after(async () => {
    await browser.close();
    await service.stop();
    site.server.close();
  });

  for (const [name, example] of Object.entries(EXAMPLES)) {
    await t.test(name, async () => {
      if (example) {
        site.files["/example.js"] = await bundleExample(example.entry, service.url);
        site.pages["/example"] = { body: example.body, script: "/example.js" };
      }
      const page = await (await browser.newContext()).newPage();
      page.setDefaultTimeout(60_000);
      const [ready, complaints] = [[], []];
      page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); else if (message.text().startsWith("ready")) ready.push(message.text()); });
      page.on("pageerror", (error) => complaints.push(String(error)));
      await page.goto(site.origin + (example ? "/example" : "/examples/plain/index.html"));
      const names = ["a", "b"].map((letter) => `${letter} of ${name}.txt`);
      await page.locator("input[type=file]").first().setInputFiles(names.map((filename) => ({ name: filename, mimeType: "text/plain", buffer: Buffer.from(filename) })));
      while (ready.length < 2) await page.waitForEvent("console");
      for (const filename of names) {
        const { assets } = await (await fetch(`${service.url}/v1/assets?limit=100`, { headers: { authorization } })).json();
        const asset = assets.find((one) => one.filename === filename);
        const address = `${service.url}/v1/assets/${asset?.id}`;
        assert.equal((await (await fetch(`${address}?wait=30s&until=ready`, { headers: { authorization } })).json()).state, "ready");
        const there = await fetch(`${address}/content?delivery=stream`, { headers: { authorization } });
        assert.equal(await there.text(), filename);
      }
      assert.deepEqual(complaints, []);
      await page.context().close();
    });
  }
});

const REAL = `
  import "/src/element/index.js";
  window.element = document.querySelector("gantry-uploader");
  window.told = [];
  for (const name of ["ready", "failed", "rejected", "complete"]) element.addEventListener("gantry-" + name, ({ detail }) => told.push([name, detail]));
`;

test("the element on the real core, against the real service on another origin", async (t) => {
  const site = await serve({ files: { "/real.js": REAL } });
  const service = await Service.start({ GANTRY_CORS_ORIGINS: site.origin });
  const authorization = `Bearer ${service.key}`;
  const store = `http://${service.env.GANTRY_STORE_LISTEN}`;
  site.policy = strictPolicy(service.url, store) + `; img-src 'self' ${service.url} ${store}`;
  const page_ = (token, more = "") => ({ body: `<gantry-uploader endpoint="${service.url}" token="${token}" ${more}></gantry-uploader>`, script: "/real.js" });
  site.pages["/real"] = page_(service.key);
  site.pages["/wrong"] = page_(`gk_${"0".repeat(32)}.${"0".repeat(64)}`);
  for (const protocol of ["tus", "ietf"]) site.pages[`/${protocol}`] = page_(service.key, `protocol="${protocol}"`);
  site.pages["/images"] = page_(service.key, 'accept="image/*" max-size="100000"');
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
  t.after(async () => {
    await browser.close();
    await service.stop();
    site.server.close();
  });
  const open = async (path, bytesPerSecond) => {
    const context = await browser.newContext({ locale: "en-US", permissions: ["clipboard-read", "clipboard-write"] });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on("dialog", (dialog) => dialog.accept());
    const devtools = await context.newCDPSession(page);
    page.network = (offline, uploadThroughput = -1) =>
      devtools.send("Network.emulateNetworkConditions", { offline, latency: 0, downloadThroughput: -1, uploadThroughput });
    if (bytesPerSecond) await page.network(false, bytesPerSecond);
    await page.goto(site.origin + path);
    await page.waitForFunction(() => window.element?.uploader);
    return page;
  };
  const row = (page, name) => page.locator("li.row", { hasText: name });
  const choose = (page, ...files) => page.locator("input.input").setInputFiles(files);
  const big = async (name, bytes) => {
    const path = join(service.dir, name);
    await writeFile(path, randomBytes(bytes));
    return path;
  };

  await t.test("files become ready, with a picture and a link to the same bytes", async () => {
    const page = await open("/real");
    const picture = await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(400, 300);
      canvas.getContext("2d").fillRect(100, 100, 200, 100);
      return [...new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer())];
    });
    await choose(page, { name: "picture.png", mimeType: "image/png", buffer: Buffer.from(picture) }, { name: "note.txt", mimeType: "text/plain", buffer: Buffer.from("a note") });
    await page.waitForFunction(() => told.some(([name]) => name === "complete"));
    await row(page, "picture.png").locator(".thumb img").waitFor();
    await row(page, "note.txt").getByRole("button", { name: "Copy link: note.txt" }).click();
    await row(page, "note.txt").locator("text=Link copied").waitFor();
    assert.equal(await (await fetch(await page.evaluate(() => navigator.clipboard.readText()))).text(), "a note");
    await row(page, "note.txt").getByRole("button", { name: /Details/ }).click();
    assert.match(await row(page, "note.txt").locator("dl").innerText(), new RegExp(createHash("sha256").update("a note").digest("hex")));
    await page.context().close();
  });

  await t.test("after a reload the same file is asked for, and another one is told from it", async () => {
    const page = await open("/real", 8 << 20);
    const file = await big("lecture.bin", 60 << 20);
    await choose(page, file);
    await page.waitForFunction(() => element.uploader.state.items[0]?.confirmed > 0);
    await page.reload();
    const lecture = row(page, "lecture.bin");
    await lecture.locator("text=The file is needed again").waitFor();
    assert.match(await lecture.innerText(), /is safe[\s\S]*To go on, choose lecture.bin again: 62\.9 MB, last changed/);
    const ask = async (path) => {
      const chooser = page.waitForEvent("filechooser");
      await lecture.getByRole("button", { name: "Choose file: lecture.bin" }).click();
      await (await chooser).setFiles(path);
    };
    await ask({ name: "lecture.bin", mimeType: "", buffer: Buffer.alloc(100) });
    await page.waitForSelector("text=its size differs");
    await ask(file);
    await page.waitForFunction(() => told.some(([name]) => name === "ready"));
    await page.context().close();
  });

  await t.test("pausing and resuming all takes effect at once", async () => {
    const page = await open("/real", 2 << 20);
    await choose(page, await big("one.bin", 20 << 20), await big("two.bin", 20 << 20));
    await page.waitForFunction(() => element.uploader.state.items.some(({ state }) => state.kind === "uploading"));
    await page.getByRole("button", { name: "Pause all" }).click();
    await page.waitForFunction(() => element.shadowRoot.querySelectorAll("[data-state=paused]").length === 2, null, { timeout: 2000 });
    await page.getByRole("button", { name: "Resume all" }).click();
    await page.waitForFunction(() => element.uploader.state.items.some(({ state }) => state.kind === "uploading"));
    await page.getByRole("button", { name: "Cancel all" }).click();
    await page.getByRole("button", { name: "Cancel all" }).click();
    await page.waitForFunction(() => element.uploader.state.items.length === 0);
    await page.context().close();
  });

  await t.test("a network that goes and comes back", async () => {
    const page = await open("/real", 4 << 20);
    await choose(page, await big("night.bin", 24 << 20));
    await page.waitForFunction(() => element.uploader.state.items[0]?.sent > 0);
    await page.network(true);
    await page.waitForSelector("text=No network.");
    await row(page, "night.bin").locator("text=Waiting for the network").waitFor();
    await page.network(false);
    await page.waitForFunction(() => told.some(([name]) => name === "ready"));
    await page.context().close();
  });

  for (const [protocol, path] of [["tus", "/tus/"], ["ietf", "/files/"]]) {
    await t.test(`the page chooses ${protocol}, and all bytes take this way`, async () => {
      const page = await open(`/${protocol}`);
      const sent = [];
      page.on("request", (request) => { if (["PUT", "PATCH"].includes(request.method())) sent.push(new URL(request.url()).pathname); });
      await choose(page, await big(`${protocol}.bin`, 20 << 20));
      await choose(page, { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("a") });
      await page.waitForFunction(() => told.filter(([name]) => name === "ready").length === 2);
      assert.equal(sent.length, 2);
      assert.ok(sent.every((one) => one.startsWith(path)), `${sent}`);
      await row(page, `${protocol}.bin`).locator("text=verified").waitFor();
      await page.context().close();
    });
  }

  await t.test("a refusal is a sentence with its code and its request", async () => {
    const page = await open("/wrong");
    await choose(page, { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("a") });
    const failed = row(page, "a.txt");
    await failed.locator("text=Failed").waitFor();
    assert.match(await failed.locator(".sentence").innerText(), /\w{3,} .*\.$/);
    await failed.getByRole("button", { name: /Details/ }).click();
    assert.match(await failed.locator("dl").innerText(), /Code\s+\w+\s+Request\s+\w+/);
    await page.context().close();
  });

  await t.test("limits of the page are said, and kept", async () => {
    const page = await open("/images");
    assert.match(await page.locator(".limits").innerText(), /up to 100 kB each · images only/);
    await choose(page, { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("a") }, { name: "large.png", mimeType: "image/png", buffer: Buffer.alloc(200_000) });
    await page.waitForSelector("text=2 files were not added");
    assert.match(await page.locator(".notice:visible").innerText(), /Only images can be sent: a\.txt\s+Larger than 100 kB: large\.png/);
    await page.context().close();
  });
});
