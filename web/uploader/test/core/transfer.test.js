// How files travel: small and large ones, signed addresses, concurrency, tus, trouble on the way.

import assert from "node:assert/strict";
import test from "node:test";
import { sha256OfBlob } from "../../src/core/digest.js";
import { MIB, World, fakeFile } from "./fakes.js";

const world = (t, settings = {}) => {
  const one = new World();
  Object.assign(one.service, settings);
  t.after(() => one.close());
  return one;
};

test("a small file is one PUT, bound to its digest", async (t) => {
  const w = world(t);
  const page = w.page();
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("ready");
  const { sent, confirmed } = page.item();
  assert.equal(w.service.puts().length, 1);
  assert.deepEqual([sent, confirmed], [1000, 1000]);
  assert.match([...w.service.uploads.values()][0].more.sha256, /^[0-9a-f]{64}$/);
});

test("a small file is a form where the service says where to, and nothing more is asked", async (t) => {
  const w = world(t, { forms: true });
  const page = w.page();
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("ready");
  const asked = w.service.requests.filter(({ path }) => path !== "/v1/limits" && !path.startsWith("/v1/assets")).map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(asked, ["POST /v1/uploads", "POST /u/gu_u1/form"]);
  assert.equal(w.service.requests.find(({ path }) => path.endsWith("/form")).headers.authorization, undefined, "the address is the credential");
  assert.equal(page.item().confirmed, 1000);
  page.uploader.add([fakeFile(300 * 1024, "larger")]);
  await w.clock.until(() => page.uploader.state.totals.done === 2);
  assert.equal(w.service.requests.filter(({ path }) => path.endsWith("/form")).length, 1, "a larger one goes to the storage");
});

test("a form whose answer is lost is not sent again when the service has it", async (t) => {
  const w = world(t, { forms: true });
  w.service.fault = async ({ path, ...request }) => {
    if (!path.endsWith("/form")) return undefined;
    w.service.form(request, path.split("/")[2]);
    throw new TypeError("Failed to fetch");
  };
  const page = w.page();
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("ready");
  assert.equal(w.service.uploads.size, 1);
  assert.equal(w.service.requests.filter(({ method, path }) => path.endsWith("/form") || method === "PATCH").length, 1);
});

test("a small file whose form is refused goes on in another way", async (t) => {
  const w = world(t, { forms: true });
  w.service.fault = ({ path }) => (path.endsWith("/form") ? { status: 415, header: () => null, text: "" } : undefined);
  const page = w.page();
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("ready");
  assert.deepEqual(w.service.requests.filter(({ method }) => method === "PATCH").map(({ headers }) => headers["upload-offset"]), ["0"]);
});

test("many small files have six requests at most in flight, and a large one before them is not held up", async (t) => {
  const w = world(t, { forms: true });
  const page = w.page();
  const { added: [large] } = page.uploader.add([fakeFile(40 * MIB, "large"), ...Array.from({ length: 300 }, (_, at) => fakeFile(1000 + at, `small ${at}`))]);
  await page.becomes("ready", large, 300_000);
  await w.clock.until(() => page.uploader.state.totals.done === 301, 300_000);
  assert.ok(w.service.mostInFlight <= 6, `${w.service.mostInFlight}`);
});

test("a large file travels in parts with checksums, and is completed with the digest of the whole", async (t) => {
  const w = world(t);
  const page = w.page();
  page.uploader.add([fakeFile(22 * MIB)]);
  await page.becomes("ready");
  const [upload] = w.service.uploads.values();
  assert.deepEqual([...upload.parts.keys()].sort((a, b) => a - b), [1, 2, 3, 4, 5]);
  assert.ok(w.service.puts().every(({ headers }) => headers["x-amz-checksum-sha256"] && !headers["content-length"]));
  assert.match(upload.sha256, /^[0-9a-f]{64}$/);
  assert.equal(page.item().state.verified, true);
});

test("a digest of the whole that a busy device makes after the end is compared then", async (t) => {
  for (const [digest, verified] of [["right", true], ["wrong", false], [null, false]]) {
    const w = world(t, { processingTime: 2000 });
    let done;
    const whole = new Promise((resolve) => { done = resolve; });
    const page = w.page({ ports: { worker: { sha256: (blob, isWhole) => (isWhole ? whole : sha256OfBlob(blob)), close() {} } } });
    page.uploader.add([fakeFile(22 * MIB)]);
    await w.clock.until(() => [...w.service.uploads.values()][0]?.state === "completed");
    // The service has made its own.
    [...w.service.uploads.values()][0].sha256 = "right";
    await page.becomes("ready");
    assert.deepEqual([page.item().state.sha256, "verified" in page.item().state], ["right", false]);
    done(digest);
    await w.clock.advance(100);
    assert.deepEqual([page.kind(), page.item().state.verified], ["ready", verified]);
  }
});

