// What the tests of pages have in common: a browser with a page that complains to the test, screenshots, and axe.

import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { CHROMIUM, QUIET, interceptFileChoosers } from "./browser.mjs";

const SCREENSHOTS = process.env.GANTRY_TEST_SCREENSHOTS;
const axe = await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

export const startBrowser = () => chromium.launch({ executablePath: CHROMIUM, args: QUIET });

/** A page in a context of its own, what the browser complained about, and the URLs of parts that arrived. `hurry`: pauses of the page pass
 * so many times as fast. */
export async function openPage(browser, url, { uploadBytesPerSecond, hurry, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 760 }, locale: "en-US", timezoneId: "UTC", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  interceptFileChoosers(page);
  if (hurry) {
    await page.addInitScript((times) => {
      const real = window.setTimeout;
      window.setTimeout = (work, milliseconds) => real(work, milliseconds / times);
    }, hurry);
  }
  const [complaints, puts] = [[], []];
  page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => dialog.accept());
  page.on("requestfinished", async (request) => {
    if (request.method() === "PUT" && (await request.response())?.ok()) puts.push(request.url());
  });
  if (uploadBytesPerSecond) {
    const devtools = await context.newCDPSession(page);
    await devtools.send("Network.emulateNetworkConditions",
      { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: uploadBytesPerSecond });
  }
  await page.goto(url);
  return { page, context, complaints, puts };
}

export async function screenshot(page, name) {
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.waitForTimeout(400);
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

/** What axe finds: `[[rule, [[element, why]]]]`. */
export async function violations(page) {
  // As an extension would: the page's own policy lets no strings become code.
  const devtools = await page.context().newCDPSession(page);
  const { result } = await devtools.send("Runtime.evaluate", {
    expression: `${axe}; axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => JSON.stringify(violations.map(({ id, nodes }) => [id, nodes.map((node) => [node.target.join(" "), node.failureSummary])])))`,
    awaitPromise: true, allowUnsafeEvalBlockedByCSP: true,
  });
  return JSON.parse(result.value);
}

/** Whether something sticks out at the side. */
export const sticksOut = (page) => page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1);

/** A request with the key of the service: the JSON of its answer. */
export async function api(service, path, { method = "GET", body, key = service.key } = {}) {
  const headers = { authorization: `Bearer ${key}`, ...(body && { "content-type": "application/json" }) };
  const answer = await fetch(service.url + path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
}

/** Sends a file without a browser, and answers with its asset when it is settled. */
export async function sendFile(service, filename, bytes, { wait = true, ...wish } = {}) {
  const { upload, asset } = await api(service, "/v1/uploads", { method: "POST", body: { filename, size: bytes.length, ...wish } });
  const put = await fetch(`${service.url}/v1/uploads/${upload.id}/content`, { method: "PUT", headers: { authorization: `Bearer ${service.key}` }, body: bytes });
  if (!put.ok) throw new Error(await put.text());
  return wait ? api(service, `/v1/assets/${asset.id}?wait=30s&until=ready`) : asset;
}
