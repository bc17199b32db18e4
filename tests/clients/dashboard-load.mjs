// The dashboard with 100 000 assets, 1 000 dead letters and 500 uploads in flight: how long each view takes until its rows are shown.
//
//   node tests/clients/dashboard-load.mjs [assets]
//
// The demo's rows are multiplied in the database itself, while the service is stopped. GANTRY_TEST_BIN names the service's binary; with
// KEEP_DATA=1 its data directory stays.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { CHROMIUM, QUIET } from "./browser.mjs";
import { GANTRY, Service } from "./service.mjs";

const ASSETS = Number(process.argv[2] ?? 100_000);
const ROUNDS = 5;
const VIEWS = ["overview", "uploads?state=open", "uploads?state=open&idle_for=10m", "assets", "assets?name=report", "assets?state=ready&sort=size", "quarantine", "failures", "queues", "dead",
  "webhooks", "tenants", "keys", "policies", "audit", "cleanup", "system"];

const FILL = `
import os, random, sqlite3, sys, time
path, count = sys.argv[1], int(sys.argv[2])
db = sqlite3.connect(path)
db.execute("PRAGMA synchronous = OFF")
db.execute("PRAGMA foreign_keys = OFF")
db.row_factory = sqlite3.Row
now = int(time.time() * 1e6)
MONTH = 30 * 86400 * 1000000

def new_id(at):
    milliseconds = at // 1000
    tail = os.urandom(10)
    return milliseconds.to_bytes(6, "big") + bytes([0x70 | tail[0] & 15, tail[1], 0x80 | tail[2] & 63]) + tail[3:]

def insert(table, row):
    names = ", ".join(row)
    db.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))

def rows(sql):
    return [dict(row) for row in db.execute(sql)]

assets = [(asset, rows_of) for asset in rows("SELECT * FROM asset") for rows_of in [{
    "upload": [dict(r) for r in db.execute("SELECT * FROM upload WHERE asset_id = ?", (asset["id"],))],
    "event": [dict(r) for r in db.execute("SELECT * FROM event WHERE asset_id = ? AND pos IS NOT NULL ORDER BY seq", (asset["id"],))]}]]
last = {row["tenant_id"]: row["last"] for row in rows("SELECT * FROM feed")}
ended = [one for one in assets if one[0]["state"] in ("ready", "rejected", "failed")]
flying = [one for one in assets if one[0]["state"] == "awaiting" and one[1]["upload"]]
def clone(asset, more, at, number):
    shift = at - asset["created_at"]
    id = new_id(at)
    copy = dict(asset, id=id, created_at=at, changed_at=asset["changed_at"] + shift, external_id=None, name=f"{number} {asset['name']}")
    for moment in ("stored_at",):
        if copy[moment]: copy[moment] += shift
    if copy["purge_at"]: copy["purge_at"] = now + MONTH
    if copy["object_key"]: copy["object_key"] = f"{asset['object_key']}-{number}"
    copy["delete_at"] = None
    insert("asset", copy)
    for upload in more["upload"]:
        uploaded = dict(upload, id=new_id(at), asset_id=id, created_at=at, changed_at=at, external_id=None, object_key=f"{upload['object_key']}-{number}", expires_at=now + MONTH)
        if uploaded["next_check_at"]: uploaded["next_check_at"] = now + MONTH
        if uploaded.get("last_activity_at"): uploaded["last_activity_at"] = now - random.randrange(3600 * 1000000)
        insert("upload", uploaded)
    for event in more["event"]:
        last[event["tenant_id"]] += 1
        insert("event", dict(event, asset_id=id, at=event["at"] + shift, pos=last[event["tenant_id"]]))

for number in range(count):
    asset, more = random.choice(ended)
    clone(asset, more, now - MONTH + number * (MONTH // count), number)
for number in range(500 if flying else 0):
    asset, more = random.choice(flying)
    clone(asset, more, now - random.randrange(86400 * 1000000), f"flying {number}")
subjects = [row["id"] for row in rows("SELECT id FROM asset ORDER BY id DESC LIMIT 1000")]
tenant = ended[0][0]["tenant_id"]
columns = [row["name"] for row in rows("PRAGMA table_info(job)")]
attempt_columns = [row["name"] for row in rows("PRAGMA table_info(job_attempt)")]
for number, subject in enumerate(subjects):
    at = now - random.randrange(86400 * 1000000)
    job = dict(id=new_id(at), kind="process", tenant_id=tenant, subject_id=subject, state="dead", run_at=at, attempt=8, last_error="the scanner did not answer", created_at=at, priority=1, tries=8, progress=None)
    insert("job", {name: job[name] for name in columns if name in job})
    for attempt in range(1, 9):
        db.execute("INSERT INTO job_attempt SELECT id, ?, tenant_id, kind, subject_id, 'node-1:4711', created_at + ?, created_at + ?, ?, 'the scanner did not answer' FROM job WHERE id = ?",
            (attempt, 2000000 << attempt, (2000000 << attempt) + 1500000, "dead" if attempt == 8 else "failed", job["id"]))
for tenant, at in last.items():
    # What the rows stand for was told to webhooks and counted long ago.
    db.execute("UPDATE feed SET last = ?1, counted = ?1 WHERE tenant_id = ?2", (at, tenant))
    db.execute("UPDATE webhook SET cursor = ? WHERE tenant_id = ?", (at, tenant))
# An audit trail of a month.
entry = rows("SELECT * FROM audit LIMIT 1")
for number in range(20000 if entry else 0):
    at = now - MONTH + number * (MONTH // 20000)
    insert("audit", dict(entry[0], id=new_id(at), at=at))
db.commit()
db.execute("ANALYZE")
db.commit()
print(*[f"{table} {db.execute(f'SELECT count(*) FROM {table}').fetchone()[0]}" for table in ("asset", "upload", "event", "job", "job_attempt", "audit")], sep=", ")
`;

