// What an operator fears: the database or the object store goes away under load and comes back, or another server takes its place.
// Nodes and clients go on by themselves. Nothing that was acknowledged is lost, no event and no hand-off is there twice.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import test from "node:test";
import { promisify } from "node:util";
import { Cluster, pause } from "./cluster.mjs";
import { DrillServers } from "./drill.mjs";
import { PatientLoad } from "./load.mjs";
import { everyEventIsThereOnce, everyFileIsThereOnce, HandOffs } from "./oracle.mjs";
import { GANTRY } from "./service.mjs";

const run = promisify(execFile);
/** Writes are back this long after the server takes connections. */
const RECOVERED_WITHIN_MS = 5000;
const AWAY_MS = 2000;
const LOAD_AFTER_MS = 6000;

/** Runs the load through a failure. `fail` resolves to the moment from which the server took connections again. */
async function drill(t, stage, name, fail) {
  const load = new PatientLoad(stage.cluster, name);
  const handOffs = stage.handOffs;
  let [last, ended] = [Infinity, false];
  const follower = load.follow(() => ended || (load.events.at(-1)?.id ?? 0) >= last);
  t.after(() => { ended = true; load.stopping = true; return follower; });
  const failure = (async () => {
    while (!load.isUnderWay() && !load.stopping) await pause(50);
    const back = await fail();
    await pause(LOAD_AFTER_MS);
    return back;
  })().finally(() => { load.stopping = true; });
  const clients = [load.sendByCommand(1), load.sendByTus(1), load.stream(), load.write()];
  const all = [failure, ...clients].map((each) => each.catch((error) => { load.stopping = true; throw error; }));
  const outcomes = await Promise.allSettled(all);
  const log = stage.cluster.nodes.map((node) => node.log.slice(-1500)).join("\n");
  assert.deepEqual(outcomes.flatMap(({ reason }) => reason ?? []), [], log);
  const back = outcomes[0].value;

  const recovered = load.recoveredAfter(back);
  assert.ok(recovered <= RECOVERED_WITHIN_MS, `writes were back after ${recovered} ms: ${JSON.stringify(load.writes.slice(-40))}\n${log}`);
  const late = load.writes.filter(({ begun, status }) => begun > back + RECOVERED_WITHIN_MS && status !== 201);
  assert.deepEqual(late, [], log);
  const assets = await everyFileIsThereOnce(load);
  const events = await everyEventIsThereOnce(load, assets);
  last = events.length;
  await follower;
  assert.deepEqual(load.events.map(({ id }) => id), events.map(({ id }) => id), "the follower saw what the pages have");
  assert.equal(handOffs.failure, undefined);
  handOffs.check(assets);
  const failed = load.writes.filter(({ status }) => status !== 201).length;
  assert.ok([...load.sent.keys()].some((sent) => sent.includes("-put-")) && load.fetched > 0);
  t.diagnostic(`writes were back after ${recovered} ms; ${load.sent.size} files, ${load.fetched} downloads, ${failed} of ` +
    `${load.writes.length} writes failed, ${load.retries} retries, ${events.length} events, ${handOffs.offers.length} offers`);
}

async function restart(servers, name) {
  await servers.kill(name);
  await pause(AWAY_MS);
  await servers.start(name);
  return Date.now();
}

/** The first server dies for good, and the second takes its place. */
async function failOver({ servers }) {
  await servers.kill("postgres");
  await pause(AWAY_MS / 2);
  await servers.promoteStandby();
  return Date.now();
}

/** The nodes get a URL with both servers, and a standby follows the first. */
async function nameBothServers({ cluster, servers }) {
  await servers.startStandby();
  const hosts = ["GANTRY_TEST_POSTGRES", "GANTRY_TEST_STANDBY"].map((name) => new URL(servers.exports[name]).host);
  for (const node of cluster.nodes) {
    node.env.GANTRY_DATABASE_URL = `${cluster.databaseUrl(hosts.join(","))}?target_session_attrs=read-write`;
    assert.equal(await node.end(), 0, node.log.slice(-2000));
    await node.start();
  }
}

test("failures under load", { timeout: 270_000 }, async (t) => {
  if (!process.env.GANTRY_TEST_POSTGRES || !process.env.GANTRY_TEST_S3_ENDPOINT) {
    t.skip("tests/servers.sh has PostgreSQL and SeaweedFS");
    return;
  }
  const servers = await DrillServers.start("postgres", "seaweedfs", "nats");
  let [cluster, handOffs] = [];
  t.after(async () => {
    await handOffs?.stop();
    await cluster?.stop();
    await servers.stop();
  });
  cluster = await Cluster.start({ GANTRY_HANDOFF: `${servers.exports.GANTRY_TEST_NATS}?stream=GANTRY&subject=gantry` }, servers.exports);
  const words = ["key", "create", "--scopes", "process"];
  const key = (await run(GANTRY, words, { env: cluster.nodes[0].env })).stdout.trim();
  handOffs = new HandOffs(new PatientLoad(cluster, "processor"), servers.exports.GANTRY_TEST_NATS, key);
  handOffs.start();
  const stage = { cluster, servers, handOffs };
  await t.test("PostgreSQL is stopped at once and started", (t) => drill(t, stage, "stopped", () => restart(servers, "postgres")));
  await t.test("the object store is killed and started", (t) => drill(t, stage, "store", () => restart(servers, "seaweedfs")));
  await nameBothServers(stage);
  await t.test("a standby takes the place of a dead PostgreSQL", (t) => drill(t, stage, "failover", () => failOver(stage)));
});
