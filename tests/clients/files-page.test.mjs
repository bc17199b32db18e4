// The list of the start page in a real browser: search, deep links, one file in full, links, deletion, ten thousand files, keyboard.

import assert from "node:assert/strict";
import test from "node:test";
import { deflateSync } from "node:zlib";
import { api, openPage, screenshot, sendFile, startBrowser, sticksOut, violations } from "./pages.mjs";
import { Service } from "./service.mjs";

/** A picture in one colour. */
function png([r, g, b], side = 64) {
  const crcOf = (bytes) => {
    let crc = ~0;
    for (const byte of bytes) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    }
    return ~crc >>> 0;
  };
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    crc.writeUInt32BE(crcOf(body));
    return Buffer.concat([length, body, crc]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const line = Buffer.concat([Buffer.from([0]), Buffer.alloc(3 * side, Buffer.from([r, g, b]))]);
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head),
    chunk("IDAT", deflateSync(Buffer.concat(Array(side).fill(line)))), chunk("IEND", Buffer.alloc(0))]);
}

/** As `GET /v1/assets` would answer, with so many assets. */
function manyAssets(count) {
  const born = Date.parse("2026-05-01T12:00:00Z");
  const asset = (at) => ({
    id: `019aa3c1-0000-7000-8000-${String(count - at).padStart(12, "0")}`, state: "ready", filename: at === count - 1 ? "oldest of all.pdf" : `report ${count - at}.pdf`, size: 1000 * (at + 1),
    content_type: "application/pdf", policy: "default", metadata: {}, reason: null, created_at: new Date(born - at * 60_000).toISOString(),
    changed_at: new Date(born).toISOString(),
  });
  return (url) => {
    const query = new URL(url).searchParams;
    const [from, limit] = [Number(query.get("cursor") ?? 0), Number(query.get("limit"))];
    const assets = Array.from({ length: Math.min(limit, count - from) }, (_, at) => asset(from + at));
    return { assets, next: from + limit < count ? String(from + limit) : null };
  };
}

