// Small files, which travel as forms: an answer that is lost, a page that is reloaded, a network that goes, a proxy that refuses. Whatever
// happens, the service has the file once.

import assert from "node:assert/strict";
import test from "node:test";
import { World, fakeFile, turn } from "./fakes.js";

/** A page's backend, which asks the service with the key of the file's try. */
function backendOf(service) {
  const opened = new Map();
  return async ({ file }) => {
    const upload = opened.get(file.idempotencyKey) ?? service.open({ size: file.size, filename: file.name });
    opened.set(file.idempotencyKey, upload);
    return service.opened(upload);
  };
}

/** A backend that knows nothing of what it did before. */
const forgetful = (service) => async ({ file }) => service.opened(service.open({ size: file.size, filename: file.name }));

const isForm = ({ path }) => path.endsWith("/form");
const forms = (w) => w.service.requests.filter(isForm);
const bodies = (w) => w.service.requests.filter((request) => isForm(request) || request.method === "PATCH" || request.method === "PUT");
const proxy = { status: 413, header: () => null, text: "<html><h1>413 Request Entity Too Large</h1></html>" };

/** The same story for every kind of credential. */
function story(name, tell) {
  for (const [kind, options] of [["a key", () => ({})], ["a grant", (service) => ({ grant: backendOf(service) })]]) {
    test(`${name}, with ${kind}`, async (t) => {
      const w = new World();
      t.after(() => w.close());
      w.service.forms = true;
      const given = options(w.service);
      await tell(w, () => w.page(given));
      assert.equal(w.service.uploads.size, 1, "there is one upload");
    });
  }
}

/** Ends the page at once, without a moment in which it could keep something, and opens it anew. */
async function reload(before, open) {
  await before.die();
  const page = open();
  await page.uploader.restore();
  return page;
}

story("an answer that is lost after the service has the file", async (w, open) => {
  w.service.fault = async (request) => {
    if (!isForm(request)) return undefined;
    w.service.form(request, request.path.split("/")[2]);
    throw new TypeError("Failed to fetch");
  };
  const page = open();
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("ready");
  assert.equal(bodies(w).length, 1, "nothing is sent again");
});

story("a page that is reloaded before the body has ended", async (w, open) => {
  w.service.fault = (request) => (isForm(request) ? "hang" : undefined);
  const before = open();
  before.uploader.add([fakeFile(1000)]);
  await w.clock.until(() => forms(w).length === 1);
  const page = await reload(before, open);
  w.service.fault = () => undefined;
  await page.becomes("needs-file");
  const { matched } = await page.uploader.reselect([fakeFile(1000)]);
  assert.equal(matched.length, 1);
  await page.becomes("ready");
});

story("a page that is reloaded when the service has the file, and the answer has not come", async (w, open) => {
  w.service.fault = (request) => {
    if (!isForm(request)) return undefined;
    w.service.form(request, request.path.split("/")[2]);
    return "hang";
  };
  const before = open();
  before.uploader.add([fakeFile(1000)]);
  await w.clock.until(() => forms(w).length === 1);
  const page = await reload(before, open);
  await page.becomes("ready");
  assert.equal(bodies(w).length, 1, "nobody is asked for the file");
});

story("a page that is reloaded after the answer", async (w, open) => {
  w.service.processingTime = 30_000;
  const before = open();
  before.uploader.add([fakeFile(1000)]);
  await before.becomes("processing");
  await turn();
  const page = await reload(before, open);
  await page.becomes("processing");
  await page.becomes("ready");
  assert.equal(bodies(w).length, 1, "nothing is sent again");
  await w.clock.advance(1000);
  assert.equal(w.storage.items.size, 0, "nothing is left of what is ready");
});

for (const [when, stored] of [["before the service has the file", false], ["after the service has it", true]]) {
  story(`a network that goes ${when}`, async (w, open) => {
    w.service.fault = async (request) => {
      if (!isForm(request)) return undefined;
      if (stored) w.service.form(request, request.path.split("/")[2]);
      w.service.reachable = false;
      w.network.set(false);
      throw new TypeError("Failed to fetch");
    };
    const page = open();
    page.uploader.add([fakeFile(1000)]);
    await page.becomes("offline");
    await w.clock.advance(300_000);
    assert.equal(page.kind(), "offline");
    w.service.reachable = true;
    w.network.set(true);
    await page.becomes("ready");
    assert.equal(bodies(w).filter(({ response }) => response?.status < 300).length, stored ? 0 : 1);
  });
}

story("a proxy that refuses the form and the ordinary way is named, after one try of each", async (w, open) => {
  w.service.fault = (request) => (isForm(request) || request.body instanceof Blob ? proxy : undefined);
  const page = open();
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("failed");
  await w.clock.advance(600_000);
  const { problem } = page.item().state;
  assert.equal(problem.retryable, false);
  assert.match(problem.message, /client_max_body_size/);
  assert.equal(forms(w).length, 1);
  assert.equal(bodies(w).length, 2);
});

test("a proxy that refuses the form alone lets the file go straight to the storage", async (t) => {
  const w = new World();
  t.after(() => w.close());
  w.service.forms = true;
  w.service.fault = (request) => (isForm(request) ? proxy : undefined);
  const page = w.page({ grant: backendOf(w.service) });
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("ready");
  assert.deepEqual(bodies(w).map(({ method, origin }) => [method, origin]), [["POST", "https://files.example"], ["PUT", "https://store.example"]]);
});

test("a backend that opens another upload after a reload gets no second copy of what has arrived", async (t) => {
  const w = new World();
  t.after(() => w.close());
  w.service.forms = true;
  w.service.processingTime = 30_000;
  const open = () => w.page({ grant: forgetful(w.service) });
  const before = open();
  before.uploader.add([fakeFile(1000)]);
  await before.becomes("processing");
  await turn();
  const page = await reload(before, open);
  await w.clock.until(() => page.uploader.state.items.length === 0);
  await w.clock.advance(1000);
  assert.equal(bodies(w).length, 1);
  assert.equal(w.storage.items.size, 0);
});

test("a database that hangs holds up no file for long", async (t) => {
  const w = new World();
  t.after(() => w.close());
  w.service.forms = true;
  w.storage.put = () => new Promise(() => {});
  const page = w.page();
  page.uploader.add([fakeFile(1000)]);
  await page.becomes("ready", undefined, 5000);
});

test("an upload that ended without its file is begun anew under another key", async (t) => {
  const w = new World();
  t.after(() => w.close());
  w.service.forms = true;
  w.service.fault = (request) => (isForm(request) ? "hang" : undefined);
  const open = () => w.page({ grant: backend });
  const backend = backendOf(w.service);
  const before = open();
  before.uploader.add([fakeFile(1000)]);
  await w.clock.until(() => forms(w).length === 1);
  w.service.fault = () => undefined;
  for (const upload of w.service.uploads.values()) upload.state = "expired";
  const page = await reload(before, open);
  await page.becomes("needs-file");
  await page.uploader.reselect([fakeFile(1000)]);
  await page.becomes("ready");
  assert.equal(w.service.uploads.size, 2);
});
