// nginx, two nodes, PostgreSQL and an S3 server, by infra/nginx/cluster.conf: while uploads and downloads go on, each node is ended
// in order and started again. No client fails, no byte is lost, and every event is there once.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import test from "node:test";
import { promisify } from "node:util";
import { Cluster, pause } from "./cluster.mjs";
import { Load } from "./load.mjs";
import { everyEventIsThereOnce, everyFileIsThereOnce } from "./oracle.mjs";
import { GANTRY } from "./service.mjs";

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

/** A tenant with limits, and a key of its own. */
async function limitedTenant(cluster, name, limits) {
  const headers = { authorization: `Bearer ${cluster.key}` };
  const ask = async (method, path, body) => {
    const answer = await fetch(`${cluster.url}${path}`, { method, headers, body: JSON.stringify(body) });
    const text = await answer.text();
    assert.ok(answer.ok, text);
    return JSON.parse(text);
  };
  await ask("POST", "/v1/tenants", { name, ...limits });
  const words = ["key", "create", "--tenant", name, "--scopes", "upload,read"];
  return (await run(GANTRY, words, { env: cluster.nodes[0].env })).stdout.trim();
}

/** Both nodes together admit what the rate allows, however the requests are spread; and so with open uploads. */
async function countsForTheCluster(t, cluster) {
  const [perSecond, burst, block] = [1, 12, 1];
  const key = await limitedTenant(cluster, "busy", { rate: { per_second: perSecond, burst } });
  const headers = { authorization: `Bearer ${key}` };
  const statuses = [];
  const begun = performance.now();
  const caller = async (node) => {
    while (statuses.filter((status) => status === 429).length < 30) {
      const answer = await fetch(`${node.url}/v1/assets?limit=1`, { headers });
      await answer.arrayBuffer();
      statuses.push(answer.status);
      if (answer.status === 429) await pause(20);
    }
  };
  await Promise.all(cluster.nodes.flatMap((node) => [caller(node), caller(node)]));
  const seconds = (performance.now() - begun) / 1000;
  const admitted = statuses.filter((status) => status === 200).length;
  const allowed = burst + perSecond * seconds + block;
  assert.deepEqual([...new Set(statuses)].sort(), [200, 429]);
  assert.ok(admitted <= allowed, `${admitted} requests were admitted in ${seconds} s, at most ${allowed} are allowed`);
  assert.ok(admitted >= burst, `${admitted} requests were admitted, ${burst} are allowed at once`);

  const opener = await limitedTenant(cluster, "opener", { quota: { open_uploads: 5 } });
  const open = (node, index) => fetch(`${node.url}/v1/uploads`, { method: "POST", headers: { authorization: `Bearer ${opener}` },
    body: JSON.stringify({ filename: `open-${index}.bin`, size: 20 * 1024 * 1024 }) });
  const opened = await Promise.all(Array.from({ length: 20 }, (_, index) => open(cluster.nodes[index % 2], index)));
  assert.equal(opened.filter(({ status }) => status === 201).length, 5, opened.map(({ status }) => status).join(" "));
  t.diagnostic(`${admitted} of ${statuses.length} requests were admitted in ${seconds.toFixed(1)} s by two nodes`);
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
  await t.test("count rates and open uploads together", (t) => countsForTheCluster(t, cluster));
  await t.test("have one of each header", (t) => addsHeadersOnce(t, cluster));
});
