// A content delivery network of one machine: it lets in whoever brings the HMAC form's signature, fetches from the bucket,
// and serves ranges of what it has fetched.

import { execFile, execFileSync } from "node:child_process";
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { promisify } from "node:util";

import { GANTRY } from "./service.mjs";

/** The digest of no content: curl's signature leaves it to the caller. */
const NOTHING = createHash("sha256").digest("hex");
const SECRET = "0123456789abcdef0123456789abcdef";

function admitted(target) {
  const [signed, signature] = target.split("&sig=");
  const wanted = createHmac("sha256", SECRET).update(signed).digest();
  const given = Buffer.from(signature ?? "", "hex");
  const expires = Number(new URL(signed, "http://x").searchParams.get("expires"));
  return given.length === wanted.length && timingSafeEqual(given, wanted) && expires > Date.now() / 1000;
}

/** What the bucket answers, by curl's own signature. */
async function fetched(service, target) {
  const text = execFileSync(GANTRY, ["store-env"], { env: service.env, encoding: "utf8" });
  const env = Object.fromEntries([...text.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]));
  const [path, query] = target.split("?");
  const shown = query.split("&").filter((pair) => pair.startsWith("response-")).sort().join("&");
  const url = `${env.AWS_ENDPOINT_URL}/${env.GANTRY_BUCKET}${path}${shown && "?"}${shown}`;
  const words = ["-sS", "-i", "--aws-sigv4", `aws:amz:${env.AWS_REGION}:s3`, "--user",
    `${env.AWS_ACCESS_KEY_ID}:${env.AWS_SECRET_ACCESS_KEY}`, "-H", `x-amz-content-sha256: ${NOTHING}`, url];
  const { stdout } = await promisify(execFile)("curl", words, { encoding: "buffer", maxBuffer: 1 << 28 });
  const end = stdout.indexOf("\r\n\r\n");
  const [status, ...lines] = stdout.subarray(0, end).toString("latin1").split("\r\n");
  const headers = Object.fromEntries(lines.map((line) => line.split(/: (.*)/s).slice(0, 2)));
  return { status: Number(status.split(" ")[1]), headers, body: stdout.subarray(end + 4) };
}

function render({ status, headers, body }, range, response) {
  const kept = ["content-type", "content-disposition", "cache-control", "etag"].filter((name) => headers[name]);
  for (const name of kept) response.setHeader(name, headers[name]);
  response.setHeader("accept-ranges", "bytes");
  const [, from, to] = range?.match(/^bytes=(\d+)-(\d*)$/) ?? [];
  if (status !== 200 || from === undefined) return response.writeHead(status).end(body);
  const last = Math.min(Number(to || body.length - 1), body.length - 1);
  response.setHeader("content-range", `bytes ${from}-${last}/${body.length}`);
  return response.writeHead(206).end(body.subarray(Number(from), last + 1));
}

/** Starts a network; the settings of a service that uses it, and how it finds that service's bucket. */
export async function network() {
  const known = new Map();
  let origin;
  const server = createServer((request, response) => {
    if (!admitted(request.url)) return response.writeHead(403).end();
    const name = request.url.replace(/[?&]expires=.*/, "");
    if (!known.has(name)) known.set(name, fetched(origin, request.url));
    return known.get(name).then((answer) => render(answer, request.headers.range, response),
      (error) => response.writeHead(502).end(String(error)));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  return {
    settings: { GANTRY_DELIVERY: "cdn", GANTRY_CDN__FORM: "hmac", GANTRY_CDN__URL: url, GANTRY_CDN__SECRET: SECRET },
    inFrontOf(service) { origin = service; },
    stop: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }),
  };
}
