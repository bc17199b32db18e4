// The page that the guide "Put an upload into a page" builds: its three files as they stand there, bundled and opened in a
// browser, with a backend and a service on free ports.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { CHROMIUM, QUIET } from "./browser.mjs";
import { freePort, Service } from "./service.mjs";

const PACKAGES = fileURLToPath(new URL("node_modules", import.meta.url));
const GUIDE = new URL("../../web/guides/put-an-upload-into-a-page.md", import.meta.url);
const GUIDE_PORT = "9002";

/** The blocks of the guide that are files, by their names, with a free port in place of the guide's. */
async function filesOfGuide(port) {
  const text = (await readFile(GUIDE, "utf8")).replaceAll(GUIDE_PORT, port);
  const blocks = [...text.matchAll(/<!-- file: (\S+) -->\n```\w+\n(.*?)```/gs)];
  return new Map(blocks.map(([, name, content]) => [name, content]));
}

/** Starts the guide's backend and waits until it answers. */
async function startBackend(dir, service, origin) {
  const env = { ...process.env, GANTRY_URL: service.url, GANTRY_API_KEY: service.key };
  const backend = spawn(process.execPath, ["backend.mjs"], { cwd: dir, env, stdio: ["ignore", "inherit", "inherit"] });
  for (let tries = 0; !(await fetch(origin).then((answer) => answer.ok, () => false)); tries++) {
    assert.ok(tries < 100 && backend.exitCode === null, "the guide's backend does not answer");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return backend;
}

test("the page of the guide sends a file, and says when it is ready", async (t) => {
  const port = String(await freePort());
  const origin = `http://127.0.0.1:${port}`;
  const dir = await mkdtemp(join(tmpdir(), "gantry-guide-"));
  const files = await filesOfGuide(port);
  assert.deepEqual([...files.keys()].sort(), ["backend.mjs", "page.html", "page.js"]);
  for (const [name, content] of files) await writeFile(join(dir, name), content);
  await build({
    entryPoints: [join(dir, "page.js")], bundle: true, format: "esm", outfile: join(dir, "page.bundle.js"),
    nodePaths: [PACKAGES], logLevel: "error",
  });
  const service = await Service.start({ GANTRY_CORS_ORIGINS: origin });
  const backend = await startBackend(dir, service, origin);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
  t.after(async () => {
    await browser.close();
    backend.kill();
    await service.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const page = await browser.newPage();
  await page.goto(origin);
  await page.setInputFiles("#file", { name: "holiday.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(12_000_000, 7) });
  await page.getByText("The file is ready.").waitFor({ timeout: 60_000 });

  const list = await fetch(`${service.url}/v1/assets`, { headers: { authorization: `Bearer ${service.key}` } });
  const { assets } = await list.json();
  assert.deepEqual(assets.map(({ filename, size, state }) => [filename, size, state]), [["holiday.bin", 12_000_000, "ready"]]);
});
