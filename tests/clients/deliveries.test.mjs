// What a real browser makes of what is handed out: a film plays and seeks through every delivery, uploaded markup runs
// nothing, and names from hell stay names.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { CHROMIUM, QUIET } from "./browser.mjs";
import { PROOF, front } from "./fronts.mjs";
import { network } from "./network.mjs";
import { Service } from "./service.mjs";

const FLAGS = [...QUIET,
  // The test's own page comes from nowhere, and everything else from this machine.
  "--disable-features=LocalNetworkAccessChecks", "--autoplay-policy=no-user-gesture-required"];

async function call(service, method, path, body) {
  const headers = { authorization: `Bearer ${service.key}`, "content-type": "application/json" };
  const answer = await fetch(service.url + path, { method, headers, body: body && JSON.stringify(body) });
  const json = await answer.json().catch(() => null);
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${JSON.stringify(json)}`);
  return json;
}

/** A link to these bytes, as a path. */
async function handOut(service, filename, bytes, wish = {}) {
  const wanted = { filename, size: bytes.length, method: "put" };
  const { upload, asset, put } = await call(service, "POST", "/v1/uploads", wanted);
  assert.ok((await fetch(put.url, { method: "PUT", headers: put.headers, body: bytes })).ok);
  await call(service, "POST", `/v1/uploads/${upload.id}/complete`, {});
  assert.equal((await call(service, "GET", `/v1/assets/${asset.id}?wait=30s&until=ready`)).state, "ready");
  const { url } = await call(service, "POST", `/v1/assets/${asset.id}/links`, wish);
  return url.slice(service.url.length);
}

/** Forty seconds of noise: too much to be fetched before the end is wanted. */
async function film(dir) {
  const file = join(dir, "film.webm");
  await promisify(execFile)("ffmpeg", ["-v", "error", "-f", "lavfi", "-i",
    "testsrc2=size=320x240:rate=10:duration=40,noise=alls=60:allf=t", "-c:v", "libvpx", "-deadline", "realtime",
    "-cpu-used", "8", "-b:v", "3M", "-minrate", "2M", "-g", "10", "-y", file]);
  return readFile(file);
}

test("deliveries in a browser", async (t) => {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  t.after(() => browser.close());

  const dir = await mkdtemp(join(tmpdir(), "gantry-film-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const shown = film(dir);

  const ways = [["redirect"], ["stream"], ["accel", "nginx"], ["sendfile", "apache"], ["cdn"]];
  for (const [delivery, proxy] of ways) {
    await t.test(`a film seeks, by ${delivery}`, async () => {
      const edge = await network();
      const wanted = delivery === "cdn" ? edge.settings : { GANTRY_DELIVERY: delivery };
      const service = await Service.start({ ...PROOF, ...wanted });
      edge.inFrontOf(service);
      const before = proxy ? await front(proxy, service) : { url: service.url, stop: async () => {} };
      try {
        const bytes = await shown;
        const path = await handOut(service, "film.webm", bytes, { disposition: "inline" });
        const whole = Buffer.from(await (await fetch(before.url + path)).arrayBuffer());
        assert.ok(whole.equals(bytes), `the same bytes: ${whole.length} ${whole.subarray(0, 600)}`);
        const page = await browser.newPage();
        const ranges = [];
        page.on("request", (request) => {
          const { range } = request.headers();
          if (range) ranges.push(range);
        });
        await page.route(`${before.url}/player`, (route) =>
          route.fulfill({ contentType: "text/html", body: `<video muted src="${path}"></video>` }));
        await page.goto(`${before.url}/player`);
        const seen = await page.evaluate(async () => {
          const video = document.querySelector("video");
          const once = (name) => new Promise((resolve, reject) => {
            video.addEventListener(name, resolve, { once: true });
            video.addEventListener("error", () => reject(new Error(video.error.message)), { once: true });
          });
          if (video.error) throw new Error(video.error.message);
          if (video.readyState < 2) await once("loadeddata");
          const times = [];
          for (const time of [35, 5, 38]) {
            video.currentTime = time;
            await once("seeked");
            times.push(Math.round(video.currentTime));
          }
          return { times, duration: Math.round(video.duration), width: video.videoWidth };
        });
        assert.deepEqual(seen, { times: [35, 5, 38], duration: 40, width: 320 });
        assert.ok(ranges.some((range) => range !== "bytes=0-"), `it asked for ranges: ${ranges}`);
      } finally {
        for (const context of browser.contexts()) await context.close();
        await before.stop();
        await service.stop();
        await edge.stop();
      }
    });
  }

  await t.test("streamed film and sound play in the browser's own player", async () => {
    const service = await Service.start({ GANTRY_DELIVERY: "stream" });
    try {
      const files = [["film.webm", await shown]];
      for (const name of ["tone.wav", "tone.opus", "tone.flac", "tone.mp3"]) {
        await promisify(execFile)("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", "sine=d=5", "-y", join(dir, name)]);
        files.push([name, await readFile(join(dir, name))]);
      }
      for (const [name, bytes] of files) {
        const path = await handOut(service, name, bytes, { disposition: "inline" });
        const page = await browser.newPage();
        const said = [];
        page.on("console", (message) => said.push(message.text()));
        await page.goto(service.url + path);
        // Its page has no scripts: the player is asked from outside, a glance at a time.
        const glance = () => page.evaluate(() => {
          const player = document.querySelector("video, audio");
          return { ready: player.readyState, time: player.currentTime, error: player.error?.message };
        });
        const until = async (what, holds) => {
          for (let tries = 0; ; tries++) {
            const seen = await glance();
            if (holds(seen)) return;
            assert.ok(tries < 100 && !seen.error, `${name}: ${what}: ${JSON.stringify(seen)} ${said}`);
            await page.waitForTimeout(50);
          }
        };
        await until("it is loaded", ({ ready }) => ready >= 3);
        if ((await glance()).time === 0) await page.keyboard.press("Space");
        await until("it plays", ({ time }) => time > 0.2);
        await page.close();
      }
    } finally {
      for (const context of browser.contexts()) await context.close();
      await service.stop();
    }
  });

  await t.test("uploaded markup runs no script", async () => {
    const service = await Service.start({ GANTRY_DELIVERY: "stream" });
    try {
      const script = `<script>document.title = "ran"; fetch("/v1/limits?ran")</script>`;
      const files = {
        "page.html": `<!doctype html><html><body onload="document.title='ran'">${script}</body></html>`,
        "drawing.svg": `<svg xmlns="http://www.w3.org/2000/svg" onload="document.title='ran'">${script}</svg>`,
        "page.xhtml": `<html xmlns="http://www.w3.org/1999/xhtml"><body>${script}</body></html>`,
        "looks.txt": `<!doctype html>${script}`,
        "image.png": `<!doctype html>${script}`,
      };
      for (const [name, text] of Object.entries(files)) {
        for (const disposition of ["attachment", "inline"]) {
          const path = await handOut(service, name, Buffer.from(text), { disposition });
          const page = await browser.newPage();
          const asked = [];
          page.on("request", (request) => asked.push(request.url()));
          // What is saved is not shown: the navigation ends as a download.
          const saved = page.waitForEvent("download", { timeout: 3000 }).then(() => true, () => false);
          await page.goto(service.url + path).catch(() => {});
          if (await saved) {
            assert.ok(!asked.some((url) => url.includes("?ran")), name);
          } else {
            await page.waitForTimeout(300);
            assert.notEqual(await page.title(), "ran", `${name}, ${disposition}`);
            assert.ok(!asked.some((url) => url.includes("?ran")), `${name}, ${disposition}`);
          }
          // In a frame of another page, and as a picture, no more.
          await page.route(`${service.url}/frames`, (route) => route.fulfill({ contentType: "text/html",
            body: `<title>still</title><iframe src="${path}"></iframe><img src="${path}"><object data="${path}"></object>` }));
          await page.goto(`${service.url}/frames`);
          await page.waitForTimeout(300);
          assert.equal(await page.title(), "still");
          assert.ok(!asked.some((url) => url.includes("?ran")), `${name}, ${disposition}, framed`);
          await page.close();
        }
      }
    } finally {
      for (const context of browser.contexts()) await context.close();
      await service.stop();
    }
  });

  await t.test("names from hell make one header that others can read", async () => {
    const service = await Service.start({ GANTRY_DELIVERY: "stream" });
    try {
      const names = ['a"b.txt', "a\\b.txt", "a;b=c.txt", "a%20b%.txt", "für dich.txt", "日本語.txt", "💾.bin", "'; filename=x",
        "a\u202Etxt.exe", "con.txt", ".hidden", "a, b.txt", "x".repeat(255), "ü".repeat(127), "a''b.txt", "=?utf-8?q?a?=", " a "];
      for (const name of names) {
        const path = await handOut(service, name, Buffer.from("x"));
        const answer = await fetch(service.url + path);
        const header = answer.headers.get("content-disposition");
        const parse = `
import sys, json, email.message, email.policy
header = sys.argv[1]
assert all(" " <= c <= "~" for c in header), header
message = email.message.Message()
message["Content-Disposition"] = header
names = [k for k, v in message.get_params(header="content-disposition")[1:]]
print(json.dumps([message.get_content_disposition(), message.get_filename(), names]))`;
        const [kind, filename, parameters] = JSON.parse(execFileSync("python3", ["-c", parse, header]).toString());
        assert.equal(kind, "attachment", header);
        assert.ok(filename && !/[/\\\r\n]/.test(filename), header);
        // The plain one, and the one in UTF-8, which this parser calls the same.
        assert.ok(parameters.length <= 2 && parameters.every((parameter) => parameter === "filename"), header);
        const stem = name.replaceAll("\u202E", "").replace(/[/\\:]/g, "_").replace(/^[. ]+|[. ]+$/g, "");
        const extended = header.match(/filename\*=UTF-8''([^;]*)$/);
        const real = extended ? decodeURIComponent(extended[1]) : header.match(/filename="(.*)"$/)[1];
        assert.ok(real === stem || real === `_${stem}`, `${name}: ${header}`);
      }
    } finally {
      await service.stop();
    }
  });
});
