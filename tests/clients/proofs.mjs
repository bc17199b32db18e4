// The long proofs of the uploader in Chromium against the real service, with their figures:
//
//   node --test tests/clients/proofs.mjs
//   node --test --test-name-pattern="^killed" tests/clients/proofs.mjs     # one of killed, brief, offline, gone, folder, eta
//
// Short forms of them run with the other tests. GANTRY_TEST_BIN names the service's binary.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { PartAccount, Stage, pause } from "./proofs-stage.mjs";

const MB = 1_000_000;
const MINUTE = 60_000;
const KILLS = 20;

const number = (value) => Number(value.toPrecision(3)).toLocaleString("en-US");

/** Starts the file, or goes on with it where a browser before this one stopped. */
async function begin({ page }, { path }) {
  await page.setInputFiles("input", path);
  await page.evaluate(() => uploader.restore());
  if (await page.evaluate(() => uploader.state.items.length) === 0) return page.evaluate(() => add());
  await page.waitForFunction(() => ["needs-file", "processing", "ready"].includes(item().state.kind));
  if (await page.evaluate(() => item().state.kind === "needs-file")) await page.evaluate(() => reselect());
}

test("killed: the browser is killed 20 times in 1 GB at 20 MB/s, and only what was on its way is sent again", async (t) => {
  const stage = await Stage.open(t);
  const file = await stage.file("killed.bin", 1000 * MB);
  const account = new PartAccount();
  const points = Array.from({ length: KILLS }, () => 0.01 + 0.92 * Math.random()).sort((a, b) => a - b);
  t.diagnostic(`kills at ${points.map((point) => `${Math.round(100 * point)} %`).join(", ")}`);
  const began = Date.now();
  for (const point of points) {
    const visit = await stage.visit("killed", { bytesPerSecond: 20 * MB, account });
    await begin(visit, file);
    await visit.page.waitForFunction((least) => item().sent >= least, point * file.size, { polling: 20 });
    await stage.kill("killed", visit.context);
    account.close();
  }
  const visit = await stage.visit("killed", { account });
  await begin(visit, file);
  await visit.becomes("ready", 5 * MINUTE);
  const { state, uploadId } = await visit.page.evaluate(() => item());
  const { part_size: partSize, part_count: parts } = await stage.api(`/v1/uploads/${uploadId}`);
  t.diagnostic(`${parts} parts of ${number(partSize / MB)} MB; ${account.lost} were on their way at ${KILLS} kills, ${account.again} were sent again; other answers ${JSON.stringify(account.refused)}; ${number((Date.now() - began) / 1000)} s`);
  assert.equal(state.sha256, file.sha256);
  assert.equal(account.starts.size, parts);
  // What the storage refused, or a machine without time lost, was sent again within its session.
  const refused = Object.values(account.refused).reduce((sum, times) => sum + times, 0);
  assert.ok(account.again <= account.lost + refused, `${account.again} parts again, ${account.lost} lost`);
});

test("brief: URLs that live 20 s carry an upload of 5 minutes", async (t) => {
  const stage = await Stage.open(t, { GANTRY_UPLOADS__URL_EXPIRES_IN: "20s" });
  const rate = 2.5 * MB;
  const file = await stage.file("brief.bin", 5.1 * 60 * rate);
  const account = new PartAccount();
  const visit = await stage.visit("brief", { bytesPerSecond: rate, account });
  const began = Date.now();
  await begin(visit, file);
  await visit.becomes("ready", 15 * MINUTE);
  const took = (Date.now() - began) / 1000;
  t.diagnostic(`${number(took)} s for ${account.starts.size} parts, ${account.again} sent again, other answers ${JSON.stringify(account.refused)}`);
  assert.ok(took >= 300, `${took} s`);
  assert.equal((await visit.page.evaluate(() => item())).state.sha256, file.sha256);
  assert.deepEqual(await visit.page.evaluate(() => ["failed", "waiting"].filter((kind) => kinds.has(kind))), []);
});

