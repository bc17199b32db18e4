// Node's fetch and http read why a large body was refused, although they are still sending it.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import http from "node:http";
import test from "node:test";
import { Service } from "./service.mjs";

const BODY = randomBytes(24 * 1024 * 1024);
const UNKNOWN = "01a1fec8-13f3-732f-a7af-f32f0e28ea07";

/** The status of the answer, by node:http. */
const byHttp = (method, url, headers) => new Promise((resolve, reject) => {
  const request = http.request(url, { method, headers: { ...headers, "content-length": BODY.length } }, (answer) => {
    answer.resume().on("end", () => resolve(answer.statusCode)).on("error", reject);
  });
  request.on("error", reject).end(BODY);
});

test("early refusals are read", async (t) => {
  const service = await Service.start();
  t.after(() => service.stop());
  const { url } = service;
  const auth = { authorization: `Bearer ${service.key}` };
  const tus = { ...auth, "tus-resumable": "1.0.0" };
  const created = await fetch(`${url}/tus`, { method: "POST", headers: { ...tus, "upload-length": String(BODY.length) } });
  const cases = [
    ["PUT", `${url}/v1/uploads/${UNKNOWN}/content`, { authorization: "Bearer gk_no" }, 401],
    ["PUT", `${url}/v1/uploads/${UNKNOWN}/content`, auth, 404],
    ["POST", `${url}/v1/uploads`, { "content-type": "application/json" }, 401],
    ["POST", `${url}/u/gu_no/form`, { "content-type": "multipart/form-data; boundary=b" }, 401],
    ["POST", `${url}/files`, { authorization: "Bearer gk_no" }, 401],
    ["PATCH", created.headers.get("location"),
      { ...tus, "upload-offset": "7", "content-type": "application/offset+octet-stream" }, 409],
  ];
  for (const [method, target, headers, status] of cases) {
    for (let round = 0; round < 3; round++) {
      const answer = await fetch(target, { method, headers, body: BODY });
      await answer.text();
      assert.equal(answer.status, status, `fetch: ${method} ${target}`);
      assert.equal(await byHttp(method, target, headers), status, `http: ${method} ${target}`);
    }
  }
});
