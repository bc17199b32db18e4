// What goes wrong outside: the network, the file, other tabs, the end of a page.

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { ENDPOINT, MIB, STORE, World, fakeFile, turn } from "./fakes.js";

const world = (t, settings = {}) => {
  const one = new World();
  Object.assign(one.service, settings);
  t.after(() => one.close());
  return one;
};
const some = (w, count = 1) => w.clock.until(() => w.service.puts().filter(({ response }) => response?.status === 200).length >= count, 60_000);

test("five minutes without a network use up no try, and bytes flow within three seconds of its return", async (t) => {
  const w = world(t);
  const page = w.page();
  page.uploader.add([fakeFile(60 * MIB)]);
  await some(w, 2);
  w.service.reachable = false;
  w.network.set(false);
  await page.becomes("offline");
  assert.equal(w.service.inFlight, 0, "nothing hangs on a network that is gone");
  assert.equal(page.uploader.state.online, false);
  await w.clock.advance(300_000);
  assert.equal(page.kind(), "offline");
  const before = w.service.puts().length;
  const back = w.clock.now();
  w.service.reachable = true;
  w.network.set(true);
  await w.clock.until(() => w.service.puts().length > before, 3000);
  assert.ok(w.clock.now() - back < 3000);
  await page.becomes("ready");
  assert.equal(page.uploader.state.online, true);
});

test("a night without a service, while the browser takes itself for online, is waited out as well", async (t) => {
  const w = world(t);
  const page = w.page();
  page.uploader.add([fakeFile(60 * MIB)]);
  await some(w, 2);
  w.service.reachable = false;
  await page.becomes("offline", undefined, 40_000);
  await w.clock.advance(2 * 3600_000);
  assert.equal(page.kind(), "offline");
  const before = w.service.puts().length;
  w.service.reachable = true;
  await w.clock.until(() => w.service.puts().length > before, 3000);
  await page.becomes("ready");
});

test("a storage that is away alone is noticed and waited for", async (t) => {
  const w = world(t);
  const page = w.page();
  w.service.reachable = [ENDPOINT];
  page.uploader.add([fakeFile(12 * MIB)]);
  await page.becomes("offline", undefined, 40_000);
  await w.clock.advance(60_000);
  assert.equal(page.kind(), "offline");
  w.service.reachable = [ENDPOINT, STORE];
  await w.clock.until(() => w.service.putsInFlight > 0, 3000);
  await page.becomes("ready");
});

test("what was added without a network is sent with it", async (t) => {
  const w = world(t);
  w.network.set(false);
  w.service.reachable = false;
  const page = w.page();
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("offline");
  await w.clock.advance(60_000);
  w.service.reachable = true;
  w.network.set(true);
  await page.becomes("ready");
});

test("connections that break although the other side is there come to an end", async (t) => {
  const w = world(t);
  const page = w.page();
  w.service.fault = ({ body }) => (body instanceof Blob ? "cut" : undefined);
  page.uploader.add([fakeFile(12 * MIB)]);
  await page.becomes("failed", undefined, 1_200_000);
  assert.deepEqual([page.item().state.problem.code, page.item().state.problem.retryable], ["network", true]);
  w.service.fault = () => undefined;
  page.uploader.retry(page.item().id);
  await page.becomes("ready");
});

test("a size that a proxy refuses without a readable answer is named as such, and can be tried again", async (t) => {
  const w = world(t);
  const page = w.page();
  w.service.fault = ({ body }) => (body instanceof Blob && body.size > MIB ? "cut" : undefined);
  page.uploader.add([fakeFile(12 * MIB)]);
  await page.becomes("failed", undefined, 30_000);
  const { problem } = page.item().state;
  assert.deepEqual([problem.code, problem.retryable], ["body_limit", true]);
  assert.match(problem.message, /client_max_body_size/);
  assert.ok(w.service.puts().length <= 3 * 3 + 2, `${w.service.puts().length} bodies were sent`);
  w.service.fault = () => undefined;
  page.uploader.retry(page.item().id);
  await page.becomes("ready");
});

test("a line that breaks after bodies of the same size got through is no proxy that refuses them", async (t) => {
  const w = world(t);
  const page = w.page();
  page.uploader.add([fakeFile(60 * MIB)]);
  await some(w, 2);
  w.service.fault = ({ body }) => (body instanceof Blob && body.size > MIB ? "cut" : undefined);
  await page.becomes("failed", undefined, 1_200_000);
  assert.equal(page.item().state.problem.code, "network");
});

