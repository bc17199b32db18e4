// The client against a running service. tests/sdk/run.sh runs it on the installed packages.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import test, { after, before } from "node:test";
import * as gantry from "@gantry/client";

const { Service } = await import(process.env.SERVICE_MODULE ?? "../../../../tests/clients/service.mjs");
const { Client } = gantry;
const BIG = randomBytes(37_000_000);
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const DIGEST = sha256(BIG);
let service, client, dir;

before(async () => {
  service = await Service.start({ GANTRY_WEBHOOKS__ALLOW_HTTP: "true", GANTRY_WEBHOOKS__ALLOW_NETWORKS: "127.0.0.0/8" });
  client = new Client({ url: service.url, key: service.key });
  dir = await mkdtemp(join(tmpdir(), "gantry-sdk-"));
  await writeFile(join(dir, "film.bin"), BIG);
});
after(async () => {
  await service.stop();
  await rm(dir, { recursive: true, force: true });
});

/** Fetch whose answers are lost as `broken(method, url, headers)` says, after the service has done what was asked. */
const unreliable = (broken) => async (input, init = {}) => {
  const lost = broken(init.method ?? "GET", new URL(input), new Headers(init.headers));
  const answer = await fetch(input, init);
  if (!lost) return answer;
  await answer.arrayBuffer();
  throw new TypeError("cut");
};

const bytesOf = async ({ body }) => Buffer.concat(await Array.fromAsync?.(body) ?? await all(body));
async function all(iterable) {
  const found = [];
  for await (const one of iterable) found.push(one);
  return found;
}

test("a path travels in parts and comes back", async () => {
  const told = [];
  const asset = await client.upload(join(dir, "film.bin"), { metadata: { shelf: 3 }, onProgress: ({ sent }) => told.push(sent) });
  assert.deepEqual([asset.state, asset.size, asset.sha256, asset.filename, asset.metadata], ["ready", BIG.length, DIGEST, "film.bin", { shelf: 3 }]);
  assert.equal(told.at(-1), BIG.length);
  await client.downloadTo(asset.id, join(dir, "back.bin"));
  assert.equal(sha256(await readFile(join(dir, "back.bin"))), DIGEST);
  assert.deepEqual(await bytesOf(await client.download(asset.id, { start: 10, end: 20 })), BIG.subarray(10, 20));
  assert.deepEqual(await bytesOf(await client.download(asset.id, { start: BIG.length - 5, delivery: "stream" })), BIG.subarray(-5));
});

test("Blobs, Files and buffers", async () => {
  const blob = await client.upload(new Blob(["hello"], { type: "text/plain" }), { filename: "a.txt" });
  assert.deepEqual([blob.size, blob.content_type, blob.filename], [5, "text/plain", "a.txt"]);
  const file = await client.upload(new File([BIG], "b.bin", { lastModified: 5 }));
  assert.deepEqual([file.sha256, file.filename], [DIGEST, "b.bin"]);
  assert.equal((await client.upload(Buffer.from("12345"))).size, 5);
  assert.equal((await client.upload(new Uint8Array(0))).size, 0);
});

test("streams of unknown length, although answers are lost", async () => {
  const lost = new Set();
  const broken = (method, _, headers) => method === "PATCH" && !lost.has(headers.get("upload-offset")) && lost.add(headers.get("upload-offset"));
  const shaky = new Client({ url: service.url, key: service.key, fetch: unreliable(broken), retry: { first: 10 } });
  const asset = await shaky.upload(Readable.from([BIG.subarray(0, 1000), BIG.subarray(1000)]), { filename: "s.bin", metadata: { from: "a pipe" } });
  assert.deepEqual([asset.sha256, asset.filename, asset.metadata], [DIGEST, "s.bin", { from: "a pipe" }]);
  assert.ok(lost.size > 4);
  assert.equal((await client.upload(new Blob([BIG.subarray(0, 16 * 2 ** 20)]).stream())).size, 16 * 2 ** 20);
  assert.equal((await client.upload(Readable.from([]))).size, 0);
});

test("another process goes on with what a killed one began", async () => {
  const path = join(dir, "killed.bin");
  await writeFile(path, BIG);
  const code = `import { Client } from "@gantry/client";
    const onProgress = ({ sent }) => { if (sent >= 16_000_000) process.exit(9); };
    await new Client({ url: ${JSON.stringify(service.url)}, key: ${JSON.stringify(service.key)} }).upload(${JSON.stringify(path)}, { parallel: 2, onProgress });`;
  const { status } = spawnSync(process.execPath, ["--input-type=module", "-e", code], { cwd: new URL(".", import.meta.url), stdio: ["ignore", "ignore", "inherit"] });
  assert.equal(status, 9);
  let sent = 0;
  const counting = (input, init) => {
    if (init?.method === "PUT") sent += init.body.size;
    return fetch(input, init);
  };
  const asset = await new Client({ url: service.url, key: service.key, fetch: counting }).upload(path);
  assert.equal(asset.sha256, DIGEST);
  assert.ok(sent <= BIG.length - 16_000_000, `${sent} bytes were sent again`);
  assert.equal((await client.upload(path)).sha256, DIGEST);
});

