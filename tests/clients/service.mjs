// A service for one client test: the real binary on free ports with a data directory of its own.

import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const GANTRY = process.env.GANTRY_TEST_BIN ?? "target/debug/gantry";

/** A free port below those that the kernel gives to outgoing connections, which would take it before the service listens. */
export async function freePort() {
  for (;;) {
    const port = randomInt(10_000, 32_000);
    const server = createServer();
    const free = await new Promise((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

export class Service {
  static async start(settings = {}) {
    const service = new Service();
    service.dir = await mkdtemp(join(tmpdir(), "gantry-client-"));
    const [port, storePort] = [await freePort(), await freePort()];
    service.url = `http://127.0.0.1:${port}`;
    service.env = {
      ...process.env,
      GANTRY_DATA_DIR: service.dir,
      GANTRY_LISTEN: `127.0.0.1:${port}`,
      GANTRY_STORE_LISTEN: `127.0.0.1:${storePort}`,
      ...settings,
    };
    await service.launch();
    return service;
  }

  async launch() {
    this.process = spawn(GANTRY, ["serve"], { env: this.env, stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    this.log = "";
    this.process.stdout.on("data", (data) => { out += data; });
    this.process.stderr.on("data", (data) => { this.log += data; });
    for (let tries = 0; ; tries++) {
      if (await fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false)) break;
      if (tries > 300 || this.process.exitCode !== null) throw new Error(`no service: ${out}${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // Where nobody watches, the first key is in a file.
    this.key ??= (await readFile(join(this.dir, "admin.key"), "utf8")).trim();
  }

  async stop() {
    this.process.kill("SIGTERM");
    if (this.process.exitCode === null) await new Promise((resolve) => this.process.once("exit", resolve));
    await rm(this.dir, { recursive: true, force: true });
  }
}
