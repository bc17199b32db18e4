// After the last byte: processing, verdicts, links; and the lists of files themselves.

import assert from "node:assert/strict";
import test from "node:test";
import { reduce, reduceItem, INITIAL } from "../../src/core/index.js";
import { Meter, etaOf } from "../../src/core/meter.js";
import { mayMove } from "../../src/core/state.js";
import { MIB, World, fakeFile, turn } from "./fakes.js";

const world = (t, settings = {}) => {
  const one = new World();
  Object.assign(one.service, settings);
  t.after(() => one.close());
  return one;
};

test("events tell of the end as it happens", async (t) => {
  const w = world(t, { processingTime: null });
  const page = w.page();
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("processing");
  await w.clock.until(() => w.service.streams.size === 1);
  await w.clock.advance(30_000);
  w.service.processingTime = 0;
  w.service.tell("asset.processing");
  w.service.tell("asset.ready");
  await page.becomes("ready", undefined, 100);
  assert.equal(w.service.streams.size, 0);
});

test("without events it is asked, more and more seldom", async (t) => {
  const w = world(t, { processingTime: 120_000, stream: async () => 404 });
  const page = w.page();
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("ready", undefined, 140_000);
  const asked = w.service.requests.filter(({ path }) => path.startsWith("/v1/assets/")).length;
  assert.ok(asked < 25, `${asked}`);
});

test("many files are asked about together, and never by more requests than allowed", async (t) => {
  const w = world(t, { processingTime: 5000 });
  const page = w.page();
  page.uploader.add(Array.from({ length: 100 }, (_, i) => fakeFile(100 + i, `f${i}`)));
  await w.clock.until(() => page.uploader.state.totals.done === 100, 120_000, 50);
  assert.ok(w.service.requests.some(({ path }) => path === "/v1/assets/batch"));
  assert.ok(w.service.mostInFlight <= 6);
  assert.ok(w.service.requests.filter(({ path }) => path.startsWith("/v1/assets")).length < 120);
});

test("the service's verdict is told with its reason, and cannot be tried again", async (t) => {
  const w = world(t, { verdict: "rejected" });
  const page = w.page();
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("rejected");
  assert.deepEqual(page.item().state.problem, { code: "infected", message: "A virus was found.", retryable: false });
  page.uploader.retry(page.item().id);
  await w.clock.advance(1000);
  assert.equal(page.kind(), "rejected");
});

test("a link is made by the service or by the page, and refused as a problem", async (t) => {
  const w = world(t);
  const page = w.page();
  const { added: [id] } = page.uploader.add([fakeFile(1000)]);
  await assert.rejects(page.uploader.link(id), { code: "not_ready", retryable: true });
  await page.becomes("ready");
  const linked = page.uploader.link(id);
  await w.clock.advance(100);
  assert.match(await linked, /\/d\/gd_au1$/);
  w.service.fault = ({ path }) => (path.endsWith("/links") ? { status: 403, header: () => null, text: '{"code":"forbidden","detail":"No.","retryable":false,"request_id":"r7"}' } : undefined);
  const refused = assert.rejects(page.uploader.link(id), { code: "forbidden", message: "No.", requestId: "r7", retryable: false });
  await w.clock.advance(100);
  await refused;
  const other = w.page({ link: async ({ file, asset }) => `${file.name} ${asset.id}` });
  w.service.fault = () => undefined;
  const { added: [second] } = other.uploader.add([fakeFile(1000, "b")]);
  await other.becomes("ready", second);
  assert.equal(await other.uploader.link(second), "b au2");
});

test("refused files are told together, with what they exceed", async (t) => {
  const w = world(t);
  const page = w.page({ limits: { maxSize: 1000, maxFiles: 2, types: ["image/*", ".csv"] } });
  await w.clock.advance(100);
  const { added, refused } = page.uploader.add([
    fakeFile(10, "a.png", { type: "image/png" }), fakeFile(2000, "b.png", { type: "image/png" }), fakeFile(10, "c.exe"),
    fakeFile(10, "d.csv"), fakeFile(10, "a.png", { type: "image/png" }), { file: fakeFile(10, "e.csv"), path: "folder/e.csv" },
  ]);
  assert.equal(added.length, 2);
  assert.deepEqual(refused, [
    { name: "b.png", path: "b.png", code: "too_large", maxSize: 1000 },
    { name: "c.exe", path: "c.exe", code: "wrong_type", types: ["image/*", ".csv"] },
    { name: "a.png", path: "a.png", code: "duplicate" },
    { name: "e.csv", path: "folder/e.csv", code: "too_many", maxFiles: 2 },
  ]);
});

