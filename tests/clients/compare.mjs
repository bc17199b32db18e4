// Our uploader beside those that people know: the bytes that a page loads, and the speed against @uppy/aws-s3 6 on the same service and
// store, in turn:
//
//   node tests/clients/compare.mjs [rounds] [large|small]      # three rounds of both, if nothing is said
//
// GANTRY_TEST_BIN names the service's binary: a release build, or the figures are those of checks that nobody ships.

import { randomBytes } from "node:crypto";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { chromium } from "playwright-core";
import { CHROMIUM, QUIET } from "./browser.mjs";
import { OURS, shippedBytes, uppyScript } from "./compare-pages.mjs";
import { Service } from "./service.mjs";
import { serve } from "./uploader-page.mjs";

const [ROUNDS = 3, ONLY = ""] = process.argv.slice(2);
const MIB = 2 ** 20;
const SMALL = { count: 1000, bytes: 100_000 };

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;

const CASES = {
  "large: one file of 1 GiB": async (dir) => {
    const name = join(dir, "large.bin");
    const file = await open(name, "w");
    for (let at = 0; at < 1024; at += 32) await file.write(randomBytes(32 * MIB));
    await file.close();
    return [name];
  },
  "small: 1 000 files of 100 KB": async (dir) => {
    const names = Array.from({ length: SMALL.count }, (_, at) => join(dir, `file ${at}.bin`));
    for (const name of names) await writeFile(name, randomBytes(SMALL.bytes));
    return names;
  },
};

/** One side's time for these files, on a service and in a browser of its own. */
async function measure(side, site, files) {
  const service = await Service.start({ GANTRY_CORS_ORIGINS: site.origin });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(300_000);
    await page.goto(`${site.origin}/${side}`);
    await page.waitForFunction(() => window.isLoaded);
    await page.setInputFiles("input", files);
    return await page.evaluate(([url, key]) => send(url, key), [service.url, service.key]);
  } finally {
    await browser.close();
    await service.stop();
  }
}

for (const [name, scripts, styles] of await shippedBytes()) console.log(`${name}: ${(scripts / 1024).toFixed(1)} KB of scripts, ${(styles / 1024).toFixed(1)} KB of styles, gzipped`);

const input = '<input type="file" multiple aria-label="Files">';
const site = await serve({
  files: { "/ours.js": OURS, "/uppy.js": await uppyScript() },
  pages: { "/ours": { body: input, script: "/ours.js" }, "/uppy": { body: input, script: "/uppy.js" } },
});
site.policy = "default-src * 'unsafe-inline'";
const dir = await mkdtemp(join(tmpdir(), "gantry-compare-"));
try {
  for (const [what, make] of Object.entries(CASES)) {
    if (!what.startsWith(ONLY)) continue;
    const files = await make(dir);
    const times = { ours: [], uppy: [], ready: [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const side of round % 2 ? ["uppy", "ours"] : ["ours", "uppy"]) {
        const { there, ready } = await measure(side, site, files);
        times[side].push(there);
        if (ready) times.ready.push(ready);
      }
      console.log(`${what}, round ${round + 1}: ours ${seconds(times.ours.at(-1))} (ready after ${seconds(times.ready.at(-1))}), @uppy/aws-s3 ${seconds(times.uppy.at(-1))}`);
    }
    const [ours, uppy] = [median(times.ours), median(times.uppy)];
    console.log(`${what}: ours ${seconds(ours)}, @uppy/aws-s3 6 ${seconds(uppy)}, ratio of speeds ${(uppy / ours).toFixed(2)}`);
  }
} finally {
  site.server.close();
  site.server.closeAllConnections();
  await rm(dir, { recursive: true, force: true });
}