/** Five minutes without an answer, by the page's clock; answers with the milliseconds from the return until bytes flow. */
async function returnAfterFiveMinutes(t, { away, back, kind, counted = false }) {
  const stage = await Stage.open(t);
  const file = await stage.file("away.bin", 96 * 2 ** 20);
  const account = new PartAccount();
  const visit = await stage.visit("away", { bytesPerSecond: 8 * MB, fakeClock: true, account });
  const { page } = visit;
  await begin(visit, file);
  await page.waitForFunction(() => item().confirmed > 0);
  await away(stage, visit);
  await visit.becomes(kind);
  await page.clock.runFor(5 * MINUTE);
  // Now and then a request itself is tried: not every place can be asked whether it is there.
  assert.ok(["offline", "uploading"].includes(await page.evaluate(() => item().state.kind)));
  // In real time again: an answer to the questions of these minutes may be on its way.
  await pause(3000);
  const before = await page.evaluate(() => item().sent);
  let began = Date.now();
  await back(stage, visit);
  if (counted) began = Date.now();
  await page.waitForFunction((sent) => item().state.kind === "uploading" && item().sent > sent, before, { timeout: 20_000, polling: 20 });
  const took = Date.now() - began;
  await visit.becomes("ready");
  assert.equal((await page.evaluate(() => item())).state.sha256, file.sha256);
  t.diagnostic(`bytes flow after ${took} ms; ${account.again} parts sent again`);
  assert.ok(took <= 3000, `${took} ms`);
}

test("offline: the network is off for 5 minutes, and bytes flow within 3 s of its return", (t) => returnAfterFiveMinutes(t, {
  kind: "offline",
  away: (stage, { line }) => line(true),
  back: (stage, { line }) => line(false),
}));

test("gone: the service is gone for 5 minutes though the browser sees a network, and bytes flow within 3 s of its return", (t) => returnAfterFiveMinutes(t, {
  kind: "offline",
  away: (stage) => stage.service.process.kill("SIGKILL"),
  back: (stage) => stage.service.launch(),
  // The count begins when the service says that it is ready.
  counted: true,
}));