test("what the policy and the quota of the tenant do not take is refused before it is sent", async (t) => {
  const w = world(t, { tenantLimits: { content_types: ["image/*"], quota_left: 100 } });
  const page = w.page();
  const image = (size, name) => fakeFile(size, name, { type: "image/png" });
  page.uploader.add([image(10, "a.png")]);
  await page.becomes("ready");
  assert.deepEqual([page.uploader.state.limits.types, page.uploader.state.limits.left], [["image/*"], 100]);
  const { added, refused } = page.uploader.add([image(60, "b.png"), image(60, "c.png"), fakeFile(10, "d.txt", { type: "text/plain" }), fakeFile(10, "without-a-type")]);
  assert.equal(added.length, 2);
  assert.deepEqual(refused, [
    { name: "c.png", path: "c.png", code: "quota", left: 40 },
    { name: "d.txt", path: "d.txt", code: "wrong_type", types: ["image/*"] },
  ]);
  const other = w.page({ policy: "documents" });
  other.uploader.add([fakeFile(10, "e.txt", { type: "text/plain" })]);
  await other.becomes("ready");
  assert.equal(other.uploader.state.limits.types, undefined, "another policy has other types");
});

test("paths of folders are kept with the asset", async (t) => {
  const w = world(t);
  const page = w.page({ metadata: { project: 7 } });
  page.uploader.add([{ file: fakeFile(10, "a.txt"), path: "holiday/2026/a.txt" }]);
  await page.becomes("ready");
  assert.deepEqual([...w.service.uploads.values()][0].more.metadata, { project: 7, path: "holiday/2026/a.txt" });
});

test("ten thousand files are added, paused and removed without a long task", async (t) => {
  const w = world(t);
  const page = w.page({ autoStart: false });
  const files = Array.from({ length: 10_000 }, (_, i) => ({ file: { name: `f${i}`, size: 10, type: "", lastModified: 1 } }));
  // The processor's time: others use this machine as well.
  const timed = (work) => {
    const began = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(began);
    return (user + system) / 1000;
  };
  let told = 0;
  page.uploader.subscribe(() => told++);
  const times = [timed(() => page.uploader.add(files)), timed(() => page.uploader.state), timed(() => page.uploader.pause())];
  await w.clock.advance(2000);
  times.push(timed(() => page.uploader.cancel()));
  assert.ok(times.every((time) => time < 200), times.map(Math.round).join(", "));
  assert.ok(told < 10, `${told}`);
});

test("all are paused without one of those in line being begun", async (t) => {
  const w = world(t);
  const page = w.page();
  page.uploader.add(Array.from({ length: 200 }, (_, i) => fakeFile(6 * MIB, `f${i}`)));
  await w.clock.until(() => w.service.putsInFlight > 0);
  page.uploader.pause();
  await turn();
  assert.ok(w.service.uploads.size <= 6);
  assert.ok(page.uploader.state.items.every(({ state }) => state.kind === "paused"));
  page.uploader.cancel();
  await w.clock.until(() => [...w.service.uploads.values()].every(({ state }) => state === "aborted"));
  assert.ok(w.service.uploads.size <= 6);
});

test("listeners are told in batches of 50 milliseconds, with what changed", async (t) => {
  const w = world(t);
  const page = w.page();
  const told = [];
  page.uploader.subscribe((state, changed) => told.push({ at: w.clock.now(), state, changed }));
  const { added: [id] } = page.uploader.add([fakeFile(12 * MIB)]);
  await page.becomes("ready");
  await w.clock.advance(50);
  for (let i = 1; i < told.length; i++) assert.ok(told[i].at - told[i - 1].at >= 50);
  assert.ok(told[0].changed.has(id));
  assert.ok(Object.isFrozen(told[0].state) && Object.isFrozen(told[0].state.items[0]));
});

test("the screen stays on while something is sent, and no longer", async (t) => {
  const w = world(t);
  const page = w.page();
  page.uploader.add([fakeFile(12 * MIB, "a"), fakeFile(12 * MIB, "b")]);
  await w.clock.until(() => page.uploader.state.totals.done === 2);
  assert.deepEqual([page.awake.most, page.awake.count], [2, 0]);
});

