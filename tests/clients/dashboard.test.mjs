// The operator's dashboard in a real browser: every view with the demo's data, the troubles that it must explain, keyboard, axe.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { CHROMIUM, QUIET } from "./browser.mjs";
import { GANTRY, Service } from "./service.mjs";

const run = promisify(execFile);
const SCREENSHOTS = process.env.GANTRY_TEST_SCREENSHOTS;
const FILES = 60;
const DEMO_HOST = "gantry-demo.invalid";
const MARKUP = "<img src=x onerror=alert(1)>holiday.png";
const VIEWS = ["overview", "uploads?state=open", "assets", "quarantine", "failures", "queues", "dead", "webhooks", "tenants", "keys", "policies", "audit", "cleanup", "system"];

/** What eight failed tries leave behind: a job that its worker has given up. */
const KILL_JOB = `
import sqlite3, sys
rows = sqlite3.connect(sys.argv[1], timeout=10)
for attempt in range(1, 9):
    rows.execute("INSERT INTO job_attempt SELECT id, ?, tenant_id, kind, subject_id, 'node-1:4711', created_at + ?, created_at + ?, ?, 'the scanner did not answer' "
        "FROM job WHERE kind = ? AND state = 'ready'", (attempt, 2000000 << attempt, (2000000 << attempt) + 1500000, "dead" if attempt == 8 else "failed", sys.argv[2]))
rows.execute("UPDATE job SET state = 'dead', tries = 8, attempt = 8, last_error = 'the scanner did not answer' WHERE kind = ? AND state = 'ready'", (sys.argv[2],))
rows.commit()
`;

/** Half an hour goes by for the upload that nobody goes on with. */
const LET_STAND = `
import sqlite3, sys
rows = sqlite3.connect(sys.argv[1], timeout=10)
rows.execute("UPDATE upload SET last_activity_at = last_activity_at - 1800 * 1000000 WHERE state = 'open'")
rows.commit()
`;

class Dashboard {
  static async open(t, settings) {
    const dashboard = new Dashboard();
    dashboard.service = await Service.start(settings);
    dashboard.browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
    dashboard.complaints = [];
    t.after(async () => {
      await dashboard.browser.close();
      await dashboard.service.stop();
    });
    return dashboard;
  }

  demo(...args) {
    const env = { ...process.env, GANTRY_URL: this.service.url, GANTRY_API_KEY: this.service.key };
    return run(GANTRY, ["demo", ...args], { env });
  }

