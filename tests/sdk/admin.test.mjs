// The admin of the Django guide's project in a browser: a file is sent by the page itself, goes on after a reload, and is saved.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { CHROMIUM, QUIET } from "../clients/browser.mjs";
import { freePort, Service } from "../clients/service.mjs";

// The packages are those of the client tests.
const { chromium } = createRequire(new URL("../clients/package.json", import.meta.url))("playwright-core");
const PYTHON = process.env.SDK_PYTHON ?? "python3";
const MIB = 2 ** 20;
const PART = 16 * MIB;
/** `SDK_PARTS=64` sends a gigabyte. */
const PARTS = Number(process.env.SDK_PARTS ?? 5);

/** The project of the guide with a database, an editor, and a server that answers. */
async function startProject(dir, port, env) {
  const manage = (...words) => execFileSync(PYTHON, ["manage.py", ...words], { cwd: dir, env, stdio: ["ignore", "ignore", "inherit"] });
  execFileSync(PYTHON, [new URL("guide.py", import.meta.url).pathname, "project", dir], { env });
  manage("makemigrations", "library");
  manage("migrate");
  manage("createsuperuser", "--noinput", "--username", "editor", "--email", "editor@shop.example");
  const server = spawn(PYTHON, ["manage.py", "runserver", "--noreload", `127.0.0.1:${port}`], { cwd: dir, env, stdio: "ignore" });
  for (let tries = 0; !(await fetch(`http://127.0.0.1:${port}/admin/login/`).then((answer) => answer.ok, () => false)); tries++) {
    assert.ok(tries < 300 && server.exitCode === null, "the project does not answer");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return server;
}

test("an editor's upload in the admin survives a reload", { timeout: 120_000 + 10_000 * PARTS }, async (t) => {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const service = await Service.start({ GANTRY_CORS_ORIGINS: origin });
  const dir = await mkdtemp(join(tmpdir(), "gantry-django-"));
  const env = {
    ...process.env, GANTRY_URL: service.url, GANTRY_API_KEY: service.key, DJANGO_SUPERUSER_PASSWORD: "long enough 1",
    GANTRY_WEBHOOK_SECRETS: "whsec_bm90IHVzZWQgaGVyZQ==", PYTHONWARNINGS: "ignore",
  };
  const server = await startProject(join(dir, "project"), port, env);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
  t.after(async () => {
    await browser.close();
    server.kill();
    await service.stop();
    await rm(dir, { recursive: true, force: true });
  });
  const bytes = randomBytes(PARTS * PART);
  const path = join(dir, "film.mkv");
  await writeFile(path, bytes);

  const page = await browser.newPage();
  const puts = [];
  page.on("requestfinished", async (request) => {
    if (request.method() === "PUT" && (await request.response())?.ok()) puts.push(request.url());
  });
  const network = async (uploadThroughput) => (await page.context().newCDPSession(page)).send("Network.emulateNetworkConditions",
    { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput });
  await page.goto(`${origin}/admin/login/?next=/admin/library/film/add/`);
  await page.fill("#id_username", "editor");
  await page.fill("#id_password", "long enough 1");
  await page.click("[type=submit]");

  const choose = () => page.locator("gantry-uploader input.input").setInputFiles(path);
  const row = (state) => page.locator(`gantry-uploader [part~="row-${state}"]`);
  await network(24 * MIB);
  await page.fill("#id_title", "A film");
  await choose();
  while (puts.length === 0) await page.waitForTimeout(50);
  await page.reload();
  await row("needs-file").waitFor();
  await network(-1);
  await page.fill("#id_title", "A film");
  await choose();
  // Sent too early, the form waits for its file.
  await page.click("[name=_save]");
  await page.getByText("was added successfully").waitFor({ timeout: 60_000 + 10_000 * PARTS });
  // What was in flight at the reload is sent again, nothing else.
  assert.ok(puts.length <= PARTS + 4, `${puts.length} parts were sent`);

  const { assets } = await (await fetch(`${service.url}/v1/assets`, { headers: { authorization: `Bearer ${service.key}` } })).json();
  assert.equal(assets.length, 1);
  const [asset] = assets;
  assert.deepEqual([asset.filename, asset.size, asset.state], ["film.mkv", bytes.length, "ready"]);
  assert.equal(asset.sha256, createHash("sha256").update(bytes).digest("hex"));

  // The saved file is shown with a link, and the download view leads to its bytes.
  await page.goto(`${origin}/admin/library/film/1/change/`);
  await page.getByRole("link", { name: "film.mkv" }).waitFor();
  const cookie = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
  const answer = await fetch(`${origin}/films/1/`, { headers: { cookie } });
  assert.equal(createHash("sha256").update(Buffer.from(await answer.arrayBuffer())).digest("hex"), asset.sha256);
  assert.equal((await fetch(`${origin}/films/1/`, { redirect: "manual" })).headers.get("location").split("?")[0], "/accounts/login/");
});