test("the time left is right within 15 % after a tenth of the way, at a steady speed", async (t) => {
  const w = world(t);
  const page = w.page();
  page.uploader.add([fakeFile(300 * MIB)]);
  /** @type {[number, number][]} */
  const told = [];
  let end = 0;
  page.uploader.subscribe(({ items: [item], totals }) => {
    if (item.state.kind === "uploading" && item.confirmed > 0.1 * item.size && item.confirmed < 0.8 * item.size && totals.eta) told.push([w.clock.now(), totals.eta]);
    if (item.state.kind === "completing") end ||= w.clock.now();
  });
  // The same speed throughout.
  page.uploader.context.gate.compare = () => {};
  await page.becomes("ready", undefined, 600_000);
  assert.ok(told.length > 5);
  for (const [at, eta] of told) assert.ok(Math.abs(at + eta * 1000 - end) / (end - at) < 0.15, `${eta} at ${end - at}`);
});

test("the time left grows by steps of a fifth at most, when the line becomes slow or holds still for some seconds", () => {
  const bytesAt = {
    halved: (at) => (at < 30_000 ? 100_000 : 50_000),
    "held still": (at) => (at > 30_000 && at < 35_000 ? 0 : 100_000),
    doubled: (at) => (at < 30_000 ? 50_000 : 100_000),
  };
  for (const [name, bytes] of Object.entries(bytesAt)) {
    const meter = new Meter();
    let [left, before] = [120_000_000, Infinity];
    for (let at = 0; at <= 60_000; at += 100) {
      meter.count(bytes(at), at);
      left -= bytes(at);
      if (at % 500 !== 0 || at < 2000) continue;
      const eta = etaOf(left, meter.rate(at));
      assert.ok(eta <= 1.2 * before, `${name}: ${eta} s after ${before} s, ${at} ms from the start`);
      before = eta;
    }
  }
});

test("a meter measures a window, and no pause", () => {
  const meter = new Meter();
  for (let at = 0; at <= 30_000; at += 100) meter.count(at < 15_000 ? 10_000 : 20_000, at);
  assert.ok(Math.abs(meter.rate(30_000) - 200_000) < 5_000);
  meter.reset();
  assert.equal(meter.rate(90_000), undefined);
  assert.deepEqual([etaOf(0, 5), etaOf(10, 0), etaOf(10, 5)], [0, undefined, 2]);
});

test("the reducer refuses what cannot be, and never changes what it was given", () => {
  const item = Object.freeze({ id: "1", name: "a", path: "a", size: 100, type: "", lastModified: 0, hasHandle: false, state: { kind: "uploading" }, sent: 60, confirmed: 40, rate: 5, eta: 9, addedAt: 0 });
  const paused = reduceItem(item, { type: "moved", state: { kind: "paused", by: "user" } });
  assert.deepEqual([paused.sent, paused.confirmed, "rate" in paused], [40, 40, false]);
  assert.equal(reduceItem(paused, { type: "moved", state: { kind: "uploading" } }), paused, "a paused file goes on through the line");
  const ready = reduceItem(item, { type: "moved", state: { kind: "ready", asset: { id: "x" } } });
  assert.equal(ready.confirmed, 100);
  for (const kind of ["queued", "failed", "cancelled", "uploading"]) assert.equal(reduceItem(ready, { type: "moved", state: { kind } }), ready);
  assert.deepEqual([reduceItem(item, { type: "progress", sent: 500, confirmed: 50 }).sent, reduceItem(item, { type: "progress", sent: 10, confirmed: 50 }).sent], [100, 50]);
  assert.ok(!mayMove("rejected", "queued") && mayMove("failed", "queued"));
  const state = reduce(INITIAL, { type: "added", items: [item, { ...item, id: "2", state: { kind: "failed" } }] });
  assert.deepEqual([INITIAL.items.length, state.totals.files, state.totals.bytes, state.totals.failed], [0, 2, 100, 1]);
});

test("a destroyed uploader is silent", async (t) => {
  const w = world(t);
  const page = w.page();
  page.uploader.add([fakeFile(60 * MIB)]);
  await w.clock.until(() => w.service.putsInFlight > 0);
  page.uploader.destroy();
  await turn();
  const { length } = w.service.requests;
  await w.clock.advance(60_000);
  assert.deepEqual([w.service.requests.length, w.service.inFlight], [length, 0]);
  assert.equal(w.storage.items.size, 1, "it can be restored");
});
