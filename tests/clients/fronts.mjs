// nginx and Apache before a service, set up by the very files in infra/.

import { spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort } from "./service.mjs";

export const PROOF = { GANTRY_TRUSTED_PROXY_SECRET: "0123456789abcdef0123456789abcdef" };

async function adapted(file, replacements) {
  let text = await readFile(new URL(`../../infra/${file}`, import.meta.url), "utf8");
  for (const [from, to] of replacements) {
    if (!text.includes(from)) throw new Error(`${file} does not say ${from} any more`);
    text = text.replaceAll(from, to);
  }
  return text;
}

const root = process.getuid() === 0;

async function nginx(service, dir, port) {
  const server = await adapted("nginx/gantry.conf", [
    ["listen 127.0.0.1:80;", `listen 127.0.0.1:${port};`],
    ["127.0.0.1:8080", service.env.GANTRY_LISTEN],
    ["127.0.0.1:8081", service.env.GANTRY_STORE_LISTEN],
    ["/var/lib/gantry/store/files/", `${service.dir}/store/files/`],
    ["/var/cache/nginx/gantry", `${dir}/cache`],
    ["/var/log/nginx/gantry.log", `${dir}/access.log`],
  ]);
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${dir}/${kind};`);
  await writeFile(join(dir, "nginx.conf"), `${root ? "user root;" : ""} daemon off; worker_processes 1; pid ${dir}/pid;
    error_log ${dir}/error.log; events { worker_connections 512; }
    http { ${places.join(" ")} ${server} }`);
  return ["/usr/sbin/nginx", ["-p", dir, "-e", join(dir, "start.log"), "-c", join(dir, "nginx.conf")]];
}

async function apache(service, dir, port) {
  const host = await adapted("apache/gantry.conf", [
    ["127.0.0.1:80\n", `127.0.0.1:${port}\n`],
    ["127.0.0.1:80>", `127.0.0.1:${port}>`],
    ["127.0.0.1:8080", service.env.GANTRY_LISTEN],
    ["/var/lib/gantry/store/files", `${service.dir}/store/files`],
    ["/var/log/apache2/gantry.log", `${dir}/access.log`],
  ]);
  const modules = ["mpm_event", "authz_core", "proxy", "proxy_http", "headers", "setenvif", "env", "xsendfile"]
    .map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so\n`);
  await writeFile(join(dir, "apache.conf"), `${modules.join("")}${root ? "User daemon\nGroup daemon\n" : ""}
ServerName localhost\nServerRoot ${dir}\nPidFile ${dir}/pid\nErrorLog ${dir}/error.log\nDefaultRuntimeDir ${dir}
Mutex file:${dir}\n${host}`);
  for (const place of [service.dir, join(service.dir, "store"), dir]) await chmod(place, 0o711);
  return ["/usr/sbin/apache2", ["-DFOREGROUND", "-f", join(dir, "apache.conf")]];
}

/** Starts a proxy before the service; its origin and how to end it. A service that names the proxy in what it answers has
 *  to know the port before. */
export async function front(kind, service, wanted) {
  const [dir, port] = [await mkdtemp(join(tmpdir(), "gantry-front-")), wanted ?? await freePort()];
  const [program, words] = await { nginx, apache }[kind](service, dir, port);
  const child = spawn(program, words, { stdio: ["ignore", "ignore", "inherit"] });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    if (await fetch(`${url}/livez`).then((answer) => answer.ok, () => false)) break;
    if (tries > 200 || child.exitCode !== null) throw new Error(`no ${kind}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const stop = async () => {
    child.kill("SIGTERM");
    if (child.exitCode === null) await new Promise((resolve) => child.once("exit", resolve));
    await rm(dir, { recursive: true, force: true });
  };
  return { url, stop };
}