  async api(method, path, body) {
    const headers = { authorization: `Bearer ${this.service.key}`, ...(body && { "content-type": "application/json" }) };
    const answer = await fetch(this.service.url + path, { method, headers, body: body && JSON.stringify(body) });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${answer.ok ? "" : await answer.text()}`);
    const text = await answer.text();
    return text ? JSON.parse(text) : null;
  }

  async page({ key = this.service.key, hash = "#/overview", ...options } = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    context.setDefaultTimeout(30_000);
    const page = await context.newPage();
    page.on("console", (message) => { if (/Content Security Policy|Trusted/.test(message.text())) this.complaints.push(message.text()); });
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("dialog", (dialog) => { this.complaints.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
    await page.goto(`${this.service.url}/admin${hash}`);
    if (key) {
      await page.getByLabel("Your API key").fill(key);
      await page.keyboard.press("Enter");
      await page.waitForSelector("main#main");
    }
    return page;
  }

  /** Changes rows as time would have. */
  change(script, ...more) {
    return run("python3", ["-c", script, join(this.service.dir, "gantry.db"), ...more]);
  }

  /** The upload of the demo, whose part the service knows of before the time goes by. */
  async letStand() {
    const listed = async () => (await this.api("GET", "/v1/uploads?state=open")).uploads[0];
    const { id } = await listed();
    await this.api("GET", `/v1/uploads/${id}`);
    while ((await listed()).offset === 0) await new Promise((resolve) => setTimeout(resolve, 200));
    await this.change(LET_STAND);
  }

  /** Sends a small file; answers with the id of its asset. */
  async send(filename) {
    const { upload } = await this.api("POST", "/v1/uploads", { filename, size: 5 });
    const sent = await fetch(`${this.service.url}/v1/uploads/${upload.id}/content`, { method: "PUT", headers: { authorization: `Bearer ${this.service.key}` }, body: "hello" });
    assert.ok(sent.ok);
    return upload.asset_id;
  }

  /** Gives up the jobs of a kind that `make` leads to; answers with what it made. */
  async makeDeadJobs(kind, make) {
    const owed = async () => (await this.api("GET", "/v1/admin/queues")).queues.find((queue) => queue.kind === kind);
    for (let queue = await owed(); queue.ready + queue.running > 0; queue = await owed()) await new Promise((resolve) => setTimeout(resolve, 200));
    await this.api("POST", `/v1/admin/queues/${kind}/pause`);
    const made = await make();
    await this.change(KILL_JOB, kind);
    await this.api("POST", `/v1/admin/queues/${kind}/resume`);
    return made;
  }

  /** Files whose processing was given up. */
  makeDeadFiles(...names) {
    return this.makeDeadJobs("process", () => Promise.all(names.map((name) => this.send(name))));
  }
}

async function screenshot(page, name) {
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `dashboard-${name}.png`) });
}

async function visit(page, hash) {
  await page.evaluate((to) => { location.hash = to; }, `#/${hash}`);
  await settled(page);
}

/** What the view asks for has come. The stream of events never ends, so that the network is never idle. */
async function settled(page) {
  await page.waitForTimeout(100);
  await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
  await page.waitForTimeout(200);
}

/** Waits for something to become so. */
async function until(what, seconds = 60) {
  for (const end = Date.now() + seconds * 1000; !await what();) {
    assert.ok(Date.now() < end, `not so after ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

let axeSource;

async function violations(page) {
  axeSource ??= await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
  // Past the page's policy, which would refuse a script of somebody else.
  const session = await page.context().newCDPSession(page);
  const { result } = await session.send("Runtime.evaluate", {
    expression: `${axeSource}; axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => JSON.stringify(violations.map(({ id, nodes }) => [id, nodes.map((node) => [node.target.join(" "), node.failureSummary])])))`,
    awaitPromise: true, returnByValue: true,
  });
  await session.detach();
  return JSON.parse(result.value);
}

/** Fills a dialog's fields and confirms it; answers when it is gone. */
async function confirm(page, action, fields = {}) {
  const dialog = page.getByRole("dialog");
  for (const [label, value] of Object.entries(fields)) await dialog.getByLabel(label, { exact: true }).fill(value);
  await dialog.getByRole("button", { name: action, exact: true }).click();
  await dialog.waitFor({ state: "detached" });
}

const focused = (page) => page.evaluate(() => document.activeElement?.textContent?.trim());

test("the dashboard", async (t) => {
  const dashboard = await Dashboard.open(t, { GANTRY_WEBHOOKS__ALLOW_HTTP: "true", GANTRY_WEBHOOKS__ALLOW_NETWORKS: "127.0.0.0/8" });
  const { stdout } = await dashboard.demo("--assets", String(FILES));
  assert.equal(stdout.trim(), `${dashboard.service.url}/admin`);
  await dashboard.makeDeadFiles("given-up.txt");
  await dashboard.letStand();
  const page = await dashboard.page();
  const main = page.locator("main#main");
  const panel = page.locator("aside.panel");

  await t.test("a key is asked for, kept in the tab, and told when it is wrong", async () => {
    const other = await dashboard.page({ key: null });
    await screenshot(other, "key");
    await other.getByLabel("Your API key").fill("gk_wrong");
    await other.keyboard.press("Enter");
    await other.getByRole("alert").waitFor();
    assert.match(await other.getByRole("alert").innerText(), /key|credential/i);
    assert.ok(!other.url().includes("gk_"));
    assert.deepEqual(await violations(other), []);
    await other.context().close();
    await page.reload();
    await page.waitForSelector("main#main");
    assert.deepEqual(await page.evaluate(() => Object.keys(localStorage)), []);
  });

  for (const view of VIEWS) {
    await t.test(`the view ${view} has its rows and no fault of accessibility`, async () => {
      await visit(page, view);
      await screenshot(page, view.split("?")[0]);
      assert.equal(await main.getByRole("alert").count(), 0, await main.innerText());
      assert.deepEqual(await violations(page), []);
    });
  }

  await t.test("numbers lead to their rows, and filters are in the address", async () => {
    await visit(page, "overview");
    await main.locator("a.tile", { hasText: "Uploads in flight" }).click();
    await settled(page);
    assert.equal(new URL(page.url()).hash, "#/uploads?state=open&tenant=*");
    assert.equal(await main.locator("tbody tr").count(), 1);
    await visit(page, "assets");
    await page.keyboard.press("/");
    await page.keyboard.type("report");
    await page.waitForURL(/name=report/);
    await settled(page);
    const names = await main.locator("tbody tr .name .said").allTextContents();
    assert.ok(names.length > 0 && names.every((name) => name.includes("report")), names.join());
    const deep = await dashboard.page({ hash: "#/assets?name=report&state=ready" });
    await settled(deep);
    assert.equal(await deep.getByLabel("Search names").inputValue(), "report");
    assert.equal(await deep.locator("main tbody tr").count(), names.length);
    await deep.context().close();
  });

  await t.test("a stuck upload is found and explained within two clicks", async () => {
    await visit(page, "overview");
    await main.locator("a.tile", { hasText: "Stand still" }).click();
    await main.getByRole("link", { name: /field-recording/ }).click();
    await panel.getByText("Upload opened").waitFor();
    await settled(page);
    assert.match(await panel.innerText(), /The upload stands still: nothing has come for 3\d min.*41\.9 MB of 50\.3 MB are missing/);
    await screenshot(page, "stuck-upload");
    assert.deepEqual(await violations(page), []);
  });

  await t.test("a rejected asset is found and explained within two clicks", async () => {
    await visit(page, "overview");
    await page.getByRole("link", { name: "Quarantine", exact: true }).click();
    await main.getByRole("link", { name: /ledger-2026/ }).click();
    await panel.getByText("Upload opened").waitFor();
    assert.match(await panel.innerText(), /The bytes that arrived are not the ones that were declared/);
    assert.match(await panel.innerText(), /request [0-9a-f]{16}/);
    await screenshot(page, "rejected-asset");
  });

  await t.test("a dead delivery is found and explained within two clicks", async () => {
    await visit(page, "overview");
    await page.getByRole("link", { name: "Webhooks", exact: true }).click();
    await main.getByRole("link", { name: new RegExp(DEMO_HOST) }).click();
    await panel.getByRole("heading", { name: "Dead deliveries" }).waitFor();
    assert.match(await panel.innerText(), /1 delivery is dead: the endpoint cannot be reached/);
    await screenshot(page, "dead-delivery");
    assert.deepEqual(await violations(page), []);
  });

  await t.test("a dead job is found and explained within two clicks", async () => {
    await visit(page, "overview");
    await main.locator("a.tile", { hasText: "Dead letters" }).click();
    await main.locator("tbody .row-link").first().click();
    await panel.getByRole("heading", { name: "Attempts" }).waitFor();
    assert.match(await panel.innerText(), /given up after 8 tries: the scanner did not answer/);
    await screenshot(page, "dead-job");
    assert.deepEqual(await violations(page), []);
  });

  await t.test("names with markup are texts", async () => {
    await visit(page, "quarantine");
    const link = main.getByRole("link", { name: "holiday" });
    assert.equal(await link.locator(".name .said").textContent(), MARKUP);
    await link.click();
    await panel.getByText("Upload opened").waitFor();
    assert.equal(await panel.locator("h2 .said").textContent(), MARKUP);
    assert.equal(await page.locator("main img, aside img").count(), 0);
  });

  await t.test("the keyboard alone is enough", async () => {
    await visit(page, "overview");
    await page.keyboard.press("g");
    await page.keyboard.press("a");
    await page.waitForURL(/#\/assets/);
    await settled(page);
    await page.keyboard.press("j");
    const first = await focused(page);
    await page.keyboard.press("j");
    const second = await focused(page);
    assert.notEqual(first, second);
    await page.keyboard.press("k");
    assert.equal(await focused(page), first);
    await page.keyboard.press("Enter");
    await panel.getByText("Upload opened").waitFor();
    await page.keyboard.press("Escape");
    await panel.waitFor({ state: "hidden" });
    assert.equal(await focused(page), first);
    await page.keyboard.press("?");
    await page.getByRole("dialog").getByText("Next row").waitFor();
    await screenshot(page, "keyboard");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  });

  await t.test("an action names the thing and the consequence, and the safe button has the focus", async () => {
    await visit(page, "dead");
    await main.getByRole("button", { name: "Retry", exact: true }).first().click();
    const dialog = page.getByRole("dialog");
    assert.match(await dialog.innerText(), /Retry the job process .*ready again with all its tries/s);
    assert.equal(await focused(page), "Cancel");
    await screenshot(page, "confirm");
    assert.deepEqual(await violations(page), []);
    await dialog.getByRole("button", { name: "Retry" }).click();
    await dialog.waitFor({ state: "detached" });
    await main.getByText("No job is dead.").waitFor();
    const { entries } = await dashboard.api("GET", "/v1/admin/audit?action=job.retry");
    assert.equal(entries.length, 1);
  });

  await t.test("all dead letters that match are retried, and no other", async () => {
    const files = await dashboard.makeDeadFiles("dead-1.txt", "dead-2.txt", "dead-3.txt");
    const again = await dashboard.send("again.txt");
    await until(async () => (await dashboard.api("GET", `/v1/assets/${again}`)).state === "ready");
    await dashboard.makeDeadJobs("recheck", () => dashboard.api("POST", `/v1/assets/${again}/reprocess`, {}));
    await visit(page, "dead?kind=process");
    await until(async () => await main.locator("tbody tr").count() === 3);
    await main.getByRole("button", { name: "Retry all that match" }).click();
    assert.match(await page.getByRole("dialog").innerText(), /Retry every dead job of kind process\?/);
    assert.equal(await focused(page), "Cancel");
    await confirm(page, "Retry all");
    await page.getByText("3 jobs are ready again.").waitFor();
    await main.getByText("Nothing matches these filters.").waitFor();
    await visit(page, "dead");
    await main.locator("tbody tr", { hasText: "recheck" }).waitFor();
    assert.equal(await main.locator("tbody tr").count(), 1);
    await dashboard.api("POST", "/v1/admin/jobs/retry", {});
    for (const id of [...files, again]) {
      await until(async () => (await dashboard.api("GET", `/v1/assets/${id}`)).state === "ready");
      await dashboard.api("DELETE", `/v1/assets/${id}`);
    }
  });

  await t.test("dead letters are discarded with a reason, or without one", async () => {
    const files = await dashboard.makeDeadFiles("unwanted-1.txt", "unwanted-2.txt");
    await visit(page, "dead?kind=process");
    await until(async () => await main.locator("tbody tr").count() === 2);
    const bodies = [];
    page.on("request", (request) => { if (request.method() === "DELETE") bodies.push(request.postData()); });
    await main.getByRole("button", { name: "Discard", exact: true }).first().click();
    assert.match(await page.getByRole("dialog").innerText(), /Discard the job process .*never will be/s);
    assert.equal(await focused(page), "Cancel");
    await screenshot(page, "discard");
    assert.deepEqual(await violations(page), []);
    await confirm(page, "Discard", { "Reason (optional)": "sent again by its sender" });
    await until(async () => await main.locator("tbody tr").count() === 1);
    const { entries: [entry] } = await dashboard.api("GET", "/v1/admin/audit?action=job.discard");
    assert.deepEqual(entry.after, { reason: "sent again by its sender" });
    await main.locator("tbody input[type=checkbox]").first().check();
    await main.locator(".bulk").getByRole("button", { name: "Discard" }).click();
    await confirm(page, "Discard");
    await main.getByText("Nothing matches these filters.").waitFor();
    assert.deepEqual(bodies, [JSON.stringify({ reason: "sent again by its sender" }), null]);
    for (const id of files) await dashboard.api("DELETE", `/v1/assets/${id}`);
  });

  await t.test("the overview tells what of the error budget is left, and which versions run", async () => {
    await visit(page, "overview");
    const budget = main.getByRole("region", { name: "Error budget" });
    const rows = (await budget.locator("tbody tr").allInnerTexts()).map((text) => text.split(/\s*\t\s*/));
    assert.deepEqual(rows.map(([name]) => name), ["1 h", "24 h", "7 d"]);
    // The demo's files have all ended by now, and are counted once a minute.
    const counted = async () => (await dashboard.api("GET", "/v1/admin/stats")).hours.filter(({ type }) => ["asset.ready", "asset.rejected"].includes(type)).reduce((sum, { count }) => sum + count, 0);
    await dashboard.api("POST", "/v1/admin/chores/rollup/run", {});
    while (await counted() < FILES) await page.waitForTimeout(200);
    await page.keyboard.press("r");
    await page.waitForFunction((files) => Number(document.querySelector(".budget tbody tr td").textContent) >= files, FILES);
    for (const row of await budget.locator("tbody tr").allInnerTexts()) assert.match(row, /\d %\s+(\d+ % left|used up)/);
    const tile = main.locator("a.tile", { hasText: "Processes" });
    assert.match(await tile.innerText(), /1\s+version \d+\.\d+/);
    assert.match(await page.locator(".top .zone").innerText(), /\w/);
  });

  await t.test("maintenance is told above every view until it ends", async () => {
    await dashboard.api("PUT", "/v1/admin/maintenance", { on: true, message: "back at noon" });
    await visit(page, "keys");
    await page.keyboard.press("r");
    const banner = page.locator(".banner");
    await banner.waitFor();
    assert.match(await banner.innerText(), /new uploads are refused\. “back at noon” It began/);
    assert.deepEqual(await violations(page), []);
    await screenshot(page, "maintenance");
    await banner.getByRole("link", { name: "Look" }).click();
    await main.getByRole("button", { name: "Accept uploads again" }).click();
    await confirm(page, "Accept uploads again");
    await banner.waitFor({ state: "hidden" });
  });

  await t.test("uploads of all tenants tell speed, lease and tenant", async () => {
    await visit(page, "uploads?state=open&tenant=*");
    const heads = await main.locator("thead th").allInnerTexts();
    for (const title of ["Speed", "Node, lease", "Protocol, client", "Tenant", "Last activity"]) assert.ok(heads.includes(title), heads.join());
    const sent = await fetch(`${dashboard.service.url}/tus`, { method: "POST", headers: { authorization: `Bearer ${dashboard.service.key}`, "tus-resumable": "1.0.0", "upload-length": "1000000", "upload-metadata": `filename ${btoa("slow.bin")}` } });
    let more;
    const body = new ReadableStream({ start: (controller) => { more = controller; } });
    const headers = { authorization: `Bearer ${dashboard.service.key}`, "tus-resumable": "1.0.0", "upload-offset": "0", "content-type": "application/offset+octet-stream" };
    const patch = fetch(new URL(sent.headers.get("location"), dashboard.service.url), { method: "PATCH", headers, body, duplex: "half" }).catch(() => {});
    more.enqueue(new Uint8Array(1000));
    const slow = main.locator("tbody tr", { hasText: "slow.bin" });
    await until(async () => { await page.keyboard.press("r"); return /held, ends/.test(await slow.innerText().catch(() => "")); });
    more.close();
    await patch;
    await slow.getByRole("button", { name: "Abort" }).click();
    await confirm(page, "Abort the upload");
    await slow.waitFor({ state: "detached" });
  });

  await t.test("failures have a trend, and a tenant's are told apart", async () => {
    await visit(page, "failures");
    await main.getByRole("heading", { name: "Failures, two days" }).waitFor();
    assert.ok(await main.locator(".list tbody tr").count() > 0);
    await dashboard.api("POST", "/v1/tenants", { name: "quiet" });
    await main.getByLabel("Tenant").fill("quiet");
    await main.getByText("Nothing matches these filters.").waitFor();
    await visit(page, "failures");
  });

  await t.test("a queue is paused and resumed, and tells how many jobs a node takes", async () => {
    await visit(page, "queues");
    const card = main.getByRole("region", { name: "Queue process" });
    assert.match(await card.innerText(), /\d+ at once on each node/);
    await card.getByRole("button", { name: "Pause" }).click();
    await confirm(page, "Pause");
    await card.getByRole("button", { name: "Resume" }).click();
    await confirm(page, "Resume");
    await card.getByRole("button", { name: "Pause" }).waitFor();
  });

  await t.test("a chore is tried without a change, and then run", async () => {
    await visit(page, "cleanup");
    const row = main.locator("tbody tr", { hasText: "orphans" });
    await row.getByRole("button", { name: "Dry run" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Dry run" }).click();
    await page.getByRole("dialog").getByText("orphans would do this").waitFor();
    await page.getByRole("button", { name: "Close" }).last().click();
    await row.getByRole("button", { name: "Run now" }).click();
    await confirm(page, "Run now");
    await until(async () => (await dashboard.api("GET", "/v1/admin/chores")).chores.find(({ name }) => name === "orphans").last_report);
  });

  await t.test("a delivery that was made is sent again", async () => {
    const heard = [];
    const receiver = createServer((request, response) => {
      heard.push(request.headers["webhook-id"]);
      response.writeHead(204).end();
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => receiver.once("listening", resolve));
    t.after(() => receiver.close());
    const { port } = receiver.address();
    const { id } = await dashboard.api("POST", "/v1/webhooks", { url: `http://127.0.0.1:${port}/hook`, events: ["asset.ready"] });
    const asset = await dashboard.send("heard.txt");
    await until(() => heard.length === 1);
    await visit(page, `webhooks?open=webhook:${id}`);
    await panel.getByRole("button", { name: "Send again", exact: true }).click();
    assert.match(await page.getByRole("dialog").innerText(), new RegExp(`Send asset.ready again\\?.*http://127.0.0.1:${port}/hook`, "s"));
    assert.equal(await focused(page), "Cancel");
    await confirm(page, "Send again");
    await until(() => heard.length === 2);
    assert.equal(heard[0], heard[1], "the receiver knows it by its id");
    await dashboard.api("DELETE", `/v1/webhooks/${id}`);
    await dashboard.api("DELETE", `/v1/assets/${asset}`);
    await page.keyboard.press("Escape");
  });