test("a job in many lanes leaves one listener at its signal, and none of those who waited", async (t) => {
  const w = world(t);
  const page = w.page();
  const warnings = [];
  const warned = (warning) => warnings.push(warning.message);
  process.on("warning", warned);
  t.after(() => process.off("warning", warned));
  page.uploader.add([fakeFile(60 * MIB)]);
  await some(w, 6);
  const [{ job }] = page.uploader.entries.values();
  assert.equal(getEventListeners(job.signal, "abort").length, 1);
  await page.becomes("ready");
  assert.deepEqual(warnings.filter((text) => text.includes("MaxListeners")), []);
});

test("a file that vanished is told at once, and again at the next try; nothing is aborted", async (t) => {
  const w = world(t);
  const page = w.page();
  const file = fakeFile(60 * MIB);
  page.uploader.add([file]);
  await some(w, 2);
  file.gone = true;
  w.service.fault = ({ body }) => (body instanceof Blob ? "cut" : undefined);
  await page.becomes("failed", undefined, 2000);
  assert.equal(page.item().state.problem.code, "file_unreadable");
  assert.equal(page.item().state.problem.retryable, false);
  page.uploader.retry(page.item().id);
  await page.becomes("failed", undefined, 1000);
  assert.equal(page.item().state.problem.code, "file_unreadable");
  assert.equal(w.service.requests.filter(({ method }) => method === "DELETE").length, 0);
});

test("a file that was changed meanwhile is not completed", async (t) => {
  const w = world(t);
  const page = w.page();
  const file = fakeFile(12 * MIB);
  const handle = { getFile: async () => handle.now, now: file };
  page.uploader.add([{ file, handle }]);
  await some(w, 1);
  handle.now = fakeFile(12 * MIB, "file.bin", { lastModified: 2000 });
  await page.becomes("failed");
  assert.equal(page.item().state.problem.code, "file_changed");
  assert.ok(!w.service.requests.some(({ path }) => path.endsWith("/complete")));
});

test("pause ends requests at once and keeps what is confirmed; resume sends the rest", async (t) => {
  const w = world(t);
  const page = w.page();
  page.uploader.add([fakeFile(60 * MIB)]);
  await some(w, 3);
  page.uploader.pause();
  await turn();
  const paused = page.item();
  assert.deepEqual([paused.state, w.service.inFlight, paused.sent], [{ kind: "paused", by: "user" }, 0, paused.confirmed]);
  assert.ok(paused.confirmed >= 3 * 5 * MIB);
  const { length } = w.service.requests;
  await w.clock.advance(120_000);
  assert.equal(w.service.requests.length, length);
  page.uploader.resume();
  await page.becomes("ready");
  const [upload] = w.service.uploads.values();
  assert.equal(upload.again ?? 0, 0, "no part that is there is sent again");
});

test("pause and resume in one breath leave one job", async (t) => {
  const w = world(t);
  const page = w.page();
  page.uploader.add([fakeFile(60 * MIB)]);
  await some(w, 1);
  for (let i = 0; i < 5; i++) {
    page.uploader.pause();
    page.uploader.resume();
  }
  await page.becomes("ready");
  assert.equal(w.service.uploads.size, 1);
  assert.ok(w.service.mostInFlight <= 6);
});

test("cancel asks the service to forget, remove takes the row, others go on", async (t) => {
  const w = world(t);
  const page = w.page();
  const { added: [first, second] } = page.uploader.add([fakeFile(60 * MIB, "a"), fakeFile(60 * MIB, "b")]);
  await some(w, 2);
  page.uploader.cancel(first);
  await turn();
  assert.equal(page.kind(first), "cancelled");
  assert.equal(page.item(first).confirmed, 0);
  await w.clock.until(() => [...w.service.uploads.values()].some(({ state }) => state === "aborted"));
  page.uploader.remove(first);
  assert.equal(page.uploader.state.items.length, 1);
  await page.becomes("ready", second);
});

test("a page that dies leaves what the next one needs: the same file chosen again sends only what is missing", async (t) => {
  const w = world(t);
  const before = w.page();
  const file = fakeFile(60 * MIB);
  before.uploader.add([file]);
  await some(w, 5);
  await w.clock.advance(1000);
  await before.die();
  const stored = JSON.stringify([...w.storage.items.values()]);
  assert.ok(!stored.includes("gk_key") && stored.includes("sample"));

  const page = w.page();
  await page.uploader.restore();
  await page.becomes("needs-file");
  const item = page.item();
  const there = [...w.service.uploads.values()][0].parts.size;
  assert.ok(there >= 5);
  assert.deepEqual([item.name, item.size, item.lastModified, item.confirmed], ["file.bin", 60 * MIB, 1000, there * 5 * MIB]);
  const sent = w.service.puts().length;
  const told = await page.uploader.reselect([fakeFile(9, "file.bin"), fakeFile(60 * MIB, "file.bin", { fill: 8 }), fakeFile(60 * MIB), fakeFile(3, "other")]);
  assert.deepEqual([told.matched, told.different.map(({ reason }) => reason), told.unknown.map(({ name }) => name)], [[item.id], ["size", "content"], ["other"]]);
  await page.becomes("ready");
  assert.equal(w.service.puts().length - sent, 12 - there);
  await w.clock.advance(1000);
  assert.equal(w.storage.items.size, 0, "nothing is left of what is ready");
});