/** Longest tasks of the page from now on: in milliseconds of its processor, and in those of the clock. */
async function traceTasks(page) {
  const browser = page.context().browser();
  await browser.startTracing(page, { categories: ["disabled-by-default-devtools.timeline", "__metadata"] });
  return async () => {
    const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
    const pages = new Set(traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain").map(({ tid }) => tid));
    const tasks = traceEvents.filter(({ name, tid }) => name === "RunTask" && pages.has(tid));
    const most = (key) => Math.max(0, ...tasks.map((task) => (task[key] ?? 0) / 1000));
    return { processor: most("tdur"), clock: most("dur") };
  };
}

test("folder: 10 000 files of a real folder are dropped on the element", async (t) => {
  const stage = await Stage.open(t);
  const folder = join(stage.dir, "tree");
  for (let at = 0; at < 10_000; at++) {
    const within = join(folder, `day ${at % 100}`);
    if (at < 100) mkdirSync(within, { recursive: true });
    writeFileSync(join(within, `photo ${at}.txt`), `${at} `.repeat(200));
  }
  const { page, devtools } = await stage.visit("folder", { path: "/element" });
  await pause(1000);
  await page.evaluate(() => {
    // What a click would have to wait for the page.
    window.waits = [];
    const { port1, port2 } = new MessageChannel();
    let posted = performance.now();
    port1.onmessage = () => {
      waits.push(performance.now() - posted);
      setTimeout(() => { posted = performance.now(); port2.postMessage(0); }, 20);
    };
    port2.postMessage(0);
    addEventListener("drop", () => { window.droppedAt = performance.now(); waits.length = 0; }, true);
    window.answered = new Promise((resolve) => {
      const look = () => {
        if (window.droppedAt && /Reading folders|files/.test(element.shadowRoot.querySelector(".root").textContent.replace("Drop files or folders here, or choose files", ""))) {
          return resolve(performance.now() - droppedAt);
        }
        requestAnimationFrame(look);
      };
      look();
    });
    window.listed = new Promise((resolve) => {
      const look = () => {
        if (element.uploader.state.items.length === 10_000) return requestAnimationFrame(() => resolve(performance.now() - droppedAt));
        requestAnimationFrame(look);
      };
      look();
    });
  });
  const traced = await traceTasks(page);
  let heap = 0;
  await devtools.send("Performance.enable");
  const heapUsed = async () => (await devtools.send("Performance.getMetrics")).metrics.find(({ name }) => name === "JSHeapUsedSize").value / MB;
  const watching = setInterval(() => heapUsed().then((now) => { heap = Math.max(heap, now); }, () => {}), 250);
  t.after(() => clearInterval(watching));
  const data = { items: [], files: [folder], dragOperationsMask: 1 };
  const zone = await page.locator(".zone").boundingBox();
  const place = { x: zone.x + zone.width / 2, y: zone.y + 20 };
  for (const type of ["dragEnter", "dragOver", "drop"]) await devtools.send("Input.dispatchDragEvent", { type, ...place, data });
  const [answered, listed] = await page.evaluate(() => Promise.all([answered, listed]));
  await page.waitForFunction(() => element.uploader.state.totals.done >= 200, null, { timeout: 5 * MINUTE });
  const arrived = await page.evaluate(() => performance.now() - droppedAt);
  const [most, wait] = await page.evaluate(() => [inFlight.most, Math.max(...waits)]);
  const tasks = await traced();
  clearInterval(watching);
  await devtools.send("HeapProfiler.collectGarbage");
  const kept = await heapUsed();
  const there = (await stage.api("/v1/assets?state=ready&limit=500")).assets.length;
  t.diagnostic(`first answer after ${number(answered)} ms, all listed after ${number(listed)} ms, 200 ready after ${number(arrived / 1000)} s (${there} at the service)`);
  t.diagnostic(`longest task ${number(tasks.processor)} ms of the processor (${number(tasks.clock)} ms by the clock), longest wait of an input ${number(wait)} ms`);
  t.diagnostic(`heap at most ${number(heap)} MB, ${number(kept)} MB kept; ${most} requests in flight at most`);
  assert.ok(there >= 200);
  assert.ok(most <= 6, `${most} requests`);
  assert.ok(answered <= 2000, `${answered} ms`);
  assert.ok(tasks.processor <= 200, `${tasks.processor} ms`);
  assert.ok(heap <= 150, `${heap} MB`);
});

test("eta: at a steady rate the time left is told within 15 % after the first tenth", async (t) => {
  const stage = await Stage.open(t);
  const rate = 4 * MB;
  const file = await stage.file("eta.bin", 60 * rate);
  const visit = await stage.visit("eta", { bytesPerSecond: rate });
  await visit.page.evaluate(() => {
    window.samples = [];
    window.sampling = () => {
      const { state, sent, size, eta } = item() ?? { state: {} };
      if (state.kind === "uploading" && eta !== undefined) samples.push({ at: performance.now(), share: sent / size, eta });
      if (state.kind === "completing" || state.kind === "processing" || state.kind === "ready") window.endedAt ??= performance.now();
      else setTimeout(sampling, 100);
    };
    setTimeout(sampling, 100);
  });
  await begin(visit, file);
  await visit.page.waitForFunction(() => window.endedAt, null, { timeout: 5 * MINUTE });
  const [samples, endedAt] = await visit.page.evaluate(() => [samples, endedAt]);
  const errors = samples.filter(({ share }) => share >= 0.1 && share <= 0.95).map(({ at, share, eta }) => ({ share, error: Math.abs(eta - (endedAt - at) / 1000) / ((endedAt - at) / 1000) }));
  const sorted = errors.map(({ error }) => error).sort((a, b) => a - b);
  const [median, worst] = [sorted[Math.floor(sorted.length / 2)], sorted[sorted.length - 1]];
  t.diagnostic(`error of the time left from 10 to 95 %: ${number(100 * median)} % in the middle, ${number(100 * worst)} % at worst (at ${Math.round(100 * errors.find(({ error }) => error === worst).share)} %)`);
  assert.ok(worst <= 0.15, `${worst}`);
});
