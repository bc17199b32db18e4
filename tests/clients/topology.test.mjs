// nginx, two nodes, PostgreSQL and an S3 server, by infra/nginx/cluster.conf: while uploads and downloads go on, each node is ended
// in order and started again. No client fails, no byte is lost, and every event is there once.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import test from "node:test";
import { promisify } from "node:util";
import { Cluster, pause } from "./cluster.mjs";
import { Load } from "./load.mjs";
import { everyEventIsThereOnce, everyFileIsThereOnce } from "./oracle.mjs";

/** As cluster.conf asks for: nginx takes a node up again within two seconds. */
const LOAD_BETWEEN_RESTARTS_MS = 3000;

const run = promisify(execFile);

/** Ends and starts each node in turn, with time between for clients to come back. */
async function restartInTurn(cluster, load) {
  for (const node of cluster.nodes) {
    await pause(LOAD_BETWEEN_RESTARTS_MS);
    if (load.stopping) return;
    assert.equal(await node.end(), 0, node.log.slice(-2000));
    await node.start();
  }
  await pause(LOAD_BETWEEN_RESTARTS_MS);
}

/** The nodes are restarted in turn under load, and nobody notices. */
async function survivesRestarts(t, cluster) {
  const load = new Load(cluster);
  let last = Infinity;
  t.after(() => { last = 0; });
  const following = load.follow(() => (load.events.at(-1)?.id ?? 0) >= last);
  const clients = [load.sendAndFetch(1), load.sendAndFetch(2), load.sendByTus(1), load.sendByTus(2), load.stream(), load.probe()];
  const restarts = restartInTurn(cluster, load).finally(() => { load.stopping = true; });
  const all = [restarts, ...clients].map((each) => each.catch((error) => { load.stopping = true; throw error; }));
  const failed = (await Promise.allSettled(all)).filter(({ status }) => status === "rejected").map(({ reason }) => reason);
  assert.deepEqual(failed, [], await cluster.frontLog("error.log"));

  const assets = await everyFileIsThereOnce(load);
  const events = await everyEventIsThereOnce(load, assets);
  last = events.length;
  await following;
  assert.deepEqual(load.events.map(({ id }) => id), events.map(({ id }) => id), "the follower saw what the pages have");
  assert.ok([...load.sent.keys()].some((name) => name.startsWith("put-")) && load.fetched > 0 && load.probes > 20);
  const log = await cluster.frontLog("access.log");
  t.diagnostic(`${load.sent.size} files, ${load.fetched} downloads, ${load.probes} probes, ${events.length} events, ` +
    `${load.reconnects} reconnects, ${log.match(/ 503 /g)?.length ?? 0} answers with 503`);
}

/** What nginx adds is there once, and where no node answers it says so as Gantry would. */
async function addsHeadersOnce(_, cluster) {
  const curl = async (...words) => (await run("curl", ["-sS", "--cacert", cluster.certificate, ...words])).stdout;
  const head = await curl("-D", "-", "-o", "/dev/null", `${cluster.url}/`);
  assert.match(head, /^HTTP\/2 200/);
  for (const name of ["strict-transport-security", "content-security-policy", "x-content-type-options", "referrer-policy"]) {
    assert.equal(head.split("\n").filter((line) => line.toLowerCase().startsWith(`${name}:`)).length, 1, `${name} in ${head}`);
  }
  const packed = await curl("-D", "-", "-o", "/dev/null", "-H", "Accept-Encoding: gzip", `${cluster.url}/openapi.json`);
  assert.equal(packed.match(/content-encoding: gzip/g)?.length, 1, packed);
  assert.match(await curl("-o", "/dev/null", "-w", "%{http_code}", `${cluster.url}/metrics`), /404/);
  await Promise.all(cluster.nodes.map((node) => node.end()));
  const away = await curl("-D", "-", `${cluster.url}/v1/limits`);
  assert.match(away, /^HTTP\/2 503[\s\S]*retry-after: 1[\s\S]*"code":"unavailable"/);
}

test("two nodes behind nginx", { timeout: 120_000 }, async (t) => {
  if (!process.env.GANTRY_TEST_POSTGRES || !process.env.GANTRY_TEST_S3_ENDPOINT) {
    t.skip("tests/servers.sh has PostgreSQL and SeaweedFS");
    return;
  }
  const cluster = await Cluster.start();
  t.after(() => cluster.stop());
  await t.test("are restarted in turn under load, and nobody notices", (t) => survivesRestarts(t, cluster));
  await t.test("have one of each header", (t) => addsHeadersOnce(t, cluster));
});