test("another file of the same name, size and time is another file", async () => {
  const file = (byte) => new File([new Uint8Array(20_000_000).fill(byte)], "same.bin", { lastModified: 7 });
  const enough = new AbortController();
  const begun = client.upload(file(1), { parallel: 2, signal: enough.signal, onProgress: ({ sent }) => { if (sent > 0) enough.abort(new Error("enough")); } });
  await assert.rejects(begun, /enough/);
  assert.equal((await client.upload(file(2))).sha256, sha256(Buffer.alloc(20_000_000, 2)));
});

test("answers that are lost change nothing", async () => {
  const counts = new Map();
  const broken = (method, url) => {
    const key = `${method} ${url.pathname} ${url.searchParams.get("partNumber")}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    return counts.get(key) === 1 && method !== "HEAD" && url.pathname !== "/v1/limits";
  };
  const shaky = new Client({ url: service.url, key: service.key, fetch: unreliable(broken), retry: { first: 10 } });
  const asset = await shaky.upload(new Blob([BIG]), { externalId: "lossy", filename: "lossy.bin" });
  const link = await shaky.links.create(asset.id, { uses: 1 });
  assert.equal((await all(client.assets.list({ external_id: "lossy" }))).length, 1);
  assert.deepEqual((await all(client.links.list({ asset: asset.id }))).map(({ id }) => id), [link.id]);
});

test("a download goes on after breaks, and is checked", async (t) => {
  const asset = await client.upload(join(dir, "film.bin"));
  let cuts = 0;
  // A proxy that ends connections in the middle.
  const proxy = createServer((incoming, outgoing) => {
    const { hostname, port } = new URL(service.url);
    incoming.pipe(request({ hostname, port, path: incoming.url, method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      let sent = 0;
      answer.on("data", (chunk) => {
        outgoing.write(chunk);
        if ((sent += chunk.length) > 4_000_000 && cuts < 3 && ++cuts) outgoing.destroy(), answer.destroy();
      });
      answer.on("end", () => outgoing.end());
      answer.on("error", () => {});
    }));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => proxy.once("listening", resolve));
  t.after(() => proxy.close());
  const cut = new Client({ url: `http://127.0.0.1:${proxy.address().port}`, key: service.key, retry: { first: 10 } });
  assert.equal(sha256(await bytesOf(await cut.download(asset.id, { delivery: "stream" }))), DIGEST);
  assert.equal(cuts, 3);
  await writeFile(join(dir, "part.bin.part"), BIG.subarray(0, 30_000_000));
  await client.downloadTo(asset.id, join(dir, "part.bin"));
  assert.equal(sha256(await readFile(join(dir, "part.bin"))), DIGEST);
  await writeFile(join(dir, "part.bin.part"), "other bytes");
  await assert.rejects(client.downloadTo(asset.id, join(dir, "part.bin")), gantry.DigestMismatchError);
});

test("a grant for a browser is good for one upload alone", async () => {
  const opened = await client.uploads.create({ max_size: 1000, content_types: ["image/*"], expires_in: "1h" });
  const form = new FormData();
  form.set("file", new File([Buffer.from("\x89PNG\r\n\x1a\n", "latin1")], "a.png", { type: "image/png" }));
  assert.equal((await fetch(opened.endpoints.form, { method: "POST", body: form })).status, 200);
  const other = await client.uploads.create({ filename: "b", size: 5 });
  await assert.rejects(new Client({ url: service.url, token: () => opened.grant }).uploads.get(other.upload.id), gantry.GantryError);
  await client.uploads.abort(other.upload.id);
});

test("assets, links and errors", async () => {
  const made = [];
  for (const n of [1, 2, 3]) made.push(await client.upload(Buffer.from(`number ${n}`), { filename: `n${n}.txt`, metadata: { kind: "listed" } }));
  assert.deepEqual((await all(client.assets.list({ limit: 2, metadata: { kind: "listed" } }))).map(({ id }) => id).sort(), made.map(({ id }) => id).sort());
  assert.equal((await client.assets.getMany([...made.map(({ id }) => id), "nobody"])).size, 3);
  assert.equal((await client.assets.update(made[0].id, { filename: "other.txt" })).filename, "other.txt");
  const link = await client.links.create(made[1].id, { expires_in: "1h", uses: 1 });
  assert.equal(await (await fetch(link.url)).text(), "number 2");
  await client.links.revoke(link.id);
  assert.ok([404, 410].includes((await fetch(link.url)).status));
  await client.assets.delete(made[2].id);
  await assert.rejects(client.assets.waitUntilReady(made[2].id), (error) => error instanceof gantry.GoneError || error instanceof gantry.NotFoundError);
  await assert.rejects(client.assets.get("01a21f89-0000-7000-8000-000000000000"), (error) =>
    error instanceof gantry.NotFoundError && error.code === "not_found" && error.status === 404 && !error.retryable && Boolean(error.requestId));
  await assert.rejects(client.uploads.create({ filename: "a", size: 5, expires_in: "yesterday" }), (error) =>
    error instanceof gantry.InvalidRequestError && error.field === "expires_in");
  await assert.rejects(new Client({ url: service.url, key: "gk_wrong.key" }).assets.get(made[0].id), gantry.AuthenticationError);
  const nobody = new Client({ url: "http://127.0.0.1:9", key: "gk_a.b", retry: { attempts: 2, first: 10 } });
  await assert.rejects(nobody.limits(), gantry.NetworkError);
  await assert.rejects(client.upload(Buffer.alloc(5), { policy: "none" }), gantry.GantryError);
  await assert.rejects(client.upload(Buffer.alloc(5), { signal: AbortSignal.abort(new Error("enough")) }), /enough/);
});

test("a function is asked for a new token", async () => {
  const tokens = ["gk_old.key", service.key];
  const asset = await new Client({ url: service.url, token: () => tokens.shift() }).upload(Buffer.from("a"));
  assert.equal(asset.state, "ready");
});

test("events come without a gap, also after the service was away", async () => {
  const { events, next } = await client.events.page({ after: 0, limit: 2 });
  assert.deepEqual([events.map(({ id }) => id), next], [["1", "2"], "2"]);
  const own = await Service.start();
  const follower = new Client({ url: own.url, key: own.key, retry: { first: 50, longest: 500, attempts: 20 } });
  await follower.upload(Buffer.from("first"));
  const seen = [];
  for await (const { id } of follower.events.follow({ after: 0, signal: AbortSignal.timeout(30_000) })) {
    seen.push(id);
    if (seen.length === 2) {
      own.process.kill("SIGKILL");
      await new Promise((resolve) => own.process.once("exit", resolve));
      await own.launch();
      await follower.upload(Buffer.from("second"));
    }
    if (seen.length === 6) break;
  }
  assert.deepEqual(seen, ["1", "2", "3", "4", "5", "6"]);
  await own.stop();
});

test("webhooks are verified", async () => {
  const [secret, other] = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_Zm9ydHktdHdvIGJ5dGVzIG9mIGEgc2VjcmV0IQ=="];
  const body = JSON.stringify({ type: "asset.ready", timestamp: "t", data: { id: "6", type: "asset.ready", asset_id: "a", seq: 6 } });
  const now = Math.floor(Date.now() / 1000);
  const signed = async (with_, at = now, text = body) => ({
    "webhook-id": "msg_1", "webhook-timestamp": String(at), "webhook-signature": `v1a,x v1,%% v1,eHh4 ${await gantry.signWebhook(with_, "msg_1", at, text)}`,
  });
  const { data, webhookId } = await gantry.verifyWebhook(body, await signed(secret), secret);
  assert.deepEqual([data.asset_id, webhookId], ["a", "msg_1"]);
  await gantry.verifyWebhook(Buffer.from(body), new Headers(await signed(other)), [secret, other]);
  const refused = [
    [`${body} `, await signed(secret)], [body, await signed(other)], [body, await signed(secret, now - 301)], [body, await signed(secret, now + 301)],
    [body, {}], ["[]", await signed(secret, now, "[]")],
  ];
  for (const [text, headers] of refused) await assert.rejects(gantry.verifyWebhook(text, headers, secret), gantry.WebhookVerificationError);
});

test("a webhook of the service arrives and is genuine", async (t) => {
  const arrived = Promise.withResolvers?.() ?? deferred();
  const receiver = createServer(async (incoming, outgoing) => {
    arrived.resolve({ headers: incoming.headers, body: Buffer.concat(await all(incoming)) });
    outgoing.writeHead(204).end();
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => receiver.once("listening", resolve));
  t.after(() => receiver.close());
  const hook = await client.webhooks.create({ url: `http://127.0.0.1:${receiver.address().port}/`, events: ["asset.ready"] });
  const asset = await client.upload(Buffer.from("told"));
  const { headers, body } = await arrived.promise;
  assert.equal((await gantry.verifyWebhook(body, headers, hook.secret)).data.asset_id, asset.id);
  assert.deepEqual((await client.webhooks.list()).map(({ id }) => id), [hook.id]);
  await client.webhooks.delete(hook.id);
});

function deferred() {
  let resolve;
  const promise = new Promise((done) => { resolve = done; });
  return { promise, resolve };
}
