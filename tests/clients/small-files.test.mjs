// Small files in Chromium against the real service, through a proxy that loses what it is told to lose: an answer, half a body, a form.
// Whatever happens, the service has each file once.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer, request as ask } from "node:http";
import { join } from "node:path";
import test from "node:test";
import { api, startBrowser } from "./pages.mjs";
import { Service } from "./service.mjs";
import { serve } from "./uploader-page.mjs";

const PAGE = `
  import { createUploader } from "/src/core/index.js";
  const { endpoint, key, granted } = Object.fromEntries(new URLSearchParams(location.search));
  // The page's backend, which a page of this test is itself.
  const grant = ({ file }) => fetch(endpoint + "/v1/uploads", {
    method: "POST", headers: { authorization: "Bearer " + key, "idempotency-key": file.idempotencyKey },
    body: JSON.stringify({ filename: file.name, size: file.size }),
  }).then((answer) => answer.json());
  window.uploader = createUploader({ endpoint, ...(granted ? { grant } : { token: () => key }) });
  window.item = () => uploader.state.items[0];
  window.add = () => uploader.add(document.querySelector("input").files);
  window.reselect = () => uploader.reselect(document.querySelector("input").files);
  window.isRestored = uploader.restore();
`;

/** What stands before the service. `fault` decides about each form: it is passed on, or what it says. */
async function startProxy() {
  const proxy = { port: 0, fault: () => "pass", forms: 0, bodies: [] };
  const pass = (incoming, outgoing, answered) => {
    const { method, url, headers } = incoming;
    const onward = ask({ host: "127.0.0.1", port: proxy.port, method, path: url, headers }, answered ?? ((answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    }));
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  };
  proxy.server = createServer((incoming, outgoing) => {
    const isForm = incoming.url.endsWith("/form");
    if ((isForm || incoming.method === "PATCH" || incoming.method === "PUT")) proxy.bodies.push(isForm ? "form" : incoming.method);
    if (!isForm) return pass(incoming, outgoing);
    proxy.forms++;
    const told = (settle) => (answer) => answer.resume().on("end", () => settle?.(answer.statusCode));
    switch (proxy.fault()) {
      case "pass": return pass(incoming, outgoing);
      case "half": return incoming.once("data", () => proxy.onHalf());
      case "refuse": return incoming.resume().on("end", () =>
        outgoing.writeHead(413, { "access-control-allow-origin": "*", "content-type": "text/html" }).end("<html>413</html>"));
      default: return pass(incoming, outgoing, told((status) => proxy.onStored(status, outgoing)));
    }
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => proxy.server.once("listening", resolve));
  proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
  return proxy;
}

test("small files are there once, whatever is lost", async (t) => {
  const proxy = await startProxy();
  const site = await serve({
    files: { "/page.js": PAGE },
    pages: { "/": { body: '<input type="file" multiple aria-label="Files">', script: "/page.js" } },
  });
  site.policy = "default-src 'self'; connect-src *; require-trusted-types-for 'script'; trusted-types gantry-uploader";
  t.after(() => {
    for (const { server } of [site, proxy]) {
      server.close();
      server.closeAllConnections();
    }
  });
  const service = await Service.start({ GANTRY_PUBLIC_URL: proxy.url, GANTRY_CORS_ORIGINS: site.origin });
  const browser = await startBrowser();
  t.after(async () => {
    await browser.close();
    await service.stop();
  });
  proxy.port = new URL(service.url).port;

  /** One story with a key and with a grant: a page, a file, and afterwards one asset of that name with these bytes. */
  const story = async (name, tell) => {
    for (const granted of ["", "yes"]) {
      const filename = `${name}${granted && " with a grant"}.bin`;
      await t.test(filename.slice(0, -4), async () => {
        Object.assign(proxy, { fault: () => "pass", forms: 0, bodies: [] });
        const context = await browser.newContext();
        const page = await context.newPage();
        page.setDefaultTimeout(60_000);
        await page.goto(`${site.origin}/?${new URLSearchParams({ endpoint: proxy.url, key: service.key, granted })}`);
        await page.waitForFunction(() => window.uploader);
        const [path, bytes] = [join(service.dir, filename), randomBytes(100_000)];
        await writeFile(path, bytes);
        const becomes = (kind) => page.waitForFunction((wanted) => item()?.state.kind === wanted, kind);
        const choose = () => page.setInputFiles("input", path);
        await choose();
        await tell({ page, context, becomes, choose });
        const { assets } = await api(service, `/v1/assets?limit=100`);
        const [asset, ...others] = assets.filter((one) => one.filename === filename);
        assert.deepEqual([asset.state, asset.size, others], ["ready", 100_000, []]);
        const content = await fetch(`${service.url}/v1/assets/${asset.id}/content`, { headers: { authorization: `Bearer ${service.key}` } });
        assert.ok(bytes.equals(Buffer.from(await content.arrayBuffer())), "the same bytes");
        await context.close();
      });
    }
  };
  /** Resolves when the service has the form; the proxy keeps its answer. */
  const stored = (then = () => {}) => {
    proxy.fault = () => "keep";
    return new Promise((resolve) => {
      proxy.onStored = (status, outgoing) => {
        assert.ok(status < 300, `${status}`);
        proxy.fault = () => "pass";
        then(outgoing);
        resolve();
      };
    });
  };
  const halfway = () => {
    proxy.fault = () => "half";
    return new Promise((resolve) => { proxy.onHalf = resolve; });
  };

  await story("the answer is lost after the service stored it", async ({ page, becomes }) => {
    // Without a first byte of the answer the browser itself would send the form again.
    const there = stored((outgoing) => {
      outgoing.writeHead(200, { "access-control-allow-origin": "*", "content-length": 100 });
      outgoing.write("{", () => outgoing.destroy());
    });
    await page.evaluate(() => add());
    await there;
    await becomes("ready");
    assert.deepEqual(proxy.bodies, ["form"]);
  });

  await story("a reload before the body ended", async ({ page, becomes, choose }) => {
    const half = halfway();
    await page.evaluate(() => add());
    await half;
    proxy.fault = () => "pass";
    await page.reload();
    await becomes("needs-file");
    await choose();
    const { matched, different } = await page.evaluate(() => reselect());
    assert.deepEqual([matched.length, different], [1, []]);
    await becomes("ready");
  });

  await story("a reload before the answer", async ({ page, becomes }) => {
    const there = stored();
    await page.evaluate(() => add());
    await there;
    await page.reload();
    await becomes("ready");
    assert.deepEqual(proxy.bodies, ["form"]);
  });

  await story("a reload after the answer", async ({ page, becomes }) => {
    await page.evaluate(() => new Promise((resolve) => {
      uploader.subscribe(({ items }) => { if (["processing", "ready"].includes(items[0]?.state.kind)) resolve(); });
      add();
    }));
    await page.reload();
    await page.evaluate(() => window.isRestored);
    // What was ready before is not shown again; all else is followed to its end.
    if (await page.evaluate(() => Boolean(item()))) await becomes("ready");
    assert.deepEqual(proxy.bodies, ["form"]);
  });

  await story("the network is off in between", async ({ page, context, becomes }) => {
    const half = halfway();
    await page.evaluate(() => add());
    await half;
    await context.setOffline(true);
    await becomes("offline");
    proxy.fault = () => "pass";
    await context.setOffline(false);
    await becomes("ready");
  });

  await story("a proxy refuses the form alone", async ({ page, becomes }) => {
    proxy.fault = () => "refuse";
    await page.evaluate(() => add());
    await becomes("ready");
    assert.equal(proxy.forms, 1, "the form is tried once");
  });
});