const service = await Service.start();
const env = { ...process.env, GANTRY_URL: service.url, GANTRY_API_KEY: service.key };
const run = promisify(execFile);
let browser;
try {
  await run(GANTRY, ["demo", "--assets", "60"], { env });
  service.process.kill("SIGTERM");
  await new Promise((resolve) => service.process.once("exit", resolve));
  const { stdout } = await run("python3", ["-c", FILL, join(service.dir, "gantry.db"), String(ASSETS)], { maxBuffer: 1 << 24 });
  console.log(stdout.trim());
  await service.launch();
  // The service counts the new rows and indexes their names once.
  const settled = async () => {
    const { chores } = await (await fetch(`${service.url}/v1/admin/chores`, { headers: { authorization: `Bearer ${service.key}` } })).json();
    return chores.filter(({ name }) => ["rollup", "alarms"].includes(name)).every(({ last_report: report }) => report !== null);
  };
  for (let tries = 0; tries < 300 && !await settled(); tries++) await new Promise((resolve) => setTimeout(resolve, 1000));
  browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  page.setDefaultTimeout(60_000);
  await page.goto(`${service.url}/admin#/policies`);
  await page.getByLabel("Your API key").fill(service.key);
  await page.keyboard.press("Enter");
  await page.waitForSelector("main#main");
  await page.waitForTimeout(2000);
  const results = [];
  for (const view of VIEWS) {
    const times = [];
    const asked = [];
    const listen = async (response) => {
      const url = new URL(response.url());
      if (!url.pathname.startsWith("/v1/") || url.pathname === "/v1/events") return;
      await response.finished().catch(() => {});
      const { responseEnd } = response.request().timing();
      asked.push([url.pathname + url.search, Math.round(responseEnd), response.status()]);
    };
    page.on("response", listen);
    for (let round = 0; round < ROUNDS; round++) {
      await page.evaluate(() => { location.hash = "#/policies"; });
      await page.waitForTimeout(300);
      await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
      asked.length = 0;
      times.push(await page.evaluate((hash) => new Promise((resolve) => {
        const began = performance.now();
        location.hash = hash;
        // The view says that it is busy before its first wait; afterwards its rows are painted.
        let seen = false;
        const look = () => {
          const busy = document.querySelector("[aria-busy=true]");
          seen ||= Boolean(busy);
          if ((seen && !busy) || performance.now() - began > 30_000) return requestAnimationFrame(() => resolve(performance.now() - began));
          setTimeout(look, 2);
        };
        setTimeout(look, 0);
        setTimeout(() => { seen = true; }, 150);
      }), `#/${view}`));
    }
    page.off("response", listen);
    const sorted = times.sort((a, b) => a - b);
    const rows = await page.locator("main tbody tr, main a.tile").count();
    results.push({ view, median: sorted[Math.floor(ROUNDS / 2)], asked: [...asked] });
    console.log(`${view}: ${Math.round(sorted[Math.floor(ROUNDS / 2)])} ms (${sorted.map(Math.round).join(", ")}), ${rows} rows or tiles; ${asked.map(([path, took, status]) => `${path} ${took} ms${status === 200 ? "" : ` ${status}`}`).join("; ")}`);
  }
  const slow = results.filter(({ median }) => median > 300);
  console.log(slow.length === 0 ? "Every view is shown within 300 ms." : `Over 300 ms: ${slow.map(({ view }) => view).join(", ")}`);
} finally {
  await browser?.close();
  if (process.env.KEEP_DATA) {
    service.process.kill("SIGTERM");
    console.log(service.dir);
  } else await service.stop();
}
