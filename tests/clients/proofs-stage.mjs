// What the long proofs share: a service, a page with the uploader on another origin, browsers whose profile outlives them, files of random
// bytes, and an account of the parts that went over the line.

import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, open, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { CHROMIUM, QUIET } from "./browser.mjs";
import { Service } from "./service.mjs";
import { serve } from "./uploader-page.mjs";

const WRITE_BYTES = 32 * 2 ** 20;

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Counts requests that have no whole answer yet. It runs before the page's own scripts. */
const COUNT_REQUESTS = () => {
  window.inFlight = { now: 0, most: 0 };
  const begin = () => { inFlight.most = Math.max(inFlight.most, ++inFlight.now); };
  const end = () => { inFlight.now--; };
  const { fetch } = window;
  window.fetch = async (...given) => {
    begin();
    try {
      const answer = await fetch(...given);
      if (!answer.body) return end(), answer;
      // Streams count for as long as they are open.
      const counted = new TransformStream({ flush: end });
      given[1]?.signal?.addEventListener("abort", end, { once: true });
      return new Response(answer.body.pipeThrough(counted), answer);
    } catch (error) {
      end();
      throw error;
    }
  };
  const { send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.send = function (body) {
    begin();
    this.addEventListener("readystatechange", () => { if (this.readyState === 4) end(); });
    send.call(this, body);
  };
};

const CORE = `
  import { createUploader } from "/src/core/index.js";
  window.start = (options) => {
    window.kinds = new Set();
    window.uploader = createUploader({ ...options, token: () => options.key });
    uploader.subscribe((state) => state.items.forEach(({ state: { kind } }) => kinds.add(kind)));
  };
  window.add = () => uploader.add(document.querySelector("input").files);
  window.reselect = () => uploader.reselect(document.querySelector("input").files);
  window.item = () => uploader.state.items[0];
`;

const ELEMENT = `
  import "/src/element/index.js";
  window.element = document.querySelector("gantry-uploader");
`;

/** Which parts were sent how often, over all browsers of a proof. */
export class PartAccount {
  starts = new Map();
  inFlight = new Set();
  /** Parts that were on their way when a browser was killed. */
  lost = 0;
  /** Answers that were no success, by their status; 0: there was none. */
  refused = {};

  watch(page) {
    const partOf = (request) => request.method() === "PUT" && new URL(request.url()).searchParams.get("partNumber");
    page.on("request", (request) => {
      const part = partOf(request);
      if (!part) return;
      this.starts.set(part, (this.starts.get(part) ?? 0) + 1);
      this.inFlight.add(request);
    });
    const refuse = (status) => { this.refused[status] = (this.refused[status] ?? 0) + 1; };
    page.on("requestfinished", async (request) => {
      if (!this.inFlight.delete(request)) return;
      const status = (await request.response())?.status();
      if (status !== 200) refuse(status ?? 0);
    });
    page.on("requestfailed", (request) => { if (this.inFlight.delete(request)) refuse(0); });
  }

  /** The browser is gone: what it had not finished is lost. */
  close() {
    const lost = this.inFlight.size;
    this.lost += lost;
    this.inFlight.clear();
    return lost;
  }

  get again() {
    return [...this.starts.values()].reduce((sum, times) => sum + times - 1, 0);
  }
}

export class Stage {
  static async open(t, settings = {}) {
    const stage = new Stage();
    stage.contexts = [];
    stage.dir = await mkdtemp(join(tmpdir(), "gantry-proof-"));
    stage.site = await serve({
      files: { "/core.js": CORE, "/element.js": ELEMENT },
      pages: { "/": { body: '<input type="file" multiple aria-label="Files">', script: "/core.js" } },
    });
    stage.service = await Service.start({ GANTRY_CORS_ORIGINS: stage.site.origin, ...settings });
    stage.site.policy = "default-src 'self'; style-src 'self'; connect-src *; img-src *; require-trusted-types-for 'script'; trusted-types gantry-uploader";
    stage.site.pages["/element"] = { body: `<gantry-uploader endpoint="${stage.service.url}" token="${stage.service.key}"></gantry-uploader>`, script: "/element.js" };
    t.after(() => stage.close());
    return stage;
  }

  async close() {
    await Promise.all(this.contexts.map((context) => context.close().catch(() => {})));
    this.site.server.close();
    this.site.server.closeAllConnections();
    this.service.process.kill("SIGCONT");
    await this.service.stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** A page of a browser whose profile outlives it. */
  async visit(profile, { path = "/", bytesPerSecond = -1, fakeClock = false, account } = {}) {
    const context = await chromium.launchPersistentContext(join(this.dir, profile), { executablePath: CHROMIUM, args: QUIET, locale: "en-US" });
    this.contexts.push(context);
    const page = context.pages()[0] ?? await context.newPage();
    page.setDefaultTimeout(120_000);
    page.on("dialog", (dialog) => dialog.accept().catch(() => {}));
    await page.addInitScript(COUNT_REQUESTS);
    if (fakeClock) await page.clock.install();
    account?.watch(page);
    const devtools = await context.newCDPSession(page);
    const line = (offline) => devtools.send("Network.emulateNetworkConditions", { offline, latency: 0, downloadThroughput: -1, uploadThroughput: bytesPerSecond });
    if (bytesPerSecond > 0) await line(false);
    await page.goto(this.site.origin + path);
    if (path === "/") {
      await page.waitForFunction(() => window.start);
      await page.evaluate((options) => start(options), { endpoint: this.service.url, key: this.service.key });
    } else await page.waitForFunction(() => window.element?.uploader);
    const becomes = (kind, timeout = 120_000) => page.waitForFunction((wanted) => item()?.state.kind === wanted, kind, { timeout });
    return { context, page, devtools, line, becomes };
  }

  /** Ends the browser of a profile as a machine without power would. */
  async kill(profile, context) {
    const closed = new Promise((resolve) => context.once("close", resolve));
    const wanted = `--user-data-dir=${join(this.dir, profile)}`;
    for (const pid of await readdir("/proc")) {
      const words = /^\d+$/.test(pid) ? (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0") : [];
      if (words.includes(wanted) && !words.some((word) => word.startsWith("--type="))) process.kill(Number(pid), "SIGKILL");
    }
    await closed;
  }

  /** A file of random bytes, and its SHA-256. */
  async file(name, size) {
    const path = join(this.dir, name);
    const hash = createHash("sha256");
    const file = await open(path, "w");
    for (let at = 0; at < size; at += WRITE_BYTES) {
      const bytes = randomBytes(Math.min(WRITE_BYTES, size - at));
      hash.update(bytes);
      await file.write(bytes);
    }
    await file.close();
    return { path, size, sha256: hash.digest("hex") };
  }

  async api(path) {
    const answer = await fetch(this.service.url + path, { headers: { authorization: `Bearer ${this.service.key}` } });
    return answer.json();
  }
}
