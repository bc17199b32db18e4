// Several nodes on PostgreSQL and an S3 server behind nginx, set up by the very file in infra/. The servers are those of
// tests/servers.sh that all tests share, or a test's own.

import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { freePort, GANTRY } from "./service.mjs";

/** What cluster.conf says before it is adapted. */
const PROXY_SECRET = "0123456789abcdef0123456789abcdef";
const STARTS_WITHIN_MS = 30_000;

const run = promisify(execFile);
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A `gantry serve` that can be ended in order and started again. */
class Node {
  constructor(env) {
    this.env = env;
    this.url = `http://${env.GANTRY_LISTEN}`;
    this.log = "";
  }

  async start() {
    this.process = spawn(GANTRY, ["serve"], { env: this.env, stdio: ["ignore", "ignore", "pipe"] });
    this.process.stderr.on("data", (data) => { this.log += data; });
    const deadline = Date.now() + STARTS_WITHIN_MS;
    while (!(await fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false))) {
      if (Date.now() > deadline || this.process.exitCode !== null) throw new Error(`no node: ${this.log}`);
      await pause(50);
    }
  }

  /** Ends it as a supervisor does; resolves to its exit code. */
  async end() {
    if (this.process.exitCode !== null) return this.process.exitCode;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    return ended;
  }
}

/** cluster.conf with the test's names and ports; each replacement must be there. */
async function adapted(replacements) {
  let text = await readFile(new URL("../../infra/nginx/cluster.conf", import.meta.url), "utf8");
  for (const [from, to] of replacements) {
    if (!text.includes(from)) throw new Error(`cluster.conf does not say ${from} any more`);
    text = text.replaceAll(from, to);
  }
  return text;
}

export class Cluster {
  nodes = [];

  /** Two nodes with a database and a bucket of their own, and nginx with TLS before both. `servers`: what tests/servers.sh exported. */
  static async start(settings = {}, servers = process.env) {
    const cluster = new Cluster();
    cluster.servers = servers;
    try {
      await cluster.#start(settings);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** The URL of the cluster's database on these servers. */
  databaseUrl(hosts = new URL(this.servers.GANTRY_TEST_POSTGRES).host) {
    return `postgres://gantry@${hosts}/${this.name}`;
  }

  async #start(settings) {
    const { GANTRY_TEST_POSTGRES, GANTRY_TEST_S3_ENDPOINT, GANTRY_TEST_S3_ACCESS_KEY, GANTRY_TEST_S3_SECRET_KEY } = this.servers;
    this.dir = await mkdtemp(join(tmpdir(), "gantry-cluster-"));
    this.name = `topology-${randomBytes(6).toString("hex")}`;
    await run("psql", ["-q", "-d", GANTRY_TEST_POSTGRES, "-c", `CREATE DATABASE "${this.name}"`]);
    await run("curl", ["-sSf", "-X", "PUT", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
      `${GANTRY_TEST_S3_ACCESS_KEY}:${GANTRY_TEST_S3_SECRET_KEY}`, `${GANTRY_TEST_S3_ENDPOINT}/${this.name}`]);
    const [apiPort, storePort] = [await freePort(), await freePort()];
    this.url = `https://localhost:${apiPort}`;
    this.certificate = join(this.dir, "tls.pem");
    const shared = {
      ...process.env,
      GANTRY_PUBLIC_URL: this.url,
      GANTRY_DATABASE_URL: this.databaseUrl(),
      GANTRY_STORE: "s3",
      GANTRY_S3_ENDPOINT: GANTRY_TEST_S3_ENDPOINT,
      GANTRY_S3_PUBLIC_ENDPOINT: `https://localhost:${storePort}`,
      GANTRY_S3_BUCKET: this.name,
      GANTRY_S3_REGION: "us-east-1",
      GANTRY_S3_PATH_STYLE: "true",
      AWS_ACCESS_KEY_ID: GANTRY_TEST_S3_ACCESS_KEY,
      AWS_SECRET_ACCESS_KEY: GANTRY_TEST_S3_SECRET_KEY,
      GANTRY_SIGNING_KEY: randomBytes(32).toString("hex"),
      GANTRY_TRUSTED_PROXY_SECRET: PROXY_SECRET,
      ...settings,
    };
    for (const name of ["one", "two"]) {
      const dir = join(this.dir, name);
      const node = new Node({ ...shared, GANTRY_DATA_DIR: dir, GANTRY_LISTEN: `127.0.0.1:${await freePort()}` });
      this.nodes.push(node);
      await node.start();
    }
    const words = ["key", "create", "--scopes", "admin,upload,read"];
    this.key = (await run(GANTRY, words, { env: this.nodes[0].env })).stdout.trim();
    await this.#startNginx(apiPort, storePort);
  }

  async #startNginx(apiPort, storePort) {
    const dir = join(this.dir, "nginx");
    await mkdir(dir);
    const key = join(dir, "tls.key");
    await run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
      "-subj", "/CN=localhost", "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", this.certificate]);
    const [one, two] = this.nodes.map((node) => node.env.GANTRY_LISTEN);
    const site = await adapted([
      ["listen 443 ssl http2;\n  server_name files.example;", `listen 127.0.0.1:${apiPort} ssl http2;\n  server_name localhost;`],
      ["listen 443 ssl http2;\n  server_name store.files.example;",
        `listen 127.0.0.1:${storePort} ssl http2;\n  server_name localhost;`],
      ["gantry-1:8080", one],
      ["gantry-2:8080", two],
      ["s3:8333", new URL(this.servers.GANTRY_TEST_S3_ENDPOINT).host],
      ["/etc/nginx/tls/files.example.pem", this.certificate],
      ["/etc/nginx/tls/files.example.key", key],
      ["/var/log/nginx/gantry.log", join(dir, "access.log")],
    ]);
    const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${dir}/${kind};`);
    const user = process.getuid() === 0 ? "user root;" : "";
    await writeFile(join(dir, "nginx.conf"), `${user} daemon off; worker_processes 1; pid ${dir}/pid; error_log ${dir}/error.log;
      events { worker_connections 1024; } http { ${places.join(" ")} ${site} }`);
    this.nginx = spawn("/usr/sbin/nginx", ["-p", dir, "-e", join(dir, "start.log"), "-c", join(dir, "nginx.conf")],
      { stdio: ["ignore", "ignore", "inherit"] });
    const answers = () => run("curl", ["-sf", "--cacert", this.certificate, `${this.url}/livez`]).then(() => true, () => false);
    for (let tries = 0; !(await answers()); tries++) {
      if (tries > 100 || this.nginx.exitCode !== null) throw new Error(`no nginx: ${await this.frontLog("error.log")}`);
      await pause(50);
    }
  }

  /** What nginx wrote down. */
  frontLog(name) {
    return readFile(join(this.dir, "nginx", name), "utf8").catch(() => "");
  }

  async stop() {
    this.nginx?.kill("SIGTERM");
    await Promise.all(this.nodes.map((node) => node.end()));
    await run("psql", ["-q", "-d", this.servers.GANTRY_TEST_POSTGRES, "-c", `DROP DATABASE "${this.name}"`]).catch(() => {});
    await rm(this.dir, { recursive: true, force: true });
  }
}