test("with a handle that may be read, nobody is asked for anything", async (t) => {
  const w = world(t);
  const before = w.page();
  const file = fakeFile(60 * MIB);
  const handle = { getFile: async () => file, queryPermission: async () => "granted" };
  before.uploader.add([{ file, handle }]);
  await some(w, 5);
  await w.clock.advance(1000);
  await before.die();
  const page = w.page();
  await page.uploader.restore();
  await page.becomes("ready");
});

test("a handle that must be asked for is, when the user says go on", async (t) => {
  const w = world(t);
  const before = w.page();
  const file = fakeFile(60 * MIB);
  let permission = "prompt";
  const handle = { getFile: async () => file, queryPermission: async () => permission, requestPermission: async () => (permission = "granted") };
  before.uploader.add([{ file, handle }]);
  await some(w, 2);
  await w.clock.advance(1000);
  await before.die();
  const page = w.page();
  await page.uploader.restore();
  await page.becomes("needs-file");
  assert.equal(page.item().hasHandle, true);
  page.uploader.resume(page.item().id);
  await page.becomes("ready");
});

test("what the service had all of becomes ready without the file", async (t) => {
  const w = world(t);
  const before = w.page();
  before.uploader.add([fakeFile(60 * MIB, "whole"), fakeFile(900, "small")]);
  w.service.fault = ({ path }) => (path.endsWith("/complete") ? "hang" : undefined);
  await w.clock.until(() => before.uploader.state.items.every(({ state }) => state.kind === "completing"));
  await w.clock.advance(1000);
  await before.die();
  w.service.fault = () => undefined;
  const page = w.page();
  await page.uploader.restore();
  await w.clock.until(() => page.uploader.state.totals.done === 2);
});

test("an upload that the service gave up meanwhile starts anew once the file is there", async (t) => {
  const w = world(t);
  const before = w.page();
  before.uploader.add([fakeFile(60 * MIB)]);
  await some(w, 5);
  await w.clock.advance(1000);
  await before.die();
  for (const upload of w.service.uploads.values()) upload.state = "expired";
  const page = w.page();
  await page.uploader.restore();
  await page.becomes("needs-file");
  assert.equal(page.item().confirmed, 0);
  await page.uploader.reselect([fakeFile(60 * MIB)]);
  await page.becomes("ready");
});

test("files that were only in line are asked for again", async (t) => {
  const w = world(t);
  const before = w.page({ autoStart: false });
  before.uploader.add([fakeFile(10, "a"), fakeFile(20, "b")]);
  await w.clock.advance(1000);
  await before.die();
  const page = w.page();
  await page.uploader.restore();
  assert.deepEqual(page.uploader.state.items.map(({ name, state }) => [name, state.kind]), [["a", "needs-file"], ["b", "needs-file"]]);
  await page.uploader.reselect([fakeFile(20, "b"), fakeFile(10, "a")]);
  await w.clock.until(() => page.uploader.state.totals.done === 2);
});

test("one tab drives an upload; when it dies, the other goes on", async (t) => {
  const w = world(t);
  const [first, second] = [w.page(), w.page()];
  const file = fakeFile(60 * MIB);
  const handle = { getFile: async () => file, queryPermission: async () => "granted" };
  first.uploader.add([{ file, handle }]);
  await some(w, 2);
  await w.clock.advance(1000);
  await second.uploader.restore();
  await turn();
  assert.equal(second.uploader.state.items.length, 0, "it is the first one's");
  await first.die();
  await w.clock.until(() => second.uploader.state.items.length === 1);
  await second.becomes("ready");
  assert.equal(w.service.uploads.size, 1);
});

test("the same file in two tabs is sent by one of them", async (t) => {
  const w = world(t);
  const [first, second] = [w.page(), w.page()];
  first.uploader.add([fakeFile(60 * MIB)]);
  await some(w, 1);
  second.uploader.add([fakeFile(60 * MIB)]);
  await second.becomes("paused");
  assert.deepEqual(second.item().state, { kind: "paused", by: "app" });
  await first.becomes("ready");
  await second.becomes("ready");
  assert.equal(w.service.uploads.size, 1);
  assert.equal([...w.service.uploads.values()][0].again ?? 0, 0);
});
