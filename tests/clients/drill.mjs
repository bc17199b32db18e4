// Servers of a drill's own, which it kills and starts again, by tests/servers.sh.

import { execFile } from "node:child_process";
import { chmod, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { pause } from "./cluster.mjs";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("../servers.sh", import.meta.url));
const PROMOTED_WITHIN_MS = 20_000;

export class DrillServers {
  /** What the servers exported, by its name: addresses stay the same after each start. */
  exports = {};

  static async start(...names) {
    const servers = new DrillServers();
    servers.dir = await mkdtemp(join(tmpdir(), "gantry-drill-"));
    // PostgreSQL runs as a user of its own.
    await chmod(servers.dir, 0o711);
    try {
      await servers.start(...names);
    } catch (error) {
      await servers.stop();
      throw error;
    }
    return servers;
  }

  /** Starts these, again; resolves when they take connections. */
  async start(...names) {
    const { stdout } = await run("bash", [SCRIPT, "start", this.dir, ...names]);
    for (const [, name, value] of stdout.matchAll(/(GANTRY_TEST_\w+)=(\S+)/g)) this.exports[name] = value;
  }

  /** At once: kill -9; for PostgreSQL its immediate mode, which writes nothing more. */
  kill(...names) {
    return run("bash", [SCRIPT, "kill", this.dir, ...names]);
  }

  stop() {
    return run("bash", [SCRIPT, "stop", this.dir]);
  }

  /** A statement on the `postgres` or the `standby`; resolves to its text. */
  async query(server, statement) {
    const url = this.exports[server === "standby" ? "GANTRY_TEST_STANDBY" : "GANTRY_TEST_POSTGRES"];
    return (await run("psql", ["-qAt", "-d", url, "-c", statement])).stdout.trim();
  }

  /** A standby that has everything which the primary acknowledges: without it, a failover forgets the last commits. */
  async startStandby() {
    await this.start("standby");
    await this.query("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
    await this.query("postgres", "SELECT pg_reload_conf()");
    while ((await this.query("postgres", "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")) !== "1") await pause(100);
  }

  /** Resolves when the standby takes writes. */
  async promoteStandby() {
    const done = await this.query("standby", `SELECT pg_promote(true, ${PROMOTED_WITHIN_MS / 1000})`);
    if (done !== "t") throw new Error("the standby was not promoted");
  }
}