test("an upload that was opened without checksums is sent without them", async (t) => {
  const w = world(t, { refusesChecksums: true });
  const page = w.page();
  page.uploader.add([fakeFile(12 * MIB)]);
  await page.becomes("ready");
  assert.ok(w.service.puts().every(({ headers }) => !headers["x-amz-checksum-sha256"]));
});

test("never more than six requests are in flight, whatever is added", async (t) => {
  const w = world(t);
  const page = w.page();
  page.uploader.add(Array.from({ length: 300 }, (_, i) => fakeFile(2000 + (i % 3 ? 0 : 8 * MIB), `f${i}`)));
  await w.clock.until(() => page.uploader.state.totals.done === 300, 600_000, 200);
  assert.ok(w.service.mostInFlight <= 6, `${w.service.mostInFlight}`);
  assert.ok(w.service.mostPuts > 3, `${w.service.mostPuts}`);
});

test("three parts at first, more while that is faster", async (t) => {
  const w = world(t);
  const page = w.page();
  page.uploader.add([fakeFile(400 * MIB)]);
  await w.clock.until(() => w.service.puts().length >= 3);
  assert.equal(w.service.mostPuts, 3);
  await w.clock.until(() => w.service.mostPuts === 5, 60_000);
});

test("a line that more requests do not make faster keeps its three", async (t) => {
  const w = world(t);
  const page = w.page();
  // All requests share one line.
  Object.defineProperty(w.service, "speed", { get: () => MIB / 100 / Math.max(1, w.service.putsInFlight) });
  page.uploader.add([fakeFile(300 * MIB)]);
  await page.becomes("ready", undefined, 600_000);
  assert.ok(w.service.mostPuts <= 4, `${w.service.mostPuts}`);
});

test("addresses are signed in small batches, at most twice as many ahead as there are requests", async (t) => {
  const w = world(t);
  const page = w.page();
  page.uploader.add([fakeFile(300 * MIB)]);
  let most = 0;
  await w.clock.until(() => {
    const signed = w.service.requests.filter(({ path }) => path.endsWith("/urls")).reduce((sum, { json }) => sum + json.parts.length, 0);
    most = Math.max(most, signed - w.service.puts().length);
    return page.kind() === "ready";
  }, 600_000);
  const batches = w.service.requests.filter(({ path }) => path.endsWith("/urls"));
  assert.ok(Math.max(...batches.map(({ json }) => json.parts.length)) <= 10);
  assert.ok(most <= 10, `${most} ahead`);
});

test("addresses that live for 20 seconds carry an upload of five minutes, without one refused", async (t) => {
  const w = world(t, { urlLife: 20_000, speed: (5 * MIB) / 9000 });
  const page = w.page();
  page.uploader.add([fakeFile(500 * MIB)]);
  await page.becomes("ready", undefined, 600_000);
  assert.ok(w.clock.now() - 1_000_000 > 180_000);
  assert.equal(w.service.puts().filter(({ response }) => response.status === 403).length, 0);
});

test("a 403 gets a fresh address at once, and uses up no try", async (t) => {
  const w = world(t);
  const page = w.page();
  let refused = 0;
  w.service.fault = ({ body, url }) => {
    if (!(body instanceof Blob) || !url.includes("part=2&") || refused++ > 0) return undefined;
    return { status: 403, header: () => null, text: "<Error><Code>AccessDenied</Code></Error>" };
  };
  const kinds = new Set();
  page.uploader.subscribe((state) => kinds.add(state.items[0].state.kind));
  page.uploader.add([fakeFile(12 * MIB)]);
  await page.becomes("ready");
  const second = w.service.puts().filter(({ url }) => url.includes("part=2&"));
  assert.equal(second.length, 2);
  assert.notEqual(second[0].url, second[1].url);
  assert.ok(!kinds.has("waiting"));
});

test("a storage that refuses for good ends all lanes, and the row says why", async (t) => {
  const w = world(t);
  const page = w.page();
  w.service.fault = ({ body, url }) => (body instanceof Blob && url.includes("part=3&")
    ? { status: 404, header: () => "req-9", text: "<Error><Code>NoSuchBucket</Code><Message>Gone.</Message><RequestId>req-9</RequestId></Error>" } : undefined);
  page.uploader.add([fakeFile(100 * MIB)]);
  await page.becomes("failed");
  const { problem } = page.item().state;
  assert.deepEqual(problem, { code: "storage", message: "The storage answered 404.", retryable: false, requestId: "req-9", detail: "NoSuchBucket: Gone." });
  const { length } = w.service.requests;
  await w.clock.advance(60_000);
  assert.equal(w.service.requests.length, length, "nothing goes on");
  assert.equal(page.item().sent, page.item().confirmed);
  assert.equal(w.service.requests.filter(({ method }) => method === "DELETE").length, 0);
});