test("the list of files", async (t) => {
  const service = await Service.start();
  const browser = await startBrowser();
  t.after(async () => {
    await browser.close();
    await service.stop();
  });
  const open = (options, words = "") => openPage(browser, `${service.url}/#${words}${words && "&"}key=${service.key}`, options);
  const row = (page, name) => page.locator("#list li.file", { hasText: name });
  const names = (page) => page.$$eval("#list li.file .open", (all) => all.map((open) => open.textContent));
  const focused = (page) => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent);

  await sendFile(service, "sunset.png", png([230, 110, 60]));
  await sendFile(service, "A very long name of a report that says when it was written and by whom, final, really final.txt", Buffer.from("report"));
  await sendFile(service, "<b>bold.txt", Buffer.from("markup"));
  const film = await sendFile(service, "holiday film.txt", Buffer.from("a film"));
  await api(service, "/v1/policies/pictures", { method: "PUT", body: { content_types: ["image/*"] } });
  await sendFile(service, "no picture.png", Buffer.from("#!/bin/sh\necho no picture\n"), { policy: "pictures", content_type: "image/png" });

  await t.test("shows what is there, with pictures, states, sizes and ages", async () => {
    const { page, complaints } = await open();
    await row(page, "sunset.png").locator("img").waitFor();
    await page.waitForFunction(() => document.querySelector("#list img")?.naturalWidth > 0);
    assert.equal(await row(page, "<b>bold.txt").count(), 1, "a name is a text");
    assert.match(await row(page, "holiday film.txt").innerText(), /6 byte/);
    assert.match(await row(page, "holiday film.txt").locator("time").getAttribute("title"), /\(UTC\)/);
    await row(page, "no picture.png").locator("text=Refused").waitFor();
    await screenshot(page, "files");
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(complaints, []);
  });

  await t.test("search and state are in the address, and the address brings them back", async () => {
    const { page } = await open();
    await row(page, "sunset.png").waitFor();
    await page.fill("#search", "FILM hol");
    await page.waitForFunction(() => document.querySelectorAll("#list li.file").length === 1);
    assert.deepEqual(await names(page), ["holiday film.txt"]);
    assert.equal(await page.evaluate(() => location.hash), "#q=FILM+hol");
    await page.reload();
    await row(page, "holiday film.txt").waitFor();
    assert.equal(await page.inputValue("#search"), "FILM hol");
    await page.fill("#search", "nothing like it");
    await page.waitForSelector("text=No file is like this.");
    await screenshot(page, "files-none");
    await page.click("text=Show all files");
    await row(page, "sunset.png").waitFor();
    await page.selectOption("#state", "rejected");
    await page.waitForFunction(() => document.querySelectorAll("#list li.file").length === 1);
    assert.deepEqual(await names(page), ["no picture.png"]);
    const other = await open({}, "state=rejected");
    await row(other.page, "no picture.png").waitFor();
    assert.equal(await other.page.inputValue("#state"), "rejected");
  });

  await t.test("one file in full has an address, and the reader's way back", async () => {
    const { page, complaints } = await open({}, `asset=${film.id}`);
    await page.waitForSelector("dialog.detail[open]");
    assert.equal(await page.textContent("#detail-title"), "holiday film.txt");
    assert.ok((await page.textContent("dialog.detail")).includes(film.sha256));
    await screenshot(page, "files-detail");
    assert.deepEqual(await violations(page), []);
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog.detail:not([open])", { state: "attached" });
    assert.equal(await page.evaluate(() => location.hash), "");
    await row(page, "no picture.png").locator("a.open").click();
    assert.match(await page.textContent("dialog.detail"), /Code: \w+/);
    await screenshot(page, "files-detail-refused");
    await page.goBack();
    await page.waitForSelector("dialog.detail:not([open])", { state: "attached" });
    await page.evaluate(() => { location.hash = "asset=019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11"; });
    await page.waitForSelector("text=There is no file with this id");
    await page.keyboard.press("Escape");
    assert.deepEqual(complaints.filter((text) => !text.includes("404")), []);
  });

  await t.test("what others do is seen as it happens", async () => {
    const { page } = await open();
    await row(page, "sunset.png").waitFor();
    const asset = await sendFile(service, "from elsewhere.txt", Buffer.from("elsewhere"));
    await row(page, "from elsewhere.txt").locator("text=Ready").waitFor();
    assert.equal((await names(page))[0], "from elsewhere.txt", "the newest is first");
    await api(service, `/v1/assets/${asset.id}`, { method: "DELETE" });
    await row(page, "from elsewhere.txt").waitFor({ state: "detached" });
  });

  await t.test("a link is copied, and a file is deleted, with the keyboard alone", async () => {
    const doomed = await sendFile(service, "doomed.txt", Buffer.from("doomed"));
    const { page } = await open({ permissions: ["clipboard-read", "clipboard-write"] });
    await row(page, "doomed.txt").locator("a.open").focus();
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), "Copy link: doomed.txt");
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=Link copied");
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(await (await fetch(link)).text(), "doomed");
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), "Delete: doomed.txt");
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=Delete doomed.txt?");
    assert.equal(await focused(page), "Keep the file", "the safe button has the focus");
    assert.deepEqual(await violations(page), []);
    await screenshot(page, "files-delete");
    await page.keyboard.press("Escape");
    await row(page, "doomed.txt").waitFor();
    assert.equal(await focused(page), "Delete: doomed.txt", "the focus is where it was");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await row(page, "doomed.txt").waitFor({ state: "detached" });
    assert.match(await focused(page), /^Delete: /, "the next file has the focus");
    assert.equal((await fetch(link)).status, 410);
    assert.equal((await api(service, `/v1/assets/${doomed.id}`)).state, "deleted");
    await page.keyboard.press("ArrowDown");
    assert.match(await focused(page), /^Delete: /);
  });

  await t.test("a key that may not list, link or delete says so", async () => {
    const made = async (scopes) => (await api(service, "/v1/keys", { method: "POST", body: { scopes } })).key;
    const sender = await openPage(browser, `${service.url}/#key=${await made(["upload"])}`);
    await sender.page.waitForSelector("text=This key may send files, but not list them.");
    await screenshot(sender.page, "files-may-not");
    const reader = await openPage(browser, `${service.url}/#key=${await made(["read"])}`);
    await row(reader.page, "sunset.png").getByRole("button", { name: "Copy link" }).click();
    await reader.page.waitForSelector("text=This key may not make links.");
    await row(reader.page, "sunset.png").getByRole("button", { name: "Delete" }).click();
    await reader.page.getByRole("button", { name: "Delete", exact: true }).click();
    await reader.page.waitForSelector("text=This key may delete only what it has sent.");
  });

  await t.test("ten thousand files: few are in the document, all can be reached and found", async () => {
    const { page } = await openPage(browser, service.url);
    const answer = manyAssets(10_000);
    let questions = 0;
    await page.route(/\/v1\/assets\?/, (route) => {
      questions++;
      return route.fulfill({ json: answer(route.request().url()) });
    });
    await page.goto(`${service.url}/#key=${service.key}`);
    await page.reload();
    await row(page, "report 10000.pdf").waitFor();
    assert.ok(questions <= 2, `${questions} questions before anybody scrolled`);
    for (let tries = 0; !(await page.evaluate(() => document.querySelector("#list .more").hidden)); tries++) {
      assert.ok(tries < 400, "the end is reached");
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
      await page.waitForTimeout(20);
    }
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await row(page, "oldest of all.pdf").waitFor();
    const shown = await page.locator("#list li.file").count();
    assert.ok(shown < 60, `${shown} rows are in the document`);
    await screenshot(page, "files-many");
    await page.evaluate(() => scrollTo(0, 0));
    const begun = Date.now();
    await page.fill("#search", "oldest");
    await page.waitForFunction(() => document.querySelectorAll("#list li.file").length === 1, null, { timeout: 15_000 });
    assert.ok(Date.now() - begun < 15_000);
  });

  await t.test("axe finds nothing, and nothing sticks out: dark, 320 pixels", async () => {
    for (const [name, options] of [["dark", { colorScheme: "dark" }], ["320", { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true }]]) {
      const { page } = await open(options);
      await row(page, "sunset.png").locator("img").waitFor();
      assert.deepEqual(await violations(page), [], name);
      assert.ok(!(await sticksOut(page)), name);
      await page.locator("#files").scrollIntoViewIfNeeded();
      await page.evaluate(() => document.getElementById("files").scrollIntoView());
      await screenshot(page, `files-${name}`);
      await row(page, "sunset.png").locator("a.open").click();
      await page.waitForSelector("dialog.detail[open]");
      assert.deepEqual(await violations(page), [], `${name}, one file`);
      await screenshot(page, `files-detail-${name}`);
    }
  });
});
