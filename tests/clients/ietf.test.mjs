// tus-js-client, unmodified, in both of its IETF protocols: each file arrives whole and becomes ready.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import test from "node:test";
import * as tus from "tus-js-client";
import { Service } from "./service.mjs";

const MIB = 1024 * 1024;
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

const api = (service, path) => fetch(`${service.url}${path}`, { headers: { authorization: `Bearer ${service.key}` } });

/** The bytes of the newest asset, once it is ready. */
async function arrived(service) {
  const { assets } = await (await api(service, "/v1/assets?limit=1")).json();
  const asset = await (await api(service, `/v1/assets/${assets[0].id}?wait=30s&until=ready`)).json();
  assert.equal(asset.state, "ready");
  return { asset, bytes: Buffer.from(await (await api(service, `/v1/assets/${asset.id}/content?delivery=stream`)).arrayBuffer()) };
}

for (const protocol of ["ietf-draft-03", "ietf-draft-05"]) {
  test(`tus-js-client as ${protocol}`, async (t) => {
    // It has to live with interim answers too: Node passes over them.
    const service = await Service.start({ GANTRY_SERVER__INTERIM: "always" });
    const dir = await mkdtemp(join(tmpdir(), "gantry-ietf-"));
    t.after(async () => {
      await service.stop();
      await rm(dir, { recursive: true, force: true });
    });
    const bytes = randomBytes(25 * MIB + 7);

    /** Sends a file to its end; resolves to the upload. */
    const send = (source, options = {}) => new Promise((resolve, reject) => {
      const upload = new tus.Upload(source, {
        protocol,
        endpoint: `${service.url}/files`,
        headers: { authorization: `Bearer ${service.key}` },
        retryDelays: [0, 200, 500, 1000, 2000, 4000],
        metadata: { filename: "naïve 🦀.bin", filetype: "application/x-thing", empty: "", n: null },
        onError: reject,
        onSuccess: () => resolve(upload),
        ...options,
      });
      options.hold?.(upload);
      upload.start();
    });

    const cases = {
      "in one request": {},
      "in chunks": { chunkSize: 6 * MIB },
      "with data in the creation": { uploadDataDuringCreation: true },
      "with data in the creation, in chunks": { uploadDataDuringCreation: true, chunkSize: 7 * MIB },
      "through POST instead of PATCH": { overridePatchMethod: true, chunkSize: 9 * MIB },
      "with request ids": { addRequestId: true },
    };
    for (const [name, options] of Object.entries(cases)) {
      await t.test(name, async () => {
        await send(bytes, options);
        const { asset, bytes: there } = await arrived(service);
        assert.equal(sha256(there), sha256(bytes));
        assert.equal(asset.filename, "naïve 🦀.bin");
        assert.equal(asset.declared_content_type, "application/x-thing");
        assert.equal(asset.metadata.n, "null");
      });
    }

    await t.test("small and empty files", async () => {
      for (const small of [Buffer.alloc(0), Buffer.from("a"), randomBytes(1000)]) {
        for (const options of [{}, { uploadDataDuringCreation: true }]) {
          await send(small, options);
          assert.equal(sha256((await arrived(service)).bytes), sha256(small));
        }
      }
    });

    await t.test("a stream of unknown length", async () => {
      const source = bytes.subarray(0, 5 * MIB + 1);
      const pieces = Array.from({ length: 6 }, (_, n) => source.subarray(n * MIB, (n + 1) * MIB));
      await send(Readable.from(pieces, { objectMode: false }), { uploadLengthDeferred: true, chunkSize: 2 * MIB });
      assert.equal(sha256((await arrived(service)).bytes), sha256(source));
    });

    await t.test("a pause, and a resume", async () => {
      const file = join(dir, "again.bin");
      await writeFile(file, bytes);
      const urlStorage = new tus.FileUrlStorage(join(dir, "urls.json"));
      const storing = { urlStorage, storeFingerprintForResuming: true, chunkSize: 4 * MIB };
      await new Promise((resolve) => {
        let first;
        send(createReadStream(file), {
          ...storing,
          hold: (upload) => { first = upload; },
          onChunkComplete: (_, accepted) => { if (accepted >= 8 * MIB) first.abort().then(resolve); },
        });
      });
      const [previous] = await urlStorage.findAllUploads();
      let from;
      const upload = await send(createReadStream(file), {
        ...storing,
        hold: (upload) => upload.resumeFromPreviousUpload(previous),
        onProgress: (sent) => { from ??= sent; },
      });
      assert.equal(upload.url, previous.uploadUrl);
      assert.ok(from >= 8 * MIB, `it began again at ${from}`);
      assert.equal(sha256((await arrived(service)).bytes), sha256(bytes));
    });

    await t.test("terminate", async () => {
      const upload = await send(bytes.subarray(0, 100));
      await arrived(service);
      await upload.abort(true);
      assert.equal((await fetch(upload.url, { method: "HEAD", headers: { authorization: `Bearer ${service.key}` } })).status, 404);
    });

    await t.test("a grant in the path", async () => {
      const small = randomBytes(1000);
      const opened = await fetch(`${service.url}/v1/uploads`, {
        method: "POST",
        headers: { authorization: `Bearer ${service.key}` },
        body: JSON.stringify({ filename: "granted.bin", size: small.length, method: "append" }),
      });
      const { grant, asset } = await opened.json();
      await send(small, { endpoint: `${service.url}/u/${grant}/files`, headers: {} });
      const there = await arrived(service);
      assert.equal(there.asset.id, asset.id);
      assert.equal(sha256(there.bytes), sha256(small));
    });
  });
}