test("a busy storage is tried again with growing pauses, and told as waiting only while nothing moves", async (t) => {
  const w = world(t);
  const page = w.page();
  let busy = true;
  w.service.fault = ({ body }) => (body instanceof Blob && busy ? { status: 503, header: () => null, text: "" } : undefined);
  page.uploader.add([fakeFile(12 * MIB)]);
  await page.becomes("waiting");
  const { state } = page.item();
  assert.equal(state.problem.code, "storage");
  assert.ok(state.until > w.clock.now() - 1000 && state.attempt >= 1);
  busy = false;
  await page.becomes("ready");
});

test("a stalled request is given up after 30 seconds and sent again", async (t) => {
  const w = world(t);
  const page = w.page();
  let hung = 0;
  w.service.fault = ({ body, url }) => (body instanceof Blob && url.includes("part=2&") && hung++ === 0 ? "hang" : undefined);
  page.uploader.add([fakeFile(12 * MIB)]);
  await w.clock.until(() => hung === 1);
  const began = w.clock.now();
  await page.becomes("ready", undefined, 60_000);
  assert.ok(w.clock.now() - began >= 30_000 && w.clock.now() - began < 35_000, `${w.clock.now() - began}`);
  assert.equal(hung, 2);
});

test("an abort that nobody asked for is a lost connection", async (t) => {
  const w = world(t);
  const page = w.page();
  let aborted = 0;
  const { send } = w.service;
  w.service.send = async (request) => {
    if (request.body instanceof Blob && aborted++ === 1) throw new DOMException("The operation was aborted.", "AbortError");
    return send(request);
  };
  page.uploader.add([fakeFile(12 * MIB)]);
  await page.becomes("ready");
  assert.equal(w.service.requests.filter(({ method }) => method === "DELETE").length, 0);
});

test("parts that the completion misses are sent again", async (t) => {
  const w = world(t);
  const page = w.page();
  let lost = false;
  w.service.fault = ({ path }) => {
    if (!path.endsWith("/complete") || lost) return undefined;
    lost = true;
    [...w.service.uploads.values()][0].parts.delete(2);
    return undefined;
  };
  page.uploader.add([fakeFile(12 * MIB)]);
  await page.becomes("ready");
  assert.equal(w.service.puts().length, 4);
});

test("a credential that ran out is asked for again", async (t) => {
  const w = world(t);
  const given = [];
  const page = w.page({ token: ({ file }) => {
    given.push(file);
    return given.length === 1 ? "gk_old" : "gk_key";
  } });
  page.uploader.add([fakeFile(1000, "a.txt")]);
  await page.becomes("ready");
  assert.equal(given.length, 2);
  assert.equal(given[0].name, "a.txt");
  assert.match(given[0].fingerprint, /^web-[0-9a-f]{32}$/);
});

test("a page that gives no permission is told as such", async (t) => {
  const w = world(t);
  const refusal = Object.assign(new Error("You may not send files here."), { status: 403 });
  const page = w.page({ token: async () => { throw refusal; } });
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("failed");
  assert.deepEqual(page.item().state.problem, { code: "token", message: "You may not send files here.", retryable: false });
});

test("the backend's own answer is passed on", async (t) => {
  const w = world(t);
  const page = w.page({ grant: async ({ file }) => w.service.opened(w.service.open({ size: file.size, filename: file.name })) });
  page.uploader.add([fakeFile(12 * MIB), fakeFile(500, "small")]);
  await w.clock.until(() => page.uploader.state.totals.done === 2);
  assert.ok(w.service.requests.every(({ path, method }) => path !== "/v1/uploads" || method !== "POST"));
});

test("a permission for a file of another size is refused before a byte is sent", async (t) => {
  const w = world(t);
  const page = w.page({ grant: async () => w.service.opened(w.service.open({ size: 99 })) });
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("failed");
  assert.equal(page.item().state.problem.code, "other_file");
  assert.equal(w.service.puts().length, 0);
});

test("tus where the opened upload says so: cut off, it goes on at the service's offset", async (t) => {
  const w = world(t);
  const page = w.page({ grant: async ({ file }) => w.service.opened(w.service.open({ size: file.size, method: "append" })) });
  let patches = 0;
  w.service.fault = ({ method }) => (method === "PATCH" && ++patches === 2 ? "cut" : undefined);
  page.uploader.add([fakeFile(80 * MIB)]);
  await page.becomes("ready");
  assert.deepEqual(w.service.requests.filter(({ method }) => method === "PATCH").map(({ headers }) => Number(headers["upload-offset"]) / MIB), [0, 32, 32, 64]);
  assert.equal(w.service.requests.filter(({ method }) => method === "HEAD").length, 2);
});

test("somebody else's upload of the same file is left alone", async (t) => {
  const w = world(t);
  const page = w.page();
  w.service.fault = ({ path, json, method, headers }) => {
    if (path !== "/v1/uploads" || method !== "POST") return undefined;
    if (json.external_id) return { status: 409, header: () => null, text: JSON.stringify({ code: "conflict", detail: "", retryable: false }) };
    assert.ok(headers["idempotency-key"]);
    return undefined;
  };
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("ready");
});
