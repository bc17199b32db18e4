// The protocol that the page has chosen: tus and the IETF's resumable uploads carry the bytes through the service, with the same states,
// retries and resumption as the ordinary way.

import assert from "node:assert/strict";
import test from "node:test";
import { MIB, STORE, World, fakeFile } from "./fakes.js";

const PATHS = { tus: "/tus", ietf: "/files" };

const world = (t, settings = {}) => {
  const one = new World();
  Object.assign(one.service, settings);
  t.after(() => one.close());
  return one;
};

/** The offsets of all appends, in MiB. */
const offsets = ({ service }) => service.requests.filter(({ method }) => method === "PATCH").map(({ headers }) => Number(headers["upload-offset"]) / MIB);

for (const [protocol, path] of Object.entries(PATHS)) {
  test(`${protocol} carries files of every size through the service alone`, async (t) => {
    const w = world(t, { forms: true });
    const page = w.page({ protocol });
    const kinds = new Set();
    page.uploader.subscribe((state) => state.items.forEach(({ state: { kind } }) => kinds.add(kind)));
    page.uploader.add([fakeFile(70 * MIB, "large"), fakeFile(1000, "small"), fakeFile(0, "empty")]);
    await w.clock.until(() => page.uploader.state.totals.done === 3);
    assert.deepEqual(w.service.requests.filter(({ origin, path: asked }) => origin === STORE || asked.endsWith("/form")), []);
    const appends = w.service.requests.filter(({ method }) => method === "PATCH");
    assert.ok(appends.every(({ path: asked }) => asked.startsWith(`${path}/`)));
    assert.equal(appends.length, 4, "three for the large file, one for the small one");
    assert.ok([...w.service.uploads.values()].every(({ method, state }) => method === "append" && state === "completed"));
    for (const item of page.uploader.state.items.filter(({ size }) => size > 0)) assert.deepEqual([item.confirmed, item.state.verified], [item.size, true]);
    assert.deepEqual(["uploading", "completing", "ready"].filter((kind) => !kinds.has(kind)), []);
  });

  test(`${protocol}, cut off, goes on at the service's offset`, async (t) => {
    const w = world(t);
    const page = w.page({ protocol });
    let patches = 0;
    w.service.fault = ({ method }) => (method === "PATCH" && ++patches === 2 ? "cut" : undefined);
    page.uploader.add([fakeFile(80 * MIB)]);
    await page.becomes("ready");
    assert.deepEqual(offsets(w), [0, 32, 32, 64]);
    assert.equal(w.service.requests.filter(({ method, path: asked }) => method === "HEAD" && asked.startsWith(`${path}/`)).length, 2);
  });

  test(`${protocol} asks where to go on when somebody else has appended`, async (t) => {
    const w = world(t);
    const page = w.page({ protocol });
    w.service.fault = ({ method, headers }) => {
      const [upload] = w.service.uploads.values();
      if (method === "PATCH" && headers["upload-offset"] === String(32 * MIB) && upload.offset === 32 * MIB) upload.offset = 48 * MIB;
      return undefined;
    };
    page.uploader.add([fakeFile(64 * MIB)]);
    await page.becomes("ready");
    assert.deepEqual(offsets(w), [0, 32, 48]);
  });

  test(`${protocol} waits for a service that is busy, and tells so`, async (t) => {
    const w = world(t);
    const page = w.page({ protocol });
    let refused = 0;
    w.service.fault = ({ method }) => (method === "PATCH" && refused++ < 3 ? { status: 503, header: () => null, text: JSON.stringify({ code: "unavailable", detail: "Busy.", retryable: true }) } : undefined);
    page.uploader.add([fakeFile(20 * MIB)]);
    await page.becomes("waiting");
    assert.equal(page.item().state.problem.code, "unavailable");
    await page.becomes("ready");
    assert.deepEqual(offsets(w), [0, 0, 0, 0]);
  });

  test(`${protocol} goes on after a reload with what is missing`, async (t) => {
    const w = world(t);
    const first = w.page({ protocol });
    first.uploader.add([fakeFile(100 * MIB)]);
    await w.clock.until(() => first.item().confirmed >= 64 * MIB);
    await first.die();
    const second = w.page({ protocol });
    await second.uploader.restore();
    await second.becomes("needs-file");
    assert.equal(second.item().confirmed, 64 * MIB);
    const before = offsets(w).length;
    await second.uploader.reselect([fakeFile(100 * MIB)]);
    await second.becomes("ready");
    assert.deepEqual(offsets(w).slice(before), [64, 96]);
    assert.equal(w.service.uploads.size, 1);
  });

  test(`${protocol} pauses at once and goes on`, async (t) => {
    const w = world(t);
    const page = w.page({ protocol });
    page.uploader.add([fakeFile(100 * MIB)]);
    await w.clock.until(() => page.item().confirmed >= 32 * MIB);
    page.uploader.pause();
    assert.equal(page.kind(), "paused");
    await w.clock.advance(10_000);
    assert.deepEqual([w.service.inFlight, page.item().confirmed], [0, 32 * MIB]);
    page.uploader.resume();
    await page.becomes("ready");
  });

  test(`${protocol} tells the length where the grant leaves it open`, async (t) => {
    const w = world(t);
    const page = w.page({ protocol, token: () => w.service.open({ method: "append" }).grant });
    page.uploader.add([fakeFile(5 * MIB)]);
    await page.becomes("ready");
    const [creation] = w.service.requests.filter(({ method, path: asked }) => method === "POST" && asked === path);
    assert.equal(creation.headers["upload-length"], String(5 * MIB));
    assert.equal(creation.headers["upload-metadata"], `filename ${btoa("file.bin")}`);
  });
}

test("an upload that the backend has opened for parts keeps them", async (t) => {
  const w = world(t);
  const page = w.page({ protocol: "ietf", grant: async ({ file }) => w.service.opened(w.service.open({ size: file.size })) });
  page.uploader.add([fakeFile(12 * MIB)]);
  await page.becomes("ready");
  assert.deepEqual([w.service.puts().length, offsets(w).length], [3, 0]);
});

test("a protocol that is none is refused where the uploader is made", (t) => {
  const w = world(t);
  assert.throws(() => w.page({ protocol: "ftp" }), /protocol must be "auto", "tus" or "ietf"/);
});