  await t.test("a dead test of an endpoint is not offered to be sent again", async () => {
    await visit(page, "webhooks");
    await main.getByRole("link", { name: new RegExp(DEMO_HOST) }).click();
    await panel.getByRole("heading", { name: "Dead deliveries" }).waitFor();
    assert.equal(await panel.getByRole("button", { name: "Send all again" }).count(), 0);
    await page.keyboard.press("Escape");
  });

  await t.test("a tenant is made, limited, suspended and let in again", async () => {
    await visit(page, "tenants");
    await main.getByRole("button", { name: "New tenant" }).click();
    await confirm(page, "Make the tenant", { Name: "atelier", "Storage in bytes": "5000000" });
    await main.getByRole("link", { name: "atelier" }).click();
    await panel.getByText("0 B of 5 MB").waitFor();
    await panel.getByRole("button", { name: "Suspend" }).click();
    await confirm(page, "Suspend");
    await panel.getByRole("button", { name: "Let in again" }).click();
    await confirm(page, "Let in again");
    await panel.getByRole("button", { name: "Suspend" }).waitFor();
    await page.keyboard.press("Escape");
  });

  await t.test("the audit log is searched and exported", async () => {
    await visit(page, "audit");
    await main.getByLabel("Action", { exact: true }).fill("queue.pause");
    await page.waitForURL(/action=queue\.pause/);
    await settled(page);
    const actions = await main.locator("tbody tr .row-link").allInnerTexts();
    assert.ok(actions.length > 0 && actions.every((action) => action === "queue.pause"), actions.join());
    const download = page.waitForEvent("download");
    await main.getByRole("button", { name: "Export" }).click();
    const lines = (await readFile(await (await download).path(), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual([...new Set(lines.map(({ action }) => action))], ["queue.pause"]);
  });

  await t.test("an asset is released from quarantine with a reason", async () => {
    await visit(page, "quarantine");
    const row = main.locator("tbody tr", { hasText: "ledger-2026" });
    await row.getByRole("button", { name: "Release" }).click();
    const dialog = page.getByRole("dialog");
    assert.equal(await focused(page), "Cancel");
    await dialog.getByLabel("Reason").fill("a new export, checked by hand");
    await dialog.getByRole("button", { name: "Release" }).click();
    await dialog.waitFor({ state: "detached" });
    await row.waitFor({ state: "detached" });
  });

  await t.test("a key's secret is shown once, and it is revoked", async () => {
    await visit(page, "keys");
    await main.getByRole("button", { name: "New key" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("read only");
    await dialog.getByLabel("upload").uncheck();
    await dialog.getByRole("button", { name: "Make the key" }).click();
    const secret = await page.locator("dialog .secret code").textContent();
    assert.match(secret, /^gk_/);
    await screenshot(page, "secret");
    await page.getByRole("button", { name: "Close" }).last().click();
    dashboard.readKey = secret;
    const row = main.locator("tbody tr", { hasText: "read only" });
    await row.waitFor();
    await row.getByRole("button", { name: "Rotate" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click();
    const rotated = page.locator("dialog .secret code");
    await rotated.waitFor();
    assert.notEqual(await rotated.textContent(), secret);
    await page.getByRole("button", { name: "Close" }).last().click();
    await main.getByRole("button", { name: "New key" }).click();
    await dialog.getByLabel("Name").fill("for an hour");
    await dialog.getByRole("button", { name: "Make the key" }).click();
    const brief = await page.locator("dialog .secret code").textContent();
    await page.getByRole("button", { name: "Close" }).last().click();
    const gone = main.locator("tbody tr", { hasText: "for an hour" });
    await gone.getByRole("button", { name: "Revoke" }).click();
    await confirm(page, "Revoke");
    await gone.getByText("revoked").waitFor();
    assert.equal((await fetch(`${dashboard.service.url}/v1/assets`, { headers: { authorization: `Bearer ${brief}` } })).status, 401);
  });

  await t.test("a key that may only read sees no action, and a sentence where it may not look", async () => {
    const other = await dashboard.page({ key: dashboard.readKey });
    await settled(other);
    assert.equal(await other.getByText("Read only").isVisible(), true);
    await screenshot(other, "read-only");
    assert.deepEqual(await violations(other), []);
    assert.equal(await other.getByRole("link", { name: "Queues" }).count(), 0);
    assert.match(await other.locator("main a.tile", { hasText: "Dead letters" }).innerText(), /0\s+jobs that were given up/);
    assert.equal(await other.locator("main a.tile", { hasText: "Processes" }).count(), 0);
    await other.getByRole("link", { name: "Failures" }).click();
    await other.locator("main .list tbody tr").first().waitFor();
    assert.equal(await other.getByRole("alert").count(), 0);
    await visit(other, "quarantine");
    assert.equal(await other.locator("main tbody tr").count(), 1);
    assert.equal(await other.locator("main tbody button, main input[type=checkbox]").count(), 0);
    await visit(other, "keys");
    assert.match(await other.getByRole("alert").innerText(), /needs a key with the scope admin/);
    await other.context().close();
  });

  await t.test("events show at once, unless the page is paused", async () => {
    await visit(page, "assets");
    await page.getByRole("button", { name: /Live updates: Live/ }).waitFor();
    const open = (filename) => dashboard.api("POST", "/v1/uploads", { filename, size: 5 });
    await open("live-one.txt");
    await main.getByRole("link", { name: "live-one.txt" }).waitFor({ timeout: 5000 });
    await page.keyboard.press("p");
    await page.getByRole("button", { name: /paused/ }).waitFor();
    await open("live-two.txt");
    await page.waitForTimeout(2000);
    assert.equal(await main.getByRole("link", { name: "live-two.txt" }).count(), 0);
    await page.keyboard.press("r");
    await main.getByRole("link", { name: "live-two.txt" }).waitFor();
    await page.keyboard.press("p");
  });

  for (const [name, options] of [
    ["dark", { colorScheme: "dark" }],
    ["320", { viewport: { width: 320, height: 640 } }],
    ["zoom", { viewport: { width: 720, height: 450 }, deviceScaleFactor: 2 }],
  ]) {
    await t.test(`every view has no fault and no overflow: ${name}`, async () => {
      const other = await dashboard.page(options);
      const { assets } = await dashboard.api("GET", "/v1/assets?state=rejected&limit=1");
      for (const view of [...VIEWS, `assets?open=asset:${assets[0].id}`]) {
        await visit(other, view);
        await screenshot(other, `${view.split(":")[0].replace(/\W/g, "-")}-${name}`);
        assert.deepEqual(await violations(other), [], view);
        const [wide, shown] = await other.evaluate(() => [Math.max(...["body", "main", ".panel:not([hidden])"].flatMap((one) => [...document.querySelectorAll(one)]).map((one) => one.scrollWidth - one.clientWidth)), innerWidth]);
        assert.ok(wide <= 1, `${view} is ${wide} px too wide at ${shown}`);
      }
      await other.context().close();
    });
  }

  await t.test("what the demo made goes away, and nothing else", async () => {
    const { stderr } = await dashboard.demo("--clear");
    assert.match(stderr, new RegExp(`Removed ${FILES + 3} assets, 1 webhook endpoints and 1 policies`));
    const left = (await dashboard.api("GET", "/v1/assets?limit=500")).assets.filter(({ state }) => !["deleted", "abandoned"].includes(state));
    assert.deepEqual(left.map(({ filename }) => filename).sort(), ["given-up.txt", "live-one.txt", "live-two.txt"]);
    assert.deepEqual((await dashboard.api("GET", "/v1/webhooks")).webhooks, []);
  });

  await t.test("nothing complained", () => assert.deepEqual(dashboard.complaints, []));
});

/** Ten minutes go by since the last pass over all assets. */
const LET_PASS = `
import sqlite3, sys
rows = sqlite3.connect(sys.argv[1], timeout=10)
rows.execute("UPDATE storage_pass SET started_at = started_at - 600 * 1000000, finished_at = finished_at - 600 * 1000000")
rows.commit()
`;

test("an operator sees who serves and sends an upload, what takes up space, and sets how many jobs run", async (t) => {
  const dashboard = await Dashboard.open(t);
  const { service } = dashboard;
  await fetch(`${service.url}/v1/uploads`, {
    method: "POST", headers: { authorization: `Bearer ${service.key}`, "content-type": "application/json", "user-agent": "<img src=x onerror=alert(1)>/1.0" },
    body: JSON.stringify({ filename: "slow.bin", size: 20_000_000, method: "multipart" }),
  });
  const { upload } = await dashboard.api("POST", "/v1/uploads", { filename: "notes.txt", size: 5, method: "append" });
  const sent = await fetch(`${service.url}/v1/uploads/${upload.id}/content`, { method: "PUT", headers: { authorization: `Bearer ${service.key}` }, body: "hello" });
  assert.ok(sent.ok);
  await until(async () => (await dashboard.api("GET", "/v1/assets?state=ready")).assets.length === 1);
  const page = await dashboard.page();
  const main = page.locator("main#main");
  const panel = page.locator("aside.panel");

  await t.test("the list and the panel of an upload name its client, its node and its parts in the store", async () => {
    await visit(page, "uploads?state=open");
    const row = main.locator("tbody tr", { hasText: "slow.bin" });
    assert.match(await row.innerText(), /<img src=x onerror=alert>\/1\.0/);
    assert.match(await row.innerText(), /:\d+/);
    assert.equal(await main.locator("img[src=x]").count(), 0);
    const [{ id }] = (await dashboard.api("GET", "/v1/uploads?state=open")).uploads;
    await row.getByRole("link", { name: /slow/ }).click();
    await panel.getByRole("heading", { name: "In the store" }).waitFor();
    const shown = await panel.innerText();
    const detail = await dashboard.api("GET", `/v1/admin/uploads/${id}`);
    assert.ok(detail.store_upload_id && shown.includes(detail.store_upload_id) && shown.includes(detail.object_key), shown);
    assert.ok(shown.includes(detail.node) && shown.includes("<img src=x onerror=alert>/1.0"), shown);
    assert.deepEqual(await violations(page), []);
  });

  await t.test("a queue's concurrency is changed and goes back to the setting, and its throughput is shown", async () => {
    await visit(page, "queues");
    const card = main.getByRole("region", { name: "Queue process" });
    assert.match(await card.innerText(), /1 finished, 0 failed in the last hour/);
    assert.match(await card.innerText(), /scheduled[\s\S]*retry/);
    await card.getByRole("button", { name: "Concurrency" }).click();
    await confirm(page, "Change", { "At once in each worker": "7" });
    await card.getByText("7 at once in each worker").waitFor();
    const queue = async () => (await dashboard.api("GET", "/v1/admin/queues")).queues.find(({ kind }) => kind === "process");
    assert.equal((await queue()).concurrency, 7);
    await screenshot(page, "queues-concurrency");
    assert.deepEqual(await violations(page), []);
    await card.getByRole("button", { name: "Concurrency" }).click();
    await confirm(page, "Change", { "At once in each worker": "" });
    await until(async () => (await queue()).concurrency === null);
    assert.equal(await main.getByRole("region", { name: "Queue erase" }).getByRole("button", { name: "Concurrency" }).count(), 0);
  });

  await t.test("what takes up space leads to its rows", async () => {
    await until(async () => (await dashboard.api("GET", "/v1/admin/storage")).measured_at);
    await dashboard.change(LET_PASS);
    await until(async () => {
      await dashboard.api("POST", "/v1/admin/chores/rollup/run", {});
      return (await dashboard.api("GET", "/v1/admin/storage")).files === 1;
    });
    for (const [name, options] of [["light", {}], ["dark", { colorScheme: "dark" }], ["320", { viewport: { width: 320, height: 640 } }]]) {
      const other = await dashboard.page({ hash: "#/storage", ...options });
      await other.getByRole("heading", { name: "By tenant" }).waitFor();
      await screenshot(other, `storage-${name}`);
      assert.deepEqual(await violations(other), [], name);
      const wide = await other.evaluate(() => Math.max(...["body", "main"].map((one) => document.querySelector(one)).map((one) => one.scrollWidth - one.clientWidth)));
      assert.ok(wide <= 1, `${wide} px too wide: ${name}`);
      await other.context().close();
    }
    await visit(page, "storage");
    await main.getByRole("link", { name: "text", exact: true }).click();
    await settled(page);
    assert.deepEqual(await main.locator("tbody tr .name .said").allTextContents(), ["notes.txt"]);
    await visit(page, "storage");
    await main.getByRole("link", { name: "Less than a day" }).click();
    await settled(page);
    assert.equal(await main.locator("tbody tr", { hasText: "notes.txt" }).count(), 1);
    await visit(page, "storage");
    await main.getByRole("link", { name: "default", exact: true }).click();
    await settled(page);
    assert.equal(await main.locator("tbody tr", { hasText: "notes.txt" }).count(), 1);
  });

  await t.test("nothing complained", () => assert.deepEqual(dashboard.complaints, []));
});
